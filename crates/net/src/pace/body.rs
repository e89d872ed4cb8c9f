use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use futures_util::{FutureExt, Stream};

use super::link::{Link, Turn};
use super::{Gate, Terms};

/// Terms are looked at again after so long even if they should hold longer: the clock on the wall may be set.
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);

/// The gate closed while a body was under way. What was sent is good; the rest comes when it opens.
#[derive(Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the window closed")
    }
}

impl Error for Closed {}

/// The same bytes at the pace of the link, as long as the gate is open; then the error [`Closed`]. Of bodies that wait for
/// the same link those with the lower `priority` go first.
pub fn paced(
    source: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    link: Arc<Link>,
    priority: u8,
    gate: impl Gate,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let body = Body {
        source: source.boxed(),
        piece: Bytes::new(),
        granted_bytes: 0,
        review_at: Duration::ZERO,
        link,
        priority,
        gate,
    };
    try_unfold(body, |mut body| async move { Ok(body.next().await?.map(|bytes| (bytes, body))) })
}

struct Body<G> {
    source: BoxStream<'static, io::Result<Bytes>>,
    /// What was read and not sent yet.
    piece: Bytes,
    /// What may be sent without asking, whether it comes in one piece or in many.
    granted_bytes: u64,
    /// When the gate is asked again, by the monotonic clock.
    review_at: Duration,
    link: Arc<Link>,
    priority: u8,
    gate: G,
}

impl<G: Gate> Body<G> {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.piece.is_empty() {
            match self.source.next().await {
                Some(piece) => self.piece = piece?,
                None => return Ok(None),
            }
        }
        if self.granted_bytes == 0 {
            self.granted_bytes = self.grant().await?;
        }
        let len = usize::try_from(self.granted_bytes).unwrap_or(usize::MAX).min(self.piece.len());
        self.granted_bytes -= len as u64;
        Ok(Some(self.piece.split_to(len)))
    }

    /// Waits for the link; how many bytes may go.
    async fn grant(&mut self) -> io::Result<u64> {
        if self.gate.changed().now_or_never().is_some() {
            self.review_at = Duration::ZERO;
        }
        let seat = self.link.wait(self.priority);
        loop {
            let now = self.link.clock().monotonic();
            if now >= self.review_at {
                self.review(now)?;
            }
            let due = match seat.take(self.piece.len() as u64) {
                Turn::Granted(bytes) => return Ok(bytes),
                Turn::In(wait) => wait.min(self.review_at.saturating_sub(now)),
                Turn::Later => self.review_at.saturating_sub(now),
            };
            tokio::select! {
                () = self.link.clock().sleep(due) => {}
                () = seat.called() => {}
                () = self.gate.changed() => self.review_at = Duration::ZERO,
            }
        }
    }

    fn review(&mut self, now: Duration) -> io::Result<()> {
        let Terms { bytes_per_s, holds_for } = self.gate.terms().ok_or_else(|| io::Error::other(Closed))?;
        self.link.set_rate(bytes_per_s);
        self.review_at = now.saturating_add(holds_for.clamp(Duration::from_millis(1), REVIEW_INTERVAL));
        Ok(())
    }
}

impl<G> Drop for Body<G> {
    fn drop(&mut self) {
        self.link.give_back(self.granted_bytes);
    }
}
