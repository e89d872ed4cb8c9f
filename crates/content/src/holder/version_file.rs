//! `versions/<PackageID>.<version>`: the manifest of a held version, whole and self-checking.
//!
//! Layout: magic, layout number, manifest id, length of the root object, the root object, the manifest's
//! byte stream. The root commits to every chunk of the stream, so the file proves itself against its id.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::error::HolderError;
use crate::format::{MANIFEST_STREAM_BYTES_MAX, ROOT_BYTES_MAX};
use crate::{ChunkId, ChunkRef, Manifest, ManifestId, ManifestRoot};

const MAGIC: &[u8; 4] = b"HLVF";
const LAYOUT: u32 = 1;
const HEAD_BYTES: usize = 4 + 4 + 32 + 4;

/// Manifest id, root object and stream, as they lie in the file.
type Parts = (ManifestId, Vec<u8>, Vec<u8>);

/// A version file that was read and found whole.
pub(super) struct VersionFile {
    pub(super) id: ManifestId,
    pub(super) manifest: Manifest,
}

/// Writes a version file under a temporary name and renames it; the caller syncs.
pub(super) fn write(path: &Path, id: ManifestId, root: &[u8], body: &[u8]) -> Result<(), HolderError> {
    let temporary = path.with_extension("tmp");
    let root_bytes = u32::try_from(root.len()).expect("checked against ROOT_BYTES_MAX when it came");
    let result = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(&LAYOUT.to_le_bytes())?;
        file.write_all(id.as_bytes())?;
        file.write_all(&root_bytes.to_le_bytes())?;
        file.write_all(root)?;
        file.write_all(body)?;
        fs::rename(&temporary, path)
    })();
    result.map_err(HolderError::io("writing a version file"))
}

/// Reads a version file; `None` if it is missing, torn or altered.
pub(super) fn read(path: &Path) -> Result<Option<VersionFile>, HolderError> {
    let Some((id, root, body)) =
        read_parts(path).or_else(absent).map_err(HolderError::io("reading a version file"))?
    else {
        return Ok(None);
    };
    Ok(check(id, &root, &body).map(|manifest| VersionFile { id, manifest }))
}

/// The chunks of the manifest stream within a version file: id, offset in the file, length.
pub(super) fn manifest_chunks(path: &Path) -> Result<Vec<(ChunkId, u64, u32)>, HolderError> {
    let Some((id, root, _)) =
        read_parts(path).or_else(absent).map_err(HolderError::io("reading a version file"))?
    else {
        return Ok(Vec::new());
    };
    let Ok(decoded) = ManifestRoot::decode(&root, id) else { return Ok(Vec::new()) };
    let mut offset = (HEAD_BYTES + root.len()) as u64;
    let place = |chunk: &ChunkRef| {
        let at = offset;
        offset += u64::from(chunk.len);
        (chunk.id, at, chunk.len)
    };
    Ok(decoded.chunks.iter().map(place).collect())
}

/// Checks a manifest stream against its root and decodes it.
pub(super) fn check(id: ManifestId, root: &[u8], body: &[u8]) -> Option<Manifest> {
    let root = ManifestRoot::decode(root, id).ok()?;
    let mut rest = body;
    for chunk in &root.chunks {
        let (bytes, after) = rest.split_at_checked(usize::try_from(chunk.len).ok()?)?;
        if ChunkId::of(bytes) != chunk.id {
            return None;
        }
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    Manifest::decode(body, &root).ok()
}

fn read_parts(path: &Path) -> io::Result<Option<Parts>> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() > MANIFEST_STREAM_BYTES_MAX + ROOT_BYTES_MAX + HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(split(&bytes))
}

fn split(bytes: &[u8]) -> Option<Parts> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (layout, rest) = rest.split_first_chunk::<4>()?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let (root_bytes, rest) = rest.split_first_chunk::<4>()?;
    if magic != MAGIC || u32::from_le_bytes(*layout) != LAYOUT {
        return None;
    }
    let (root, body) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*root_bytes)).ok()?)?;
    Some((ManifestId::from_bytes(*id), root.to_vec(), body.to_vec()))
}

fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
}
