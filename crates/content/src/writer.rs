//! Writes packs: chunks into a file aside, the index behind them, then the whole object into the store.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::error::Error;
use crate::format::{
    Compressor, Encoding, PACK_BYTES_TARGET, PACK_ENTRIES_MAX, PACK_FOOTER_BYTES, PACK_HEADER, PackEntry,
    PackFooter, PackIndex, stored_check,
};
use crate::ids::{ChunkId, PackId};
use crate::store::{ObjectKey, ObjectStore};

/// Where packs are written, and which of them the store may have and the index not yet. One for each library.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    /// Numbers the files in the folder.
    next: AtomicU64,
    /// How many tasks have put a pack and not yet told the index of it, or given it up. Packs are named by
    /// content, so two tasks that store the same chunks put the same pack.
    under_way: Mutex<HashMap<PackId, usize>>,
}

impl Staging {
    pub(crate) fn new(folder: PathBuf) -> Staging {
        Staging { folder, next: AtomicU64::new(0), under_way: Mutex::default() }
    }

    /// Runs `delete` for a pack that the index does not name (any more), unless more than `own` tasks have it
    /// under way: to another it may be the only copy.
    pub(crate) fn delete_unless_shared(
        &self,
        id: PackId,
        own: usize,
        delete: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Held while deleting: whoever puts the pack after this puts it anew.
        let under_way = self.under_way();
        if under_way.get(&id).copied().unwrap_or(0) > own { Ok(()) } else { delete() }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<PackId, usize>> {
        self.under_way.lock().expect("no one panics while holding the packs under way")
    }

    fn claim(self: &Arc<Staging>, id: PackId) -> Claim {
        *self.under_way().entry(id).or_default() += 1;
        Claim { staging: self.clone(), id }
    }
}

/// Counts a pack as under way as long as it lives.
#[derive(Debug)]
struct Claim {
    staging: Arc<Staging>,
    id: PackId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut under_way = self.staging.under_way();
        let count = under_way.get_mut(&self.id).expect("a claimed pack is counted");
        *count -= 1;
        if *count == 0 {
            under_way.remove(&self.id);
        }
    }
}

/// A pack that is durable in the store. Let it live until the index knows it or it is given back.
#[derive(Debug)]
pub(crate) struct FinishedPack {
    _claim: Claim,
    pub(crate) id: PackId,
    pub(crate) bytes: u64,
    pub(crate) footer: PackFooter,
    pub(crate) entries: Vec<PackEntry>,
}

/// A stored piece that may still be in an unfinished pack.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pack: Arc<RwLock<PackFile>>,
    pub(crate) entry: PackEntry,
}

/// Where a pack's bytes are. Not open longer than it is written: a large snapshot makes thousands of packs.
#[derive(Debug)]
enum PackFile {
    Open(File),
    InStore(PackId),
}

impl Piece {
    /// The stored bytes. `store` is the one that the writer puts packs into.
    pub(crate) fn read(&self, store: &dyn ObjectStore) -> Result<Vec<u8>, Error> {
        let pack = self.pack.read().unwrap_or_else(PoisonError::into_inner);
        match &*pack {
            PackFile::Open(file) => {
                let mut bytes = vec![0; self.entry.stored_bytes as usize];
                file.read_exact_at(&mut bytes, self.entry.offset).map_err(Error::work_dir)?;
                Ok(bytes)
            }
            PackFile::InStore(id) => {
                Ok(store.read(ObjectKey::Pack(*id), self.entry.offset..self.entry.end())?)
            }
        }
    }
}

/// Writes to a pack that is not in the store yet.
fn write_at(pack: &RwLock<PackFile>, bytes: &[u8], offset: u64) -> Result<(), Error> {
    match &*pack.read().unwrap_or_else(PoisonError::into_inner) {
        PackFile::Open(file) => file.write_all_at(bytes, offset).map_err(Error::work_dir),
        PackFile::InStore(_) => unreachable!("a pack in the store is never written"),
    }
}

/// A file that goes away with its owner, unless the store took it.
#[derive(Debug)]
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // Gone already when the store took it over by renaming.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[derive(Debug)]
struct OpenPack {
    file: Arc<RwLock<PackFile>>,
    aside: Aside,
    entries: Vec<PackEntry>,
    end: u64,
}

/// Writes one sequence of packs. Shared by the threads of one task.
#[derive(Debug)]
pub(crate) struct PackWriter {
    store: Arc<dyn ObjectStore>,
    staging: Arc<Staging>,
    open: Mutex<Option<OpenPack>>,
    finished: Mutex<Vec<FinishedPack>>,
}

