//! One look over a document before the parser gets it. The parser's work and memory grow with the square of some things
//! that cost a sender a few bytes each (attributes of one tag, namespaces in scope), so they are counted first. The
//! parser itself keeps no stack for nested elements, but those who walk the tree do.

use crate::XmlError;

/// The longest document that is read, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How deep elements may nest.
pub const DEPTH_MAX: usize = 64;
/// The most opening brackets, inside of comments and sections too: the parser takes memory for each before it reads.
/// Two arrays of 20,000 texts need 80,000.
pub const TAGS_MAX: usize = 512 * 1024;
/// The most equals signs, in texts too: the parser takes memory for each as if it were an attribute.
pub const EQUALS_MAX: usize = 512 * 1024;
/// The most attributes of one element; each is compared with all before it.
pub const ATTRIBUTES_MAX: usize = 64;
/// The most namespace declarations that an element may see; each element that adds one copies all of them.
pub const NAMESPACES_IN_SCOPE_MAX: usize = 64;
/// The most namespace declarations of a document.
pub const NAMESPACES_MAX: usize = 4 * 1024;

/// Whether a document may be parsed. What is not well-formed in other ways is left for the parser to say.
pub(crate) fn check(text: &str) -> Result<(), XmlError> {
    within("bytes", TEXT_BYTES_MAX, text.len())?;
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count();
    within("opening brackets", TAGS_MAX, count(b'<'))?;
    within("equals signs", EQUALS_MAX, count(b'='))?;
    Scan { text, at: 0, scopes: vec![0], namespaces: 0 }.run()
}

fn within(what: &'static str, limit: usize, found: usize) -> Result<(), XmlError> {
    if found > limit { Err(XmlError::Limit { what, limit }) } else { Ok(()) }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Of the document and each open element: how many namespaces it sees.
    scopes: Vec<usize>,
    namespaces: usize,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), XmlError> {
        while let Some(offset) = self.text[self.at..].find('<') {
            self.at += offset;
            let rest = &self.text[self.at..];
            if rest.starts_with("<!--") {
                self.skip_past("<!--", "-->")?;
            } else if rest.starts_with("<![CDATA[") {
                self.skip_past("<![CDATA[", "]]>")?;
            } else if rest.starts_with("<?") {
                self.skip_past("<?", "?>")?;
            } else if rest.starts_with("<!") {
                return Err(XmlError::DocumentType);
            } else if rest.starts_with("</") {
                self.skip_past("</", ">")?;
                // The first scope is the document's own.
                self.scopes.truncate(1.max(self.scopes.len() - 1));
            } else {
                self.start_tag()?;
            }
        }
        Ok(())
    }

    fn skip_past(&mut self, begin: &str, end: &str) -> Result<(), XmlError> {
        let from = self.at + begin.len();
        let found = self.text[from..]
            .find(end)
            .ok_or_else(|| XmlError::malformed(&format!("{begin} has no {end}")))?;
        self.at = from + found + end.len();
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), XmlError> {
        let (mut attributes, mut declared) = (0, 0);
        let bytes = self.text.as_bytes();
        // Where the last value ended: the next attribute's name is the last word before its `=`.
        let mut from = self.at;
        self.at += 1;
        loop {
            match bytes.get(self.at) {
                Some(b'>') => break,
                Some(quote @ (b'"' | b'\'')) => {
                    self.skip_value(*quote)?;
                    from = self.at;
                    continue;
                }
                Some(b'=') => {
                    attributes += 1;
                    within("attributes of an element", ATTRIBUTES_MAX, attributes)?;
                    let name = self.text[from..self.at].split_ascii_whitespace().next_back();
                    declared += usize::from(name.is_some_and(|name| name.starts_with("xmlns")));
                }
                Some(b'<') | None => return Err(XmlError::malformed(&"a tag has no end")),
                Some(_) => {}
            }
            self.at += 1;
        }
        let is_empty = bytes[self.at - 1] == b'/';
        self.at += 1;
        self.enter(declared, is_empty)
    }

    fn skip_value(&mut self, quote: u8) -> Result<(), XmlError> {
        let from = self.at + 1;
        let value = &self.text.as_bytes()[from..];
        let end = value.iter().position(|byte| *byte == quote || *byte == b'<');
        match end.filter(|end| value[*end] == quote) {
            Some(end) => self.at = from + end + 1,
            None => return Err(XmlError::malformed(&"the value of an attribute has no end")),
        }
        Ok(())
    }

    fn enter(&mut self, declared: usize, is_empty: bool) -> Result<(), XmlError> {
        self.namespaces += declared;
        within("namespace declarations", NAMESPACES_MAX, self.namespaces)?;
        let visible = self.scopes.last().expect("the document's own scope stays") + declared;
        within("namespaces in scope", NAMESPACES_IN_SCOPE_MAX, visible)?;
        within("levels", DEPTH_MAX, self.scopes.len())?;
        if !is_empty {
            self.scopes.push(visible);
        }
        Ok(())
    }
}
