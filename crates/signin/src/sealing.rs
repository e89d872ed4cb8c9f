//! Messages that a negotiated connection seals: bodies of type `multipart/encrypted` (MS-WSMV 2.2.9.1).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use negotiate::Session;

use crate::frame::{self, Protocol};

/// What seals the messages of one connection.
#[derive(Debug)]
pub struct Sealing {
    session: Arc<Mutex<Session>>,
    protocol: Protocol,
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
    pub(crate) const fn new(session: Arc<Mutex<Session>>, protocol: Protocol) -> Self {
        Self { session, protocol }
    }

    /// Opens a request's body. `content_type` is the request's header.
    pub fn unwrap(&self, content_type: &str, body: &[u8]) -> Result<Bytes, SealError> {
        let sealed = frame::read(content_type, body)?;
        let mut message = sealed.message.to_vec();
        self.session().unseal(sealed.signature, &mut message).map_err(|_| SealError::Forged)?;
        Ok(message.into())
    }

    /// Seals an answer's body of a content type. Returns the header and the body to send; the body is empty if nothing can
    /// be sealed any more, because it is not for others.
    #[must_use]
    pub fn wrap(&self, content_type: &str, plain: &[u8]) -> (HeaderValue, Bytes) {
        let mut message = plain.to_vec();
        let body = match self.session().seal(&mut message) {
            Ok(signature) => frame::write(self.protocol, content_type, &signature, &message),
            Err(_) => Bytes::new(),
        };
        (frame::header(self.protocol), body)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
