//! XML that somebody else wrote, under limits, as a tree.
//!
//! The tree's builder compares each attribute of an element with each other one and keeps every node, so a pass that
//! keeps nothing goes first and refuses what would be slow or large: document types, depth, attributes.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use roxmltree::{Document, ParsingOptions};

/// Parses `text`.
pub(crate) fn parse(text: &str, nodes_max: u32) -> Result<Document<'_>, XmlError> {
    check(text)?;
    let options = ParsingOptions { nodes_limit: nodes_max, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => XmlError::DocumentType,
        roxmltree::Error::NodesLimitReached => XmlError::Limit { what: "nodes", limit: u64::from(nodes_max) },
        error => XmlError::Malformed(error.to_string()),
    })
}

/// The text of a document in UTF-8 or, with a byte-order mark, UTF-16; without what may stand before its first `<`.
pub(crate) fn decode(bytes: &[u8], bytes_max: usize) -> Result<Cow<'_, str>, XmlError> {
    if bytes.len() > bytes_max {
        return Err(XmlError::Limit { what: "bytes", limit: bytes_max as u64 });
    }
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding_rs::UTF_8, 0));
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(&bytes[mark..])
        .ok_or_else(|| XmlError::Malformed(format!("it is not {}", encoding.name())))?;
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start()),
        Cow::Owned(text) => Cow::Owned(text.trim_start().to_owned()),
    })
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// More than is taken.
    #[error("the XML has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is taken.
        limit: u64,
    },
    /// A document type declaration: entities are never needed here, and are the way to attack readers.
    #[error("the XML has a document type declaration; remove it")]
    DocumentType,
    /// Not well-formed, or in the wrong encoding.
    #[error("the XML cannot be read: {0}")]
    Malformed(String),
}

/// Elements in elements. Catalogs and definitions have fewer than ten.
const DEPTH_MAX: u64 = 64;
/// Equals signs in one start tag: one for each attribute, namespaces included, and those in their values.
const EQUALS_SIGNS_MAX: u64 = 512;

fn check(text: &str) -> Result<(), XmlError> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut depth = 0_u64;
    loop {
        match reader.read_event().map_err(|error| XmlError::Malformed(error.to_string()))? {
            Event::Start(element) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(XmlError::Limit { what: "levels", limit: DEPTH_MAX });
                }
                check_attributes(&element)?;
            }
            Event::Empty(element) => check_attributes(&element)?,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn check_attributes(element: &BytesStart<'_>) -> Result<(), XmlError> {
    if element.bytes().filter(|byte| *byte == b'=').count() as u64 > EQUALS_SIGNS_MAX {
        return Err(XmlError::Limit { what: "equals signs in one element", limit: EQUALS_SIGNS_MAX });
    }
    Ok(())
}

/// The text with what XML 1.0 cannot carry as U+FFFD.
pub(crate) fn carried(text: &str) -> String {
    text.chars().map(|c| if is_xml_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, expect: &str) {
        let error = parse(text, 1000).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }

    #[test]
    fn what_would_be_slow_or_dangerous_is_refused_before_the_tree_is_built() {
        check_refused("<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>", "document type");
        check_refused("<!DOCTYPE x><x/>", "document type");
        check_refused(&("<x>".repeat(100_000) + &"</x>".repeat(100_000)), "64 levels");
        let attributes: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
        check_refused(&format!("<x{attributes}/>"), "equals signs");
        check_refused(&format!("<x>{}</x>", "<y/>".repeat(2000)), "1000 nodes");
        check_refused("<x>&unknown;</x>", "cannot be read");
        check_refused("<x>", "cannot be read");
        check_refused("", "cannot be read");
        assert!(parse("<x a='1'><y/></x>", 1000).is_ok());
    }

    #[test]
    fn marks_and_blank_lines_before_the_root_do_not_matter() {
        let utf16: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain("<x/>".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for bytes in [b"\xEF\xBB\xBF\r\n<x/>".as_slice(), b"\n <x/>", b"<x/>", &utf16] {
            assert_eq!(decode(bytes, 100).unwrap(), "<x/>");
        }
        assert_eq!(
            decode(b"<x>\xFF</x>", 100).unwrap_err().to_string(),
            "the XML cannot be read: it is not UTF-8"
        );
        assert!(matches!(decode(b"<x/>", 3), Err(XmlError::Limit { what: "bytes", limit: 3 })));
    }
}
