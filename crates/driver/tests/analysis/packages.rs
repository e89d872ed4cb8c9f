//! One driver in its folder: verdicts, codes, identities.

use driver::analysis::{AnalysisError, analyze, find_infs};
use driver::catalog::Trust;
use driver::install::EXCLUDE_IDS_MAX;
use driver::{DriverDate, DriverKind, DriverVersion, SignatureState};
use samples::catalog::{Catalog, Signer};

use crate::rig::{Rig, codes, inf, payload, too_much_text, trust};

#[test]
fn a_whole_signed_driver() {
    let rig = Rig::signed(&inf(""));
    let driver = rig.analyze("NET.INF").unwrap();
    assert_eq!(driver.inf_file, "net.inf");
    assert_eq!((driver.class.as_str(), driver.provider.as_str()), ("Net", "Acme"));
    assert_eq!(driver.class_guid, "{4d36e972-e325-11ce-bfc1-08002be10318}");
    assert_eq!(driver.date, Some(DriverDate { year: 2026, month: 3, day: 5 }));
    assert_eq!(
        (driver.version, driver.version_text.as_str()),
        (Some(DriverVersion([1, 2, 3, 4])), "1.2.3.4")
    );
    assert_eq!((driver.display_name.as_str(), driver.kind.clone()), ("Acme Net", DriverKind::Base));
    assert_eq!(driver.signature.state, SignatureState::Trusted);
    assert_eq!(driver.signature.signer, "Sample Hardware Compatibility Publisher");
    assert_eq!(driver.signature.program, "Sample Devices Ltd.");
    assert!(driver.signature.whql && !driver.boot_start && !driver.boot_critical);
    assert_eq!(payload(&driver), ["net.cat", "net.inf+", "net.sys:amd64+"]);
    assert_eq!(driver.platforms.len(), 12);
    assert_eq!((driver.content.files, driver.content.hash.len()), (3, 64));
    assert_eq!(codes(&driver.diagnostics), [""; 0]);
    let device = &driver.models[0].devices[0];
    assert_eq!(
        (device.hardware_id.as_str(), device.compatible_ids.as_slice()),
        ("PCI\\VEN_1&DEV_2", &["PCI\\VEN_1".to_owned()][..])
    );
    assert!(device.nt_section && device.feature_score == 0xFF);
}

/// Changes a good folder and expects a verdict and findings.
#[track_caller]
fn check(change: impl Fn(&Rig), state: SignatureState, expect: &[&str]) {
    let rig = Rig::signed(&inf(""));
    change(&rig);
    let driver = rig.analyze("net.inf").unwrap();
    assert_eq!((driver.signature.state, codes(&driver.diagnostics).as_slice()), (state, expect));
    let signed = matches!(state, SignatureState::Trusted | SignatureState::SignerNotTrusted);
    assert_eq!(driver.signature.state.is_signed(), signed);
}

