use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::path::PathBuf;

use proptest::prelude::*;

use super::choice::{MatchedBy, ReleaseFit};
use super::*;

const DELL: &str = r#"<?xml version="1.0"?>
<DriverPackManifest baseLocation="downloads.example.test" dateTime="2026-03-31T12:01:05" version="2026.03.04" schemaVersion="2.3" xmlns="openmanage/cm/dm">
  <DriverPackage format="exe" hashMD5="00112233445566778899AABBCCDDEEFF" size="2525984736" dateTime="2022-06-13T14:57:24" dellVersion="A10" path="F1/1/5070_A10.exe" releaseID="PPPRC" type="win">
    <Name><Display lang="en"><![CDATA[ 5070_A10.exe ]]></Display></Name>
    <SupportedOperatingSystems>
      <OperatingSystem osCode="Windows10" osArch="x64"/><OperatingSystem osCode="Windows8.1" osArch="x86"/>
    </SupportedOperatingSystems>
    <SupportedSystems>
      <Brand key="1"><Display/><Model systemID="092F" name="OptiPlex 5070"/></Brand>
      <Brand key="1"><Model systemID="0932" name="OptiPlex 5070"/></Brand>
    </SupportedSystems>
    <Cryptography><Hash algorithm="SHA256">AA</Hash><Hash algorithm="SHA1">0123456789012345678901234567890123456789</Hash><Hash algorithm="MD7">?</Hash></Cryptography>
    <DriverPackMetadataInfo><Cryptography><Hash algorithm="MD5">ffffffffffffffffffffffffffffffff</Hash></Cryptography></DriverPackMetadataInfo>
  </DriverPackage>
  <DriverPackage format="cab" hashMD5="" size="many" dateTime="0001-01-01T00:00:00" dellVersion="A01" path="F2/pe.CAB" releaseID="W1" type="winpe">
    <SupportedOperatingSystems><OperatingSystem osCode="winpe10x" osArch="x64"/></SupportedOperatingSystems>
  </DriverPackage>
  <DriverPackage format="cab" releaseID="LOST" type="win"><SupportedSystems/></DriverPackage>
</DriverPackManifest>"#;

const HP: &str = r#"<NewDataSet><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="SoftPaq"/></xs:schema>
<HPClientDriverPackCatalog SchemaVersion="1.0.0.0" ToolVersion="1" DateReleased="2026-04-06">
<SoftPaqList>
  <SoftPaq><Id>sp1</Id><Name>Pack 1</Name><Version>2.00 A 1</Version><DateReleased>1/24/2023 12:00:00 AM</DateReleased><Url>https://h.example.test/sp1.exe</Url><Size>435140224</Size><MD5>00112233445566778899aabbccddeeff</MD5><SHA256/></SoftPaq>
  <SoftPaq><Id>sp2</Id><Url></Url></SoftPaq>
  <SoftPaq><Id>sp3</Id><Name>Unlinked</Name><Url>https://h.example.test/sp3.exe</Url><Size>0</Size></SoftPaq>
</SoftPaqList>
<ProductOSDriverPackList>
  <ProductOSDriverPack><Architecture>64-bit</Architecture><SystemId>81c3, 8396</SystemId><SystemName>HP A</SystemName><OSName>Windows 11 64-bit, 24H2</OSName><SoftPaqId>SP1</SoftPaqId></ProductOSDriverPack>
  <ProductOSDriverPack><Architecture>64-bit</Architecture><SystemId>8399</SystemId><SystemName>HP B</SystemName><OSName>Windows 10 IoT Enterprise 2019 LTSC, 64-bit</OSName><SoftPaqId>sp1</SoftPaqId></ProductOSDriverPack>
  <ProductOSDriverPack><Architecture>64-bit</Architecture><SystemId>8399</SystemId><SystemName>HP B</SystemName><OSName>Windows 11 64-bit, 24H2</OSName><SoftPaqId>sp9</SoftPaqId></ProductOSDriverPack>
</ProductOSDriverPackList></HPClientDriverPackCatalog></NewDataSet>"#;

