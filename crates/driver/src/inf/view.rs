//! Sections and entries, as their readers see them.

use std::borrow::Cow;

use super::lex::EntrySpan;
use super::limits::VALUE_BYTES_MAX;
use super::value::{same_name, unquoted};
use super::{Inf, SectionSpan, Span};
use crate::Place;

/// All entries under the headers of one name.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    pub(super) inf: &'a Inf,
    pub(super) span: &'a SectionSpan,
}

impl<'a> Section<'a> {
    /// Its name as the first header spells it, its strings replaced.
    #[must_use]
    pub fn name(self) -> &'a str {
        &self.span.name
    }

    /// The line of the first header, from 1.
    #[must_use]
    pub fn line(self) -> u32 {
        self.span.line
    }

    /// Its entries, in the order of the file.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let Self { inf, span } = self;
        span.parts
            .iter()
            .flat_map(|part| &inf.entries[part.start as usize..part.end as usize])
            .map(move |entry| Entry { inf, span: entry, literal: span.literal })
    }

    /// How many keys and values it has.
    pub(super) fn weight(self) -> usize {
        self.entries().map(|entry| 1 + entry.fields().len()).sum()
    }

    /// Its entries with a key, in any case; all of them count.
    pub fn named(self, key: &str) -> impl Iterator<Item = Entry<'a>> {
        self.entries().filter(move |entry| entry.key().is_some_and(|own| same_name(&own, key)))
    }

    /// The first entry with a key, in any case.
    #[must_use]
    pub fn entry(self, key: &str) -> Option<Entry<'a>> {
        self.named(key).next()
    }
}

/// `key = value, ...`, or values alone.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    inf: &'a Inf,
    span: &'a EntrySpan,
    literal: bool,
}

impl<'a> Entry<'a> {
    /// What stands before the `=`, without quotes, its strings replaced by those of the neutral language.
    #[must_use]
    pub fn key(self) -> Option<Cow<'a, str>> {
        self.span.key.map(|key| self.read(key))
    }

    /// The value at an index from 0, without quotes, its strings replaced by those of the neutral language. Empty
    /// where the line has no such value: a missing value and an empty one mean the same.
    #[must_use]
    pub fn value(self, index: usize) -> Cow<'a, str> {
        self.fields().get(index).map_or(Cow::Borrowed(""), |field| self.read(*field))
    }

    /// All values, empty ones included. A line has none after a bare `key =`.
    pub fn values(self) -> impl ExactSizeIterator<Item = Cow<'a, str>> {
        self.fields().iter().map(move |field| self.read(*field))
    }

    /// Where it starts.
    #[must_use]
    pub fn place(self) -> Place {
        Place { line: self.span.line, column: self.span.column }
    }

    /// Its line, from 1.
    #[must_use]
    pub fn line(self) -> u32 {
        self.span.line
    }

    /// Everything from the first value on as it is written, quotes and tokens included.
    #[must_use]
    pub fn raw(self) -> &'a str {
        match self.fields() {
            [first, .., last] => Span { start: first.start, end: last.end }.of(&self.inf.text),
            [only] => only.of(&self.inf.text),
            [] => "",
        }
    }

    /// The key as it is written, tokens included.
    pub(super) fn raw_key(self) -> &'a str {
        self.span.key.map_or("", |key| key.of(&self.inf.text))
    }

    /// The values as they are written.
    pub(super) fn raw_values(self) -> impl Iterator<Item = &'a str> {
        self.fields().iter().map(|field| field.of(&self.inf.text))
    }

    fn fields(self) -> &'a [Span] {
        let first = self.span.first as usize;
        &self.inf.fields[first..first + self.span.values as usize]
    }

    fn read(self, span: Span) -> Cow<'a, str> {
        let text = unquoted(span.of(&self.inf.text));
        if self.literal { text } else { self.inf.expanded(text, VALUE_BYTES_MAX) }
    }
}
