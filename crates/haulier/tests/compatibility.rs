//! `docs/compatibility.md` is what the code says of itself.
#![allow(clippy::unwrap_used, reason = "a page that cannot be written fails its test")]

use provider::{Schema, compatibility};

const HEAD: &str = "# What works\n\n\
    This page is generated from the code (docs/golden.md says how); a test compares the two. It lists every class, property and\n\
    method of the provider, and every operation of the protocols.\n\n\
    - A class, property or method that is not here is absent: it answers as one that does not exist.\n\
    - A method under `WBEM_E_METHOD_NOT_IMPLEMENTED` answers 0x80041055, never a success that did nothing.\n\
    - A property that is \"always the same\" stands for something that this site does not have, and shows the value that the\n  \
    original documents for it.\n\n";

#[test]
fn the_compatibility_page_is_true() {
    let page = format!(
        "{HEAD}## AdminService\n\n{}\n## WS-Management\n\n{}\n## CIM-XML\n\n{}\n## Classes\n\n{}",
        compatibility::operations(adminservice::compatibility::OPERATIONS),
        compatibility::operations(wsman::compatibility::OPERATIONS),
        compatibility::operations(cimxml::compatibility::OPERATIONS),
        compatibility::classes(Schema::shipped())
    );
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/compatibility.md is out of date; write it anew with HAULIER_WRITE_GOLDEN=1"
    );
}
