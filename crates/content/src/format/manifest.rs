//! A manifest: every folder and file of one version, and the root object that names it.
//!
//! The manifest itself travels as a byte stream cut into chunks, stored and patched like any other chunk. The
//! root is the one small object that says which chunks; its hash is the version's name.

use super::chunker::{
    CHUNK_BYTES_MAX, CHUNKER, ChunkerParameters, FILE_CHUNKS, MANIFEST_CHUNKS, WHOLE_FILE_BYTES_MAX,
    cut_manifest,
};
use super::codec::{FormatError, Reader, put_signed, put_varint};
use crate::ids::{ChunkId, FileHash, ManifestId};
use crate::path::ContentPath;

/// The version that this program writes.
pub const MANIFEST_VERSION: u16 = 1;
/// The most entries in a manifest.
pub const MANIFEST_ENTRIES_MAX: usize = 1_000_000;
/// The most bytes in a manifest's stream.
pub const MANIFEST_STREAM_BYTES_MAX: u64 = 256 << 20;
/// The most bytes in a root object.
pub const ROOT_BYTES_MAX: u64 = 2 << 20;

const ROOT_MAGIC: &[u8] = b"HAULMANI";
const TAG_FOLDER: u8 = 0;
const TAG_FILE: u8 = 1;

/// A piece of a file, or of a manifest's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The chunk.
    pub id: ChunkId,
    /// Its raw size, 1 to [`CHUNK_BYTES_MAX`].
    pub len: u32,
}

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is.
    pub path: ContentPath,
    /// Its bytes.
    pub size: u64,
    /// When it was modified: nanoseconds since 1970, UTC.
    pub modified: i64,
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// Its chunks in order; none for an empty file.
    pub chunks: Vec<ChunkRef>,
}

/// A folder or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder, which may be empty.
    Folder(ContentPath),
    /// A file.
    File(FileEntry),
}

impl Entry {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &ContentPath {
        match self {
            Entry::Folder(path) => path,
            Entry::File(file) => &file.path,
        }
    }
}

/// One version's folders and files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Ascending by path, every parent folder before its content.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The files, by path.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::File(file) => Some(file),
            Entry::Folder(_) => None,
        })
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files().map(|file| file.size).sum()
    }

    /// The hash that the original computes for this content (algorithm 32780): SHA-256 over lower-case
    /// backslash paths and upper-case file hashes, folder by folder.
    ///
    /// Times and sizes are no part of it, empty folders are. Siblings are taken in the order of their
    /// lower-case UTF-16 names; how the original orders punctuation and non-ASCII names is not proven.
    #[must_use]
    pub fn content_hash(&self) -> FileHash {
        crate::content_hash::content_hash(self)
    }

    /// The byte stream, to be cut by [`cut_manifest`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * 96);
        let mut previous = "";
        for entry in &self.entries {
            out.push(if matches!(entry, Entry::File(_)) { TAG_FILE } else { TAG_FOLDER });
            let path = entry.path().as_str();
            put_path(&mut out, path, previous);
            previous = path;
            if let Entry::File(file) = entry {
                put_file(&mut out, file);
            }
        }
        out
    }

    /// Reads a stream and checks it against its root's totals. The stream's bytes must already have been
    /// verified, chunk by chunk.
    pub fn decode(stream: &[u8], root: &ManifestRoot) -> Result<Manifest, FormatError> {
        let mut reader = Reader::new(stream, "manifest");
        if stream.len() as u64 != root.stream_bytes() {
            return Err(reader.malformed("its size is not the root's"));
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut open: Vec<ContentPath> = Vec::new();
        let mut previous = String::new();
        while !reader.is_empty() {
            let tag = reader.u8()?;
            let path = read_path(&mut reader, &mut previous)?;
            if entries.last().is_some_and(|last| *last.path() >= path) {
                return Err(reader.malformed("its paths are not in order"));
            }
            while open.last().is_some_and(|folder| path.parent() != Some(folder.as_str())) {
                open.pop();
            }
            if path.parent().is_some() && open.is_empty() {
                return Err(reader.malformed("a path has no parent folder"));
            }
            if entries.len() == MANIFEST_ENTRIES_MAX {
                return Err(reader.malformed("it has too many entries"));
            }
            entries.push(match tag {
                TAG_FOLDER => {
                    open.push(path.clone());
                    Entry::Folder(path)
                }
                TAG_FILE => Entry::File(read_file(&mut reader, path)?),
                _ => return Err(reader.malformed("an entry is of an unknown kind")),
            });
        }
        let manifest = Manifest { entries };
        let (files, folders) = manifest.counts();
        if (files, folders, manifest.bytes()) != (root.files, root.folders, root.bytes) {
            return Err(reader.malformed("its totals are not the root's"));
        }
        Ok(manifest)
    }

    /// How many files and folders there are.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let files = self.files().count() as u64;
        (files, self.entries.len() as u64 - files)
    }
}

