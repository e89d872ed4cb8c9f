//! What the tests of the library share: a library in a temporary folder, and small trees.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod recording;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use clock::ManualClock;
use content::format::decode_entry;
use content::{
    ChunkId, FileHash, Library, LibraryOptions, LocalStore, ManifestId, ObjectKey, ObjectStore, PackEntry,
    PackIndex, Snapshot, SnapshotError, SnapshotRequest, VoidMonitor,
};

/// A library on disk, and a source folder beside it.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) library: Library,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("source")).unwrap();
        // Far ahead of every file's times: no file is too young to be recognised.
        let clock = ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
        let library = open(folder.path(), &clock);
        Bench { folder, clock, library }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.folder.path().join("library")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.folder.path().join("work/index.redb")
    }

    pub(crate) fn snapshot(&self, previous: Option<ManifestId>) -> Snapshot {
        self.try_snapshot(previous).unwrap()
    }

    pub(crate) fn try_snapshot(&self, previous: Option<ManifestId>) -> Result<Snapshot, SnapshotError> {
        snapshot(&self.library, &self.source(), previous)
    }

    /// Closes the library, lets `damage` do its work, and opens it again.
    pub(crate) fn reopen_after(self, damage: impl FnOnce(&Path)) -> Bench {
        let Bench { folder, clock, library } = self;
        drop(library);
        damage(folder.path());
        let library = open(folder.path(), &clock);
        Bench { folder, clock, library }
    }
}

pub(crate) fn open(folder: &Path, clock: &Arc<ManualClock>) -> Library {
    let store = Arc::new(LocalStore::open(&folder.join("library")).unwrap());
    open_on(store, folder, clock)
}

pub(crate) fn open_on(store: Arc<dyn ObjectStore>, folder: &Path, clock: &Arc<ManualClock>) -> Library {
    Library::open(store, &folder.join("work"), LibraryOptions { threads: 2 }, clock.clone()).unwrap()
}

pub(crate) fn snapshot(
    library: &Library,
    source: &Path,
    previous: Option<ManifestId>,
) -> Result<Snapshot, SnapshotError> {
    let cancel = AtomicBool::new(false);
    library.snapshot(&SnapshotRequest { source, previous, cancel: &cancel }, &VoidMonitor)
}

/// Writes files, folders included.
pub(crate) fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Changes one byte in place, and the times as a program would.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x55;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn set_modified(path: &Path, unix_s: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)).unwrap();
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes that compress like code: words from a small dictionary.
pub(crate) fn code(seed: u64, len: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..4000).map(|i| noise(seed << 20 | i, 4 + (i as usize % 29))).collect();
    let picks = noise(seed ^ 0xc0de, len);
    let mut out = Vec::with_capacity(len + 32);
    for pick in picks.chunks_exact(2) {
        if out.len() >= len {
            break;
        }
        out.extend_from_slice(&words[usize::from(u16::from_le_bytes([pick[0], pick[1]])) % words.len()]);
    }
    out.resize(len, 0);
    out
}

/// All objects of the store, by path below it.
pub(crate) fn objects(root: &Path) -> BTreeMap<PathBuf, u64> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, u64>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), root, found);
            } else {
                found.insert(
                    entry.path().strip_prefix(root).unwrap().to_owned(),
                    entry.metadata().unwrap().len(),
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    if root.exists() {
        walk(root, root, &mut found);
    }
    found
}

/// A file's bytes by path, as a reader of the library gets them.
pub(crate) fn restore(
    library: &Library,
    id: ManifestId,
) -> Result<BTreeMap<String, Vec<u8>>, content::Error> {
    let mut files = BTreeMap::new();
    for file in library.manifest(id)?.files() {
        let mut bytes = Vec::new();
        for chunk in &file.chunks {
            bytes.extend_from_slice(&library.chunk(chunk.id)?);
        }
        assert_eq!(FileHash::of(&bytes), file.hash, "{}", file.path);
        files.insert(file.path.to_string(), bytes);
    }
    Ok(files)
}

/// The files of a real folder by relative path.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    objects(root)
        .into_keys()
        .map(|path| (path.to_str().unwrap().to_owned(), fs::read(root.join(path)).unwrap()))
        .collect()
}

/// What a distribution point that follows a route gets.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) chunks: HashMap<ChunkId, Vec<u8>>,
    /// Stored bytes fetched: patches and full copies.
    pub(crate) payload_bytes: u64,
    /// Indexes fetched.
    pub(crate) index_bytes: u64,
    pub(crate) patches: u64,
}

/// Follows the route to a version: patches where the bases are held, else full copies.
pub(crate) fn pull(
    library: &Library,
    id: ManifestId,
    held: &mut Received,
    seen: &mut HashSet<content::PackId>,
) {
    let mut options: HashMap<ChunkId, Vec<(content::PackId, PackEntry)>> = HashMap::new();
    for pack in library.route(id).unwrap().packs {
        let key = ObjectKey::Pack(pack.id);
        let bytes =
            library.store().read(key, pack.index_offset..pack.index_offset + pack.index_bytes).unwrap();
        if seen.insert(pack.id) {
            held.index_bytes += pack.index_bytes;
        }
        for entry in PackIndex::decode(&bytes, pack.id).unwrap().entries {
            options.entry(entry.chunk).or_default().push((pack.id, entry));
        }
    }
    let root = library.root(id).unwrap();
    let manifest = library.manifest(id).unwrap();
    for chunk in root.chunks.iter().chain(manifest.files().flat_map(|file| &file.chunks)) {
        if held.chunks.contains_key(&chunk.id) {
            continue;
        }
        let usable = options[&chunk.id]
            .iter()
            .filter(|(_, entry)| entry.encoding.bases().iter().all(|base| held.chunks.contains_key(base)));
        let (pack, entry) = usable.min_by_key(|(_, entry)| entry.stored_bytes).unwrap();
        let stored = library.store().read(ObjectKey::Pack(*pack), entry.offset..entry.end()).unwrap();
        let bases: Vec<&[u8]> = entry.encoding.bases().iter().map(|base| &held.chunks[base][..]).collect();
        let raw = decode_entry(entry, &stored, &bases).unwrap();
        held.payload_bytes += stored.len() as u64;
        held.patches += u64::from(!entry.encoding.is_full());
        held.chunks.insert(chunk.id, raw);
    }
}
