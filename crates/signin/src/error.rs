//! Why nobody is signed in, and what the answer says of it.

use http::header::{CONNECTION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use negotiate::NegotiateError;
use site::SiteError;

/// The challenges of an answer with status 401, for its `WWW-Authenticate` lines. The first one proves connections and is
/// not for those that many share.
const CHALLENGES: [&str; 3] =
    ["Negotiate", "Basic realm=\"Haulier\", charset=\"UTF-8\"", "Bearer realm=\"Haulier\""];

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No credentials, or none that are understood.
    #[error("sign in with Negotiate, Basic or Bearer authentication")]
    Unauthenticated,
    /// The same, or Negotiate, on a connection that may be of many: over HTTP/2, or through a proxy.
    #[error("sign in with Basic or Bearer authentication; Negotiate takes HTTP/1.1 without a proxy")]
    SharedConnection,
    /// Credentials over an open connection.
    #[error("credentials over plain HTTP are accepted from this machine only; use https")]
    OpenConnection,
    /// A negotiation goes on with this token, in the answer's one challenge.
    #[error("the negotiation goes on")]
    Continues(HeaderValue),
    /// A negotiation failed, and with it the connection.
    #[error("the negotiation failed; open another connection")]
    NegotiationFailed(#[source] NegotiateError),
    /// This connection's negotiation failed earlier, or there were too many.
    #[error("this connection negotiates no more; open another one")]
    ConnectionEnded,
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
            | Self::SharedConnection
            | Self::Continues(_)
            | Self::NegotiationFailed(_)
            | Self::ConnectionEnded
            | Self::Refused(SiteError::InvalidCredentials | SiteError::InvalidToken) => {
                Some(StatusCode::UNAUTHORIZED)
            }
            Self::OpenConnection => Some(StatusCode::FORBIDDEN),
            Self::Refused(_) => None,
        }
    }

    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::SharedConnection => "unauthenticated",
            Self::OpenConnection => "open_connection",
            Self::Continues(_) => "negotiation_continues",
            Self::NegotiationFailed(_) | Self::ConnectionEnded => "negotiation_failed",
            Self::Refused(error) => error.code(),
        }
    }

    /// What the answer's headers say of it: its `WWW-Authenticate` lines, and that the connection is over.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// The answer's `WWW-Authenticate` lines; none unless its status is 401, and exactly one where it carries a token:
    /// clients take the first that they find.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        match self {
            Self::Continues(token) => vec![token.clone()],
            Self::SharedConnection => CHALLENGES[1..].iter().copied().map(HeaderValue::from_static).collect(),
            _ if self.status() == Some(StatusCode::UNAUTHORIZED) => {
                CHALLENGES.map(HeaderValue::from_static).to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the client goes on with the same connection: what it still sends must then be read before the answer.
    #[must_use]
    pub fn keeps_connection(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED) && !self.ends_connection()
    }

    /// Whether the connection is over with the answer, which then says `Connection: close`.
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        matches!(self, Self::NegotiationFailed(_) | Self::ConnectionEnded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_alone_and_shared_connections_are_not_offered_what_proves_them() {
        let check = |error: SignInError, expect: &[&str]| {
            let challenges = error.challenges();
            let schemes: Vec<&str> =
                challenges.iter().map(|line| line.to_str().unwrap().split(' ').next().unwrap()).collect();
            assert_eq!(schemes, expect, "{error:?}");
        };
        check(SignInError::Unauthenticated, &["Negotiate", "Basic", "Bearer"]);
        check(SignInError::SharedConnection, &["Basic", "Bearer"]);
        check(SignInError::Continues(HeaderValue::from_static("Negotiate abcd")), &["Negotiate"]);
        check(SignInError::Refused(SiteError::InvalidCredentials), &["Negotiate", "Basic", "Bearer"]);
        check(SignInError::OpenConnection, &[]);
        check(SignInError::Refused(SiteError::Stopped), &[]);
    }
}
