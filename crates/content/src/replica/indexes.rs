//! Indexes of the packs of other libraries, each fetched once: the next version's route names most of them again.
//!
//! A file for each, named by its pack and therefore proven when it is read. A cache: what is lost is fetched
//! again, so nothing is synced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::format::{PACK_INDEX_BYTES_MAX, PackIndex};
use crate::ids::PackId;

/// How long an index is kept that no route names.
const KEPT_UNUSED: Duration = Duration::from_secs(90 * 24 * 3600);

/// The indexes that are kept.
#[derive(Debug)]
pub(crate) struct PackIndexes {
    folder: PathBuf,
    next: AtomicU64,
}

impl PackIndexes {
    /// Opens or makes the folder; what a crash left half written goes.
    pub(crate) fn open(folder: PathBuf) -> io::Result<PackIndexes> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if id_of(&entry.path()).is_none() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(PackIndexes { folder, next: AtomicU64::new(0) })
    }

    /// Whether the index is kept; a route names it, so it stays.
    pub(super) fn has(&self, pack: PackId, now: Timestamp) -> bool {
        let touch =
            || File::options().append(true).open(self.path(pack))?.set_modified(SystemTime::from(now));
        touch().is_ok()
    }

    /// Keeps an index that was proven.
    pub(super) fn put(&self, pack: PackId, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        let aside = self.folder.join(format!("new-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let put = || {
            fs::write(&aside, bytes)?;
            File::options().append(true).open(&aside)?.set_modified(SystemTime::from(now))?;
            fs::rename(&aside, self.path(pack))
        };
        put().inspect_err(|_| {
            // Gone already if it was renamed, and swept at the next start if not.
            let _ = fs::remove_file(&aside);
        })
    }

    /// The index, proven; one that is lost or damaged is `None`, and is fetched again when its route is set.
    pub(super) fn get(&self, pack: PackId) -> Option<PackIndex> {
        let path = self.path(pack);
        if fs::metadata(&path).ok()?.len() > PACK_INDEX_BYTES_MAX {
            return None;
        }
        let index = PackIndex::decode(&fs::read(&path).ok()?, pack);
        if let Err(error) = &index {
            tracing::warn!(%pack, %error, "A kept pack index is damaged and will be fetched again");
            // If it cannot be removed it is refused again.
            let _ = fs::remove_file(&path);
        }
        index.ok()
    }

    /// Removes what no route has named for long.
    pub(crate) fn sweep(&self, now: Timestamp) -> io::Result<()> {
        let oldest = SystemTime::from(now).checked_sub(KEPT_UNUSED).unwrap_or(SystemTime::UNIX_EPOCH);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if id_of(&entry.path()).is_some() && entry.metadata()?.modified()? < oldest {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, pack: PackId) -> PathBuf {
        self.folder.join(pack.to_string())
    }
}

fn id_of(path: &Path) -> Option<PackId> {
    path.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_kept_while_routes_name_it_and_fetched_again_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let late = start + KEPT_UNUSED + Duration::from_secs(1);
        let bytes = PackIndex::default().encode();
        let pack = PackId::of(&bytes);
        let indexes = PackIndexes::open(folder.path().to_owned()).unwrap();
        assert!(!indexes.has(pack, start) && indexes.get(pack).is_none());
        indexes.put(pack, &bytes, start).unwrap();
        assert_eq!(indexes.get(pack), Some(PackIndex::default()));
        indexes.sweep(start + KEPT_UNUSED).unwrap();
        assert!(indexes.has(pack, late), "a route names it");
        indexes.sweep(late).unwrap();
        assert!(indexes.get(pack).is_some());
        indexes.sweep(late + KEPT_UNUSED + Duration::from_secs(1)).unwrap();
        assert!(indexes.get(pack).is_none());
        indexes.put(pack, b"damaged", start).unwrap();
        fs::write(folder.path().join("new-7"), b"half").unwrap();
        let indexes = PackIndexes::open(folder.path().to_owned()).unwrap();
        assert!(indexes.has(pack, start) && indexes.get(pack).is_none() && !indexes.has(pack, start));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
