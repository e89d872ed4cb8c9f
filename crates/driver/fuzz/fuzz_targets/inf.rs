//! Any bytes read as an INF file: `cargo +nightly fuzz run inf`.

#![no_main]

#[path = "../../tests/inf/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::exercise(bytes));
