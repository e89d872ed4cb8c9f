//! Any text read as a datetime, an object path, a NAL path and a schedule: `cargo +nightly fuzz run values`.

#![no_main]

#[path = "../../tests/mutations/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::values(&String::from_utf8_lossy(bytes)));
