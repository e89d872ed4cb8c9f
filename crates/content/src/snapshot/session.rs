//! One snapshot's writing: each new chunk once in full, and as a patch where that is a good deal smaller.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bases::{Place, Previous, name_key};
use super::similarity::features;
use crate::error::Error;
use crate::format::{Compressor, Encoding, PATCH_BASES_MAX, decode_entry};
use crate::ids::ChunkId;
use crate::index::View;
use crate::library::Library;
use crate::monitor::{Counter, Monitor};
use crate::store::ObjectStore;
use crate::writer::{FinishedPack, PackWriter, Piece};

/// Patches: what most transfers consist of. `docs/format.md` has the measurements.
const PATCH_SMALL_BYTES: usize = 256 << 10;
const PATCH_LEVEL_SMALL: i32 = 19;
const PATCH_LEVEL_LARGE: i32 = 9;
/// Above this many bytes of bases and chunk, level 9 no longer remembers all of the bases.
const PATCH_REACH_BYTES: usize = 8 << 20;
const PATCH_LEVEL_FAR: i32 = 12;
/// A patch is kept if it is smaller than this many percent of the full copy, its index entry included.
const PATCH_PERCENT_MAX: usize = 80;
/// A patch below this many percent ends the search for a better base.
const PATCH_PERCENT_GOOD: usize = 30;
/// What a patch costs in its pack's index: two ids, sizes, a check.
const PATCH_ENTRY_BYTES: usize = 80;
/// How many sets of bases are tried for a chunk.
const BASE_TRIES_MAX: usize = 2;

/// What a snapshot has written so far. Shared by its workers.
pub(super) struct Session<'a> {
    library: &'a Library,
    monitor: &'a dyn Monitor,
    previous: Previous,
    full: PackWriter,
    patches: PackWriter,
    state: Mutex<State>,
    pub(super) new_chunk_bytes: AtomicU64,
    pub(super) stored_new_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Chunks that a worker has taken upon itself to store.
    claimed: HashSet<ChunkId>,
    /// Full copies of this session, which the index does not know yet.
    pieces: HashMap<ChunkId, Piece>,
    features: HashMap<u64, ChunkId>,
    names: HashMap<u64, ChunkId>,
}

/// What the session leaves for the index.
pub(super) struct Written {
    pub(super) packs: Vec<FinishedPack>,
    pub(super) features: Vec<(u64, ChunkId)>,
    pub(super) names: Vec<(u64, ChunkId)>,
}

/// A session that could not end, and the packs that it had put into the store.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) packs: Vec<FinishedPack>,
}

