//! The bytes around the packs: header, list of packs, footer.

use super::Label;
use crate::format::{FormatError, PACK_FOOTER_BYTES, PACK_HEADER, ROOT_BYTES_MAX, Reader, put_varint};
use crate::ids::{FileHash, ID_BYTES, ManifestId, PackId};

/// The version that this program writes.
pub(super) const PRESTAGED_VERSION: u16 = 1;
/// Packs in one file; at 32 MiB each, 4 TB.
pub(super) const PACKS_MAX: usize = 131_072;
/// Magic, version, and how long the rest of the header is.
pub(super) const HEAD_BYTES: usize = 8 + 2 + 4;
/// Magic, where the list of packs begins, how long it is.
pub(super) const FOOTER_BYTES: usize = 8 + 8 + 8;
/// The hash at the very end.
pub(super) const HASH_BYTES: usize = ID_BYTES;

const MAGIC: &[u8; 8] = b"HAULPRES";
const LIST_MAGIC: &[u8; 4] = b"HPRL";
const FOOTER_MAGIC: &[u8; 8] = b"HAULPREE";
const ID_CHARS_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 1024;
const SIGNATURE_BYTES_MAX: usize = 8 * 1024;
/// The longest label, its lengths and numbers included.
const LABEL_BYTES_MAX: u64 = 16 * 1024;
/// The longest list of packs.
const LIST_BYTES_MAX: u64 = PACKS_MAX as u64 * (ID_BYTES as u64 + 10) + 16;
/// The smallest pack: no entries.
const PACK_BYTES_MIN: u64 = PACK_HEADER.len() as u64 + PACK_FOOTER_BYTES;

const WHAT: &str = "prestaged file";

/// A pack within the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackSpan {
    pub(super) id: PackId,
    pub(super) bytes: u64,
}

