//! The drivers of one machine as a zip file, written while it is sent.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use driver::archive::{ZipWriteError, ZipWriter};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use site::{Actor, DriverDownload, Site};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::ServiceError;

/// Downloads at once. Each reads and compresses on a thread of its own.
pub const DOWNLOADS_MAX: usize = 16;
/// Pieces of a download that wait for the network.
const PIECES_MAX: usize = 8;
/// The size of a piece.
const PIECE_BYTES: usize = 128 * 1024;

/// The downloads that are under way.
#[derive(Debug)]
pub(crate) struct Downloads {
    turns: Arc<Semaphore>,
}

impl Default for Downloads {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(DOWNLOADS_MAX)) }
    }
}

impl Downloads {
    /// An answer with the files of these drivers. Without drivers it is an empty archive: nothing fits.
    pub(crate) async fn zip(
        &self,
        site: &Site,
        actor: &Actor,
        ci_ids: &[i64],
    ) -> Result<Response, ServiceError> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| ServiceError::Busy)?;
        let files = match ci_ids {
            [] => None,
            ci_ids => Some(site.driver_files(actor, ci_ids).await?),
        };
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        tokio::task::spawn_blocking(move || write(files.as_ref(), &sender, turn));
        let pieces = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
            (CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"drivers.zip\"")),
        ];
        Ok((headers, Body::from_stream(pieces)).into_response())
    }
}

/// Writes the archive; a failure breaks the answer off, so that no machine takes half of it for the whole.
fn write(
    files: Option<&DriverDownload>,
    sender: &mpsc::Sender<io::Result<Bytes>>,
    turn: OwnedSemaphorePermit,
) {
    let pieces = Pieces { sender: sender.clone(), buffer: Vec::with_capacity(PIECE_BYTES) };
    if let Err(error) = archive(files, pieces) {
        // A machine that went away is no fault of ours.
        if !sender.is_closed() {
            tracing::error!(error = &error as &dyn std::error::Error, "a download of drivers broke off");
            let _ = sender.blocking_send(Err(io::Error::other("the drivers could not be read")));
        }
    }
    drop(turn);
}

fn archive(files: Option<&DriverDownload>, pieces: Pieces) -> Result<(), ZipWriteError> {
    let mut zip = ZipWriter::new(pieces);
    for (index, entry) in files.iter().flat_map(|files| files.entries().iter().enumerate()) {
        let unreadable = |source: io::Error| ZipWriteError::Content { entry: entry.name.clone(), source };
        let files = files.expect("an entry is one of some files");
        zip.add(&entry.name, entry.size, &mut *files.open(index).map_err(unreadable)?)?;
    }
    zip.finish()?.flush().map_err(ZipWriteError::Write)
}

/// Sends what is written in pieces of even size.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.buffer.len();
        let taken = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(Bytes::from(piece))).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
