//! Messages that a negotiated connection seals: bodies of type `multipart/encrypted` (MS-WSMV 2.2.9.1).

use std::convert::Infallible;

use bytes::Bytes;
use http::HeaderValue;

/// What seals the messages of one connection.
#[derive(Debug)]
pub struct Sealing(Infallible);

/// A sealed body that does not open.
#[derive(Debug, thiserror::Error)]
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
    /// Opens a request's body. `content_type` is the request's header.
    pub fn unwrap(&self, _content_type: &str, _body: &[u8]) -> Result<Bytes, SealError> {
        match self.0 {}
    }

    /// Seals an answer's body of a content type. Returns the header and the body to send.
    #[must_use]
    pub fn wrap(&self, _content_type: &str, _plain: &[u8]) -> (HeaderValue, Bytes) {
        match self.0 {}
    }
}
