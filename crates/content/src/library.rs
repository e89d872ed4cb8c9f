//! The library itself: opening it, and reading from it. What changes it is in `snapshot`, `collect`, `verify`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use clock::SharedClock;

use crate::error::Error;
use crate::format::{CHUNK_BYTES_MAX, ChunkRef, Manifest, ManifestRoot, PATCH_BASES_MAX, decode_entry};
use crate::ids::{ChunkId, ManifestId, PackId};
use crate::index::{Index, Location, Opened, View};
use crate::rebuild;
use crate::refs::{ManifestRecord, RefState};
use crate::replica::{PackIndexes, Pins};
use crate::store::{ObjectKey, ObjectStore};
use crate::writer::{PackWriter, Staging};

/// Routes kept in memory: thousands of distribution points ask for the same few.
const ROUTES_KEPT_MAX: usize = 64;
/// How often a route is looked for again when packs are rewritten meanwhile.
const ROUTE_TRIES_MAX: u32 = 3;
/// How deep a patch of a patch is followed when a full copy is lost.
const PATCH_DEPTH_MAX: u32 = 8;
/// The most worker threads, whatever the machine: each holds chunks and compression tables.
const THREADS_MAX: usize = 4;
/// Where packs are written before the store takes them.
const STAGING: &str = "staging";
/// Where indexes of other libraries' packs are kept.
const INDEXES: &str = "indexes";

/// How a library works.
#[derive(Debug, Clone, Copy)]
pub struct LibraryOptions {
    /// Worker threads for snapshots, 1 to 4. Each needs up to about 60 MiB.
    pub threads: usize,
}

impl Default for LibraryOptions {
    fn default() -> LibraryOptions {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        LibraryOptions { threads: threads.min(THREADS_MAX) }
    }
}

/// Where a version's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// The packs that together hold every chunk of the version, and the patches towards it; those with only
    /// patches come first, so that a holder of the previous version may find all it needs before it looks on.
    pub packs: Vec<PackLocation>,
}

/// A pack, and where its index is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackLocation {
    /// The pack.
    pub id: PackId,
    /// Where its index begins.
    pub index_offset: u64,
    /// How long its index is.
    pub index_bytes: u64,
}

/// What the library holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Packs in use.
    pub packs: u64,
    /// Bytes of packs in use.
    pub pack_bytes: u64,
    /// Packs kept only for transfers that began earlier.
    pub retired_packs: u64,
    /// Bytes of those.
    pub retired_pack_bytes: u64,
    /// Distinct chunks.
    pub chunks: u64,
    /// Manifests that are retained.
    pub manifests: u64,
    /// Manifests that wait for the collector.
    pub deletable_manifests: u64,
    /// File bytes of all retained manifests, before any sharing.
    pub logical_bytes: u64,
}

/// A route that is kept, or a place for it: whoever holds it looks for the route.
type RouteSlot = Arc<Mutex<Option<Route>>>;

/// The content library of a site. Blocking; shared between threads.
#[derive(Debug)]
pub struct Library {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) index: Index,
    pub(crate) staging: Arc<Staging>,
    /// Indexes of the packs of other libraries, from which versions come.
    pub(crate) indexes: PackIndexes,
    /// What replicas on their way in need.
    pub(crate) pins: Arc<Pins>,
    pub(crate) options: LibraryOptions,
    pub(crate) clock: SharedClock,
    /// Snapshots share it; collect and verify take it alone, so that no snapshot reuses a chunk that goes.
    pub(crate) use_of_chunks: RwLock<()>,
    routes: Mutex<HashMap<ManifestId, RouteSlot>>,
    /// Rises whenever packs go, and routes with them.
    generation: AtomicU64,
}

impl Library {
    /// Opens the library: `store` holds the objects, `work_dir` the index and temporary files (best on the same
    /// file system as a local store).
    ///
    /// A missing or damaged index is rebuilt from packs and manifests. Objects that a crash left unknown to the
    /// index are taken in, and temporary files removed.
    pub fn open(
        store: Arc<dyn ObjectStore>,
        work_dir: &Path,
        options: LibraryOptions,
        clock: SharedClock,
    ) -> Result<Library, Error> {
        let staging = work_dir.join(STAGING);
        std::fs::create_dir_all(&staging).map_err(Error::work_dir)?;
        let (index, fresh) = match Index::open(&work_dir.join("index.redb"))? {
            Opened::Sound(index) => (index, false),
            Opened::Fresh(index) => (index, true),
        };
        for left in std::fs::read_dir(&staging).map_err(Error::work_dir)? {
            std::fs::remove_file(left.map_err(Error::work_dir)?.path()).map_err(Error::work_dir)?;
        }
        let library = Library {
            store,
            index,
            staging: Arc::new(Staging::new(staging)),
            indexes: PackIndexes::open(work_dir.join(INDEXES)).map_err(Error::work_dir)?,
            pins: Arc::default(),
            options: LibraryOptions { threads: options.threads.clamp(1, THREADS_MAX) },
            clock,
            use_of_chunks: RwLock::new(()),
            routes: Mutex::new(HashMap::new()),
            generation: AtomicU64::new(0),
        };
        rebuild::reconcile(&library, fresh)?;
        Ok(library)
    }

