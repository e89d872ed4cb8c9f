//! Who published a version, and whether that may be believed.
//!
//! Each site has an Ed25519 key. What it publishes it signs; every holder checks the signature before it installs, so
//! that neither a parent, nor a child, nor whoever writes in a site's database can pass off other bytes as a package
//! of somebody else. Keys are believed by a chain of endorsements that begins at the own site, and stay as they were
//! first believed: another key for a site counts only if the key before it vouches for it.

mod error;
mod key;
mod ring;
mod statement;

pub use error::TrustError;
pub use key::{KEY_FILE, KeyFileError, PublicKey, SigningKey};
pub use ring::{KeyRing, Learned};
pub use statement::{KeyStatement, VersionStatement};
