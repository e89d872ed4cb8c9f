use proptest::prelude::*;

use super::*;

fn package(id: &str, name: &str, description: &str) -> PackageCandidate {
    let manufacturer =
        ["Dell", "Lenovo", "Microsoft", "Panasonic"].into_iter().find(|make| name.contains(make));
    PackageCandidate {
        id: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        manufacturer: manufacturer.unwrap_or("Hewlett-Packard").to_owned(),
        source_date: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..PackageCandidate::default()
    }
}

fn dell(sku: &str, model: &str) -> MachineModel {
    MachineModel {
        manufacturer: "Dell Inc.".to_owned(),
        model: model.to_owned(),
        sku: sku.to_owned(),
        fallback_sku: String::new(),
    }
}

fn windows(name: &str, release: &str) -> TargetOs {
    TargetOs {
        name: name.to_owned(),
        architecture: Architecture::Amd64,
        release: release.to_owned(),
        older_releases: false,
    }
}

/// Chooses, and compares the chosen id and the words about each package.
fn check(packages: &[PackageCandidate], machine: &MachineModel, os: &TargetOs, chosen: &str, words: &[&str]) {
    let choice = choose(packages, machine, os);
    let said: Vec<String> = choice.verdicts.iter().map(ToString::to_string).collect();
    assert_eq!(choice.chosen().map_or("", |verdict| verdict.package.id.as_str()), chosen, "{said:#?}");
    assert_eq!(said.len(), packages.len());
    for (said, words) in said.iter().zip(words) {
        assert!(said.contains(words), "`{said}` does not say `{words}`");
    }
}

#[test]
fn the_sku_decides_before_the_model_and_every_other_package_says_why_not() {
    let packages = [
        package("P1", "Drivers - Dell Latitude 5400 - Windows 10 1909 x64", "(Models included:08B8;08B9)"),
        package("P2", "Drivers - Dell Latitude 5400 - Windows 10 x64", "(Models included:0AAA)"),
        package("P3", "Drivers - Dell Latitude 5400 - Windows 11 x64", "(Models included:08B8)"),
        package("P4", "Drivers - Dell Latitude 5400 - Windows 10 x86", "(Models included:08B8)"),
        package("P5", "Drivers - Dell Latitude 5400 - Windows 10 2004 x64", "(Models included:08b8)"),
        package("P6", "Drivers Pilot - Dell Latitude 5400 - Windows 10 x64", "(Models included:08B8)"),
        package("P7", "Drivers Retired - Dell Latitude 5400 - Windows 10 x64", "(Models included:08B8)"),
        package("P8", "Drivers - Lenovo X - Windows 10 x64", "(Models included:08B8)"),
        package("P9", "Drivers - Dell Other - Windows 10 x64", "(Models included:108B8,x)"),
        package("PA", "Drivers - Dell Other - Windows 10 x64", ""),
        package("PB", "BIOS Update - Dell Latitude 5400", "(Models included:08B8)"),
        package("PC", "Drivers - Dell Latitude 5400 - Windows 10", "(Models included:08B8)"),
        package("PD", "Drivers - Dell Latitude 5400", "(Models included:08B8)"),
        package("PE", "Drivers - Dell Other - Windows 10 x64", "(Models included:0BBB)"),
    ];
    check(
        &packages,
        &dell("08b8", "Latitude 5400"),
        &windows("Windows 10", "1909"),
        "P1",
        &[
            "fits by its SKU, for this release",
            "fits by its model, for any release; P1 fits better",
            "it is for Windows 11 and not for Windows 10",
            "it is for x86 and not for x64",
            "it is for release 2004 and not for 1909",
            "its name says Pilot",
            "its name says Retired",
            "it is for Lenovo and the machine is from Dell",
            "the SKU `08b8` is only a part of the listed `108B8`",
            "its description is empty",
            "it is a BIOS package",
            "its name does not say x64",
            "its name does not say Windows 10",
            "neither the SKU `08b8` nor the model `latitude 5400` is its",
        ],
    );
}