#[test]
fn each_verdict_has_its_finding() {
    let resign = |rig: &Rig, text: &str| {
        rig.write("net.inf", text.as_bytes());
        rig.sign("net.cat", &["net.inf", "net.sys"]);
    };
    let cat = Catalog::new(2).file("net.inf", inf("").as_bytes()).file("net.sys", b"net driver");
    check(|_| {}, SignatureState::Trusted, &[]);
    check(
        |rig| rig.write("net.cat", &cat.clone().signed(Signer::Expired).build()),
        SignatureState::SignerNotTrusted,
        &["signer_expired"],
    );
    check(|rig| rig.write("net.cat", &cat.build()), SignatureState::NoSigner, &["no_signer"]);
    check(
        |rig| rig.write("net.inf", inf("; edited\n").as_bytes()),
        SignatureState::InfNotCovered,
        &["inf_not_covered"],
    );
    check(
        |rig| rig.write("net.inf", inf("").replace("\r\n", "\n").as_bytes()),
        SignatureState::InfNotCovered,
        &["inf_line_ends_changed"],
    );
    check(
        |rig| rig.write("net.sys", b"another"),
        SignatureState::PayloadNotCovered,
        &["payload_not_covered"],
    );
    check(
        |rig| rig.write("net.sys", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
        SignatureState::PayloadNotCovered,
        &["payload_lfs_pointer", "payload_not_covered"],
    );
    check(
        |rig| std::fs::remove_file(rig.path().join("net.sys")).unwrap(),
        SignatureState::Trusted,
        &["payload_missing"],
    );
    check(
        |rig| std::fs::remove_file(rig.path().join("net.cat")).unwrap(),
        SignatureState::CatalogMissing,
        &["catalog_missing"],
    );
    check(|rig| rig.write("net.cat", b""), SignatureState::CatalogUnreadable, &["catalog_empty"]);
    check(|rig| rig.write("net.cat", b"placeholder"), SignatureState::CatalogUnreadable, &["catalog_text"]);
    let unnamed = inf("").replace("CatalogFile=net.cat\r\n", "");
    check(|rig| resign(rig, &unnamed), SignatureState::NoCatalog, &["no_catalog"]);
    // A catalog for an architecture that the driver is not for says nothing.
    let two = inf("").replace("CatalogFile=", "CatalogFile.NTx86=old.cat\r\nCatalogFile.NTamd64=");
    check(|rig| resign(rig, &two), SignatureState::Trusted, &["catalog_missing"]);
}

#[test]
fn a_new_catalog_may_list_by_the_old_hash() {
    let rig = Rig::signed(&inf(""));
    let catalog =
        Catalog::new(2).file_by_sha1("net.inf", inf("").as_bytes()).file_by_sha1("net.sys", b"net driver");
    rig.write("net.cat", &catalog.signed(Signer::HardwareLabs).build());
    let driver = rig.analyze("net.inf").unwrap();
    assert_eq!(driver.signature.state, SignatureState::Trusted);
    assert_eq!(payload(&driver), ["net.cat", "net.inf+", "net.sys:amd64+"]);
}

/// What is packed is not compared: it proves nothing, unless the catalog lists the package itself.
#[test]
fn packed_files_are_not_taken_for_signed() {
    let check = |packed: &str, content: &[u8], text: &str| {
        let rig = Rig::signed(text);
        std::fs::remove_file(rig.path().join("net.sys")).unwrap();
        rig.write(packed, content);
        let driver = rig.analyze("net.inf").unwrap();
        assert_eq!(driver.signature.state, SignatureState::PayloadNotCovered, "{packed}");
        assert_eq!(codes(&driver.diagnostics), ["payload_unverified"], "{packed}");
        rig.sign("net.cat", &["net.inf", packed]);
        let driver = rig.analyze("net.inf").unwrap();
        assert_eq!(driver.signature.state, SignatureState::Trusted, "{packed}");
        assert_eq!(codes(&driver.diagnostics), [""; 0], "{packed}");
    };
    check("net.sy_", b"whatever", &inf(""));
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::None).add_file("net.sys");
    let mut writer = builder.build(std::io::Cursor::new(Vec::new())).unwrap();
    while let Some(mut file) = writer.next_file().unwrap() {
        std::io::Write::write_all(&mut file, b"whatever").unwrap();
    }
    let cabinet = writer.finish().unwrap().into_inner();
    check("data.cab", &cabinet, &inf("").replace("1=disk", "1=disk,data.cab"));
}

