//! Gives back what nobody wants: expired manifests, dead packs, and the dead parts of sparse packs.
//!
//! Runs alone, without snapshots, so that nothing is reused while it is judged dead. Order makes it safe to be
//! killed at any point: an object is forgotten by the index before it leaves the store, and a sparse pack's
//! living chunks are durable in a new pack before the old one is retired. A retired pack is kept for the grace,
//! because transfers that began earlier still name it.

use std::collections::{HashMap, HashSet};
use std::sync::TryLockError;
use std::time::Duration;

use crate::error::Error;
use crate::format::{PackEntry, stored_check};
use crate::ids::{ChunkId, ManifestId, PackId};
use crate::index::{PackRecord, Tables};
use crate::library::{Library, chunks_of};
use crate::monitor::{Counter, Monitor};
use crate::rebuild::read_index;
use crate::refs::{ManifestRecord, RefState};
use crate::store::ObjectKey;

/// A pack is rewritten when less than this many percent of its stored bytes are alive.
const ALIVE_PERCENT_MIN: u64 = 60;
/// The most packs rewritten in one run; snapshots wait meanwhile.
const REWRITTEN_PACKS_MAX: usize = 16;

/// What a run of the collector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectReport {
    /// Manifests that are gone.
    pub manifests_removed: u64,
    /// Packs that are gone.
    pub packs_removed: u64,
    /// Bytes of those.
    pub bytes_removed: u64,
    /// Sparse packs whose living chunks were moved to new packs; they go after the grace.
    pub packs_rewritten: u64,
    /// Whether work is left for the next run.
    pub more: bool,
}

/// What a recount changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecountReport {
    /// Manifests whose state was wrong: what it was, what it is now.
    pub repaired: Vec<(ManifestId, RefState, RefState)>,
    /// Manifests that are wanted and that the library does not have.
    pub missing: Vec<ManifestId>,
}

impl Library {
    /// Sets every reference count from the truth: `live` names a manifest once for each package version that
    /// wants it.
    pub fn recount(&self, live: &[ManifestId]) -> Result<RecountReport, Error> {
        let mut counts: HashMap<ManifestId, u64> = HashMap::new();
        for id in live {
            *counts.entry(*id).or_default() += 1;
        }
        let now = self.now_s();
        let mut report = RecountReport::default();
        let mut wrong = Vec::new();
        for (id, bytes) in self.index.read()?.manifests()? {
            let count = counts.remove(&id).unwrap_or(0);
            let state = ManifestRecord::decode(&bytes)?.state;
            if state != state.recounted(count, now) {
                wrong.push((id, count));
            }
        }
        // Most often nothing is wrong, and nothing is written.
        if !wrong.is_empty() {
            report.repaired = self.index.write(|tables| set_counts(tables, &wrong, now))?;
        }
        report.missing = counts.into_keys().collect();
        report.missing.sort_unstable();
        Ok(report)
    }

    /// Removes what nobody has wanted for `grace`. While snapshots run it does nothing and says that there is
    /// more to do; snapshots that begin while it runs wait for it.
    pub fn collect(&self, grace: Duration, monitor: &dyn Monitor) -> Result<CollectReport, Error> {
        // Never queue for the lock: a waiting writer would hold up every snapshot behind the running one.
        let _alone = match self.use_of_chunks.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Ok(CollectReport { more: true, ..CollectReport::default() });
            }
        };
        let grace_s = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let mut report = CollectReport::default();
        self.remove_manifests(grace_s, &mut report)?;
        let alive = self.alive_chunks()?;
        let mut run = Run { library: self, monitor, alive: &alive, now: self.now_s(), grace_s, report };
        let swept = run.sweep_packs();
        self.forget_routes();
        swept?;
        self.index.write(|tables| tables.sweep_hints())?;
        self.indexes.sweep(self.clock.now()).map_err(Error::work_dir)?;
        Ok(run.report)
    }

    fn remove_manifests(&self, grace_s: i64, report: &mut CollectReport) -> Result<(), Error> {
        let now = self.now_s();
        let mut expired = HashSet::new();
        for (id, record) in self.index.read()?.manifests()? {
            if ManifestRecord::decode(&record)?.state.is_expired(now, grace_s) {
                expired.insert(id);
            }
        }
        if expired.is_empty() {
            return Ok(());
        }
        self.index.write(|tables| {
            for id in &expired {
                tables.remove_manifest(*id)?;
            }
            tables.forget_sources(|id| expired.contains(&id))
        })?;
        for id in &expired {
            self.store.delete(ObjectKey::Manifest(*id))?;
        }
        report.manifests_removed = expired.len() as u64;
        Ok(())
    }

    /// Every chunk that a manifest needs. A manifest that cannot be read stops the collector: it must not
    /// take from it what verify may still repair.
    fn alive_chunks(&self) -> Result<HashSet<ChunkId>, Error> {
        let mut alive = HashSet::new();
        for (id, _) in self.index.read()?.manifests()? {
            let (root, manifest) = (self.root(id)?, self.manifest(id)?);
            alive.extend(chunks_of(&root, &manifest).map(|chunk| chunk.id));
        }
        self.pins.extend_into(&mut alive);
        Ok(alive)
    }
}

