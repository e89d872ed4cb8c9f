//! From the bytes of a message to its text: a byte order mark, else the transport's `charset`, else what the first
//! bytes or the XML declaration say, else UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::XmlError;
use crate::error::shortened;

/// An XML declaration that is longer names no encoding, in bytes.
const DECLARATION_BYTES_MAX: usize = 256;

/// The text of a document. `content_type` is the HTTP header's value, of which only `charset` counts.
///
/// Errors: an encoding other than UTF-8 and UTF-16, or bytes that are none of it. Nothing is ever replaced: a text that
/// arrives otherwise than it was sent must not be stored.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Result<Cow<'a, str>, XmlError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return text(&bytes[mark..], encoding);
    }
    let encoding = match content_type.and_then(charset) {
        Some(name) => named(name, bytes)?,
        None => stated(bytes)?,
    };
    text(bytes, encoding)
}

fn text<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Result<Cow<'a, str>, XmlError> {
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    decoded.ok_or(XmlError::NotText { encoding: encoding.name() })
}

/// The value of `charset` in a media type, without quotes.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches(['"', '\'']).trim())
    })
}

fn named(name: &str, bytes: &[u8]) -> Result<&'static Encoding, XmlError> {
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(UTF_8),
        // Without a mark the name leaves the order open; the first character is a bracket or a blank.
        "utf-16" => Ok(if bytes.first() == Some(&0) { UTF_16BE } else { UTF_16LE }),
        "utf-16le" => Ok(UTF_16LE),
        "utf-16be" => Ok(UTF_16BE),
        _ => Err(XmlError::Encoding { name: shortened(name) }),
    }
}

/// What the document says of itself (XML 1.0, appendix F).
fn stated(bytes: &[u8]) -> Result<&'static Encoding, XmlError> {
    match bytes {
        [0, b'<', ..] => return Ok(UTF_16BE),
        [b'<', 0, ..] => return Ok(UTF_16LE),
        _ => {}
    }
    match declared(bytes) {
        // It can be read, so it is not two bytes to a character, whatever it says.
        Some(name) if name.to_ascii_lowercase().starts_with("utf-16") => Ok(UTF_8),
        Some(name) => named(name, bytes),
        None => Ok(UTF_8),
    }
}

/// The encoding of an XML declaration in ASCII.
fn declared(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let head = head.strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(&head[..end]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split_once(quote).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn documents_say_their_encoding_in_many_ways() {
        let check = |bytes: &[u8], content_type: Option<&str>| {
            let text =
                decode(bytes, content_type).unwrap_or_else(|error| panic!("{content_type:?}: {error}"));
            assert!(text.ends_with("<a>ü€</a>"), "{content_type:?}: {text}");
        };
        let plain = "<a>ü€</a>";
        check(plain.as_bytes(), None);
        check(plain.as_bytes(), Some("application/xml; charset=\"utf-8\""));
        check(plain.as_bytes(), Some("text/xml;charset=UTF-8"));
        check(plain.as_bytes(), Some("application/soap+xml; action=x; Charset='Utf8'"));
        check(plain.as_bytes(), Some("application/xml"));
        check(format!("\u{feff}{plain}").as_bytes(), Some("application/xml; charset=utf-16"));
        check(format!("<?xml version=\"1.0\" encoding='UTF-8' ?>{plain}").as_bytes(), None);
        check(format!("<?xml version=\"1.0\" encoding = \"utf-16\"?>{plain}").as_bytes(), None);
        for little in [true, false] {
            check(&utf16(plain, little), None);
            check(&utf16(plain, little), Some("application/xml; charset=UTF-16"));
            check(&utf16(&format!("\u{feff}{plain}"), little), None);
            check(
                &utf16(&format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>{plain}"), little),
                None,
            );
        }
        check(&utf16(plain, true), Some("application/xml; charset=utf-16le"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let check = |bytes: &[u8], content_type: Option<&str>, expect: &str| {
            let error = decode(bytes, content_type).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(b"<a>\xff</a>", None, "not text in UTF-8");
        check(b"<\0a\0>", None, "not text in UTF-16LE");
        check(b"<\0a\0\x00\xd8>\0", Some("text/xml; charset=utf-16le"), "not text in UTF-16LE");
        check(b"<a/>", Some("text/xml; charset=iso-8859-1"), "iso-8859-1 is not read");
        check(b"<?xml version='1.0' encoding='EBCDIC'?><a/>", None, "EBCDIC is not read");
        check(b"<a/>", Some(&format!("text/xml; charset={}", "x".repeat(10_000))), "xxx is not read");
        assert!(
            decode(b"<a/>", Some(&format!("x;charset={}", "x".repeat(10_000))))
                .unwrap_err()
                .to_string()
                .len()
                < 300
        );
    }
}