/// Each architecture is judged by its own catalog; the worst verdict is the driver's.
#[test]
fn each_architecture_has_its_own_catalog() {
    let text = inf("[M.NTx86]\n%D%=Net_Install,PCI\\VEN_1&DEV_2\n")
        .replace("M,NTamd64", "M,NTamd64,NTx86")
        .replace("CatalogFile=", "CatalogFile.NTx86=old.cat\r\nCatalogFile.NTamd64=");
    let check = |catalog: Option<&Catalog>, state: SignatureState, signer: &str| {
        let rig = Rig::signed(&text);
        catalog.iter().for_each(|catalog| rig.write("old.cat", &catalog.build()));
        let signature = rig.analyze("net.inf").unwrap().signature;
        assert_eq!((signature.state, signature.signer.as_str()), (state, signer));
    };
    let (inf, publisher) =
        (Catalog::new(2).file("net.inf", text.as_bytes()), "Sample Hardware Compatibility Publisher");
    let whole = inf.clone().file("net.sys", b"net driver");
    check(Some(&whole.clone().signed(Signer::HardwareLabs)), SignatureState::Trusted, publisher);
    check(None, SignatureState::CatalogMissing, "");
    check(Some(&whole), SignatureState::NoSigner, "");
    check(Some(&inf.signed(Signer::HardwareLabs)), SignatureState::PayloadNotCovered, publisher);
    let unnamed = text.replace("CatalogFile.NTx86=old.cat\r\n", "");
    assert_eq!(Rig::signed(&unnamed).analyze("net.inf").unwrap().signature.state, SignatureState::NoCatalog);
    let both = Rig::signed(&unnamed.replace("CatalogFile.NTamd64", "CatalogFile"));
    assert_eq!(both.analyze("net.inf").unwrap().signature.state, SignatureState::Trusted);
}

/// Anybody can sign a catalog that lists whatever lies there: it counts for no other architecture than its own.
#[test]
fn a_second_catalog_vouches_for_nothing() {
    let text = inf("").replace("CatalogFile=", "CatalogFile.NTx86=old.cat\r\nCatalogFile.NTamd64=");
    let rig = Rig::signed(&text);
    rig.write("net.sys", b"changed");
    let own = Catalog::new(2).file("net.inf", text.as_bytes()).file("net.sys", b"changed");
    rig.write("old.cat", &own.signed(Signer::Expired).build());
    let driver = rig.analyze("net.inf").unwrap();
    assert_eq!(driver.signature.state, SignatureState::PayloadNotCovered);
    assert_eq!(payload(&driver), ["net.cat", "net.inf+", "net.sys:amd64-", "old.cat"]);
}

/// Anybody can make an unsigned catalog that lists whatever lies there.
#[test]
fn an_unsigned_catalog_vouches_for_nothing() {
    let text = inf("").replace("CatalogFile=", "CatalogFile.NTx86=old.cat\r\nCatalogFile.NTamd64=");
    let rig = Rig::signed(&text);
    rig.write("net.sys", b"changed");
    rig.write("old.cat", &Catalog::new(2).file("net.sys", b"changed").build());
    let driver = rig.analyze("net.inf").unwrap();
    assert_eq!(driver.signature.state, SignatureState::PayloadNotCovered);
    assert_eq!(payload(&driver), ["net.cat", "net.inf+", "net.sys:amd64-", "old.cat"]);
}

#[test]
fn a_changed_catalog_is_broken() {
    let rig = Rig::signed(&inf(""));
    let mut bytes = std::fs::read(rig.path().join("net.cat")).unwrap();
    // The attribute's name `File`, in UTF-16BE, inside what is signed.
    let at = bytes.windows(8).position(|part| part == b"\0F\0i\0l\0e").unwrap();
    bytes[at + 1] = b'G';
    rig.write("net.cat", &bytes);
    assert_eq!(rig.analyze("net.inf").unwrap().signature.state, SignatureState::Broken);
}

#[test]
fn without_roots_the_signer_is_named_and_not_trusted() {
    let rig = Rig::signed(&inf(""));
    let none = Trust::none("2026-06-01T00:00:00Z".parse().unwrap());
    let driver = analyze(&rig.folder(), "net.inf", &none).unwrap();
    assert_eq!(driver.signature.state, SignatureState::SignerNotTrusted);
    assert_eq!(driver.signature.signer, "Sample Hardware Compatibility Publisher");
}

