//! Writing a prestaged file: every chunk of a version once, as a full copy, proven before it is written.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use super::layout::{self, PACKS_MAX, PackSpan};
use super::{Label, PrestageError};
use crate::error::Error;
use crate::format::{
    Compressor, Encoding, FormatError, Manifest, ManifestRoot, PACK_BYTES_TARGET, PACK_ENTRIES_MAX,
    PACK_FOOTER_BYTES, PACK_HEADER, PackEntry, PackFooter, PackIndex, ROOT_BYTES_MAX, decode_entry,
    stored_check,
};
use crate::ids::{ChunkId, ManifestId, PackId};
use crate::library::{Library, chunks_of};
use crate::monitor::{Counter, Monitor};
use crate::rebuild::read_index;
use crate::store::{ObjectKey, ObjectKind, ObjectStore};

/// How often a chunk is looked for again when packs are rewritten meanwhile.
const LOOKS_MAX: u32 = 2;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Bytes of the file.
    pub bytes: u64,
    /// Distinct chunks in it.
    pub chunks: u64,
    /// Files of the version.
    pub files: u64,
    /// Bytes of all files of the version.
    pub content_bytes: u64,
}

/// A full copy as it is stored.
struct FullCopy {
    encoding: Encoding,
    raw_bytes: u32,
    stored: Vec<u8>,
}

/// Where chunks are read from.
trait Chunks {
    fn full_copy(&self, id: ChunkId) -> Result<FullCopy, PrestageError>;
}

impl Library {
    /// Writes the version that the label names as a prestaged file. Other work goes on meanwhile.
    pub fn export(
        &self,
        label: &Label,
        out: &mut dyn Write,
        monitor: &dyn Monitor,
    ) -> Result<Exported, PrestageError> {
        let record = self.record(label.manifest)?;
        let manifest = self.manifest(label.manifest)?;
        Export { chunks: self, root_bytes: &record.root, manifest: &manifest, monitor }.run(label, out)
    }
}

impl Chunks for Library {
    fn full_copy(&self, id: ChunkId) -> Result<FullCopy, PrestageError> {
        for _ in 0..LOOKS_MAX {
            let view = self.index.read()?;
            for location in view.locations(id)? {
                let entry = location.entry;
                let Some(pack) = view.pack_id(location.pack)?.filter(|_| entry.encoding.is_full()) else {
                    continue;
                };
                if let Some(copy) = proven(&*self.store, pack, &entry) {
                    return Ok(copy);
                }
            }
        }
        // No full copy is good, so perhaps a patch leads to it.
        let raw = self.chunk(id)?;
        let (encoding, compressed) = Compressor::new().full_copy(&raw)?;
        let raw_bytes = u32::try_from(raw.len()).expect("a chunk is at most CHUNK_BYTES_MAX");
        Ok(FullCopy { encoding, raw_bytes, stored: compressed.unwrap_or(raw) })
    }
}

fn proven(store: &dyn ObjectStore, pack: PackId, entry: &PackEntry) -> Option<FullCopy> {
    let stored = store.read(ObjectKey::Pack(pack), entry.offset..entry.end()).ok()?;
    decode_entry(entry, &stored, &[]).ok()?;
    Some(FullCopy { encoding: entry.encoding.clone(), raw_bytes: entry.raw_bytes, stored })
}

/// One version read from the objects alone, without the library's index: packs and roots never change, so this
/// works beside the process that has the library open. Finding the chunks reads the index of every pack.
#[derive(Debug)]
pub struct StoreReader<'a> {
    store: &'a dyn ObjectStore,
    root: ManifestRoot,
    root_bytes: Vec<u8>,
    manifest: Manifest,
    places: HashMap<ChunkId, (PackId, PackEntry)>,
}

