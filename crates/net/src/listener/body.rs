//! Bodies under watch: a request body has a size and a deadline, a response body keeps its request in flight.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use clock::SharedClock;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::ListenerStats;
use super::activity::{Activity, InFlight};
use super::budget::Charge;

/// A request body that must be complete by its deadline, and may hold memory while others leave some.
pub(crate) struct TimedBody {
    incoming: Incoming,
    charge: Arc<Charge>,
    deadline: Pin<Box<dyn Future<Output = ()> + Send>>,
    activity: Arc<Activity>,
    stats: Arc<ListenerStats>,
}

/// The most that is read of a refused request, in bytes; a connection with more than that to come ends.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;

/// Reads and forgets what a refused request still sends. Without that hyper ends the connection, and a negotiation, whose
/// legs come on one connection and may each carry the whole request, never does.
pub async fn discard(mut body: Body) {
    let mut read_bytes = 0;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        read_bytes += frame.data_ref().map_or(0, Bytes::len);
        if read_bytes > DISCARDED_BYTES_MAX {
            break;
        }
    }
}

/// Why a request has no whole body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It is longer than the given limit, in bytes.
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It broke off, or did not come in time.
    Incomplete,
}

/// Reads a request's body, which may have `limit` bytes.
///
/// Errors: [`BodyFault`], so that a client whose body was slow is not told that it was long.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    let read = Limited::new(body, limit).collect().await;
    read.map(Collected::to_bytes).map_err(|error| match error.is::<LengthLimitError>() {
        true => BodyFault::TooLong { limit },
        false => BodyFault::Incomplete,
    })
}

/// Whether a body was not taken because others hold all the memory that bodies may have, as far as the causes of an
/// error tell.
#[must_use]
pub fn bodies_are_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<BodiesFull>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The bodies of running requests hold as much as the listener allows.
#[derive(Debug)]
pub(crate) struct BodiesFull;

impl fmt::Display for BodiesFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("other requests hold all the memory that bodies may have; try again shortly")
    }
}

impl Error for BodiesFull {}

/// The request body took longer than the listener allows.
#[derive(Debug)]
pub(crate) struct BodyTooSlow;

impl TimedBody {
    pub(crate) fn new(
        incoming: Incoming,
        charge: Arc<Charge>,
        time: Duration,
        clock: SharedClock,
        activity: Arc<Activity>,
        stats: Arc<ListenerStats>,
    ) -> Self {
        Self { incoming, charge, deadline: Box::pin(async move { clock.sleep(time).await }), activity, stats }
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.activity.moved();
            let came = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            if came.is_some_and(|data| !self.charge.grow(data.len())) {
                self.stats.bodies_refused.inc();
                return Poll::Ready(Some(Err(Box::new(BodiesFull))));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            self.stats.bodies_timed_out.inc();
            return Poll::Ready(Some(Err(Box::new(BodyTooSlow))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body did not arrive in time")
    }
}

impl Error for BodyTooSlow {}

/// A response body; its request is in flight until hyper has sent or dropped it.
pub(crate) struct TrackedBody {
    pub(crate) body: Body,
    pub(crate) _in_flight: InFlight,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_whole_or_it_is_known_why_not() {
        let check = async |frames: Vec<Result<&'static str, BodyTooSlow>>, expect| {
            let body = Body::from_stream(stream::iter(frames));
            assert_eq!(read_body(body, 4).await, expect);
        };
        check(vec![], Ok(Bytes::new())).await;
        check(vec![Ok("ab"), Ok("cd")], Ok(Bytes::from_static(b"abcd"))).await;
        check(vec![Ok("ab"), Ok("cde")], Err(BodyFault::TooLong { limit: 4 })).await;
        check(vec![Ok("ab"), Err(BodyTooSlow)], Err(BodyFault::Incomplete)).await;
    }
}
