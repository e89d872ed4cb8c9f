//! Which chunks a new one is likely to resemble: those at the same place in the previous version, then of the
//! same name elsewhere, then near twins by content.

use std::collections::HashMap;

use crate::format::{ChunkRef, Entry, FileEntry, Manifest, PATCH_BASES_MAX};
use crate::ids::ChunkId;
use crate::path::{ContentPath, fold};

/// Where a chunk lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: ContentPath,
    pub(super) offset: u64,
    pub(super) file_bytes: u64,
}

/// The previous version, made ready for questions.
#[derive(Debug, Default)]
pub(super) struct Previous {
    files: Vec<FileEntry>,
    by_path: HashMap<String, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Previous {
    pub(super) fn new(manifest: Manifest) -> Previous {
        let files = manifest.entries.into_iter().filter_map(|entry| match entry {
            Entry::File(file) if !file.chunks.is_empty() => Some(file),
            Entry::File(_) | Entry::Folder(_) => None,
        });
        let files: Vec<FileEntry> = files.collect();
        let mut by_path = HashMap::with_capacity(files.len());
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, file) in files.iter().enumerate() {
            by_path.insert(file.path.fold(), i);
            by_name.entry(fold(file.path.name())).or_default().push(i);
        }
        Previous { files, by_path, by_name }
    }

    /// The chunks around the same place of the file with the same path.
    pub(super) fn same_path(&self, place: &Place, len: u32) -> Option<Vec<ChunkId>> {
        let file = &self.files[*self.by_path.get(&place.path.fold())?];
        Some(around(file, place, len))
    }

    /// The same for the file of that name in another folder whose size is nearest.
    pub(super) fn same_name(&self, place: &Place, len: u32) -> Option<Vec<ChunkId>> {
        let named = self.by_name.get(&fold(place.path.name()))?;
        let path = place.path.fold();
        let others = named.iter().map(|i| &self.files[*i]).filter(|file| file.path.fold() != path);
        let nearest = others.min_by_key(|file| file.size.abs_diff(place.file_bytes))?;
        Some(around(nearest, place, len))
    }
}

fn around(file: &FileEntry, place: &Place, len: u32) -> Vec<ChunkId> {
    nearest(&file.chunks, file.size, place.offset, len, place.file_bytes)
}

/// Of `chunks`, which make up `old_bytes`, up to four nearest to where `offset..offset + len` of `new_bytes`
/// would be, in order. Edits move content, so the neighbors are taken too.
pub(super) fn nearest(
    chunks: &[ChunkRef],
    old_bytes: u64,
    offset: u64,
    len: u32,
    new_bytes: u64,
) -> Vec<ChunkId> {
    let middle = u128::from(offset + u64::from(len) / 2);
    let scaled = middle * u128::from(old_bytes) / u128::from(new_bytes.max(1));
    let wanted = u64::try_from(scaled).unwrap_or(u64::MAX);
    let mut start = 0;
    let mut by_distance: Vec<(u64, usize)> = Vec::with_capacity(chunks.len());
    for (i, chunk) in chunks.iter().enumerate() {
        by_distance.push(((start + u64::from(chunk.len) / 2).abs_diff(wanted), i));
        start += u64::from(chunk.len);
    }
    by_distance.sort_unstable();
    by_distance.truncate(PATCH_BASES_MAX);
    let mut chosen: Vec<usize> = by_distance.into_iter().map(|(_, i)| i).collect();
    chosen.sort_unstable();
    let mut ids: Vec<ChunkId> = chosen.into_iter().map(|i| chunks[i].id).collect();
    ids.dedup();
    ids
}

/// The index's key for a file name, whatever its case.
pub(super) fn name_key(path: &ContentPath) -> u64 {
    let hash = blake3::hash(fold(path.name()).as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FileHash;

    fn chunk(text: &str, len: u32) -> ChunkRef {
        ChunkRef { id: ChunkId::of(text.as_bytes()), len }
    }

    fn file(path: &str, size: u64) -> Entry {
        let chunks = vec![chunk(path, u32::try_from(size).unwrap())];
        let hash = FileHash::of(b"");
        Entry::File(FileEntry { path: ContentPath::new(path).unwrap(), size, modified: 0, hash, chunks })
    }

    fn place(path: &str, file_bytes: u64) -> Place {
        Place { path: ContentPath::new(path).unwrap(), offset: 0, file_bytes }
    }

    #[test]
    fn path_first_then_the_name_nearest_in_size() {
        let previous = Previous::new(Manifest {
            entries: vec![file("a.sys", 10), file("x/b.sys", 500), file("y/b.sys", 90)],
        });
        let id = |text: &str| Some(vec![ChunkId::of(text.as_bytes())]);
        assert_eq!(previous.same_path(&place("A.SYS", 12), 12), id("a.sys"));
        assert_eq!(previous.same_path(&place("b.sys", 12), 12), None);
        assert_eq!(previous.same_name(&place("z/B.sys", 100), 100), id("y/b.sys"));
        assert_eq!(previous.same_name(&place("a.sys", 100), 100), None);
    }

    #[test]
    fn a_region_takes_its_neighbors_in_order_the_earlier_of_two_as_near() {
        let chunks: Vec<ChunkRef> = (0..10).map(|i| chunk(&i.to_string(), 100)).collect();
        let ids = |range: std::ops::Range<usize>| chunks[range].iter().map(|c| c.id).collect::<Vec<_>>();
        for (offset, expect) in [(0, ids(0..4)), (500, ids(3..7)), (900, ids(6..10))] {
            assert_eq!(nearest(&chunks, 1000, offset, 100, 1000), expect, "{offset}");
        }
        // Twice as large as before: the same relative place.
        assert_eq!(nearest(&chunks, 1000, 1800, 200, 2000), ids(6..10));
    }
}
