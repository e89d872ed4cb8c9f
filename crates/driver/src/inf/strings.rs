//! Strings sections, and replacing `%tokens%` by what they define.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::Inf;
use super::lex::{EntrySpan, Header};
use super::value::{folded, same_name, token_end, unquoted};

/// The LANGID of the neutral `[Strings]`.
pub(super) const NEUTRAL: u16 = 0;
const ENGLISH_US: u16 = 0x0409;

/// The Strings sections of a file.
#[derive(Debug)]
pub(super) struct Tables {
    /// In the order of the file, one for each language.
    tables: Vec<Table>,
    /// Indexes into `tables`: where a string is looked up for what is stored and compared.
    neutral_order: Vec<usize>,
}

#[derive(Debug)]
struct Table {
    language: u16,
    /// Indexes of its entries.
    parts: Vec<Range<u32>>,
    /// Entry by key; made when it is first asked for, which most languages never are.
    index: OnceLock<HashMap<Box<str>, u32>>,
}

impl Tables {
    pub(super) fn collect(sections: &[Header]) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        for section in sections {
            let Some(language) = section.language else { continue };
            let parts = section.entries.clone();
            match tables.iter_mut().find(|table| table.language == language) {
                Some(table) => table.parts.push(parts),
                None => tables.push(Table { language, parts: vec![parts], index: OnceLock::new() }),
            }
        }
        let mut neutral_order: Vec<usize> = (0..tables.len()).collect();
        neutral_order.sort_by_key(|index| distance(NEUTRAL, tables[*index].language));
        Self { tables, neutral_order }
    }
}

/// How far a Strings section is from the language that is asked for: the documented order, then the neutral
/// section, English, and any other for keys that only those define.
fn distance(asked: u16, language: u16) -> u8 {
    let primary = |language: u16| language & 0x3ff;
    match language {
        _ if language == asked => 0,
        _ if asked != NEUTRAL && language == primary(asked) => 1,
        _ if asked != NEUTRAL && primary(language) == primary(asked) => 2,
        NEUTRAL => 3,
        ENGLISH_US => 4,
        _ if primary(language) == primary(ENGLISH_US) => 5,
        _ => 6,
    }
}

/// The strings of an INF file.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    pub(super) inf: &'a Inf,
}

