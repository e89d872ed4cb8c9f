//! The driver corpus, where it is at hand, against what an independent implementation found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use driver::analysis::{AnalysisError, Folder, FolderLimits, analyze, find_infs};
use driver::catalog::Trust;
use driver::{DriverFacts, DriverKind, SignatureState};

use crate::rig::codes;

fn corpus(test: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("NOT RUN: {test}: no driver corpus");
    None
}

/// The corpus brings no roots.
fn trust() -> Trust {
    Trust::none("2026-11-01T00:00:00Z".parse().unwrap())
}

/// A file of a package, as `catalog-check.tsv` describes it.
struct Checked {
    size_bytes: u64,
    sha256: String,
    found: String,
}

/// By package, then by path.
fn checked(table: &Path) -> BTreeMap<String, BTreeMap<String, Checked>> {
    let mut packages: BTreeMap<String, BTreeMap<String, Checked>> = BTreeMap::new();
    for line in std::fs::read_to_string(table).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let file = Checked {
            size_bytes: fields[3].parse().unwrap(),
            sha256: fields[2].to_owned(),
            found: fields[4].to_owned(),
        };
        packages.entry(fields[0].to_owned()).or_default().insert(fields[1].to_owned(), file);
    }
    packages
}

fn drivers(folder: &Folder) -> Vec<DriverFacts> {
    let infs = find_infs(folder);
    let drivers =
        infs.iter().map(|inf| analyze(folder, inf, &trust()).unwrap_or_else(|e| panic!("{inf}: {e}")));
    drivers.collect()
}

/// Two INF files copy two co-installers for each of three architectures. The vendor did not ship these, so that the
/// provenance says "no own payload"; what the INF names is missing all the same.
const COINSTALLERS: usize = 6;
/// Files that lie in a package and that no INF of it names.
const STRAYS: [&str; 1] = ["VBoxUSBMon.sys"];

#[test]
fn corpus_packages_have_their_payload_and_verdict() {
    let Some(corpus) = corpus("corpus_packages_have_their_payload_and_verdict") else { return };
    let packages = checked(&corpus.join("packages/catalog-check.tsv"));
    let mut signers = BTreeMap::new();
    for (package, files) in &packages {
        let folder = Folder::scan(&corpus.join("packages").join(package), &FolderLimits::default()).unwrap();
        let mut named = BTreeSet::new();
        for driver in drivers(&folder) {
            let about = format!("{package}/{}", driver.inf_file);
            let missing = driver.payload.iter().filter(|file| !file.present).count();
            let coinstallers = ["pluto-dfu.inf", "pluto-usbd.inf"].contains(&driver.inf_file.as_str());
            assert_eq!(missing, if coinstallers { COINSTALLERS } else { 0 }, "{about}");
            for file in driver.payload.iter().filter(|file| file.present) {
                let known = &files[&file.path];
                let covered = (known.found != "catalog").then_some(known.found != "NOT in catalog");
                assert_eq!(file.covered, covered, "{about}: {}", file.path);
                named.insert(file.path.clone());
            }
            let bytes: u64 = files.values().map(|file| file.size_bytes).sum();
            assert_eq!((driver.content.files, driver.content.bytes), (files.len() as u64, bytes), "{about}");
            let unsigned = package == "adafruit-usbser/10.2.5.0";
            let expect = if unsigned { SignatureState::NoSigner } else { SignatureState::SignerNotTrusted };
            assert_eq!(driver.signature.state, expect, "{about}");
            let primitive = driver.kind == DriverKind::Primitive;
            assert_eq!(driver.display_name.is_empty(), primitive, "{about}");
            assert!(driver.date.is_some(), "{about}");
            *signers.entry(driver.signature.signer).or_insert(0) += 1;
        }
        let left: BTreeSet<String> = files.keys().filter(|file| !named.contains(*file)).cloned().collect();
        let expect = if package.starts_with("vboxusb-x64") || package.starts_with("vboxusb-arm64") {
            &STRAYS[..]
        } else {
            &[]
        };
        assert_eq!(
            left,
            expect.iter().map(|&file| file.to_owned()).collect(),
            "{package}: files that nobody names"
        );
    }
    let expect = [
        ("", 1),
        ("Adafruit Industries", 2),
        ("Analog Devices International UC", 4),
        ("Microsoft Windows Hardware Compatibility Publisher", 21),
        ("OpenVPN Technologies, Inc.", 1),
        ("Oracle Corporation", 2),
    ];
    assert_eq!(signers, expect.map(|(signer, count)| (signer.to_owned(), count)).into());
}

