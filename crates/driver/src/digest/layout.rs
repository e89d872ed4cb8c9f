//! Which bytes of an image or a cabinet its hash leaves out, from the file's first block.

use std::ops::Range;

use super::Kind;

const PE_HEADER_AT: usize = 0x3C;
/// Signature and file header in front of the optional header.
const FILE_HEADER_BYTES: usize = 24;
const OPTIONAL_HEADER_BYTES_AT: usize = 20;
const CHECKSUM_AT: usize = 64;
const HEADERS_BYTES_AT: usize = 60;
const CERTIFICATE_TABLE_INDEX: u32 = 4;
const SECTION_COUNT_AT: usize = 6;
const SECTION_ENTRY_BYTES: usize = 40;
/// Size of a section's bytes in the file, then where they start.
const SECTION_RAW_AT: usize = 16;
const CABINET_HEADER_BYTES: usize = 36;
const CABINET_FLAGS_AT: usize = 30;
const CABINET_RESERVE_PRESENT: u16 = 0x0004;
/// What a signed cabinet reserves in its header, and where the signature's place stands in it.
const CABINET_SIGNATURE_RESERVE_BYTES: u16 = 20;
const CABINET_SIGNATURE_AT: usize = 44;
const CABINET_SIGNED_HEADER_BYTES: usize = 60;

/// What a file is and how to hash it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    /// Whether there is a hash beside that of all bytes.
    pub(super) has_image_hash: bool,
    /// Whether zeros fill the end for that hash.
    pub(super) pads: bool,
    /// Where the file must end for that hash to say anything about it.
    pub(super) ends_at: Option<u64>,
    /// What that hash leaves out: ascending, apart from each other, possibly empty or beyond the end.
    skipped: [Range<u64>; 3],
}

impl Layout {
    /// From the file's first block.
    pub(super) fn of(block: &[u8]) -> Self {
        image(block).or_else(|| cabinet(block)).unwrap_or(Self {
            kind: Kind::Flat,
            has_image_hash: false,
            pads: false,
            ends_at: None,
            skipped: [0..0, 0..0, 0..0],
        })
    }

    /// The parts of a block at `position` that the hash covers.
    pub(super) fn covered<'a>(&self, position: u64, block: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let end = position + block.len() as u64;
        let [first, second, third] = &self.skipped;
        let kept = [0..first.start, first.end..second.start, second.end..third.start, third.end..u64::MAX];
        kept.into_iter().filter_map(move |kept| {
            let (from, to) = (kept.start.max(position), kept.end.min(end));
            (from < to).then(|| &block[(from - position) as usize..(to - position) as usize])
        })
    }
}

/// A PE image: without its checksum, the directory entry of the certificate table, and that table. Whoever moves the
/// table chooses what is left out, because its place is not hashed: so it counts only behind everything that is loaded, as
/// the last thing in the file.
fn image(block: &[u8]) -> Option<Layout> {
    if !block.starts_with(b"MZ") {
        return None;
    }
    let header = u32_at(block, PE_HEADER_AT)? as usize;
    if block.get(header..)?.get(..4)? != b"PE\0\0" {
        return None;
    }
    let optional = header + FILE_HEADER_BYTES;
    let optional_bytes = usize::from(u16_at(block, header + OPTIONAL_HEADER_BYTES_AT)?);
    let directories = match u16_at(block, optional)? {
        0x10B => 96,
        0x20B => 112,
        _ => return None,
    };
    let count = u32_at(block, optional + directories - 4)?;
    let checksum = (optional + CHECKSUM_AT) as u64;
    let checksum = checksum..checksum + 4;
    let entry_in_header = directories + CERTIFICATE_TABLE_INDEX as usize * 8;
    if count <= CERTIFICATE_TABLE_INDEX {
        let end = checksum.end;
        (optional_bytes >= directories).then_some(())?;
        return Some(pe([checksum, end..end, end..end], true));
    }
    if optional_bytes < entry_in_header + 8 {
        return None;
    }
    let entry = optional + entry_in_header;
    let (at, bytes) = (u64::from(u32_at(block, entry)?), u64::from(u32_at(block, entry + 4)?));
    let entry = entry as u64..entry as u64 + 8;
    if at == 0 || bytes == 0 {
        let end = entry.end;
        return Some(pe([checksum, entry, end..end], true));
    }
    let sections = loaded_end(block, header, optional + optional_bytes)?;
    let headers = u64::from(u32_at(block, optional + HEADERS_BYTES_AT)?);
    let table = at..at + bytes;
    (at >= entry.end.max(headers).max(sections))
        .then(|| Layout { ends_at: Some(table.end), ..pe([checksum, entry, table], false) })
}

/// Where the section headers end, or the last section that they put into the file.
fn loaded_end(block: &[u8], header: usize, sections_at: usize) -> Option<u64> {
    let count = usize::from(u16_at(block, header + SECTION_COUNT_AT)?);
    let mut end = (sections_at + count * SECTION_ENTRY_BYTES) as u64;
    for number in 0..count {
        let raw = sections_at + number * SECTION_ENTRY_BYTES + SECTION_RAW_AT;
        let (bytes, at) = (u64::from(u32_at(block, raw)?), u64::from(u32_at(block, raw + 4)?));
        if bytes > 0 {
            end = end.max(at + bytes);
        }
    }
    Some(end)
}

fn pe(skipped: [Range<u64>; 3], pads: bool) -> Layout {
    Layout { kind: Kind::Pe, has_image_hash: true, pads, ends_at: None, skipped }
}

/// A cabinet: without its first reserved field and, where there is room for a signature, without what signing changes.
fn cabinet(block: &[u8]) -> Option<Layout> {
    if !block.starts_with(b"MSCF") || block.len() < CABINET_HEADER_BYTES {
        return None;
    }
    let layout = |has_image_hash, skipped| Layout {
        kind: Kind::Cabinet,
        has_image_hash,
        pads: false,
        ends_at: None,
        skipped,
    };
    if u16_at(block, CABINET_FLAGS_AT)? & CABINET_RESERVE_PRESENT == 0 {
        return Some(layout(true, [4..8, 8..8, 8..8]));
    }
    if u16_at(block, CABINET_HEADER_BYTES)? != CABINET_SIGNATURE_RESERVE_BYTES
        || block.len() < CABINET_SIGNED_HEADER_BYTES
    {
        return Some(layout(false, [0..0, 0..0, 0..0]));
    }
    let signature = u64::from(u32_at(block, CABINET_SIGNATURE_AT)?);
    let end = if signature == 0 { u64::MAX } else { signature.max(CABINET_SIGNED_HEADER_BYTES as u64) };
    Some(layout(true, [4..8, 34..56, end..u64::MAX]))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.get(..2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.get(..4)?.try_into().ok()?))
}
