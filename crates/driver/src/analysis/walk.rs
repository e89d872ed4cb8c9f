//! Finding the files of a folder, and saying which names Windows could not have given them.

use std::fs::DirEntry;
use std::path::Path;

use super::beneath::Root;
use super::folder::FileEntry;
use super::{FolderError, FolderLimits};
use crate::archive::component_flaw;
use crate::{Diagnostic, Severity};

/// Findings about one folder; a broken share may have one for each name.
pub(super) const FINDINGS_MAX: usize = 200;

/// All regular files below `root`, in no order.
pub(super) fn walk(
    root: &Path,
    held: &Root,
    limits: &FolderLimits,
) -> Result<(Vec<FileEntry>, Vec<Diagnostic>), FolderError> {
    let unreadable = |source| FolderError::Unreadable { folder: String::new(), source };
    if !std::fs::metadata(root).map_err(unreadable)?.is_dir() {
        return Err(FolderError::NotAFolder);
    }
    let mut walk = Walk { limits, entries: 0, files: Vec::new(), findings: Vec::new(), folders: Vec::new() };
    walk.folders.push((String::new(), 0));
    while let Some((folder, depth)) = walk.folders.pop() {
        walk.folder(held, &folder, depth)?;
    }
    Ok((walk.files, walk.findings))
}

struct Walk<'a> {
    limits: &'a FolderLimits,
    entries: usize,
    files: Vec<FileEntry>,
    findings: Vec<Diagnostic>,
    /// Still to be read, with their depths.
    folders: Vec<(String, usize)>,
}

impl Walk<'_> {
    fn folder(&mut self, root: &Root, folder: &str, depth: usize) -> Result<(), FolderError> {
        let unreadable = |source| FolderError::Unreadable { folder: folder.to_owned(), source };
        let mut listing = root.list(folder).map_err(unreadable)?;
        for entry in &mut listing.entries {
            let entry = entry.map_err(unreadable)?;
            self.entries += 1;
            if self.entries > self.limits.entries_max {
                return Err(FolderError::TooManyEntries { limit: self.limits.entries_max });
            }
            self.entry(&entry, folder, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, folder: &str, depth: usize) -> Result<(), FolderError> {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let shown = name.to_string_lossy();
            self.note(folder, &shown, "name_not_unicode", "the name is not UTF-8; the file is left out");
            return Ok(());
        };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if path.len() > self.limits.path_bytes_max {
            let limit = self.limits.path_bytes_max;
            return Err(FolderError::PathTooLong { folder: folder.to_owned(), limit });
        }
        let unreadable = |source| FolderError::Unreadable { folder: path.clone(), source };
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            if depth == self.limits.depth_max {
                return Err(FolderError::TooDeep { folder: folder.to_owned(), limit: depth });
            }
            self.folders.push((path, depth + 1));
        } else if kind.is_file() {
            if !is_windows_name(name) {
                let text = "Windows cannot hold a file of this name";
                self.note(folder, name, "name_not_windows", text);
            }
            self.files.push(FileEntry::new(path));
        } else if kind.is_symlink() {
            self.note(folder, name, "link_skipped", "a symbolic link; links are not followed");
        } else {
            self.note(folder, name, "special_file_skipped", "neither a file nor a folder; left out");
        }
        Ok(())
    }

    fn note(&mut self, folder: &str, name: &str, code: &'static str, text: &str) {
        if self.findings.len() < FINDINGS_MAX {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            self.findings.push(Diagnostic::new(Severity::Warning, code, text).in_file(path));
        }
    }
}

fn is_windows_name(name: &str) -> bool {
    !name.contains('\\') && component_flaw(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_windows() {
        for name in ["a.sys", "console.inf", "com10.txt", "com.txt", ".hidden", "Größe.inf", "a b.c"] {
            assert!(is_windows_name(name), "{name}");
        }
        for name in [
            "CON", "nul.inf", "lpt0.x", "conin$", "com¹", "nul .txt", "Com1.txt", "lpt9", "a:b", "a\\b",
            "end.", "end ", "a\nb", "what?", "*",
        ] {
            assert!(!is_windows_name(name), "{name}");
        }
    }
}
