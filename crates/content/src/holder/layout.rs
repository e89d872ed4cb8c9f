//! Where things lie in the data folder, and the few ways in which they get there.
//!
//! Names on disk are made of hashes, package IDs and numbers only: no name from a manifest ever becomes
//! a path. `docs/distribution-point.md` shows the tree to administrators.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::HolderError;
use crate::{ChunkId, FileHash, FileHasher};

/// The longest package ID; the original's have eight characters.
const PACKAGE_ID_CHARS_MAX: usize = 16;
/// One read while hashing a file.
pub(super) const HASH_READ_BYTES: usize = 256 * 1024;

/// The data folder.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    /// The folder, open from the start: the system tells each open file of a failed write once, and one that
    /// is opened later does not hear of failures that somebody was told of before.
    synced: Mutex<File>,
    syncs: AtomicU64,
    failed_syncs: AtomicU64,
}

impl Layout {
    /// Makes what is missing of the tree.
    pub(super) fn create(root: &Path) -> Result<Self, HolderError> {
        let make =
            |path: PathBuf| fs::create_dir_all(path).map_err(HolderError::io("making the data folder"));
        make(root.join("staging"))?;
        make(root.join("versions"))?;
        for first in 0..=u8::MAX {
            make(root.join("files").join(hex::encode([first])))?;
        }
        let synced = File::open(root).map_err(HolderError::io("opening the data folder"))?;
        Ok(Self {
            root: root.to_owned(),
            synced: Mutex::new(synced),
            syncs: AtomicU64::new(0),
            failed_syncs: AtomicU64::new(0),
        })
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index.redb")
    }

    pub(super) fn file(&self, hash: &FileHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join("files").join(&name[..2]).join(name)
    }

    pub(super) fn file_folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..=u8::MAX).map(|first| self.root.join("files").join(hex::encode([first])))
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(super) fn versions(&self) -> PathBuf {
        self.root.join("versions")
    }

    /// Bytes that may still be written.
    pub(super) fn free_bytes(&self) -> Result<u64, HolderError> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|e| HolderError::io("asking for free space")(e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Makes everything written so far durable, in one go. One at a time, so that whoever comes after a
    /// failed one sees it counted.
    pub(super) fn sync(&self) -> Result<(), HolderError> {
        let folder = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let result = rustix::fs::syncfs(&*folder);
        let count = if result.is_ok() { &self.syncs } else { &self.failed_syncs };
        count.fetch_add(1, Ordering::SeqCst);
        result.map_err(|e| HolderError::io("syncing the data folder")(e.into()))
    }

    /// How often a sync failed since the data folder was opened.
    pub(super) fn failed_syncs(&self) -> u64 {
        self.failed_syncs.load(Ordering::SeqCst)
    }

    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

/// The package ID in its one spelling.
pub(super) fn package_key(id: &str) -> Result<String, HolderError> {
    let good =
        (1..=PACKAGE_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    good.then(|| id.to_ascii_uppercase())
        .ok_or_else(|| HolderError::BadPackageId(id.chars().take(64).collect()))
}

/// `PS100001.2`: how a version is named in `staging` and `versions`.
pub(super) fn version_name(package: &str, version: u32) -> String {
    format!("{package}.{version}")
}

/// The reverse of [`version_name`]; `None` for what the holder never wrote.
pub(super) fn parse_version_name(name: &str) -> Option<(String, u32)> {
    let (package, version) = name.split_once('.')?;
    let version = version.parse().ok()?;
    let package = package_key(package).ok()?;
    (version_name(&package, version) == name).then_some((package, version))
}

/// A part of a file, if it is there and is exactly the chunk.
pub(super) fn read_chunk(file: &File, offset: u64, len: u32, id: &ChunkId) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(len).expect("a chunk fits in memory")];
    file.read_exact_at(&mut bytes, offset)?;
    Ok((ChunkId::of(&bytes) == *id).then_some(bytes))
}

/// Lets the next reads come from the disk: after a failed sync that nobody told us of, the memory of what
/// an earlier run wrote may be better than the disk. Advice, so nothing to fail on.
pub(super) fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// SHA-256 of a whole file, read once.
pub(super) fn hash_file(path: &Path, mut go_on: impl FnMut() -> bool) -> io::Result<Option<FileHash>> {
    use io::Read;
    let mut file = File::open(path)?;
    let mut hasher = FileHasher::new();
    let mut buffer = vec![0; HASH_READ_BYTES];
    loop {
        if !go_on() {
            return Ok(None);
        }
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Some(hasher.finish()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Sorts what came of reading stored bytes. Bytes that are gone, cut short, wrong (`None`) or unreadable on
/// the medium are damage, which fetching them again repairs: `None`. Every other error says nothing about
/// the bytes (no descriptor free, no right, no memory) and fails the work instead.
pub(super) fn unless_damaged<T>(
    read: io::Result<Option<T>>,
    doing: &'static str,
) -> Result<Option<T>, HolderError> {
    match read {
        Ok(found) => Ok(found),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(None),
        Err(e) => Err(HolderError::io(doing)(e)),
    }
}

/// Deletes a file that may already be gone.
pub(super) fn remove_file(path: &Path) -> Result<(), HolderError> {
    gone(fs::remove_file(path), "deleting a file")
}

/// Deletes a folder that may already be gone.
pub(super) fn remove_folder(path: &Path) -> Result<(), HolderError> {
    gone(fs::remove_dir_all(path), "deleting a folder")
}

fn gone(result: io::Result<()>, doing: &'static str) -> Result<(), HolderError> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(HolderError::io(doing)),
    }
}

#[cfg(test)]
impl Layout {
    /// Makes each sync fail with EBADF: no file system can be synced through such a handle.
    pub(super) fn break_sync(&self) {
        use rustix::fs::{Mode, OFlags};
        let path = rustix::fs::open(&self.root, OFlags::PATH, Mode::empty()).unwrap();
        *self.synced.lock().unwrap() = path.into();
    }

    /// Lets syncs succeed again.
    pub(super) fn mend_sync(&self) {
        *self.synced.lock().unwrap() = File::open(&self.root).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_holder_writes_are_read_back() {
        for (name, expect) in [
            ("PS100001.2", Some(("PS100001", 2))),
            ("PS100001.02", None),
            ("ps100001.2", None),
            ("PS100001", None),
            ("PS100001.2.tmp", None),
            ("..1", None),
        ] {
            assert_eq!(parse_version_name(name), expect.map(|(p, v)| (p.to_owned(), v)), "{name}");
        }
    }

    #[test]
    fn only_errors_that_fetching_again_repairs_are_damage() {
        use rustix::io::Errno;
        for (errno, is_damage) in [
            (Errno::NOENT, true),
            (Errno::IO, true),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOMEM, false),
            (Errno::ACCESS, false),
            (Errno::LOOP, false),
        ] {
            let found = unless_damaged::<()>(Err(errno.into()), "reading");
            assert_eq!(matches!(found, Ok(None)), is_damage, "{errno:?}: {found:?}");
        }
        let short = Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert!(unless_damaged::<()>(short, "reading").unwrap().is_none());
        assert!(unless_damaged::<()>(Ok(None), "reading").unwrap().is_none());
    }

    #[test]
    fn a_package_id_never_leaves_its_folder() {
        for id in ["", "..", "../x", "PS1/2", "a\\b", "PS 1", "PS1\0", "ÄÖ", &"A".repeat(17)] {
            assert_eq!(package_key(id).map_err(|e| e.code()), Err("bad_package_id"), "{id:?}");
        }
        assert_eq!(package_key("ps100001").unwrap(), "PS100001");
    }
}