/// Why this label cannot be written; `None` if it can.
pub(super) fn unfit(label: &Label) -> Option<&'static str> {
    match label {
        label if !is_id(&label.package_id) => Some("the package ID is none"),
        label if !is_id(&label.source_site) => Some("the site code is none"),
        label if label.name.len() > NAME_BYTES_MAX => Some("the package's name is too long"),
        label if label.signature.len() > SIGNATURE_BYTES_MAX => Some("the signature is too long"),
        label if label.version == 0 => Some("there is no version 0"),
        _ => None,
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// The whole header. The label must be fit.
pub(super) fn encode_header(label: &Label, root: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(root.len() + 512);
    for text in [&label.package_id, &label.name] {
        put_bytes(&mut rest, text.as_bytes());
    }
    put_varint(&mut rest, u64::from(label.version));
    rest.extend_from_slice(label.manifest.as_bytes());
    rest.extend_from_slice(label.content_hash.as_bytes());
    put_bytes(&mut rest, label.source_site.as_bytes());
    put_varint(&mut rest, label.ownership_epoch);
    put_bytes(&mut rest, label.signature.as_bytes());
    put_bytes(&mut rest, root);
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&PRESTAGED_VERSION.to_le_bytes());
    let rest_bytes = u32::try_from(rest.len()).expect("a label and a root are within their limits");
    out.extend_from_slice(&rest_bytes.to_le_bytes());
    out.extend_from_slice(&rest);
    out
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes of header follow these first [`HEAD_BYTES`].
pub(super) fn decode_head(bytes: &[u8]) -> Result<usize, FormatError> {
    let mut reader = Reader::new(bytes, WHAT);
    reader.header(MAGIC, PRESTAGED_VERSION)?;
    let rest = u32::from_le_bytes(reader.array()?);
    if u64::from(rest) > LABEL_BYTES_MAX + ROOT_BYTES_MAX {
        return Err(reader.malformed("its header is too long"));
    }
    reader.finish()?;
    Ok(usize::try_from(rest).expect("bounded above"))
}

/// Label and root of the header's rest.
pub(super) fn decode_label(bytes: &[u8]) -> Result<(Label, Vec<u8>), FormatError> {
    let mut reader = Reader::new(bytes, WHAT);
    let label = Label {
        package_id: text(&mut reader, ID_CHARS_MAX)?,
        name: text(&mut reader, NAME_BYTES_MAX)?,
        version: reader.varint_u32(u32::MAX)?,
        manifest: ManifestId::from_bytes(reader.id()?),
        content_hash: FileHash::from_bytes(reader.id()?),
        source_site: text(&mut reader, ID_CHARS_MAX)?,
        ownership_epoch: reader.varint()?,
        signature: text(&mut reader, SIGNATURE_BYTES_MAX)?,
    };
    let root_bytes = reader.varint_usize(bytes.len())?;
    let root = reader.bytes(root_bytes)?.to_vec();
    if let Some(why) = unfit(&label) {
        return Err(reader.malformed(why));
    }
    reader.finish()?;
    Ok((label, root))
}

fn text(reader: &mut Reader<'_>, bytes_max: usize) -> Result<String, FormatError> {
    let len = reader.varint_usize(bytes_max)?;
    let bytes = reader.bytes(len)?;
    let text = std::str::from_utf8(bytes).map_err(|_| reader.malformed("a text is not UTF-8"))?;
    Ok(text.to_owned())
}

/// The list of packs.
pub(super) fn encode_list(packs: &[PackSpan]) -> Vec<u8> {
    let mut out = LIST_MAGIC.to_vec();
    put_varint(&mut out, packs.len() as u64);
    for pack in packs {
        out.extend_from_slice(pack.id.as_bytes());
        put_varint(&mut out, pack.bytes);
    }
    out
}

/// The packs, which together must be exactly `packs_bytes` long: they lie side by side, so no offset can lie.
pub(super) fn decode_list(bytes: &[u8], packs_bytes: u64) -> Result<Vec<PackSpan>, FormatError> {
    let mut reader = Reader::new(bytes, WHAT);
    if reader.bytes(LIST_MAGIC.len())? != LIST_MAGIC {
        return Err(reader.malformed("it has no list of packs where it says"));
    }
    let count = reader.varint_usize(PACKS_MAX)?;
    let mut packs = Vec::with_capacity(count.min(bytes.len() / ID_BYTES));
    let mut rest = packs_bytes;
    for _ in 0..count {
        let id = PackId::from_bytes(reader.id()?);
        let bytes = reader.varint_up_to(rest)?;
        if bytes < PACK_BYTES_MIN {
            return Err(reader.malformed("a pack is too short"));
        }
        rest -= bytes;
        packs.push(PackSpan { id, bytes });
    }
    if rest > 0 {
        return Err(reader.malformed("its packs are not as long as they say"));
    }
    reader.finish()?;
    Ok(packs)
}

/// What comes after the list, but for the hash.
pub(super) fn encode_footer(list_offset: u64, list_bytes: u64) -> Vec<u8> {
    let mut out = FOOTER_MAGIC.to_vec();
    out.extend_from_slice(&list_offset.to_le_bytes());
    out.extend_from_slice(&list_bytes.to_le_bytes());
    out
}

/// Where the list is in a file of `file_bytes` whose header ends at `header_end`: its offset and its length.
pub(super) fn decode_footer(
    bytes: &[u8],
    header_end: u64,
    file_bytes: u64,
) -> Result<(u64, usize), FormatError> {
    let mut reader = Reader::new(bytes, WHAT);
    if reader.bytes(FOOTER_MAGIC.len())? != FOOTER_MAGIC {
        return Err(reader.malformed("it does not end as it should; it may be cut short"));
    }
    let (list_offset, list_bytes) = (reader.u64()?, reader.u64()?);
    let end = list_offset
        .checked_add(list_bytes)
        .and_then(|end| end.checked_add((FOOTER_BYTES + HASH_BYTES) as u64));
    if end != Some(file_bytes) || list_offset < header_end || list_bytes > LIST_BYTES_MAX {
        return Err(reader.malformed("its footer does not fit its size"));
    }
    reader.finish()?;
    Ok((list_offset, usize::try_from(list_bytes).expect("bounded above")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> Label {
        Label {
            package_id: "PS100001".to_owned(),
            name: "Intel Wi-Fi – x64".to_owned(),
            version: 7,
            manifest: ManifestId::from_bytes([1; 32]),
            content_hash: FileHash::from_bytes([2; 32]),
            source_site: "PS1".to_owned(),
            ownership_epoch: 3,
            signature: "ed25519 …".to_owned(),
        }
    }

    proptest! {
        #[test]
        fn what_decodes_is_canonical(bytes in prop::collection::vec(any::<u8>(), 0..120), at: usize, byte: u8) {
            if let Ok((label, root)) = decode_label(&bytes) {
                prop_assert_eq!(&encode_header(&label, &root)[HEAD_BYTES..], &bytes[..]);
            }
            let mut header = encode_header(&label(), &bytes);
            let at = HEAD_BYTES + at % (header.len() - HEAD_BYTES);
            header[at] = byte;
            if let Ok((label, root)) = decode_label(&header[HEAD_BYTES..]) {
                prop_assert_eq!(encode_header(&label, &root), header);
            }
        }

        #[test]
        fn lists_round_trip(sizes in prop::collection::vec(PACK_BYTES_MIN..1 << 40, 0..9), at: usize, byte: u8) {
            let packs: Vec<PackSpan> =
                sizes.iter().map(|bytes| PackSpan { id: PackId::from_bytes([5; 32]), bytes: *bytes }).collect();
            let total = sizes.iter().sum();
            let mut bytes = encode_list(&packs);
            prop_assert_eq!(decode_list(&bytes, total), Ok(packs));
            prop_assert!(decode_list(&bytes, total + 1).is_err());
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(packs) = decode_list(&bytes, total) {
                prop_assert_eq!(encode_list(&packs), bytes);
            }
        }
    }

    #[test]
    fn labels_beyond_the_limits_are_neither_written_nor_read() {
        let good = label();
        assert_eq!(unfit(&good), None);
        assert_eq!(decode_label(&encode_header(&good, b"root")[HEAD_BYTES..]), Ok((good, b"root".to_vec())));
        for (change, why) in [
            ((|label| label.package_id = "../PS1".to_owned()) as fn(&mut Label), "the package ID is none"),
            (|label| label.package_id = "A".repeat(17), "the package ID is none"),
            (|label| label.package_id = String::new(), "the package ID is none"),
            (|label| label.package_id = "ps100001".to_owned(), "the package ID is none"),
            (|label| label.source_site = "P/1".to_owned(), "the site code is none"),
            (|label| label.name = "n".repeat(1025), "the package's name is too long"),
            (|label| label.signature = "s".repeat(8193), "the signature is too long"),
            (|label| label.version = 0, "there is no version 0"),
        ] {
            let mut label = label();
            change(&mut label);
            assert_eq!(unfit(&label), Some(why));
            assert!(decode_label(&encode_header(&label, b"root")[HEAD_BYTES..]).is_err(), "{why}");
        }
    }

    #[test]
    fn a_footer_fits_one_size_only() {
        let footer = encode_footer(500, 60);
        let total = 500 + 60 + (FOOTER_BYTES + HASH_BYTES) as u64;
        assert_eq!(decode_footer(&footer, 100, total), Ok((500, 60)));
        assert!(decode_footer(&footer, 100, total + 1).is_err());
        assert!(decode_footer(&footer, 501, total).is_err(), "the list within the header");
        let huge = encode_footer(u64::MAX - 10, 60);
        assert!(decode_footer(&huge, 100, total).is_err());
        let long = encode_footer(100, LIST_BYTES_MAX + 1);
        let total = 100 + LIST_BYTES_MAX + 1 + (FOOTER_BYTES + HASH_BYTES) as u64;
        assert!(decode_footer(&long, 100, total).is_err());
    }
}
