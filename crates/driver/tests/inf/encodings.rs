//! The same text in every encoding, and texts that hold several code pages at once.

use driver::inf::Inf;
use encoding_rs::{BIG5, EUC_KR, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};

use crate::samples::{DAMAGED, EXTENSION, LOCALIZED, NETWORK};

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2], bom: bool) -> Vec<u8> {
    bom.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(bytes_of).collect()
}

/// Everything that an INF says, as text.
fn content(bytes: &[u8]) -> Vec<String> {
    let inf = Inf::parse(bytes);
    let lines = inf.sections().flat_map(|section| {
        section.entries().map(move |entry| {
            let values: Vec<_> = entry.values().collect();
            format!("[{}] {:?} {:?} {values:?}", section.name(), entry.place(), entry.key())
        })
    });
    lines.collect()
}

#[test]
fn a_text_reads_the_same_in_every_encoding() {
    for sample in [NETWORK, LOCALIZED, EXTENSION, DAMAGED] {
        let expect = content(sample.as_bytes());
        assert!(expect.len() > 5);
        let check = |bytes: &[u8], name: &str| {
            assert_eq!(Inf::parse(bytes).encoding().to_string(), name);
            assert_eq!(content(bytes), expect, "{name}");
        };
        check(sample.as_bytes(), "ascii");
        check(&[b"\xef\xbb\xbf", sample.as_bytes()].concat(), "utf-8-bom");
        check(&utf16(sample, u16::to_le_bytes, true), "utf-16le-bom");
        check(&utf16(sample, u16::to_le_bytes, false), "utf-16le-nobom");
        check(&utf16(sample, u16::to_be_bytes, true), "utf-16be-bom");
        check(&utf16(sample, u16::to_be_bytes, false), "utf-16be-nobom");
        let mut odd = utf16(sample, u16::to_le_bytes, true);
        odd.push(b'x');
        check(&odd, "utf-16le-bom");
        assert!(Inf::parse(&odd).diagnostics().iter().any(|finding| finding.code == "inf_odd_length"));
    }
}

#[test]
fn each_strings_section_is_in_the_code_page_of_its_language() {
    let texts = [
        ("0411", SHIFT_JIS, "表ソ能 ドライバ"), // 0x5C follows in all three
        ("0804", GBK, "乗俓 驱动程序"),         // second bytes 0x5C and 0x5B
        ("0404", BIG5, "功許蓋 驅動程式"),      // 0x5C again
        ("0412", EUC_KR, "드라이버"),
        ("0419", WINDOWS_1251, "Драйвер"),
        ("0407", WINDOWS_1252, "Gerätetreiber"),
    ];
    let mut bytes = b"[Version]\r\nProvider=%p%\r\n[Strings]\r\np=\"Acm\xe9\"\r\n".to_vec();
    for (language, page, text) in texts {
        bytes.extend_from_slice(format!("[Strings.{language}]\r\n").as_bytes());
        // Unquoted, so that a second byte taken for a backslash would continue the line.
        for key in ["p", "q"] {
            bytes.extend_from_slice(
                &page.encode(&format!("{key} = {text}{}\r\n", text.chars().next().unwrap())).0,
            );
        }
    }
    bytes.extend_from_slice(b"[After]\r\nkey=\xe9\r\n");
    let inf = Inf::parse(&bytes);
    assert_eq!(inf.encoding().to_string(), "ansi");
    assert_eq!(inf.diagnostics(), []);
    for (language, _, text) in texts {
        let expect = format!("{text}{}", text.chars().next().unwrap());
        let language = u16::from_str_radix(language, 16).unwrap();
        for key in ["p", "Q"] {
            assert_eq!(inf.strings().get(language, key).as_deref(), Some(expect.as_str()), "{language:04x}");
        }
    }
    assert_eq!(inf.section("version").unwrap().entry("provider").unwrap().value(0), "Acmé");
    assert_eq!(inf.section("after").unwrap().entry("key").unwrap().value(0), "é");
}

#[test]
fn a_bracket_as_second_byte_opens_no_section() {
    // 0x81 0x5B and 0x81 0x5D are characters of code page 932; as second bytes they also start and end lines here.
    let bytes = b"[Strings.0411]\r\n\x81[key]\x81] = \x81[x\x81]\r\nlast=1\r\n";
    let inf = Inf::parse(bytes);
    assert_eq!(inf.sections().len(), 1);
    let section = inf.section("strings.0411").unwrap();
    let entries: Vec<_> = section.entries().map(|entry| (entry.key().unwrap(), entry.value(0))).collect();
    assert_eq!(entries, [("ーkey]\u{2010}".into(), "ーx\u{2010}".into()), ("last".into(), "1".into())]);
}

#[test]
fn texts_outside_their_code_page_are_read_as_far_as_they_go() {
    let check = |bytes: &[u8], encoding: &str, codes: &[&str]| {
        let inf = Inf::parse(bytes);
        let found: Vec<_> = inf.diagnostics().iter().map(|finding| finding.code).collect();
        assert_eq!((inf.encoding().to_string().as_str(), found.as_slice()), (encoding, codes));
    };
    check("[Strings]\r\na=é\r\n".as_bytes(), "utf-8-nobom", &["inf_encoding_unofficial"]);
    check(b"[Strings]\r\na=\xe9\r\n", "ansi", &[]);
    check(b"[Strings.0411]\r\na=\xff\xff\r\n", "ansi", &["inf_undecodable"]);
    check(
        b"\xef\xbb\xbf[Strings]\r\na=\xe9\r\n",
        "utf-8-bom",
        &["inf_undecodable", "inf_encoding_unofficial"],
    );
    check(b"\xff\xfe[\0a\0]\0\x00\xd8\n\0", "utf-16le-bom", &["inf_undecodable", "inf_text_after_section"]);
    check(b"\xff\xfe", "utf-16le-bom", &[]);
    check(b"\xff\xfe[", "utf-16le-bom", &["inf_odd_length"]);
    check(b"", "ascii", &[]);
    check(b"[a]\r\nb\0=\0\0c\r\n", "ascii", &["inf_nul_bytes"]);
}

#[test]
fn nul_is_a_blank() {
    let inf = Inf::parse(b"[a]\0\r\n\0b\0=\0c\0,\0d e\0\r\n\0\r\n");
    let entry = inf.section("a").unwrap().entry("b").unwrap();
    assert_eq!(entry.values().collect::<Vec<_>>(), ["c", "d e"]);
}
