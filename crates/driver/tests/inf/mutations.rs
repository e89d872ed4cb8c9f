//! The fuzz target as a plain test: hand-written files, changed at random from a fixed seed.

use crate::exercise::exercise;
use crate::samples::{DAMAGED, EXTENSION, LOCALIZED, NETWORK, TEMPLATE};

const CASES: u32 = 5_000;

/// Pieces that the grammar knows.
const PIECES: [&[u8]; 20] = [
    b"\"",
    b";",
    b"%",
    b"%%",
    b"\\\r\n",
    b"\r",
    b"\n",
    b"[",
    b"]",
    b"=",
    b",",
    b"\0",
    b"\x1a",
    b"\xff\xfe",
    b"[Strings]\r\n",
    b"[Strings.0411]\r\n\x95\\",
    b"%provider%",
    b"[Manufacturer]\r\n",
    b"\xef\xbb\xbf",
    b"\\ ; c\r\n",
];

/// xorshift64*: enough to choose places, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let end = (at + random.below(64)).min(bytes.len());
    match random.below(7) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            drop(bytes.splice(to..to, piece));
        }
        3 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
        4 => {
            let from = random.below(other.len());
            drop(bytes.splice(at..end, other[from..].iter().take(200).copied()));
        }
        5 => bytes.truncate(end),
        _ => bytes.iter_mut().skip(at).take(3).for_each(|byte| *byte = byte.wrapping_add(0x80)),
    }
}

#[test]
fn mutated_files_are_read() {
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(NETWORK.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let samples = [NETWORK, LOCALIZED, EXTENSION, TEMPLATE, DAMAGED].map(str::as_bytes);
    let samples: Vec<&[u8]> = samples.into_iter().chain([wide.as_slice()]).collect();
    let mut random = Random(0x4861_756c_6965_7221);
    let mut changed = 0;
    for _ in 0..CASES {
        let (sample, other) = (samples[random.below(samples.len())], samples[random.below(samples.len())]);
        let mut bytes = sample.to_vec();
        for _ in 0..=random.below(6) {
            mutate(&mut bytes, other, &mut random);
        }
        changed += u32::from(bytes != sample);
        exercise(&bytes);
    }
    assert!(changed > CASES * 9 / 10, "{changed} of {CASES} cases were changed");
}
