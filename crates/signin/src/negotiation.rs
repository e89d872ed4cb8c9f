//! Negotiate: who a connection is. Its three requests are one authentication, and those after them are the user's without
//! saying so again; so nothing here outlives the connection, and the site is asked each time whether it still holds.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use negotiate::{Acceptor, ChannelBinding, Config, Names, NegotiateError, Step};
use net::{Connection, Peer};
use site::{Actor, SiteError};

use crate::credentials::Scheme;
use crate::frame;
#[cfg(feature = "kerberos")]
use crate::kerberos;
use crate::sealing::{Keys, Sealing};
use crate::{SignIn, SignInError, SignedIn, is_proxied};

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
    Pending(Pending),
    SignedIn(Box<Actor>, Arc<Mutex<Keys>>),
    /// Nothing more is negotiated here.
    Ended,
}

/// A negotiation under way, by what it began with.
enum Pending {
    Ntlm(Box<Acceptor>),
    #[cfg(feature = "kerberos")]
    Kerberos(Box<kerberos::Acceptor>),
}

impl<'a> Negotiation<'a> {
    /// None where a connection is not one client's, or where nothing ties who has proved something to what comes next:
    /// over TLS the binding to its channel does, over plain HTTP the sealing of every message. That nobody reads along, as
    /// on loopback, does not: a proxy or a relay on this machine has connections of its own.
    pub(crate) fn of(sign_in: &'a SignIn, parts: &'a Parts) -> Option<Self> {
        let (peer, connection) = (parts.extensions.get::<Peer>()?, parts.extensions.get::<Connection>()?);
        if is_proxied(parts) {
            // What one client proved is nothing that another one's request may live on.
            connection.with(|known: &mut Known| known.state = State::Ended);
            return None;
        }
        let is_tied = if peer.secure { peer.server_certificate.is_some() } else { sign_in.seals };
        is_tied.then_some(Self { sign_in, parts, peer, connection })
    }

    /// The request of a connection that was negotiated earlier.
    pub(crate) async fn resume(&self) -> Result<SignedIn, SignInError> {
        let signed_in = self.connection.with(|known: &mut Known| match &known.state {
            State::SignedIn(actor, keys) => Some((actor.clone(), Arc::clone(keys))),
            State::Nobody | State::Pending(_) | State::Ended => None,
        });
        let (actor, keys) = signed_in.ok_or(SignInError::Unauthenticated)?;
        if keys.lock().unwrap_or_else(PoisonError::into_inner).have_ended() {
            self.set(State::Ended);
            return Err(SignInError::ConnectionEnded);
        }
        let still = self.sign_in.site.still_signed_in(&actor).await;
        if matches!(still, Err(SiteError::InvalidCredentials)) {
            self.set(State::Ended);
        }
        let sealing = self.sealing(&keys, false)?;
        Ok(SignedIn { actor: still?, reply: None, sealing })
    }

    /// Takes the client's next token.
    pub(crate) async fn advance(&self, scheme: Scheme, token: &[u8]) -> Result<SignedIn, SignInError> {
        if !self.takes(scheme) {
            return Err(SignInError::Unauthenticated);
        }
        match self.pending(scheme, token)? {
            Pending::Ntlm(acceptor) => self.answer_challenge(acceptor, scheme, token).await,
            #[cfg(feature = "kerberos")]
            Pending::Kerberos(acceptor) => self.show_ticket(acceptor, scheme, token).await,
        }
    }

