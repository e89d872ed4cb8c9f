//! Why a distribution point cannot start or go on.

use content::holder::HolderError;
use net::NetError;

/// A failure that ends the program, told to whoever started it.
#[derive(Debug, thiserror::Error)]
pub enum DpError {
    /// Not enrolled yet, and nothing to enrol with.
    #[error("this distribution point is not enrolled: pass --site and a --token made by `haulier dp token`")]
    NotEnrolled,
    /// The token is for a plain listener, the address is TLS.
    #[error(
        "the token names no certificate authority, but {0} speaks TLS; make the token where the site runs with TLS"
    )]
    TokenWithoutAuthority(String),
    /// The address is plain HTTP and not on this machine.
    #[error("{0} is plain HTTP to another machine, which would show the token; use the site's https address")]
    TokenNeedsTls(String),
    /// The token was used before, by this or another program.
    #[error(
        "the site says that the token was used already; if an enrolment was interrupted before its reply was \
         saved, make a new token with `haulier dp token` and start again"
    )]
    TokenUsed,
    /// The site does not know the token.
    #[error("the site refused the enrolment: {0}")]
    EnrolmentRefused(String),
    /// A file in the data folder cannot be read or written.
    #[error("{doing} failed: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The saved identity cannot be read.
    #[error("the saved identity is damaged ({0}); delete identity.json and enrol again with a new token")]
    IdentityDamaged(String),
    /// The content store.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Blocking work did not come back.
    #[error("work was interrupted: {0}")]
    Interrupted(String),
}

impl DpError {
    /// A stable code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnrolled => "not_enrolled",
            Self::TokenWithoutAuthority(_) => "token_without_ca",
            Self::TokenNeedsTls(_) => "token_needs_tls",
            Self::TokenUsed => "token_used",
            Self::EnrolmentRefused(_) => "enrolment_refused",
            Self::File { .. } => "file",
            Self::IdentityDamaged(_) => "identity_damaged",
            Self::Holder(error) => error.code(),
            Self::Net(error) => error.code(),
            Self::Interrupted(_) => "interrupted",
        }
    }

    pub(crate) fn file(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { doing, source }
    }
}
