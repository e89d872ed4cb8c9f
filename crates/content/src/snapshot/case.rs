//! Names that differ only in case. A source on Linux can hold them, a Windows client cannot.
//!
//! Folders are one folder to the client: reported. Files with the same content are one file: reported. Files
//! with different content, or a file and a folder, would leave the client with either: refused.

use std::collections::HashMap;

use super::{SnapshotError, SnapshotWarning, WarningKind};
use crate::format::{Entry, Manifest};

/// The most warnings that one snapshot carries.
const WARNINGS_MAX: usize = 100;

/// Checks all names against each other.
pub(super) fn check(manifest: &Manifest) -> Result<Vec<SnapshotWarning>, SnapshotError> {
    let mut first_of: HashMap<String, &Entry> = HashMap::with_capacity(manifest.entries.len());
    let mut warnings = Vec::new();
    for entry in &manifest.entries {
        let Some(first) = first_of.get(&entry.path().fold()) else {
            first_of.insert(entry.path().fold(), entry);
            continue;
        };
        let (one, other) = (first.path().to_string(), entry.path().to_string());
        match (first, entry) {
            (Entry::Folder(_), Entry::Folder(_)) => {}
            (Entry::File(a), Entry::File(b)) if a.hash == b.hash => {}
            _ => return Err(SnapshotError::CaseConflict { first: one, second: other }),
        }
        if warnings.len() < WARNINGS_MAX {
            warnings.push(SnapshotWarning {
                kind: WarningKind::NamesDifferOnlyInCase,
                first: one,
                second: other,
            });
        }
    }
    Ok(warnings)
}
