//! Lines, sections and entries, as spans of the text.

use std::ops::Range;

use super::findings::Findings;
use super::limits::{ENTRIES_MAX, FIELDS_MAX, LINE_BYTES_MAX, LINES_MAX, SECTIONS_MAX};
use super::strings::section_language;
use super::value::{Span, is_blank, token_end};

/// The parts of a text.
pub(super) struct Lexed {
    pub(super) text: String,
    pub(super) sections: Vec<Header>,
    pub(super) entries: Vec<EntrySpan>,
    pub(super) fields: Vec<Span>,
}

/// One section header and the entries under it.
#[derive(Debug)]
pub(super) struct Header {
    /// As written, with quotes and strings.
    pub(super) name: Span,
    pub(super) line: u32,
    pub(super) column: u32,
    /// Indexes into `Lexed::entries`.
    pub(super) entries: Range<u32>,
    /// The LANGID of a Strings section; 0 for the neutral one.
    pub(super) language: Option<u16>,
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntrySpan {
    pub(super) key: Option<Span>,
    /// The first of its values in `Lexed::fields`.
    pub(super) first: u32,
    pub(super) values: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// What a `\` at the end of a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuation {
    /// The next line belongs to this one.
    Backslash,
    /// Nothing: the root directory, in a txtsetup.oem.
    None,
}

/// Splits a text. Stops with an error where a limit is passed.
pub(super) fn lex(text: String, continuation: Continuation, findings: &mut Findings) -> Lexed {
    let end = content_end(&text, findings);
    let lexed = Lexed { text, sections: Vec::new(), entries: Vec::new(), fields: Vec::new() };
    let mut lexer = Lexer { lexed, findings, continuation, end, at: 0, line: 0, stray: false };
    while lexer.at < lexer.end && lexer.line() {}
    lexer.close_section();
    lexer.lexed
}

/// Ctrl-Z ended files in the days of CP/M, and still stands at the end of some. With text behind it, it is damage
/// (seen in real files), and what follows counts.
fn content_end(text: &str, findings: &mut Findings) -> usize {
    const CTRL_Z: char = '\x1a';
    let end = text.trim_end_matches(|c: char| c == CTRL_Z || c.is_whitespace()).len();
    if let Some(at) = text[..end].find(CTRL_Z) {
        let line = 1 + text[..at].matches('\n').count();
        let line = u32::try_from(line).expect("limits::FILE_BYTES_MAX is below u32::MAX");
        findings.warning("inf_ctrl_z", line, 1, || {
            "Ctrl-Z stands before the end of the file; it was read as a blank".to_owned()
        });
    }
    end
}

struct Lexer<'f> {
    lexed: Lexed,
    findings: &'f mut Findings,
    continuation: Continuation,
    /// Where the file's own text ends; joined lines follow.
    end: usize,
    at: usize,
    /// The line that was read last, from 1.
    line: u32,
    /// Whether text before the first section was reported.
    stray: bool,
}

/// One line of the file.
struct Line {
    /// Without blanks around it, comment and continuation sign.
    body: Span,
    continues: bool,
    /// Where a quote opens that nothing closes.
    open_quote: Option<usize>,
    next: usize,
}