const LENOVO: &str = "\u{feff}\n<ModelList version=\"1.0\">
 <Model name=\"ThinkPad P\"><Types><Type>21D6</Type><Type>21D7</Type></Types><BIOS version=\"\" image=\"\"/>
  <SCCM os=\"win11\" version=\"22H2\" date=\"2023-01-09\" crc=\"e0bf507475cd30c931f51122a1b952e0e5593422b0c64a85010f82ea5d36f6a4\" md5=\"short\">https://l.example.test/p_w11_22h2.exe</SCCM>
  <SCCM version=\"*\">https://l.example.test/p_w10.exe</SCCM>
  <GFX os=\"win11\" version=\"22H2\" brand=\"NVIDIA\">https://l.example.test/p_nv.exe</GFX>
  <HSA os=\"win11\" version=\"22H2\">https://l.example.test/p_hsa.zip</HSA>
 </Model>
 <Model name=\"ThinkPad Q\"><Types/><SCCM os=\"win11\" version=\"22H2\">https://l.example.test/p_w11_22h2.exe</SCCM><SCCM os=\"win11\" version=\"23H2\"/></Model>
</ModelList>";

const SURFACE: &str = r#"[{"CatalogVersion":"26.04.06","ReleaseDate":"24.07.15","Name":"Surface A","Model":"Surface A","SystemId":["Surface_A_1","Surface_A_2"],
 "FileName":"SurfaceA_Win11_22621_24.073.1.0.msi","Url":"https://m.example.test/SurfaceA.msi","OperatingSystem":"Windows 11","OSArchitecture":"arm64","HashMD5":"0bad"},
 {"CatalogVersion":"26.04.06","Name":"Surface B","Model":"Surface B","SystemId":"Surface_B","FileName":"SurfaceB_Win10_150723_0.zip","Url":"https://m.example.test/B.zip","OperatingSystem":"Windows 10","OSArchitecture":"amd64","HashMD5":null},
 {"Name":"Surface C","Url":5,"SystemId":{}}]"#;

const PANASONIC: &str = r#"{"LastDateModified":"2026-02-17T14:32:10Z","Manufacturer":"Panasonic","Models":[{"Alias":"FZ55-3","Product":"FZ55-3H","DriverPacks":[
 {"OSVer":"Win11","OSRelease":"25H2","Version":"V2","URL":"https://p.example.test/55.zip","Size":"3.23GB","Hash":"8440c7a635222b9f122d6327c692f4ed","ReleaseDate":"2026-02-17"},
 {"OSVer":"Win10","OSRelease":"22H2","URL":"https://p.example.test/55w10.zip","Size":"big"}]}]}"#;

fn codes(catalog: &PackCatalog) -> Vec<&'static str> {
    catalog.diagnostics.iter().map(|finding| finding.code).collect()
}

/// `model|ids|os release architecture` of each target.
fn targets(pack: &Pack) -> Vec<String> {
    let text = |target: &PackTarget| {
        let PackTarget { model, os } = target;
        let later = if os.or_later { "+" } else { "" };
        format!(
            "{}|{}|{} {}{later} {:?}",
            model.name,
            model.system_ids.join(","),
            os.name,
            os.release,
            os.architecture
        )
    };
    pack.targets.iter().map(text).collect()
}

#[test]
fn dell_lists_models_times_systems_and_damage_is_told() {
    let catalog = read(DELL.as_bytes()).unwrap();
    assert_eq!((catalog.vendor, catalog.version.as_str()), (Vendor::Dell, "2026.03.04"));
    assert_eq!(catalog.released, Some(DriverDate { year: 2026, month: 3, day: 31 }));
    assert_eq!(
        codes(&catalog),
        ["pack_hash_invalid", "pack_size_invalid", "pack_date_missing", "pack_url_missing"]
    );
    let [win, pe] = &catalog.packs[..] else { panic!("{:?}", catalog.packs) };
    assert_eq!(
        (win.id.as_str(), win.name.as_str(), win.version.as_str(), win.url.as_str()),
        ("PPPRC", "5070_A10.exe", "A10", "https://downloads.example.test/F1/1/5070_A10.exe")
    );
    assert_eq!((win.format, win.size_bytes), (PackFormat::Program, Some(2_525_984_736)));
    assert_eq!(
        win.hashes,
        PackHashes {
            md5: Some("00112233445566778899aabbccddeeff".to_owned()),
            sha1: Some("0123456789012345678901234567890123456789".to_owned()),
            sha256: None,
        }
    );
    assert_eq!(
        targets(win),
        [
            "OptiPlex 5070|092F|Windows 10  Amd64",
            "OptiPlex 5070|092F|Windows 8.1  X86",
            "OptiPlex 5070|0932|Windows 10  Amd64",
            "OptiPlex 5070|0932|Windows 8.1  X86",
        ]
    );
    assert_eq!(win.models().len(), 2);
    assert_eq!(
        (&pe.kind, pe.format, pe.released, pe.size_bytes),
        (&PackKind::WindowsPe, PackFormat::Cabinet, None, None)
    );
    assert_eq!(targets(pe), ["||Windows PE 10  Amd64"]);
}