/// A path as the length shared with the one before, and the rest.
fn put_path(out: &mut Vec<u8>, path: &str, previous: &str) {
    let mut shared = path.bytes().zip(previous.bytes()).take_while(|(a, b)| a == b).count();
    while !path.is_char_boundary(shared) {
        shared -= 1;
    }
    put_varint(out, shared as u64);
    put_varint(out, (path.len() - shared) as u64);
    out.extend_from_slice(&path.as_bytes()[shared..]);
}

fn read_path(reader: &mut Reader<'_>, previous: &mut String) -> Result<ContentPath, FormatError> {
    let shared = reader.varint_usize(previous.len())?;
    let rest_bytes = reader.varint_usize(4 * crate::path::PATH_CHARS_MAX)?;
    let rest = reader.bytes(rest_bytes)?;
    let rest = std::str::from_utf8(rest).map_err(|_| reader.malformed("a path is not UTF-8"))?;
    if !previous.is_char_boundary(shared) {
        return Err(reader.malformed("a path is split inside a character"));
    }
    if previous[shared..].chars().next().is_some_and(|next| rest.starts_with(next)) {
        return Err(reader.malformed("a path shares more than it says"));
    }
    previous.truncate(shared);
    previous.push_str(rest);
    ContentPath::new(previous).map_err(|_| reader.malformed("a path is not allowed"))
}

fn put_file(out: &mut Vec<u8>, file: &FileEntry) {
    put_varint(out, file.size);
    put_signed(out, file.modified);
    out.extend_from_slice(file.hash.as_bytes());
    if let [single] = &file.chunks[..]
        && file.size <= WHOLE_FILE_BYTES_MAX
    {
        out.extend_from_slice(single.id.as_bytes());
    } else if file.size > 0 {
        put_varint(out, file.chunks.len() as u64);
        for chunk in &file.chunks {
            out.extend_from_slice(chunk.id.as_bytes());
            put_varint(out, u64::from(chunk.len));
        }
    }
}

fn read_file(reader: &mut Reader<'_>, path: ContentPath) -> Result<FileEntry, FormatError> {
    let size = reader.varint()?;
    let modified = reader.signed()?;
    let hash = FileHash::from_bytes(reader.id()?);
    let mut chunks = Vec::new();
    if size > WHOLE_FILE_BYTES_MAX {
        let count = reader.varint()?;
        let mut total = 0u64;
        for _ in 0..count {
            let id = ChunkId::from_bytes(reader.id()?);
            let len = reader.varint_u32(CHUNK_BYTES_MAX)?;
            total += u64::from(len);
            if len == 0 || total > size {
                return Err(reader.malformed("a file's chunks do not add up to its size"));
            }
            chunks.push(ChunkRef { id, len });
        }
        if total != size {
            return Err(reader.malformed("a file's chunks do not add up to its size"));
        }
    } else if size > 0 {
        let len = u32::try_from(size).expect("at most WHOLE_FILE_BYTES_MAX");
        chunks.push(ChunkRef { id: ChunkId::from_bytes(reader.id()?), len });
    }
    Ok(FileEntry { path, size, modified, hash, chunks })
}

