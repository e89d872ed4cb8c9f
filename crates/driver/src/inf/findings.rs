//! Findings while a file is read, under a limit: a broken file may have one in each of its lines.

use std::collections::HashMap;

use super::limits::{FINDINGS_MAX, FINDINGS_OF_A_CODE_MAX};
use crate::{Diagnostic, Severity};

/// Collects findings. Errors are always kept: each of them stops the reading.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Diagnostic>,
    /// How many were found of each code.
    found: HashMap<&'static str, usize>,
    dropped: usize,
}

impl Findings {
    pub(super) fn error(&mut self, code: &'static str, line: u32, text: impl Into<String>) {
        self.kept.push(Diagnostic::new(Severity::Error, code, text).at(line, 1));
    }

    /// The text is only made if the finding is kept.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        line: u32,
        column: u32,
        text: impl FnOnce() -> String,
    ) {
        self.push(code, || Diagnostic::new(Severity::Warning, code, text()).at(line, column));
    }

    pub(super) fn note(&mut self, code: &'static str, line: u32, column: u32, text: impl FnOnce() -> String) {
        self.push(code, || Diagnostic::new(Severity::Note, code, text()).at(line, column));
    }

    /// A finding about the file as a whole.
    pub(super) fn whole(&mut self, severity: Severity, code: &'static str, text: impl Into<String>) {
        self.push(code, || Diagnostic::new(severity, code, text));
    }

    fn push(&mut self, code: &'static str, finding: impl FnOnce() -> Diagnostic) {
        let found = self.found.entry(code).or_default();
        *found += 1;
        if *found <= FINDINGS_OF_A_CODE_MAX && self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding());
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn into_vec(mut self) -> Vec<Diagnostic> {
        if self.dropped > 0 {
            let text = format!("{} more findings are not listed", self.dropped);
            self.kept.push(Diagnostic::new(Severity::Note, "inf_findings_cut", text));
        }
        self.kept
    }
}
