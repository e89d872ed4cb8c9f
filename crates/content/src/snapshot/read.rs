//! Reads files: every byte once, hashed as a file and as chunks, new chunks stored on the way.
//!
//! Workers take files one by one. A large file's chunks go through a short queue that any idle worker serves,
//! so that one file of many gigabytes occupies all of them; a full queue makes the reader do the work itself,
//! which bounds the memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::bases::Place;
use super::error::SnapshotError;
use super::session::Session;
use super::walk::{Source, Stamp, unreadable};
use crate::format::{ChunkRef, Compressor, FILE_CHUNKS, FileEntry, WHOLE_FILE_BYTES_MAX, cut_length};
use crate::ids::{ChunkId, FileHasher};
use crate::monitor::{Counter, Monitor};
use crate::path::ContentPath;

/// Chunks that wait for a worker, for each worker.
const QUEUED_CHUNKS_PER_WORKER: usize = 2;

/// A file to read, and how it was seen.
pub(super) struct Job {
    pub(super) path: ContentPath,
    pub(super) stamp: Stamp,
}

/// What came of a file.
pub(super) enum Outcome {
    /// Read whole, and it stood still meanwhile.
    Read(FileEntry, Stamp),
    /// It changed or went away meanwhile.
    Changed(ContentPath),
}

/// All that the workers share.
pub(super) struct Reading<'a> {
    pub(super) source: &'a Source,
    pub(super) session: &'a Session<'a>,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) cancel: &'a AtomicBool,
    pub(super) threads: usize,
}

struct Chunk {
    id: ChunkId,
    raw: Vec<u8>,
    place: Place,
}

struct State {
    jobs: VecDeque<Job>,
    chunks: VecDeque<Chunk>,
    /// Workers that read a file now and may queue more chunks.
    readers: usize,
    outcomes: Vec<Outcome>,
    stop: Option<SnapshotError>,
}

enum Work {
    File(Job),
    Chunk(Chunk),
}

impl Reading<'_> {
    /// Reads all the files; the outcomes come in no particular order.
    pub(super) fn run(&self, jobs: Vec<Job>) -> Result<Vec<Outcome>, SnapshotError> {
        let shared = Shared {
            state: Mutex::new(State {
                jobs: jobs.into(),
                chunks: VecDeque::new(),
                readers: 0,
                outcomes: Vec::new(),
                stop: None,
            }),
            more: Condvar::new(),
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|| Worker::new(self, &shared).work());
            }
            Worker::new(self, &shared).work();
        });
        let state = shared.state.into_inner().expect("a worker does not panic");
        state.stop.map_or(Ok(state.outcomes), Err)
    }
}

struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a worker does not panic")
    }

    /// The next thing to do: chunks before files, because they hold memory.
    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.stop.is_some() {
                return None;
            }
            if let Some(chunk) = state.chunks.pop_front() {
                return Some(Work::Chunk(chunk));
            }
            if let Some(job) = state.jobs.pop_front() {
                state.readers += 1;
                return Some(Work::File(job));
            }
            if state.readers == 0 {
                self.more.notify_all();
                return None;
            }
            state = self.more.wait(state).expect("a worker does not panic");
        }
    }
}

/// A worker that panics ends the others, which would wait for it for ever; the scope passes the panic on.
struct StopOnPanic<'a>(&'a Shared);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.stop.get_or_insert(SnapshotError::Cancelled);
            self.0.more.notify_all();
        }
    }
}

