//! Objects as files: `packs/ab/<id>`, `manifests/cd/<id>`.
//!
//! An object appears under its name only when its bytes are on disk: written aside, synced, renamed, and the
//! folder synced. What a crash leaves aside is removed when the store is opened.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ObjectInfo, ObjectKey, ObjectKind, ObjectStore, StoreError};

const INCOMING: &str = "incoming";
/// What a copy between file systems moves at once.
const COPY_BYTES: usize = 1 << 20;

/// Objects as files below one folder. One process at a time.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    next: AtomicU64,
}

impl LocalStore {
    /// Opens or creates the store in `root`.
    pub fn open(root: &Path) -> Result<LocalStore, StoreError> {
        let incoming = root.join(INCOMING);
        let prepare = || -> io::Result<()> {
            fs::create_dir_all(root.join(ObjectKind::Pack.folder()))?;
            fs::create_dir_all(root.join(ObjectKind::Manifest.folder()))?;
            fs::create_dir_all(&incoming)?;
            for left in fs::read_dir(&incoming)? {
                fs::remove_file(left?.path())?;
            }
            sync_folder(root)
        };
        prepare().map_err(|error| StoreError::io(&"its folder", error))?;
        Ok(LocalStore { root: root.to_owned(), next: AtomicU64::new(0) })
    }

    /// The store in `root`, which another process may have open, for reading: nothing is made or removed.
    #[must_use]
    pub fn open_to_read(root: &Path) -> LocalStore {
        LocalStore { root: root.to_owned(), next: AtomicU64::new(0) }
    }

    /// The folder that the store is in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: ObjectKey) -> PathBuf {
        let id = key.id();
        self.root.join(key.kind().folder()).join(&id[..2]).join(id)
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING).join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Gives a synced file its name.
    fn install(&self, key: ObjectKey, file: &Path) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().expect("an object's path has a folder");
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            sync_folder(folder.parent().expect("the folder is below the root"))?;
        }
        fs::rename(file, &path)?;
        sync_folder(folder)
    }

    fn copy_in(&self, key: ObjectKey, file: &Path) -> io::Result<()> {
        let aside = self.incoming();
        let copied = copy_synced(file, &aside).and_then(|()| self.install(key, &aside));
        if copied.is_err() {
            // Room is what is missing most often: give it back at once.
            let _ = fs::remove_file(&aside);
        }
        copied
    }
}

impl ObjectStore for LocalStore {
    fn put_file(&self, key: ObjectKey, file: &Path) -> Result<(), StoreError> {
        let put = || -> io::Result<()> {
            File::open(file)?.sync_all()?;
            match self.install(key, file) {
                Err(error) if error.kind() == ErrorKind::CrossesDevices => self.copy_in(key, file),
                other => other,
            }
        };
        put().map_err(|error| StoreError::io(&key, error))
    }

    fn put_bytes(&self, key: ObjectKey, bytes: &[u8]) -> Result<(), StoreError> {
        let aside = self.incoming();
        let put = || -> io::Result<()> {
            let mut file = File::create_new(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            self.install(key, &aside)
        };
        put().map_err(|error| {
            let _ = fs::remove_file(&aside);
            StoreError::io(&key, error)
        })
    }

    fn read(&self, key: ObjectKey, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let file = match File::open(self.path(key)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::NotFound { key }),
            other => other.map_err(|error| StoreError::io(&key, error))?,
        };
        let len = range.end.checked_sub(range.start).ok_or(StoreError::OutOfRange { key })?;
        let size = file.metadata().map_err(|error| StoreError::io(&key, error))?.len();
        if range.end > size {
            return Err(StoreError::OutOfRange { key });
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| StoreError::OutOfRange { key })?];
        match file.read_exact_at(&mut bytes, range.start) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(StoreError::OutOfRange { key }),
            other => other.map(|()| bytes).map_err(|error| StoreError::io(&key, error)),
        }
    }

    fn size(&self, key: ObjectKey) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.path(key)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&key, error)),
        }
    }

    fn list(&self, kind: ObjectKind, found: &mut dyn FnMut(ObjectInfo)) -> Result<(), StoreError> {
        let mut list = || -> io::Result<()> {
            for folder in fs::read_dir(self.root.join(kind.folder()))? {
                for object in fs::read_dir(folder?.path())? {
                    let object = object?;
                    let Some(key) = object.file_name().to_str().and_then(|id| ObjectKey::parse(kind, id))
                    else {
                        continue;
                    };
                    found(ObjectInfo { key, bytes: object.metadata()?.len() });
                }
            }
            Ok(())
        };
        list().map_err(|error| StoreError::io(&kind.folder(), error))
    }

    fn delete(&self, key: ObjectKey) -> Result<(), StoreError> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(&key, error)),
            _ => Ok(()),
        }
    }

    fn local_path(&self, key: ObjectKey) -> Option<PathBuf> {
        Some(self.path(key))
    }
}

fn copy_synced(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = io::BufReader::with_capacity(COPY_BYTES, File::open(from)?);
    let mut file = File::create_new(to)?;
    io::copy(&mut from, &mut file)?;
    file.sync_all()
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
