use proptest::prelude::*;

use super::*;
use crate::xml::carried;

fn condition(name: &str) -> PlatformCondition {
    PlatformCondition {
        display_name: name.to_owned(),
        name: "Win NT".to_owned(),
        platform: "x64".to_owned(),
        min_version: "5.20.3790.0".to_owned(),
        max_version: "5.20.9999.9999".to_owned(),
        query1: "SELECT * FROM Win32_OperatingSystem WHERE BuildNumber >= 3790 AND OSType = 18".to_owned(),
        query2: "SELECT * FROM Win32_Processor WHERE Architecture = 9 AND DataWidth = 64".to_owned(),
    }
}

fn digest() -> DriverDigest {
    DriverDigest {
        unique_id: "ScopeId_0F3A/DRIVER_ab12".to_owned(),
        version: 1,
        display_name: "Ethernet \"X\" <1> & Co".to_owned(),
        inf_file: "net/e1d.inf".to_owned(),
        class: "Net".to_owned(),
        provider: "Sample".to_owned(),
        date: Some(DriverDate { year: 2026, month: 2, day: 15 }),
        version_text: "9.00.00.21".to_owned(),
        boot_critical: false,
        signed: true,
        signer: "Sample Signer".to_owned(),
        content_hash: "ab".repeat(32),
        content_source_path: "\\\\server\\share\\e1d".to_owned(),
        conditions: vec![condition("All x64 Windows")],
        other: Vec::new(),
    }
}

#[test]
fn clients_find_the_published_names() {
    let text = write(&digest());
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some(NAMESPACE));
    let paths: Vec<(String, Vec<&str>)> = root
        .descendants()
        .filter(roxmltree::Node::is_element)
        .map(|node| {
            let mut above: Vec<&str> =
                node.ancestors().filter(|n| n.is_element()).map(|n| n.tag_name().name()).collect();
            above.reverse();
            (above.join("/"), node.attributes().map(|attribute| attribute.name()).collect())
        })
        .collect();
    let driver = "DesiredConfigurationDigest/Driver";
    let conditions = format!("{driver}/PlatformApplicabilityConditions");
    for (path, attributes) in [
        (driver.to_owned(), ["Version"].as_slice()),
        (format!("{driver}/Annotation/DisplayName"), &["Text"]),
        (
            format!("{conditions}/PlatformApplicabilityCondition"),
            &["DisplayName", "MaxVersion", "MinVersion", "Name", "Platform"],
        ),
        (format!("{conditions}/PlatformApplicabilityCondition/Query1"), &[]),
        (format!("{conditions}/PlatformApplicabilityCondition/Query2"), &[]),
    ] {
        let found = paths.iter().find(|(at, _)| *at == path).unwrap_or_else(|| panic!("{path}: {text}"));
        assert!(attributes.iter().all(|name| found.1.contains(name)), "{path}: {:?}", found.1);
    }
    assert_eq!(read(&text).unwrap(), digest());
}

#[test]
fn a_client_that_adds_a_platform_and_raises_the_version_is_understood() {
    let added = "<PlatformApplicabilityCondition Platform=\"I386\" Name=\"Win NT\" MinVersion=\"5.1\" \
         MaxVersion=\"5.2\" DisplayName=\"added\" Extra=\"1\"><Query2>b</Query2><Query1>a</Query1>\
         </PlatformApplicabilityCondition></PlatformApplicabilityConditions>";
    let edited = write(&digest())
        .replace("Version=\"1\"", "Version=\"2\"")
        .replace("</PlatformApplicabilityConditions>", added);
    let read_back = read(&edited).unwrap();
    assert_eq!(read_back.version, 2);
    assert_eq!(read_back.conditions.len(), 2);
    assert_eq!(
        (read_back.conditions[1].query1.as_str(), read_back.conditions[1].query2.as_str()),
        ("a", "b")
    );
    assert_eq!(read_back.conditions[0], digest().conditions[0]);
    // The edited form is written as it was read.
    assert_eq!(read(&write(&read_back)).unwrap(), read_back);
}

