//! Reads everything back, and mends what is damaged from another copy, a patch, or the unchanged source.
//!
//! A source may hang for ever, and so may a snapshot that reads one. So no source is read under the lock, and
//! nothing queues for it: a damaged pack that snapshots might be using is left for the next run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, TryLockError};

use crate::error::Error;
use crate::format::{Compressor, Encoding, Manifest, ManifestRoot, PackEntry, decode_entry, stored_check};
use crate::ids::{ChunkId, ManifestId, PackId};
use crate::index::PackRecord;
use crate::library::{Library, chunks_of};
use crate::monitor::{Counter, Monitor};
use crate::rebuild::{read_index, read_root};
use crate::refs::ManifestRecord;
use crate::snapshot::open_in_source;
use crate::store::ObjectKey;
use crate::writer::PackWriter;

/// The most lost files named in a report.
const LOST_FILES_MAX: usize = 1000;

/// What a verify found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Packs that were read.
    pub packs_checked: u64,
    /// Stored pieces that were read and checked.
    pub entries_checked: u64,
    /// Packs with damage; what was whole in them is in new packs now.
    pub packs_damaged: Vec<PackId>,
    /// Manifest roots that were damaged or missing and are put back.
    pub manifests_repaired: Vec<ManifestId>,
    /// Chunks that were damaged or missing and are whole again.
    pub chunks_repaired: u64,
    /// What could not be repaired: the version and, for content, the file. Refreshing the package repairs it if
    /// its source still has the file.
    pub lost: Vec<Lost>,
    /// Whether damaged packs are left as they are because snapshots ran; verify again when none does.
    pub more: bool,
}

impl VerifyReport {
    /// Whether anything was not as it should be, repaired or not.
    #[must_use]
    pub fn found_damage(&self) -> bool {
        self.more
            || !(self.packs_damaged.is_empty() && self.manifests_repaired.is_empty() && self.lost.is_empty())
    }

    /// Whether every version in the library is whole now.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && !self.more
    }
}

/// Something that no copy is left of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The version.
    pub manifest: ManifestId,
    /// The file, relative to the package; `None` if the manifest itself cannot be read.
    pub file: Option<String>,
}

impl Library {
    /// Reads every pack and manifest, and repairs what it can. `repair_from` names sources that should still
    /// hold a version's files. Snapshots go on meanwhile; a damaged pack is replaced only while none runs, see
    /// [`VerifyReport::more`].
    pub fn verify(
        &self,
        monitor: &dyn Monitor,
        repair_from: &[(ManifestId, PathBuf)],
    ) -> Result<VerifyReport, Error> {
        let mut report = VerifyReport::default();
        self.verify_roots(&mut report)?;
        let packs = self.index.read()?.packs()?;
        self.verify_packs(packs, monitor, &mut report)?;
        if !report.packs_damaged.is_empty() || self.lacks_chunks()? {
            self.repair_chunks(monitor, repair_from, &mut report)?;
        }
        self.forget_routes();
        Ok(report)
    }

    /// The same for single objects that somebody found to be damaged; what is unknown is passed over. With
    /// sources to repair from, what an earlier look found lost is repaired too.
    pub fn verify_objects(
        &self,
        suspects: &[ObjectKey],
        monitor: &dyn Monitor,
        repair_from: &[(ManifestId, PathBuf)],
    ) -> Result<VerifyReport, Error> {
        let mut report = VerifyReport::default();
        if suspects.iter().any(|key| matches!(key, ObjectKey::Manifest(_))) {
            self.verify_roots(&mut report)?;
        }
        let mut packs = Vec::new();
        for key in suspects {
            let ObjectKey::Pack(id) = *key else { continue };
            packs.extend(self.index.read()?.pack(id)?.map(|record| (id, record)));
        }
        self.verify_packs(packs, monitor, &mut report)?;
        if !report.packs_damaged.is_empty() || (!repair_from.is_empty() && self.lacks_chunks()?) {
            self.repair_chunks(monitor, repair_from, &mut report)?;
        }
        self.forget_routes();
        Ok(report)
    }

    fn verify_packs(
        &self,
        packs: Vec<(PackId, PackRecord)>,
        monitor: &dyn Monitor,
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        for (id, record) in packs {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            monitor.count(Counter::Packs, 1);
            report.packs_checked += 1;
            let pack = self.check_pack(id, record, monitor)?;
            report.entries_checked += pack.entries.len() as u64;
            if !pack.is_whole() {
                self.mend_pack(id, monitor, report)?;
            }
        }
        Ok(())
    }

