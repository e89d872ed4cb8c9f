//! Any bytes read as a message: `cargo +nightly fuzz run message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = xml::decode(bytes, None) {
        let _ = cimxml::check_message(&text);
    }
});
