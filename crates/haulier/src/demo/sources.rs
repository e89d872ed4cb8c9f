//! The demo's driver source: given drivers or generated ones, and the change that a new version brings.
//!
//! Given drivers are copied. Where a driver lies there in several versions (`driver/1.2.0.0`,
//! `driver/1.3.0.0`), version 1 takes the oldest and version 2 the newest, as a real update would.
//! Where none does, some binaries and INF files are changed as a rebuild changes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The seed of the generated drivers: each run of the demo is the same.
const SEED: u64 = 0x4841_554C;
/// What is generated.
const SAMPLES: samples::PackSpec =
    samples::PackSpec { seed: SEED, drivers: 60, large_files: 2, large_file_bytes: 12_000_000 };
/// Of given files without a newer version, one in so many is rebuilt.
const REBUILT_EVERY: usize = 8;
/// How many places a made-up rebuild changes in a file.
const REBUILT_PLACES: usize = 64;
/// Where a driver's picked version lies in the source.
const CURRENT: &str = "current";

/// Where the demo's drivers come from.
pub(super) enum Drivers {
    /// Made by `samples`.
    Generated,
    /// A folder of the administrator's, and the drivers in it that have several versions, oldest first.
    Given { folder: PathBuf, versions: BTreeMap<String, Vec<String>> },
}

impl Drivers {
    /// Generated drivers, or those in a folder.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Drivers::Generated) };
        ensure!(folder.is_dir(), "{} is not a folder", folder.display());
        Ok(Drivers::Given { folder: folder.to_owned(), versions: versions(folder)? })
    }

    /// Fills `source` with version 1.
    pub(super) fn write_first(&self, source: &Path) -> Result<()> {
        match self {
            Drivers::Generated => {
                samples::write_pack(source, &SAMPLES).context("cannot write the sample drivers")?;
            }
            Drivers::Given { folder, versions } => {
                copy_all(folder, source, &|name| versions.contains_key(name))?;
                for (driver, versions) in versions {
                    let (from, to) = (folder.join(driver), source.join(driver));
                    copy_all(&from.join(&versions[0]), &to.join(CURRENT), &|_| false)?;
                }
            }
        }
        ensure!(measure(source)?.files > 0, "the driver folder holds no files");
        Ok(())
    }

    /// Turns `source` into version 2 and says what changed.
    pub(super) fn write_second(&self, source: &Path) -> Result<String> {
        match self {
            Drivers::Generated => {
                let stats = samples::apply_step(source, SEED, samples::Step::Monthly)
                    .context("cannot change the sample drivers")?;
                Ok(format!(
                    "a vendor's monthly release; {} files changed, {} new, {} gone",
                    stats.files_changed, stats.files_added, stats.files_removed
                ))
            }
            Drivers::Given { versions, .. } if versions.is_empty() => {
                Ok(format!("{} files are rebuilt", rebuild_some(source)?))
            }
            Drivers::Given { folder, versions } => {
                for (driver, versions) in versions {
                    let newest = versions.last().expect("only drivers with several versions are listed");
                    let current = source.join(driver).join(CURRENT);
                    fs::remove_dir_all(&current)?;
                    copy_all(&folder.join(driver).join(newest), &current, &|_| false)?;
                }
                Ok(format!("{} drivers get their newest version", versions.len()))
            }
        }
    }
}

/// How much a folder holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Counts files and bytes.
pub(super) fn measure(folder: &Path) -> Result<Size> {
    let mut size = Size::default();
    for file in files_below(folder)? {
        size.files += 1;
        size.bytes += fs::metadata(&file)?.len();
    }
    Ok(size)
}

/// Every file below a folder, in a fixed order.
pub(super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                // Links and devices are no drivers; the demo leaves them where they are.
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Drivers that lie in the folder in several versions: their version folders, oldest first.
fn versions(folder: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::new();
    for driver in folders_in(folder)? {
        let mut names = folders_in(&folder.join(&driver))?;
        names.retain(|name| version_numbers(name).is_some());
        names.sort_by_key(|name| version_numbers(name));
        if names.len() > 1 {
            found.insert(driver, names);
        }
    }
    Ok(found)
}

fn folders_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

/// The numbers of a name such as `7.2.14.24565`; `None` for a name that is no version.
fn version_numbers(name: &str) -> Option<Vec<u64>> {
    let numbers: Option<Vec<u64>> = name.split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() > 1)
}

/// Copies the files below `from`, but not those below the first-level names that `skip` picks.
fn copy_all(from: &Path, to: &Path, skip: &dyn Fn(&str) -> bool) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in files_below(from)? {
        let relative = file.strip_prefix(from).expect("listed below this folder");
        let first = relative.components().next().map(|part| part.as_os_str().to_string_lossy());
        if first.is_some_and(|first| skip(&first)) {
            continue;
        }
        let target = to.join(relative);
        fs::create_dir_all(target.parent().expect("a file below a folder has a parent"))?;
        fs::copy(&file, &target).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Changes some bytes, spread over every eighth file, and returns how many files that were.
fn rebuild_some(source: &Path) -> Result<usize> {
    let mut rebuilt = 0;
    for file in files_below(source)?.iter().step_by(REBUILT_EVERY) {
        let mut bytes = fs::read(file)?;
        if bytes.is_empty() {
            continue;
        }
        let step = (bytes.len() / REBUILT_PLACES).max(1);
        for byte in bytes.iter_mut().step_by(step) {
            *byte = byte.wrapping_add(1);
        }
        fs::write(file, bytes)?;
        rebuilt += 1;
    }
    Ok(rebuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }

    fn listing(folder: &Path) -> Vec<(String, String)> {
        let relative = |file: &PathBuf| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        files_below(folder)
            .unwrap()
            .iter()
            .map(|file| (relative(file), fs::read_to_string(file).unwrap()))
            .collect()
    }

    #[test]
    fn a_driver_with_several_versions_goes_from_its_oldest_to_its_newest() {
        let folder = tempfile::tempdir().unwrap();
        let (given, source) = (folder.path().join("given"), folder.path().join("source"));
        write(
            &given,
            &[("a/1.9.0/x.inf", "old"), ("a/1.10.0/x.inf", "new"), ("b/1/y.inf", "same"), ("z.txt", "z")],
        );
        let drivers = Drivers::new(Some(&given)).unwrap();
        drivers.write_first(&source).unwrap();
        let expect = |version: &str| {
            [("a/current/x.inf", version), ("b/1/y.inf", "same"), ("z.txt", "z")]
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .to_vec()
        };
        assert_eq!(listing(&source), expect("old"));
        drivers.write_second(&source).unwrap();
        assert_eq!(listing(&source), expect("new"));
        assert_eq!(listing(&given).len(), 4, "the given folder is not changed");
    }

    #[test]
    fn drivers_without_a_newer_version_are_rebuilt() {
        let folder = tempfile::tempdir().unwrap();
        let (given, source) = (folder.path().join("given"), folder.path().join("source"));
        write(&given, &[("a/x.inf", "text"), ("a/x.sys", "code"), ("empty", "")]);
        let drivers = Drivers::new(Some(&given)).unwrap();
        drivers.write_first(&source).unwrap();
        assert_eq!(drivers.write_second(&source).unwrap(), "1 files are rebuilt");
        assert_ne!(listing(&source), listing(&given));
    }

    #[test]
    fn only_dotted_numbers_are_versions() {
        for (name, expected) in [("1.2.10", Some(vec![1, 2, 10])), ("1", None), ("x64", None), ("1.a", None)]
        {
            assert_eq!(version_numbers(name), expected, "{name}");
        }
    }
}