#[test]
fn windows_11_and_half_year_releases_are_told_apart() {
    let packages = [
        package("P1", "Drivers - Dell Latitude 7440 - Windows 11 22H2 x64", "(Models included:0C0C)"),
        package("P2", "Drivers - Dell Latitude 7440 - Windows 11 23H2 x64", "(Models included:0C0C)"),
        package("P3", "Drivers - Dell Latitude 7440 - Windows 11 21h2 x64", "(Models included:0C0C)"),
        package("P4", "Drivers - Dell Latitude 7440 - Windows 10 22H2 x64", "(Models included:0C0C)"),
    ];
    let machine = dell("0C0C", "Latitude 7440");
    let chosen = |name, release, older_releases, expect| {
        let os = TargetOs { older_releases, ..windows(name, release) };
        check(&packages, &machine, &os, expect, &[]);
    };
    chosen("Windows 11", "22H2", false, "P1");
    chosen("Windows 11", "23h2", false, "P2");
    chosen("Windows 11", "24H2", false, "");
    chosen("Windows 11", "24H2", true, "P2");
    chosen("Windows 11", "22H2", true, "P1");
    chosen("Windows 10", "22H2", false, "P4");
    chosen("Windows 10", "21H2", true, "");
    chosen("Windows 1", "", true, "");
}

#[test]
fn among_equals_the_newest_source_wins_and_then_the_lowest_id() {
    let name = "Drivers - Dell Latitude 7440 - Windows 11 x64";
    let mut packages =
        ["P1", "P2", "P3", "P4"].map(|id| package(id, name, "(Models included:0C0C)")).to_vec();
    let (machine, os) = (dell("0C0C", ""), windows("Windows 11", "23H2"));
    check(
        &packages,
        &machine,
        &os,
        "P1",
        &["fits by its SKU, for any release", "P1 fits better or is newer"],
    );
    packages[2].source_date = Some("2026-02-01T00:00:00Z".parse().unwrap());
    packages[0].source_date = None;
    check(&packages, &machine, &os, "P3", &["P3 fits better or is newer"]);
    // A package for exactly this release is taken before a newer one for all releases.
    packages[3].name = "Drivers - Dell Latitude 7440 - Windows 11 23H2 x64".to_owned();
    check(&packages, &machine, &os, "P4", &[]);
}

#[test]
fn each_vendor_is_found_as_its_machines_describe_themselves() {
    let packages = [
        package(
            "HP",
            "Drivers - HP EliteBook 840 G8 Notebook PC - Windows 11 22H2 x64",
            "(Models included:8AB8,8AB9)",
        ),
        package(
            "LE",
            "Drivers - Lenovo ThinkPad X1 Carbon - Windows 11 22H2 x64",
            "(Models included:20QD;20QE)",
        ),
        package(
            "MS",
            "Microsoft Surface Pro 7 - Windows 11 22H2 x64",
            "(Models included:Surface_Pro_7_1866)",
        ),
        package("PA", "Panasonic FZ55-3 - Windows 11 22H2 x64", "(Models included:FZ55-3H)"),
        package("DE", "Drivers - Dell OptiPlex 3080 - Windows 11 22H2 x64", "(Models included:09A1)"),
    ];
    for (manufacturer, model, sku, fallback_sku, expect) in [
        ("HP", "HP EliteBook 840 G8 Notebook PC", "8ab9", "", "HP"),
        ("Hewlett-Packard", "HP EliteBook 840 G8 Notebook PC", "", "", "HP"),
        ("HP", "EliteBook 840 G8", "8AB", "", ""),
        ("LENOVO", "ThinkPad X1 Carbon 7th", "20QDS00T00", "", "LE"),
        ("LENOVO", "thinkpad x1  carbon", "", "", "LE"),
        ("Microsoft Corporation", "Surface Pro 7", "Surface_Pro_7_1866", "", "MS"),
        ("Panasonic Corporation", "FZ55-3", "FZ55-3H", "", "PA"),
        ("Dell Inc.", "OptiPlex", "0000", "[09A1]", "DE"),
        ("Dell Inc.", "", "", "", ""),
        ("", "", "", "", ""),
    ] {
        let machine = MachineModel {
            manufacturer: manufacturer.to_owned(),
            model: model.to_owned(),
            sku: sku.to_owned(),
            fallback_sku: fallback_sku.to_owned(),
        };
        check(&packages, &machine, &windows("Windows 11", "22H2"), expect, &[]);
    }
}