#[test]
fn corpus_packages_have_the_hashes_of_their_files() {
    let Some(corpus) = corpus("corpus_packages_have_the_hashes_of_their_files") else { return };
    for group in ["packages", "packages-broken"] {
        let root = corpus.join(group);
        let folder = Folder::scan(&root, &FolderLimits::default()).unwrap();
        for (package, files) in checked(&root.join("catalog-check.tsv")) {
            let files_hashed = files.iter().map(|(path, file)| {
                let digests = folder.digests(&format!("{package}/{path}")).unwrap();
                assert_eq!(hex::encode(digests.sha256), file.sha256, "{package}/{path}");
                (path.as_str(), digests.size_bytes, digests.sha256)
            });
            let expect = driver::content_hash(files_hashed);
            assert_eq!(folder.folder(&package).unwrap().content().unwrap().hash, expect, "{package}");
        }
    }
}

#[test]
fn corpus_multi_architecture_payload_is_split() {
    let Some(corpus) = corpus("corpus_multi_architecture_payload_is_split") else { return };
    let root = corpus.join("packages/libusb0-arduino-gemma-multiarch/1.0.0.0");
    let driver = drivers(&Folder::scan(&root, &FolderLimits::default()).unwrap()).remove(0);
    let expect = [
        "amd64/libusb0.dll:amd64+",
        "amd64/libusb0.sys:amd64+",
        "arduino_gemma.cat",
        "arduino_gemma.inf+",
        "ia64/libusb0.dll:ia64+",
        "ia64/libusb0.sys:ia64+",
        "x86/libusb0.sys:x86+",
        "x86/libusb0_x86.dll:x86,ia64,amd64+",
    ];
    assert_eq!(crate::rig::payload(&driver), expect);
}

#[test]
fn corpus_broken_packages_each_have_their_own_finding() {
    let Some(corpus) = corpus("corpus_broken_packages_each_have_their_own_finding") else { return };
    let check = |package: &str, state: SignatureState, expect: &[&str]| {
        let root = corpus.join("packages-broken").join(package);
        let found = drivers(&Folder::scan(&root, &FolderLimits::default()).unwrap());
        let [driver] = found.as_slice() else { panic!("{package} has one driver") };
        assert_eq!(driver.signature.state, state, "{package}");
        let found = codes(&driver.diagnostics);
        for code in expect {
            assert!(found.contains(code), "{package}: {code} is not in {found:?}");
        }
    };
    check("stale-catalog-adafruit-usbser", SignatureState::InfNotCovered, &["inf_not_covered"]);
    check(
        "payload-is-lfs-pointer-hidhide",
        SignatureState::PayloadNotCovered,
        &["payload_lfs_pointer", "payload_not_covered"],
    );
    check("lf-normalised-crosecbus", SignatureState::InfNotCovered, &["inf_line_ends_changed"]);
    check(
        "bad-driverver-date-tidepool",
        SignatureState::InfNotCovered,
        &["driver_date_invalid", "payload_missing", "inf_not_covered"],
    );
}

/// No file of the corpus is too odd: each is a driver, or refused for a reason that it names.
#[test]
fn corpus_every_inf_comes_to_an_end() {
    let Some(corpus) = corpus("corpus_every_inf_comes_to_an_end") else { return };
    let folder = Folder::scan(&corpus.join("inf"), &FolderLimits::default()).unwrap();
    let mut outcomes: BTreeMap<u32, usize> = BTreeMap::new();
    for path in folder.paths().filter(|path| *path != "facts.tsv") {
        let (around, inf) = folder.around(path).unwrap();
        match analyze(&around, &inf, &trust()) {
            Ok(driver) => {
                assert!(!driver.platforms.is_empty(), "{path}");
                assert!(!path.starts_with("not-windows/"), "{path}");
                *outcomes.entry(0).or_default() += 1;
            }
            Err(error) => {
                let invalid = matches!(error, AnalysisError::Invalid { .. });
                assert!(!invalid || !error.diagnostics().is_empty(), "{path}");
                assert!(!path.starts_with("not-windows/") || error.win32() == 13, "{path}");
                *outcomes.entry(error.win32()).or_default() += 1;
            }
        }
    }
    assert_eq!(outcomes, [(0, 266), (13, 40), (1633, 127)].into());
}
