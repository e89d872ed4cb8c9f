//! Who calls: by Basic or Bearer with each request, or by Negotiate for a whole connection. Every front end that people
//! and their scripts use asks here.

mod credentials;
mod error;
mod frame;
#[cfg(feature = "kerberos")]
mod kerberos;
mod negotiation;
mod origin;
mod sealing;

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use net::Peer;
use site::{Actor, Site, call};

pub use negotiate::BindingRule;

use credentials::Credentials;
pub use error::{SignInError, TicketError};
#[cfg(feature = "kerberos")]
pub use kerberos::Kerberos;
use negotiation::Negotiation;
pub use origin::{agent, is_cross_site};
pub use sealing::{SealError, Sealing};

/// How a site's front ends find out who calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignIn {
    site: Site,
    binding_rule: BindingRule,
    seals: bool,
    #[cfg(feature = "kerberos")]
    kerberos: Option<Kerberos>,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The user.
    pub actor: Actor,
    /// The last word of a negotiation, which the answer carries ([`conclude`]).
    pub reply: Option<HeaderValue>,
    /// What opens the request's body and closes the answer's, where the connection seals them.
    pub sealing: Option<Sealing>,
}

/// The answer to a request, whatever it is, with the last word of the negotiation that let the request in: a client
/// without it does not know whom it talks to.
#[must_use]
pub fn conclude(mut answer: Response, reply: Option<HeaderValue>) -> Response {
    if let Some(reply) = reply {
        answer.headers_mut().insert(WWW_AUTHENTICATE, reply);
    }
    answer
}

impl SignIn {
    /// Sign-in to a site.
    #[must_use]
    pub const fn new(site: Site) -> Self {
        Self {
            site,
            binding_rule: BindingRule::Require,
            seals: false,
            #[cfg(feature = "kerberos")]
            kerberos: None,
        }
    }

    /// The same, taking Kerberos tickets too.
    #[cfg(feature = "kerberos")]
    #[must_use]
    pub fn with_kerberos(self, kerberos: Kerberos) -> Self {
        Self { kerberos: Some(kerberos), ..self }
    }

    /// The same with another rule for clients whose negotiation over TLS is bound to no channel.
    #[must_use]
    pub fn with_binding_rule(self, binding_rule: BindingRule) -> Self {
        Self { binding_rule, ..self }
    }

    /// The same for a front end that opens and closes sealed bodies: it may then be talked to over plain HTTP from other
    /// machines, by whoever seals.
    #[must_use]
    pub fn with_sealing(self) -> Self {
        Self { seals: true, ..self }
    }

    /// As [`Self::authenticate`], for a request with its body: what a client still sends on a connection that it goes on
    /// with is read first, or hyper would close the connection between two legs of a negotiation.
    pub async fn admit(&self, parts: &Parts, body: Body) -> Result<(SignedIn, Body), SignInError> {
        match self.authenticate(parts).await {
            Ok(signed_in) => Ok((signed_in, body)),
            Err(refused) => {
                if refused.keeps_connection() {
                    net::discard(body).await;
                }
                Err(refused)
            }
        }
    }

    /// The user behind a request, by what `net` set as its extensions; without a [`Peer`] nobody is signed in.
    pub async fn authenticate(&self, parts: &Parts) -> Result<SignedIn, SignInError> {
        let signed_in = self.find_out(parts).await.map(|mut signed_in| {
            signed_in.actor.call = Some(call_id(parts));
            signed_in
        });
        signed_in.map_err(|refused| self.offering(parts, refused))
    }

    /// What somebody without credentials is told on the connection of a request, and what is offered there.
    #[must_use]
    pub fn stranger(&self, parts: &Parts) -> SignInError {
        self.offering(parts, nobody(Negotiation::of(self, parts).as_ref()))
    }

    /// A refusal with what the connection can be offered.
    fn offering(&self, parts: &Parts, refused: SignInError) -> SignInError {
        let is_open = parts.extensions.get::<Peer>().is_none_or(|peer| !is_closed(peer));
        let refused = if is_open { refused.over_open_connection() } else { refused };
        #[cfg(feature = "kerberos")]
        if self.kerberos.is_some() {
            return refused.or_by_ticket();
        }
        refused
    }

    async fn find_out(&self, parts: &Parts) -> Result<SignedIn, SignInError> {
        let negotiation = Negotiation::of(self, parts);
        let nobody = || nobody(negotiation.as_ref());
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return match &negotiation {
                Some(negotiation) => negotiation.resume().await,
                None => Err(nobody()),
            };
        };
        let credentials = header.to_str().ok().and_then(Credentials::read).ok_or_else(nobody)?;
        if let (Credentials::Negotiate(scheme, token), Some(negotiation)) = (&credentials, &negotiation) {
            return negotiation.advance(*scheme, token).await;
        }
        // Checked before the password, so that an open connection learns nothing about it.
        let peer = parts.extensions.get::<Peer>();
        let Some(peer) = peer.filter(|peer| is_closed(peer)) else { return Err(SignInError::OpenConnection) };
        let from = Some(peer.addr.ip());
        let actor = match credentials {
            Credentials::Basic { user, password } => {
                self.site.authenticate_password(&user, &password, from).await?
            }
            Credentials::Bearer(token) => self.site.authenticate_token(&token, from).await?,
            Credentials::Negotiate(..) => return Err(nobody()),
        };
        Ok(SignedIn { actor, reply: None, sealing: None })
    }
}

/// The refusal of who shows nothing that is understood.
fn nobody(negotiation: Option<&Negotiation<'_>>) -> SignInError {
    match negotiation {
        Some(_) => SignInError::Unauthenticated,
        None => SignInError::SharedConnection,
    }
}

/// The id of a call: the caller's own, or a new one.
fn call_id(parts: &Parts) -> String {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    call::taken(header("x-request-id"), header("traceparent")).unwrap_or_else(call::new_id)
}

/// Whether nobody else reads what the peer and this machine say to each other.
fn is_closed(peer: &Peer) -> bool {
    peer.secure || peer.is_loopback()
}

/// Whether a proxy says that it is there.
fn is_proxied(parts: &Parts) -> bool {
    const SAID_BY: [&str; 4] = ["via", "forwarded", "x-forwarded-for", "x-real-ip"];
    SAID_BY.iter().any(|name| parts.headers.contains_key(*name))
}
