//! Catalogs of the sample authority: what each kind of signer, time stamp and damage comes to.

use std::fs;
use std::path::{Path, PathBuf};

use driver::catalog::{Catalog, MemberHash, SignatureCheck, SignerState, Trust};
use driver::digest::{self, Kind, Wanted};
use samples::catalog::{Catalog as Sample, Signer, Stamp};
use samples::{PackSpec, Step, apply_step, write_pack};

const INF: &[u8] = b"[Version]\r\nSignature = \"$Windows NT$\"\r\n";

pub(crate) fn sample(version: u8) -> Sample {
    let sample = Sample::new(version).file("Sample.inf", INF).hardware_id("PCI\\VEN_8010&DEV_0001");
    sample.attribute("OS", "_v100_X64")
}

pub(crate) fn trust(at: &str) -> Trust {
    Trust::from_pem(samples::catalog::root_pem().as_bytes(), at.parse().unwrap()).unwrap()
}

fn verify(catalog: &[u8], trust: &Trust) -> SignatureCheck {
    Catalog::parse(catalog).unwrap().verify(trust)
}

#[track_caller]
fn check(catalog: &[u8], trust: &Trust, state: SignerState, codes: &[&str]) -> SignatureCheck {
    let check = verify(catalog, trust);
    let found: Vec<&str> = check.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!((check.state, found.as_slice()), (state, codes));
    check
}

#[test]
fn both_versions_tell_what_they_list() {
    let file = digest::read(INF, Wanted::ALL).unwrap();
    for version in [1, 2] {
        let catalog = Catalog::parse(&sample(version).build()).unwrap();
        assert_eq!((catalog.version(), catalog.list_id()), (version, [0x5A; 16].as_slice()));
        assert_eq!(catalog.created().to_string(), "2026-03-01T12:00:00Z");
        assert_eq!(catalog.members().len(), usize::from(version), "version 2 lists a file twice");
        assert!(catalog.members().iter().all(|member| member.file() == Some("sample.inf")));
        assert!(catalog.members().iter().all(|member| member.kind == Some(Kind::Flat)));
        assert_eq!(catalog.attribute("hwid1"), Some("pci\\ven_8010&dev_0001"));
        assert_eq!(catalog.attribute("OS"), Some("_v100_X64"));
        assert_eq!(catalog.wanted(), if version == 1 { Wanted::SHA1 } else { Wanted::SHA256 });
        assert!(catalog.lists(&file) && catalog.diagnostics().is_empty());
        assert!(catalog.has(MemberHash::Sha1(file.sha1.unwrap())));
        assert!(!catalog.lists(&digest::read(&INF[1..], Wanted::ALL).unwrap()));
    }
}

#[test]
fn a_cabinet_is_listed_by_its_own_hash() {
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::MsZip).add_file("a.txt");
    let mut writer = builder.build(std::io::Cursor::new(Vec::new())).unwrap();
    std::io::Write::write_all(&mut writer.next_file().unwrap().unwrap(), b"hello").unwrap();
    let mut cabinet = writer.finish().unwrap().into_inner();
    let catalog = Catalog::parse(&Sample::new(2).file("a.cab", &cabinet).build()).unwrap();
    assert_eq!(catalog.members()[0].kind, Some(Kind::Cabinet));
    cabinet[5] ^= 1; // reserved, and not hashed
    let digests = digest::read(cabinet.as_slice(), Wanted::ALL).unwrap();
    assert!(digests.kind == Kind::Cabinet && catalog.lists(&digests));
    cabinet[10] ^= 1;
    assert!(!catalog.lists(&digest::read(cabinet.as_slice(), Wanted::ALL).unwrap()));
}