#[test]
fn hp_links_products_with_packs() {
    let catalog = read(HP.as_bytes()).unwrap();
    assert_eq!(codes(&catalog), ["pack_url_missing", "pack_reference_missing", "pack_without_models"]);
    let [first, unlinked] = &catalog.packs[..] else { panic!("{:?}", catalog.packs) };
    assert_eq!(
        targets(first),
        ["HP A|81c3,8396|Windows 11 24H2 Amd64", "HP B|8399|Windows 10 IoT Enterprise 2019 LTSC  Amd64"]
    );
    assert_eq!(first.released, Some(DriverDate { year: 2023, month: 1, day: 24 }));
    assert_eq!((first.hashes.sha256.as_ref(), unlinked.size_bytes), (None, None));
}

#[test]
fn lenovo_shares_packs_between_models_and_knows_two_forms() {
    let catalog = read(LENOVO.as_bytes()).unwrap();
    assert_eq!(codes(&catalog), ["pack_hash_invalid", "pack_model_without_id", "pack_url_missing"]);
    let kinds: Vec<(&str, &PackKind)> =
        catalog.packs.iter().map(|pack| (pack.id.as_str(), &pack.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("p_w11_22h2.exe", &PackKind::Drivers),
            ("p_w10.exe", &PackKind::Drivers),
            ("p_nv.exe", &PackKind::Graphics("NVIDIA".to_owned())),
            ("p_hsa.zip", &PackKind::StoreApps),
        ]
    );
    assert_eq!(
        targets(&catalog.packs[0]),
        ["ThinkPad P|21D6,21D7|Windows 11 22H2 Amd64", "ThinkPad Q||Windows 11 22H2 Amd64"]
    );
    assert_eq!(targets(&catalog.packs[1]), ["ThinkPad P|21D6,21D7|Windows 10  Amd64"]);
    assert_eq!(catalog.packs[0].hashes.sha256.as_ref().map(String::len), Some(64));
}

#[test]
fn the_json_lists_are_read_with_what_they_leave_out() {
    let surface = read(SURFACE.as_bytes()).unwrap();
    assert_eq!((surface.vendor, surface.version.as_str()), (Vendor::Microsoft, "26.04.06"));
    assert_eq!(codes(&surface), ["pack_hash_invalid", "pack_url_missing"]);
    assert_eq!(targets(&surface.packs[0]), ["Surface A|Surface_A_1,Surface_A_2|Windows 11 22H2+ Arm64"]);
    assert_eq!(
        (surface.packs[0].version.as_str(), surface.packs[0].format),
        ("24.073.1.0", PackFormat::Installer)
    );
    assert_eq!(targets(&surface.packs[1]), ["Surface B|Surface_B|Windows 10  Amd64"]);

    let panasonic = read(PANASONIC.as_bytes()).unwrap();
    assert_eq!(codes(&panasonic), ["pack_size_invalid"]);
    assert_eq!(targets(&panasonic.packs[0]), ["FZ55-3|FZ55-3H|Windows 11 25H2 Amd64"]);
    assert_eq!((panasonic.packs[0].size_bytes, panasonic.packs[0].size_exact), (Some(3_230_000_000), false));

    let skus = br#"[{"SystemSku":"Surface Pro 7","Model":"Surface Pro 7","Device":"Surface_Pro_7_1866"},{"Model":"x"}]"#;
    let [sku] = &surface_skus(skus).unwrap()[..] else { panic!("one has a SKU") };
    assert_eq!((sku.sku.as_str(), sku.model.as_str()), ("Surface_Pro_7_1866", "Surface Pro 7"));
    assert_eq!(read(skus).unwrap_err().code(), "pack_catalog_unknown");
    assert_eq!(surface_skus(b"[]").unwrap_err().code(), "pack_catalog_unknown");
}

