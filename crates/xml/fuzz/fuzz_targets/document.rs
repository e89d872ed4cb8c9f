//! Any bytes read as a document: `cargo +nightly fuzz run document`.

#![no_main]

#[path = "../../tests/mutations/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::document(bytes));
