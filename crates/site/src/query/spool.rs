//! Answers that wait for their reader, out of the database's way.
//!
//! Some protocols read an answer in pieces and may take minutes between two of them. A [`super::RowStream`] must not
//! wait for such a reader: it holds one of few reading connections. So the answer is read to its end at the database's
//! pace, and what the reader has not taken waits here: a little in memory, the rest in a file of the data folder that
//! has no name any more and so is gone with the process. Where the answer is longer than one file may be, the writer waits
//! for its reader, and with it the stream, under the stream's own limits. Where the files of one user, or of all, have no
//! room, the answer fails at once: to wait for the readers of other answers would hold the reading connection.

mod file;
mod room;
mod state;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::access::Actor;
use crate::error::{Result, SiteError};
use crate::server::Site;
use file::SpoolFile;
pub(crate) use room::SpoolRoom;
use state::{Next, Spilled, State};

/// What waits in memory before the file is used, in bytes of one spool.
const MEMORY_BYTES_MAX: usize = 256 * 1024;
/// What is handed over and written together, in bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// What one spool may have in its file, in bytes. What was read is written over once all of it was read, and given back with
/// the whole file when the answer ends; so this, and not what is left to read, is what an answer can cost.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What the spools of one user may have in their files together, in bytes.
const FILES_OF_USER_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// What the spools of a site may have in their files together, in bytes.
const FILES_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What the volume of the data folder keeps free for the database, in bytes.
const VOLUME_FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;

/// The limits of one spool, in bytes.
#[derive(Debug, Clone, Copy)]
struct Limits {
    memory: usize,
    batch: usize,
    file: u64,
    files_of_user: u64,
    files: u64,
    volume_free: u64,
}

const LIMITS: Limits = Limits {
    memory: MEMORY_BYTES_MAX,
    batch: BATCH_BYTES,
    file: FILE_BYTES_MAX,
    files_of_user: FILES_OF_USER_BYTES_MAX,
    files: FILES_BYTES_MAX,
    volume_free: VOLUME_FREE_BYTES_MIN,
};

/// The side that puts items in. Dropped, it ends the answer.
#[derive(Debug)]
pub struct SpoolWriter(Arc<Shared>);

/// The side that takes items out, in the order in which they were put in. Dropped, it frees what waits.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    /// Items that were taken out together, one behind the other, and where the next one begins.
    batch: Arc<Vec<u8>>,
    at: usize,
}

/// Why nothing more is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolClosed {
    /// The reader has gone.
    ReaderGone,
    /// What waits for readers takes all the room of the user, of all users, or of the volume.
    NoRoom,
}

#[derive(Debug)]
struct Shared {
    state: State,
    file: SpoolFile,
    /// Something is there to be read, or nothing more will be.
    filled: Notify,
    /// Something was taken out, or nobody reads any more.
    taken: Notify,
}

impl Site {
    /// A place for items that wait for their reader, who is the actor.
    #[must_use]
    pub fn spool(&self, actor: &Actor) -> (SpoolWriter, SpoolReader) {
        pair(&self.options().data_dir, &actor.name, self.spooled().clone(), LIMITS)
    }
}

/// Removes what killed processes left of their spools in a data folder.
pub(crate) fn sweep(folder: &Path) -> Result<()> {
    file::sweep(folder).map_err(SiteError::io(folder))
}

fn pair(folder: &Path, user: &str, room: SpoolRoom, limits: Limits) -> (SpoolWriter, SpoolReader) {
    let file = SpoolFile::new(folder.to_owned(), limits.volume_free);
    let state = State::new(limits, user, room);
    let shared = Arc::new(Shared { state, file, filled: Notify::new(), taken: Notify::new() });
    let reader = SpoolReader { shared: Arc::clone(&shared), batch: Arc::default(), at: 0 };
    (SpoolWriter(shared), reader)
}

impl SpoolWriter {
    /// Puts an item behind those that are there; waits while it would make the answer too long for its file.
    ///
    /// Errors: [`SpoolClosed`]; what was put in before is still read.
    pub async fn push(&mut self, item: &[u8]) -> std::result::Result<(), SpoolClosed> {
        let shared = &*self.0;
        let has_room = shared.state.push(item);
        shared.filled.notify_one();
        if has_room? {
            return Ok(());
        }
        loop {
            // Made before the look, so that no word of the reader is missed.
            let taken = shared.taken.notified();
            match shared.state.spill()? {
                None => return Ok(()),
                Some(Spilled::To(place, batch)) => {
                    let written = shared.file.write(place, &batch).await;
                    shared.state.spilled(place, &batch, written);
                }
                Some(Spilled::Full) => taken.await,
            }
        }
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        self.0.state.end_writer();
        self.0.filled.notify_one();
    }
}

impl SpoolReader {
    /// The next item; none after the last one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        loop {
            if let Some(item) = self.item() {
                return Some(Ok(item));
            }
            let filled = self.shared.filled.notified();
            let batch = match self.shared.state.next() {
                Next::Batch(batch) => batch,
                Next::Place(place) => match self.shared.file.read(place).await {
                    Ok(batch) => batch,
                    Err(error) => return Some(Err(error)),
                },
                Next::End => return None,
                Next::Wait => {
                    filled.await;
                    continue;
                }
            };
            self.shared.state.took();
            self.shared.taken.notify_one();
            (self.batch, self.at) = (batch, 0);
        }
    }

    fn item(&mut self) -> Option<Vec<u8>> {
        let (item, after) = state::item(&self.batch, self.at)?;
        let item = item.to_vec();
        self.at = after;
        Some(item)
    }
}

impl Drop for SpoolReader {
    fn drop(&mut self) {
        self.shared.state.end_reader();
        self.shared.taken.notify_one();
    }
}

#[cfg(test)]
mod tests;
