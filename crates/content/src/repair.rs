//! Bringing back what a verify found lost, from bytes that somebody else still has: a distribution point's file,
//! a copy on a shelf. What another library holds comes back by a [`Replica`](crate::Replica) of the version.

use std::collections::HashSet;
use std::sync::PoisonError;

use crate::error::Error;
use crate::format::{ChunkRef, Compressor};
use crate::ids::{ChunkId, FileHash, ManifestId};
use crate::library::{Library, chunks_of};

/// The most lost chunks that are named at once; when they are back, ask again.
pub const LOST_CHUNKS_MAX: usize = 10_000;

/// A chunk that a version needs and that no full copy is left of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostChunk {
    /// The chunk, and how long it is.
    pub chunk: ChunkRef,
    /// Where its bytes are in the version's files; `None` if it is part of the manifest itself.
    pub place: Option<LostPlace>,
}

/// Where a lost chunk's bytes are in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostPlace {
    /// The file, relative to the package.
    pub file: String,
    /// SHA-256 of the whole file.
    pub hash: FileHash,
    /// Where the chunk begins in it, bytes.
    pub offset: u64,
}

/// What an adoption brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Chunks that were lost and are whole again.
    pub chunks: u64,
    /// Chunks whose bytes were others, or that the version does not have.
    pub refused: Vec<ChunkId>,
}

impl Library {
    /// The chunks of a version that the library has lost, the first [`LOST_CHUNKS_MAX`]. What rotted on the disk
    /// counts from the next [`Library::verify`] on, or [`Library::verify_objects`].
    pub fn lost_chunks(&self, id: ManifestId) -> Result<Vec<LostChunk>, Error> {
        let root = self.root(id)?;
        let view = self.index.read()?;
        let (mut lost, mut seen) = (Vec::new(), HashSet::new());
        let mut look = |chunk: &ChunkRef, place: &dyn Fn() -> Option<LostPlace>| -> Result<(), Error> {
            if lost.len() < LOST_CHUNKS_MAX && seen.insert(chunk.id) && !view.has_full(chunk.id)? {
                lost.push(LostChunk { chunk: *chunk, place: place() });
            }
            Ok(())
        };
        for chunk in &root.chunks {
            look(chunk, &|| None)?;
        }
        // A manifest that cannot be read comes back first.
        let Ok(manifest) = self.manifest(id) else { return Ok(lost) };
        for file in manifest.files() {
            let mut offset = 0;
            for chunk in &file.chunks {
                look(chunk, &|| Some(LostPlace { file: file.path.to_string(), hash: file.hash, offset }))?;
                offset += u64::from(chunk.len);
            }
        }
        Ok(lost)
    }

    /// Takes back lost chunks of a version: raw bytes, each proven against its id. Chunks that are not lost are
    /// passed over. Durable when it returns; the route to the version is whole again with the last of them.
    pub fn adopt(
        &self,
        id: ManifestId,
        chunks: impl IntoIterator<Item = (ChunkId, Vec<u8>)>,
    ) -> Result<Adopted, Error> {
        let root = self.root(id)?;
        let manifest = self.manifest(id).unwrap_or_default();
        let needed: HashSet<ChunkId> = chunks_of(&root, &manifest).map(|chunk| chunk.id).collect();
        let (writer, mut compressor) = (self.writer(), Compressor::new());
        let (mut adopted, mut done) = (Adopted::default(), HashSet::new());
        for (chunk, raw) in chunks {
            if !needed.contains(&chunk) || ChunkId::of(&raw) != chunk {
                adopted.refused.push(chunk);
            } else if !self.index.read()?.has_full(chunk)? && done.insert(chunk) {
                writer.append_full(&mut compressor, chunk, &raw)?;
            }
        }
        writer.seal_last()?;
        let packs = writer.take_finished();
        let now = self.now_s();
        let _shared = self.use_of_chunks.read().unwrap_or_else(PoisonError::into_inner);
        self.index.write(|tables| {
            packs
                .iter()
                .try_for_each(|pack| tables.add_pack(pack.id, now, pack.bytes, pack.footer, &pack.entries))
        })?;
        adopted.chunks = done.len() as u64;
        Ok(adopted)
    }
}