impl PackWriter {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, staging: Arc<Staging>) -> PackWriter {
        PackWriter { store, staging, open: Mutex::new(None), finished: Mutex::new(Vec::new()) }
    }

    /// Appends a full copy of a chunk, compressed where that is worth it.
    pub(crate) fn append_full(
        &self,
        compressor: &mut Compressor,
        chunk: ChunkId,
        raw: &[u8],
    ) -> Result<Piece, Error> {
        let (encoding, compressed) = compressor.full_copy(raw)?;
        let raw_bytes = u32::try_from(raw.len()).expect("a chunk is at most CHUNK_BYTES_MAX");
        self.append(chunk, raw_bytes, compressed.as_deref().unwrap_or(raw), encoding)
    }

    /// Appends one stored piece. A full pack is put into the store before this returns.
    pub(crate) fn append(
        &self,
        chunk: ChunkId,
        raw_bytes: u32,
        stored: &[u8],
        encoding: Encoding,
    ) -> Result<Piece, Error> {
        let (piece, full) = {
            let mut open = self.lock_open();
            if open.is_none() {
                *open = Some(self.begin()?);
            }
            let pack = open.as_mut().expect("opened above");
            let entry = PackEntry {
                chunk,
                raw_bytes,
                offset: pack.end,
                stored_bytes: u32::try_from(stored.len()).expect("a stored chunk is below 2^32"),
                stored_check: stored_check(stored),
                encoding,
            };
            write_at(&pack.file, stored, entry.offset)?;
            pack.end = entry.end();
            pack.entries.push(entry.clone());
            let full = pack.end >= PACK_BYTES_TARGET || pack.entries.len() >= PACK_ENTRIES_MAX;
            (Piece { pack: pack.file.clone(), entry }, if full { open.take() } else { None })
        };
        if let Some(pack) = full {
            self.seal(pack)?;
        }
        Ok(piece)
    }

    /// Puts the last pack into the store.
    pub(crate) fn seal_last(&self) -> Result<(), Error> {
        let last = self.lock_open().take();
        last.map_or(Ok(()), |pack| self.seal(pack))
    }

    /// Drops the pack that is being written, and its pieces with it.
    pub(crate) fn discard_open(&self) {
        drop(self.lock_open().take());
    }

    /// The packs that are in the store; what is unfinished is dropped with the writer.
    pub(crate) fn take_finished(&self) -> Vec<FinishedPack> {
        std::mem::take(&mut *self.finished.lock().expect("no one panics while holding the finished packs"))
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<OpenPack>> {
        self.open.lock().expect("no one panics while holding the open pack")
    }

    fn begin(&self) -> Result<OpenPack, Error> {
        let number = self.staging.next.fetch_add(1, Ordering::Relaxed);
        let path = self.staging.folder.join(format!("pack-{number}"));
        let create = || -> io::Result<File> {
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            file.write_all_at(&PACK_HEADER, 0)?;
            Ok(file)
        };
        let file = create().map_err(|error| {
            let _ = std::fs::remove_file(&path);
            Error::work_dir(error)
        })?;
        Ok(OpenPack {
            file: Arc::new(RwLock::new(PackFile::Open(file))),
            aside: Aside(path),
            entries: Vec::new(),
            end: PACK_HEADER.len() as u64,
        })
    }

    fn seal(&self, pack: OpenPack) -> Result<(), Error> {
        let OpenPack { file, aside, entries, end } = pack;
        let index = PackIndex { entries };
        let bytes = index.encode();
        let footer = PackFooter { index_offset: end, index_bytes: bytes.len() as u64 };
        let id = PackId::of(&bytes);
        write_at(&file, &bytes, end)?;
        write_at(&file, &footer.encode(), end + footer.index_bytes)?;
        let claim = self.staging.claim(id);
        self.store.put_file(ObjectKey::Pack(id), &aside.0)?;
        *file.write().unwrap_or_else(PoisonError::into_inner) = PackFile::InStore(id);
        let finished = FinishedPack {
            _claim: claim,
            id,
            bytes: end + footer.index_bytes + PACK_FOOTER_BYTES,
            footer,
            entries: index.entries,
        };
        self.finished.lock().expect("no one panics while holding the finished packs").push(finished);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_another_task_put_is_not_deleted() {
        let staging = Arc::new(Staging::new(PathBuf::new()));
        let id = PackId::of(b"pack");
        let deletes = |own| {
            let mut deleted = false;
            let delete = || {
                deleted = true;
                Ok(())
            };
            staging.delete_unless_shared(id, own, delete).unwrap();
            deleted
        };
        let (first, second) = (staging.claim(id), staging.claim(id));
        assert!(!deletes(1), "the second task has put it too");
        drop(first);
        assert!(deletes(1) && !deletes(0));
        drop(second);
        assert!(deletes(0));
    }
}
