//! Stored bytes and raw bytes: zstd, with or without a prefix, and the checks on the way back.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, ResetDirective};

use super::codec::FormatError;
use super::pack::{Encoding, PackEntry};
use crate::ids::ChunkId;

/// The smallest window that zstd accepts, as a power of two.
const WINDOW_LOG_MIN: u32 = 10;
/// Full copies: the largest chunk for each level. `docs/format.md` has the measurements.
const LEVELS: [(usize, i32); 2] = [(64 << 10, 9), (256 << 10, 6)];
/// Full copies of larger chunks, which are most of the bytes.
const LEVEL_LARGE: i32 = 3;
/// A full copy is kept compressed if that saves at least one part in this many.
const COMPRESSION_GAIN: usize = 32;

/// The first eight bytes of the BLAKE3 of stored bytes, so that they verify before anything decodes them.
#[must_use]
pub fn stored_check(stored: &[u8]) -> u64 {
    let hash = blake3::hash(stored);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}

/// Turns the stored bytes of `entry` back into the chunk, and proves that they are it.
///
/// `bases` are the raw bytes of the patch's bases, in the entry's order; empty otherwise.
pub fn decode_entry(entry: &PackEntry, stored: &[u8], bases: &[&[u8]]) -> Result<Vec<u8>, FormatError> {
    if stored.len() as u64 != u64::from(entry.stored_bytes) || stored_check(stored) != entry.stored_check {
        return Err(FormatError::Hash { what: "stored chunk" });
    }
    let needed = entry.encoding.bases().len();
    if bases.len() != needed {
        return Err(FormatError::Bases { given: bases.len(), needed });
    }
    let raw = match &entry.encoding {
        Encoding::Stored => stored.to_vec(),
        Encoding::Zstd => decompress(stored, &[], entry.raw_bytes)?,
        Encoding::Patch { .. } => match bases {
            [single] => decompress(stored, single, entry.raw_bytes)?,
            several => decompress(stored, &several.concat(), entry.raw_bytes)?,
        },
    };
    if ChunkId::of(&raw) != entry.chunk {
        return Err(FormatError::Hash { what: "chunk" });
    }
    Ok(raw)
}

/// One frame into exactly `raw_bytes` bytes: a frame that claims more is refused before memory is spent.
fn decompress(stored: &[u8], prefix: &[u8], raw_bytes: u32) -> Result<Vec<u8>, FormatError> {
    let size = usize::try_from(raw_bytes).expect("32 bits fit a usize");
    let mut raw = Vec::with_capacity(size);
    let mut context = DCtx::try_create().ok_or(FormatError::Compression)?;
    if !prefix.is_empty() {
        context.ref_prefix(prefix).map_err(|_| FormatError::Compression)?;
    }
    let written = context.decompress(&mut raw, stored).map_err(|_| FormatError::Compression)?;
    if written == size { Ok(raw) } else { Err(FormatError::Compression) }
}

/// A zstd context that is kept between chunks; one for each worker.
#[derive(Default)]
pub struct Compressor {
    plain: Option<CCtx<'static>>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl Compressor {
    /// No memory taken yet.
    #[must_use]
    pub fn new() -> Compressor {
        Compressor::default()
    }

    /// Compresses `raw` alone.
    pub fn compress(&mut self, raw: &[u8], level: i32) -> Result<Vec<u8>, FormatError> {
        let context = self.plain.get_or_insert_with(CCtx::create);
        run(context, raw, 0, level)
    }

    /// A full copy of a chunk: how it is stored, and the bytes unless they are the raw ones.
    pub(crate) fn full_copy(&mut self, raw: &[u8]) -> Result<(Encoding, Option<Vec<u8>>), FormatError> {
        let level =
            LEVELS.iter().find(|(bytes, _)| raw.len() <= *bytes).map_or(LEVEL_LARGE, |(_, level)| *level);
        let compressed = self.compress(raw, level)?;
        let is_worth_it = compressed.len() + raw.len() / COMPRESSION_GAIN < raw.len();
        Ok(if is_worth_it { (Encoding::Zstd, Some(compressed)) } else { (Encoding::Stored, None) })
    }

    /// Compresses `raw` with `prefix` (the bases, concatenated) in the window. The context is freed again:
    /// at high levels it is the largest thing that a snapshot holds.
    pub fn patch(&mut self, raw: &[u8], prefix: &[u8], level: i32) -> Result<Vec<u8>, FormatError> {
        let mut context = CCtx::try_create().ok_or(FormatError::Compression)?;
        prepare(&mut context, raw, prefix.len(), level)?;
        context.ref_prefix(prefix).map_err(|_| FormatError::Compression)?;
        finish(&mut context, raw)
    }
}

