//! Strings sections, and replacing `%tokens%` by what they define.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::Inf;
use super::findings::Findings;
use super::lex::{EntrySpan, Header};
use super::limits::LANGUAGES_MAX;
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
    /// Entry by key over all languages in that order, for keys that the first of them has not; made when one is
    /// missing there, which in most files none is.
    any: OnceLock<HashMap<Box<str>, u32>>,
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
    pub(super) fn collect(sections: &[Header], findings: &mut Findings) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        for section in sections {
            let Some(language) = section.language else { continue };
            let parts = section.entries.clone();
            if let Some(table) = tables.iter_mut().find(|table| table.language == language) {
                table.parts.push(parts);
            } else if tables.len() < LANGUAGES_MAX {
                tables.push(Table { language, parts: vec![parts], index: OnceLock::new() });
            } else {
                findings.warning("inf_too_many_languages", section.line, section.column, || {
                    format!("Strings sections after those of {LANGUAGES_MAX} languages define no strings")
                });
            }
        }
        let mut neutral_order: Vec<usize> = (0..tables.len()).collect();
        neutral_order.sort_by_key(|index| distance(NEUTRAL, tables[*index].language));
        Self { tables, neutral_order, any: OnceLock::new() }
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
        let Tables { tables, neutral_order, any } = &self.inf.strings;
        let key = folded(key);
        if language == NEUTRAL {
            let first = &tables[*neutral_order.first()?];
            return self.find(first, &key).or_else(|| {
                let in_order = || self.index(neutral_order.iter().map(|index| &tables[*index]));
                let entry = any.get_or_init(in_order).get(key.as_ref())?;
                Some(self.value(&self.inf.entries[*entry as usize]))
            });
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
            && value.len() <= bytes_max
        {
            return value;
        }
        let mut out = String::with_capacity(text.len() * 2);
        for piece in self.pieces(&text) {
            match piece {
                Piece::Text(text) | Piece::Unknown(text) => out.push_str(text),
                Piece::String(_, value) if out.len() + value.len() <= bytes_max => out.push_str(&value),
                Piece::String(token, _) => out.push_str(token),
            }
        }
        Cow::Owned(out)
    }

    /// Splits a text at its tokens. Joined again, the pieces are the text with its strings replaced.
    pub(super) fn pieces<'t>(self, text: &'t str) -> impl Iterator<Item = Piece<'t, 'a>> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let at = rest.find('%').unwrap_or(rest.len());
            if rest.is_empty() {
                return None;
            }
            let (length, piece) = if at > 0 {
                (at, Piece::Text(&rest[..at]))
            } else if let Some(close) = token_end(rest.as_bytes(), 0, rest.len()) {
                self.token(rest, close)
            } else {
                (1, Piece::Text(&rest[..1]))
            };
            rest = &rest[length..];
            Some(piece)
        })
    }

    /// The piece at the front of a text with a token that ends at `close`, and how long it is there.
    fn token<'t>(self, text: &'t str, close: usize) -> (usize, Piece<'t, 'a>) {
        let (key, token) = (&text[1..close], &text[..=close]);
        if key.is_empty() {
            (token.len(), Piece::Text("%"))
        } else if is_directory_id(key) {
            (token.len(), Piece::Text(token))
        } else if let Some(value) = self.get(NEUTRAL, key) {
            (token.len(), Piece::String(token, value))
        } else if token_end(text.as_bytes(), close, text.len()).is_some() {
            // Its second sign may open a token that is known.
            (close, Piece::Unknown(&text[..close]))
        } else {
            (token.len(), Piece::Unknown(token))
        }
    }

    /// The string, if the text is one token: the most frequent case, and free of copies.
    fn whole_token(self, text: &str) -> Option<Cow<'a, str>> {
        let key = text.strip_prefix('%')?.strip_suffix('%')?;
        let one = !key.is_empty() && !key.contains('%') && !is_directory_id(key);
        one.then(|| self.get(NEUTRAL, key)).flatten()
    }

    fn find(self, table: &'a Table, key: &str) -> Option<Cow<'a, str>> {
        let index = table.index.get_or_init(|| self.index([table].into_iter()));
        let entry = &self.inf.entries[*index.get(key)? as usize];
        Some(self.value(entry))
    }

    fn value(self, entry: &EntrySpan) -> Cow<'a, str> {
        let field = (entry.values > 0).then(|| self.inf.fields[entry.first as usize]);
        field.map_or(Cow::Borrowed(""), |field| unquoted(field.of(&self.inf.text)))
    }

    /// The first definition of a key counts.
    fn index<'t>(self, tables: impl Iterator<Item = &'t Table>) -> HashMap<Box<str>, u32> {
        let mut index = HashMap::new();
        for table in tables {
            index.reserve(table.parts.iter().map(Range::len).max().unwrap_or(0));
            for (number, key) in self.keys(table) {
                let key = folded(&key);
                if !index.contains_key(key.as_ref()) {
                    index.insert(Box::from(key.as_ref()), number);
                }
            }
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
            let index = table.index.get_or_init(|| self.index([table].into_iter()));
            self.keys(table).filter_map(move |(number, key)| {
                let first = index.get(folded(&key).as_ref()).is_some_and(|first| *first == number);
                (!first).then(|| (&self.inf.entries[number as usize], key))
            })
        })
    }
}

/// A part of a text.
pub(super) enum Piece<'t, 'a> {
    Text(&'t str),
    /// A token as written, and what it stands for.
    String(&'t str, Cow<'a, str>),
    /// A token that no section defines, as written, perhaps without its second sign.
    Unknown(&'t str),
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