#[test]
fn other_fields_serve_where_tools_keep_their_data_there() {
    let (machine, os) = (dell("0C0C", "Latitude 7440"), windows("Windows 11", "23H2"));
    let base = package("P1", "Drivers - Dell Something", "made by a tool");
    let by_mif = PackageCandidate {
        mif_name: "Latitude 7440".to_owned(),
        mif_version: "Windows 11 x64".to_owned(),
        ..base.clone()
    };
    check(&[by_mif], &machine, &os, "P1", &["fits by its model"]);
    let by_language = PackageCandidate {
        language: "0B0B 0C0C".to_owned(),
        mif_version: "Windows 11 23H2 x64".to_owned(),
        ..base.clone()
    };
    check(&[by_language], &machine, &os, "P1", &["fits by its SKU, for this release"]);
    check(&[base], &machine, &os, "", &["neither the SKU"]);
}

#[test]
fn the_fallback_package_is_the_last_resort() {
    let mut packages = vec![
        package("F1", "Driver Fallback Package - Dell", ""),
        package("F2", "Driver Fallback Package - Dell - Windows 10 x64", ""),
        package("F3", "Driver Fallback Package - HP", ""),
    ];
    let (machine, os) = (dell("0C0C", "Latitude 7440"), windows("Windows 11", "23H2"));
    let words = ["fits by being the fallback package", "it is for Windows 10", "it is for Hewlett-Packard"];
    check(&packages, &machine, &os, "F1", &words);
    packages.push(package("P1", "Drivers - Dell Latitude 7440 - Windows 11 x64", "x"));
    check(&packages, &machine, &os, "P1", &["P1 fits better"]);
    check(&[], &machine, &os, "", &[]);
}

proptest! {
    #[test]
    fn whatever_the_fields_hold_there_is_one_verdict_each_and_at_most_one_winner(
        fields in proptest::collection::vec(proptest::array::uniform4("[ -~éİ]{0,40}"), 0..8),
        machine in proptest::array::uniform4("[ -~é]{0,20}"),
        release in "[0-9H]{0,4}",
    ) {
        let packages: Vec<PackageCandidate> = fields.into_iter().enumerate().map(|(number, fields)| {
            let [name, description, manufacturer, language] = fields;
            let id = number.to_string();
            PackageCandidate { id, name, description, manufacturer, language, ..PackageCandidate::default() }
        }).collect();
        let [manufacturer, model, sku, fallback_sku] = machine;
        let machine = MachineModel { manufacturer, model, sku, fallback_sku };
        let choice = choose(&packages, &machine, &windows("Windows 11", &release));
        prop_assert_eq!(choice.verdicts.len(), packages.len());
        let winners = choice.verdicts.iter().filter(|verdict| verdict.rejected.is_none()).count();
        prop_assert_eq!(winners, usize::from(choice.chosen().is_some()));
        prop_assert!(choice.verdicts.iter().all(|verdict| !verdict.to_string().is_empty()));
    }

    #[test]
    fn an_empty_or_foreign_sku_never_matches_a_list(listed in "[0-9A-F]{4}(;[0-9A-F]{4}){0,5}", sku in "[0-9A-F]{0,5}") {
        let packages = [package("P1", "Drivers - Dell X - Windows 11 x64", &format!("(Models included:{listed})"))];
        let choice = choose(&packages, &dell(&sku, ""), &windows("Windows 11", ""));
        prop_assert_eq!(choice.chosen().is_some(), listed.split(';').any(|entry| entry == sku));
    }
}
