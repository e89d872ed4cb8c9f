//! Switching versions, removing packages, and sweeping what nobody needs.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use super::Shared;
use super::error::HolderError;
use super::layout::{parse_version_name, remove_file, remove_folder, version_name};
use super::pull::{staged_manifest, staging_folders};
use crate::{FileHash, PackId};

/// Versions of a package that stay after a switch: the served one and the one before it, so that a
/// client in the middle of the old one can finish.
pub const VERSIONS_KEPT: usize = 2;
/// Unused files dropped in one transaction.
const DROP_BATCH: usize = 1024;

/// What a collection freed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CollectReport {
    /// Files deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

pub(super) fn activate(shared: &Shared, package: &str, version: u32) -> Result<(), HolderError> {
    if shared.index.version(package, version)?.is_none() {
        return Err(HolderError::NotInstalled { package: package.to_owned(), version });
    }
    shared.index.set_current(package, version)?;
    let mut others: Vec<u32> =
        shared.index.versions(package)?.into_iter().filter(|held| *held != version).collect();
    others.sort_unstable();
    let drop = others.len().saturating_sub(VERSIONS_KEPT - 1);
    drop_versions(shared, package, &others[..drop], false)
}

pub(super) fn remove(shared: &Shared, package: &str) -> Result<(), HolderError> {
    let versions = shared.index.versions(package)?;
    drop_versions(shared, package, &versions, true)?;
    for (folder, _) in staging_folders(&shared.layout.staging(), package)? {
        remove_folder(&folder)?;
    }
    Ok(())
}

fn drop_versions(shared: &Shared, package: &str, versions: &[u32], all: bool) -> Result<(), HolderError> {
    if versions.is_empty() && !all {
        return Ok(());
    }
    let unused = shared.index.drop_versions(package, versions, all, &|file| shared.is_pinned(file))?;
    for version in versions {
        remove_file(&shared.layout.versions().join(version_name(package, *version)))?;
    }
    // A pull that began meanwhile may have taken one up again, and may even have ended.
    unused.iter().try_for_each(|file| shared.delete_stray(file).map(drop))
}

pub(super) fn collect(shared: &Shared) -> Result<CollectReport, HolderError> {
    let started = shared.clock.monotonic();
    drop_unused(shared)?;
    let mut report = CollectReport::default();
    let staged = staged_files(shared)?;
    for folder in shared.layout.file_folders() {
        sweep_folder(shared, &folder, &staged, &mut report)?;
    }
    sweep_versions(shared)?;
    let keep: HashSet<PackId> =
        shared.index.all_versions()?.into_iter().flat_map(|(.., v)| v.packs).collect();
    if !shared.is_pulling() {
        shared.index.retain_pack_indexes(&keep)?;
    }
    let took = shared.clock.monotonic().saturating_sub(started);
    tracing::info!(files = report.files, bytes = report.bytes, ?took, "Collected unused content");
    Ok(report)
}

/// Takes synced files that no version uses out of the index.
fn drop_unused(shared: &Shared) -> Result<(), HolderError> {
    let unused = shared.index.unused_files()?;
    unused
        .chunks(DROP_BATCH)
        .try_for_each(|batch| shared.index.drop_unused(batch, &|file| shared.is_pinned(file)))
}

/// Files that an unfinished pull has put into the store already.
fn staged_files(shared: &Shared) -> Result<HashSet<FileHash>, HolderError> {
    let entries =
        fs::read_dir(shared.layout.staging()).map_err(HolderError::io("listing the staging folder"))?;
    let mut files = HashSet::new();
    for entry in entries {
        let entry = entry.map_err(HolderError::io("listing the staging folder"))?;
        if entry.file_name().to_str().and_then(parse_version_name).is_none() {
            remove_folder(&entry.path())?;
        } else if let Some(manifest) = staged_manifest(&entry.path()) {
            files.extend(manifest.files().map(|file| file.hash));
        }
    }
    Ok(files)
}

fn sweep_folder(
    shared: &Shared,
    folder: &Path,
    staged: &HashSet<FileHash>,
    report: &mut CollectReport,
) -> Result<(), HolderError> {
    let mut stray = Vec::new();
    for entry in fs::read_dir(folder).map_err(HolderError::io("listing stored files"))? {
        let entry = entry.map_err(HolderError::io("listing stored files"))?;
        match entry.file_name().to_str().and_then(|name| name.parse::<FileHash>().ok()) {
            Some(hash) => stray.push(hash),
            None => remove_file(&entry.path())?,
        }
    }
    let held = shared.index.files_held(stray.iter().copied())?;
    for hash in stray.iter().filter(|hash| !held.contains(hash) && !staged.contains(hash)) {
        let bytes = fs::metadata(shared.layout.file(hash)).map_or(0, |found| found.len());
        // Held and staged are as of the start; this looks again.
        if shared.delete_stray(hash)? {
            report.bytes += bytes;
            report.files += 1;
        }
    }
    Ok(())
}

/// Deletes version files without a row: a run ended between writing one and recording it, or between
/// forgetting a version and deleting its file.
fn sweep_versions(shared: &Shared) -> Result<(), HolderError> {
    for entry in fs::read_dir(shared.layout.versions()).map_err(HolderError::io("listing version files"))? {
        let entry = entry.map_err(HolderError::io("listing version files"))?;
        // Looked at before the index: a pull records its version before it ends.
        if shared.is_pulling() {
            return Ok(());
        }
        let is_recorded = match entry.file_name().to_str().and_then(parse_version_name) {
            Some((package, version)) => shared.index.version(&package, version)?.is_some(),
            None => false,
        };
        if !is_recorded {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

impl Shared {
    /// A running pull may have written files that only its next step records.
    fn is_pulling(&self) -> bool {
        !self.pins.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
