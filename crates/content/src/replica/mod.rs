//! A version on its way in from another site's library: which stored bytes are still to be fetched, what becomes
//! of those that came, and the step that makes the version part of this library.
//!
//! The caller fetches; the replica proves every byte before it counts. What came is kept as it came: a full copy
//! goes into an own pack verbatim. A patch does too, for this site's distribution points, and beside it a full
//! copy, for those that hold no base. Packs are durable and known as soon as they are full, so a replica that is
//! dropped at any point loses one unfinished pack of each kind; the next one asks for the rest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

mod indexes;
mod pins;
mod wanted;

pub(crate) use indexes::PackIndexes;
pub(crate) use pins::Pins;

use crate::error::Error;
use crate::format::{
    Compressor, Manifest, ManifestRoot, PACK_INDEX_BYTES_MAX, PackEntry, PackIndex, decode_entry,
};
use crate::ids::{ChunkId, ManifestId, PackId};
use crate::library::Library;
use crate::plan::{self, Fed, FetchRange, Offers, Plan, Progress, Refusal};
use crate::refs::{ManifestRecord, RefState};
use crate::store::ObjectKey;
use crate::writer::{FinishedPack, PackWriter};
use pins::Pin;
use wanted::{Lack, Wanted};

/// Packs of one route; at 32 MiB each, 4 TB.
pub const ROUTE_PACKS_MAX: usize = 131_072;
/// Chunks in one plan, which bounds its memory to some tens of MiB; the next plan goes on behind them.
pub const PLAN_CHUNKS_MAX: usize = 131_072;
/// How often one chunk may come with wrong bytes before the replica gives up.
const REFUSALS_MAX: u8 = 3;

/// A version on its way into a library. Its methods block; [`Replica::feed`] may run on several threads at once.
#[derive(Debug)]
pub struct Replica {
    library: Arc<Library>,
    id: ManifestId,
    root_bytes: Vec<u8>,
    root: ManifestRoot,
    pin: Pin,
    stop: AtomicBool,
    route: Mutex<Vec<PackId>>,
    full: PackWriter,
    patches: PackWriter,
    /// Packs that are in the store and that the index does not know yet.
    finished: Mutex<Vec<FinishedPack>>,
    wanted: Wanted,
    manifest: OnceLock<Arc<Manifest>>,
    stored_bytes: AtomicU64,
}

/// A version that is part of the library now, and retained once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicated {
    /// Its name.
    pub manifest: ManifestId,
    /// The original's content hash, upper-case hex.
    pub content_hash: String,
    /// Files in it.
    pub files: u64,
    /// Folders in it.
    pub folders: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that this replica added to packs: full copies and patches.
    pub stored_new_bytes: u64,
}

impl Replicated {
    fn of(manifest: ManifestId, root: &ManifestRoot, stored_new_bytes: u64) -> Self {
        let ManifestRoot { files, folders, bytes, .. } = *root;
        let content_hash = root.content_hash.to_string().to_uppercase();
        Self { manifest, content_hash, files, folders, bytes, stored_new_bytes }
    }
}

/// What a replica still lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Distinct chunks.
    pub chunks: u64,
    /// The bytes of files that they stand for; none for chunks of the manifest itself.
    pub bytes: u64,
}

impl Library {
    /// Retains a version that is here already, whole, as after a prestaged file; `None` for any other, which has to be brought
    /// in.
    pub fn take_up(&self, id: ManifestId) -> Result<Option<Replicated>, Error> {
        let is_wanted = matches!(self.ref_state(id)?, Some(RefState::Present(_)));
        if !is_wanted || !self.lost_chunks(id)?.is_empty() {
            return Ok(None);
        }
        self.retain(id)?;
        Ok(Some(Replicated::of(id, &self.root(id)?, 0)))
    }

    /// Begins or takes up the way in of a version that another library holds; also one that is here already and
    /// lost chunks, which come again. `root_bytes` is the manifest's root object; wrong bytes are refused.
    ///
    /// Snapshots, other replicas and the collector go on meanwhile.
    /// Errors: [`Error::Refused`].
    pub fn begin_replica(self: &Arc<Library>, id: ManifestId, root_bytes: &[u8]) -> Result<Replica, Error> {
        let root = ManifestRoot::decode(root_bytes, id)
            .map_err(|error| refused(format!("manifest {id}"), &error.to_string()))?;
        Ok(Replica {
            library: Arc::clone(self),
            id,
            root_bytes: root_bytes.to_vec(),
            pin: Pin::new(&self.pins, &root),
            root,
            stop: AtomicBool::new(false),
            route: Mutex::default(),
            full: self.writer(),
            patches: self.writer(),
            finished: Mutex::default(),
            wanted: Wanted::default(),
            manifest: OnceLock::new(),
            stored_bytes: AtomicU64::new(0),
        })
    }
}

