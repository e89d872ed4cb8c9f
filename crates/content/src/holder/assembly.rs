//! Files being put together: which of their chunks are missing, where each goes, and the check that
//! lets a finished file into the store.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::HolderError;
use super::layout::{Layout, forget_cached, hash_file, read_chunk, remove_file, unless_damaged};
use crate::{ChunkId, ChunkRef, FileHash};

/// Names of lacking files that are kept for a report.
const NAMED_MAX: usize = 100;
/// How often one chunk may come with wrong bytes before the pull gives up.
pub(super) const REFUSALS_MAX: u8 = 3;

/// One file to be put together, whatever number of names it has.
#[derive(Debug)]
pub(super) struct Target {
    /// The first name, for messages.
    pub(super) name: String,
    /// What the whole file must hash to; the manifest's own stream is proven by its chunks alone.
    pub(super) hash: Option<FileHash>,
    pub(super) size: u64,
    pub(super) chunks: Vec<ChunkRef>,
    /// How many names the version has for it; progress counts each.
    pub(super) copies: u64,
}

/// Where verified bytes of a chunk lie outside the index.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In a file of the store that no index row names yet.
    File(FileHash, u64, u32),
    /// In a file under another name: a partial file, a superseded one, or a version file.
    At(Arc<PathBuf>, u64, u32),
}

/// A chunk that is still missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    pub(super) id: ChunkId,
    pub(super) len: u32,
    /// A patch towards it failed: only the whole chunk will do.
    pub(super) whole_only: bool,
    pub(super) refusals: u8,
}

#[derive(Debug)]
pub(super) struct Assembly {
    folder: PathBuf,
    targets: Vec<Target>,
    /// Where each chunk goes: target and offset. Complete targets have no spots.
    spots: HashMap<ChunkId, Vec<(usize, u64)>>,
    state: Mutex<State>,
    /// The first files that were not held when this began.
    lacked: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    chunks: HashMap<ChunkId, Chunk>,
    sources: HashMap<ChunkId, Source>,
    /// Spots that each target still lacks.
    lacking: Vec<usize>,
    bytes_done: u64,
    files_hashed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    len: u32,
    placed: bool,
    whole_only: bool,
    refusals: u8,
}

impl Assembly {
    /// Takes up `targets`: `held` ones are done, files and parts left by an earlier run are hashed and
    /// kept as far as they are right.
    pub(super) fn take_up(
        layout: &Layout,
        folder: &Path,
        targets: Vec<Target>,
        held: &HashSet<FileHash>,
        sources: HashMap<ChunkId, Source>,
        go_on: &dyn Fn() -> Result<(), HolderError>,
    ) -> Result<Self, HolderError> {
        let mut assembly = Self {
            folder: folder.to_owned(),
            spots: HashMap::new(),
            lacked: Vec::new(),
            state: Mutex::new(State { sources, lacking: vec![0; targets.len()], ..State::default() }),
            targets,
        };
        for n in 0..assembly.targets.len() {
            go_on()?;
            let target = &assembly.targets[n];
            let is_held = target.hash.is_some_and(|hash| held.contains(&hash));
            if !is_held && assembly.lacked.len() < NAMED_MAX {
                assembly.lacked.push(target.name.clone());
            }
            let target = &assembly.targets[n];
            if is_held || assembly.adopt(layout, n, go_on)? {
                let bytes = target.size * target.copies;
                assembly.state().bytes_done += bytes;
            } else {
                assembly.want(n);
            }
        }
        assembly.resume(layout, go_on)?;
        Ok(assembly)
    }

