//! Bytes to characters.
//!
//! An "ANSI" file holds several code pages at once: each `[Strings.LLLL]` is in that of its language. Section
//! headers are therefore found on bytes. That is safe: in every code page here a line's first byte is a character's
//! first byte, and only second bytes can look like brackets.

use std::fmt;

use encoding_rs as rs;

use super::findings::Findings;
use super::limits::FILE_BYTES_MAX;
use super::strings::section_language;
use crate::Severity;

/// How a file's bytes were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Bytes below 0x80 only.
    Ascii,
    /// The code page of each section's language; 1252 for the others.
    Ansi,
    /// UTF-8.
    Utf8 {
        /// Whether it starts with a byte order mark.
        bom: bool,
    },
    /// UTF-16, low byte first.
    Utf16Le {
        /// Whether it starts with a byte order mark.
        bom: bool,
    },
    /// UTF-16, high byte first.
    Utf16Be {
        /// Whether it starts with a byte order mark.
        bom: bool,
    },
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bom) = match *self {
            Self::Ascii => return f.write_str("ascii"),
            Self::Ansi => return f.write_str("ansi"),
            Self::Utf8 { bom } => ("utf-8", bom),
            Self::Utf16Le { bom } => ("utf-16le", bom),
            Self::Utf16Be { bom } => ("utf-16be", bom),
        };
        write!(f, "{name}-{}", if bom { "bom" } else { "nobom" })
    }
}

/// The text of a file; empty, with an error, for one that is too large. NUL becomes a blank.
pub(super) fn decode(bytes: &[u8], findings: &mut Findings) -> (Encoding, String) {
    let encoding = detect(bytes);
    if bytes.len() > FILE_BYTES_MAX {
        let text = format!(
            "the file has {} bytes, and INF files over {FILE_BYTES_MAX} bytes are not read",
            bytes.len()
        );
        findings.error("inf_too_large", 1, text);
        return (encoding, String::new());
    }
    let mut text = match encoding {
        Encoding::Ascii => String::from_utf8(bytes.to_vec()).expect("ASCII is UTF-8"),
        Encoding::Ansi => decode_ansi(bytes, findings),
        Encoding::Utf8 { bom } => unicode(rs::UTF_8, &bytes[if bom { 3 } else { 0 }..], findings),
        Encoding::Utf16Le { bom } => utf16(rs::UTF_16LE, bytes, bom, findings),
        Encoding::Utf16Be { bom } => utf16(rs::UTF_16BE, bytes, bom, findings),
    };
    note_encoding(encoding, findings);
    if text.contains('\0') {
        findings.whole(Severity::Warning, "inf_nul_bytes", "NUL characters were read as blanks");
        text = text.replace('\0', " ");
    }
    (encoding, text)
}

fn note_encoding(encoding: Encoding, findings: &mut Findings) {
    match encoding {
        Encoding::Utf8 { .. } | Encoding::Utf16Be { bom: true } => findings.whole(
            Severity::Note,
            "inf_encoding_unofficial",
            format!("read as {encoding}; Windows documents UTF-16LE with a byte order mark, or ANSI"),
        ),
        Encoding::Utf16Le { bom: false } | Encoding::Utf16Be { bom: false } => findings.whole(
            Severity::Warning,
            "inf_encoding_guessed",
            format!("read as {encoding}, because every second byte is 0"),
        ),
        Encoding::Ascii | Encoding::Ansi | Encoding::Utf16Le { bom: true } => {}
    }
}

fn detect(bytes: &[u8]) -> Encoding {
    match bytes {
        [0xff, 0xfe, ..] => Encoding::Utf16Le { bom: true },
        [0xfe, 0xff, ..] => Encoding::Utf16Be { bom: true },
        [0xef, 0xbb, 0xbf, ..] => Encoding::Utf8 { bom: true },
        _ => detect_unmarked(bytes),
    }
}