fn run(context: &mut CCtx<'_>, raw: &[u8], prefix_bytes: usize, level: i32) -> Result<Vec<u8>, FormatError> {
    context.reset(ResetDirective::SessionAndParameters).map_err(|_| FormatError::Compression)?;
    prepare(context, raw, prefix_bytes, level)?;
    finish(context, raw)
}

fn prepare(context: &mut CCtx<'_>, raw: &[u8], prefix_bytes: usize, level: i32) -> Result<(), FormatError> {
    let reach = (raw.len() + prefix_bytes).max(2);
    // Window = the power of two at or above everything a match may point into.
    let window_log = (usize::BITS - (reach - 1).leading_zeros()).max(WINDOW_LOG_MIN);
    let mut set =
        |parameter| context.set_parameter(parameter).map(|_| ()).map_err(|_| FormatError::Compression);
    set(CParameter::CompressionLevel(level))?;
    if prefix_bytes > 0 {
        set(CParameter::WindowLog(window_log))?;
    }
    set(CParameter::DictIdFlag(false))
}

fn finish(context: &mut CCtx<'_>, raw: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut stored = Vec::with_capacity(zstd::compress_bound(raw.len()));
    context.compress2(&mut stored, raw).map_err(|_| FormatError::Compression)?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(raw: &[u8], stored: &[u8], encoding: Encoding) -> PackEntry {
        PackEntry {
            chunk: ChunkId::of(raw),
            raw_bytes: raw.len().try_into().unwrap(),
            offset: 16,
            stored_bytes: stored.len().try_into().unwrap(),
            stored_check: stored_check(stored),
            encoding,
        }
    }

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_patch_needs_its_bases_in_order_and_is_small() {
        let (a, b) = (noise(1, 300_000), noise(2, 300_000));
        let raw = [&b[1000..], &a[..200_000], b"new"].concat();
        let prefix = [&a[..], &b[..]].concat();
        for level in [3, 12, 19] {
            let stored = Compressor::new().patch(&raw, &prefix, level).unwrap();
            assert!(stored.len() < 1000, "{} bytes at level {level}", stored.len());
            let patch =
                entry(&raw, &stored, Encoding::Patch { bases: vec![ChunkId::of(&a), ChunkId::of(&b)] });
            assert_eq!(decode_entry(&patch, &stored, &[&a, &b]).unwrap(), raw);
            assert!(decode_entry(&patch, &stored, &[&b, &a]).is_err());
            assert_eq!(decode_entry(&patch, &stored, &[&a]), Err(FormatError::Bases { given: 1, needed: 2 }));
        }
    }

    #[test]
    fn damage_is_refused_before_it_is_decoded() {
        let raw = b"hello hello hello hello hello hello".to_vec();
        let stored = Compressor::new().compress(&raw, 3).unwrap();
        let good = entry(&raw, &stored, Encoding::Zstd);
        assert_eq!(decode_entry(&good, &stored, &[]).unwrap(), raw);
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 1;
            assert_eq!(decode_entry(&good, &bad, &[]), Err(FormatError::Hash { what: "stored chunk" }));
        }
        assert!(decode_entry(&good, &stored[1..], &[]).is_err());
    }

    #[test]
    fn a_frame_that_grows_beyond_its_entry_is_refused() {
        let bomb = vec![0u8; 1 << 20];
        let stored = Compressor::new().compress(&bomb, 3).unwrap();
        let mut small = entry(&bomb, &stored, Encoding::Zstd);
        small.raw_bytes = 1000;
        assert_eq!(decode_entry(&small, &stored, &[]), Err(FormatError::Compression));
        small.raw_bytes = (1 << 20) + 1;
        assert_eq!(decode_entry(&small, &stored, &[]), Err(FormatError::Compression));
    }

    #[test]
    fn other_bytes_under_a_right_check_are_refused() {
        let stored = Compressor::new().compress(b"other", 3).unwrap();
        let mut lie = entry(b"other", &stored, Encoding::Zstd);
        lie.chunk = ChunkId::of(b"wanted");
        assert_eq!(decode_entry(&lie, &stored, &[]), Err(FormatError::Hash { what: "chunk" }));
    }
}
