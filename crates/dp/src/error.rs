//! Why a distribution point cannot start or go on.

use content::holder::HolderError;
use membership::MembershipError;
use net::NetError;

/// A failure that ends the program, told to whoever started it.
#[derive(Debug, thiserror::Error)]
pub enum DpError {
    /// Not enrolled yet, and nothing to enrol with.
    #[error("this distribution point is not enrolled: pass --site and a --token made by `haulier dp token`")]
    NotEnrolled,
    /// It cannot enrol, or its saved identity cannot be used.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// A file in the data folder cannot be read or written.
    #[error("{doing} failed: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
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
            Self::Membership(error) => error.code(),
            Self::File { .. } => "file",
            Self::Holder(error) => error.code(),
            Self::Net(error) => error.code(),
            Self::Interrupted(_) => "interrupted",
        }
    }

    pub(crate) fn file(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { doing, source }
    }
}
