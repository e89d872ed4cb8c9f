//! A pack: many chunks in one immutable object, its index at the end.
//!
//! The pack's id is the hash of the index, and the index holds a check of every stored piece. So an index
//! verifies alone, and any range of the pack verifies against it, whoever served them.

use super::chunker::CHUNK_BYTES_MAX;
use super::codec::{FormatError, Reader, put_varint};
use crate::ids::{ChunkId, PackId};

/// The version that this program writes.
pub const PACK_VERSION: u16 = 1;
/// The first bytes of a pack; stored chunks follow.
pub const PACK_HEADER: [u8; 16] = *b"HAULPACK\x01\0\0\0\0\0\0\0";
/// Bytes of the footer that ends a pack.
pub const PACK_FOOTER_BYTES: u64 = 24;
/// A pack is closed when its stored chunks reach this size.
pub const PACK_BYTES_TARGET: u64 = 32 << 20;
/// The most entries in an index.
pub const PACK_ENTRIES_MAX: usize = 1 << 17;
/// The most bytes in an index.
pub const PACK_INDEX_BYTES_MAX: u64 = 32 << 20;
/// The most bases of a patch; together they bound the memory of decoding one.
pub const PATCH_BASES_MAX: usize = 4;

const INDEX_MAGIC: &[u8] = b"HPIX";
const FOOTER_MAGIC: &[u8; 8] = b"HAULPEND";
const TAG_STORED: u8 = 0;
const TAG_ZSTD: u8 = 1;
const TAG_PATCH: u8 = 2;

/// How stored bytes become a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    Stored,
    /// One zstd frame.
    Zstd,
    /// One zstd frame whose prefix is the concatenation of these chunks.
    Patch {
        /// 1 to [`PATCH_BASES_MAX`].
        bases: Vec<ChunkId>,
    },
}

impl Encoding {
    /// The chunks that must be at hand to decode; none for a full copy.
    #[must_use]
    pub fn bases(&self) -> &[ChunkId] {
        match self {
            Encoding::Stored | Encoding::Zstd => &[],
            Encoding::Patch { bases } => bases,
        }
    }

    /// Whether it needs nothing else.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bases().is_empty()
    }
}

/// One stored piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackEntry {
    /// The chunk it becomes.
    pub chunk: ChunkId,
    /// The chunk's size, 1 to [`CHUNK_BYTES_MAX`].
    pub raw_bytes: u32,
    /// Where the stored bytes begin in the pack.
    pub offset: u64,
    /// How many there are, 1 to [`CHUNK_BYTES_MAX`].
    pub stored_bytes: u32,
    /// Their check: see [`super::stored_check`].
    pub stored_check: u64,
    /// How to decode them.
    pub encoding: Encoding,
}

impl PackEntry {
    /// Where the stored bytes end in the pack.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.stored_bytes)
    }
}

/// All entries of a pack, by offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackIndex {
    /// Ascending by offset, without overlap.
    pub entries: Vec<PackEntry>,
}

impl PackIndex {
    /// The index's bytes; [`PackId::of`] them names the pack.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = INDEX_MAGIC.to_vec();
        out.extend_from_slice(&PACK_VERSION.to_le_bytes());
        put_varint(&mut out, self.entries.len() as u64);
        let mut end = PACK_HEADER.len() as u64;
        for entry in &self.entries {
            debug_assert!(entry.offset >= end, "entries are ascending");
            encode_pack_entry(&mut out, entry, end);
            end = entry.end();
        }
        out
    }

    /// Checks the bytes against the pack's id, then reads them.
    pub fn decode(bytes: &[u8], expected: PackId) -> Result<PackIndex, FormatError> {
        if PackId::of(bytes) != expected {
            return Err(FormatError::Hash { what: "pack index" });
        }
        let mut reader = Reader::new(bytes, "pack index");
        reader.header(INDEX_MAGIC, PACK_VERSION)?;
        let count = reader.varint_usize(PACK_ENTRIES_MAX)?;
        let mut entries = Vec::with_capacity(count.min(bytes.len() / 40));
        let mut end = PACK_HEADER.len() as u64;
        for _ in 0..count {
            let entry = decode_pack_entry(&mut reader, end)?;
            end = entry.end();
            entries.push(entry);
        }
        reader.finish()?;
        Ok(PackIndex { entries })
    }
}