impl<'a> Strings<'a> {
    /// A string for a machine of that language (a LANGID; 0 for the neutral language): from the section of exactly
    /// that LANGID, of its primary language, of any sublanguage of it, then the neutral section. A key that is not
    /// there comes from the next one, at last from any.
    #[must_use]
    pub fn get(self, language: u16, key: &str) -> Option<Cow<'a, str>> {
        let Tables { tables, neutral_order } = &self.inf.strings;
        let key = folded(key);
        if language == NEUTRAL {
            return neutral_order.iter().find_map(|index| self.find(&tables[*index], &key));
        }
        let mut order: Vec<&Table> = tables.iter().collect();
        order.sort_by_key(|table| distance(language, table.language));
        order.into_iter().find_map(|table| self.find(table, &key))
    }

    /// The LANGIDs of its localized sections, in the order of the file; the neutral one is not listed.
    pub fn languages(self) -> impl Iterator<Item = u16> + 'a {
        self.inf.strings.tables.iter().map(|table| table.language).filter(|language| *language != NEUTRAL)
    }

    /// Replaces `%key%` by its string and `%%` by a percent sign, once, as far as the text stays below `bytes_max`.
    /// Directory ids (`%12%`) and unknown keys stay.
    pub(super) fn expand(self, text: Cow<'a, str>, bytes_max: usize) -> Cow<'a, str> {
        if !text.contains('%') {
            return text;
        }
        if let Cow::Borrowed(borrowed) = text
            && let Some(value) = self.whole_token(borrowed)
        {
            return value;
        }
        let (mut out, mut rest) = (String::with_capacity(text.len() * 2), text.as_ref());
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(close) = token_end(rest.as_bytes(), 0, rest.len()) else {
                out.push('%');
                rest = &rest[1..];
                continue;
            };
            let (key, fits) = (&rest[1..close], |more: usize| out.len() + more <= bytes_max);
            if key.is_empty() {
                out.push('%');
                rest = &rest[2..];
            } else if is_directory_id(key) {
                out.push_str(&rest[..=close]);
                rest = &rest[close + 1..];
            } else if let Some(value) = self.get(NEUTRAL, key).filter(|value| fits(value.len())) {
                out.push_str(&value);
                rest = &rest[close + 1..];
            } else {
                // The second sign may open a token that is known.
                out.push_str(&rest[..close]);
                rest = &rest[close..];
                if rest[1..].find('%').is_none() {
                    break;
                }
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    /// How long a text would become with its strings replaced and no limit.
    pub(super) fn expanded_bytes(self, text: &str) -> usize {
        let (mut bytes, mut rest) = (text.len(), text);
        while let Some(at) = rest.find('%') {
            rest = &rest[at..];
            let close = token_end(rest.as_bytes(), 0, rest.len());
            let value = close.and_then(|close| self.get(NEUTRAL, &rest[1..close]));
            bytes += value.as_ref().map_or(0, |value| value.len());
            rest = &rest[if value.is_some() { close.unwrap_or(0) + 1 } else { close.unwrap_or(1).max(1) }..];
            if value.is_none() && close.is_some() && !rest[1..].contains('%') {
                break;
            }
        }
        bytes
    }

    /// The string, if the text is one token: the most frequent case, and free of copies.
    fn whole_token(self, text: &str) -> Option<Cow<'a, str>> {
        let key = text.strip_prefix('%')?.strip_suffix('%')?;
        let one = !key.is_empty() && !key.contains('%') && !is_directory_id(key);
        one.then(|| self.get(NEUTRAL, key)).flatten()
    }

    fn find(self, table: &'a Table, key: &str) -> Option<Cow<'a, str>> {
        let index = table.index.get_or_init(|| self.index(table));
        let entry = &self.inf.entries[*index.get(key)? as usize];
        Some(self.value(entry))
    }

    fn value(self, entry: &EntrySpan) -> Cow<'a, str> {
        let field = (entry.values > 0).then(|| self.inf.fields[entry.first as usize]);
        field.map_or(Cow::Borrowed(""), |field| unquoted(field.of(&self.inf.text)))
    }

    /// The first definition of a key counts.
    fn index(self, table: &Table) -> HashMap<Box<str>, u32> {
        let mut index = HashMap::with_capacity(table.parts.iter().map(Range::len).sum());
        for (number, key) in self.keys(table) {
            index.entry(Box::from(folded(&key).as_ref())).or_insert(number);
        }
        index
    }

    fn keys(self, table: &Table) -> impl Iterator<Item = (u32, Cow<'a, str>)> {
        table.parts.iter().cloned().flatten().filter_map(move |number| {
            let key = self.inf.entries[number as usize].key?;
            Some((number, unquoted(key.of(&self.inf.text))))
        })
    }

    /// The entries of the neutral section that define a key again.
    pub(super) fn repeated(self) -> impl Iterator<Item = (&'a EntrySpan, Cow<'a, str>)> {
        let neutral = self.inf.strings.tables.iter().find(|table| table.language == NEUTRAL);
        neutral.into_iter().flat_map(move |table| {
            let index = table.index.get_or_init(|| self.index(table));
            self.keys(table).filter_map(move |(number, key)| {
                let first = index.get(folded(&key).as_ref()).is_some_and(|first| *first == number);
                (!first).then(|| (&self.inf.entries[number as usize], key))
            })
        })
    }

    /// The tokens of a text that no section defines.
    pub(super) fn unknown(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            loop {
                rest = &rest[rest.find('%')?..];
                let Some(close) = token_end(rest.as_bytes(), 0, rest.len()) else {
                    rest = &rest[1..];
                    continue;
                };
                let key = &rest[1..close];
                let known = key.is_empty() || is_directory_id(key) || self.get(NEUTRAL, key).is_some();
                rest = &rest[if known { close + 1 } else { close }..];
                if !known {
                    if rest[1..].find('%').is_none() {
                        rest = "";
                    }
                    return Some(key);
                }
            }
        })
    }
}

/// `%12%` names a directory, not a string.
fn is_directory_id(key: &str) -> bool {
    let digits = key.strip_prefix('-').unwrap_or(key);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The LANGID of a Strings section's name, 0 for the neutral one; `None` for any other section.
pub(super) fn section_language(name: &str) -> Option<u16> {
    let name = unquoted(name.trim_matches(super::value::is_blank));
    if same_name(&name, "strings") {
        return Some(NEUTRAL);
    }
    let (front, language) = name.split_once('.')?;
    let hex = language.len() == 4 && language.bytes().all(|b| b.is_ascii_hexdigit());
    (same_name(front, "strings") && hex).then(|| u16::from_str_radix(language, 16).ok()).flatten()
}
