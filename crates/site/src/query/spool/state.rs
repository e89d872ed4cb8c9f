//! What waits in a spool and where.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::Place;
use super::{Limits, SpoolClosed, SpoolRoom};
use crate::error::{Result, SiteError};

/// The bytes of an item's length, before it.
const LENGTH_BYTES: usize = 4;

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    /// Whose answer it is.
    user: String,
    /// What all spools have in their files.
    room: SpoolRoom,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// The last, which is not full yet.
    open: Vec<u8>,
    /// In memory, without the open one.
    memory_bytes: usize,
    /// Where the next batch goes in the file.
    file_end: u64,
    /// How long the file is: what of it has been read is written over, not given back.
    file_bytes: u64,
    /// Batches in the file that are to be read.
    in_file: usize,
    /// A batch is on its way to the file.
    is_spilling: bool,
    /// The file cannot be written; memory must do.
    is_file_lost: bool,
    /// The volume takes no more.
    is_volume_full: bool,
    writer_gone: bool,
    reader_gone: bool,
}

#[derive(Debug)]
enum Batch {
    Memory(Arc<Vec<u8>>),
    File(Place),
}

/// What the reader finds.
pub(super) enum Next {
    Batch(Arc<Vec<u8>>),
    Place(Place),
    Wait,
    End,
}

/// What the writer does about too much memory.
pub(super) enum Spilled {
    To(Place, Arc<Vec<u8>>),
    /// Until the reader has taken some, there is no room in the file of this answer.
    Full,
}

impl State {
    pub(super) fn new(limits: Limits, user: &str, room: SpoolRoom) -> Self {
        Self { limits, user: user.to_owned(), room, queue: Mutex::default() }
    }

    /// Whether there is room in memory for more.
    pub(super) fn push(&self, item: &[u8]) -> std::result::Result<bool, SpoolClosed> {
        let mut queue = self.lock();
        if queue.reader_gone {
            return Err(SpoolClosed::ReaderGone);
        }
        let length = u32::try_from(item.len()).expect("one instance has less than 4 GiB");
        queue.open.extend(length.to_le_bytes());
        queue.open.extend(item);
        if queue.open.len() >= self.limits.batch {
            let batch = std::mem::take(&mut queue.open);
            queue.memory_bytes += batch.len();
            queue.batches.push_back(Batch::Memory(Arc::new(batch)));
        }
        Ok(queue.memory_bytes <= self.limits.memory)
    }

    /// The last batch and where it is to go; none if memory has room.
    pub(super) fn spill(&self) -> std::result::Result<Option<Spilled>, SpoolClosed> {
        let mut queue = self.lock();
        if queue.reader_gone {
            return Err(SpoolClosed::ReaderGone);
        }
        if queue.memory_bytes <= self.limits.memory {
            return Ok(None);
        }
        let Some(Batch::Memory(batch)) = queue.batches.back() else { return Ok(None) };
        let batch = Arc::clone(batch);
        let place = Place { at: queue.file_end, bytes: batch.len() };
        let end = place.at + place.bytes as u64;
        if queue.is_volume_full {
            return Err(SpoolClosed::NoRoom);
        }
        if queue.is_file_lost || end > self.limits.file {
            return Ok(Some(Spilled::Full));
        }
        if !self.reserve(&mut queue, end) {
            return Err(SpoolClosed::NoRoom);
        }
        queue.file_end = end;
        queue.is_spilling = true;
        Ok(Some(Spilled::To(place, batch)))
    }

    /// Whether the file may be so long.
    fn reserve(&self, queue: &mut Queue, end: u64) -> bool {
        let more = end.saturating_sub(queue.file_bytes);
        let fits = more == 0 || self.room.take(&self.user, more, &self.limits);
        if fits {
            queue.file_bytes += more;
        }
        fits
    }

    /// The last batch is in the file, unless the reader was faster.
    pub(super) fn spilled(&self, place: Place, batch: &Arc<Vec<u8>>, written: Result<()>) {
        let mut queue = self.lock();
        queue.is_spilling = false;
        match written {
            Ok(()) => {
                if let Some(last) = queue.batches.back_mut()
                    && matches!(last, Batch::Memory(waiting) if Arc::ptr_eq(waiting, batch))
                {
                    *last = Batch::File(place);
                    queue.memory_bytes -= place.bytes;
                    queue.in_file += 1;
                }
            }
            Err(SiteError::DiskFull(_)) => queue.is_volume_full = true,
            Err(error) => {
                tracing::warn!(%error, "an answer that waits could not be written to a file");
                queue.is_file_lost = true;
            }
        }
    }

    pub(super) fn next(&self) -> Next {
        let mut queue = self.lock();
        match queue.batches.front() {
            Some(Batch::Memory(batch)) => Next::Batch(Arc::clone(batch)),
            Some(Batch::File(place)) => Next::Place(*place),
            None if !queue.open.is_empty() => {
                let batch = Arc::new(std::mem::take(&mut queue.open));
                queue.memory_bytes += batch.len();
                queue.batches.push_back(Batch::Memory(Arc::clone(&batch)));
                Next::Batch(batch)
            }
            None if queue.writer_gone => Next::End,
            None => Next::Wait,
        }
    }

    /// The reader has what [`Self::next`] told it of.
    pub(super) fn took(&self) {
        let mut queue = self.lock();
        match queue.batches.pop_front() {
            Some(Batch::Memory(batch)) => queue.memory_bytes -= batch.len(),
            // Read from memory and written meanwhile, or read from there.
            Some(Batch::File(_)) => queue.in_file -= 1,
            None => {}
        }
        if queue.in_file == 0 && !queue.is_spilling {
            queue.file_end = 0;
        }
    }

    pub(super) fn end_writer(&self) {
        self.lock().writer_gone = true;
    }

    pub(super) fn end_reader(&self) {
        let mut queue = self.lock();
        queue.reader_gone = true;
        queue.batches.clear();
        queue.open = Vec::new();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let bytes = self.lock().file_bytes;
        self.room.give_back(&self.user, bytes);
    }
}

/// The item at a place of a batch, and where the next one begins.
pub(super) fn item(batch: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, rest) = batch.get(at..)?.split_first_chunk::<LENGTH_BYTES>()?;
    let length = u32::from_le_bytes(*length) as usize;
    Some((rest.get(..length)?, at + LENGTH_BYTES + length))
}
