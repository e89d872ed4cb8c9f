//! Any bytes taken in as a prestaged file: `cargo +nightly fuzz run prestaged`. `tests/prestaged/v1.hcp` is a seed.

#![no_main]

#[path = "../../tests/prestaged/exercise.rs"]
mod exercise;

use std::sync::OnceLock;

static RECEIVERS: OnceLock<exercise::Receivers> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    RECEIVERS.get_or_init(exercise::Receivers::new).prestaged(bytes);
});