impl<'a> Session<'a> {
    pub(super) fn new(library: &'a Library, monitor: &'a dyn Monitor, previous: Previous) -> Session<'a> {
        Session {
            library,
            monitor,
            previous,
            full: library.writer(),
            patches: library.writer(),
            state: Mutex::default(),
            new_chunk_bytes: AtomicU64::new(0),
            stored_new_bytes: AtomicU64::new(0),
        }
    }

    /// Stores a chunk of a file, unless the library has it.
    pub(super) fn store(
        &self,
        compressor: &mut Compressor,
        id: ChunkId,
        raw: &[u8],
        place: &Place,
    ) -> Result<(), Error> {
        if place.offset == 0 {
            self.state().names.insert(name_key(&place.path), id);
        }
        let view = self.library.index.read()?;
        if !self.claim(&view, id)? {
            return Ok(());
        }
        let keys = features(raw);
        let stored_bytes = self.store_full(compressor, id, raw)?;
        let len = raw_len(raw);
        let mut candidates =
            [self.previous.same_path(place, len), self.previous.same_name(place, len), None, None];
        candidates[2] = self.twin(&view, keys)?;
        candidates[3] = view.name(name_key(&place.path))?.map(|chunk| vec![chunk]);
        self.store_patch(compressor, &view, id, raw, stored_bytes, candidates.into_iter().flatten())?;
        if let Some(keys) = keys {
            let mut state = self.state();
            for key in keys {
                state.features.insert(key, id);
            }
        }
        Ok(())
    }

    /// Stores a chunk of the manifest; `bases` are the previous manifest's chunks around the same place.
    pub(super) fn store_manifest_chunk(
        &self,
        compressor: &mut Compressor,
        id: ChunkId,
        raw: &[u8],
        bases: Vec<ChunkId>,
    ) -> Result<(), Error> {
        let view = self.library.index.read()?;
        if !self.claim(&view, id)? {
            return Ok(());
        }
        let stored_bytes = self.store_full(compressor, id, raw)?;
        self.store_patch(compressor, &view, id, raw, stored_bytes, [bases].into_iter())
    }

    /// Ends the session: everything it wrote is durable in the store.
    pub(super) fn finish(self) -> Result<Written, Failed> {
        if let Err(error) = self.full.seal_last().and_then(|()| self.patches.seal_last()) {
            return Err(Failed { error, packs: self.abandon() });
        }
        let mut packs = self.full.take_finished();
        packs.extend(self.patches.take_finished());
        let state = self.state.into_inner().expect("no one panics while holding the session");
        Ok(Written {
            packs,
            features: state.features.into_iter().collect(),
            names: state.names.into_iter().collect(),
        })
    }

    /// Gives up: what is unfinished goes, what is in the store already is handed out.
    pub(super) fn abandon(self) -> Vec<FinishedPack> {
        let mut packs = self.full.take_finished();
        packs.extend(self.patches.take_finished());
        packs
    }

    fn claim(&self, view: &View<'_>, id: ChunkId) -> Result<bool, Error> {
        Ok(self.state().claimed.insert(id) && !view.has_full(id)?)
    }

    fn store_full(&self, compressor: &mut Compressor, id: ChunkId, raw: &[u8]) -> Result<usize, Error> {
        let piece = self.full.append_full(compressor, id, raw)?;
        let stored_bytes = piece.entry.stored_bytes as usize;
        self.state().pieces.insert(id, piece);
        self.count(raw.len(), stored_bytes);
        Ok(stored_bytes)
    }

    fn count(&self, raw_bytes: usize, stored_bytes: usize) {
        self.new_chunk_bytes.fetch_add(raw_bytes as u64, Ordering::Relaxed);
        self.stored_new_bytes.fetch_add(stored_bytes as u64, Ordering::Relaxed);
        self.monitor.count(Counter::NewChunkBytes, raw_bytes as u64);
        self.monitor.count(Counter::StoredBytes, stored_bytes as u64);
    }

    /// Tries the candidates in order and stores the smallest patch, if it is small enough.
    fn store_patch(
        &self,
        compressor: &mut Compressor,
        view: &View<'_>,
        id: ChunkId,
        raw: &[u8],
        full_bytes: usize,
        candidates: impl Iterator<Item = Vec<ChunkId>>,
    ) -> Result<(), Error> {
        let mut best: Option<(Vec<u8>, Vec<ChunkId>)> = None;
        let mut tried: Vec<Vec<ChunkId>> = Vec::with_capacity(BASE_TRIES_MAX);
        for bases in candidates {
            if tried.len() == BASE_TRIES_MAX
                || bases.is_empty()
                || bases.contains(&id)
                || tried.contains(&bases)
            {
                continue;
            }
            tried.push(bases.clone());
            let Some(prefix) = self.prefix(view, &bases) else { continue };
            let patch = compressor.patch(raw, &prefix, patch_level(raw, &prefix))?;
            let good = cost(&patch) * 100 < full_bytes * PATCH_PERCENT_GOOD;
            if best.as_ref().is_none_or(|(smallest, _)| patch.len() < smallest.len()) {
                best = Some((patch, bases));
            }
            if good {
                break;
            }
        }
        let Some((patch, bases)) = best else { return Ok(()) };
        if cost(&patch) * 100 < full_bytes * PATCH_PERCENT_MAX {
            let piece = self.patches.append(id, raw_len(raw), &patch, Encoding::Patch { bases })?;
            self.count(0, piece.entry.stored_bytes as usize);
        }
        Ok(())
    }

    /// The bases' raw bytes, one after the other; `None` if one cannot be read, which costs the patch and no more.
    fn prefix(&self, view: &View<'_>, bases: &[ChunkId]) -> Option<Vec<u8>> {
        debug_assert!(bases.len() <= PATCH_BASES_MAX, "bases are chosen within the limit");
        let mut prefix = Vec::new();
        for base in bases {
            let piece = self.state().pieces.get(base).cloned();
            let raw = match piece {
                Some(piece) => read_piece(&*self.library.store, &piece),
                None => self.library.read_chunk(view, *base),
            };
            match raw {
                Ok(raw) if prefix.is_empty() => prefix = raw,
                Ok(raw) => prefix.extend_from_slice(&raw),
                Err(error) => {
                    self.monitor.error(&format!("A base for a patch cannot be read: {error}"));
                    return None;
                }
            }
        }
        Some(prefix)
    }

    /// The chunk that shares most features, in this session or the library.
    fn twin(
        &self,
        view: &View<'_>,
        keys: Option<[u64; super::similarity::FEATURES]>,
    ) -> Result<Option<Vec<ChunkId>>, Error> {
        let Some(keys) = keys else { return Ok(None) };
        let mut votes: Vec<(ChunkId, usize)> = Vec::new();
        for key in keys {
            let here = self.state().features.get(&key).copied();
            let Some(chunk) = here.map_or_else(|| view.feature(key), |chunk| Ok(Some(chunk)))? else {
                continue;
            };
            match votes.iter_mut().find(|(voted, _)| *voted == chunk) {
                Some((_, count)) => *count += 1,
                None => votes.push((chunk, 1)),
            }
        }
        Ok(votes.into_iter().max_by_key(|(_, count)| *count).map(|(chunk, _)| vec![chunk]))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding the session")
    }
}

fn patch_level(raw: &[u8], prefix: &[u8]) -> i32 {
    match raw.len() + prefix.len() {
        reach if reach > PATCH_REACH_BYTES => PATCH_LEVEL_FAR,
        _ if raw.len() > PATCH_SMALL_BYTES => PATCH_LEVEL_LARGE,
        _ => PATCH_LEVEL_SMALL,
    }
}

fn cost(patch: &[u8]) -> usize {
    patch.len() + PATCH_ENTRY_BYTES
}

fn raw_len(raw: &[u8]) -> u32 {
    u32::try_from(raw.len()).expect("a chunk is at most CHUNK_BYTES_MAX")
}

fn read_piece(store: &dyn ObjectStore, piece: &Piece) -> Result<Vec<u8>, Error> {
    Ok(decode_entry(&piece.entry, &piece.read(store)?, &[])?)
}