/// The object that names a version: totals, and the chunks that the manifest's stream is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRoot {
    /// The number of the chunker that cut the files: [`CHUNKER`].
    pub chunker: u8,
    /// Its sizes for files.
    pub file_chunks: ChunkerParameters,
    /// Its sizes for the manifest's stream.
    pub manifest_chunks: ChunkerParameters,
    /// Files in the version.
    pub files: u64,
    /// Folders in the version, the root not counted.
    pub folders: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The original's content hash.
    pub content_hash: FileHash,
    /// The chunks of the stream, in order.
    pub chunks: Vec<ChunkRef>,
}

impl ManifestRoot {
    /// The root of `manifest`, whose stream is `stream`; chunk `i` is `stream[cut_manifest(stream)[i]]`.
    #[must_use]
    pub fn new(manifest: &Manifest, stream: &[u8]) -> ManifestRoot {
        let (files, folders) = manifest.counts();
        let chunks = cut_manifest(stream)
            .into_iter()
            .map(|cut| ChunkRef {
                len: u32::try_from(cut.len()).expect("a manifest chunk is below 2^32"),
                id: ChunkId::of(&stream[cut]),
            })
            .collect();
        ManifestRoot {
            chunker: CHUNKER,
            file_chunks: FILE_CHUNKS,
            manifest_chunks: MANIFEST_CHUNKS,
            files,
            folders,
            bytes: manifest.bytes(),
            content_hash: manifest.content_hash(),
            chunks,
        }
    }

    /// Bytes of the manifest's stream.
    #[must_use]
    pub fn stream_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
    }

    /// The root's bytes; [`ManifestId::of`] them names the version.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ROOT_MAGIC.to_vec();
        out.extend_from_slice(&MANIFEST_VERSION.to_le_bytes());
        out.push(self.chunker);
        for sizes in [self.file_chunks, self.manifest_chunks] {
            for size in [sizes.min, sizes.average, sizes.max] {
                put_varint(&mut out, u64::from(size));
            }
        }
        for total in [self.files, self.folders, self.bytes] {
            put_varint(&mut out, total);
        }
        out.extend_from_slice(self.content_hash.as_bytes());
        put_varint(&mut out, self.chunks.len() as u64);
        for chunk in &self.chunks {
            out.extend_from_slice(chunk.id.as_bytes());
            put_varint(&mut out, u64::from(chunk.len));
        }
        out
    }

    /// Checks the bytes against the manifest's id, then reads them.
    pub fn decode(bytes: &[u8], expected: ManifestId) -> Result<ManifestRoot, FormatError> {
        if ManifestId::of(bytes) != expected {
            return Err(FormatError::Hash { what: "manifest root" });
        }
        let mut reader = Reader::new(bytes, "manifest root");
        reader.header(ROOT_MAGIC, MANIFEST_VERSION)?;
        let chunker = reader.u8()?;
        let file_chunks = read_sizes(&mut reader)?;
        let manifest_chunks = read_sizes(&mut reader)?;
        let (files, folders) = (reader.varint()?, reader.varint()?);
        let content_bytes = reader.varint()?;
        let content_hash = FileHash::from_bytes(reader.id()?);
        let count = reader.varint_usize(bytes.len() / 32)?;
        let mut chunks = Vec::with_capacity(count);
        for _ in 0..count {
            let id = ChunkId::from_bytes(reader.id()?);
            let len = reader.varint_u32(CHUNK_BYTES_MAX)?;
            if len == 0 {
                return Err(reader.malformed("a chunk is empty"));
            }
            chunks.push(ChunkRef { id, len });
        }
        let root = ManifestRoot {
            chunker,
            file_chunks,
            manifest_chunks,
            files,
            folders,
            bytes: content_bytes,
            content_hash,
            chunks,
        };
        if root.stream_bytes() > MANIFEST_STREAM_BYTES_MAX {
            return Err(reader.malformed("the manifest is too large"));
        }
        reader.finish()?;
        Ok(root)
    }
}