#[test]
fn what_is_missing_is_empty_and_what_is_unknown_is_kept() {
    let text = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-16\"?><d:DesiredConfigurationDigest xmlns:d=\"{NAMESPACE}\" \
         xmlns:p=\"urn:p\"><d:Driver Version=\" 7 \" Unknown=\"x\"><Parts><Part Id=\"1\">a &amp; b</Part></Parts>\
         <p:Lost/></d:Driver></d:DesiredConfigurationDigest>"
    );
    let digest = read(&text).unwrap();
    let other = vec![Fragment("<Parts><Part Id=\"1\">a &amp; b</Part></Parts>".to_owned())];
    assert_eq!(digest, DriverDigest { version: 7, other, ..DriverDigest::default() });
    assert_eq!(read(&write(&digest)).unwrap(), digest);
}

#[test]
fn what_is_no_definition_is_refused_with_a_code() {
    let digest_of = |inner: &str| {
        format!("<DesiredConfigurationDigest xmlns=\"{NAMESPACE}\">{inner}</DesiredConfigurationDigest>")
    };
    let conditions = "<PlatformApplicabilityCondition DisplayName='' MaxVersion='' MinVersion='' Name='' \
         Platform=''/>"
        .repeat(CONDITIONS_MAX + 1);
    for (text, code) in [
        (String::new(), "sdm_xml"),
        ("not XML".to_owned(), "sdm_xml"),
        ("<!DOCTYPE x []><x/>".to_owned(), "sdm_xml"),
        (" ".repeat(BYTES_MAX + 1), "sdm_xml"),
        ("<DesiredConfigurationDigest/>".to_owned(), "sdm_root"),
        (format!("<Other xmlns=\"{NAMESPACE}\"/>"), "sdm_root"),
        (digest_of(""), "sdm_driver"),
        (digest_of("<Driver Version='1'/><Driver Version='1'/>"), "sdm_driver"),
        (digest_of("<Driver/>"), "sdm_value"),
        (digest_of("<Driver Version='-1'/>"), "sdm_value"),
        (
            digest_of(
                "<Driver Version='1'><PlatformApplicabilityConditions>\
                 <PlatformApplicabilityCondition Name='Win NT'/></PlatformApplicabilityConditions></Driver>",
            ),
            "sdm_value",
        ),
        (
            digest_of(&format!(
                "<Driver Version='1'><PlatformApplicabilityConditions>{conditions}\
                 </PlatformApplicabilityConditions></Driver>"
            )),
            "sdm_conditions",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().starts_with("SDMPackageXML: "), "{error}");
    }
}

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[\u{0}-\u{ff}\u{4e00}-\u{4e10}\u{fffe}😀<>&\"'/\\\\]{0,24}").unwrap()
}

prop_compose! {
    fn any_condition()(t in proptest::array::uniform7(text())) -> PlatformCondition {
        let [display_name, name, platform, min_version, max_version, query1, query2] = t.map(|t| carried(&t));
        PlatformCondition { display_name, name, platform, min_version, max_version, query1, query2 }
    }
}

proptest! {
    #[test]
    fn every_definition_round_trips(
        t in proptest::array::uniform8(text()),
        version: u32,
        flags: (bool, bool),
        day in proptest::option::of((1_u16..9999, 1_u8..=12, 1_u8..=28)),
        conditions in proptest::collection::vec(any_condition(), 0..4),
    ) {
        let [display_name, inf_file, class, provider, version_text, signer, content_hash, source] = t;
        let date = day.map(|(year, month, day)| DriverDate { year, month, day });
        let written = DriverDigest {
            unique_id: "ScopeId_1/DRIVER_2".to_owned(), version, display_name, inf_file, class, provider, date,
            version_text, boot_critical: flags.0, signed: flags.1, signer, content_hash,
            content_source_path: source, conditions, other: Vec::new(),
        };
        let read_back = read(&write(&written)).unwrap();
        let mut expect = written;
        for field in [
            &mut expect.display_name, &mut expect.inf_file, &mut expect.class, &mut expect.provider,
            &mut expect.version_text, &mut expect.signer, &mut expect.content_hash,
            &mut expect.content_source_path,
        ] {
            *field = carried(field);
        }
        prop_assert_eq!(read_back, expect);
    }

    #[test]
    fn damaged_text_is_read_or_refused_but_never_panics(at in 0_usize..2000, with in any::<char>(), cut: bool) {
        let text = write(&digest());
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let rest = if cut { "" } else { &text[at..] };
        let _ = read(&format!("{}{with}{rest}", &text[..at]));
    }
}