/// Appends one entry; its offset is stored as the gap after `previous_end`.
fn encode_pack_entry(out: &mut Vec<u8>, entry: &PackEntry, previous_end: u64) {
    out.extend_from_slice(entry.chunk.as_bytes());
    encode_entry_body(out, entry, previous_end);
}

/// Appends all of an entry but its chunk's id.
pub(crate) fn encode_entry_body(out: &mut Vec<u8>, entry: &PackEntry, previous_end: u64) {
    match &entry.encoding {
        Encoding::Stored => out.push(TAG_STORED),
        Encoding::Zstd => out.push(TAG_ZSTD),
        Encoding::Patch { bases } => {
            assert!((1..=PATCH_BASES_MAX).contains(&bases.len()), "a patch has 1 to 4 bases");
            out.push(TAG_PATCH - 1 + u8::try_from(bases.len()).expect("at most 4"));
            for base in bases {
                out.extend_from_slice(base.as_bytes());
            }
        }
    }
    put_varint(out, u64::from(entry.raw_bytes));
    put_varint(out, entry.offset - previous_end);
    put_varint(out, u64::from(entry.stored_bytes));
    out.extend_from_slice(&entry.stored_check.to_le_bytes());
}

fn decode_pack_entry(reader: &mut Reader<'_>, previous_end: u64) -> Result<PackEntry, FormatError> {
    let chunk = ChunkId::from_bytes(reader.id()?);
    decode_entry_body(reader, chunk, previous_end)
}

/// Reads what [`encode_entry_body`] wrote.
pub(crate) fn decode_entry_body(
    reader: &mut Reader<'_>,
    chunk: ChunkId,
    previous_end: u64,
) -> Result<PackEntry, FormatError> {
    let encoding = match reader.u8()? {
        TAG_STORED => Encoding::Stored,
        TAG_ZSTD => Encoding::Zstd,
        tag if (TAG_PATCH..TAG_PATCH + 4).contains(&tag) => {
            let count = usize::from(tag - TAG_PATCH + 1);
            let bases =
                (0..count).map(|_| Ok(ChunkId::from_bytes(reader.id()?))).collect::<Result<_, _>>()?;
            Encoding::Patch { bases }
        }
        _ => return Err(reader.malformed("an encoding is unknown")),
    };
    let raw_bytes = reader.varint_u32(CHUNK_BYTES_MAX)?;
    let gap = reader.varint()?;
    let stored_bytes = reader.varint_u32(CHUNK_BYTES_MAX)?;
    let stored_check = reader.u64()?;
    if raw_bytes == 0 || stored_bytes == 0 {
        return Err(reader.malformed("an entry is empty"));
    }
    if encoding == Encoding::Stored && raw_bytes != stored_bytes {
        return Err(reader.malformed("a stored chunk has two sizes"));
    }
    let offset = previous_end
        .checked_add(gap)
        .filter(|offset| *offset <= u64::MAX - u64::from(CHUNK_BYTES_MAX))
        .ok_or_else(|| reader.malformed("an offset is out of range"))?;
    Ok(PackEntry { chunk, raw_bytes, offset, stored_bytes, stored_check, encoding })
}

/// Where a pack's index is; the last bytes of the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackFooter {
    /// Where the index begins.
    pub index_offset: u64,
    /// How long it is.
    pub index_bytes: u64,
}