    /// The objects, to be served.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// A version's folders and files.
    pub fn manifest(&self, id: ManifestId) -> Result<Manifest, Error> {
        let root = self.root(id)?;
        let mut stream = Vec::with_capacity(usize::try_from(root.stream_bytes()).unwrap_or(0));
        let view = self.index.read()?;
        for chunk in &root.chunks {
            stream.extend_from_slice(&self.read_chunk(&view, chunk.id)?);
        }
        Ok(Manifest::decode(&stream, &root)?)
    }

    /// A version's root: totals and content hash, without reading the manifest.
    pub fn root(&self, id: ManifestId) -> Result<ManifestRoot, Error> {
        self.record(id)?.root(id)
    }

    /// Whether the version is wanted; `None` if the library does not know it.
    pub fn ref_state(&self, id: ManifestId) -> Result<Option<RefState>, Error> {
        let record = self.index.read()?.manifest(id)?;
        record.map(|bytes| Ok(ManifestRecord::decode(&bytes)?.state)).transpose()
    }

    /// Where the version's bytes are now. Packs may be rewritten later, so ask again for each pull.
    ///
    /// All distribution points ask at once when a version comes: one of them looks, the others wait for it.
    pub fn route(&self, id: ManifestId) -> Result<Route, Error> {
        let slot = self.route_slot(id);
        let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = &*kept {
            return Ok(route.clone());
        }
        for _ in 0..ROUTE_TRIES_MAX {
            let generation = self.generation.load(Ordering::Acquire);
            let found = self.find_route(id);
            if generation != self.generation.load(Ordering::Acquire) {
                // Packs were rewritten meanwhile: what was found may be half old, half new.
                continue;
            }
            let (route, is_complete) = found?;
            if is_complete {
                *kept = Some(route.clone());
            }
            return Ok(route);
        }
        Ok(self.find_route(id)?.0)
    }

    /// Where the route to this version is kept, found or not.
    fn route_slot(&self, id: ManifestId) -> RouteSlot {
        let mut routes = self.routes();
        if routes.len() >= ROUTES_KEPT_MAX && !routes.contains_key(&id) {
            routes.clear();
        }
        routes.entry(id).or_default().clone()
    }

    /// The route, and whether every chunk is on it: a later snapshot may store what is lost now.
    fn find_route(&self, id: ManifestId) -> Result<(Route, bool), Error> {
        let root = self.root(id)?;
        let manifest = self.manifest(id)?;
        let view = self.index.read()?;
        let (mut full, mut patch) = (BTreeSet::new(), BTreeSet::new());
        let mut is_complete = true;
        for chunk in chunks_of(&root, &manifest) {
            let mut has_full = false;
            for location in view.locations(chunk.id)? {
                let is_full = location.entry.encoding.is_full();
                has_full |= is_full;
                let set = if is_full { &mut full } else { &mut patch };
                set.insert(location.pack);
            }
            is_complete &= has_full;
        }
        let mut packs = Vec::with_capacity(full.len() + patch.len());
        for number in patch.difference(&full).chain(&full) {
            let id = view.pack_id(*number)?.ok_or_else(|| dangling("a chunk names an unknown pack"))?;
            let record = view.pack(id)?.ok_or_else(|| dangling("a pack number names an unknown pack"))?;
            packs.push(PackLocation {
                id,
                index_offset: record.footer.index_offset,
                index_bytes: record.footer.index_bytes,
            });
        }
        Ok((Route { packs }, is_complete))
    }

    /// One chunk's raw bytes, from whichever stored form is good.
    pub fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, Error> {
        self.read_chunk(&self.index.read()?, id)
    }

    /// What the library holds.
    pub fn stats(&self) -> Result<Stats, Error> {
        let view = self.index.read()?;
        let mut stats = Stats { chunks: view.chunk_count()?, ..Stats::default() };
        for (_, pack) in view.packs()? {
            let (count, bytes) = match pack.retired {
                None => (&mut stats.packs, &mut stats.pack_bytes),
                Some(_) => (&mut stats.retired_packs, &mut stats.retired_pack_bytes),
            };
            *count += 1;
            *bytes += pack.bytes;
        }
        for (id, record) in view.manifests()? {
            let record = ManifestRecord::decode(&record)?;
            match record.state {
                RefState::Present(_) => {
                    stats.manifests += 1;
                    stats.logical_bytes += record.root(id)?.bytes;
                }
                RefState::Deletable(_) => stats.deletable_manifests += 1,
            }
        }
        Ok(stats)
    }

