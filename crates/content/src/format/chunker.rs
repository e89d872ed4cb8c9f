//! Where bytes are cut. Boundaries are a stored format: `tests/golden.rs` freezes them.

use std::ops::Range;

use fastcdc::v2020::FastCDC;

/// The most raw bytes in a chunk; with it, memory for one chunk and its bases is bounded.
pub const CHUNK_BYTES_MAX: u32 = 4 << 20;
/// A file up to this size is one chunk.
pub const WHOLE_FILE_BYTES_MAX: u64 = CHUNK_BYTES_MAX as u64;
/// The chunker's number in a manifest's root: FastCDC as published in 2020, normalization 1, seed 0.
pub const CHUNKER: u8 = 1;

/// The three sizes of FastCDC, bytes; powers of two only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkerParameters {
    /// No chunk but the last is smaller.
    pub min: u32,
    /// The size aimed at.
    pub average: u32,
    /// No chunk is larger.
    pub max: u32,
}

/// For files above [`WHOLE_FILE_BYTES_MAX`].
pub const FILE_CHUNKS: ChunkerParameters =
    ChunkerParameters { min: 256 << 10, average: 1 << 20, max: 2 << 20 };
/// For the manifest's own bytes.
pub const MANIFEST_CHUNKS: ChunkerParameters =
    ChunkerParameters { min: 8 << 10, average: 32 << 10, max: 128 << 10 };

/// How many bytes of `window` the next chunk takes. `window` must hold `parameters.max` bytes or reach the
/// end of the data, or the boundary would depend on how the data was read.
#[must_use]
pub fn cut_length(window: &[u8], parameters: ChunkerParameters) -> usize {
    let size = |bytes: u32| usize::try_from(bytes).expect("32 bits fit a usize");
    let cutter = FastCDC::new(window, size(parameters.min), size(parameters.average), size(parameters.max));
    cutter.cut(0, window.len()).1
}

/// Cuts a manifest's byte stream.
#[must_use]
pub fn cut_manifest(stream: &[u8]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < stream.len() {
        let end = start + cut_length(&stream[start..], MANIFEST_CHUNKS);
        cuts.push(start..end);
        start = end;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cuts_cover_everything_within_the_limits(len in 0usize..600_000, seed: u64) {
            let mut random = samples_of(seed);
            let stream: Vec<u8> = (0..len).map(|_| random()).collect();
            let cuts = cut_manifest(&stream);
            let mut at = 0;
            for (i, cut) in cuts.iter().enumerate() {
                prop_assert_eq!(cut.start, at);
                prop_assert!(cut.len() <= MANIFEST_CHUNKS.max as usize);
                prop_assert!(i + 1 == cuts.len() || cut.len() >= MANIFEST_CHUNKS.min as usize);
                at = cut.end;
            }
            prop_assert_eq!(at, len);
        }
    }

    fn samples_of(seed: u64) -> impl FnMut() -> u8 {
        let mut state = seed | 1;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_le_bytes()[7]
        }
    }
}
