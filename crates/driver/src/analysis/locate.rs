//! Finding a driver's file in its folder: as it is, compressed, or in a cabinet.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read as _};

use super::{AnalysisError, Folder};
use crate::install::SourceFile;

/// Where a file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It lies there.
    Plain(String),
    /// It lies there compressed, its last letter replaced by `_`.
    Compressed(String),
    /// It is in this cabinet.
    InCabinet(String),
    Nowhere,
}

/// The cabinets that were looked into: the folded names of what they hold, or that they cannot be read.
#[derive(Debug, Default)]
pub(super) struct Cabinets {
    known: HashMap<String, Option<HashSet<String>>>,
    /// Those that could not be read and were not told of yet.
    pub(super) unreadable: Vec<String>,
}

/// Looks for a file that an INF in the folder `beside` names.
pub(super) fn locate(
    folder: &Folder,
    beside: &str,
    file: &SourceFile,
    cabinets: &mut Cabinets,
) -> Result<Place, AnalysisError> {
    let path = format!("{beside}{}", file.path);
    if let Some(path) = folder.lookup(&path) {
        return Ok(Place::Plain(path.to_owned()));
    }
    if let Some(path) = compressed(&path).and_then(|path| folder.lookup(&path).map(str::to_owned)) {
        return Ok(Place::Compressed(path));
    }
    let Some(cabinet) = &file.cabinet else { return Ok(Place::Nowhere) };
    let Some(cabinet) = folder.lookup(&format!("{beside}{cabinet}")) else { return Ok(Place::Nowhere) };
    let name = file.path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let holds = cabinets.names(folder, cabinet)?.is_some_and(|names| names.contains(&name));
    Ok(if holds { Place::InCabinet(cabinet.to_owned()) } else { Place::Nowhere })
}

/// `driver.sys` compressed is `driver.sy_`.
fn compressed(path: &str) -> Option<String> {
    let last = path.chars().next_back()?;
    (last != '/').then(|| format!("{}_", &path[..path.len() - last.len_utf8()]))
}

impl Cabinets {
    fn names(&mut self, folder: &Folder, path: &str) -> Result<Option<&HashSet<String>>, AnalysisError> {
        if !self.known.contains_key(path) {
            let names = names(folder, path)?;
            if names.is_none() {
                self.unreadable.push(path.to_owned());
            }
            self.known.insert(path.to_owned(), names);
        }
        Ok(self.known[path].as_ref())
    }
}

/// The names in a cabinet, without their paths. The format itself bounds them: 65535 files, their names 255 bytes.
fn names(folder: &Folder, path: &str) -> Result<Option<HashSet<String>>, AnalysisError> {
    let mut file = folder.open_at(path)?;
    let mut magic = [0; 4];
    if file.read_exact(&mut magic).is_err() || magic != *b"MSCF" {
        return Ok(None);
    }
    let Ok(cabinet) = cab::Cabinet::new(BufReader::new(folder.open_at(path)?)) else { return Ok(None) };
    let files = cabinet.folder_entries().flat_map(cab::FolderEntry::file_entries);
    let last = |name: &str| name.rsplit(['\\', '/']).next().unwrap_or_default().to_lowercase();
    Ok(Some(files.map(|file| last(file.name())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_letter_gives_way() {
        let check = |path: &str, expect: Option<&str>| assert_eq!(compressed(path).as_deref(), expect);
        check("x86/driver.sys", Some("x86/driver.sy_"));
        check("readmé", Some("readm_"));
        check("x86/", None);
        check("", None);
    }
}