fn in_cabinet(name: &str, text: &str) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::MsZip).add_file(name);
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    writer.next_file().unwrap().unwrap().write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_catalog_may_come_in_a_cabinet_and_other_files_are_refused() {
    for text in [DELL, HP] {
        assert_eq!(read(&in_cabinet("Catalog.xml", text)).unwrap(), read(text.as_bytes()).unwrap());
    }
    let doctype = format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{LENOVO}");
    for (bytes, code) in [
        (in_cabinet("Catalog.txt", DELL), "pack_catalog_empty"),
        (b"MSCF".to_vec(), "archive_damaged"),
        (b"<Other/>".to_vec(), "pack_catalog_unknown"),
        (b"<NewDataSet/>".to_vec(), "pack_catalog_unknown"),
        (b"".to_vec(), "pack_catalog_xml"),
        (doctype.into_bytes(), "pack_catalog_xml"),
        (vec![b' '; BYTES_MAX + 1], "pack_catalog_xml"),
        (b"{\"Models\":[]}".to_vec(), "pack_catalog_unknown"),
        (b"{}".to_vec(), "pack_catalog_unknown"),
        (b"[]".to_vec(), "pack_catalog_unknown"),
        (b"[{".to_vec(), "pack_catalog_json"),
        (b"[1]".to_vec(), "pack_catalog_json"),
        ([b'['].repeat(100_000), "pack_catalog_json"),
    ] {
        let error = read(&bytes).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn a_forged_catalog_cannot_multiply_itself() {
    let models = r#"<Model systemID="0001" name="x"/>"#.repeat(2000);
    let systems = r#"<OperatingSystem osCode="Windows11" osArch="x64"/>"#.repeat(2000);
    let text = format!(
        "<DriverPackManifest baseLocation=\"h\"><DriverPackage path=\"a.cab\" releaseID=\"A\"><SupportedOperatingSystems>{systems}\
         </SupportedOperatingSystems><SupportedSystems><Brand>{models}</Brand></SupportedSystems></DriverPackage></DriverPackManifest>"
    );
    let catalog = read(text.as_bytes()).unwrap();
    assert_eq!(catalog.packs[0].targets.len(), TARGETS_MAX);
    assert_eq!(codes(&catalog), ["pack_targets_cut"]);
    let [first, .., last] = catalog.packs[0].targets.as_slice() else { panic!("there are targets") };
    assert_eq!(first.model.name, "x");
    assert!(Arc::ptr_eq(&first.model, &catalog.packs[0].targets[1].model), "systems share their model");
    assert!(!Arc::ptr_eq(&first.model, &last.model));
    // What each pair repeats is short.
    let long = "v".repeat(100_000);
    let types = "<Type>0001</Type>".repeat(20_000);
    let entries = format!(r#"<SCCM os="win{long}" version="{long}">https://h/a.exe</SCCM>"#);
    let text =
        format!(r#"<ModelList><Model name="{long}"><Types>{types}</Types>{entries}</Model></ModelList>"#);
    let catalog = read(text.as_bytes()).unwrap();
    let PackTarget { model, os } = &catalog.packs[0].targets[0];
    assert_eq!((model.name.len(), model.system_ids.len()), (TEXT_CHARS_MAX, SYSTEM_IDS_MAX));
    assert_eq!((os.name.len(), os.release.len()), (TEXT_CHARS_MAX, TEXT_CHARS_MAX));
    let lost = "<DriverPackage/>".repeat(5000);
    let catalog = read(format!("<DriverPackManifest>{lost}</DriverPackManifest>").as_bytes()).unwrap();
    assert_eq!(catalog.diagnostics.len(), DIAGNOSTICS_MAX + 1);
    assert_eq!(codes(&catalog).last(), Some(&"pack_findings_cut"));
}

fn machine(manufacturer: &str, model: &str, sku: &str) -> MachineModel {
    MachineModel {
        manufacturer: manufacturer.to_owned(),
        model: model.to_owned(),
        sku: sku.to_owned(),
        fallback_sku: String::new(),
    }
}

fn os(name: &str, release: &str, architecture: Architecture) -> TargetOs {
    TargetOs { name: name.to_owned(), architecture, release: release.to_owned(), older_releases: false }
}

fn check_offers(
    catalog: &str,
    machine: &MachineModel,
    os: &TargetOs,
    expect: &[(&str, MatchedBy, ReleaseFit)],
) {
    let catalog = read(catalog.as_bytes()).unwrap();
    let offers: Vec<_> = packs_for(&catalog, machine, os)
        .into_iter()
        .map(|offer| (offer.pack.id.clone(), offer.fit.matched_by, offer.fit.release))
        .collect();
    let expect: Vec<_> = expect.iter().map(|(id, by, release)| ((*id).to_owned(), *by, *release)).collect();
    assert_eq!(offers, expect, "{machine:?} {os:?}");
}

#[test]
fn packs_are_offered_to_the_machines_that_they_are_for() {
    use MatchedBy::{Model, Sku};
    use ReleaseFit::{Any, Exact, Older, OrLater};
    let (x64, arm64) = (Architecture::Amd64, Architecture::Arm64);
    let win11 = |release| os("Windows 11", release, x64);
    let win10 = os("Windows 10", "1909", x64);
    check_offers(DELL, &machine("Dell Inc.", "x", "092f"), &win10, &[("PPPRC", Sku, Any)]);
    check_offers(DELL, &machine("Dell Inc.", "Dell OptiPlex 5070", ""), &win10, &[("PPPRC", Model, Any)]);
    check_offers(DELL, &machine("Dell Inc.", "x", "92F"), &win10, &[]);
    check_offers(DELL, &machine("HP", "x", "092F"), &win10, &[]);
    check_offers(DELL, &machine("Dell Inc.", "x", "092F"), &win11("22H2"), &[]);
    check_offers(HP, &machine("HP", "x", "8396"), &win11("24H2"), &[("sp1", Sku, Exact)]);
    check_offers(HP, &machine("HP", "x", "8396"), &win11("23H2"), &[]);
    let lenovo = machine("LENOVO", "ThinkPad P", "21D7S00100");
    check_offers(
        LENOVO,
        &lenovo,
        &win11("22H2"),
        &[("p_w11_22h2.exe", Sku, Exact), ("p_nv.exe", Sku, Exact)],
    );
    check_offers(LENOVO, &lenovo, &win10, &[("p_w10.exe", Sku, Any)]);
    let older = TargetOs { older_releases: true, ..win11("24H2") };
    check_offers(
        LENOVO,
        &lenovo,
        &older,
        &[("p_w11_22h2.exe", Sku, Older(2210)), ("p_nv.exe", Sku, Older(2210))],
    );
    let surface = machine("Microsoft Corporation", "Surface A", "Surface_A_2");
    let file = "SurfaceA_Win11_22621_24.073.1.0.msi";
    check_offers(SURFACE, &surface, &os("Windows 11", "24H2", arm64), &[(file, Sku, OrLater(2210))]);
    check_offers(SURFACE, &surface, &os("Windows 11", "21H2", arm64), &[]);
    check_offers(SURFACE, &surface, &win11("24H2"), &[]);
    let panasonic = machine("Panasonic Corporation", "FZ55-3", "FZ55-3H");
    check_offers(PANASONIC, &panasonic, &win11("25H2"), &[("55.zip", Sku, Exact)]);
}

fn corpus(test: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from).join("catalogs");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("NOT RUN: {test}: no driver corpus");
    None
}

/// Distinct names of models and distinct ids over all packs.
fn distinct(catalog: &PackCatalog) -> (usize, usize) {
    let models = || catalog.packs.iter().flat_map(|pack| &pack.targets).map(|target| &target.model);
    let names: BTreeSet<&str> =
        models().map(|model| model.name.as_str()).filter(|name| !name.is_empty()).collect();
    let ids: BTreeSet<&str> = models().flat_map(|model| &model.system_ids).map(String::as_str).collect();
    (names.len(), ids.len())
}

/// The catalogs of the corpus with the packs, links, models and ids in them. All were counted by patterns over the
/// text, not by a parser: packs are elements with a file (Lenovo: distinct addresses in SCCM, GFX and HSA elements),
/// links are the elements that tie a pack to a model (Dell: Model elements times OperatingSystem elements in each
/// DriverPackage, a winpe pack counting as one model).
const CORPUS: [(&str, Vendor, [usize; 4]); 7] = [
    ("dell/DriverPackCatalog-2018-extract.xml", Vendor::Dell, [13, 20, 9, 9]),
    ("dell/DriverPackCatalog-2026-extract.xml", Vendor::Dell, [88, 175, 75, 139]),
    ("hp/HPClientDriverPackCatalog-2026-extract.xml", Vendor::Hp, [90, 396, 186, 204]),
    ("lenovo/catalogv2-2020-signed-full.xml", Vendor::Lenovo, [494, 1081, 208, 600]),
    ("lenovo/catalogv2-2026-extract.xml", Vendor::Lenovo, [631, 916, 95, 308]),
    ("microsoft/surface-driverpacks-2026.json", Vendor::Microsoft, [51, 51, 51, 88]),
    ("panasonic/driverpacks-2026.json", Vendor::Panasonic, [20, 20, 10, 10]),
];

#[test]
fn corpus_the_vendors_catalogs_hold_what_patterns_count() {
    let Some(catalogs) = corpus("corpus_the_vendors_catalogs_hold_what_patterns_count") else { return };
    for (file, vendor, expect) in CORPUS {
        let catalog = read(&std::fs::read(catalogs.join(file)).unwrap()).unwrap();
        let links: usize = catalog.packs.iter().map(|pack| pack.targets.len()).sum();
        let (models, ids) = distinct(&catalog);
        assert_eq!((catalog.vendor, [catalog.packs.len(), links, models, ids]), (vendor, expect), "{file}");
        assert_eq!(codes(&catalog), Vec::<&str>::new(), "{file}");
    }
    let skus = std::fs::read(catalogs.join("microsoft/surface-systemsku.json")).unwrap();
    assert_eq!(surface_skus(&skus).unwrap().len(), 87);
}

#[test]
fn corpus_every_machine_is_offered_the_packs_that_name_it() {
    let Some(catalogs) = corpus("corpus_every_machine_is_offered_the_packs_that_name_it") else { return };
    for (file, vendor, _) in CORPUS {
        let catalog = read(&std::fs::read(catalogs.join(file)).unwrap()).unwrap();
        let mut asked = 0;
        for pack in catalog.packs.iter().filter(|pack| pack.kind == PackKind::Drivers) {
            for target in &pack.targets {
                let Some(id) = target.model.system_ids.last() else { continue };
                let wanted = os(&target.os.name, &target.os.release, target.os.architecture);
                let offers = packs_for(&catalog, &machine(vendor.manufacturer(), "", id), &wanted);
                let found = offers.iter().find(|offer| offer.pack == pack);
                assert!(found.is_some_and(|offer| offer.fit.matched_by == MatchedBy::Sku), "{file}: {id}");
                asked += 1;
            }
        }
        assert!(asked > 10, "{file}: {asked}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_damaged_catalog_is_read_or_refused_but_never_panics(
        which in 0_usize..5, at in 0_usize..4000, with in any::<char>(), cut: bool,
    ) {
        let text = [DELL, HP, LENOVO, SURFACE, PANASONIC][which];
        let at = at % text.len();
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let rest = if cut { "" } else { &text[at..] };
        let next = rest.chars().next().map_or(0, char::len_utf8);
        let damaged = format!("{}{with}{}", &text[..at], &rest[next..]);
        if let Ok(catalog) = read(damaged.as_bytes()) {
            for pack in &catalog.packs {
                prop_assert!(pack.url.to_lowercase().starts_with("http"));
            }
        }
    }
}