/// What an INF of this text, alone in a folder, is refused with.
#[track_caller]
fn refused(text: &str, win32: u32, code: &str) {
    let rig = Rig::new(&[("a.inf", text.as_bytes())]);
    let error = rig.analyze("a.inf").unwrap_err();
    assert_eq!(error.win32(), win32, "{error}");
    let found = codes(error.diagnostics());
    assert!(found.contains(&code), "{code} is not in {found:?}");
    assert!(error.diagnostics().iter().all(|finding| finding.file == "a.inf"));
}

#[test]
fn what_is_no_driver_is_refused_with_the_documented_codes() {
    let good = inf("");
    refused("", 13, "version_missing");
    refused("[Defines]\nINF_VERSION = 0x00010005\nBASE_NAME = Lib\n", 13, "version_missing");
    refused(&good.replace("$Windows NT$", "$Windows 95$"), 13, "signature_unknown");
    refused(&good.replace("Class=Net\r\nClassGuid", "X"), 13, "class_unknown");
    refused(&good.replace("[Manufacturer]", "[Nobody]"), 13, "nothing_to_install");
    refused(&good.replace("NTamd64", "NT$ARCH$"), 1633, "decoration_template");
}

#[test]
fn a_driver_for_no_platform_and_one_that_is_not_there() {
    let check = |text: &str, win32: u32| {
        let rig = Rig::new(&[("a.inf", text.as_bytes())]);
        assert_eq!(rig.analyze("a.inf").unwrap_err().win32(), win32, "{text}");
    };
    let good = inf("");
    check(&good.replace("NTamd64", "NTia64"), 1633);
    check(&good.replace("%V%=M,NTamd64", "%V%=M"), 1633);
    check(&good.replace("%D%=Net_Install,PCI\\VEN_1&DEV_2,PCI\\VEN_1\r\n", ""), 1633);
    check(&good.replace("[Manufacturer]", "[DefaultInstall.NT$ARCH$]\r\n[X]"), 1633);
    let rig = Rig::new(&[]);
    for name in ["none.inf", "../none.inf", "/etc/passwd", ""] {
        let error = rig.analyze(name).unwrap_err();
        assert!(matches!(error, AnalysisError::Unreadable { .. }) && error.win32() == 2, "{name}");
    }
}

/// Files that were made to take long or to fill the memory are refused, or say a bounded number of things.
#[test]
fn what_never_ends_is_cut() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let models = many(70_000, &|_| "D=I\n".to_owned());
    let head = inf("").replace("CatalogFile=net.cat\r\n", "");
    refused(&head.replace("[Net_Install.NT]", &format!("{models}[Net_Install.NT]")), 13, "too_many_devices");
    let models = many(300_000, &|n| format!("D=I,PCI\\{n}\n"));
    refused(
        &head.replace("[Net_Install.NT]", &format!("{models}[Net_Install.NT]")),
        13,
        "inf_too_many_entries",
    );
    // Each pair of the two would be a line.
    let (manufacturers, models) =
        (many(2_000, &|_| "P=M,NTamd64\n".to_owned()), many(2_000, &|_| "D=I,A\n".to_owned()));
    let square = head.replace("%V%=M,NTamd64\r\n", &manufacturers).replace("[Net_Install.NT]", &models);
    refused(&square, 13, "inf_too_many_models");
    let services = many(50_000, &|n| format!("AddService=s{n},,S\n"));
    let files = many(50_000, &|n| format!("f{n}.sys\n"));
    let service = many(50_000, &|n| format!("v{n}=1\n"));
    let head = format!("{head}[S]\n{service}StartType=0\n");
    let text =
        head.replace("AddService=net", &format!("{services}AddService=net")).replace("net.sys\r\n", &files);
    let driver = Rig::new(&[("a.inf", text.as_bytes())]).analyze("a.inf").unwrap();
    assert_eq!(driver.payload.iter().filter(|file| !file.present).count(), 50_000);
    assert!((200..1000).contains(&driver.diagnostics.len()), "{}", driver.diagnostics.len());
    assert!(driver.boot_start, "the services are read, their section once");
}

