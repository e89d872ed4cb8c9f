//! Hashing what is held again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Shared;
use super::error::HolderError;
use super::layout::{HASH_READ_BYTES, hash_file, unless_damaged};
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
    /// Those of `damaged` that were not there at all.
    pub missing: Vec<String>,
}

pub(super) fn verify(
    shared: &Shared,
    package: &str,
    version: u32,
    stop: &AtomicBool,
    pace: &dyn Fn(usize),
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
        let is_known = known.contains(&hash);
        if !is_known || !is_whole_at_pace(shared, &hash, stop, pace)? {
            report.files_damaged += paths.len() as u64;
            if !is_known || !shared.layout.file(&hash).exists() {
                report.missing.extend(paths.iter().cloned());
            }
            report.damaged.extend(paths);
            damaged.push(hash);
        }
    }
    shared.drop_damaged(&damaged)?;
    report.damaged.sort_unstable();
    report.damaged.truncate(NAMED_MAX);
    report.missing.sort_unstable();
    report.missing.truncate(NAMED_MAX);
    Ok(report)
}

/// Whether the stored file hashes to its name. A file that the disk cannot read is not whole.
pub(super) fn is_whole(shared: &Shared, hash: &FileHash, stop: &AtomicBool) -> Result<bool, HolderError> {
    is_whole_at_pace(shared, hash, stop, &|_| {})
}

fn is_whole_at_pace(
    shared: &Shared,
    hash: &FileHash,
    stop: &AtomicBool,
    pace: &dyn Fn(usize),
) -> Result<bool, HolderError> {
    let stopped = || stop.load(Ordering::Relaxed);
    let found = hash_file(&shared.layout.file(hash), || {
        pace(HASH_READ_BYTES);
        !stopped()
    });
    let found = unless_damaged(found, "hashing a file")?;
    if stopped() { Err(HolderError::Canceled) } else { Ok(found == Some(*hash)) }
}