impl Replica {
    /// Sets the packs to fetch from, in place of those before; gives those whose index is still to be fetched.
    pub fn set_route(&self, packs: &[PackId]) -> Result<Vec<PackId>, Error> {
        if packs.len() > ROUTE_PACKS_MAX {
            return Err(refused(format!("the route of manifest {}", self.id), "it names too many packs"));
        }
        *self.route() = packs.to_vec();
        let now = self.library.clock.now();
        Ok(packs.iter().copied().filter(|pack| !self.library.indexes.has(*pack, now)).collect())
    }

    /// Takes a pack's index; wrong bytes are refused.
    pub fn add_pack_index(&self, pack: &PackId, bytes: &[u8]) -> Result<(), Error> {
        let object = || format!("pack {pack}");
        if bytes.len() as u64 > PACK_INDEX_BYTES_MAX {
            return Err(refused(object(), "its index is too long"));
        }
        PackIndex::decode(bytes, *pack).map_err(|error| refused(object(), &error.to_string()))?;
        self.library.indexes.put(*pack, bytes, self.library.clock.now()).map_err(Error::work_dir)
    }

    /// What to fetch of the manifest's own stream; empty when it is whole.
    pub fn plan_manifest(&self) -> Result<Plan, Error> {
        if self.manifest.get().is_some() {
            return Ok(Plan::default());
        }
        let mut missing = self.look_for(None)?;
        if missing.is_empty() {
            if let Some(stream) = self.read_stream()? {
                self.open_manifest(&stream)?;
                return Ok(Plan::default());
            }
            missing = self.look_for(None)?;
        }
        self.plan_for(&missing)
    }

    /// What to fetch of the content; empty when every chunk is here. Ask again after feeding: what was refused
    /// is planned anew, and so is what was too much for one plan.
    pub fn plan_content(&self) -> Result<Plan, Error> {
        // A failed write may have cost chunks of the manifest too.
        let missing = self.look_for(Some(self.manifest()?))?;
        self.plan_for(&missing)
    }

    /// Takes the bytes of a range: proves its chunks and appends them to own packs. May run for several ranges
    /// of one round at the same time; each holds up to 40 MiB.
    ///
    /// When there is no room the unfinished packs are given up, and the next plan asks for them again.
    pub fn feed(&self, range: &FetchRange, bytes: &[u8]) -> Result<Fed, Error> {
        let mut fed = Fed::default();
        let mut compressor = Compressor::new();
        for entry in &range.entries {
            self.go_on()?;
            match range.stored(entry, bytes) {
                Some(stored) => self
                    .take(range.pack, entry, stored, &mut compressor, &mut fed)
                    .inspect_err(|_| self.give_up_unfinished())?,
                None => {
                    self.wanted.refuse(entry.chunk, false);
                    fed.refused.push(Refusal::of(&range.pack, "it is shorter than its index says"));
                }
            }
        }
        self.note_packs()?;
        Ok(fed)
    }

    /// What is still missing, as of the last plan and what was fed since.
    #[must_use]
    pub fn missing(&self) -> Missing {
        let (chunks, bytes) = self.wanted.missing();
        Missing { chunks, bytes }
    }

