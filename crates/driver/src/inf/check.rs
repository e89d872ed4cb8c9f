//! What is odd about a text that could be read: it matters to a driver's author, not to the reading.

use std::collections::HashSet;

use super::findings::Findings;
use super::limits::{ADDED_BYTES_MAX, FIELD_CHARS, VALUE_BYTES_MAX};
use super::strings::Piece;
use super::value::folded;
use super::{Entry, Inf};
use crate::Place;

/// Looks at every entry once.
pub(super) fn check(inf: &Inf, findings: &mut Findings) {
    for (entry, key) in inf.strings().repeated() {
        findings.note("inf_string_twice", entry.line, entry.column, || {
            format!("the string {key} is defined again; the first definition counts")
        });
    }
    let (mut reported, mut added) = (HashSet::new(), 0);
    for section in inf.sections() {
        for entry in section.entries() {
            check_length(entry, findings);
            if !section.span.literal {
                added += check_tokens(inf, entry, &mut reported, findings);
            }
            if added > ADDED_BYTES_MAX {
                let text = format!("replacing the strings would add more than {ADDED_BYTES_MAX} bytes");
                findings.error("inf_too_much_text", entry.line(), text);
                return;
            }
        }
    }
}

fn check_length(entry: Entry<'_>, findings: &mut Findings) {
    let place = entry.place();
    // Bytes are at least as many as characters, so that hardly any field is counted.
    if entry.raw_values().any(|field| field.len() > FIELD_CHARS && field.chars().count() > FIELD_CHARS) {
        findings.warning("inf_field_long", place.line, place.column, || {
            format!("a value has more than {FIELD_CHARS} characters")
        });
    }
}

/// Returns how many bytes replacing the strings adds.
fn check_tokens<'a>(
    inf: &'a Inf,
    entry: Entry<'a>,
    reported: &mut HashSet<String>,
    findings: &mut Findings,
) -> usize {
    let (place, mut added) = (entry.place(), 0);
    for field in entry.raw_values().chain([entry.raw_key()]) {
        if !field.contains('%') {
            continue;
        }
        let (mut bytes, mut replaced) = (0, false);
        for piece in inf.strings().pieces(field) {
            bytes += match &piece {
                Piece::Text(text) => text.len(),
                Piece::String(_, value) => value.len(),
                Piece::Unknown(token) => {
                    report_unknown(token.trim_matches('%'), place, reported, findings);
                    token.len()
                }
            };
            replaced |= matches!(piece, Piece::String(..));
        }
        if replaced && bytes > VALUE_BYTES_MAX {
            findings.warning("inf_value_too_long", place.line, place.column, || {
                format!("with its strings replaced a value has more than {VALUE_BYTES_MAX} bytes")
            });
        }
        added += bytes.min(VALUE_BYTES_MAX).saturating_sub(field.len());
    }
    added
}

fn report_unknown(key: &str, place: Place, reported: &mut HashSet<String>, findings: &mut Findings) {
    if reported.insert(folded(key).into_owned()) {
        findings.warning("inf_string_unknown", place.line, place.column, || {
            format!("no Strings section defines %{key}%; it stays as it is")
        });
    }
}