struct Worker<'a> {
    reading: &'a Reading<'a>,
    shared: &'a Shared,
    compressor: Compressor,
    window: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(reading: &'a Reading<'a>, shared: &'a Shared) -> Worker<'a> {
        Worker { reading, shared, compressor: Compressor::new(), window: Vec::new() }
    }

    fn work(&mut self) {
        let _panic = StopOnPanic(self.shared);
        while let Some(work) = self.shared.next() {
            let done = match work {
                Work::Chunk(chunk) => self.store(chunk.id, &chunk.raw, &chunk.place).map(|()| None),
                Work::File(job) => {
                    let outcome = self.read(job);
                    self.shared.state().readers -= 1;
                    outcome.map(Some)
                }
            };
            let mut state = self.shared.state();
            match done {
                Ok(outcome) => state.outcomes.extend(outcome),
                Err(error) => state.stop = Some(error),
            }
            if self.reading.cancel.load(Ordering::Relaxed) || self.reading.monitor.cancelled() {
                state.stop.get_or_insert(SnapshotError::Cancelled);
            }
            self.shared.more.notify_all();
        }
    }

    fn store(&mut self, id: ChunkId, raw: &[u8], place: &Place) -> Result<(), SnapshotError> {
        Ok(self.reading.session.store(&mut self.compressor, id, raw, place)?)
    }

    fn read(&mut self, job: Job) -> Result<Outcome, SnapshotError> {
        let fd = match self.reading.source.open_file(&job.path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
                return Ok(Outcome::Changed(job.path));
            }
            other => other.map_err(|error| unreadable(job.path.as_str(), error))?,
        };
        let mut file = File::from(fd);
        if stamp(&file, &job.path)? != job.stamp {
            return Ok(Outcome::Changed(job.path));
        }
        let Some(entry) = self.read_open(&mut file, &job)? else { return Ok(Outcome::Changed(job.path)) };
        if stamp(&file, &job.path)? != job.stamp {
            return Ok(Outcome::Changed(job.path));
        }
        self.reading.monitor.count(Counter::FilesRead, 1);
        Ok(Outcome::Read(entry, job.stamp))
    }

    /// Hashes and chunks the file; `None` if its length is not the one seen.
    fn read_open(&mut self, file: &mut File, job: &Job) -> Result<Option<FileEntry>, SnapshotError> {
        self.window.clear();
        let mut hasher = FileHasher::new();
        let chunks = if job.stamp.size <= WHOLE_FILE_BYTES_MAX {
            self.read_whole(file, job, &mut hasher)?
        } else {
            self.read_in_chunks(file, job, &mut hasher)?
        };
        Ok(chunks.map(|chunks| FileEntry {
            path: job.path.clone(),
            size: job.stamp.size,
            modified: job.stamp.modified,
            hash: hasher.finish(),
            chunks,
        }))
    }

    fn read_whole(
        &mut self,
        file: &mut File,
        job: &Job,
        hasher: &mut FileHasher,
    ) -> Result<Option<Vec<ChunkRef>>, SnapshotError> {
        // One byte more than was seen tells that the file has grown.
        self.fill(file, job, hasher, job.stamp.size + 1)?;
        if self.window.len() as u64 != job.stamp.size {
            return Ok(None);
        }
        if self.window.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let place = Place { path: job.path.clone(), offset: 0, file_bytes: job.stamp.size };
        Ok(Some(vec![self.take_chunk(self.window.len(), place)?]))
    }

    fn read_in_chunks(
        &mut self,
        file: &mut File,
        job: &Job,
        hasher: &mut FileHasher,
    ) -> Result<Option<Vec<ChunkRef>>, SnapshotError> {
        let size = job.stamp.size;
        let mut chunks = Vec::new();
        let (mut read, mut offset) = (0u64, 0u64);
        loop {
            if self.reading.cancel.load(Ordering::Relaxed) {
                return Err(SnapshotError::Cancelled);
            }
            let room = u64::from(FILE_CHUNKS.max) - self.window.len() as u64;
            read += self.fill(file, job, hasher, room)?;
            let is_last = (self.window.len() as u64) < u64::from(FILE_CHUNKS.max);
            if read > size || (is_last && read < size) {
                return Ok(None);
            }
            if self.window.is_empty() {
                return Ok(Some(chunks));
            }
            let len = cut_length(&self.window, FILE_CHUNKS);
            let place = Place { path: job.path.clone(), offset, file_bytes: size };
            chunks.push(self.take_chunk(len, place)?);
            offset += len as u64;
        }
    }

    /// Reads up to `room` more bytes into the window; fewer only at the file's end.
    fn fill(
        &mut self,
        file: &mut File,
        job: &Job,
        hasher: &mut FileHasher,
        room: u64,
    ) -> Result<u64, SnapshotError> {
        let held = self.window.len();
        self.window.reserve_exact(usize::try_from(room).expect("at most a chunk and a byte"));
        let got = file.take(room).read_to_end(&mut self.window);
        let got =
            got.map_err(|source| SnapshotError::SourceUnreadable { path: job.path.to_string(), source })?;
        hasher.update(&self.window[held..]);
        self.reading.monitor.count(Counter::BytesRead, got as u64);
        Ok(got as u64)
    }

    /// Takes the first `len` bytes of the window as a chunk; someone stores it.
    fn take_chunk(&mut self, len: usize, place: Place) -> Result<ChunkRef, SnapshotError> {
        let id = ChunkId::of(&self.window[..len]);
        let chunk = ChunkRef { id, len: u32::try_from(len).expect("at most CHUNK_BYTES_MAX") };
        if len == self.window.len() {
            let raw = std::mem::take(&mut self.window);
            let stored = self.store(id, &raw, &place);
            self.window = raw;
            self.window.clear();
            return stored.map(|()| chunk);
        }
        let raw = self.window[..len].to_vec();
        self.window.drain(..len);
        if let Some(chunk) = self.offer(Chunk { id, raw, place }) {
            self.store(chunk.id, &chunk.raw, &chunk.place)?;
        }
        Ok(chunk)
    }

    /// Queues a chunk for whoever is free; gives it back if too many wait already.
    fn offer(&self, chunk: Chunk) -> Option<Chunk> {
        let mut state = self.shared.state();
        if self.reading.threads == 1 || state.chunks.len() >= QUEUED_CHUNKS_PER_WORKER * self.reading.threads
        {
            return Some(chunk);
        }
        state.chunks.push_back(chunk);
        self.shared.more.notify_one();
        None
    }
}

fn stamp(file: &File, path: &ContentPath) -> Result<Stamp, SnapshotError> {
    rustix::fs::fstat(file).map(|stat| Stamp::of(&stat)).map_err(|error| unreadable(path.as_str(), error))
}