    /// How far the version is, in bytes of its files; those that the library had count from the start.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let bytes_total = self.root.bytes;
        let bytes_done = match self.manifest.get() {
            Some(_) => bytes_total.saturating_sub(self.wanted.missing().1),
            None => 0,
        };
        Progress { bytes_done, bytes_total }
    }

    /// Makes what came so far durable, before a pause or instead of [`Replica::finish`] when only lost chunks of
    /// a version were brought back.
    pub fn seal(&self) -> Result<(), Error> {
        let sealed = self.full.seal_last().and_then(|()| self.patches.seal_last());
        sealed.inspect_err(|_| self.give_up_unfinished())?;
        self.note_packs()
    }

    /// Makes the version part of the library, durably, and retains it once more as [`Library::retain`] does.
    /// Every chunk is here then, and the library serves it like a snapshot of its own.
    /// Errors: [`Error::Incomplete`] while chunks are missing; plan again.
    pub fn finish(&self) -> Result<Replicated, Error> {
        let manifest = self.manifest()?;
        self.seal()?;
        // From here to the end nothing goes: what is counted as present is present when the version appears.
        let _shared = self.library.use_of_chunks.read().unwrap_or_else(PoisonError::into_inner);
        self.wanted.forget_pieces();
        let missing = self.look_for(Some(manifest))?;
        if !missing.is_empty() {
            return Err(self.incomplete(self.wanted.missing().0));
        }
        self.publish()?;
        Ok(Replicated::of(self.id, &self.root, self.stored_bytes.load(Ordering::Relaxed)))
    }

    /// Makes every running and later step end with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Notes which chunks of the manifest itself and of its files are missing; gives the first of them, in
    /// order, each once.
    fn look_for(&self, manifest: Option<&Arc<Manifest>>) -> Result<Vec<ChunkId>, Error> {
        let files = manifest.into_iter().flat_map(|manifest| manifest.files());
        let of_files = files.flat_map(|file| &file.chunks).map(|chunk| (chunk, 1));
        let view = self.library.index.read()?;
        let mut missing: HashMap<ChunkId, Lack> = HashMap::new();
        let mut first = Vec::new();
        for (chunk, copies) in self.root.chunks.iter().map(|chunk| (chunk, 0)).chain(of_files) {
            self.go_on()?;
            match missing.entry(chunk.id) {
                Entry::Occupied(mut lack) => lack.get_mut().copies += copies,
                Entry::Vacant(place) => {
                    let is_here = self.wanted.has_come(chunk.id)
                        || (view.has_full(chunk.id)? && !self.wanted.is_distrusted(chunk.id));
                    if !is_here {
                        place.insert(Lack { len: chunk.len, copies });
                        if first.len() < PLAN_CHUNKS_MAX {
                            first.push(chunk.id);
                        }
                    }
                }
            }
        }
        self.wanted.set_missing(missing);
        Ok(first)
    }

    fn plan_for(&self, missing: &[ChunkId]) -> Result<Plan, Error> {
        if missing.is_empty() {
            return Ok(Plan::default());
        }
        let offers = self.offers(missing)?;
        let view = self.library.index.read()?;
        // A base that cannot be looked up costs its patches and no more.
        let held = |id: &ChunkId| self.wanted.has_come(*id) || view.has_full(*id).unwrap_or(false);
        plan::plan(&offers, &held)
            .map_err(|chunk| Error::NotOffered { chunk, file: self.file_of(chunk).to_owned() })
    }

    /// Every usable entry of the route's packs for the missing chunks.
    fn offers(&self, missing: &[ChunkId]) -> Result<Offers, Error> {
        for id in missing {
            let refusals = self.wanted.complaint(*id).refusals;
            if refusals >= REFUSALS_MAX {
                let reason = format!("it came wrong {refusals} times, for {}", self.file_of(*id));
                return Err(refused(format!("chunk {id}"), &reason));
            }
        }
        let mut offers = Offers::of(missing.iter().copied());
        let route = self.route().clone();
        for pack in route {
            self.go_on()?;
            let Some(index) = self.library.indexes.get(pack) else { continue };
            for entry in index.entries {
                let is_usable = |entry: &PackEntry| {
                    entry.encoding.is_full() || !self.wanted.complaint(entry.chunk).whole_only
                };
                if offers.want(&entry.chunk) && is_usable(&entry) {
                    offers.add(pack, entry);
                }
            }
        }
        Ok(offers)
    }

    /// Proves one entry and keeps it.
    fn take(
        &self,
        pack: PackId,
        entry: &PackEntry,
        stored: &[u8],
        compressor: &mut Compressor,
        fed: &mut Fed,
    ) -> Result<(), Error> {
        let chunk = entry.chunk;
        if !self.wanted.is_missing(chunk) {
            return Ok(());
        }
        let Some(bases) = self.read_bases(entry) else {
            self.wanted.want_whole(chunk);
            return Ok(());
        };
        let bases: Vec<&[u8]> = bases.iter().map(Vec::as_slice).collect();
        let raw = match decode_entry(entry, stored, &bases) {
            Ok(raw) => raw,
            Err(error) => {
                self.wanted.refuse(chunk, !bases.is_empty());
                fed.refused.push(Refusal::of(&pack, &error.to_string()));
                return Ok(());
            }
        };
        let as_it_came =
            |writer: &PackWriter| writer.append(chunk, entry.raw_bytes, stored, entry.encoding.clone());
        let piece = if bases.is_empty() {
            as_it_came(&self.full)?
        } else {
            self.count(as_it_came(&self.patches)?.entry.stored_bytes);
            self.full.append_full(compressor, chunk, &raw)?
        };
        self.count(piece.entry.stored_bytes);
        self.wanted.come(chunk, piece);
        fed.placed += 1;
        Ok(())
    }

    fn count(&self, stored_bytes: u32) {
        self.stored_bytes.fetch_add(u64::from(stored_bytes), Ordering::Relaxed);
    }

    /// The raw bases of a patch; `None` if one is not to be had any more.
    fn read_bases(&self, entry: &PackEntry) -> Option<Vec<Vec<u8>>> {
        let read = |base: &ChunkId| {
            self.read(*base)
                .inspect_err(|error| tracing::warn!(%base, %error, "A base is bad; its chunk comes whole"))
                .ok()
        };
        entry.encoding.bases().iter().map(read).collect()
    }

    /// A chunk that came, or that the library had.
    fn read(&self, id: ChunkId) -> Result<Vec<u8>, Error> {
        match self.wanted.piece(id) {
            Some(piece) => Ok(decode_entry(&piece.entry, &piece.read(&*self.library.store)?, &[])?),
            None => self.library.chunk(id),
        }
    }

    /// The manifest's bytes; `None` if chunks that the index knows cannot be read and have to come again.
    fn read_stream(&self) -> Result<Option<Vec<u8>>, Error> {
        let mut stream = Vec::with_capacity(usize::try_from(self.root.stream_bytes()).unwrap_or(0));
        let mut is_whole = true;
        for chunk in &self.root.chunks {
            match self.read(chunk.id) {
                Ok(raw) => stream.extend_from_slice(&raw),
                Err(Error::ChunkLost { id }) => {
                    self.wanted.distrust(id);
                    is_whole = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(is_whole.then_some(stream))
    }

    fn open_manifest(&self, stream: &[u8]) -> Result<(), Error> {
        let object = || format!("manifest {}", self.id);
        let manifest =
            Manifest::decode(stream, &self.root).map_err(|error| refused(object(), &error.to_string()))?;
        if manifest.content_hash() != self.root.content_hash {
            return Err(refused(object(), "its content hash is not that of its files"));
        }
        let manifest = Arc::new(manifest);
        self.pin.extend(&manifest);
        self.manifest.get_or_init(|| manifest);
        Ok(())
    }

    fn manifest(&self) -> Result<&Arc<Manifest>, Error> {
        self.manifest.get().ok_or_else(|| self.incomplete(self.root.chunks.len() as u64))
    }

    fn incomplete(&self, chunks_missing: u64) -> Error {
        Error::Incomplete { id: self.id, chunks_missing }
    }

    /// Tells the index of packs that are in the store.
    fn note_packs(&self) -> Result<(), Error> {
        let mut finished = self.finished.lock().expect("no one panics while holding the finished packs");
        finished.extend(self.full.take_finished());
        finished.extend(self.patches.take_finished());
        if finished.is_empty() {
            return Ok(());
        }
        let library = &self.library;
        let _shared = library.use_of_chunks.read().unwrap_or_else(PoisonError::into_inner);
        let now = library.now_s();
        library.index.write(|tables| {
            finished
                .iter()
                .try_for_each(|pack| tables.add_pack(pack.id, now, pack.bytes, pack.footer, &pack.entries))
        })?;
        for pack in finished.drain(..) {
            self.wanted.indexed(&pack.entries);
        }
        Ok(())
    }

    /// After a failed write: which pieces are lost is unknown, so all that the index does not know count as lost.
    fn give_up_unfinished(&self) {
        self.full.discard_open();
        self.patches.discard_open();
        self.wanted.forget_pieces();
    }

    /// The root, then the index, as a snapshot does.
    fn publish(&self) -> Result<(), Error> {
        let key = ObjectKey::Manifest(self.id);
        if self.library.store.size(key)? != Some(self.root_bytes.len() as u64) {
            self.library.store.put_bytes(key, &self.root_bytes)?;
        }
        let now = self.library.now_s();
        self.library.index.write(|tables| {
            let state = match tables.manifest(self.id)? {
                Some(bytes) => ManifestRecord::decode(&bytes)?.state,
                None => RefState::Deletable(now),
            };
            let record = ManifestRecord { state: state.retained(), root: self.root_bytes.clone() };
            tables.set_manifest(self.id, &record.encode())
        })
    }

    /// The first file that needs a chunk, for messages.
    fn file_of(&self, chunk: ChunkId) -> &str {
        let manifest = self.manifest.get();
        let mut files = manifest.into_iter().flat_map(|manifest| manifest.files());
        let found = files.find(|file| file.chunks.iter().any(|part| part.id == chunk));
        found.map_or("the manifest", |file| file.path.as_str())
    }

    fn route(&self) -> MutexGuard<'_, Vec<PackId>> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(object: String, reason: &str) -> Error {
    Error::Refused { object, reason: reason.to_owned() }
}
