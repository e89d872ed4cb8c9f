//! Folders to measure on, and what differs between two of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{command, output};

/// Regular files below `root` by relative path.
pub(crate) fn files(root: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(root).expect("it was found below the root").to_owned();
                found.insert(relative, entry.metadata()?.len());
            }
        }
    }
    Ok(found)
}

/// A copy with the same times.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    output(command("cp").args(["--archive", "--no-target-directory"]).arg(from).arg(to))?;
    Ok(())
}

/// Makes `target` like `wanted`, and touches only what differs, as an administrator's copying tool does.
pub(crate) fn update(target: &Path, wanted: &Path) -> Result<()> {
    let (old, new) = (files(target)?, files(wanted)?);
    for gone in old.keys().filter(|path| !new.contains_key(*path)) {
        fs::remove_file(target.join(gone))?;
    }
    for path in new.keys() {
        let content = fs::read(wanted.join(path))?;
        let place = target.join(path);
        if fs::read(&place).is_ok_and(|there| there == content) {
            continue;
        }
        fs::create_dir_all(place.parent().unwrap_or(target))?;
        fs::write(place, content)?;
    }
    Ok(())
}

/// Files of `new` that `old` has not, or has otherwise.
pub(crate) fn changed(old: &Path, new: &Path) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for path in files(new)?.into_keys() {
        if fs::read(old.join(&path)).ok() != Some(fs::read(new.join(&path))?) {
            changed.push(path);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_touch_only_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        for (root, name, content) in [
            (&old, "same", "1"),
            (&new, "same", "1"),
            (&old, "gone", "2"),
            (&old, "b/x", "3"),
            (&new, "b/x", "4"),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let modified = fs::metadata(old.join("same")).unwrap().modified().unwrap();
        assert_eq!(changed(&old, &new).unwrap(), [PathBuf::from("b/x")]);
        update(&old, &new).unwrap();
        assert_eq!(files(&old).unwrap(), files(&new).unwrap());
        assert!(changed(&old, &new).unwrap().is_empty());
        assert_eq!(fs::metadata(old.join("same")).unwrap().modified().unwrap(), modified);
    }
}
