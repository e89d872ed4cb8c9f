//! Any bytes taken as tokens and as a certificate: `cargo +nightly fuzz run tokens`.

#![no_main]

#[path = "../../tests/exchange/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::tokens(bytes));
