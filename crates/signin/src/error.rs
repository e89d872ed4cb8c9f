//! Why nobody is signed in, and what the answer says of it.

use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use negotiate::NegotiateError;
use site::SiteError;

/// The challenge that is added where tickets are taken: clients that are told to use nothing else look for it.
const KERBEROS: &str = "Kerberos";
/// The challenges of an answer with status 401, for its `WWW-Authenticate` lines. The first one proves connections and is
/// not for those that many share.
const CHALLENGES: [&str; 3] =
    ["Negotiate", "Basic realm=\"Haulier\", charset=\"UTF-8\"", "Bearer realm=\"Haulier\""];

/// What a client that comes at a busy time is told to wait, in seconds.
const BUSY_RETRY_S: u64 = 2;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No credentials, or none that are understood.
    #[error("sign in with Negotiate, Basic or Bearer authentication")]
    Unauthenticated,
    /// The same, or Negotiate, on a connection that may be of many: over HTTP/2, through a proxy, or over plain HTTP where
    /// messages are not sealed.
    #[error("sign in with Basic or Bearer authentication; Negotiate takes HTTP/1.1 over TLS without a proxy")]
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
    /// A Kerberos ticket was refused, and the connection is over.
    #[error("the ticket was refused; open another connection")]
    TicketRefused(#[source] TicketError),
    /// This connection's negotiation failed earlier, or there were too many.
    #[error("this connection negotiates no more; open another one")]
    ConnectionEnded,
    /// The site did not accept the credentials, or could not check them.
    #[error(transparent)]
    Refused(#[from] SiteError),
    /// Any of these where Kerberos is offered too.
    #[error(transparent)]
    OrByTicket(Box<SignInError>),
    /// Any of these over plain HTTP from another machine: what would send a password or a token there is not offered.
    #[error("{0}; over plain HTTP from other machines only by Negotiate, which seals, or use https")]
    BySealingAlone(Box<SignInError>),
}

/// Why a Kerberos ticket was refused. No variant tells a client more than that; the words are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The Kerberos library does not accept it, or its keytab: in its own words.
    #[error("the Kerberos library says: {0}")]
    Library(String),
    /// The client wrapped something else in its token.
    #[error("the client negotiated something other than Kerberos")]
    OtherMechanism,
    /// The client does not want to know whom it talks to.
    #[error("the client does not ask for mutual authentication, which is needed")]
    NotMutual,
    /// The client bound its ticket to no TLS channel, although it must.
    #[error("the client sends no channel binding, which is needed over TLS")]
    NoChannelBinding,
    /// The ticket is of a user of another realm.
    #[error("the ticket is of another realm than the server's; users of the site are of the same one")]
    OtherRealm,
    /// The principal is a service, or has a name that no user of the site has.
    #[error("the ticket's principal is not of the form NAME@REALM")]
    NoUserName,
    /// No user of the site has the name, or the user may not sign in.
    #[error("the ticket names nobody who may sign in")]
    UnknownUser,
    /// The check did not come to its end.
    #[error("the check of the ticket was interrupted")]
    Interrupted,
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
            | Self::TicketRefused(_)
            | Self::ConnectionEnded
            | Self::Refused(SiteError::InvalidCredentials | SiteError::InvalidToken) => {
                Some(StatusCode::UNAUTHORIZED)
            }
            Self::OpenConnection => Some(StatusCode::FORBIDDEN),
            Self::Refused(_) => None,
            Self::OrByTicket(error) | Self::BySealingAlone(error) => error.status(),
        }
    }

    /// The status of the answer where nothing more is said than that the site itself failed.
    #[must_use]
    pub fn answer_status(&self) -> StatusCode {
        self.status().unwrap_or_else(|| match self.site() {
            Some(SiteError::TooManyFailures { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Some(SiteError::Busy { .. } | SiteError::Stopped) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }

    fn site(&self) -> Option<&SiteError> {
        match self {
            Self::Refused(error) => Some(error),
            Self::OrByTicket(error) | Self::BySealingAlone(error) => error.site(),
            _ => None,
        }
    }

    /// When the client may come again, in seconds.
    fn retry_after_s(&self) -> Option<u64> {
        match self.site()? {
            SiteError::TooManyFailures { retry_after_s } => Some(*retry_after_s),
            SiteError::Busy { .. } | SiteError::Stopped => Some(BUSY_RETRY_S),
            _ => None,
        }
    }

    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::SharedConnection => "unauthenticated",
            Self::OpenConnection => "open_connection",
            Self::Continues(_) => "negotiation_continues",
            Self::NegotiationFailed(_) | Self::TicketRefused(_) | Self::ConnectionEnded => {
                "negotiation_failed"
            }
            Self::Refused(error) => error.code(),
            Self::OrByTicket(error) | Self::BySealingAlone(error) => error.code(),
        }
    }

    /// What the answer's headers say of it: its `WWW-Authenticate` lines, that the connection is over, when to come again.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
    }

    /// The answer's `WWW-Authenticate` lines; none unless its status is 401, and exactly one where it carries a token:
    /// clients take the first that they find.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        match self {
            Self::Continues(token) => vec![token.clone()],
            Self::SharedConnection => CHALLENGES[1..].iter().copied().map(HeaderValue::from_static).collect(),
            Self::OrByTicket(error) => {
                let mut challenges = error.challenges();
                challenges.insert(1, HeaderValue::from_static(KERBEROS));
                challenges
            }
            Self::BySealingAlone(error) => error.challenges().into_iter().take(1).collect(),
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
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::OrByTicket(error) | Self::BySealingAlone(error) => error.ends_connection(),
            _ => matches!(self, Self::NegotiationFailed(_) | Self::TicketRefused(_) | Self::ConnectionEnded),
        }
    }

    /// The same over plain HTTP from another machine, where every sign-in that sends a secret is refused: it is not asked
    /// for either. Where nothing is left, that is what is said.
    pub(crate) fn over_open_connection(self) -> Self {
        match self {
            Self::SharedConnection => Self::OpenConnection,
            Self::Continues(_) | Self::BySealingAlone(_) => self,
            _ if self.status() == Some(StatusCode::UNAUTHORIZED) => Self::BySealingAlone(Box::new(self)),
            _ => self,
        }
    }

    /// The same with Kerberos among what is offered, where Negotiate is.
    #[cfg(feature = "kerberos")]
    pub(crate) fn or_by_ticket(self) -> Self {
        let offers_all = !matches!(self, Self::Continues(_) | Self::SharedConnection | Self::OrByTicket(_));
        match offers_all && self.status() == Some(StatusCode::UNAUTHORIZED) {
            true => Self::OrByTicket(Box::new(self)),
            false => self,
        }
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
        #[cfg(feature = "kerberos")]
        {
            let with = ["Negotiate", "Kerberos", "Basic", "Bearer"];
            check(SignInError::Unauthenticated.or_by_ticket(), &with);
            check(SignInError::TicketRefused(TicketError::UnknownUser).or_by_ticket().or_by_ticket(), &with);
            check(SignInError::SharedConnection.or_by_ticket(), &["Basic", "Bearer"]);
            check(SignInError::OpenConnection.or_by_ticket(), &[]);
            let sealed = ["Negotiate", "Kerberos"];
            check(SignInError::Unauthenticated.over_open_connection().or_by_ticket(), &sealed);
            let token = HeaderValue::from_static("Negotiate abcd");
            check(SignInError::Continues(token).or_by_ticket(), &["Negotiate"]);
        }
        check(SignInError::Refused(SiteError::Stopped), &[]);
    }

    #[test]
    fn nobody_is_asked_for_a_secret_over_an_open_connection() {
        let open = |error: SignInError| error.over_open_connection();
        for (error, status, expect) in [
            (open(SignInError::Unauthenticated), 401, &["Negotiate"][..]),
            (open(open(SignInError::NegotiationFailed(NegotiateError::WrongProof))), 401, &["Negotiate"]),
            (open(SignInError::Refused(SiteError::InvalidCredentials)), 401, &["Negotiate"]),
            (open(SignInError::SharedConnection), 403, &[]),
            (open(SignInError::OpenConnection), 403, &[]),
            (open(SignInError::Refused(SiteError::Busy { what: "x" })), 503, &[]),
            (
                open(SignInError::Continues(HeaderValue::from_static("Negotiate abcd"))),
                401,
                &["Negotiate abcd"],
            ),
        ] {
            let offered = error.challenges();
            let offered: Vec<_> = offered.iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!((error.answer_status().as_u16(), offered.as_slice()), (status, expect), "{error:?}");
        }
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        for (error, status, wait) in [
            (SiteError::TooManyFailures { retry_after_s: 77 }, 429, Some("77")),
            (SiteError::Busy { what: "x" }, 503, Some("2")),
            (SiteError::InvalidCredentials, 401, None),
        ] {
            let error = SignInError::Refused(error);
            let mut headers = HeaderMap::new();
            error.write_to(&mut headers);
            let told = headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!((error.answer_status().as_u16(), told), (status, wait));
        }
    }
}
