//! Files that are none: cut, altered, altered with the hash put right, made to lie.

use std::io::Cursor;

use content::prestage::Prestaged;
use content::{ManifestId, VoidMonitor};
use samples::Rng;

use crate::exercise::Receivers;
use crate::scene::publish;
use crate::support::{Bench, code, noise, write};
use crate::ways::export;

const CASES: u64 = 250;

fn small() -> (Vec<u8>, ManifestId) {
    let parent = Bench::new();
    write(&parent.source(), &[("net/a.sys", &code(1, 9_000)), ("b.cab", &noise(2, 700)), ("c.inf", b"[V]")]);
    let id = publish(&parent, None);
    (export(&parent.library, id, 1), id)
}

fn refusal(bytes: &[u8]) -> String {
    Prestaged::open(Cursor::new(bytes), &VoidMonitor).map(drop).unwrap_err().code().to_owned()
}

#[test]
fn every_cut_and_every_changed_byte_is_refused() {
    let (file, _) = small();
    for len in 0..file.len() {
        assert!(refusal(&file[..len]).starts_with("format_"), "cut at {len}");
    }
    for at in 0..file.len() {
        let mut bytes = file.clone();
        bytes[at] ^= 0x21;
        assert!(refusal(&bytes).starts_with("format_"), "byte {at}");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(refusal(&longer).starts_with("format_"));
}

#[test]
fn whatever_is_changed_under_a_right_hash_gets_in_right_or_not_at_all() {
    let (file, _) = small();
    let receivers = Receivers::new();
    assert_eq!(receivers.prestaged(&file), 2);
    let mut reached = [0; 3];
    for seed in 0..CASES {
        let mut rng = Rng::new(seed);
        let mut bytes = file.clone();
        for _ in 0..rng.between(1, 4) {
            mutate(&mut bytes, &mut rng);
        }
        reached[receivers.prestaged(&bytes) as usize] += 1;
    }
    assert!(reached.iter().all(|count| *count > 0), "every depth was tried: {reached:?}");
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    match rng.below(6) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = 0xff,
        2 => bytes.truncate(at),
        3 => {
            let extra = rng.bytes(9);
            bytes.splice(at..at, extra);
        }
        // Numbers stand at the beginning and at the end.
        4 => bytes[at % 32] = u8::try_from(rng.below(256)).unwrap(),
        _ => {
            let from_end = bytes.len() - 1 - at % bytes.len().min(120);
            bytes[from_end] = u8::try_from(rng.below(256)).unwrap();
        }
    }
}

#[test]
fn numbers_that_claim_the_world_cost_no_memory() {
    let ((file, _), receivers) = (small(), Receivers::new());
    // The header's length, the list's place and length, each as large as it can be.
    let end = file.len();
    for range in [10..14, end - 48..end - 40, end - 40..end - 32, end - 48..end - 32] {
        let mut bytes = file.clone();
        bytes[range.clone()].fill(0xff);
        assert_eq!(receivers.prestaged(&bytes), 0, "{range:?}");
    }
}

#[test]
fn a_newer_version_is_refused_by_number() {
    let (mut file, _) = small();
    file[8] = 2;
    assert_eq!(refusal(&file), "format_version");
    file[..8].copy_from_slice(b"HAULPACK");
    assert_eq!(refusal(&file), "format_malformed");
}