    async fn answer_challenge(
        &self,
        mut acceptor: Box<Acceptor>,
        scheme: Scheme,
        token: &[u8],
    ) -> Result<SignedIn, SignInError> {
        let step = acceptor.step(token, self.sign_in.site.clock().now().as_microsecond());
        let claim = match step.map_err(|error| self.fail(error))? {
            Step::Continue(answer) => {
                self.set(State::Pending(Pending::Ntlm(acceptor)));
                return Err(SignInError::Continues(line(scheme, &answer)));
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
            (Ok(actor), Ok(accepted)) => {
                let reply = accepted.token.map(|token| line(scheme, &token));
                self.sign_in(actor, Keys::Ntlm(Box::new(accepted.session)), reply)
            }
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

    #[cfg(feature = "kerberos")]
    async fn show_ticket(
        &self,
        acceptor: Box<kerberos::Acceptor>,
        scheme: Scheme,
        token: &[u8],
    ) -> Result<SignedIn, SignInError> {
        let kerberos = self.sign_in.kerberos.as_ref().ok_or(SignInError::Unauthenticated)?;
        // Until it is known what the token says, the connection is nobody's, whatever it was.
        self.set(State::Ended);
        let step = kerberos.step(acceptor, token).await;
        let accepted = match step.map_err(|error| self.refuse_ticket(error))? {
            kerberos::Step::Continue(answer, acceptor) => {
                self.set(State::Pending(Pending::Kerberos(acceptor)));
                return Err(SignInError::Continues(line(scheme, &answer)));
            }
            kerberos::Step::Accepted(accepted) => accepted,
        };
        let from = Some(self.peer.addr.ip());
        let actor = match self.sign_in.site.authenticate_ticket(&accepted.name, from).await {
            Err(SiteError::InvalidCredentials) => {
                return Err(self.refuse_ticket(crate::TicketError::UnknownUser));
            }
            actor => actor?,
        };
        let reply = accepted.token.map(|token| line(scheme, &token));
        self.sign_in(actor, Keys::Kerberos(accepted.session), reply)
    }

    fn sign_in(&self, actor: Actor, keys: Keys, reply: Option<HeaderValue>) -> Result<SignedIn, SignInError> {
        let keys = Arc::new(Mutex::new(keys));
        self.set(State::SignedIn(Box::new(actor.clone()), Arc::clone(&keys)));
        let sealing = self.sealing(&keys, true)?;
        Ok(SignedIn { actor, reply, sealing })
    }

    /// The pending negotiation, or a new one if this is a first token.
    fn pending(&self, scheme: Scheme, token: &[u8]) -> Result<Pending, SignInError> {
        let new = self.begin(scheme, token);
        self.connection.with(|known: &mut Known| {
            match std::mem::take(&mut known.state) {
                State::Ended => {}
                State::Pending(pending) if !negotiate::begins(token) => return Ok(pending),
                _ if known.begun < NEGOTIATIONS_MAX => {
                    known.begun += 1;
                    return Ok(new);
                }
                _ => {}
            }
            known.state = State::Ended;
            Err(SignInError::ConnectionEnded)
        })
    }

    #[cfg(not(feature = "kerberos"))]
    fn begin(&self, _: Scheme, _: &[u8]) -> Pending {
        Pending::Ntlm(Box::new(Acceptor::new(self.config())))
    }

    /// Who prefers Kerberos gets it, where the site has a keytab; who names it gets nothing else.
    #[cfg(feature = "kerberos")]
    fn begin(&self, scheme: Scheme, token: &[u8]) -> Pending {
        match &self.sign_in.kerberos {
            Some(kerberos) if scheme == Scheme::Kerberos || negotiate::wants_kerberos(token) => {
                let certificate = self.peer.server_certificate.as_deref();
                let channel = certificate.map(negotiate::tls_server_end_point);
                Pending::Kerberos(kerberos.acceptor(channel, self.sign_in.binding_rule))
            }
            _ => Pending::Ntlm(Box::new(Acceptor::new(self.config()))),
        }
    }

    #[cfg(not(feature = "kerberos"))]
    fn takes(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Negotiate
    }

    #[cfg(feature = "kerberos")]
    fn takes(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Negotiate || self.sign_in.kerberos.is_some()
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

    /// What opens and closes the bodies of this request and its answer. Over plain HTTP every body is sealed; the last leg
    /// of a negotiation may have none.
    fn sealing(&self, keys: &Arc<Mutex<Keys>>, is_last_leg: bool) -> Result<Option<Sealing>, SignInError> {
        let headers = &self.parts.headers;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if self.sign_in.seals
            && let Some(protocol) = frame::protocol(content_type)
        {
            return Ok(Some(Sealing::new(Arc::clone(keys), protocol)));
        }
        let has_no_body = headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
            && !headers.contains_key(TRANSFER_ENCODING);
        if self.peer.secure || (self.sign_in.seals && is_last_leg && has_no_body) {
            return Ok(None);
        }
        Err(SignInError::OpenConnection)
    }

    fn fail(&self, error: NegotiateError) -> SignInError {
        self.set(State::Ended);
        tracing::info!(error = &error as &dyn std::error::Error, from = %self.peer.addr, "a negotiation failed");
        SignInError::NegotiationFailed(error)
    }

    #[cfg(feature = "kerberos")]
    fn refuse_ticket(&self, error: crate::TicketError) -> SignInError {
        self.set(State::Ended);
        tracing::info!(error = &error as &dyn std::error::Error, from = %self.peer.addr, "a ticket was refused");
        SignInError::TicketRefused(error)
    }

    fn set(&self, state: State) {
        self.connection.with(|known: &mut Known| known.state = state);
    }
}

fn line(scheme: Scheme, token: &[u8]) -> HeaderValue {
    let line = format!("{} {}", scheme.name(), STANDARD.encode(token));
    HeaderValue::try_from(line).expect("base64 stands in a header as it is")
}
