//! Reading a driver's own folder for a download, without ever waiting for it without end.
//!
//! The folder may lie on a mount that dies while a machine downloads. A file is read as a visit, on a thread that can be
//! left behind, and handed over piece by piece; whoever sends the pieces learns in time that no more will come.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use content::ContentPath;
use content::tree::Tree;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;
use crate::sources::{NoAnswer, Purpose};

/// How long one reading of a folder's file may take.
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// Bytes of a piece.
const PIECE_BYTES: usize = 128 << 10;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 4;

type Piece = io::Result<Vec<u8>>;

/// A folder whose files are read for a download.
#[derive(Debug)]
pub(super) struct Folder {
    site: Site,
    source: SourcePath,
    tree: Arc<Tree>,
    runtime: Handle,
}

impl Folder {
    /// To be called within the runtime.
    pub(super) fn new(site: &Site, source: SourcePath, tree: Tree) -> Self {
        Self { site: site.clone(), source, tree: Arc::new(tree), runtime: Handle::current() }
    }

    /// Begins to read a file.
    pub(super) fn read(&self, path: ContentPath) -> Relayed {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let (site, source, tree) = (self.site.clone(), self.source.clone(), Arc::clone(&self.tree));
        self.runtime.spawn(async move {
            let pace = Arc::new(Pace::default());
            let (worker, handed) = (Arc::clone(&pace), sender.clone());
            let work = move || worker.hand_over(&tree, &path, &handed);
            let visit = site.sources().visit(&source, Purpose::Examine, pace.patience(&site), work);
            if let Err(NoAnswer) = visit.await {
                let reason = SourcePathError::NoAnswer.to_string();
                // Whoever read may be gone.
                let _ = sender.send(Err(io::Error::new(io::ErrorKind::TimedOut, reason))).await;
            }
        });
        Relayed { pieces, piece: Vec::new(), taken: 0 }
    }
}

/// What the reading thread and whoever looks after it tell each other.
#[derive(Debug, Default)]
struct Pace {
    steps: AtomicU64,
    /// Whether the thread waits for a slow machine, and not for the folder.
    is_sending: AtomicBool,
}

impl Pace {
    /// Blocking. Ends early if nobody takes the pieces any more.
    fn hand_over(&self, tree: &Tree, path: &ContentPath, pieces: &mpsc::Sender<Piece>) {
        let mut file = match tree.file(path) {
            Ok(file) => file,
            Err(error) => {
                self.send(pieces, Err(io::Error::other(error)));
                return;
            }
        };
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
            let is_last = !matches!(read, Ok(read) if read > 0);
            if !self.send(pieces, read.map(|_| piece)) || is_last {
                return;
            }
        }
    }

    /// Whether anybody still takes them.
    fn send(&self, pieces: &mpsc::Sender<Piece>, piece: Piece) -> bool {
        self.is_sending.store(true, Ordering::Release);
        let is_taken = pieces.blocking_send(piece).is_ok();
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.is_sending.store(false, Ordering::Release);
        is_taken
    }

    /// Ends when one reading has taken too long.
    async fn patience(&self, site: &Site) {
        let mut step = (0, site.clock().monotonic());
        loop {
            site.clock().sleep(LOOK).await;
            let now = site.clock().monotonic();
            let is_sending = self.is_sending.load(Ordering::Acquire);
            let steps = self.steps.load(Ordering::Relaxed);
            if is_sending || steps != step.0 {
                step = (steps, now);
            } else if now.saturating_sub(step.1) >= STALL_LIMIT {
                return;
            }
        }
    }
}

/// The bytes of a file that another thread reads. Blocks, so not within the runtime.
#[derive(Debug)]
pub(super) struct Relayed {
    pieces: mpsc::Receiver<Piece>,
    piece: Vec<u8>,
    taken: usize,
}

impl Read for Relayed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            // The last piece is empty; a thread that ended without it leaves the file too short.
            self.piece = self.pieces.blocking_recv().transpose()?.unwrap_or_default();
            self.taken = 0;
        }
        let read = (&self.piece[self.taken..]).read(buffer)?;
        self.taken += read;
        Ok(read)
    }
}
