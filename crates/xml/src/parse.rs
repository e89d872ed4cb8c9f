//! The one way from text to a tree: what costs too much, or could name other documents, never gets to the parser.

use roxmltree::{Document, Error, ParsingOptions};

use crate::{XmlError, scan};

/// The most nodes of a document: elements, texts, comments. Two arrays of 20,000 texts need 80,000.
pub const NODES_MAX: usize = 256 * 1024;

/// The tree of a document.
///
/// Errors: what is not well-formed, has a document type, or is larger than a limit of this crate.
pub fn parse(text: &str) -> Result<Document<'_>, XmlError> {
    scan::check(text)?;
    let nodes_limit = u32::try_from(NODES_MAX).expect("the limit has fewer than 32 bits");
    let options = ParsingOptions { allow_dtd: false, nodes_limit, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| match error {
        Error::DtdDetected => XmlError::DocumentType,
        Error::NodesLimitReached => XmlError::Limit { what: "nodes", limit: NODES_MAX },
        other => XmlError::malformed(&other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{
        ATTRIBUTES_MAX, DEPTH_MAX, EQUALS_MAX, NAMESPACES_IN_SCOPE_MAX, NAMESPACES_MAX, TAGS_MAX,
    };

    fn refusal(text: &str) -> String {
        match parse(text) {
            Ok(_) => panic!("{} is read", &text[..text.len().min(80)]),
            Err(error) => error.to_string(),
        }
    }

    fn nested(depth: usize) -> String {
        format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
    }

    fn wide(attributes: usize) -> String {
        let attributes: String = (0..attributes).map(|n| format!(" a{n} = '>='")).collect();
        format!("<a{attributes}/>")
    }

    fn namespaces(count: usize) -> String {
        (0..count).map(|n| format!("<b xmlns:n{n}='urn:{n}'></b>")).collect()
    }

    #[test]
    fn what_is_within_the_limits_is_read() {
        for text in [
            "<a/>",
            " <a></a> ",
            "<?xml version='1.0' encoding='utf-8'?><!-- > --><a b='>' c=\"'\"><![CDATA[<d>]]></a><?p ?>",
            &nested(DEPTH_MAX),
            &format!("<a>{}</a>", "<b/>".repeat(NODES_MAX / 2)),
            &wide(ATTRIBUTES_MAX),
            &format!("<a>{}</a>", namespaces(NAMESPACES_MAX)),
            &format!("<a>{}</a>", "=".repeat(EQUALS_MAX)),
        ] {
            assert!(parse(text).is_ok(), "{:?}", parse(text).map(drop));
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_parsed() {
        let scope: String = (0..=NAMESPACES_IN_SCOPE_MAX).map(|n| format!("<b xmlns:n{n}='u'>")).collect();
        let attributes: String = (0..=NAMESPACES_IN_SCOPE_MAX).map(|n| format!(" xmlns:n{n} ='u'")).collect();
        for (text, expect) in [
            (nested(DEPTH_MAX + 1), "levels"),
            ("<a>".repeat(100_000), "levels"),
            (wide(ATTRIBUTES_MAX + 1), "attributes"),
            (format!("<a>{}</a>", "<b/>".repeat(NODES_MAX)), "nodes"),
            (format!("<a>{}</a>", "<b></b>".repeat(TAGS_MAX)), "opening brackets"),
            (format!("<a><!--{}--></a>", "<".repeat(TAGS_MAX)), "opening brackets"),
            (format!("<a>{}</a>", "=".repeat(EQUALS_MAX + 1)), "equals signs"),
            (format!("<a>{}</a>", namespaces(NAMESPACES_MAX + 1)), "namespace declarations"),
            (scope.repeat(2), "namespaces in scope"),
            (format!("<a{attributes}/>"), "attributes"),
            (format!("<a{}><b{0}/></a>", " xmlns:n='u'".repeat(40)), "namespaces in scope"),
            ("x".repeat(scan::TEXT_BYTES_MAX + 1), "bytes"),
        ] {
            let refused = refusal(&text);
            assert!(refused.contains(expect), "{expect}: {refused}");
        }
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        for text in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a><!DOCTYPE a></a>",
            "<!doctype a><a/>",
        ] {
            assert!(refusal(text).contains("document type"), "{text}: {}", refusal(text));
        }
        assert!(refusal("<a>&x;</a>").contains("unknown entity"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused_in_few_words() {
        for text in [
            "",
            " ",
            "x",
            "<",
            "<a",
            "<a b",
            "<a b='",
            "<a b='<'/>",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&</a>",
            "<!--",
            "<a><![CDATA[</a>",
            "<?x",
            "<a b='1' b='2'/>",
            "<x:a/>",
            "<a>\u{1}</a>",
            "<a>]]></a>",
            "<a></a",
            "<a xmlns:x='1' xmlns:x='2'/>",
        ] {
            assert!(refusal(text).contains("well-formed"), "{text}: {}", refusal(text));
        }
        assert!(refusal(&format!("<a><{}/></b>", "é".repeat(100_000))).len() < 600);
    }
}
