//! Messages that a negotiated connection seals: bodies of type `multipart/encrypted` (MS-WSMV 2.2.9.1).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use negotiate::Session;

use crate::frame::{self, Protocol};
#[cfg(feature = "kerberos")]
use crate::kerberos;

/// What seals the messages of one connection.
#[derive(Debug)]
pub struct Sealing {
    keys: Arc<Mutex<Keys>>,
    protocol: Protocol,
}

/// What a negotiation left both sides to seal with.
#[derive(Debug)]
pub(crate) enum Keys {
    Ntlm(Box<Session>),
    #[cfg(feature = "kerberos")]
    Kerberos(kerberos::Session),
}

/// A sealed body that does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The connection seals its messages and this one came open.
    #[error("this connection seals its messages; an open one is not accepted")]
    Unsealed,
    /// It is not of the form.
    #[error("the sealed body is not well formed: {0}")]
    Malformed(&'static str),
    /// Its signature is not that of the next message of this connection.
    #[error("the sealed body was forged, repeated or damaged on its way")]
    Forged,
}

impl Sealing {
    pub(crate) const fn new(keys: Arc<Mutex<Keys>>, protocol: Protocol) -> Self {
        Self { keys, protocol }
    }

    /// Opens a request's body. `content_type` is the request's header.
    pub fn unwrap(&self, content_type: &str, body: &[u8]) -> Result<Bytes, SealError> {
        let sealed = frame::read(content_type, body)?;
        let mut message = sealed.message.to_vec();
        self.keys().unseal(sealed.signature, &mut message).ok_or(SealError::Forged)?;
        Ok(message.into())
    }

    /// Seals an answer's body of a content type. Returns the header and the body to send; the body is empty if nothing can
    /// be sealed any more, because it is not for others.
    #[must_use]
    pub fn wrap(&self, content_type: &str, plain: &[u8]) -> (HeaderValue, Bytes) {
        let mut message = plain.to_vec();
        let body = match self.keys().seal(&mut message) {
            Some(signature) => frame::write(self.protocol, content_type, &signature, &message),
            None => Bytes::new(),
        };
        (frame::header(self.protocol), body)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// None if this is not the client's next message.
    fn unseal(&mut self, signature: &[u8], message: &mut [u8]) -> Option<()> {
        match self {
            Self::Ntlm(session) => session.unseal(signature, message).ok(),
            #[cfg(feature = "kerberos")]
            Self::Kerberos(session) => session.unseal(signature, message),
        }
    }

    /// What stands before the sealed message; none if nothing can be sealed.
    fn seal(&mut self, message: &mut [u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ntlm(session) => session.seal(message).ok().map(|signature| signature.to_vec()),
            #[cfg(feature = "kerberos")]
            Self::Kerberos(session) => session.seal(message),
        }
    }

    /// Whether they hold no longer; what NTLM proved holds as long as its user does.
    pub(crate) fn have_ended(&self) -> bool {
        match self {
            Self::Ntlm(_) => false,
            #[cfg(feature = "kerberos")]
            Self::Kerberos(session) => session.has_ended(),
        }
    }
}