#[test]
fn the_signer_decides() {
    let (now, none) = (trust("2026-06-01T00:00:00Z"), Trust::none("2026-06-01T00:00:00Z".parse().unwrap()));
    let signed = |signer| sample(2).signed(signer).build();
    let labs = signed(Signer::HardwareLabs);
    let good = check(&labs, &now, SignerState::Trusted, &["timestamp_missing"]);
    assert_eq!(good.signer, "Sample Hardware Compatibility Publisher");
    assert_eq!(good.program, "Sample Devices Ltd.");
    assert_eq!(good.chain, [good.signer.as_str(), "Sample Publisher CA", "Sample Root"]);
    assert!(good.whql && good.stamped.is_none());

    let unknown = check(&labs, &none, SignerState::NotTrusted, &["timestamp_missing", "signer_unknown_root"]);
    assert!(
        unknown.whql && unknown.is_intact() && unknown.diagnostics[1].text.contains("'Sample Publisher CA'")
    );
    let expired = check(
        &signed(Signer::Expired),
        &now,
        SignerState::NotTrusted,
        &["timestamp_missing", "signer_expired"],
    );
    assert!(!expired.whql && expired.chain.len() == 3);
    let early = trust("2019-12-31T00:00:00Z");
    check(&labs, &early, SignerState::NotTrusted, &["timestamp_missing", "signer_not_yet_valid"]);
    let web = signed(Signer::WebServer);
    check(&web, &now, SignerState::NotTrusted, &["timestamp_missing", "signer_not_for_code"]);
    // An issuer may issue no more than it may itself.
    for signer in [Signer::OfWebIssuer, Signer::OfBoundIssuer] {
        let found = ["timestamp_missing", "signer_unknown_root"];
        check(&signed(signer), &now, SignerState::NotTrusted, &found);
    }
    check(&sample(2).build(), &now, SignerState::NoSigner, &["no_signer"]);
}

#[test]
fn a_time_stamp_outlives_the_certificate() {
    let now = trust("2026-06-01T00:00:00Z");
    let old = |time, stamp| sample(2).created(time).signed(Signer::Expired).stamped(stamp).build();
    for stamp in [Stamp::Countersignature, Stamp::Token] {
        let in_time = old("210601120000Z", stamp);
        let good = check(&in_time, &now, SignerState::Trusted, &[]);
        assert_eq!(good.stamped.unwrap().to_string(), "2021-06-01T12:00:00Z", "{stamp:?}");
        let none = Trust::none("2021-06-01T00:00:00Z".parse().unwrap());
        let unknown = check(
            &in_time,
            &none,
            SignerState::NotTrusted,
            &["timestamp_unknown_root", "signer_unknown_root"],
        );
        assert_eq!(unknown.stamped, None);
        let late = old("220601120000Z", stamp);
        check(&late, &now, SignerState::NotTrusted, &["signer_expired"]);
    }
    let misplaced = old("210601120000Z", Stamp::Misplaced);
    check(&misplaced, &now, SignerState::NotTrusted, &["timestamp_invalid", "signer_expired"]);
    let misplaced = sample(2).signed(Signer::HardwareLabs).stamped(Stamp::Misplaced).build();
    check(&misplaced, &now, SignerState::Trusted, &["timestamp_invalid"]);
}

#[test]
fn what_was_changed_after_signing_shows() {
    let now = trust("2026-06-01T00:00:00Z");
    let good = sample(2).signed(Signer::HardwareLabs).build();
    let changed_at = |part: &[u8], from_end: bool| {
        let mut places = good.windows(part.len()).enumerate().filter(|(_, window)| *window == part);
        let place = if from_end { places.next_back() } else { places.next() }.unwrap().0;
        let mut changed = good.clone();
        changed[place + part.len() - 1] ^= 1;
        changed
    };
    let hash = digest::read(INF, Wanted::CONTENT).unwrap().sha256;
    check(&changed_at(&hash, false), &now, SignerState::Broken, &["signature_content_differs"]);
    // The last bytes are the signature's.
    check(&changed_at(&good[good.len() - 9..], true), &now, SignerState::Broken, &["signature_broken"]);

    let otherwise = sample(2).signed(Signer::HardwareLabs).signed_as("1.2.840.113549.1.7.1").build();
    check(&otherwise, &now, SignerState::Broken, &["signature_content_differs"]);

    let mut longer = good.clone();
    longer.extend([0; 7]);
    let catalog = Catalog::parse(&longer).unwrap();
    assert_eq!(catalog.diagnostics()[0].code, "catalog_trailing_bytes");
    assert!(catalog.verify(&now).is_trusted());
}

