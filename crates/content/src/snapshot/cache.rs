//! What a source looked like when it was last read, so that an unchanged file is not read again.
//!
//! The entries stand in the order of the manifest that the snapshot produced; hashes and chunks are there.

use super::walk::{Seen, Stamp};
use super::{SnapshotWarning, WarningKind};
use crate::error::Error;
use crate::format::{Reader, put_signed, put_varint};
use crate::ids::ManifestId;
use crate::path::ContentPath;

/// The version of these bytes; another one is treated as absent.
const VERSION: u64 = 1;
/// A file that was modified less than this before it was read may be modified again without a new time:
/// the widest granularity of times among file systems in use (FAT).
pub(crate) const RACY_NS: i64 = 2_000_000_000;

/// One source, as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceCache {
    pub(crate) manifest: ManifestId,
    pub(crate) warnings: Vec<SnapshotWarning>,
    pub(crate) entries: Vec<Cached>,
}

/// One entry of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) seen: Seen,
    /// Whether the times were old enough to tell the next change.
    pub(crate) trusted: bool,
}

impl SourceCache {
    /// Whether the source is as it was, as far as names and times tell.
    pub(crate) fn matches(&self, seen: &[Seen]) -> bool {
        self.entries.len() == seen.len()
            && self.entries.iter().zip(seen).all(|(cached, seen)| cached.trusted && cached.seen == *seen)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * 64);
        put_varint(&mut out, VERSION);
        out.extend_from_slice(self.manifest.as_bytes());
        put_varint(&mut out, self.warnings.len() as u64);
        for warning in &self.warnings {
            put_text(&mut out, &warning.first);
            put_text(&mut out, &warning.second);
        }
        put_varint(&mut out, self.entries.len() as u64);
        let mut previous = "";
        for Cached { seen, trusted } in &self.entries {
            let path = seen.path.as_str();
            let shared = shared_bytes(path, previous);
            put_varint(&mut out, shared as u64);
            put_text(&mut out, &path[shared..]);
            previous = path;
            out.push(u8::from(seen.file.is_some()) | u8::from(*trusted) << 1);
            if let Some(stamp) = &seen.file {
                put_varint(&mut out, stamp.size);
                put_signed(&mut out, stamp.modified);
                put_signed(&mut out, stamp.changed.wrapping_sub(stamp.modified));
                put_varint(&mut out, stamp.inode);
                put_varint(&mut out, stamp.device);
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<SourceCache>, Error> {
        let mut reader = Reader::new(bytes, "source record");
        if reader.varint()? != VERSION {
            return Ok(None);
        }
        let manifest = ManifestId::from_bytes(reader.id()?);
        let mut warnings = Vec::new();
        for _ in 0..reader.varint()? {
            let (first, second) = (text(&mut reader)?.to_owned(), text(&mut reader)?.to_owned());
            warnings.push(SnapshotWarning { kind: WarningKind::NamesDifferOnlyInCase, first, second });
        }
        let count = reader.varint_usize(bytes.len())?;
        let mut entries = Vec::with_capacity(count);
        let mut path = String::new();
        for _ in 0..count {
            let shared = reader.varint_usize(path.len())?;
            path.truncate(shared);
            path.push_str(text(&mut reader)?);
            let content_path =
                ContentPath::new(&path).map_err(|_| reader.malformed("a path is not allowed"))?;
            let flags = reader.u8()?;
            let file = if flags & 1 == 1 { Some(stamp(&mut reader)?) } else { None };
            entries.push(Cached { seen: Seen { path: content_path, file }, trusted: flags & 2 == 2 });
        }
        reader.finish()?;
        Ok(Some(SourceCache { manifest, warnings, entries }))
    }

    /// The manifest id alone, from the encoded form.
    pub(crate) fn manifest_of(bytes: &[u8]) -> Option<ManifestId> {
        let mut reader = Reader::new(bytes, "source record");
        let version = reader.varint().ok()?;
        let id = reader.id().ok()?;
        (version == VERSION).then(|| ManifestId::from_bytes(id))
    }
}

fn stamp(reader: &mut Reader<'_>) -> Result<Stamp, Error> {
    let size = reader.varint()?;
    let modified = reader.signed()?;
    let changed = modified.wrapping_add(reader.signed()?);
    Ok(Stamp { size, modified, changed, inode: reader.varint()?, device: reader.varint()? })
}

fn shared_bytes(path: &str, previous: &str) -> usize {
    let mut shared = path.bytes().zip(previous.bytes()).take_while(|(a, b)| a == b).count();
    while !path.is_char_boundary(shared) || !previous.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Error> {
    let len = reader.varint_usize(4 * crate::path::PATH_CHARS_MAX)?;
    let bytes = reader.bytes(len)?;
    Ok(std::str::from_utf8(bytes).map_err(|_| reader.malformed("a text is not UTF-8"))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cached() -> impl Strategy<Value = Cached> {
        let stamp = (any::<u64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<u64>());
        // Without n and x there is no con, prn, nul and aux.
        ("[a-mo-wyzü]{1,5}(/[a-mo-wyzé]{1,5}){0,3}", prop::option::of(stamp), any::<bool>()).prop_map(
            |(path, stamp, trusted)| {
                let file = stamp.map(|(size, modified, changed, inode, device)| Stamp {
                    size,
                    modified,
                    changed,
                    inode,
                    device,
                });
                Cached { seen: Seen { path: ContentPath::new(&path).unwrap(), file }, trusted }
            },
        )
    }

    proptest! {
        #[test]
        fn records_round_trip(entries in prop::collection::vec(any_cached(), 0..20)) {
            let cache = SourceCache {
                manifest: ManifestId::of(b"m"),
                warnings: vec![SnapshotWarning {
                    kind: WarningKind::NamesDifferOnlyInCase,
                    first: "A".to_owned(),
                    second: "a".to_owned(),
                }],
                entries,
            };
            let bytes = cache.encode();
            prop_assert_eq!(SourceCache::manifest_of(&bytes), Some(cache.manifest));
            prop_assert_eq!(SourceCache::decode(&bytes).unwrap(), Some(cache));
        }
    }
}