impl<'a> StoreReader<'a> {
    /// Finds the version's chunks.
    /// Errors: [`Error::UnknownManifest`], [`Error::ChunkLost`] if one is in no pack.
    pub fn open(
        store: &'a dyn ObjectStore,
        id: ManifestId,
        monitor: &dyn Monitor,
    ) -> Result<Self, PrestageError> {
        let key = ObjectKey::Manifest(id);
        let bytes = store.size(key).map_err(Error::from)?.ok_or(Error::UnknownManifest { id })?;
        let root_bytes = store.read(key, 0..bytes.min(ROOT_BYTES_MAX)).map_err(Error::from)?;
        let root = ManifestRoot::decode(&root_bytes, id)?;
        let mut reader = Self {
            store,
            root: root.clone(),
            root_bytes,
            manifest: Manifest::default(),
            places: HashMap::new(),
        };
        let mut packs = Vec::new();
        store
            .list(ObjectKind::Pack, &mut |object| packs.push((object.key, object.bytes)))
            .map_err(Error::from)?;
        reader.find(&packs, root.chunks.iter().map(|chunk| chunk.id).collect(), monitor)?;
        let mut stream = Vec::new();
        for chunk in &root.chunks {
            let (pack, entry) = &reader.places[&chunk.id];
            let stored =
                store.read(ObjectKey::Pack(*pack), entry.offset..entry.end()).map_err(Error::from)?;
            stream.extend_from_slice(&decode_entry(entry, &stored, &[])?);
        }
        reader.manifest = Manifest::decode(&stream, &root)?;
        let of_files = reader.manifest.files().flat_map(|file| &file.chunks).map(|chunk| chunk.id);
        reader.find(&packs, of_files.collect(), monitor)?;
        Ok(reader)
    }

    /// The version's root: totals and content hash.
    #[must_use]
    pub fn root(&self) -> &ManifestRoot {
        &self.root
    }

    /// Writes the version, which must be the label's, as a prestaged file.
    pub fn export(
        &self,
        label: &Label,
        out: &mut dyn Write,
        monitor: &dyn Monitor,
    ) -> Result<Exported, PrestageError> {
        Export { chunks: self, root_bytes: &self.root_bytes, manifest: &self.manifest, monitor }
            .run(label, out)
    }

    /// Notes where a full copy of each of these chunks is.
    fn find(
        &mut self,
        packs: &[(ObjectKey, u64)],
        mut wanted: HashSet<ChunkId>,
        monitor: &dyn Monitor,
    ) -> Result<(), PrestageError> {
        wanted.retain(|chunk| !self.places.contains_key(chunk));
        for (key, bytes) in packs {
            if wanted.is_empty() {
                break;
            }
            if monitor.cancelled() {
                return Err(PrestageError::Cancelled);
            }
            monitor.count(Counter::Packs, 1);
            let ObjectKey::Pack(id) = *key else { continue };
            // A pack that went meanwhile, or is damaged, is no reason to look at no other.
            let Ok((_, index)) = read_index(self.store, id, *bytes) else { continue };
            for entry in index.entries {
                if entry.encoding.is_full() && wanted.remove(&entry.chunk) {
                    self.places.insert(entry.chunk, (id, entry));
                }
            }
        }
        match wanted.into_iter().next() {
            Some(id) => Err(Error::ChunkLost { id }.into()),
            None => Ok(()),
        }
    }
}

impl Chunks for StoreReader<'_> {
    fn full_copy(&self, id: ChunkId) -> Result<FullCopy, PrestageError> {
        let place = self.places.get(&id);
        Ok(place.and_then(|(pack, entry)| proven(self.store, *pack, entry)).ok_or(Error::ChunkLost { id })?)
    }
}

struct Export<'a> {
    chunks: &'a dyn Chunks,
    root_bytes: &'a [u8],
    manifest: &'a Manifest,
    monitor: &'a dyn Monitor,
}