impl PackFooter {
    /// The footer's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FOOTER_MAGIC.to_vec();
        out.extend_from_slice(&self.index_offset.to_le_bytes());
        out.extend_from_slice(&self.index_bytes.to_le_bytes());
        out
    }

    /// Reads the last [`PACK_FOOTER_BYTES`] of a pack of `pack_bytes` bytes.
    pub fn decode(bytes: &[u8], pack_bytes: u64) -> Result<PackFooter, FormatError> {
        let mut reader = Reader::new(bytes, "pack footer");
        if reader.bytes(FOOTER_MAGIC.len())? != FOOTER_MAGIC {
            return Err(reader.malformed("it does not begin with the expected mark"));
        }
        let footer = PackFooter { index_offset: reader.u64()?, index_bytes: reader.u64()? };
        let end = footer
            .index_offset
            .checked_add(footer.index_bytes)
            .and_then(|end| end.checked_add(PACK_FOOTER_BYTES));
        if end != Some(pack_bytes)
            || footer.index_bytes > PACK_INDEX_BYTES_MAX
            || footer.index_offset < PACK_HEADER.len() as u64
        {
            return Err(reader.malformed("it does not fit the pack's size"));
        }
        reader.finish()?;
        Ok(footer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = ChunkId> {
        any::<[u8; 32]>().prop_map(ChunkId::from_bytes)
    }

    fn any_entry() -> impl Strategy<Value = (ChunkId, u32, u64, u32, u64, Vec<ChunkId>)> {
        let size = 1..=CHUNK_BYTES_MAX;
        (any_id(), size.clone(), 0u64..1 << 40, size, any::<u64>(), prop::collection::vec(any_id(), 0..=4))
    }

    proptest! {
        #[test]
        fn an_index_round_trips(parts in prop::collection::vec(any_entry(), 0..20)) {
            let mut end = PACK_HEADER.len() as u64;
            let entries = parts.into_iter().map(|(chunk, raw_bytes, gap, stored_bytes, stored_check, bases)| {
                let encoding = if bases.is_empty() { Encoding::Zstd } else { Encoding::Patch { bases } };
                let entry = PackEntry { chunk, raw_bytes, offset: end + gap, stored_bytes, stored_check, encoding };
                end = entry.end();
                entry
            }).collect();
            let index = PackIndex { entries };
            let bytes = index.encode();
            prop_assert_eq!(PackIndex::decode(&bytes, PackId::of(&bytes)).unwrap(), index);
        }

        #[test]
        fn whatever_decodes_is_canonical(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [INDEX_MAGIC, &1u16.to_le_bytes(), &bytes].concat();
            if let Ok(index) = PackIndex::decode(&bytes, PackId::of(&bytes)) {
                prop_assert_eq!(index.encode(), bytes);
            }
        }

        #[test]
        fn a_footer_round_trips(offset in 16u64..1 << 50, len in 0..PACK_INDEX_BYTES_MAX) {
            let footer = PackFooter { index_offset: offset, index_bytes: len };
            let total = offset + len + PACK_FOOTER_BYTES;
            prop_assert_eq!(PackFooter::decode(&footer.encode(), total), Ok(footer));
            prop_assert!(PackFooter::decode(&footer.encode(), total + 1).is_err());
        }
    }

    #[test]
    fn damage_and_unknown_versions_are_refused() {
        let bytes = PackIndex::default().encode();
        assert_eq!(
            PackIndex::decode(&bytes, PackId::of(b"other")),
            Err(FormatError::Hash { what: "pack index" })
        );
        let newer = [INDEX_MAGIC, &2u16.to_le_bytes(), &[0]].concat();
        assert_eq!(
            PackIndex::decode(&newer, PackId::of(&newer)),
            Err(FormatError::Version { what: "pack index", version: 2, known: 1 })
        );
        for cut in 0..bytes.len() {
            assert!(PackIndex::decode(&bytes[..cut], PackId::of(&bytes[..cut])).is_err(), "{cut}");
        }
    }
}
