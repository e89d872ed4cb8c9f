//! How rows of the index are laid out as bytes. The index is rebuildable, so a change raises
//! [`INDEX_FORMAT`] and the next open rebuilds.

use crate::{ChunkId, FileHash, ManifestId, PackId};

/// Written into the index; another number means: rebuild.
pub(super) const INDEX_FORMAT: u32 = 1;

/// A synced file and the chunks it holds, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub(super) size: u64,
    pub(super) chunks: Vec<(ChunkId, u32)>,
}

/// A version whose files are all synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionRecord {
    pub(super) manifest: ManifestId,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The packs of its route: their cached indexes stay while the version does.
    pub(super) packs: Vec<PackId>,
}

/// One file of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathRecord {
    pub(super) hash: FileHash,
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    /// The name as the source spells it; the key is folded.
    pub(super) path: String,
}

impl FileRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.chunks.len() * 36);
        out.extend(self.size.to_le_bytes());
        for (id, len) in &self.chunks {
            out.extend(id.as_bytes());
            out.extend(len.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let size = u64::from_le_bytes(fields.take()?);
        let mut chunks = Vec::with_capacity(fields.0.len() / 36);
        while !fields.0.is_empty() {
            chunks.push((ChunkId::from_bytes(fields.take()?), u32::from_le_bytes(fields.take()?)));
        }
        Some(Self { size, chunks })
    }
}

impl VersionRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.manifest.as_bytes().to_vec();
        out.extend(self.files.to_le_bytes());
        out.extend(self.bytes.to_le_bytes());
        for pack in &self.packs {
            out.extend(pack.as_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let manifest = ManifestId::from_bytes(fields.take()?);
        let (files, bytes) = (u64::from_le_bytes(fields.take()?), u64::from_le_bytes(fields.take()?));
        let mut packs = Vec::with_capacity(fields.0.len() / 32);
        while !fields.0.is_empty() {
            packs.push(PackId::from_bytes(fields.take()?));
        }
        Some(Self { manifest, files, bytes, packs })
    }
}

impl PathRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.hash.as_bytes().to_vec();
        out.extend(self.size.to_le_bytes());
        out.extend(self.modified_ns.to_le_bytes());
        out.extend(self.path.as_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let hash = FileHash::from_bytes(fields.take()?);
        let (size, modified_ns) = (u64::from_le_bytes(fields.take()?), i64::from_le_bytes(fields.take()?));
        Some(Self { hash, size, modified_ns, path: str::from_utf8(fields.0).ok()?.to_owned() })
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_writing_and_reading_and_torn_rows_are_refused() {
        let file = FileRecord { size: 7, chunks: vec![(ChunkId::of(b"a"), 3), (ChunkId::of(b"b"), 4)] };
        let version = VersionRecord {
            manifest: ManifestId::from_bytes([1; 32]),
            files: 2,
            bytes: 9,
            packs: vec![PackId::from_bytes([2; 32])],
        };
        let path = PathRecord {
            hash: FileHash::from_bytes([3; 32]),
            size: 7,
            modified_ns: -5,
            path: "Net/e1d.sys".to_owned(),
        };
        assert_eq!(FileRecord::decode(&file.encode()), Some(file.clone()));
        assert_eq!(VersionRecord::decode(&version.encode()), Some(version.clone()));
        assert_eq!(PathRecord::decode(&path.encode()), Some(path));
        assert_eq!(FileRecord::decode(&file.encode()[..20]), None);
        assert_eq!(VersionRecord::decode(&version.encode()[..60]), None);
        assert_eq!(PathRecord::decode(&[0; 40]), None);
    }
}
