//! What is odd about a text that could be read: it matters to a driver's author, not to the reading.

use std::collections::HashSet;

use super::findings::Findings;
use super::limits::{FIELD_CHARS, VALUE_BYTES_MAX};
use super::value::folded;
use super::{Entry, Inf};

/// Looks at every entry once.
pub(super) fn check(inf: &Inf, findings: &mut Findings) {
    for (entry, key) in inf.strings().repeated() {
        findings.note("inf_string_twice", entry.line, entry.column, || {
            format!("the string {key} is defined again; the first definition counts")
        });
    }
    let mut reported = HashSet::new();
    for section in inf.sections() {
        for entry in section.entries() {
            check_length(entry, findings);
            if !section.span.literal {
                check_tokens(inf, entry, &mut reported, findings);
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

fn check_tokens<'a>(inf: &'a Inf, entry: Entry<'a>, reported: &mut HashSet<String>, findings: &mut Findings) {
    let place = entry.place();
    for field in entry.raw_values().chain([entry.raw_key()]) {
        if !field.contains('%') {
            continue;
        }
        for key in inf.strings().unknown(field) {
            if reported.insert(folded(key).into_owned()) {
                findings.warning("inf_string_unknown", place.line, place.column, || {
                    format!("no Strings section defines %{key}%; it stays as it is")
                });
            }
        }
        if inf.strings().expanded_bytes(field) > VALUE_BYTES_MAX.max(field.len()) {
            findings.warning("inf_value_too_long", place.line, place.column, || {
                format!("with its strings replaced a value has more than {VALUE_BYTES_MAX} bytes")
            });
        }
    }
}
