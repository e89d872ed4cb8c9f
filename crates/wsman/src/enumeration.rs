//! Enumerate, Pull and Release (DSP0226 chapter 8).

use clock::SharedClock;
use provider::Provider;

use crate::envelope::{Envelope, Headers};
use crate::fault::WsmanFault;
use crate::reply::Reply;
use crate::serve::{Exchange, Service};

/// The enumerations that are open, of all users.
#[derive(Debug)]
pub(crate) struct Enumerations;

impl Enumerations {
    /// None yet.
    pub(crate) fn new(_: SharedClock) -> Self {
        Self
    }
}

/// One of the three requests, read.
#[derive(Debug)]
pub(crate) enum EnumerationRequest {}

impl EnumerationRequest {
    /// Reads the body of an envelope whose action is one of the three. Its resource may be of any style, all classes
    /// included; Pull and Release find their enumeration by its context alone.
    pub(crate) fn read(_: &Envelope<'_>, headers: &Headers, _: &Provider) -> Result<Self, WsmanFault> {
        Err(headers.unsupported("nothing is enumerated yet"))
    }
}

impl Service {
    /// Answers one of the three. The future is dropped when the time of its request is over; what it took of an
    /// enumeration must be back in its place then.
    #[expect(clippy::unused_async, reason = "queries are")]
    pub(crate) async fn enumeration(
        &self,
        _: &Exchange,
        request: EnumerationRequest,
    ) -> Result<Reply, WsmanFault> {
        match request {}
    }
}
