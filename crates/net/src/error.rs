//! What can go wrong on the network, as far as an operator can act on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

/// A failure of the listener, the client or the certificate authority.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The address is taken, not ours, or needs privileges.
    #[error("cannot listen on {addr}: {source}; choose another address or stop what uses it")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of the certificate authority cannot be read or written.
    #[error("cannot {action} the certificate authority at {}: {source}", path.display())]
    CaFile {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A certificate authority exists already; a second one would cut off every enrolled agent.
    #[error("a certificate authority exists at {}; it is kept, because every agent trusts it", .0.display())]
    CaExists(PathBuf),
    /// Somebody else than the owner may read the authority's key.
    #[error("the key in {} can be read by others; run `chmod 600` on it", .0.display())]
    CaExposed(PathBuf),
    /// The stored authority is damaged.
    #[error("the certificate authority at {} is damaged ({reason}); restore it from a backup", path.display())]
    CaDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// A certificate request is not one, or is not signed by its own key.
    #[error("the certificate request is not valid: {0}")]
    CertificateRequest(String),
    /// TLS cannot be set up from the given certificates.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The text is not the address of a server.
    #[error("{0:?} is not an address like https://ps1.example.test:8530 or http://127.0.0.1:8530")]
    Endpoint(String),
    /// A secret would cross the network in the clear.
    #[error("plain HTTP is for loopback only, and {0} is elsewhere; use https")]
    PlainNotLoopback(String),
    /// TLS is asked for, but there is no authority to trust.
    #[error(
        "{0} speaks TLS, but no certificate authority to trust was given; enrol with a token that names it"
    )]
    NoAuthority(String),
    /// What the server sent is not the authority that the token names.
    #[error(
        "the server's certificate authority is {found}, but the token names {expected}; this is another site, or somebody in between"
    )]
    WrongAuthority {
        /// SHA-256 that the token carries, hex.
        expected: String,
        /// SHA-256 of what the server sent, hex, or `none`.
        found: String,
    },
    /// No connection, or it broke or stood still.
    #[error("{url}: {reason}")]
    Unreachable {
        /// The address asked.
        url: String,
        /// The chain of causes.
        reason: String,
    },
    /// The server's certificate is not from the trusted authority, not for this name, or out of date.
    #[error(
        "{url}: the server's certificate is not trusted: {reason}. If the name in the address is not in the certificate, \
         add it to `names` in haulier.toml there; if the server has another authority than when this one joined it, join \
         anew with a new token"
    )]
    Untrusted {
        /// The address asked.
        url: String,
        /// The chain of causes.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{url}: {refusal}")]
    Refused {
        /// The address asked.
        url: String,
        /// What the server said.
        refusal: Refusal,
    },
    /// The server's answer does not follow the protocol.
    #[error("{url}: the answer is not what was asked for: {reason}")]
    Answer {
        /// The address asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl NetError {
    /// A stable code for status messages and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind_failed",
            Self::CaFile { .. } => "ca_file",
            Self::CaExists(_) => "ca_exists",
            Self::CaExposed(_) => "ca_exposed",
            Self::CaDamaged { .. } => "ca_damaged",
            Self::Certificate(_) => "certificate_failed",
            Self::CertificateRequest(_) => "bad_certificate_request",
            Self::Tls(_) => "tls_setup",
            Self::Endpoint(_) => "bad_endpoint",
            Self::PlainNotLoopback(_) => "plain_not_loopback",
            Self::NoAuthority(_) => "no_authority",
            Self::WrongAuthority { .. } => "wrong_authority",
            Self::Unreachable { .. } => "unreachable",
            Self::Untrusted { .. } => "untrusted",
            Self::Refused { .. } => "refused",
            Self::Answer { .. } => "bad_answer",
        }
    }

    /// The server's refusal, where the server answered with one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// An error answer: the HTTP status and, where the server sent one, its stable code and its sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status}, {code})")]
pub struct Refusal {
    /// The HTTP status, 300 to 599.
    pub status: u16,
    /// The server's stable code, or `http_<status>` where it sent none.
    pub code: String,
    /// One sentence for an administrator.
    pub message: String,
    /// Until when the server refuses, by its clock, where it says so.
    pub until: Option<Timestamp>,
    /// How long to wait, as the server says in `Retry-After`.
    pub retry_after: Option<Duration>,
}
