//! Any text read as MOF: `cargo +nightly fuzz run mof`.

#![no_main]

#[path = "../../tests/mutations/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::mof(&String::from_utf8_lossy(bytes)));