#[test]
fn a_configured_signer_is_trusted_by_itself() {
    // As with a self-made test certificate: the root vouches for itself.
    let pem = samples::catalog::root_pem();
    let twice = trust("2026-06-01T00:00:00Z").with_pem(pem.as_bytes()).unwrap();
    assert_eq!(twice.len(), 2);
    check(
        &sample(1).signed(Signer::HardwareLabs).build(),
        &twice,
        SignerState::Trusted,
        &["timestamp_missing"],
    );
}

#[test]
fn what_is_no_catalog_says_why() {
    let check = |bytes: &[u8], code: &str| {
        let error = Catalog::parse(bytes).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    };
    check(b"", "catalog_empty");
    check(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "catalog_lfs_pointer");
    check(b"hpt3xx placeholder\r\n", "catalog_text");
    check(b"\x30\x03\x02\x01\x05", "catalog_malformed");
    check(b"MZ\x90\x00\x03", "catalog_malformed");
    let good = sample(2).signed(Signer::HardwareLabs).build();
    check(&good[..good.len() - 1], "catalog_malformed");
    check(&vec![0x30; driver::catalog::CATALOG_BYTES_MAX + 1], "catalog_too_large");
    // Data, not signed data.
    check(b"\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01\xA0\x00", "catalog_not_a_catalog");
}

#[test]
fn what_is_no_root_says_why() {
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    let check = |pem: &[u8], code: &str| assert_eq!(Trust::from_pem(pem, at).unwrap_err().code(), code);
    check(b"", "trust_no_certificate");
    check(b"MIIB", "trust_no_certificate");
    check(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "trust_unreadable");
    let commented = format!("# Sample\n{}\n# End\n", samples::catalog::root_pem());
    assert_eq!(Trust::from_pem(commented.as_bytes(), at).unwrap().len(), 1);
    assert!(Trust::none(at).is_empty());
}

/// The files below a folder whose names end so, in any case.
pub(crate) fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case(extension)) {
            found.push(path);
        }
    }
}

/// Proves every file of every driver folder of a pack and gives how many images there were.
fn prove_pack(root: &Path, trust: &Trust) -> usize {
    let (mut catalogs, mut images) = (Vec::new(), 0);
    files_below(root, "cat", &mut catalogs);
    assert!(!catalogs.is_empty());
    for path in catalogs {
        let catalog = Catalog::parse(&fs::read(&path).unwrap()).unwrap();
        assert!(catalog.verify(trust).is_trusted(), "{}", path.display());
        let mut folders = vec![path.parent().unwrap().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name =
                    entry.extension().map_or_else(String::new, |end| end.to_string_lossy().to_lowercase());
                if entry.is_dir() {
                    folders.push(entry);
                } else if name != "cat" {
                    let digests = digest::read(fs::File::open(&entry).unwrap(), catalog.wanted()).unwrap();
                    assert!(catalog.lists(&digests), "{}", entry.display());
                    let is_image = ["sys", "dll", "exe"].contains(&name.as_str());
                    assert_eq!(digests.kind == Kind::Pe, is_image, "{}", entry.display());
                    images += usize::from(is_image);
                }
            }
        }
    }
    images
}

#[test]
fn generated_packs_are_signed_and_whole_also_after_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let trust = trust("2026-06-01T00:00:00Z");
    let spec = PackSpec { seed: 5, drivers: 6, large_files: 0, large_file_bytes: 0 };
    write_pack(folder.path(), &spec).unwrap();
    assert!(prove_pack(folder.path(), &trust) > 5);
    for step in [Step::Resign, Step::Full] {
        apply_step(folder.path(), 5, step).unwrap();
        prove_pack(folder.path(), &trust);
    }
}
