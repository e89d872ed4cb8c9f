//! Which chunks of a version are missing, which came and are not in the index yet, and what came wrong.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use crate::format::PackEntry;
use crate::ids::ChunkId;
use crate::writer::Piece;

/// A chunk that is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lack {
    pub(super) len: u32,
    /// Places in the version's files; progress counts each.
    pub(super) copies: u64,
}

/// What was wrong with what came for a chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Complaint {
    /// A patch towards it failed: only the whole chunk will do.
    pub(super) whole_only: bool,
    pub(super) refusals: u8,
}

/// The chunks of one version on its way in. Shared by the threads that feed it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    missing: HashMap<ChunkId, Lack>,
    /// Full copies that came and that the index does not know yet.
    pieces: HashMap<ChunkId, Piece>,
    /// Chunks that the index knows and nobody can read: they have to come again.
    unreadable: HashSet<ChunkId>,
    complaints: HashMap<ChunkId, Complaint>,
}

impl Wanted {
    /// Replaces what is missing, but for what came meanwhile.
    pub(super) fn set_missing(&self, mut missing: HashMap<ChunkId, Lack>) {
        let mut state = self.state();
        missing.retain(|id, _| !state.pieces.contains_key(id));
        state.missing = missing;
    }

    pub(super) fn is_missing(&self, id: ChunkId) -> bool {
        self.state().missing.contains_key(&id)
    }

    /// How many chunks are missing, and how many bytes of files they stand for.
    pub(super) fn missing(&self) -> (u64, u64) {
        let state = self.state();
        let bytes = state.missing.values().map(|lack| u64::from(lack.len) * lack.copies);
        (state.missing.len() as u64, bytes.sum())
    }

    /// A chunk came, and this is its full copy.
    pub(super) fn come(&self, id: ChunkId, piece: Piece) {
        let mut state = self.state();
        state.missing.remove(&id);
        state.unreadable.remove(&id);
        state.complaints.remove(&id);
        state.pieces.insert(id, piece);
    }

    /// The copy of a chunk that the index does not know yet.
    pub(super) fn piece(&self, id: ChunkId) -> Option<Piece> {
        self.state().pieces.get(&id).cloned()
    }

    /// Whether a chunk came that the index does not know yet.
    pub(super) fn has_come(&self, id: ChunkId) -> bool {
        self.state().pieces.contains_key(&id)
    }

    /// The index knows these now.
    pub(super) fn indexed(&self, entries: &[PackEntry]) {
        let mut state = self.state();
        for entry in entries.iter().filter(|entry| entry.encoding.is_full()) {
            state.pieces.remove(&entry.chunk);
        }
    }

    /// What the index does not know is lost, as far as anybody can tell.
    pub(super) fn forget_pieces(&self) {
        self.state().pieces.clear();
    }

    /// The index is wrong about a chunk.
    pub(super) fn distrust(&self, id: ChunkId) {
        self.state().unreadable.insert(id);
    }

    pub(super) fn is_distrusted(&self, id: ChunkId) -> bool {
        self.state().unreadable.contains(&id)
    }

    /// What came for a chunk was not it.
    pub(super) fn refuse(&self, id: ChunkId, was_patch: bool) {
        let mut state = self.state();
        let complaint = state.complaints.entry(id).or_default();
        complaint.whole_only |= was_patch;
        complaint.refusals = complaint.refusals.saturating_add(1);
    }

    /// A chunk's patch cannot be used, through no fault of the patch.
    pub(super) fn want_whole(&self, id: ChunkId) {
        self.state().complaints.entry(id).or_default().whole_only = true;
    }

    pub(super) fn complaint(&self, id: ChunkId) -> Complaint {
        self.state().complaints.get(&id).copied().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding what is wanted")
    }
}
