//! What a reader of somebody else's bytes has to say about them.

use std::fmt;

/// One finding. `code` is stable and names the kind; `text` says what was found and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code in lower snake case, for example `catalog_missing`.
    pub code: &'static str,
    /// The file, relative to the folder that was looked at, with `/`; empty where only bytes were given.
    pub file: String,
    /// Where in the file, if it is text.
    pub place: Option<Place>,
    /// What was found.
    pub text: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the driver is as good as without it.
    Note,
    /// Something is missing or odd; the driver can be imported.
    Warning,
    /// The file cannot be used.
    Error,
}

/// A position in a text file, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Diagnostic {
    /// A finding without a place.
    pub fn new(severity: Severity, code: &'static str, text: impl Into<String>) -> Self {
        Self { severity, code, file: String::new(), place: None, text: text.into() }
    }

    /// The same finding at a place.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Self {
        self.place = Some(Place { line, column });
        self
    }

    /// The same finding in a file.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = file.into();
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}", self.file)?;
            if let Some(place) = self.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{} ({})", self.text, self.code)
    }
}