    /// The index holds each root as well: either copy mends the other.
    fn verify_roots(&self, report: &mut VerifyReport) -> Result<(), Error> {
        for (id, bytes) in self.index.read()?.manifests()? {
            let key = ObjectKey::Manifest(id);
            let size = self.store.size(key)?;
            let in_store =
                size.map_or(Err(Error::UnknownManifest { id }), |bytes| read_root(self, id, bytes));
            let mut record = ManifestRecord::decode(&bytes)?;
            let is_record_sound = ManifestRoot::decode(&record.root, id).is_ok();
            match in_store {
                Ok(root) if !is_record_sound => {
                    record.root = root;
                    self.index.write(|tables| tables.set_manifest(id, &record.encode()))?;
                    report.manifests_repaired.push(id);
                }
                Err(_) if is_record_sound => {
                    self.store.put_bytes(key, &record.root)?;
                    report.manifests_repaired.push(id);
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn check_pack(&self, id: PackId, record: PackRecord, monitor: &dyn Monitor) -> Result<Checked, Error> {
        let size = self.store.size(ObjectKey::Pack(id))?;
        let own = read_index(&*self.store, id, record.bytes);
        let is_index_sound = own.is_ok() && size == Some(record.bytes);
        let entries = match own {
            Ok((_, index)) => index.entries,
            Err(_) => self.index.read()?.entries_in(record.number)?,
        };
        let mut good = Vec::with_capacity(entries.len());
        for entry in &entries {
            monitor.count(Counter::Entries, 1);
            if self.is_sound(id, entry)? {
                good.push(entry.clone());
            }
        }
        Ok(Checked { entries, good, is_index_sound })
    }

    /// Looks again without company: the collector may have taken the pack away while it was read.
    fn mend_pack(&self, id: PackId, monitor: &dyn Monitor, report: &mut VerifyReport) -> Result<(), Error> {
        let _alone = match self.use_of_chunks.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                monitor.error(&format!("Pack {id} is damaged and is left while snapshots run; verify again"));
                report.more = true;
                return Ok(());
            }
        };
        let Some(record) = self.index.read()?.pack(id)? else { return Ok(()) };
        let pack = self.check_pack(id, record, monitor)?;
        if pack.is_whole() {
            return Ok(());
        }
        let (good, all) = (pack.good.len(), pack.entries.len());
        monitor.error(&format!("Pack {id} is damaged: {good} of {all} pieces are good"));
        report.packs_damaged.push(id);
        self.replace_damaged(id, record, &pack.entries, &pack.good)
    }

    /// Whether a full copy of any chunk of any version is missing.
    fn lacks_chunks(&self) -> Result<bool, Error> {
        let view = self.index.read()?;
        for (id, _) in view.manifests()? {
            let (Ok(root), Ok(manifest)) = (self.root(id), self.manifest(id)) else { return Ok(true) };
            for chunk in chunks_of(&root, &manifest) {
                if !view.has_full(chunk.id)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn is_sound(&self, pack: PackId, entry: &PackEntry) -> Result<bool, Error> {
        let stored = match self.store.read(ObjectKey::Pack(pack), entry.offset..entry.end()) {
            Ok(stored) => stored,
            Err(crate::StoreError::NoSpace) => return Err(Error::NoSpace),
            Err(_) => return Ok(false),
        };
        // A patch's bases may be gone by right; its stored bytes are what can be checked.
        Ok(match entry.encoding {
            Encoding::Patch { .. } => stored_check(&stored) == entry.stored_check,
            Encoding::Stored | Encoding::Zstd => decode_entry(entry, &stored, &[]).is_ok(),
        })
    }

    /// Saves the good pieces into a new pack, then lets go of the damaged one at once: it must not be served.
    fn replace_damaged(
        &self,
        id: PackId,
        record: PackRecord,
        all: &[PackEntry],
        good: &[PackEntry],
    ) -> Result<(), Error> {
        let writer = self.writer();
        let is_retired = record.retired.is_some();
        for entry in good.iter().filter(|_| !is_retired) {
            let stored = self.store.read(ObjectKey::Pack(id), entry.offset..entry.end())?;
            writer.append(entry.chunk, entry.raw_bytes, &stored, entry.encoding.clone())?;
        }
        writer.seal_last()?;
        let packs = writer.take_finished();
        let chunks: Vec<ChunkId> = all.iter().map(|entry| entry.chunk).collect();
        self.index.write(|tables| {
            tables.drop_locations(record.number, Some(&chunks))?;
            tables.remove_pack(id, record)?;
            if good.len() < all.len() {
                // The next snapshot must look whether the library still has what the source holds.
                tables.forget_sources(|_| true)?;
            }
            packs.iter().try_for_each(|pack| {
                tables.add_pack(pack.id, record.added, pack.bytes, pack.footer, &pack.entries)
            })
        })?;
        // With all pieces good, only the pack's own index was damaged, and the new pack, which is still under
        // way, has the old one's name.
        self.delete_forgotten(id)
    }

    /// Only adds, as a snapshot does, so what other chunks are used for meanwhile does not matter.
    fn repair_chunks(
        &self,
        monitor: &dyn Monitor,
        repair_from: &[(ManifestId, PathBuf)],
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        let sources: HashMap<ManifestId, &Path> =
            repair_from.iter().map(|(id, path)| (*id, path.as_path())).collect();
        let mut repair = Repair {
            library: self,
            monitor,
            writer: self.writer(),
            compressor: Compressor::new(),
            done: HashSet::new(),
        };
        let mut lost = BTreeMap::new();
        // Twice: a manifest may become readable, or a chunk reachable, by what a later version's source gives.
        for _ in 0..2 {
            lost.clear();
            for (id, _) in self.index.read()?.manifests()? {
                repair.manifest(id, sources.get(&id).copied(), &mut lost)?;
            }
            repair.flush()?;
            if lost.is_empty() {
                break;
            }
        }
        if !lost.is_empty() {
            let incomplete: HashSet<ManifestId> = lost.keys().map(|lost| lost.manifest).collect();
            self.index.write(|tables| tables.forget_sources(|id| incomplete.contains(&id)))?;
        }
        report.chunks_repaired = repair.done.len() as u64;
        report.lost = lost.into_keys().take(LOST_FILES_MAX).collect();
        Ok(())
    }
}

/// A pack as it was read back.
struct Checked {
    entries: Vec<PackEntry>,
    good: Vec<PackEntry>,
    is_index_sound: bool,
}

impl Checked {
    fn is_whole(&self) -> bool {
        self.is_index_sound && self.good.len() == self.entries.len()
    }
}

struct Repair<'a> {
    library: &'a Library,
    monitor: &'a dyn Monitor,
    writer: PackWriter,
    compressor: Compressor,
    done: HashSet<ChunkId>,
}

impl Repair<'_> {
    fn manifest(
        &mut self,
        id: ManifestId,
        source: Option<&Path>,
        lost: &mut BTreeMap<Lost, ()>,
    ) -> Result<(), Error> {
        let root = match self.library.root(id) {
            // The collector took it meanwhile.
            Err(Error::UnknownManifest { .. }) => return Ok(()),
            other => other?,
        };
        let Ok(manifest) = self.library.manifest(id) else {
            self.monitor.error(&format!("Manifest {id} cannot be read"));
            lost.insert(Lost { manifest: id, file: None }, ());
            return Ok(());
        };
        let wanted: Vec<ChunkId> = chunks_of(&root, &manifest).map(|chunk| chunk.id).collect();
        let missing = self.missing(&wanted)?;
        if missing.is_empty() {
            return Ok(());
        }
        for chunk in root.chunks.iter().filter(|chunk| missing.contains(&chunk.id)) {
            // The manifest could be read, so a patch leads to it, unless the collector took it meanwhile.
            match self.library.chunk(chunk.id) {
                Ok(raw) => self.put(chunk.id, &raw)?,
                Err(_) => {
                    lost.insert(Lost { manifest: id, file: None }, ());
                }
            }
        }
        self.files(id, &manifest, &missing, source, lost)
    }

    fn files(
        &mut self,
        id: ManifestId,
        manifest: &Manifest,
        missing: &HashSet<ChunkId>,
        source: Option<&Path>,
        lost: &mut BTreeMap<Lost, ()>,
    ) -> Result<(), Error> {
        for file in manifest.files() {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut offset = 0;
            for chunk in &file.chunks {
                if missing.contains(&chunk.id) && !self.done.contains(&chunk.id) {
                    let from_patch = self.library.chunk(chunk.id).ok();
                    let raw = from_patch.or_else(|| {
                        let file = open_in_source(source?, &file.path)?;
                        read_chunk(&file, offset, chunk.len, chunk.id)
                    });
                    match raw {
                        Some(raw) => self.put(chunk.id, &raw)?,
                        None => {
                            lost.insert(Lost { manifest: id, file: Some(file.path.to_string()) }, ());
                        }
                    }
                }
                offset += u64::from(chunk.len);
            }
        }
        Ok(())
    }

    fn missing(&self, wanted: &[ChunkId]) -> Result<HashSet<ChunkId>, Error> {
        let view = self.library.index.read()?;
        let mut missing = HashSet::new();
        for chunk in wanted {
            if !self.done.contains(chunk) && !view.has_full(*chunk)? {
                missing.insert(*chunk);
            }
        }
        Ok(missing)
    }

    fn put(&mut self, id: ChunkId, raw: &[u8]) -> Result<(), Error> {
        if !self.done.insert(id) {
            return Ok(());
        }
        self.writer.append_full(&mut self.compressor, id, raw).map(drop)
    }

    fn flush(&self) -> Result<(), Error> {
        self.writer.seal_last()?;
        let packs = self.writer.take_finished();
        let now = self.library.now_s();
        // As a snapshot does; nobody who holds it alone waits for a source.
        let _shared = self.library.use_of_chunks.read().unwrap_or_else(PoisonError::into_inner);
        self.library.index.write(|tables| {
            packs
                .iter()
                .try_for_each(|pack| tables.add_pack(pack.id, now, pack.bytes, pack.footer, &pack.entries))
        })
    }
}

fn read_chunk(file: &File, offset: u64, len: u32, id: ChunkId) -> Option<Vec<u8>> {
    let mut raw = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut raw, offset).ok()?;
    (ChunkId::of(&raw) == id).then_some(raw)
}
