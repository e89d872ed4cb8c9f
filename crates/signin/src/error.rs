//! Why nobody is signed in, and what the answer says of it.

use http::{HeaderValue, StatusCode};
use site::SiteError;

/// The challenges of an answer with status 401, for its `WWW-Authenticate` lines.
const CHALLENGES: [&str; 2] = ["Basic realm=\"Haulier\", charset=\"UTF-8\"", "Bearer realm=\"Haulier\""];

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No credentials, or none that are understood.
    #[error("sign in with Basic or Bearer authentication")]
    Unauthenticated,
    /// Credentials over an open connection.
    #[error("credentials over plain HTTP are accepted from this machine only; use https")]
    OpenConnection,
    /// The site did not accept the credentials, or could not check them.
    #[error(transparent)]
    Refused(#[from] SiteError),
}

impl SignInError {
    /// The status of the answer; none where the site itself failed, which each front end says in its own way.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Unauthenticated
            | Self::Refused(SiteError::InvalidCredentials | SiteError::InvalidToken) => {
                Some(StatusCode::UNAUTHORIZED)
            }
            Self::OpenConnection => Some(StatusCode::FORBIDDEN),
            Self::Refused(_) => None,
        }
    }

    /// The answer's `WWW-Authenticate` lines; none unless its status is 401.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        match self.status() {
            Some(StatusCode::UNAUTHORIZED) => CHALLENGES.map(HeaderValue::from_static).to_vec(),
            _ => Vec::new(),
        }
    }
}
