//! Any bytes read as an envelope: `cargo +nightly fuzz run envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = xml::decode(bytes, None) {
        let _ = wsman::check_envelope(&text);
    }
});
