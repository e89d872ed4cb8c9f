//! Belonging to a site: how a distribution point or a child site joins with a one-time token, is known afterwards, keeps
//! its certificate from ending, and learns whose signatures to believe.
//!
//! The identity is on disk before it is used. A kill between the site's reply and the save leaves a token that is spent
//! and an identity that nobody has: the next start says so and asks for a new token.

pub mod backoff;
mod error;
mod file;
mod join;
mod member;
mod renewal;

pub use error::MembershipError;
pub use file::Identity;
pub use join::{Granted, Joining, join};
pub use member::Membership;
