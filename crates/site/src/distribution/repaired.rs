//! How repaired files are told.

/// Repaired files that are named in a message.
const REPAIRED_NAMED_MAX: usize = 10;

/// The first few by name, and how many more.
pub(super) fn name_files(files: &[String]) -> String {
    let named = files.iter().take(REPAIRED_NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().saturating_sub(REPAIRED_NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
