//! The recorded requests of this folder, and what the tests that change them at random put in.

use std::path::PathBuf;

/// Pieces that the protocol knows.
pub(crate) const PIECES: [&str; 26] = [
    "",
    "<",
    ">",
    "</",
    "/>",
    "\"",
    "&amp;",
    "&#0;",
    "]]>",
    "<![CDATA[",
    "<!--x-->",
    "<a/>",
    "xmlns:s=\"\"",
    " xsi:nil=\"true\"",
    " s:mustUnderstand=\"true\"",
    "s:",
    "w:Selector",
    "__cimnamespace",
    "http://schemas.microsoft.com/wbem/wsman/1/wmi/",
    "*",
    "?a=b+c=d",
    "%00",
    "PT0S",
    "-1",
    "99999999999999999999",
    "\u{e9}\u{1f600}",
];

/// The requests, in the order of their names.
pub(crate) fn requests() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cimcmdlets");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "xml")).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}
