//! Any text read as WQL: `cargo +nightly fuzz run wql`.

#![no_main]

#[path = "../../tests/mutations/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    exercise::wql(&text);
    exercise::statements(&text);
});
