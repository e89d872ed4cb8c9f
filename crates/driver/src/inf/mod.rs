//! An INF file's text: what is written in it, before anybody asks what it installs.
//!
//! INF files come in every encoding that editors of thirty years left behind, and hardly one keeps all rules of the
//! documentation. [`Inf::parse`] therefore never fails: it returns what can be read, and says beside it what was odd.
//! Only what breaks a limit ([`limits`]) stops it, with a finding of [`Severity::Error`](crate::Severity::Error).
//!
//! The decoded text is kept once; sections, entries and values are spans of it. A value is unquoted and its
//! `%strings%` are replaced when somebody reads it.
//!
//! # Findings
//!
//! | code | severity | meaning |
//! |---|---|---|
//! | `inf_too_large` | error | more bytes than [`limits::FILE_BYTES_MAX`]; nothing was read |
//! | `inf_too_many_lines`, `inf_too_many_sections`, `inf_too_many_entries`, `inf_too_many_fields` | error | the limit of that name; reading stopped there |
//! | `inf_too_many_models` | error | the manufacturer lines reach more than [`limits::MODELS_VALUES_MAX`]; the rest of them is left out |
//! | `inf_too_much_text` | error | replacing strings adds more than [`limits::ADDED_BYTES_MAX`]: made to fill memory |
//! | `inf_too_many_languages` | warning | Strings sections after those of [`limits::LANGUAGES_MAX`] languages define none |
//! | `inf_line_too_long` | warning | a line over [`limits::LINE_BYTES_MAX`] was left out |
//! | `inf_field_long`, `inf_section_name_long` | warning | longer than Windows documents |
//! | `inf_value_too_long` | warning | its strings replaced, it would pass [`limits::VALUE_BYTES_MAX`]; the rest stays unreplaced |
//! | `inf_encoding_unofficial` | note | UTF-8 or UTF-16BE: Windows documents only UTF-16LE and ANSI |
//! | `inf_encoding_guessed` | warning | UTF-16 without a byte order mark |
//! | `inf_odd_length` | warning | UTF-16 with half a character at the end |
//! | `inf_undecodable` | warning | bytes that are no characters in their encoding |
//! | `inf_nul_bytes` | warning | NUL characters, read as blanks |
//! | `inf_ctrl_z` | warning | Ctrl-Z before the end of the file, read as a blank |
//! | `inf_text_before_section` | note | text before the first section is ignored |
//! | `inf_text_after_section` | note | text behind a section's `]` is ignored |
//! | `inf_section_unclosed` | warning | `[name` without `]` |
//! | `inf_quote_unclosed` | warning | a quote that nothing closes runs to the end of the line |
//! | `inf_continued_section` | warning | a line's `\` swallowed a section's header |
//! | `inf_continued_end` | note | the last line of the file ends with `\` |
//! | `inf_string_without_value` | note | a line without `=` in a Strings section |
//! | `inf_string_twice` | note | a string defined again; the first definition counts |
//! | `inf_string_unknown` | warning | `%name%` that no Strings section defines; it stays as it is |
//! | `inf_findings_cut` | note | more findings than [`limits::FINDINGS_OF_A_CODE_MAX`] or [`limits::FINDINGS_MAX`]; the rest is not listed |
//! | `version_missing`, `signature_missing`, `signature_unknown` | error | not a Windows INF file |
//! | `oem_names_cut` | warning | a txtsetup.oem names more than [`limits::OEM_NAMES_MAX`] files and ids |
//! | `class_missing`, `class_guid_missing`, `provider_missing`, `driver_ver_missing` | warning | the entry is missing or empty |
//! | `class_long`, `provider_long` | warning | longer than Windows documents |
//! | `class_guid_invalid`, `extension_id_invalid` | warning | not a GUID |
//! | `extension_id_missing` | warning | class Extension without an ExtensionId |
//! | `driver_ver_template` | warning | the unfilled placeholder of a build |
//! | `driver_date_invalid` | warning | counts as no date |
//! | `driver_date_form` | note | readable, but not `mm/dd/yyyy` |
//! | `driver_version_missing` | note | a date without a version |
//! | `driver_version_invalid` | warning | counts as 0.0.0.0 |
//! | `catalog_name_invalid` | warning | a catalog that is not a plain file name |
//! | `catalog_platform_unknown` | note | `CatalogFile.` with a platform nobody knows |
//! | `manufacturer_without_models` | warning | a manufacturer line that names no models section, or one with a name longer than Windows can hold |
//! | `decoration_invalid` | warning | a decoration that Windows cannot read |
//! | `decoration_template` | warning | `NT$ARCH$`, unfilled by a build |
//! | `models_missing` | warning | a decorated models section that is not there; counts as empty |
//! | `models_line_invalid` | warning | a models line without description or install section |
//! | `models_line_without_id` | warning | a models line without any id |
//! | `device_id_long` | warning | an id that Windows cannot hold; it is left out |
//! | `description_long` | warning | a description that Windows cannot hold; it is cut |

