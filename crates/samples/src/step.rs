//! From one version of a pack to the next.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folder::{self, Files, is_kind};
use crate::large;
use crate::rng::Rng;
use crate::tree::{add_driver, write_files};

/// What kind of release follows. Every kind changes something, however small the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One binary of one to three percent of the drivers is rebuilt.
    Fix,
    /// An eighth to a quarter of the drivers is rebuilt, a few come and go.
    Monthly,
    /// About half of the drivers is rebuilt whole, large files change.
    Full,
    /// Every driver gets a new date, catalog and signatures; no code changes.
    Resign,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepStats {
    /// Driver folders with another content than before.
    pub drivers_changed: u64,
    /// Files with another content than before.
    pub files_changed: u64,
    /// Files that were not there before.
    pub files_added: u64,
    /// Files that are gone.
    pub files_removed: u64,
    /// Size of the changed files.
    pub bytes_changed: u64,
}

/// Changes the pack below `root`, which [`write_pack`](crate::write_pack) has written, to its next version. The same
/// tree, seed and step always give the same bytes.
///
/// # Errors
/// What the file system says; `NotFound` when there is no driver below `root`.
pub fn apply_step(root: &Path, seed: u64, step: Step) -> io::Result<StepStats> {
    let mut rng = Rng::new(seed).fork(&format!("{step:?}"));
    let mut drivers = Vec::new();
    find_drivers(root, &mut drivers)?;
    drivers.sort();
    if drivers.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no folder with an INF file in it"));
    }
    let mut stats = StepStats::default();
    for path in chosen(&drivers, step, &mut rng) {
        release(path, step, &mut rng, &mut stats)?;
    }
    let (added, removed) = match step {
        Step::Monthly => (0.05, 0.03),
        Step::Full => (0.02, 0.01),
        Step::Fix | Step::Resign => (0.0, 0.0),
    };
    for _ in 0..share(drivers.len(), removed) {
        remove(&drivers.swap_remove(rng.below(drivers.len())), &mut stats)?;
    }
    for _ in 0..share(drivers.len(), added) {
        stats.files_added += add_driver(root, &mut rng)?;
    }
    if step == Step::Full {
        change_large_files(root, &mut rng, &mut stats)?;
    }
    Ok(stats)
}

/// That share of the drivers, rounded to the nearest.
fn share(drivers: usize, share: f64) -> usize {
    (drivers as f64 * share).round() as usize
}

fn chosen<'a>(drivers: &'a [PathBuf], step: Step, rng: &mut Rng) -> Vec<&'a PathBuf> {
    let part = match step {
        Step::Fix => 0.01 + 0.02 * rng.unit(),
        Step::Monthly => 0.12 + 0.13 * rng.unit(),
        Step::Full => 0.40 + 0.20 * rng.unit(),
        Step::Resign => 1.0,
    };
    let mut left: Vec<&PathBuf> = drivers.iter().collect();
    let count = share(drivers.len(), part).max(1);
    (0..count).map(|_| left.swap_remove(rng.below(left.len()))).collect()
}

fn release(path: &Path, step: Step, rng: &mut Rng, stats: &mut StepStats) -> io::Result<()> {
    let mut files = read_files(path)?;
    let before = files.clone();
    match step {
        Step::Fix => folder::release(&mut files, Some(1), rng),
        Step::Monthly => {
            let binaries = rng.between(1, 4);
            folder::release(&mut files, Some(binaries), rng);
        }
        Step::Full => folder::release(&mut files, None, rng),
        Step::Resign => folder::sign_again(&mut files, rng),
    }
    let changed: Files =
        files.into_iter().filter(|(name, content)| before.get(name) != Some(content)).collect();
    stats.drivers_changed += 1;
    stats.files_changed += changed.len() as u64;
    stats.bytes_changed += changed.values().map(|content| content.len() as u64).sum::<u64>();
    write_files(path, &changed)
}

fn remove(path: &Path, stats: &mut StepStats) -> io::Result<()> {
    stats.files_removed += read_files(path)?.len() as u64;
    fs::remove_dir_all(path)
}

fn change_large_files(root: &Path, rng: &mut Rng, stats: &mut StepStats) -> io::Result<()> {
    let folder = root.join("Large Images");
    if !folder.is_dir() {
        return Ok(());
    }
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        large::change(&path, rng)?;
        stats.files_changed += 1;
        stats.bytes_changed += fs::metadata(&path)?.len();
    }
    Ok(())
}

/// A folder with an INF in it is a driver; nothing below it is another.
fn find_drivers(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        } else if is_kind(&entry.file_name().to_string_lossy(), &["inf"]) {
            found.push(folder.to_owned());
            return Ok(());
        }
    }
    folders.iter().try_for_each(|folder| find_drivers(folder, found))
}

fn read_files(folder: &Path) -> io::Result<Files> {
    let mut files = BTreeMap::new();
    read_below(folder, "", &mut files)?;
    Ok(files)
}

fn read_below(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_below(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}
