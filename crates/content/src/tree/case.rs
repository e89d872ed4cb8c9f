//! Names of a folder that differ only in case: the rule by which a snapshot refuses them, for whoever brings a folder
//! into a source.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::TreeError;
use crate::path::{ContentPath, fold};

/// Refuses a folder of which a Windows client would hold less than there is: files that differ only in the case of
/// their names and not in content, and files beside folders of the same name. `hash` is whatever tells contents apart.
///
/// Errors: [`TreeError::CaseConflict`].
pub fn check_case<'a, H: PartialEq>(
    folders: impl IntoIterator<Item = &'a ContentPath>,
    files: impl IntoIterator<Item = (&'a ContentPath, H)>,
) -> Result<(), TreeError> {
    let mut known: HashMap<String, (&str, Option<H>)> = HashMap::new();
    let mut add = |path: &'a str, hash: Option<H>| match known.entry(fold(path)) {
        Entry::Vacant(free) => {
            free.insert((path, hash));
            Ok(())
        }
        Entry::Occupied(first) if first.get().1 == hash => Ok(()),
        Entry::Occupied(first) => {
            Err(TreeError::CaseConflict { first: first.get().0.to_owned(), second: path.to_owned() })
        }
    };
    for folder in folders {
        add(folder.as_str(), None)?;
    }
    for (path, hash) in files {
        for (at, _) in path.as_str().match_indices('/') {
            add(&path.as_str()[..at], None)?;
        }
        add(path.as_str(), Some(hash))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folders: &[&str], files: &[(&str, u8)], expect: Option<(&str, &str)>) {
        let path = |path: &str| ContentPath::new(path).unwrap();
        let own: Vec<ContentPath> = folders.iter().copied().map(path).collect();
        let named: Vec<(ContentPath, u8)> = files.iter().map(|(name, hash)| (path(name), *hash)).collect();
        let checked = check_case(&own, named.iter().map(|(path, hash)| (path, *hash)));
        let found = checked.err().map(|error| match error {
            TreeError::CaseConflict { first, second } => (first, second),
            other => panic!("{other}"),
        });
        let expect = expect.map(|(first, second)| (first.to_owned(), second.to_owned()));
        assert_eq!(found, expect, "{folders:?} {files:?}");
    }

    #[test]
    fn what_one_windows_client_cannot_hold_together() {
        check(&["a", "b"], &[("a/x", 1), ("A/y", 2), ("c", 3)], None);
        check(&["a", "A"], &[("x", 1), ("X", 1)], None);
        check(&[], &[("x.sys", 1), ("X.SYS", 2)], Some(("x.sys", "X.SYS")));
        check(&[], &[("a/x", 1), ("A/x", 2)], Some(("a/x", "A/x")));
        check(&[], &[("a", 1), ("A/x", 1)], Some(("a", "A")));
        check(&["Gr\u{f6}\u{df}e"], &[("gr\u{d6}\u{df}e", 1)], Some(("Gr\u{f6}\u{df}e", "gr\u{d6}\u{df}e")));
    }
}
