//! What the fuzz target and the seeded test do with one file: it may be refused, never believed.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use content::holder::Holder;
use content::prestage::Prestaged;
use content::{Library, LibraryOptions, ManifestId, MemoryStore, VoidMonitor};

/// Both kinds of receivers, empty between two files.
pub(crate) struct Receivers {
    library: Arc<Library>,
    holder: Holder,
    _folder: tempfile::TempDir,
}

impl Receivers {
    pub(crate) fn new() -> Receivers {
        let folder = tempfile::tempdir().unwrap();
        let (store, options) = (Arc::new(MemoryStore::new()), LibraryOptions { threads: 1 });
        let library = Library::open(store, &folder.path().join("work"), options, SystemClock::shared());
        let holder = Holder::open(&folder.path().join("dp"), SystemClock::shared()).unwrap();
        Receivers { library: Arc::new(library.unwrap()), holder, _folder: folder }
    }

    /// Opens the file as it is and with its hash put right, and takes it in. Whatever gets in has the content that
    /// its names say. Gives how far it came: 0 refused, 1 opened, 2 taken in.
    pub(crate) fn prestaged(&self, bytes: &[u8]) -> u32 {
        let as_it_is = self.take_in(bytes);
        let mut resealed = bytes.to_vec();
        if let Some(at) = resealed.len().checked_sub(32) {
            let hash = blake3::hash(&resealed[..at]);
            resealed[at..].copy_from_slice(hash.as_bytes());
        }
        if resealed == bytes { as_it_is } else { as_it_is.max(self.take_in(&resealed)) }
    }

    fn take_in(&self, bytes: &[u8]) -> u32 {
        let Ok(mut file) = Prestaged::open(Cursor::new(bytes), &VoidMonitor) else { return 0 };
        let (id, package) = (file.label().manifest, file.label().package_id.clone());
        let version = file.label().version;
        let is_in = self.library.import(&mut file, &VoidMonitor).is_ok();
        assert_eq!(self.library.ref_state(id).unwrap().is_some(), is_in, "all or nothing");
        if is_in {
            check(&self.library, id);
            self.library.release(id).unwrap();
        }
        self.library.collect(Duration::ZERO, &VoidMonitor).unwrap();
        let is_held = self.holder.import(&mut file, &VoidMonitor).is_ok();
        assert_eq!(self.holder.version(&package, version).unwrap().is_some(), is_held, "all or nothing");
        self.holder.remove(&package).unwrap();
        self.holder.collect().unwrap();
        assert_eq!((self.library.stats().unwrap().packs, self.holder.files_count().unwrap()), (0, 0));
        1 + u32::from(is_in && is_held)
    }
}

/// Every chunk is there, and the manifest is the one that the id names.
fn check(library: &Library, id: ManifestId) {
    let manifest = library.manifest(id).unwrap();
    assert_eq!(manifest.content_hash(), library.root(id).unwrap().content_hash);
    for chunk in manifest.files().flat_map(|file| &file.chunks) {
        assert_eq!(library.chunk(chunk.id).unwrap().len(), chunk.len as usize);
    }
}
