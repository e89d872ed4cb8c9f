//! The house rules as checks: what the compiler and clippy cannot say about this repository.

mod docs;
mod floors;
mod text;

use std::path::Path;

use anyhow::{Context, Result};

use crate::process::{command, output};

/// A file of the repository, as text where it is text.
pub(crate) struct SourceFile {
    /// Relative to the root, '/' between the parts.
    path: String,
    text: String,
}

/// Checks everything and prints what is wrong, one line each; whether nothing is.
pub(crate) fn run() -> Result<bool> {
    let files = files(&crate::root())?;
    let mut faults = text::check(&files);
    faults.extend(floors::check(&files)?);
    faults.extend(docs::check(&files));
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    println!("{} files looked at, {} faults", files.len(), faults.len());
    Ok(faults.is_empty())
}

/// What git knows or would take in.
fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut git = command("git");
    git.args(["-c", "safe.directory=*", "-c", "core.quotePath=false", "ls-files"]);
    let listing = output(git.args(["--cached", "--others", "--exclude-standard"]))
        .context("tidy needs git and a clone of the repository")?;
    let mut files = Vec::new();
    for path in listing.lines() {
        // A file may be deleted and not yet committed, or binary.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
impl SourceFile {
    fn new(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }
}
