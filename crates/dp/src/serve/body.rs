//! A file's bytes as a response body: positional reads on the blocking threads, one ahead of the network.
//!
//! Anyone may download and read slowly, so all bodies together share one budget of memory: a piece counts
//! from before it is read until the network has it. Many slow readers make pieces small and wait for each
//! other; a few get large ones, and the next while the last is sent.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};

/// One read while there is plenty of room. Larger ones gain little.
const READ_BYTES: u32 = 256 * 1024;
/// One read while room is short: thousands of slow readers get on with it.
const SHORT_READ_BYTES: u32 = 16 * 1024;
/// Bytes of bodies under way in one listener; a quarter of what a distribution point may take of memory.
const UNDER_WAY_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// The memory that the bodies of one listener share.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    total_bytes: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(UNDER_WAY_BYTES_MAX)
    }
}

impl Budget {
    fn new(total_bytes: u32) -> Self {
        let permits = usize::try_from(total_bytes).expect("memory is counted in usize");
        Self { free: Arc::new(Semaphore::new(permits)), total_bytes }
    }

    /// Whether bytes of any body are under way.
    pub(crate) fn is_in_use(&self) -> bool {
        u32::try_from(self.free.available_permits()).is_ok_and(|free| free < self.total_bytes)
    }

    /// Whether at least half is free: then pieces are large and read ahead.
    fn is_ample(&self) -> bool {
        u32::try_from(self.free.available_permits()).is_ok_and(|free| free >= self.total_bytes / 2)
    }

    /// How long a piece may be now; never more than there will ever be room for.
    fn piece_bytes_max(&self) -> u32 {
        let most = if self.is_ample() { READ_BYTES } else { SHORT_READ_BYTES };
        most.min(self.total_bytes)
    }
}

/// A piece and its share of the budget, which goes back when the network has the bytes.
struct Piece {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

enum Next {
    /// Nothing was begun: before the first poll, and while room is short.
    Idle,
    /// Waits for room.
    Waiting(u32, BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>),
    Reading(JoinHandle<io::Result<Bytes>>),
}

/// A part of an open file. Nothing is read before it is polled.
pub(crate) struct FileBody {
    file: Arc<File>,
    budget: Budget,
    /// What no read was started for yet.
    rest: Range<u64>,
    /// What was not handed on yet.
    left_bytes: u64,
    next: Next,
}

impl FileBody {
    pub(crate) fn new(file: File, range: Range<u64>, budget: Budget) -> Self {
        let left_bytes = range.end - range.start;
        Self { file: Arc::new(file), budget, left_bytes, rest: range, next: Next::Idle }
    }

    /// How long the next piece is.
    fn piece_bytes(&self) -> u32 {
        let bytes_max = self.budget.piece_bytes_max();
        u32::try_from(self.rest.end - self.rest.start).map_or(bytes_max, |rest| rest.min(bytes_max))
    }

    fn read(&mut self, len: u32, share: OwnedSemaphorePermit) {
        let offset = self.rest.start;
        self.rest.start += u64::from(len);
        let file = Arc::clone(&self.file);
        self.next = Next::Reading(spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(len).expect("at most READ_BYTES")];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(Bytes::from_owner(Piece { bytes, _share: share }))
        }));
    }

    /// Reads on while the network sends, if that takes room from nobody.
    fn read_ahead(&mut self) {
        let len = self.piece_bytes();
        if len == 0 || !self.budget.is_ample() {
            return;
        }
        if let Ok(share) = Arc::clone(&self.budget.free).try_acquire_many_owned(len) {
            self.read(len, share);
        }
    }

    fn end(&mut self) {
        self.rest.start = self.rest.end;
        self.left_bytes = 0;
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match &mut self.next {
                Next::Idle => {
                    let len = self.piece_bytes();
                    if len == 0 {
                        return Poll::Ready(None);
                    }
                    let share = Arc::clone(&self.budget.free).acquire_many_owned(len);
                    self.next = Next::Waiting(len, share.boxed());
                }
                Next::Waiting(len, share) => {
                    let (len, share) = (*len, ready!(share.poll_unpin(cx)).map_err(io::Error::other)?);
                    self.read(len, share);
                }
                Next::Reading(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx));
                    self.next = Next::Idle;
                    let bytes = read.map_err(io::Error::other).and_then(|read| read);
                    match &bytes {
                        Ok(bytes) => {
                            self.left_bytes -= bytes.len() as u64;
                            self.read_ahead();
                        }
                        Err(_) => self.end(),
                    }
                    return Poll::Ready(Some(bytes.map(Frame::data)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn file(folder: &tempfile::TempDir, len: u64) -> (std::path::PathBuf, Vec<u8>) {
        let path = folder.path().join("f");
        let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    #[tokio::test]
    async fn every_range_comes_whole_and_a_file_that_shrank_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let read = u64::from(READ_BYTES);
        let size = read * 2 + 77;
        let (path, bytes) = file(&folder, size);
        // Plenty of room, and room for one short piece.
        for budget in [Budget::default(), Budget::new(SHORT_READ_BYTES)] {
            for range in [0..0, 0..1, 0..size, 5..read + 5, size - 1..size, read..read * 2] {
                let mut body = FileBody::new(File::open(&path).unwrap(), range.clone(), budget.clone());
                assert_eq!(http_body::Body::size_hint(&body).exact(), Some(range.end - range.start));
                let mut found = Vec::new();
                while let Some(frame) = body.frame().await {
                    found.extend_from_slice(&frame.unwrap().into_data().unwrap());
                }
                assert!(http_body::Body::is_end_stream(&body));
                assert!(found == bytes[range.start as usize..range.end as usize], "{range:?}");
            }
            assert_eq!(budget.free.available_permits(), budget.total_bytes as usize, "all came back");
        }
        let body = FileBody::new(File::open(&path).unwrap(), 0..size + 1, Budget::default());
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn bodies_that_nobody_drains_hold_no_more_than_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let size = u64::from(READ_BYTES) * 3;
        let (path, _) = file(&folder, size);
        let budget = Budget::new(READ_BYTES);
        let body = || FileBody::new(File::open(&path).unwrap(), 0..size, budget.clone());
        let (mut first, mut second, third) = (body(), body(), body());
        assert_eq!(budget.free.available_permits(), READ_BYTES as usize, "nothing is read before a poll");
        let kept = first.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((kept.len(), budget.free.available_permits()), (READ_BYTES as usize, 0));
        assert!(second.frame().now_or_never().is_none(), "it waits for room");
        drop(third);
        drop(kept);
        let short = second.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(short.len(), SHORT_READ_BYTES as usize, "asked for while room was short");
        drop((first, second, short));
        assert_eq!(budget.free.available_permits(), READ_BYTES as usize);
    }
}
