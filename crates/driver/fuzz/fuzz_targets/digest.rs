//! Every file has digests, and how it is read makes no difference.

#![no_main]

use std::io::Read;

use driver::digest::{self, Wanted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = digest::read(bytes, Wanted::ALL).expect("bytes in memory can be read");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let halves = digest::read(first.chain(second), Wanted::ALL).expect("bytes in memory can be read");
    assert_eq!(whole, halves);
});
