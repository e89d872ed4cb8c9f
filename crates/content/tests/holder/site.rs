//! A site's library over memory, and a holder that pulls from it without a network between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::SystemClock;
use content::holder::{FetchRange, Holder, HolderError, Installed, Plan, Pull};
use content::{
    ChunkId, Library, LibraryOptions, ManifestId, MemoryStore, ObjectKey, ObjectStore, SnapshotRequest,
    VoidMonitor, fold,
};
use tempfile::TempDir;

pub(crate) const PACKAGE: &str = "PS100001";

/// The sending side.
pub(crate) struct Site {
    pub(crate) library: Library,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) source: PathBuf,
    last: Option<ManifestId>,
    _folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let options = LibraryOptions { threads: 1 };
        let library = Library::open(store.clone(), folder.path(), options, SystemClock::shared()).unwrap();
        Self { library, store, source, last: None, _folder: folder }
    }

    /// Writes one file of the source.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.source.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Takes a snapshot of the source as the next version.
    pub(crate) fn publish(&mut self) -> ManifestId {
        let source = self.source.clone();
        self.publish_folder(&source)
    }

    pub(crate) fn publish_folder(&mut self, source: &Path) -> ManifestId {
        let request = SnapshotRequest { source, previous: self.last, cancel: &AtomicBool::new(false) };
        let id = self.library.snapshot(&request, &VoidMonitor).unwrap().manifest;
        self.library.retain(id).unwrap();
        self.last = Some(id);
        id
    }

    pub(crate) fn root(&self, id: ManifestId) -> Vec<u8> {
        let key = ObjectKey::Manifest(id);
        let size = self.store.size(key).unwrap().unwrap();
        self.store.read(key, 0..size).unwrap()
    }

    pub(crate) fn bytes(&self, range: &FetchRange) -> Vec<u8> {
        self.store.read(ObjectKey::Pack(range.pack), range.offset..range.offset + range.len).unwrap()
    }

    /// Begins a pull and gives it every pack index of the route.
    pub(crate) fn begin(&self, holder: &Holder, version: u32, id: ManifestId) -> Result<Pull, HolderError> {
        let pull = holder.begin(PACKAGE, version, id, &self.root(id), Arc::default())?;
        let route = self.library.route(id).unwrap();
        let packs: Vec<_> = route.packs.iter().map(|pack| pack.id).collect();
        for lacking in pull.set_route(&packs)? {
            let pack = route.packs.iter().find(|pack| pack.id == lacking).unwrap();
            let range = pack.index_offset..pack.index_offset + pack.index_bytes;
            pull.add_pack_index(&lacking, &self.store.read(ObjectKey::Pack(lacking), range).unwrap())?;
        }
        Ok(pull)
    }

    /// Feeds plans until nothing is missing.
    pub(crate) fn feed_all(
        &self,
        pull: &Pull,
        plan: impl Fn(&Pull) -> Result<Plan, HolderError>,
        moved: &mut Moved,
    ) -> Result<(), HolderError> {
        loop {
            let next = plan(pull)?;
            if next.is_empty() {
                return Ok(());
            }
            for range in next.rounds.iter().flatten() {
                moved.ranges += 1;
                moved.bytes += range.len;
                moved.chunks.extend(range.chunks());
                moved.refused += pull.feed(range, &self.bytes(range))?.refused.len();
            }
        }
    }

    /// The whole way: pull, finish, activate.
    pub(crate) fn install(
        &self,
        holder: &Holder,
        version: u32,
        id: ManifestId,
    ) -> Result<Moved, HolderError> {
        let mut moved = Moved::default();
        let pull = self.begin(holder, version, id)?;
        self.feed_all(&pull, Pull::plan_manifest, &mut moved)?;
        moved.manifest_ranges = moved.ranges;
        moved.chunks.clear();
        self.feed_all(&pull, Pull::plan_content, &mut moved)?;
        moved.installed = Some(pull.finish()?);
        holder.activate(PACKAGE, version)?;
        Ok(moved)
    }
}

/// What an installation moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) ranges: usize,
    pub(crate) manifest_ranges: usize,
    pub(crate) bytes: u64,
    /// Content chunks, as they were asked for.
    pub(crate) chunks: Vec<ChunkId>,
    pub(crate) refused: usize,
    pub(crate) installed: Option<Installed>,
}

pub(crate) fn open(dir: &Path) -> Holder {
    Holder::open(dir, SystemClock::shared()).unwrap()
}

/// Every file below a folder, by its path with slashes.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Asserts that a version is served exactly as `expect` says.
pub(crate) fn assert_served(holder: &Holder, version: Option<u32>, expect: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in expect {
        let served = holder.lookup(PACKAGE, version, &fold(name)).unwrap();
        let served = served.unwrap_or_else(|| panic!("{name} of {version:?} is not served"));
        assert!(std::fs::read(&served.path).unwrap() == *bytes, "{name} of {version:?} has other bytes");
        assert_eq!(served.size, bytes.len() as u64);
    }
    let number = version.or(holder.current(PACKAGE).unwrap()).unwrap();
    let held = holder.version(PACKAGE, number).unwrap().unwrap();
    assert_eq!(held.files, expect.len() as u64, "files of version {number}");
}

/// A sample pack with something of each kind: drivers, a large file, duplicates, an empty file and folder.
pub(crate) fn write_sample(site: &Site, seed: u64) {
    let spec = samples::PackSpec { seed, drivers: 3, large_files: 1, large_file_bytes: 9 << 20 };
    samples::write_pack(&site.source, &spec).unwrap();
    site.write("twice/a.bin", b"the same bytes");
    site.write("twice/b.bin", b"the same bytes");
    site.write("empty.txt", b"");
    std::fs::create_dir_all(site.source.join("empty folder/inner")).unwrap();
}
