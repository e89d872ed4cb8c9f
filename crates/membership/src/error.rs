//! Why somebody cannot join, or not go on as a member.

use net::NetError;

/// A failure to join a site or to keep what joining gave.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
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
        "the site says that the token was used already; if it was interrupted before its reply was saved, make a new \
         token with `{made_by}` and start again"
    )]
    TokenUsed {
        /// The command that makes another.
        made_by: &'static str,
    },
    /// The site does not take the token, or not from here.
    #[error("the site refused: {0}")]
    Refused(String),
    /// A file in the data folder cannot be read or written.
    #[error("{doing} failed: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The saved identity cannot be read.
    #[error("the saved identity is damaged ({reason}); delete {file} and join again with a new token")]
    Damaged {
        /// The file in the data folder.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The site's reply holds what no site sends.
    #[error("the site's answer cannot be used: {0}")]
    BadAnswer(String),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Blocking work did not come back.
    #[error("work was interrupted: {0}")]
    Interrupted(String),
}

impl MembershipError {
    /// A stable code for scripts and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenWithoutAuthority(_) => "token_without_ca",
            Self::TokenNeedsTls(_) => "token_needs_tls",
            Self::TokenUsed { .. } => "token_used",
            Self::Refused(_) => "enrolment_refused",
            Self::File { .. } => "file",
            Self::Damaged { .. } => "identity_damaged",
            Self::BadAnswer(_) => "bad_answer",
            Self::Net(error) => error.code(),
            Self::Interrupted(_) => "interrupted",
        }
    }

    pub(crate) fn file(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { doing, source }
    }
}