impl Export<'_> {
    fn run(&self, label: &Label, out: &mut dyn Write) -> Result<Exported, PrestageError> {
        let root = ManifestRoot::decode(self.root_bytes, label.manifest)?;
        if let Some(why) = layout::unfit(label) {
            return Err(PrestageError::Label(why));
        }
        if label.content_hash != root.content_hash {
            return Err(PrestageError::Label("the content hash is not the version's"));
        }
        let mut file = Hashed { out, hasher: blake3::Hasher::new(), bytes: 0 };
        file.put(&layout::encode_header(label, self.root_bytes))?;
        let mut packs = Packs { file, done: Vec::new(), open: None };
        let mut written = HashSet::new();
        for chunk in chunks_of(&root, self.manifest) {
            if self.monitor.cancelled() {
                return Err(PrestageError::Cancelled);
            }
            if written.insert(chunk.id) {
                let copy = self.chunks.full_copy(chunk.id)?;
                self.monitor.count(Counter::Entries, 1);
                self.monitor.count(Counter::StoredBytes, copy.stored.len() as u64);
                packs.append(chunk.id, &copy)?;
            }
        }
        let bytes = packs.finish()?;
        Ok(Exported { bytes, chunks: written.len() as u64, files: root.files, content_bytes: root.bytes })
    }
}

/// A file under way, with the hash of what is in it.
struct Hashed<'w> {
    out: &'w mut dyn Write,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Hashed<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), PrestageError> {
        self.out.write_all(bytes).map_err(PrestageError::Write)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Packs written one after the other.
struct Packs<'w> {
    file: Hashed<'w>,
    done: Vec<PackSpan>,
    open: Option<OpenPack>,
}

struct OpenPack {
    entries: Vec<PackEntry>,
    end: u64,
}

impl Packs<'_> {
    fn append(&mut self, chunk: ChunkId, copy: &FullCopy) -> Result<(), PrestageError> {
        if self.open.is_none() {
            self.file.put(&PACK_HEADER)?;
            self.open = Some(OpenPack { entries: Vec::new(), end: PACK_HEADER.len() as u64 });
        }
        self.file.put(&copy.stored)?;
        let pack = self.open.as_mut().expect("opened above");
        let entry = PackEntry {
            chunk,
            raw_bytes: copy.raw_bytes,
            offset: pack.end,
            stored_bytes: u32::try_from(copy.stored.len()).expect("a stored chunk is below 2^32"),
            stored_check: stored_check(&copy.stored),
            encoding: copy.encoding.clone(),
        };
        pack.end = entry.end();
        pack.entries.push(entry);
        let is_full = pack.end >= PACK_BYTES_TARGET || pack.entries.len() >= PACK_ENTRIES_MAX;
        if is_full { self.seal() } else { Ok(()) }
    }

    fn seal(&mut self) -> Result<(), PrestageError> {
        let Some(OpenPack { entries, end }) = self.open.take() else { return Ok(()) };
        let index = PackIndex { entries }.encode();
        let footer = PackFooter { index_offset: end, index_bytes: index.len() as u64 };
        self.file.put(&index)?;
        self.file.put(&footer.encode())?;
        let bytes = end + footer.index_bytes + PACK_FOOTER_BYTES;
        self.done.push(PackSpan { id: PackId::of(&index), bytes });
        if self.done.len() > PACKS_MAX {
            return Err(
                FormatError::Malformed { what: "prestaged file", why: "it has too many packs" }.into()
            );
        }
        Ok(())
    }

    /// The list, the footer and the hash; gives the size of the file.
    fn finish(mut self) -> Result<u64, PrestageError> {
        self.seal()?;
        let (list, list_offset) = (layout::encode_list(&self.done), self.file.bytes);
        self.file.put(&list)?;
        self.file.put(&layout::encode_footer(list_offset, list.len() as u64))?;
        let hash = self.file.hasher.finalize();
        self.file.put(hash.as_bytes())?;
        self.file.out.flush().map_err(PrestageError::Write)?;
        Ok(self.file.bytes)
    }
}
