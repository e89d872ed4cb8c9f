//! How a child site joins its parent.

use serde::{Deserialize, Serialize};

use crate::trust::Endorsement;

/// `POST /agent/v1/site/join`: trades a one-time token for a place in the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The one-time token, as printed by `haulier site token`.
    pub token: String,
    /// The child's site code, as given when the token was made.
    pub site_code: String,
    /// The child's name for people.
    pub site_name: String,
    /// 1 secondary, 2 primary, 4 central administration site: `SMS_Site.Type`.
    pub site_type: u32,
    /// The network name of the child's server.
    pub server_name: String,
    /// PEM certificate request for the client certificate; absent over plain loopback HTTP.
    pub csr_pem: Option<String>,
    /// The child's public signing key, Ed25519, hex.
    pub signing_key: String,
    /// The child's program version.
    pub agent_version: String,
}

/// The reply to a successful join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinReply {
    /// The parent's site code.
    pub site_code: String,
    /// The parent's `SMS_Site.Type`.
    pub site_type: u32,
    /// The parent's name for people.
    pub site_name: String,
    /// The network name of the parent's server.
    pub server_name: String,
    /// The secret that authenticates the child on plain loopback HTTP, as `Authorization: Bearer`.
    pub secret: String,
    /// The client certificate for TLS, signed by the parent's CA; present when a request was sent.
    pub certificate_pem: Option<String>,
    /// The parent's public signing key, Ed25519, hex.
    pub signing_key: String,
    /// The parent's word for the child's key, which the child shows to others.
    pub endorsement: Endorsement,
}
