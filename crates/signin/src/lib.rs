//! Who calls: Basic or Bearer, over TLS or from this machine. Every front end that people and their scripts use
//! asks here.

mod credentials;
mod error;
mod origin;
mod sealing;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use net::Peer;
use site::{Actor, Site};

use credentials::Credentials;
pub use error::SignInError;
pub use origin::is_cross_site;
pub use sealing::{SealError, Sealing};

/// How a site's front ends find out who calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignIn {
    site: Site,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The user.
    pub actor: Actor,
    /// The last word of a negotiation, which the answer's `WWW-Authenticate` carries.
    pub reply: Option<HeaderValue>,
    /// What opens the request's body and closes the answer's, where the connection seals them.
    pub sealing: Option<Sealing>,
}

impl SignIn {
    /// Sign-in to a site.
    #[must_use]
    pub fn new(site: Site) -> Self {
        Self { site }
    }

    /// The user behind a request, by what `net` set as its extensions; without a [`Peer`] nobody is signed in.
    pub async fn authenticate(&self, parts: &Parts) -> Result<SignedIn, SignInError> {
        let header = parts.headers.get(AUTHORIZATION).ok_or(SignInError::Unauthenticated)?;
        let credentials =
            header.to_str().ok().and_then(Credentials::read).ok_or(SignInError::Unauthenticated)?;
        // Checked before the password, so that an open connection learns nothing about it.
        let peer = parts.extensions.get::<Peer>();
        let Some(peer) = peer.filter(|peer| peer.secure || peer.is_loopback()) else {
            return Err(SignInError::OpenConnection);
        };
        let from = Some(peer.addr.ip());
        let actor = match credentials {
            Credentials::Basic { user, password } => {
                self.site.authenticate_password(&user, &password, from).await?
            }
            Credentials::Bearer(token) => self.site.authenticate_token(&token, from).await?,
        };
        Ok(SignedIn { actor, reply: None, sealing: None })
    }
}