fn detect_unmarked(bytes: &[u8]) -> Encoding {
    /// Enough to tell, and free of the texts in other scripts at a file's end.
    const SAMPLE_BYTES: usize = 4096;
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let pairs = sample.chunks_exact(2);
    let (mut low_first, mut high_first) = (0, 0);
    for pair in pairs.clone() {
        low_first += usize::from(pair[0] != 0 && pair[1] == 0);
        high_first += usize::from(pair[0] == 0 && pair[1] != 0);
    }
    let most = |count: usize| count > 1 && count * 4 >= pairs.len() * 3;
    if most(low_first) {
        Encoding::Utf16Le { bom: false }
    } else if most(high_first) {
        Encoding::Utf16Be { bom: false }
    } else if bytes.is_ascii() {
        Encoding::Ascii
    } else if std::str::from_utf8(bytes).is_ok() {
        Encoding::Utf8 { bom: false }
    } else {
        Encoding::Ansi
    }
}

fn unicode(encoding: &'static rs::Encoding, bytes: &[u8], findings: &mut Findings) -> String {
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    if malformed {
        findings.whole(
            Severity::Warning,
            "inf_undecodable",
            "some bytes are no characters; they were read as U+FFFD",
        );
    }
    text.into_owned()
}

fn utf16(encoding: &'static rs::Encoding, bytes: &[u8], bom: bool, findings: &mut Findings) -> String {
    let bytes = &bytes[if bom { 2 } else { 0 }..];
    let even = bytes.len() / 2 * 2;
    if even < bytes.len() {
        let text = "the file ends within a UTF-16 character; its last byte was ignored";
        findings.whole(Severity::Warning, "inf_odd_length", text);
    }
    unicode(encoding, &bytes[..even], findings)
}

fn decode_ansi(bytes: &[u8], findings: &mut Findings) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
    let (mut page, mut from, mut malformed) = (rs::WINDOWS_1252, 0, false);
    let mut at = 0;
    while at < bytes.len() {
        let line = &bytes[at..];
        if let Some(language) = header_language(line) {
            malformed |= decode_part(page, &bytes[from..at], &mut text);
            (page, from) = (language.map_or(rs::WINDOWS_1252, code_page), at);
        }
        at += line.iter().position(|b| matches!(b, b'\r' | b'\n')).map_or(line.len(), |end| end + 1);
    }
    malformed |= decode_part(page, &bytes[from..], &mut text);
    if malformed {
        let what = "some bytes are no characters in the code page of their section; they were read as U+FFFD";
        findings.whole(Severity::Warning, "inf_undecodable", what);
    }
    text
}

fn decode_part(page: &'static rs::Encoding, bytes: &[u8], text: &mut String) -> bool {
    let (part, malformed) = page.decode_without_bom_handling(bytes);
    text.push_str(&part);
    malformed
}

/// `None` if the line is no section header, else the LANGID if it is that of a Strings section.
fn header_language(line: &[u8]) -> Option<Option<u16>> {
    /// Longer than `["Strings.0411"]` with the blanks that anybody would type.
    const HEADER_BYTES: usize = 64;
    let line = line.trim_ascii_start();
    let inside = line.strip_prefix(b"[")?;
    let inside = &inside[..inside.len().min(HEADER_BYTES)];
    let end = inside.iter().position(|b| matches!(b, b']' | b'\r' | b'\n')).unwrap_or(inside.len());
    let name = std::str::from_utf8(&inside[..end]).unwrap_or_default();
    Some(section_language(name))
}

/// The code page in which the texts of a language were written before Unicode.
fn code_page(language: u16) -> &'static rs::Encoding {
    match language {
        0x0404 | 0x0c04 | 0x1404 => rs::BIG5,
        0x041a | 0x081a => rs::WINDOWS_1250,
        0x0c1a | 0x1c1a => rs::WINDOWS_1251,
        _ => match language & 0x3ff {
            0x11 => rs::SHIFT_JIS,
            0x04 => rs::GBK,
            0x12 => rs::EUC_KR,
            0x1e => rs::WINDOWS_874,
            0x01 | 0x20 | 0x29 => rs::WINDOWS_1256,
            0x0d => rs::WINDOWS_1255,
            0x08 => rs::WINDOWS_1253,
            0x1f => rs::WINDOWS_1254,
            0x02 | 0x19 | 0x22 | 0x23 | 0x2f => rs::WINDOWS_1251,
            0x05 | 0x0e | 0x15 | 0x18 | 0x1a | 0x1b | 0x1c | 0x24 => rs::WINDOWS_1250,
            0x25..=0x27 => rs::WINDOWS_1257,
            0x2a => rs::WINDOWS_1258,
            _ => rs::WINDOWS_1252,
        },
    }
}
