//! Near twins by content: a few numbers per chunk that two chunks share if most of their bytes are alike.
//!
//! A rolling hash picks positions by content; of the hashes there, each of several permutations keeps its
//! maximum. Two chunks agree on one such maximum with the probability that a picked position is common to both.
//! Pairs of maxima are looked up, so that chance agreement is rare.

/// Lookup keys for each chunk.
pub(crate) const FEATURES: usize = 4;
const MAXIMA: usize = 2 * FEATURES;
/// One position in 32 is picked.
const PICK_SHIFT: u32 = 32 - 5;

const GEAR: [u32; 256] = gear();

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const fn gear() -> [u32; 256] {
    let mut table = [0; 256];
    let mut state = 0u64;
    let mut i = 0;
    while i < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bytes = mix(state).to_le_bytes();
        table[i] = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        i += 1;
    }
    table
}

/// The chunk's lookup keys; `None` if it is too short or too uniform to tell.
pub(crate) fn features(raw: &[u8]) -> Option<[u64; FEATURES]> {
    let mut maxima = [0u64; MAXIMA];
    let mut picked = 0u32;
    let mut last = 0;
    let mut hash = 0u32;
    for byte in raw {
        // 32 bits shifted by one a byte: the hash covers the last 32 bytes.
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        // Runs of one byte repeat the same hash; once is enough.
        if hash >> PICK_SHIFT == 0 && hash != last {
            last = hash;
            picked += 1;
            let value = u64::from(hash);
            for (i, maximum) in maxima.iter_mut().enumerate() {
                *maximum = (*maximum).max(mix(value | (i as u64 + 1) << 40));
            }
        }
    }
    if picked < MAXIMA as u32 {
        return None;
    }
    let mut keys = [0; FEATURES];
    for (i, key) in keys.iter_mut().enumerate() {
        *key = mix(maxima[2 * i].rotate_left(17) ^ maxima[2 * i + 1]);
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn shared(a: &[u8], b: &[u8]) -> usize {
        let (a, b) = (features(a).unwrap(), features(b).unwrap());
        a.iter().zip(b).filter(|(a, b)| *a == b).count()
    }

    #[test]
    fn twins_agree_and_strangers_do_not() {
        let mut found = 0;
        for seed in 0..50 {
            let a = noise(seed, 40_000);
            let mut twin = a.clone();
            twin.splice(10_000..10_000, *b"a device name of its own");
            for at in [100, 20_000, 39_000] {
                twin[at] ^= 0xff;
            }
            found += usize::from(shared(&a, &twin) > 0);
            assert_eq!(shared(&a, &noise(seed + 1000, 40_000)), 0);
        }
        assert_eq!(found, 50);
    }

    #[test]
    fn short_or_uniform_bytes_have_no_features() {
        for raw in [&b""[..], b"short", &[0; 100_000]] {
            assert_eq!(features(raw), None);
        }
    }
}
