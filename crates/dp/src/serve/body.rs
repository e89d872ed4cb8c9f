//! A file's bytes as a response body: positional reads on the blocking threads, one ahead of the network.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// One read. Larger ones gain little and hold memory for each open download, which has two.
const READ_BYTES: u64 = 256 * 1024;

/// A part of an open file.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<File>,
    /// What no read was started for yet.
    rest: Range<u64>,
    /// What was not handed on yet.
    left_bytes: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(crate) fn new(file: File, range: Range<u64>) -> Self {
        let mut body =
            Self { file: Arc::new(file), left_bytes: range.end - range.start, rest: range, reading: None };
        body.read_ahead();
        body
    }

    fn read_ahead(&mut self) {
        let offset = self.rest.start;
        let len = READ_BYTES.min(self.rest.end - offset);
        if len == 0 {
            return;
        }
        self.rest.start += len;
        let file = Arc::clone(&self.file);
        self.reading = Some(spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(len).expect("at most READ_BYTES")];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes.into())
        }));
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let result = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match result {
            Ok(Ok(bytes)) => {
                self.left_bytes -= bytes.len() as u64;
                self.read_ahead();
                Ok(Frame::data(bytes))
            }
            Ok(Err(error)) => Err(error),
            Err(stopped) => Err(io::Error::other(stopped)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn every_range_comes_whole_and_a_file_that_shrank_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let bytes: Vec<u8> = (0..READ_BYTES * 2 + 77).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let size = bytes.len() as u64;
        for range in [0..0, 0..1, 0..size, 5..READ_BYTES + 5, size - 1..size, READ_BYTES..READ_BYTES * 2] {
            let body = FileBody::new(File::open(&path).unwrap(), range.clone());
            assert_eq!(http_body::Body::size_hint(&body).exact(), Some(range.end - range.start));
            let found = body.collect().await.unwrap().to_bytes();
            assert!(found == bytes[range.start as usize..range.end as usize], "{range:?}");
        }
        assert!(FileBody::new(File::open(&path).unwrap(), 0..size + 1).collect().await.is_err());
    }
}
