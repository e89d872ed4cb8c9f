//! The index, found again from `versions/` and `files/`.
//!
//! Nothing is believed: every manifest is checked against its id and every file against its hash. A
//! version with all its files is recorded; of a version that lacks some, the good files are recorded,
//! so that its pull fetches only the rest, and its package becomes a suspect, so that somebody pulls.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::sync::atomic::AtomicBool;

use super::Shared;
use super::error::HolderError;
use super::layout::{parse_version_name, remove_file, version_name};
use super::pull::new_version;
use super::record::FileRecord;
use super::verify::is_whole;
use super::version_file::{self, VersionFile};
use crate::FileHash;

pub(super) fn rebuild(shared: &Shared) -> Result<(), HolderError> {
    let started = shared.clock.monotonic();
    let mut whole: HashMap<FileHash, bool> = HashMap::new();
    let mut current: BTreeMap<String, u32> = BTreeMap::new();
    for (package, version) in version_names(shared)? {
        let path = shared.layout.versions().join(version_name(&package, version));
        let restored = match version_file::read(&path)? {
            Some(found) => restore(shared, &package, version, &found, &mut whole)?,
            None => false,
        };
        if restored {
            current.insert(package, version);
        } else {
            tracing::warn!(%package, version, "A held version is not whole; it must be pulled again");
            remove_file(&path)?;
            shared.suspects().insert(package);
        }
    }
    for (package, version) in &current {
        shared.index.set_current(package, *version)?;
    }
    // What was found whole may never have been synced.
    shared.layout.sync()?;
    shared.index.mark_usable()?;
    if !whole.is_empty() {
        let took = shared.clock.monotonic().saturating_sub(started);
        tracing::warn!(
            files = whole.len(),
            packages = current.len(),
            ?took,
            "Rebuilt the index from the stored files"
        );
    }
    Ok(())
}

/// Records a version's good files, and the version if all are good.
fn restore(
    shared: &Shared,
    package: &str,
    version: u32,
    found: &VersionFile,
    whole: &mut HashMap<FileHash, bool>,
) -> Result<bool, HolderError> {
    let (mut good, mut seen, mut complete) = (Vec::new(), HashSet::new(), true);
    for file in found.manifest.files().filter(|file| seen.insert(file.hash)) {
        let is_good = match whole.get(&file.hash) {
            Some(known) => *known,
            None => is_whole(shared, &file.hash, &AtomicBool::new(false))?,
        };
        let first = whole.insert(file.hash, is_good).is_none();
        if is_good && first {
            let chunks = file.chunks.iter().map(|chunk| (chunk.id, chunk.len)).collect();
            good.push((file.hash, FileRecord { size: file.size, chunks }));
        }
        complete &= is_good;
    }
    if complete {
        shared.index.add_version(&new_version(
            package,
            version,
            found.id,
            Vec::new(),
            &found.manifest,
            good,
        ))?;
    } else {
        shared.index.add_files(&good)?;
    }
    Ok(complete)
}

/// Every version file, oldest version first.
fn version_names(shared: &Shared) -> Result<Vec<(String, u32)>, HolderError> {
    let entries = fs::read_dir(shared.layout.versions()).map_err(HolderError::io("listing version files"))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(HolderError::io("listing version files"))?;
        names.extend(entry.file_name().to_str().and_then(parse_version_name));
    }
    names.sort();
    Ok(names)
}