/// Each device has the ids that its install section excludes: a short text could make many of them.
#[test]
fn excluded_ids_are_bounded() {
    let text = |ids: usize, devices: usize| {
        let ids: Vec<String> = (0..ids).map(|n| format!("PCI\\X{n}")).collect();
        let excluded =
            format!("[Net_Install.NT]\nExcludeID=pci\\x1,{}\nExcludeID={}", ids.join(","), "A".repeat(200));
        let devices: String = (0..devices).map(|n| format!("D=Net_Install,PCI\\{n}\n")).collect();
        inf("").replace("[Net_Install.NT]", &format!("{devices}{excluded}"))
    };
    let excluded = |ids: usize| {
        let driver = Rig::signed(&text(ids, 10)).analyze("net.inf").unwrap();
        let [first, .., last] = driver.models[0].devices.as_slice() else { panic!("there are devices") };
        assert_eq!(first.exclude_ids.len(), last.exclude_ids.len());
        (first.exclude_ids.len(), codes(&driver.diagnostics))
    };
    assert_eq!(excluded(EXCLUDE_IDS_MAX), (EXCLUDE_IDS_MAX, vec![]));
    assert_eq!(excluded(EXCLUDE_IDS_MAX + 1), (EXCLUDE_IDS_MAX, vec!["exclude_ids_cut"]));
    refused(&text(EXCLUDE_IDS_MAX, 2_000), 13, "too_many_exclusions");
}

/// What broke one limit is asked for nothing more.
#[test]
fn reading_ends_at_the_first_limit() {
    let text = format!("{}[Big]\n{}", inf("").replace("Provider=%V%\r\n", ""), too_much_text());
    let rig = Rig::new(&[("a.inf", text.as_bytes())]);
    let error = rig.analyze("a.inf").unwrap_err();
    let found = codes(error.diagnostics());
    assert!(found.contains(&"inf_too_much_text"), "{found:?}");
    assert!(!found.contains(&"provider_missing") && !found.contains(&"catalog_missing"), "{found:?}");
}

#[test]
fn kinds_of_inf() {
    let extension = inf("")
        .replace("Class=Net", "Class=Extension\r\nExtensionId={ABCDEF00-0000-0000-0000-000000000001}")
        .replace("4d36e972-e325-11ce-bfc1-08002be10318", "E2F84CE7-8EFA-411C-AA69-97454CA4CB57");
    let component =
        inf("").replace("4d36e972-e325-11ce-bfc1-08002be10318", "5c4c3332-344d-483c-8739-259e934c9cc8");
    let primitive =
        inf("[DefaultInstall.NTamd64]\nCopyFiles=Net_Files\n").replace("[Manufacturer]", "[Nobody]");
    let check = |text: &str, kind: DriverKind, platforms: usize| {
        let driver = Rig::signed(text).analyze("net.inf").unwrap();
        assert_eq!((driver.kind.clone(), driver.platforms.len()), (kind, platforms));
        assert_eq!(payload(&driver), ["net.cat", "net.inf+", "net.sys:amd64+"]);
        driver
    };
    check(&inf(""), DriverKind::Base, 12);
    check(&extension, DriverKind::Extension("{abcdef00-0000-0000-0000-000000000001}".to_owned()), 12);
    // The GUID counts before the name.
    check(&component, DriverKind::SoftwareComponent, 12);
    check(
        &primitive.replace("[Nobody]", "[Manufacturer]\r\n%V%=None\r\n[Nobody]"),
        DriverKind::Primitive,
        12,
    );
    let driver = check(&primitive, DriverKind::Primitive, 12);
    assert!(driver.models.is_empty() && driver.display_name.is_empty());
}