/// Sets these counts; gives the states that were wrong and what they are now.
fn set_counts(
    tables: &Tables<'_>,
    wrong: &[(ManifestId, u64)],
    now: i64,
) -> Result<Vec<(ManifestId, RefState, RefState)>, Error> {
    let mut repaired = Vec::with_capacity(wrong.len());
    for (id, count) in wrong {
        let Some(bytes) = tables.manifest(*id)? else { continue };
        let mut record = ManifestRecord::decode(&bytes)?;
        let state = record.state.recounted(*count, now);
        tracing::warn!(manifest = %id, was = ?record.state, is = ?state, "Repaired a reference count");
        repaired.push((*id, record.state, state));
        record.state = state;
        tables.set_manifest(*id, &record.encode())?;
    }
    Ok(repaired)
}

struct Run<'a> {
    library: &'a Library,
    monitor: &'a dyn Monitor,
    alive: &'a HashSet<ChunkId>,
    now: i64,
    grace_s: i64,
    report: CollectReport,
}

impl Run<'_> {
    fn sweep_packs(&mut self) -> Result<(), Error> {
        let packs = self.library.index.read()?.packs()?;
        let mut sparse = Vec::new();
        for (id, record) in packs {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.monitor.count(Counter::Packs, 1);
            let idle_since = record.retired.unwrap_or(record.added);
            if idle_since.saturating_add(self.grace_s) > self.now {
                continue;
            }
            let (_, index) = match read_index(&*self.library.store, id, record.bytes) {
                Ok(read) => read,
                Err(error) => {
                    self.monitor.error(&format!("Pack {id} cannot be read and is left for verify: {error}"));
                    continue;
                }
            };
            let living = index.entries.iter().filter(|entry| self.is_alive(entry));
            let living_bytes: u64 = living.map(|entry| u64::from(entry.stored_bytes)).sum();
            if record.retired.is_some() || living_bytes == 0 {
                self.remove(id, record, &index.entries)?;
            } else if living_bytes * 100 < record.footer.index_offset * ALIVE_PERCENT_MIN {
                sparse.push((id, record, index.entries));
            }
        }
        self.report.more = sparse.len() > REWRITTEN_PACKS_MAX;
        sparse.truncate(REWRITTEN_PACKS_MAX);
        self.rewrite(&sparse)
    }

    /// A patch lives with the chunk it leads to: distribution points that lag hold bases the site dropped.
    fn is_alive(&self, entry: &PackEntry) -> bool {
        self.alive.contains(&entry.chunk)
    }

    fn remove(&mut self, id: PackId, record: PackRecord, entries: &[PackEntry]) -> Result<(), Error> {
        let chunks: Vec<ChunkId> = entries.iter().map(|entry| entry.chunk).collect();
        self.library.index.write(|tables| {
            tables.drop_locations(record.number, Some(&chunks))?;
            tables.remove_pack(id, record)
        })?;
        self.library.delete_forgotten(id)?;
        self.report.packs_removed += 1;
        self.report.bytes_removed += record.bytes;
        Ok(())
    }

    /// Moves what lives in sparse packs to new ones and retires the old, in one change of the index.
    fn rewrite(&mut self, sparse: &[(PackId, PackRecord, Vec<PackEntry>)]) -> Result<(), Error> {
        if sparse.is_empty() {
            return Ok(());
        }
        let library = self.library;
        let writer = library.writer();
        let mut moved = HashSet::new();
        let mut rewritten = Vec::new();
        for (id, record, entries) in sparse {
            let mut is_sound = true;
            for entry in entries.iter().filter(|entry| self.is_alive(entry)) {
                let read = library.store.read(ObjectKey::Pack(*id), entry.offset..entry.end());
                let Some(stored) = read.ok().filter(|stored| stored_check(stored) == entry.stored_check)
                else {
                    self.monitor.error(&format!("Pack {id} is damaged and is left for verify"));
                    is_sound = false;
                    break;
                };
                if moved.insert((entry.chunk, entry.encoding.clone())) {
                    writer.append(entry.chunk, entry.raw_bytes, &stored, entry.encoding.clone())?;
                }
            }
            if is_sound {
                rewritten.push((*id, *record, entries));
            }
        }
        writer.seal_last()?;
        let packs = writer.take_finished();
        let replaced = |id: PackId| packs.iter().any(|pack| pack.id == id);
        library.index.write(|tables| {
            for pack in &packs {
                tables.add_pack(pack.id, self.now, pack.bytes, pack.footer, &pack.entries)?;
            }
            for (id, record, entries) in rewritten.iter().filter(|(id, ..)| !replaced(*id)) {
                let chunks: Vec<ChunkId> = entries.iter().map(|entry| entry.chunk).collect();
                tables.drop_locations(record.number, Some(&chunks))?;
                tables.retire_pack(*id, *record, self.now)?;
            }
            Ok(())
        })?;
        self.report.packs_rewritten += rewritten.len() as u64;
        Ok(())
    }
}