fn read_sizes(reader: &mut Reader<'_>) -> Result<ChunkerParameters, FormatError> {
    Ok(ChunkerParameters {
        min: reader.varint_u32(u32::MAX)?,
        average: reader.varint_u32(u32::MAX)?,
        max: reader.varint_u32(u32::MAX)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, size: u64) -> Entry {
        let chunks = match size {
            0 => vec![],
            1..=WHOLE_FILE_BYTES_MAX => {
                vec![ChunkRef { id: ChunkId::of(path.as_bytes()), len: u32::try_from(size).unwrap() }]
            }
            _ => {
                let half = u32::try_from(size / 2).unwrap();
                let rest = u32::try_from(size - u64::from(half)).unwrap();
                vec![
                    ChunkRef { id: ChunkId::of(b"1"), len: half },
                    ChunkRef { id: ChunkId::of(b"2"), len: rest },
                ]
            }
        };
        let modified = 1_700_000_000_123_456_789 - i64::try_from(size).unwrap();
        Entry::File(FileEntry {
            path: ContentPath::new(path).unwrap(),
            size,
            modified,
            hash: FileHash::of(path.as_bytes()),
            chunks,
        })
    }

    fn folder(path: &str) -> Entry {
        Entry::Folder(ContentPath::new(path).unwrap())
    }

    fn round_trip(manifest: &Manifest) {
        let stream = manifest.encode();
        let root = ManifestRoot::new(manifest, &stream);
        let bytes = root.encode();
        let decoded = ManifestRoot::decode(&bytes, ManifestId::of(&bytes)).unwrap();
        assert_eq!(decoded, root);
        assert_eq!(Manifest::decode(&stream, &decoded).unwrap(), *manifest);
    }

    proptest! {
        #[test]
        // Without n and x there is no con, prn, nul and aux.
        fn manifests_round_trip(names in prop::collection::btree_map("[a-mo-wyzé]{1,6}", 0u64..8_000_000, 0..40)) {
            let mut entries = vec![folder("dir"), folder("dir/empty")];
            entries.extend(names.iter().map(|(name, size)| file(&format!("dir/{name}.sys"), *size)));
            entries.sort_by(|a, b| a.path().cmp(b.path()));
            round_trip(&Manifest { entries });
        }

        #[test]
        fn noise_never_decodes_to_something_else(noise in prop::collection::vec(any::<u8>(), 0..120)) {
            let root = ManifestRoot::new(&Manifest::default(), &noise);
            if let Ok(manifest) = Manifest::decode(&noise, &root) {
                prop_assert_eq!(manifest.encode(), noise);
            }
        }
    }

    #[test]
    fn the_empty_manifest_round_trips() {
        round_trip(&Manifest::default());
    }

    #[test]
    fn streams_that_no_writer_makes_are_refused() {
        for entries in [
            vec![file("b", 1), file("a", 1)],
            vec![file("a", 1), file("a", 1)],
            vec![file("dir/a", 1)],
            vec![file("dir", 1), file("dir/a", 1)],
        ] {
            let manifest = Manifest { entries };
            let stream = manifest.encode();
            let root = ManifestRoot::new(&manifest, &stream);
            assert!(Manifest::decode(&stream, &root).is_err(), "{manifest:?}");
        }
    }

    #[test]
    fn a_root_with_other_totals_is_refused() {
        let manifest = Manifest { entries: vec![file("a", 5)] };
        let stream = manifest.encode();
        let mut root = ManifestRoot::new(&manifest, &stream);
        root.files = 2;
        assert!(Manifest::decode(&stream, &root).is_err());
    }
}
