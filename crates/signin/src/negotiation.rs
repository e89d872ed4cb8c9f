//! Negotiate: who a connection is. Its three requests are one authentication, and those after them are the user's without
//! saying so again; so nothing here outlives the connection, and the site is asked each time whether it still holds.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use negotiate::{Accepted, Acceptor, ChannelBinding, Config, Names, NegotiateError, Session, Step};
use net::{Connection, Peer};
use site::{Actor, SiteError};

use crate::frame;
use crate::sealing::Sealing;
use crate::{SignIn, SignInError, SignedIn, is_closed, own_connection};

/// Negotiations that one connection may begin. Clients need one, and one more for another user.
const NEGOTIATIONS_MAX: u32 = 8;
/// The longest NetBIOS name, in characters.
const NETBIOS_CHARS_MAX: usize = 15;

/// Negotiate on the connection of one request.
pub(crate) struct Negotiation<'a> {
    sign_in: &'a SignIn,
    parts: &'a Parts,
    peer: &'a Peer,
    connection: &'a Connection,
}

/// What is known of a connection.
#[derive(Default)]
struct Known {
    begun: u32,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Nobody,
    /// One negotiation waits for the client's next token.
    Pending(Box<Acceptor>),
    SignedIn(Box<Actor>, Arc<Mutex<Session>>),
    /// Nothing more is negotiated here.
    Ended,
}

impl<'a> Negotiation<'a> {
    /// None where a connection is not one client's.
    pub(crate) fn of(sign_in: &'a SignIn, parts: &'a Parts) -> Option<Self> {
        let (peer, connection) = (parts.extensions.get::<Peer>()?, own_connection(parts)?);
        Some(Self { sign_in, parts, peer, connection })
    }

    /// The request of a connection that was negotiated earlier.
    pub(crate) async fn resume(&self) -> Result<SignedIn, SignInError> {
        let signed_in = self.connection.with(|known: &mut Known| match &known.state {
            State::SignedIn(actor, session) => Some((actor.clone(), Arc::clone(session))),
            State::Nobody | State::Pending(_) | State::Ended => None,
        });
        let (actor, session) = signed_in.ok_or(SignInError::Unauthenticated)?;
        let still = self.sign_in.site.still_signed_in(&actor).await;
        if matches!(still, Err(SiteError::InvalidCredentials)) {
            self.set(State::Ended);
        }
        let sealing = self.sealing(&session, false)?;
        Ok(SignedIn { actor: still?, reply: None, sealing })
    }

    /// Takes the client's next token.
    pub(crate) async fn advance(&self, token: &[u8]) -> Result<SignedIn, SignInError> {
        if !self.sign_in.seals && !is_closed(self.peer) {
            return Err(SignInError::OpenConnection);
        }
        let mut acceptor = self.acceptor(token)?;
        let step = acceptor.step(token, self.sign_in.site.clock().now().as_microsecond());
        let claim = match step.map_err(|error| self.fail(error))? {
            Step::Continue(answer) => {
                self.set(State::Pending(acceptor));
                return Err(SignInError::Continues(line(&answer)));
            }
            Step::Identify(claim) => claim,
        };
        let mut verified = Err(NegotiateError::WrongProof);
        let from = Some(self.peer.addr.ip());
        let actor = self.sign_in.site.authenticate_ntlm(&claim.user, from, |hash| {
            verified = acceptor.verify(hash);
            verified.is_ok()
        });
        let actor = actor.await;
        match (actor, verified) {
            (Ok(actor), Ok(accepted)) => self.sign_in(actor, accepted),
            // A user that the hash was made up for, among others.
            (Err(SiteError::InvalidCredentials), verified) => {
                Err(self.fail(verified.err().unwrap_or(NegotiateError::WrongProof)))
            }
            (Err(error), _) => {
                self.set(State::Ended);
                Err(error.into())
            }
            (Ok(_), Err(error)) => Err(self.fail(error)),
        }
    }

    fn sign_in(&self, actor: Actor, accepted: Accepted) -> Result<SignedIn, SignInError> {
        let session = Arc::new(Mutex::new(accepted.session));
        self.set(State::SignedIn(Box::new(actor.clone()), Arc::clone(&session)));
        let sealing = self.sealing(&session, true)?;
        let reply = accepted.token.map(|token| line(&token));
        Ok(SignedIn { actor, reply, sealing })
    }

    /// The pending negotiation, or a new one if this is a first token.
    fn acceptor(&self, token: &[u8]) -> Result<Box<Acceptor>, SignInError> {
        let config = self.config();
        self.connection.with(|known: &mut Known| {
            match std::mem::take(&mut known.state) {
                State::Ended => {}
                State::Pending(acceptor) if !negotiate::begins(token) => return Ok(acceptor),
                _ if known.begun < NEGOTIATIONS_MAX => {
                    known.begun += 1;
                    return Ok(Box::new(Acceptor::new(config)));
                }
                _ => {}
            }
            known.state = State::Ended;
            Err(SignInError::ConnectionEnded)
        })
    }

    fn config(&self) -> Config {
        let identity = self.sign_in.site.identity();
        let dns_computer = identity.server_name.clone();
        let (host, domain) = dns_computer.split_once('.').unwrap_or((&dns_computer, ""));
        let names = Names {
            netbios_domain: identity.site_code.clone(),
            netbios_computer: host.to_uppercase().chars().take(NETBIOS_CHARS_MAX).collect(),
            dns_domain: domain.to_owned(),
            dns_computer: dns_computer.clone(),
        };
        let certificate = self.peer.server_certificate.as_deref();
        Config {
            names,
            channel: certificate.map(ChannelBinding::tls_server_end_point),
            binding_rule: self.sign_in.binding_rule,
        }
    }

    /// What opens and closes the bodies of this request and its answer. Over a connection that others can read every body
    /// is sealed; the last leg of a negotiation may have none.
    fn sealing(
        &self,
        session: &Arc<Mutex<Session>>,
        is_last_leg: bool,
    ) -> Result<Option<Sealing>, SignInError> {
        let headers = &self.parts.headers;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if self.sign_in.seals
            && let Some(protocol) = frame::protocol(content_type)
        {
            return Ok(Some(Sealing::new(Arc::clone(session), protocol)));
        }
        let has_no_body = headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
            && !headers.contains_key(TRANSFER_ENCODING);
        if is_closed(self.peer) || (self.sign_in.seals && is_last_leg && has_no_body) {
            return Ok(None);
        }
        Err(SignInError::OpenConnection)
    }

    fn fail(&self, error: NegotiateError) -> SignInError {
        self.set(State::Ended);
        tracing::info!(error = &error as &dyn std::error::Error, from = %self.peer.addr, "a negotiation failed");
        SignInError::NegotiationFailed(error)
    }

    fn set(&self, state: State) {
        self.connection.with(|known: &mut Known| known.state = state);
    }
}

fn line(token: &[u8]) -> HeaderValue {
    let line = format!("Negotiate {}", STANDARD.encode(token));
    HeaderValue::try_from(line).expect("base64 stands in a header as it is")
}
