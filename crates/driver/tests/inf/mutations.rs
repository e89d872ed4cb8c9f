//! The fuzz target as a plain test: hand-written files, changed at random from a fixed seed.

use mutations::Mutations;

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

#[test]
fn mutated_files_are_read() {
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(NETWORK.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let samples = [NETWORK, LOCALIZED, EXTENSION, TEMPLATE, DAMAGED].map(str::as_bytes);
    let samples: Vec<&[u8]> = samples.into_iter().chain([wide.as_slice()]).collect();
    let mut mutations = Mutations::of_bytes(0x4861_756c_6965_7221, &PIECES);
    let mut changed = 0;
    for _ in 0..CASES {
        let bytes = mutations.bytes(&samples, 6);
        changed += u32::from(!samples.contains(&bytes.as_slice()));
        exercise(&bytes);
    }
    assert!(changed > CASES * 9 / 10, "{changed} of {CASES} cases were changed");
}
