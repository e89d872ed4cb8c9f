//! Any text read as OData options: `cargo +nightly fuzz run odata`.

#![no_main]

#[path = "../../tests/mutations/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::odata(&String::from_utf8_lossy(bytes)));
