//! Hashing what is held again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Shared;
use super::error::HolderError;
use super::layout::{hash_file, unless_damaged};
use crate::FileHash;

/// Damaged files that a report names; it counts all.
const NAMED_MAX: usize = 100;

/// What a verification found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files whose hash was checked, each name counted.
    pub files_verified: u64,
    /// Files that were damaged or missing, each name counted.
    pub files_damaged: u64,
    /// The first of them, by path.
    pub damaged: Vec<String>,
}

pub(super) fn verify(
    shared: &Shared,
    package: &str,
    version: u32,
    stop: &AtomicBool,
) -> Result<VerifyReport, HolderError> {
    if shared.index.version(package, version)?.is_none() {
        return Err(HolderError::NotInstalled { package: package.to_owned(), version });
    }
    let mut names: HashMap<FileHash, Vec<String>> = HashMap::new();
    shared.index.each_path(package, version, |row| {
        names.entry(row.hash).or_default().push(row.path);
        Ok(())
    })?;
    let mut report = VerifyReport::default();
    let mut damaged = Vec::new();
    let known = shared.index.files_held(names.keys().copied())?;
    for (hash, paths) in names {
        report.files_verified += paths.len() as u64;
        if !known.contains(&hash) || !is_whole(shared, &hash, stop)? {
            report.files_damaged += paths.len() as u64;
            report.damaged.extend(paths);
            damaged.push(hash);
        }
    }
    shared.drop_damaged(&damaged)?;
    report.damaged.sort_unstable();
    report.damaged.truncate(NAMED_MAX);
    Ok(report)
}

/// Whether the stored file hashes to its name. A file that the disk cannot read is not whole.
pub(super) fn is_whole(shared: &Shared, hash: &FileHash, stop: &AtomicBool) -> Result<bool, HolderError> {
    let stopped = || stop.load(Ordering::Relaxed);
    let found = hash_file(&shared.layout.file(hash), || !stopped());
    let found = unless_damaged(found, "hashing a file")?;
    if stopped() { Err(HolderError::Canceled) } else { Ok(found == Some(*hash)) }
}
