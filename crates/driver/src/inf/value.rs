//! The small grammar inside a line: blanks, quotes and commas.

use std::borrow::Cow;

/// A range of bytes of the text, between characters. Files have at most `limits::FILE_BYTES_MAX` bytes, so that
/// the text and its joined lines stay far below 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let narrow =
            |at: usize| u32::try_from(at).expect("limits::FILE_BYTES_MAX keeps the text below 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    /// The span without blanks around it.
    pub(super) fn trimmed(self, text: &str) -> Self {
        let blank = |b: u8| b.is_ascii() && is_blank(char::from(b));
        let (mut bytes, mut start) = (self.of(text).as_bytes(), self.start);
        // Nearly all text is ASCII: only a byte that may belong to another blank costs more than a comparison.
        while let [first, rest @ ..] = bytes
            && blank(*first)
        {
            (bytes, start) = (rest, start + 1);
        }
        while let [rest @ .., last] = bytes
            && blank(*last)
        {
            bytes = rest;
        }
        let trimmed = Self { start, end: start + u32::try_from(bytes.len()).expect("part of a span") };
        match bytes {
            [0xef, ..] | [.., 0xbf] => trimmed.trimmed_chars(text),
            _ => trimmed,
        }
    }

    fn trimmed_chars(self, text: &str) -> Self {
        let part = self.of(text);
        let start = self.start as usize + part.len() - part.trim_start_matches(is_blank).len();
        Self::new(start, start + part.trim_matches(is_blank).len())
    }
}

/// Blanks between the parts of a line. A byte order mark inside a text comes from files glued together, Ctrl-Z from
/// damage.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\x1a' | '\u{feff}')
}

/// The form in which names are compared: case never matters in an INF.
pub(super) fn folded(name: &str) -> Cow<'_, str> {
    let folds = |c: char| c.is_ascii_uppercase() || !c.is_ascii();
    if name.contains(folds) { Cow::Owned(name.to_lowercase()) } else { Cow::Borrowed(name) }
}

/// Whether two names are the same in any case.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && folded(a) == folded(b))
}

/// A field without its quotes: quoted and unquoted parts are glued together, `""` inside quotes is a quote.
pub(super) fn unquoted(field: &str) -> Cow<'_, str> {
    let Some(first) = field.find('"') else { return Cow::Borrowed(field) };
    if first == 0
        && let Some(length) = field[1..].find('"')
        && length + 2 == field.len()
    {
        return Cow::Borrowed(&field[1..=length]);
    }
    let mut text = String::with_capacity(field.len());
    let (mut quoted, mut chars) = (false, field.chars().peekable());
    while let Some(c) = chars.next() {
        if c != '"' {
            text.push(c);
        } else if quoted && chars.peek() == Some(&'"') {
            chars.next();
            text.push('"');
        } else {
            quoted = !quoted;
        }
    }
    Cow::Owned(text)
}

/// The `%token%` that starts at `bytes[at]`, a percent sign: the index of its closing sign. Blanks do not touch the
/// signs of a token, which tells one from a percentage in running text. `%%` is a token without a name.
pub(super) fn token_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let length = bytes[at + 1..end].iter().position(|b| matches!(b, b'%' | b'"' | b'\r' | b'\n'))?;
    let close = at + 1 + length;
    let blank = |b: u8| b == b' ' || b == b'\t';
    (bytes[close] == b'%' && (length == 0 || !blank(bytes[at + 1]) && !blank(bytes[close - 1])))
        .then_some(close)
}

/// Whether a text is `{8-4-4-4-12}` hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else { return false };
    let lengths = inside.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && inside.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_dropped() {
        let check = |field: &str, expect: &str| assert_eq!(unquoted(field), expect, "{field}");
        check("plain", "plain");
        check("\"quoted, text; here\"", "quoted, text; here");
        check("\"\"", "");
        check("\"a \"\"word\"\" here\"", "a \"word\" here");
        check("\"\"\"abc\"\"\"", "\"abc\"");
        check("\"Some Dir\\\"File.sys", "Some Dir\\File.sys");
        check("a\"b\"c\"d\"", "abcd");
        check("\"unclosed", "unclosed");
        check("\"", "");
        check("\"dir\\\"", "dir\\");
    }

    #[test]
    fn tokens_end_at_the_next_percent_sign() {
        let check = |text: &str, expect: Option<usize>| {
            assert_eq!(token_end(text.as_bytes(), 0, text.len()), expect, "{text}");
        };
        check("%a;b% x", Some(4));
        check("%%", Some(1));
        check("% ; 50%", None);
        check("%a %", None);
        check("%a\"b%", None);
        check("%a\n%", None);
        check("%", None);
    }
}