    /// Whether the store already has the file, though the index does not know it: a run ended before
    /// its sync, so the bytes are proven anew.
    fn adopt(
        &self,
        layout: &Layout,
        n: usize,
        go_on: &dyn Fn() -> Result<(), HolderError>,
    ) -> Result<bool, HolderError> {
        let target = &self.targets[n];
        let Some(hash) = target.hash else {
            return Ok(target.chunks.is_empty() && self.create_empty(layout, n)?);
        };
        if target.chunks.is_empty() {
            return self.create_empty(layout, n);
        }
        let path = layout.file(&hash);
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(HolderError::io("looking for a stored file")(e)),
            Ok(found) if found.len() == target.size => {
                let found = File::open(&path).and_then(|file| {
                    forget_cached(&file);
                    hash_file(&path, || go_on().is_ok())
                });
                if unless_damaged(found, "hashing a file")? == Some(hash) {
                    let mut state = self.state();
                    let mut offset = 0;
                    for chunk in &target.chunks {
                        state.sources.entry(chunk.id).or_insert(Source::File(hash, offset, chunk.len));
                        offset += u64::from(chunk.len);
                    }
                    state.files_hashed += 1;
                    return Ok(true);
                }
                go_on()?;
            }
            Ok(_) => {}
        }
        remove_file(&path)?;
        Ok(false)
    }

    fn create_empty(&self, layout: &Layout, n: usize) -> Result<bool, HolderError> {
        File::create(self.part(n)).map_err(HolderError::io("creating an empty file"))?;
        self.publish(layout, n)?;
        self.state().files_hashed += 1;
        Ok(true)
    }

    fn want(&mut self, n: usize) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut offset = 0;
        for chunk in &self.targets[n].chunks {
            self.spots.entry(chunk.id).or_default().push((n, offset));
            state.chunks.entry(chunk.id).or_insert(Chunk {
                len: chunk.len,
                placed: false,
                whole_only: false,
                refusals: 0,
            });
            state.lacking[n] += 1;
            offset += u64::from(chunk.len);
        }
    }

    /// Finds the chunks that parts from an earlier run hold already.
    fn resume(
        &self,
        layout: &Layout,
        go_on: &dyn Fn() -> Result<(), HolderError>,
    ) -> Result<(), HolderError> {
        let mut right: HashMap<ChunkId, usize> = HashMap::new();
        for n in 0..self.targets.len() {
            if self.state().lacking[n] == 0 {
                continue;
            }
            let path = Arc::new(self.part(n));
            for (id, offset, len) in scan(&path, &self.targets[n].chunks, go_on)? {
                *right.entry(id).or_default() += 1;
                self.state().sources.entry(id).or_insert_with(|| Source::At(path.clone(), offset, len));
            }
        }
        for (id, count) in right {
            if self.spots.get(&id).is_some_and(|spots| spots.len() == count) {
                self.mark_placed(layout, &id)?;
            }
        }
        Ok(())
    }

    /// Writes a proven chunk wherever it belongs; files that become whole are proven and published.
    pub(super) fn place(&self, layout: &Layout, id: &ChunkId, bytes: &[u8]) -> Result<(), HolderError> {
        let Some(spots) = self.spots.get(id) else { return Ok(()) };
        if self.is_placed(id) {
            return Ok(());
        }
        for &(n, offset) in spots {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.part(n));
            file.and_then(|file| file.write_all_at(bytes, offset))
                .map_err(HolderError::io("writing a file"))?;
        }
        self.mark_placed(layout, id)
    }

    fn mark_placed(&self, layout: &Layout, id: &ChunkId) -> Result<(), HolderError> {
        let mut whole = Vec::new();
        {
            let mut state = self.state();
            let chunk = state.chunks.get_mut(id).expect("every spot has its chunk");
            if std::mem::replace(&mut chunk.placed, true) {
                return Ok(());
            }
            let len = u64::from(chunk.len);
            for &(n, _) in &self.spots[id] {
                state.bytes_done += len * self.targets[n].copies;
                state.lacking[n] -= 1;
                if state.lacking[n] == 0 {
                    whole.push(n);
                }
            }
        }
        whole.into_iter().try_for_each(|n| self.prove(layout, n))
    }

    /// Hashes a file whose chunks are all in place, once, and lets it into the store.
    fn prove(&self, layout: &Layout, n: usize) -> Result<(), HolderError> {
        let target = &self.targets[n];
        let Some(expected) = target.hash else { return Ok(()) };
        let found = hash_file(&self.part(n), || true).map_err(HolderError::io("hashing a file"))?;
        if found != Some(expected) {
            // Each chunk was proven when it was written, so either the disk lost bytes or the manifest is wrong.
            remove_file(&self.part(n))?;
            return Err(HolderError::Refused {
                object: format!("file {}", target.name),
                reason: format!("its chunks do not add up to SHA-256 {expected}"),
            });
        }
        self.publish(layout, n)?;
        self.state().files_hashed += 1;
        Ok(())
    }

    fn publish(&self, layout: &Layout, n: usize) -> Result<(), HolderError> {
        let Some(hash) = self.targets[n].hash else { return Ok(()) };
        fs::rename(self.part(n), layout.file(&hash)).map_err(HolderError::io("storing a file"))
    }

    /// A chunk that this assembly placed or knows a source of, if its bytes are still right.
    pub(super) fn read(
        &self,
        layout: &Layout,
        id: &ChunkId,
        len: u32,
    ) -> Result<Option<Vec<u8>>, HolderError> {
        let mut places = Vec::new();
        if let Some(&(n, offset)) = self.spots.get(id).filter(|_| self.is_placed(id)).and_then(|s| s.first())
        {
            places.push((self.part(n), offset));
            // The part becomes the stored file at any moment.
            places.extend(self.targets[n].hash.map(|hash| (layout.file(&hash), offset)));
        }
        places.extend(match self.state().sources.get(id) {
            Some(Source::File(hash, offset, _)) => Some((layout.file(hash), *offset)),
            Some(Source::At(path, offset, _)) => Some((path.as_ref().clone(), *offset)),
            None => None,
        });
        for (path, offset) in places {
            let read = File::open(&path).and_then(|file| read_chunk(&file, offset, len, id));
            if let Some(bytes) = unless_damaged(read, "reading a file")? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// How long a chunk is that this assembly places or knows a source of.
    pub(super) fn len_of(&self, id: &ChunkId) -> Option<u32> {
        let state = self.state();
        let source = || match state.sources.get(id)? {
            Source::File(_, _, len) | Source::At(_, _, len) => Some(*len),
        };
        state.chunks.get(id).map(|chunk| chunk.len).or_else(source)
    }

    /// Whether the chunk can be read from here, as far as is known.
    pub(super) fn holds(&self, id: &ChunkId) -> bool {
        let state = self.state();
        state.sources.contains_key(id) || state.chunks.get(id).is_some_and(|chunk| chunk.placed)
    }

    /// A source turned out wrong.
    pub(super) fn forget_source(&self, id: &ChunkId) {
        self.state().sources.remove(id);
    }

    pub(super) fn is_placed(&self, id: &ChunkId) -> bool {
        self.state().chunks.get(id).is_some_and(|chunk| chunk.placed)
    }

    /// Chunks that are missing, in the order of the targets, each once.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let state = self.state();
        let mut seen = HashSet::new();
        let wanted = self.targets.iter().enumerate().filter(|(n, _)| state.lacking[*n] > 0);
        wanted
            .flat_map(|(_, target)| &target.chunks)
            .filter(|chunk| !state.chunks[&chunk.id].placed && seen.insert(chunk.id))
            .map(|chunk| {
                let Chunk { len, whole_only, refusals, .. } = state.chunks[&chunk.id];
                Missing { id: chunk.id, len, whole_only, refusals }
            })
            .collect()
    }

    /// Notes that what came for a chunk was not it.
    pub(super) fn refuse(&self, id: &ChunkId, was_patch: bool) {
        if let Some(chunk) = self.state().chunks.get_mut(id) {
            chunk.whole_only |= was_patch;
            chunk.refusals = chunk.refusals.saturating_add(1);
        }
    }

    /// Notes that a chunk's patch cannot be used, through no fault of the patch.
    pub(super) fn want_whole(&self, id: &ChunkId) {
        if let Some(chunk) = self.state().chunks.get_mut(id) {
            chunk.whole_only = true;
        }
    }

    /// The file that needs a chunk, for messages.
    pub(super) fn name_of(&self, id: &ChunkId) -> &str {
        self.spots.get(id).and_then(|spots| spots.first()).map_or("", |&(n, _)| &self.targets[n].name)
    }

    /// Bytes that are still to be written.
    pub(super) fn bytes_lacking(&self) -> u64 {
        let state = self.state();
        let spots = self.spots.iter().filter(|(id, _)| !state.chunks[id].placed);
        spots.map(|(id, spots)| u64::from(state.chunks[id].len) * spots.len() as u64).sum()
    }

    pub(super) fn files_lacking(&self) -> u64 {
        self.state().lacking.iter().filter(|lacking| **lacking > 0).count() as u64
    }

    /// Files of the version that are not whole; equal ones count each.
    pub(super) fn copies_lacking(&self) -> u64 {
        let state = self.state();
        let lacking = self.targets.iter().zip(&state.lacking).filter(|(_, lacking)| **lacking > 0);
        lacking.map(|(target, _)| target.copies).sum()
    }

    pub(super) fn bytes_done(&self) -> u64 {
        self.state().bytes_done
    }

    pub(super) fn files_hashed(&self) -> u64 {
        self.state().files_hashed
    }

    pub(super) fn lacked(&self) -> &[String] {
        &self.lacked
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Where a target grows.
    pub(super) fn part(&self, n: usize) -> PathBuf {
        part_path(&self.folder, self.targets[n].hash.as_ref())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a file grows in a staging folder.
pub(super) fn part_path(folder: &Path, hash: Option<&FileHash>) -> PathBuf {
    folder.join(hash.map_or_else(|| "manifest".to_owned(), ToString::to_string))
}

/// The chunks that a partial file holds: id, offset and length of each that is right.
pub(super) fn scan(
    path: &Path,
    chunks: &[ChunkRef],
    go_on: &dyn Fn() -> Result<(), HolderError>,
) -> Result<Vec<(ChunkId, u64, u32)>, HolderError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(HolderError::io("opening a partial file")(e)),
    };
    forget_cached(&file);
    let (mut right, mut offset) = (Vec::new(), 0);
    for chunk in chunks {
        go_on()?;
        let is_right = || {
            let read = read_chunk(&file, offset, chunk.len, &chunk.id);
            Ok::<_, HolderError>(unless_damaged(read, "reading a partial file")?.is_some())
        };
        if !is_hole(&file, offset, chunk.len) && is_right()? {
            right.push((chunk.id, offset, chunk.len));
        }
        offset += u64::from(chunk.len);
    }
    Ok(right)
}

/// Whether nothing was ever written there. Parts grow in no particular order, so most of a large one may be
/// holes, which need no hashing. A file system that cannot tell answers that everything is data.
fn is_hole(file: &File, offset: u64, len: u32) -> bool {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        Ok(data) => data >= offset + u64::from(len),
        Err(error) => error == rustix::io::Errno::NXIO,
    }
}
