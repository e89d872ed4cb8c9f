//! Lines, sections, values and strings: each rule with a text that depends on it.

use driver::inf::{Architecture, Inf, Version, check_models, manufacturers, models};

/// `[section] key = value | value`, one line for each entry.
fn dump(text: &str) -> String {
    let inf = Inf::parse(text.as_bytes());
    let lines = inf.sections().flat_map(|section| {
        let empty = section.entries().next().is_none().then(|| format!("[{}]", section.name()));
        let entries = section.entries().map(move |entry| {
            let values = entry.values().collect::<Vec<_>>().join("|");
            let key = entry.key().map(|key| format!("{key} = ")).unwrap_or_default();
            format!("[{}] {key}{values}", section.name()).trim_end().to_owned()
        });
        empty.into_iter().chain(entries)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn texts_are_split_by_the_rules() {
    let check = |text: &str, expect: &str| assert_eq!(dump(text), expect, "{text:?}");
    // Lines and their ends.
    check("[a]\r\nb=c\nd=e\rf=g", "[a] b = c\n[a] d = e\n[a] f = g");
    check("[a]\r\n\r\n \t\r\nb\r\n", "[a] b");
    check("[a]\nb=c\n\x1a", "[a] b = c");
    check("[a]\nb=c\x1a\x1a\r\n", "[a] b = c");
    check("before\n[a]\nb", "[a] b");
    check("", "");
    check("\u{feff}[a]\n\u{feff}b", "[a] b");
    // Comments.
    check("[a] ; c\n;b\nd=e;f\n ; g\nh=\"i;j\";k", "[a] d = e\n[a] h = i;j");
    check("[a]\nb=%c;d% ; e\n%x;y%=z", "[a] b = %c;d%\n[a] %x;y% = z");
    check("[a]\nb=50% ; of 60%", "[a] b = 50%");
    check("[a]\n//b\n#c=d", "[a] //b\n[a] #c = d");
    // Continuations.
    check("[a]\nb=c,\\\n  d", "[a] b = c|d");
    check("[a]\nb=c, \\ ; text\n\td \\\n , e\nf", "[a] b = c|d|e\n[a] f");
    check("[a]\nb=c\\\\\nd", "[a] b = cd");
    check("[a]\nb=\"dir\\\"\\\n,c", "[a] b = dir\\|c");
    check("[a]\nb=\"dir\\\"\nc", "[a] b = dir\\\n[a] c");
    check("[a]\nb=\"dir\\\nc", "[a] b = dir\\\n[a] c");
    check("[a]\nb=c,\\\n\nd", "[a] b = c|\n[a] d");
    check("[a]\nb=c,\\", "[a] b = c|");
    check("[a]\n\\\nb=c", "[a] b = c");
    // Sections.
    check("[ a b.c ]\nd\n[A B.C]\ne", "[a b.c] d\n[a b.c] e");
    check("[a\nb", "[a] b");
    check("[a ; c\nb", "[a] b");
    check("[\"a]b;c\"]\nd", "[a]b;c] d");
    check("[%x%.y]\nd\n[strings]\nx=z", "[z.y] d\n[strings] x = z");
    check("[%X%]\na\n[z]\nb\n[strings]\nx=z", "[z] a\n[z] b\n[strings] x = z");
    check("[]\na\n[b]", "[] a\n[b]");
    // Keys and values.
    check("[a]\nb = c , , d ,\n", "[a] b = c||d|");
    check("[a]\nb=\nc", "[a] b =\n[a] c");
    check("[a]\n=b", "[a]  = b");
    check("[a]\n\"b=c\"=d=e,f", "[a] b=c = d=e|f");
    check("[a]\n\"b\"\"c\" = \"d\"\"\",\"\",e\"f\"\"g\",\"un,closed", "[a] b\"c = d\"||ef\"g|un,closed");
    check("[a]\nHKR,,\"x = y\",0,\"1,2\"", "[a] HKR||x = y|0|1,2");
    // Strings.
    check(
        "[a]\n%k%=\"x %k% y\",%%,%12%\\%k%,%l%\n[Strings]\nk=\"v\"\nl=%k%",
        "[a] v = x v y|%|%12%\\v|%k%\n[Strings] k = v\n[Strings] l = %k%",
    );
    check("[a]\nb=%u%,%u%k%,100% of %k%\n[Strings]\nk=v", "[a] b = %u%|%uv|100% of v\n[Strings] k = v");
    check(
        "[a]\nb=%K%\n[strings]\nk=Acme, Inc. ; c\nK=other",
        "[a] b = Acme, Inc.\n[strings] k = Acme, Inc.\n[strings] K = other",
    );
    check("[a]\nb=%k%\n[Strings]\nk=\"a\"\"b\"\n", "[a] b = a\"b\n[Strings] k = a\"b");
    check(
        "[a]\nb=%k%\n[Strings.0407]\nk=de\n[Strings.0409]\nk=en",
        "[a] b = en\n[Strings.0407] k = de\n[Strings.0409] k = en",
    );
    check("[a]\nb=%-1%,%1a%\n[Strings]\n-1=x\n1a=y", "[a] b = %-1%|y\n[Strings] -1 = x\n[Strings] 1a = y");
}

#[test]
fn findings_name_their_place() {
    let check = |text: &str, expect: &[(&str, u32, u32)]| {
        let inf = Inf::parse(text.as_bytes());
        let found: Vec<_> = inf
            .diagnostics()
            .iter()
            .map(|finding| {
                (finding.code, finding.place.map_or(0, |at| at.line), finding.place.map_or(0, |at| at.column))
            })
            .collect();
        assert_eq!(found, expect, "{text:?}");
    };
    check("[a]\r\nb=c\r\n", &[]);
    check("x\ny\n[a]\n", &[("inf_text_before_section", 1, 1)]);
    check("[a] b\n", &[("inf_text_after_section", 1, 1)]);
    check("\r\n  [a\n", &[("inf_section_unclosed", 2, 3)]);
    check("[a]\rb=c\r\n\td = \"e\n", &[("inf_quote_unclosed", 3, 6)]);
    check("[a]\nb=c,\\\n[d]\n", &[("inf_continued_section", 3, 1)]);
    check("[a]\nb=c,\\", &[("inf_continued_end", 2, 1)]);
    check("[a]\nb=c,\\\n\"d", &[("inf_quote_unclosed", 3, 1)]);
    check("[a]\n  b=%c%,%C%\n", &[("inf_string_unknown", 2, 3)]);
    check("[Strings]\na=1\nA=2\nb\n", &[("inf_string_without_value", 4, 1), ("inf_string_twice", 3, 1)]);
    check("[a]\nb\x1a\nc\n", &[("inf_ctrl_z", 2, 1)]);
    check(&format!("[{}]\n", "n".repeat(256)), &[("inf_section_name_long", 1, 1)]);
    check(&format!("[a]\nb={}\n", "v".repeat(4096)), &[("inf_field_long", 2, 1)]);
    check("[a]\nÄÖ=\"\n", &[("inf_encoding_unofficial", 0, 0), ("inf_quote_unclosed", 2, 4)]);
}

#[test]
fn strings_are_chosen_by_language() {
    let inf = Inf::parse(
        b"[Strings]\na=neutral\nb=only neutral\n[Strings.0407]\na=de-DE\n[Strings.0007]\na=de\nc=only de\n\
          [Strings.0c0a]\na=es-ES\n[STRINGS.0407]\nd=merged\n[Strings.xyz]\ne=f,g\n",
    );
    let check = |language: u16, key: &str, expect: Option<&str>| {
        assert_eq!(inf.strings().get(language, key).as_deref(), expect, "{language:04x} {key}");
    };
    check(0, "A", Some("neutral"));
    check(0x0407, "a", Some("de-DE"));
    check(0x0c07, "a", Some("de"));
    check(0x0007, "a", Some("de"));
    check(0x0807, "c", Some("only de"));
    check(0x040a, "a", Some("es-ES"));
    check(0x0411, "a", Some("neutral"));
    check(0x0407, "b", Some("only neutral"));
    check(0x0407, "d", Some("merged"));
    check(0, "c", Some("only de"));
    check(0x0407, "none", None);
    assert_eq!(inf.strings().languages().collect::<Vec<_>>(), [0x0407, 0x0007, 0x0c0a]);
    assert_eq!(inf.section("strings.XYZ").unwrap().entry("e").unwrap().values().len(), 2);
}

#[test]
fn versions_say_what_is_wrong_with_them() {
    let whole = "[Version]\nSignature=\"$Windows NT$\"\nClass=Net\nClassGuid={4d36e972-e325-11ce-bfc1-08002be10318}\n\
                 Provider=P\nDriverVer=01/02/2026,1.0\n";
    let check = |text: &str, expect: &[&str]| {
        let (_, findings) = Version::read(&Inf::parse(text.as_bytes()));
        assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), expect, "{text}");
    };
    check(whole, &[]);
    check("[Defines]\nINF_VERSION=1\n", &["version_missing"]);
    check(&whole.replace("Signature", "Sig"), &["signature_missing"]);
    check(&whole.replace("Windows NT", "Windows 95"), &["signature_unknown"]);
    check(&whole.replace("Windows NT", "WINDOWS nt"), &[]);
    check(&whole.replace("=Net", "="), &["class_missing"]);
    check(&whole.replace("=Net", &format!("={}", "c".repeat(32))), &["class_long"]);
    check(&whole.replace("ClassGuid", "x"), &["class_guid_missing"]);
    check(&whole.replace("e10318}", "e10318"), &["class_guid_invalid"]);
    check(&whole.replace("=P\n", "=\n"), &["provider_missing"]);
    check(&whole.replace("=P\n", &format!("={}\n", "p".repeat(256))), &["provider_long"]);
    check(&whole.replace("DriverVer", "DrivarVer"), &["driver_ver_missing"]);
    check(&whole.replace("01/02/2026", "2026-01-02"), &["driver_date_invalid"]);
    check(&whole.replace("=Net", "=Extension"), &["extension_id_missing"]);
    check(&format!("{whole}ExtensionId=x\n"), &["extension_id_invalid"]);
    check(&format!("{whole}CatalogFile=..\\x.cat\n"), &["catalog_name_invalid"]);
    check(&format!("{whole}CatalogFile.ntppc=x.cat\n"), &["catalog_platform_unknown"]);
}

#[test]
fn catalogs_are_chosen_by_architecture() {
    let check = |entries: &str, expect: [Option<&str>; 5]| {
        let (version, _) = Version::read(&Inf::parse(format!("[Version]\n{entries}").as_bytes()));
        assert_eq!(Architecture::ALL.map(|architecture| version.catalog(architecture)), expect, "{entries}");
    };
    check("", [None; 5]);
    check("CatalogFile=a\n", [Some("a"); 5]);
    check("CatalogFile.nt=b\nCatalogFile=a\nCatalogFile=c\n", [Some("b"); 5]);
    check("CATALOGFILE.NTAMD64=d\ncatalogfile=a\n", [Some("a"), Some("a"), Some("d"), Some("a"), Some("a")]);
    check("CatalogFile.ntarm64=d\nCatalogFile.ntarm=\n", [None, None, None, None, Some("d")]);
}

#[test]
fn findings_about_catalogs_are_counted() {
    let lines: String =
        (0..100).map(|n| format!("CatalogFile.x{n}=a.cat\nCatalogFile.nt=a/{n}.cat\n")).collect();
    let text = format!("[Version]\nSignature=\"$Windows NT$\"\n{lines}");
    let (_, findings) = Version::read(&Inf::parse(text.as_bytes()));
    for code in ["catalog_platform_unknown", "catalog_name_invalid"] {
        assert_eq!(findings.iter().filter(|own| own.code == code).count(), 20, "{code}");
    }
}

#[test]
fn the_other_entries_of_a_version_are_read() {
    let text = "[Version]\nPnpLockdown=1\nBootCritical=0x1\nClassVer=%c%\n[Strings]\nc=4.0\n";
    let (version, _) = Version::read(&Inf::parse(text.as_bytes()));
    assert!(version.pnp_lockdown && version.boot_critical);
    assert_eq!(version.class_ver, "4.0");
    let (version, _) = Version::read(&Inf::parse(b"[Version]\nPnpLockdown=0\nBootCritical=x\n"));
    assert!(!version.pnp_lockdown && !version.boot_critical);
}

#[test]
fn models_are_read_and_their_faults_told() {
    let long = "L".repeat(256);
    let text = format!(
        "[Manufacturer]\n%m%=Models,,NTamd64.10.0...22000,NT$ARCH$,ntmips,NTarm64\n\"Empty\"=\n\
         [Models.NTamd64.10.0...22000]\n\"One\"=Install, PCI\\A , PCI\\B,,pci\\c\n\"Two\"=Install,,PCI\\D\nno key\n\
         \"Three\"=\n\"Four\"=Install,{long},PCI\\E\n\"{long}\"=Install,PCI\\F\n\"Five\"=Install\n[Strings]\nm=Maker\n"
    );
    let inf = Inf::parse(text.as_bytes());
    let lines = manufacturers(&inf);
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].manufacturer.as_str(), lines[0].line), ("Maker", 2));
    let sections: Vec<_> = lines[0].sections().map(|section| section.name).collect();
    assert_eq!(sections, ["Models", "Models.NTamd64.10.0...22000", "Models.NTarm64"]);
    let read = models(&inf, &sections[1]);
    let ids: Vec<_> = read
        .iter()
        .map(|line| {
            (line.description.len(), line.hardware_id.as_ref(), line.compatible_ids.join(" "), line.line)
        })
        .collect();
    assert_eq!(
        ids,
        [
            (3, "PCI\\A", "PCI\\B pci\\c".to_owned(), 5),
            (3, "", "PCI\\D".to_owned(), 6),
            (4, "", "PCI\\E".to_owned(), 9),
            (255, "PCI\\F", String::new(), 10),
            (4, "", String::new(), 11),
        ]
    );
    let found = check_models(&inf);
    let found: Vec<_> = found.iter().map(|finding| (finding.code, finding.place.unwrap().line)).collect();
    assert_eq!(
        found,
        [
            ("decoration_template", 2),
            ("decoration_invalid", 2),
            ("models_line_invalid", 7),
            ("models_line_invalid", 8),
            ("device_id_long", 9),
            ("description_long", 10),
            ("models_line_without_id", 11),
            ("models_missing", 2),
            ("manufacturer_without_models", 3),
        ]
    );
}