impl Lexer<'_> {
    /// Reads one line with its continuations; `false` stops.
    fn line(&mut self) -> bool {
        if !self.count_line() {
            return false;
        }
        let (line, line_start) = (self.line, self.at);
        let start = self.skip_blanks(line_start);
        match self.lexed.text.as_bytes()[..self.end].get(start) {
            None | Some(b'\r' | b'\n' | b';') => {
                self.at = self.next_line(start);
                return true;
            }
            Some(b'[') => return self.header(line_start, start),
            Some(_) => {}
        }
        let strings = self.lexed.sections.last().is_some_and(|section| section.language.is_some());
        let first = self.scan(start, strings);
        self.at = first.next;
        let column = self.column(line_start, start);
        self.check_quote(&first, line_start);
        let body = if first.continues { self.joined(first.body, strings) } else { first.body };
        let body = body.trimmed(&self.lexed.text);
        if body.end == body.start {
            return true;
        }
        if body.end - body.start > u32::try_from(LINE_BYTES_MAX).expect("a small constant") {
            self.findings.warning("inf_line_too_long", line, column, || {
                format!("a line over {LINE_BYTES_MAX} bytes was left out")
            });
            return true;
        }
        self.entry(body, strings, line, column)
    }

    fn count_line(&mut self) -> bool {
        self.line += 1;
        if self.line > LINES_MAX {
            let text = format!("INF files over {LINES_MAX} lines are not read to the end");
            self.findings.error("inf_too_many_lines", self.line, text);
        }
        self.line <= LINES_MAX
    }

    /// Joins a continued line with those that follow it, at the end of the text.
    fn joined(&mut self, first: Span, strings: bool) -> Span {
        let start = self.lexed.text.len();
        self.lexed.text.extend_from_within(first.start as usize..first.end as usize);
        loop {
            if self.at >= self.end {
                self.findings.note("inf_continued_end", self.line, 1, || {
                    "the last line is continued, but nothing follows".to_owned()
                });
                break;
            }
            if !self.count_line() {
                self.at = self.end;
                break;
            }
            let line_start = self.at;
            let at = self.skip_blanks(line_start);
            if self.lexed.text.as_bytes()[at..self.end].first() == Some(&b'[') {
                self.findings.warning("inf_continued_section", self.line, 1, || {
                    "the line before is continued, so that this is no section".to_owned()
                });
            }
            let line = self.scan(at, strings);
            self.at = line.next;
            self.check_quote(&line, line_start);
            // Beyond the limit the line is dropped anyway; its lines still have to be passed.
            if self.lexed.text.len() - start <= LINE_BYTES_MAX {
                self.lexed.text.extend_from_within(line.body.start as usize..line.body.end as usize);
            }
            if !line.continues {
                break;
            }
        }
        Span::new(start, self.lexed.text.len())
    }

    /// Finds the end of one line from its first character on.
    fn scan(&self, start: usize, strings: bool) -> Line {
        let bytes = &self.lexed.text.as_bytes()[..self.end];
        let (mut at, mut quote) = (start, None);
        while at < bytes.len() {
            match bytes[at] {
                b'"' => quote = if quote.is_none() { Some(at) } else { None },
                b'\r' | b'\n' => break,
                b';' if quote.is_none() => break,
                b'%' if quote.is_none() && !strings => {
                    at = token_end(bytes, at, bytes.len()).unwrap_or(at);
                }
                _ => {}
            }
            at += 1;
        }
        let next = self.next_line(at);
        let body = Span::new(start, at).trimmed(&self.lexed.text);
        let may = quote.is_none() && self.continuation == Continuation::Backslash;
        let shorter = may.then(|| body.of(&self.lexed.text).strip_suffix('\\')).flatten();
        let Some(shorter) = shorter else { return Line { body, continues: false, open_quote: quote, next } };
        let kept = shorter.strip_suffix('\\').unwrap_or(shorter).trim_end_matches(is_blank);
        let body = Span::new(start, start + kept.len());
        Line { body, continues: true, open_quote: None, next }
    }

    fn header(&mut self, line_start: usize, start: usize) -> bool {
        let column = self.column(line_start, start);
        if self.lexed.sections.len() >= SECTIONS_MAX {
            let text = format!("INF files over {SECTIONS_MAX} sections are not read to the end");
            self.findings.error("inf_too_many_sections", self.line, text);
            return false;
        }
        let bytes = &self.lexed.text.as_bytes()[..self.end];
        let end = line_end(bytes, start);
        let name = match closing_bracket(&bytes[start..end]) {
            Some(close) => {
                let rest = self.lexed.text[start + close + 1..end].trim_start_matches(is_blank);
                if !rest.is_empty() && !rest.starts_with(';') {
                    self.findings.note("inf_text_after_section", self.line, column, || {
                        "the text behind the section's name is ignored".to_owned()
                    });
                }
                Span::new(start + 1, start + close)
            }
            None => {
                self.findings.warning("inf_section_unclosed", self.line, column, || {
                    "the section's name has no closing bracket".to_owned()
                });
                self.scan(start + 1, true).body
            }
        };
        let name = name.trimmed(&self.lexed.text);
        self.at = self.next_line(end);
        self.close_section();
        let language = section_language(name.of(&self.lexed.text));
        let first = self.entry_count();
        let entries = first..first;
        self.lexed.sections.push(Header { name, line: self.line, column, entries, language });
        true
    }

    /// Splits a line into key and values; `false` stops.
    fn entry(&mut self, body: Span, strings: bool, line: u32, column: u32) -> bool {
        if self.lexed.sections.is_empty() {
            if !self.stray {
                self.findings.note("inf_text_before_section", line, column, || {
                    "text before the first section is ignored".to_owned()
                });
            }
            self.stray = true;
            return true;
        }
        if self.lexed.entries.len() >= ENTRIES_MAX {
            let text = format!("INF files over {ENTRIES_MAX} entries are not read to the end");
            self.findings.error("inf_too_many_entries", line, text);
            return false;
        }
        let first = self.lexed.fields.len();
        let key = self.split(body, strings);
        if self.lexed.fields.len() > FIELDS_MAX {
            self.lexed.fields.truncate(first);
            let text = format!("INF files over {FIELDS_MAX} values are not read to the end");
            self.findings.error("inf_too_many_fields", line, text);
            return false;
        }
        if strings && key.is_none() {
            self.findings.note("inf_string_without_value", line, column, || {
                "a line without = defines no string".to_owned()
            });
        }
        let narrow = |count: usize| u32::try_from(count).expect("limits::FIELDS_MAX is below u32::MAX");
        let values = narrow(self.lexed.fields.len() - first);
        self.lexed.entries.push(EntrySpan { key, first: narrow(first), values, line, column });
        true
    }

    /// Appends the values of a line to the fields and returns its key. A string is one value, commas and all.
    fn split(&mut self, body: Span, strings: bool) -> Option<Span> {
        let Lexed { text, fields, .. } = &mut self.lexed;
        let (start, end) = (body.start as usize, body.end as usize);
        let first = fields.len();
        let (mut key, mut field, mut quoted) = (None, start, false);
        for (at, byte) in (start..).zip(&text.as_bytes()[start..end]) {
            match byte {
                b'"' => quoted = !quoted,
                b'=' if !quoted && key.is_none() => {
                    key = Some(Span::new(start, at).trimmed(text));
                    fields.truncate(first);
                    field = at + 1;
                }
                b',' if !quoted && !strings => {
                    fields.push(Span::new(field, at).trimmed(text));
                    field = at + 1;
                }
                _ => {}
            }
        }
        let last = Span::new(field, end).trimmed(text);
        if last.start < last.end || fields.len() > first {
            fields.push(last);
        }
        key
    }

    fn check_quote(&mut self, line: &Line, line_start: usize) {
        if let Some(quote) = line.open_quote {
            let column = self.column(line_start, quote);
            self.findings.warning("inf_quote_unclosed", self.line, column, || {
                "a quote that nothing closes runs to the end of the line".to_owned()
            });
        }
    }

    fn close_section(&mut self) {
        let end = self.entry_count();
        if let Some(section) = self.lexed.sections.last_mut() {
            section.entries.end = end;
        }
    }

    fn entry_count(&self) -> u32 {
        u32::try_from(self.lexed.entries.len()).expect("limits::ENTRIES_MAX is below u32::MAX")
    }

    fn skip_blanks(&self, at: usize) -> usize {
        let rest = &self.lexed.text[at..self.end];
        at + rest.len() - rest.trim_start_matches(is_blank).len()
    }

    /// Where the line after the one that holds `at` starts. CR LF is one end, CR or LF alone too.
    fn next_line(&self, at: usize) -> usize {
        let bytes = &self.lexed.text.as_bytes()[..self.end];
        let end = line_end(bytes, at);
        match &bytes[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [_, ..] => end + 1,
            [] => end,
        }
    }

    fn column(&self, line_start: usize, at: usize) -> u32 {
        let before = self.lexed.text[line_start..at].chars().count();
        u32::try_from(before + 1).expect("limits::FILE_BYTES_MAX is below u32::MAX")
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len() - at)
}

/// The bracket that closes the one at the front; one inside quotes only if there is no other.
fn closing_bracket(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let outside = line.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b']' && !quoted
    });
    outside.or_else(|| line.iter().position(|byte| *byte == b']'))
}
