//! Ranges of immutable objects, over several connections, going on in mid-range after a break.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use net::{Client, NetError};

use crate::context::{Context, Stop};
use crate::fault::JobError;
use membership::backoff::{SITE_WAIT_MAX, jittered};

/// Connections of one pull.
const CONNECTIONS: usize = 2;
/// Breaks in a row without a byte in between, after which a range fails.
const BREAKS_MAX: u32 = 4;

/// Fetches for one pull and counts its bytes.
#[derive(Debug)]
pub(crate) struct Fetcher {
    context: Arc<Context>,
    connections: Vec<Client>,
    next: AtomicUsize,
    stop: Stop,
}

impl Fetcher {
    /// The site is told that it is for `package`: its priority counts there.
    pub(crate) fn new(context: Arc<Context>, package: &str, stop: Stop) -> Result<Self, JobError> {
        let connect = |_| context.site.connect(package);
        let connections = (0..CONNECTIONS).map(connect).collect::<Result<_, _>>()?;
        Ok(Self { context, connections, next: AtomicUsize::new(0), stop })
    }

    /// Body bytes received so far, all connections together.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.connections.iter().map(Client::received_bytes).sum()
    }

    /// A small object, whole.
    pub(crate) async fn object(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, JobError> {
        self.stop.or(async { Ok(self.connection().get_object(path, bytes_max).await?) }).await
    }

    /// Adds exactly the bytes of a range, unproven. However it ends, what came stays in `bytes`.
    pub(crate) async fn range(
        &self,
        path: &str,
        range: Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), JobError> {
        self.stop.or(self.range_with_breaks(path, range, bytes)).await
    }

    async fn range_with_breaks(
        &self,
        path: &str,
        range: Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), JobError> {
        let permit = self.context.ranges.acquire().await.map_err(|e| JobError::Interrupted(e.to_string()))?;
        let len = usize::try_from(range.end - range.start).expect("a range fits in memory");
        bytes.reserve_exact(len);
        let mut breaks = 0;
        loop {
            let before = bytes.len();
            match self.read_on(path, &range, bytes).await {
                Ok(()) => break,
                Err(error) => {
                    breaks = if bytes.len() > before { 1 } else { breaks + 1 };
                    let error = JobError::from(error);
                    let worth_it = matches!(error, JobError::Unreachable(_) | JobError::BadAnswer(_));
                    if breaks >= BREAKS_MAX || !worth_it {
                        return Err(error);
                    }
                    tracing::debug!(%error, path, at = bytes.len(), "A range broke off; going on");
                    self.context.clock.sleep(jittered(breaks, SITE_WAIT_MAX)).await;
                }
            }
        }
        drop(permit);
        Ok(())
    }

    /// Reads from where `bytes` ends to the end of the range. What came before a break stays.
    async fn read_on(&self, path: &str, range: &Range<u64>, bytes: &mut Vec<u8>) -> Result<(), NetError> {
        let start = range.start + bytes.len() as u64;
        if start == range.end {
            return Ok(());
        }
        let mut stream = self.connection().get_range(path, start..range.end).await?;
        while let Some(chunk) = stream.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// Each request takes the next connection.
    fn connection(&self) -> &Client {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        &self.connections[n % self.connections.len()]
    }
}