#[test]
fn boot_drivers_are_seen() {
    let boot = |text: &str| Rig::signed(text).analyze("net.inf").unwrap().boot_start;
    assert!(!boot(&inf("")));
    assert!(boot(
        &inf("").replace("StartType=3", "StartType=%Start%").replace("V=Acme", "V=Acme\r\nStart=0x0")
    ));
    assert!(boot(&inf("").replace("Provider", "BootCritical=1\r\nProvider")));
    assert!(!boot(&inf("[Other.Services]\nAddService=x,,X\n[X]\nStartType=0\n")), "nothing reaches it");
}

#[test]
fn install_sections_speak_for_their_devices() {
    let text = inf("").replace(
        "[Net_Install.NT]",
        "[Net_Install]\r\nFeatureScore=01\r\n[Net_Install.NT]\r\nFeatureScore=8F\r\nExcludeID=PCI\\X, PCI\\Y\r\n\
         DriverVer=01/02/2027,9.0",
    );
    let driver = Rig::signed(&text).analyze("net.inf").unwrap();
    let device = &driver.models[0].devices[0];
    assert_eq!((device.feature_score, device.exclude_ids.len()), (0x8F, 2));
    assert_eq!(device.date, Some(DriverDate { year: 2027, month: 1, day: 2 }));
    assert_eq!(device.version, Some(DriverVersion([9, 0, 0, 0])));
    assert_eq!(driver.version_text, "1.2.3.4", "the driver keeps its own");
    let only = text.replace("DriverVer=03/05/2026,1.2.3.4\r\n", "");
    let driver = Rig::signed(&only).analyze("net.inf").unwrap();
    assert_eq!((driver.version_text.as_str(), driver.date), ("9.0", device.date));
    let odd = inf("").replace("[Net_Install.NT]", "[Net_Install.NT]\r\nFeatureScore=high");
    let driver = Rig::signed(&odd).analyze("net.inf").unwrap();
    assert_eq!(codes(&driver.diagnostics), ["feature_score_invalid"]);
}

#[test]
fn the_same_driver_has_the_same_id_and_any_change_another() {
    let ids = |rig: &Rig| {
        let driver = rig.analyze("net.inf").unwrap();
        (driver.id, driver.content.hash)
    };
    let (one, again) = (Rig::signed(&inf("")), Rig::signed(&inf("")));
    assert_eq!(ids(&one), ids(&again));
    again.write("second.inf", inf("").as_bytes());
    let second = again.analyze("second.inf").unwrap();
    let (id, hash) = ids(&again);
    assert_ne!(ids(&one).1, hash, "another file is another content");
    assert!(second.id != id && second.content.hash == hash, "two drivers share one content");
    assert_eq!(find_infs(&again.folder()), ["net.inf", "second.inf"]);
}

#[test]
fn generated_packs_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let spec = samples::PackSpec { seed: 7, drivers: 10, large_files: 1, large_file_bytes: 4096 };
    samples::write_pack(dir.path(), &spec).unwrap();
    let folder = driver::analysis::Folder::scan(dir.path(), &Default::default()).unwrap();
    let infs = find_infs(&folder);
    assert!(infs.len() >= 10, "some folders hold two");
    let mut copied = 0;
    for inf in &infs {
        let (around, name) = folder.around(inf).unwrap();
        let driver = analyze(&around, &name, &trust()).unwrap();
        assert_eq!(driver.signature.state, SignatureState::Trusted, "{inf}");
        assert!(driver.payload.iter().all(|file| file.present), "{inf}");
        let uncovered = driver.payload.iter().filter(|file| file.covered != Some(true)).count();
        assert_eq!(uncovered, 1, "{inf}: all but the catalog");
        assert!(!driver.display_name.is_empty() && driver.platforms.len() == 5, "{inf}");
        copied += driver.payload.len() - 2;
    }
    assert!(copied > 20, "some copy nothing, but not all");
}