    /// One more package version wants this manifest.
    pub fn retain(&self, id: ManifestId) -> Result<(), Error> {
        self.change_state(id, |state| Ok(state.retained()))
    }

    /// One package version no longer wants this manifest. When nobody does, collect removes it after its grace.
    pub fn release(&self, id: ManifestId) -> Result<(), Error> {
        let now = self.now_s();
        self.change_state(id, |state| state.released(now).ok_or(Error::NotRetained { id }))
    }

    fn change_state(
        &self,
        id: ManifestId,
        change: impl FnOnce(RefState) -> Result<RefState, Error>,
    ) -> Result<(), Error> {
        self.index.write(|tables| {
            let bytes = tables.manifest(id)?.ok_or(Error::UnknownManifest { id })?;
            let mut record = ManifestRecord::decode(&bytes)?;
            record.state = change(record.state)?;
            tables.set_manifest(id, &record.encode())
        })
    }

    pub(crate) fn record(&self, id: ManifestId) -> Result<ManifestRecord, Error> {
        let bytes = self.index.read()?.manifest(id)?.ok_or(Error::UnknownManifest { id })?;
        ManifestRecord::decode(&bytes)
    }

    pub(crate) fn writer(&self) -> PackWriter {
        PackWriter::new(Arc::clone(&self.store), Arc::clone(&self.staging))
    }

    /// Takes a pack that the index has forgotten from the store, unless a task has just put it there again.
    pub(crate) fn delete_forgotten(&self, id: PackId) -> Result<(), Error> {
        self.staging.delete_unless_shared(id, 0, || Ok(self.store.delete(ObjectKey::Pack(id))?))
    }

    /// Unix seconds.
    pub(crate) fn now_s(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// Packs are gone or go: every remembered route is void. Packs that come make no route wrong.
    pub(crate) fn forget_routes(&self) {
        let mut routes = self.routes();
        self.generation.fetch_add(1, Ordering::AcqRel);
        routes.clear();
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<ManifestId, RouteSlot>> {
        self.routes.lock().expect("no one panics while holding the routes")
    }

    /// Reads a chunk from its full copy; from a patch if every full copy is bad.
    pub(crate) fn read_chunk(&self, view: &View<'_>, id: ChunkId) -> Result<Vec<u8>, Error> {
        self.read_chunk_within(view, id, 0)
    }

    fn read_chunk_within(&self, view: &View<'_>, id: ChunkId, depth: u32) -> Result<Vec<u8>, Error> {
        let mut locations = view.locations(id)?;
        locations.sort_by_key(|location| location.entry.encoding.bases().len());
        for location in locations {
            match self.read_location(view, &location, depth) {
                Ok(raw) => return Ok(raw),
                Err(error) => tracing::warn!(chunk = %id, %error, "A stored form of a chunk is bad"),
            }
        }
        Err(Error::ChunkLost { id })
    }

    fn read_location(&self, view: &View<'_>, location: &Location, depth: u32) -> Result<Vec<u8>, Error> {
        let entry = &location.entry;
        let bases = entry.encoding.bases();
        if depth > PATCH_DEPTH_MAX {
            return Err(Error::ChunkLost { id: entry.chunk });
        }
        let pack = view.pack_id(location.pack)?.ok_or_else(|| dangling("a chunk names an unknown pack"))?;
        let stored = self.store.read(ObjectKey::Pack(pack), entry.offset..entry.end())?;
        let raw_bases = bases
            .iter()
            .map(|base| self.read_chunk_within(view, *base, depth + 1))
            .collect::<Result<Vec<_>, _>>()?;
        let raw_bases: Vec<&[u8]> = raw_bases.iter().map(Vec::as_slice).collect();
        Ok(decode_entry(entry, &stored, &raw_bases)?)
    }
}

// A chunk and its bases fit the memory that a worker is promised.
const _: () = assert!((PATCH_BASES_MAX as u64 + 1) * (CHUNK_BYTES_MAX as u64) <= 32 << 20);

fn dangling(reason: &str) -> Error {
    Error::Index { reason: reason.to_owned() }
}

/// Every chunk that a version needs: its files' and its manifest's own.
pub(crate) fn chunks_of<'a>(
    root: &'a ManifestRoot,
    manifest: &'a Manifest,
) -> impl Iterator<Item = &'a ChunkRef> {
    root.chunks.iter().chain(manifest.files().flat_map(|file| &file.chunks))
}
