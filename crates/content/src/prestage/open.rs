//! Reading a prestaged file: nothing of it is used before all of it is proven.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use super::layout::{self, FOOTER_BYTES, HASH_BYTES, HEAD_BYTES, PackSpan};
use super::{Label, PrestageError};
use crate::format::{FormatError, ManifestRoot, PACK_FOOTER_BYTES, PackFooter};
use crate::ids::PackId;
use crate::monitor::{Counter, Monitor};
use crate::plan::FetchRange;

/// Bytes hashed at once.
const READ_BYTES: usize = 1 << 20;

/// A prestaged file that is whole and well-formed: every byte of it is under the hash at its end.
///
/// That hash finds damage, not malice; who made the file is told by the label's signature. What is in the packs
/// is proven once more, chunk by chunk, when it is taken in.
#[derive(Debug)]
pub struct Prestaged<R> {
    file: R,
    label: Label,
    root: Vec<u8>,
    packs: HashMap<PackId, PackPlace>,
    bytes: u64,
}

/// A pack, and where it is in the file.
#[derive(Debug, Clone, Copy)]
struct PackPlace {
    offset: u64,
    footer: PackFooter,
}

impl<R: Read + Seek> Prestaged<R> {
    /// Reads the file from end to end. Memory: the header, the list of packs, 1 MiB.
    /// Errors: [`PrestageError::Malformed`] if it is none, or altered, or cut short.
    pub fn open(mut file: R, monitor: &dyn Monitor) -> Result<Prestaged<R>, PrestageError> {
        let bytes = file.seek(SeekFrom::End(0)).map_err(PrestageError::Read)?;
        let head = read_at(&mut file, 0, HEAD_BYTES)?;
        let rest_bytes = layout::decode_head(&head)?;
        let (label, root) = layout::decode_label(&read_at(&mut file, HEAD_BYTES as u64, rest_bytes)?)?;
        let decoded = ManifestRoot::decode(&root, label.manifest)?;
        if decoded.content_hash != label.content_hash {
            return Err(malformed("its content hash is not the manifest's"));
        }
        let header_end = (HEAD_BYTES + rest_bytes) as u64;
        let tail_bytes = (FOOTER_BYTES + HASH_BYTES) as u64;
        let footer_at = bytes.checked_sub(tail_bytes).filter(|at| *at >= header_end);
        let footer_at = footer_at.ok_or(FormatError::Truncated { what: "prestaged file" })?;
        let footer = read_at(&mut file, footer_at, FOOTER_BYTES)?;
        let (list_at, list_bytes) = layout::decode_footer(&footer, header_end, bytes)?;
        let list = layout::decode_list(&read_at(&mut file, list_at, list_bytes)?, list_at - header_end)?;
        check_hash(&mut file, bytes - HASH_BYTES as u64, monitor)?;
        let packs = places(&mut file, header_end, &list)?;
        Ok(Prestaged { file, label, root, packs, bytes })
    }

    /// What the file says of its version.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The manifest's root object, which is the one that the label names.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The packs in it.
    pub(super) fn packs(&self) -> Vec<PackId> {
        self.packs.keys().copied().collect()
    }

    /// A pack's index; whoever takes it checks it against the pack's id.
    pub(super) fn index(&mut self, pack: PackId) -> Result<Vec<u8>, PrestageError> {
        let PackPlace { offset, footer } = self.place(pack)?;
        let len = usize::try_from(footer.index_bytes).expect("a footer keeps to PACK_INDEX_BYTES_MAX");
        read_at(&mut self.file, offset + footer.index_offset, len)
    }

    /// A range of a pack's pieces.
    pub(super) fn range(&mut self, range: &FetchRange) -> Result<Vec<u8>, PrestageError> {
        let PackPlace { offset, footer } = self.place(range.pack)?;
        let end = range.offset.checked_add(range.len);
        if end.is_none_or(|end| end > footer.index_offset) {
            return Err(malformed("a chunk lies outside its pack"));
        }
        let len = usize::try_from(range.len).expect("a range fits in memory");
        read_at(&mut self.file, offset + range.offset, len)
    }

    fn place(&self, pack: PackId) -> Result<PackPlace, PrestageError> {
        self.packs.get(&pack).copied().ok_or(PrestageError::Incomplete)
    }
}

fn check_hash<R: Read + Seek>(file: &mut R, bytes: u64, monitor: &dyn Monitor) -> Result<(), PrestageError> {
    file.seek(SeekFrom::Start(0)).map_err(PrestageError::Read)?;
    let (mut hasher, mut buffer, mut rest) = (blake3::Hasher::new(), vec![0; READ_BYTES], bytes);
    while rest > 0 {
        if monitor.cancelled() {
            return Err(PrestageError::Cancelled);
        }
        let now = usize::try_from(rest).map_or(READ_BYTES, |rest| rest.min(READ_BYTES));
        read_exact(file, &mut buffer[..now])?;
        hasher.update(&buffer[..now]);
        monitor.count(Counter::BytesRead, now as u64);
        rest -= now as u64;
    }
    let mut expected = [0; HASH_BYTES];
    read_exact(file, &mut expected)?;
    if *hasher.finalize().as_bytes() != expected {
        return Err(FormatError::Hash { what: "prestaged file" }.into());
    }
    Ok(())
}

/// Where each pack and its index are. The list covers the space between header and list exactly.
fn places<R: Read + Seek>(
    file: &mut R,
    header_end: u64,
    list: &[PackSpan],
) -> Result<HashMap<PackId, PackPlace>, PrestageError> {
    let mut packs = HashMap::with_capacity(list.len());
    let mut offset = header_end;
    for pack in list {
        let footer_at = offset + pack.bytes - PACK_FOOTER_BYTES;
        let footer_bytes = usize::try_from(PACK_FOOTER_BYTES).expect("a few bytes");
        let footer = PackFooter::decode(&read_at(file, footer_at, footer_bytes)?, pack.bytes)?;
        if packs.insert(pack.id, PackPlace { offset, footer }).is_some() {
            return Err(malformed("it has a pack twice"));
        }
        offset += pack.bytes;
    }
    Ok(packs)
}

fn read_at<R: Read + Seek>(file: &mut R, offset: u64, len: usize) -> Result<Vec<u8>, PrestageError> {
    file.seek(SeekFrom::Start(offset)).map_err(PrestageError::Read)?;
    let mut bytes = vec![0; len];
    read_exact(file, &mut bytes)?;
    Ok(bytes)
}

fn read_exact<R: Read>(file: &mut R, bytes: &mut [u8]) -> Result<(), PrestageError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => FormatError::Truncated { what: "prestaged file" }.into(),
        _ => PrestageError::Read(error),
    })
}

fn malformed(why: &'static str) -> PrestageError {
    FormatError::Malformed { what: "prestaged file", why }.into()
}
