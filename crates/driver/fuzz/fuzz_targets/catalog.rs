//! No bytes make the catalog reader panic, and reading what it read proves nothing without roots.

#![no_main]

use driver::catalog::{Catalog, Trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(catalog) = Catalog::parse(bytes) {
        let trust = Trust::none("2026-06-01T00:00:00Z".parse().expect("a constant"));
        assert!(!catalog.verify(&trust).is_trusted());
    }
});
