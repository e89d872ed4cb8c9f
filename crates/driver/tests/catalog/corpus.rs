//! Real catalogs and the files that they list, where the corpus is at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use driver::catalog::{Catalog, MemberHash, SignerState, Trust};
use driver::digest::{self, FileDigests, Kind, Wanted};

/// The folders of packages, or `None` after saying that the test did not run.
pub(crate) fn corpus(test: &str) -> Option<[PathBuf; 2]> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from);
    if path.join("packages").is_dir() {
        return Some([path.join("packages"), path.join("packages-broken")]);
    }
    eprintln!("NOT RUN: {test}: no driver corpus");
    None
}

/// A line of catalog-check.tsv.
struct Line {
    package: PathBuf,
    file: String,
    sha256: String,
    bytes: u64,
    found_as: String,
}

fn lines(root: &Path) -> Vec<Line> {
    let table = fs::read_to_string(root.join("catalog-check.tsv")).unwrap();
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Line {
            package: root.join(fields[0]),
            file: fields[1].to_owned(),
            sha256: fields[2].to_owned(),
            bytes: fields[3].parse().unwrap(),
            found_as: fields[4].to_owned(),
        }
    };
    table.lines().skip(1).map(parse).collect()
}

/// Every catalog of the corpus by its path.
pub(crate) fn catalogs(roots: &[PathBuf]) -> BTreeMap<PathBuf, Catalog> {
    let all = roots.iter().flat_map(|root| lines(root));
    all.filter(|line| line.found_as == "catalog")
        .map(|line| line.package.join(line.file))
        .map(|path| (path.clone(), Catalog::parse(&fs::read(path).unwrap()).unwrap()))
        .collect()
}

/// How the catalogs of a package list a file, in the words of catalog-check.tsv.
fn found_as(file: &FileDigests, catalogs: &[&Catalog]) -> String {
    let has = |hash: Option<MemberHash>| hash.is_some_and(|hash| catalogs.iter().any(|one| one.has(hash)));
    let image = match file.kind {
        Kind::Pe => "pe",
        Kind::Cabinet => "cab",
        Kind::Flat => "none",
    };
    let ways = [
        (format!("{image}-sha1"), has(file.image_sha1.map(MemberHash::Sha1))),
        (format!("{image}-sha256"), has(file.image_sha256.map(MemberHash::Sha256))),
        ("flat-sha1".to_owned(), has(file.sha1.map(MemberHash::Sha1))),
        ("flat-sha256".to_owned(), has(Some(MemberHash::Sha256(file.sha256)))),
    ];
    let found: Vec<String> = ways.into_iter().filter(|way| way.1).map(|way| way.0).collect();
    let lists = catalogs.iter().any(|catalog| catalog.lists(file));
    assert_eq!(lists, !found.is_empty(), "`lists` says what `has` says");
    if found.is_empty() { "NOT in catalog".to_owned() } else { found.join("+") }
}

#[test]
fn corpus_catalogs_list_what_an_independent_reader_found() {
    let Some(roots) = corpus("corpus_catalogs_list_what_an_independent_reader_found") else { return };
    let catalogs = catalogs(&roots);
    let mut checked = 0;
    for line in roots.iter().flat_map(|root| lines(root)) {
        let path = line.package.join(&line.file);
        let file = digest::read(fs::File::open(&path).unwrap(), Wanted::ALL).unwrap();
        assert_eq!(
            (file.size_bytes, hex::encode(file.sha256)),
            (line.bytes, line.sha256),
            "{}",
            path.display()
        );
        if line.found_as == "catalog" {
            continue;
        }
        let of_package: Vec<&Catalog> =
            catalogs.iter().filter(|(path, _)| path.starts_with(&line.package)).map(|one| one.1).collect();
        assert_eq!(found_as(&file, &of_package), line.found_as, "{}", path.display());
        checked += 1;
    }
    assert!(checked > 60, "only {checked} files were checked");
}

/// The signer of each package's catalogs, and the program name in them; the rest are by the hardware labs.
const OTHER_SIGNERS: &[(&str, &str)] = &[
    ("vboxusb-two-infs/6.1.10.38449", "Oracle Corporation"),
    ("tap-windows6-amd64-win7/9.00.00.21", "OpenVPN Technologies, Inc."),
    ("libusb0-arduino-gemma-multiarch/1.0.0.0", "Adafruit Industries"),
    ("adafruit-usbser/10.2.4.0", "Adafruit Industries"),
    ("adafruit-usbser/10.2.5.0", ""),
    ("plutosdr-four-infs/1", "Analog Devices International UC"),
    ("stale-catalog-adafruit-usbser", "Adafruit Industries"),
    ("bad-driverver-date-tidepool", "Tidepool Project"),
];
const HARDWARE_LABS: &str = "Microsoft Windows Hardware Compatibility Publisher";

#[test]
fn corpus_signatures_are_intact_and_nobody_is_trusted_without_roots() {
    let Some(roots) = corpus("corpus_signatures_are_intact_and_nobody_is_trusted_without_roots") else {
        return;
    };
    let trust = Trust::none("2026-06-01T00:00:00Z".parse().unwrap());
    let catalogs = catalogs(&roots);
    assert!(catalogs.len() >= 31, "only {} catalogs", catalogs.len());
    for (path, catalog) in catalogs {
        let check = catalog.verify(&trust);
        let folder = path.parent().unwrap();
        let other = OTHER_SIGNERS.iter().find(|(package, _)| folder.ends_with(package));
        let signer = other.map_or(HARDWARE_LABS, |other| other.1);
        let state = if signer.is_empty() { SignerState::NoSigner } else { SignerState::NotTrusted };
        assert_eq!((check.signer.as_str(), check.state), (signer, state), "{}", path.display());
        assert_eq!(check.whql, other.is_none(), "{}", path.display());
        assert_eq!(check.program.is_empty(), other.is_some(), "{}: '{}'", path.display(), check.program);
        assert!(
            catalog.attribute("HWID1").is_some() || signer.is_empty() || !check.whql,
            "{}",
            path.display()
        );
    }
}
