//! XML written front to back. Every element gets an end tag of its own unless it is asked to be [`Writer::empty`]: some
//! readers know no other form.

/// What stands for a character that no XML 1.0 document may hold.
const FORBIDDEN: &str = "?";

/// A document on its way, in whole or in pieces.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// The names of the open elements, one behind the other.
    names: String,
    /// Where each of them begins.
    starts: Vec<usize>,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that begins with the XML declaration.
    #[must_use]
    pub fn with_declaration() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n".to_owned(), ..Self::default() }
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.text.push('>');
        self.starts.push(self.names.len());
        self.names.push_str(name);
    }

    /// Ends the element that was begun last.
    pub fn close(&mut self) {
        let start = self.starts.pop().expect("only what is open is closed");
        self.text.push_str("</");
        self.text.push_str(&self.names[start..]);
        self.text.push('>');
        self.names.truncate(start);
    }

    /// Text of the element that is open.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.text, text, false);
    }

    /// Elements that another writer made.
    pub fn raw(&mut self, elements: &str) {
        self.text.push_str(elements);
    }

    /// A whole element that holds nothing but text.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close();
    }

    /// An element in the short form, `<name/>`.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.text.push_str("/>");
    }

    /// How many bytes are written and not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing is written that was not taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is written so far; the open elements stay open.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The rest, with every open element closed.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.starts.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        debug_assert!(is_name(name), "{name} is the name of an element");
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            debug_assert!(is_name(name), "{name} is the name of an attribute");
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-'))
}

/// Blanks of attributes and carriage returns are written as references, or readers would change them.
fn escape(into: &mut String, text: &str, in_attribute: bool) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let written = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\r' => "&#13;",
            '"' if in_attribute => "&quot;",
            '\t' if in_attribute => "&#9;",
            '\n' if in_attribute => "&#10;",
            '\t' | '\n' => continue,
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => FORBIDDEN,
            _ => continue,
        };
        into.push_str(&text[plain_from..at]);
        into.push_str(written);
        plain_from = at + c.len_utf8();
    }
    into.push_str(&text[plain_from..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Element, parse};

    #[test]
    fn documents_are_written_front_to_back() {
        let mut writer = Writer::with_declaration();
        writer.open("a", &[("b", "x\"<>&\t\n\r'"), ("c:d", "")]);
        writer.leaf("e.f", &[], "1 < 2 & 3 > 2\r\n\u{1}\"");
        writer.empty("g", &[("h", "\0")]);
        let first = writer.take();
        assert!(writer.is_empty());
        writer.open("i", &[]);
        let rest = writer.finish();
        let expect = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<a b=\"x&quot;&lt;&gt;&amp;&#9;&#10;&#13;'\" c:d=\"\">\
                      <e.f>1 &lt; 2 &amp; 3 &gt; 2&#13;\n?\"</e.f><g h=\"?\"/>";
        assert_eq!(first, expect);
        assert_eq!(rest, "<i></i></a>");
    }

    /// What a reader must find where `text` was written.
    fn readable(text: &str) -> String {
        let is_allowed =
            |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
        text.chars().map(|c| if is_allowed(c) { c } else { '?' }).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>(), value in any::<String>()) {
            let mut writer = Writer::new();
            writer.open("a", &[("v", &value)]);
            writer.leaf("b", &[], &text);
            let written = writer.finish();
            let document = parse(&written).unwrap();
            let root = document.root_element();
            prop_assert_eq!(root.attr("v").map(str::to_owned), Some(readable(&value)));
            prop_assert_eq!(root.child("", "b").unwrap().text_of(), readable(&text));
        }
    }
}
