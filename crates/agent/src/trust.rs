//! Signed versions: what a site states of a version that it published, and the keys of all sites.

use serde::{Deserialize, Serialize};

/// The most keys in one reply: one for each site of a hierarchy.
pub const KEYS_MAX: usize = 1024;
/// The most endorsements of one key: by its neighbors in the tree, and by the key before it.
pub const ENDORSEMENTS_MAX: usize = 256;

/// A site's statement that a version is as it published it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSignature {
    /// The site that published the version.
    pub source_site: String,
    /// The package's ownership epoch at that time; rises when the package goes to another source site.
    pub epoch: i64,
    /// The version's content hash, as the site states it.
    pub content_hash: String,
    /// The public key, Ed25519, hex.
    pub key: String,
    /// The signature over the statement (`docs/agent-protocol.md`), hex.
    pub signature: String,
}

/// `GET /agent/v1/keys`: the signing keys of all sites that this site knows, its own first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysReply {
    /// At most [`KEYS_MAX`].
    pub keys: Vec<SiteKey>,
}

/// A site's public signing key, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteKey {
    /// Whose it is.
    pub site_code: String,
    /// Ed25519, hex.
    pub key: String,
    /// At most [`ENDORSEMENTS_MAX`].
    pub endorsements: Vec<Endorsement>,
}

/// One site's statement that a key is another site's. A child gives its own of its parent's key by
/// `POST /agent/v1/site/endorse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// Who vouches: a neighbor in the tree, or the same site with its key before.
    pub by_site: String,
    /// The key that signed, Ed25519, hex.
    pub by_key: String,
    /// The signature over the endorsement's statement, hex.
    pub signature: String,
}
