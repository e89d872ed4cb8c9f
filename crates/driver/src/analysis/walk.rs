//! Finding the files of a folder, and saying which names Windows could not have given them.

use std::fs::{DirEntry, FileType};
use std::io;
use std::path::Path;

use super::beneath::Root;
use super::folder::FileEntry;
use super::{FolderError, FolderLimits};
use crate::archive::component_flaw;
use crate::{Diagnostic, Severity};

/// Findings about one folder; a broken share may have one for each name.
pub(super) const FINDINGS_MAX: usize = 200;
/// Findings about what is left out of one folder, without those below it.
const LEFT_OUT_TOLD_MAX: usize = 20;

/// What a walk finds.
#[derive(Default)]
pub(super) struct Found {
    /// All regular files, in no order.
    pub(super) files: Vec<FileEntry>,
    /// About names of files.
    pub(super) findings: Vec<Diagnostic>,
    /// What is there and not among the files, in no order; a folder with `/` at its end. Of each folder something is
    /// told if anything is left out.
    pub(super) left_out: Vec<Diagnostic>,
}

/// Everything below `root`. Only a root that cannot be read is an error: one bad folder must not stop the others.
pub(super) fn walk(root: &Path, held: &Root, limits: &FolderLimits) -> Result<Found, FolderError> {
    let unreadable = |source| FolderError::Unreadable { source };
    if !std::fs::metadata(root).map_err(unreadable)?.is_dir() {
        return Err(FolderError::NotAFolder);
    }
    let mut walk =
        Walk { limits, entries: 0, left_out_here: 0, found: Found::default(), folders: Vec::new() };
    walk.folder(held, "", 0)?.map_err(unreadable)?;
    while let Some((folder, depth)) = walk.folders.pop() {
        if let Err(error) = walk.folder(held, &folder, depth)? {
            let text = format!("the folder cannot be read: {}; check its rights", error.kind());
            walk.leave_out(format!("{folder}/"), "folder_unreadable", text);
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    limits: &'a FolderLimits,
    entries: usize,
    /// Told of the folder that is being read.
    left_out_here: usize,
    found: Found,
    /// Still to be read, with their depths.
    folders: Vec<(String, usize)>,
}

impl Walk<'_> {
    /// The inner error: this folder cannot be read, or not to its end.
    fn folder(&mut self, root: &Root, folder: &str, depth: usize) -> Result<io::Result<()>, FolderError> {
        self.left_out_here = 0;
        let mut listing = match root.list(folder) {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(error)),
        };
        for entry in &mut listing.entries {
            self.entries += 1;
            if self.entries > self.limits.entries_max {
                return Err(FolderError::TooManyEntries { limit: self.limits.entries_max });
            }
            match entry {
                Ok(entry) => self.entry(&entry, folder, depth),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn entry(&mut self, entry: &DirEntry, folder: &str, depth: usize) {
        let name = entry.file_name();
        let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let kind = entry.file_type();
        let mark = if kind.as_ref().is_ok_and(FileType::is_dir) { "/" } else { "" };
        let Some(name) = name.to_str() else {
            let path = path(&name.to_string_lossy()) + mark;
            return self.leave_out_one(path, "name_not_unicode", "the name is not UTF-8; rename it");
        };
        let path = path(name);
        if path.len() > self.limits.path_bytes_max {
            let text =
                format!("the path has more than {} bytes; shorten the names", self.limits.path_bytes_max);
            return self.leave_out_one(path + mark, "path_too_long", text);
        }
        match kind {
            Ok(kind) if kind.is_dir() && depth == self.limits.depth_max => {
                let text = format!("the folders are nested more than {depth} deep; move them up");
                self.leave_out_one(path + mark, "folder_too_deep", text);
            }
            Ok(kind) if kind.is_dir() => self.folders.push((path, depth + 1)),
            Ok(kind) if kind.is_file() => {
                if !is_windows_name(name) && self.found.findings.len() < FINDINGS_MAX {
                    let text = "Windows cannot hold a file of this name";
                    let finding = Diagnostic::new(Severity::Warning, "name_not_windows", text);
                    self.found.findings.push(finding.in_file(path.clone()));
                }
                self.found.files.push(FileEntry::new(path));
            }
            Ok(kind) if kind.is_symlink() => {
                let text = "a symbolic link, which no package can hold; put what it names in its place";
                self.leave_out_one(path, "link_skipped", text);
            }
            Ok(_) => {
                let text = "neither a file nor a folder, so no package can hold it; remove it";
                self.leave_out_one(path, "special_file_skipped", text);
            }
            Err(error) => {
                let text = format!("cannot be examined: {}; check the rights", error.kind());
                self.leave_out_one(path, "entry_unreadable", text);
            }
        }
    }

    /// Something in the folder that is being read.
    fn leave_out_one(&mut self, path: String, code: &'static str, text: impl Into<String>) {
        self.left_out_here += 1;
        if self.left_out_here <= LEFT_OUT_TOLD_MAX {
            self.leave_out(path, code, text);
        }
    }

    fn leave_out(&mut self, path: String, code: &'static str, text: impl Into<String>) {
        self.found.left_out.push(Diagnostic::new(Severity::Error, code, text).in_file(path));
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
