//! Writes packs: chunks into a file aside, the index behind them, then the whole object into the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::Error;
use crate::format::{
    Encoding, PACK_BYTES_TARGET, PACK_ENTRIES_MAX, PACK_FOOTER_BYTES, PACK_HEADER, PackEntry, PackFooter,
    PackIndex, stored_check,
};
use crate::ids::{ChunkId, PackId};
use crate::store::{ObjectKey, ObjectStore};

/// A pack that is durable in the store.
#[derive(Debug, Clone)]
pub(crate) struct FinishedPack {
    pub(crate) id: PackId,
    pub(crate) bytes: u64,
    pub(crate) footer: PackFooter,
    pub(crate) entries: Vec<PackEntry>,
}

/// A stored piece that may still be in an unfinished pack.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    file: Arc<File>,
    pub(crate) entry: PackEntry,
}

impl Piece {
    /// The stored bytes.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.entry.stored_bytes as usize];
        self.file.read_exact_at(&mut bytes, self.entry.offset).map_err(Error::work_dir)?;
        Ok(bytes)
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
    file: Arc<File>,
    aside: Aside,
    entries: Vec<PackEntry>,
    end: u64,
}

/// Writes one sequence of packs. Shared by the threads of one task.
#[derive(Debug)]
pub(crate) struct PackWriter<'a> {
    store: &'a dyn ObjectStore,
    staging: &'a Path,
    next: &'a AtomicU64,
    open: Mutex<Option<OpenPack>>,
    finished: Mutex<Vec<FinishedPack>>,
}

impl<'a> PackWriter<'a> {
    /// `next` numbers the files in `staging` and is shared by all writers there.
    pub(crate) fn new(store: &'a dyn ObjectStore, staging: &'a Path, next: &'a AtomicU64) -> PackWriter<'a> {
        PackWriter { store, staging, next, open: Mutex::new(None), finished: Mutex::new(Vec::new()) }
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
            pack.file.write_all_at(stored, entry.offset).map_err(Error::work_dir)?;
            pack.end = entry.end();
            pack.entries.push(entry.clone());
            let full = pack.end >= PACK_BYTES_TARGET || pack.entries.len() >= PACK_ENTRIES_MAX;
            (Piece { file: pack.file.clone(), entry }, if full { open.take() } else { None })
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

    /// The packs that are in the store; what is unfinished is dropped with the writer.
    pub(crate) fn take_finished(&self) -> Vec<FinishedPack> {
        std::mem::take(&mut *self.finished.lock().expect("no one panics while holding the finished packs"))
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<OpenPack>> {
        self.open.lock().expect("no one panics while holding the open pack")
    }

    fn begin(&self) -> Result<OpenPack, Error> {
        let path = self.staging.join(format!("pack-{}", self.next.fetch_add(1, Ordering::Relaxed)));
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
            file: Arc::new(file),
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
        file.write_all_at(&bytes, end).map_err(Error::work_dir)?;
        file.write_all_at(&footer.encode(), end + footer.index_bytes).map_err(Error::work_dir)?;
        self.store.put_file(ObjectKey::Pack(id), &aside.0)?;
        let finished = FinishedPack {
            id,
            bytes: end + footer.index_bytes + PACK_FOOTER_BYTES,
            footer,
            entries: index.entries,
        };
        self.finished.lock().expect("no one panics while holding the finished packs").push(finished);
        Ok(())
    }
}