mod check;
mod decoration;
mod driver_ver;
mod encoding;
mod findings;
mod lex;
pub mod limits;
mod models;
pub mod oem;
mod strings;
mod value;
mod version;
mod view;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

pub use decoration::{Architecture, Decoration};
pub use driver_ver::DriverVer;
pub use encoding::Encoding;
pub use models::{ManufacturerLine, ModelLine, ModelsSection, check_models, manufacturers, models};
pub use strings::Strings;
pub use version::{CatalogFor, CatalogName, Version};
pub use view::{Entry, Section};

use crate::Diagnostic;
use findings::Findings;
use lex::{Continuation, EntrySpan};
use value::Span;

/// A parsed INF file.
#[derive(Debug)]
pub struct Inf {
    encoding: Encoding,
    /// The decoded text; behind it, the joined form of each continued line.
    text: String,
    entries: Vec<EntrySpan>,
    fields: Vec<Span>,
    sections: Vec<SectionSpan>,
    by_name: HashMap<Box<str>, u32>,
    strings: strings::Tables,
    diagnostics: Vec<Diagnostic>,
}

/// The sections of one name.
#[derive(Debug)]
struct SectionSpan {
    name: Box<str>,
    line: u32,
    /// Indexes into `Inf::entries`, one range for each header.
    parts: Vec<Range<u32>>,
    /// Whether its values are strings: neither split at commas nor expanded.
    literal: bool,
}

impl Inf {
    /// Reads an INF file. What could not be read is in [`Inf::diagnostics`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::read(bytes, Continuation::Backslash)
    }

    fn read(bytes: &[u8], continuation: Continuation) -> Self {
        let mut findings = Findings::default();
        let (encoding, text) = encoding::decode(bytes, &mut findings);
        let lexed = lex::lex(text, continuation, &mut findings);
        let mut inf = Self {
            encoding,
            text: lexed.text,
            entries: lexed.entries,
            fields: lexed.fields,
            sections: Vec::new(),
            by_name: HashMap::new(),
            strings: strings::Tables::collect(&lexed.sections, &mut findings),
            diagnostics: Vec::new(),
        };
        inf.merge(&lexed.sections, &mut findings);
        check::check(&inf, &mut findings);
        inf.diagnostics = findings.into_vec();
        inf
    }

    /// How its bytes were read.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Everything odd about its text, in the order found; at most [`limits::FINDINGS_MAX`] and a few.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The sections in the order of their first headers. Those of one name, in any case, are one.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = Section<'_>> {
        self.sections.iter().map(|span| Section { inf: self, span })
    }

    /// The section of that name, in any case, its `%strings%` replaced.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Section<'_>> {
        let index = *self.by_name.get(value::folded(name).as_ref())?;
        Some(Section { inf: self, span: &self.sections[index as usize] })
    }

    /// Its Strings sections.
    #[must_use]
    pub fn strings(&self) -> Strings<'_> {
        Strings { inf: self }
    }

    /// Gathers headers of one name into one section. Names may be strings, so this follows the reading of those.
    fn merge(&mut self, headers: &[lex::Header], findings: &mut Findings) {
        for header in headers {
            let raw = value::unquoted(header.name.of(&self.text));
            let name = self.expanded(raw, limits::NAME_BYTES_MAX);
            if name.chars().count() > limits::SECTION_NAME_CHARS {
                findings.warning("inf_section_name_long", header.line, header.column, || {
                    format!("a section's name has more than {} characters", limits::SECTION_NAME_CHARS)
                });
            }
            let parts = header.entries.clone();
            let folded = value::folded(&name);
            if let Some(index) = self.by_name.get(folded.as_ref()) {
                self.sections[*index as usize].parts.push(parts);
                continue;
            }
            let (key, literal) = (Box::from(folded.as_ref()), header.language.is_some());
            let span = SectionSpan { name: name.into(), line: header.line, parts: vec![parts], literal };
            let index = u32::try_from(self.sections.len()).expect("limits::SECTIONS_MAX is below u32::MAX");
            self.by_name.insert(key, index);
            self.sections.push(span);
        }
    }

    /// `text` with its strings replaced, as far as it stays below `bytes_max`.
    fn expanded<'a>(&'a self, text: Cow<'a, str>, bytes_max: usize) -> Cow<'a, str> {
        self.strings().expand(text, bytes_max)
    }
}
