//! The names inside archives: which are accepted, and which would be one file on Windows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{ArchiveError, Limits};

/// Splits an entry's name into its components. Both separators count, `.` components and doubled separators are
/// dropped; no components are left for an entry that names the archive's root.
///
/// # Errors
///
/// [`ArchiveError::Name`] for a name that would leave the folder or cannot exist on Windows, where the drivers go in
/// the end; [`ArchiveError::Limit`].
pub(super) fn components<'a>(name: &'a str, limits: &Limits) -> Result<Vec<&'a str>, ArchiveError> {
    if name.len() > limits.name_bytes_max {
        return Err(ArchiveError::Limit {
            what: "bytes in an entry's name",
            limit: limits.name_bytes_max as u64,
        });
    }
    if name.starts_with(['/', '\\']) {
        return Err(refused(name, "it is absolute"));
    }
    let mut components = Vec::new();
    for component in name.split(['/', '\\']).filter(|component| !matches!(*component, "" | ".")) {
        if let Some(reason) = component_flaw(component) {
            return Err(refused(name, reason));
        }
        components.push(component);
    }
    if components.len() > limits.depth_max {
        return Err(ArchiveError::Limit { what: "folders below each other", limit: limits.depth_max as u64 });
    }
    Ok(components)
}

fn refused(name: &str, reason: &'static str) -> ArchiveError {
    ArchiveError::Name { name: shown(name), reason }
}

/// A name as it may stand in a message: escaped, and not longer than a line.
pub(super) fn shown(name: &str) -> String {
    const SHOWN_CHARS: usize = 120;
    let mut text: String = name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    text
}

/// What Linux and Windows file systems allow in one component.
const COMPONENT_BYTES_MAX: usize = 255;

/// Why Windows could not hold a file of this name.
pub(crate) fn component_flaw(component: &str) -> Option<&'static str> {
    if component == ".." {
        return Some("it leads out of the folder");
    }
    if component.len() > COMPONENT_BYTES_MAX {
        return Some("a part of it is longer than 255 bytes");
    }
    if component.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    if component.contains(':') {
        return Some("it holds a colon (a drive or a stream)");
    }
    if component.contains(['<', '>', '"', '|', '?', '*']) {
        return Some("it holds a character that Windows does not allow");
    }
    if component.ends_with(['.', ' ']) {
        return Some("a part of it ends with a dot or a space, which Windows drops");
    }
    is_device(component).then_some("it is the name of a Windows device")
}

/// Whether Windows takes the name for a device, with any extension: `NUL`, `com1.inf`.
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(port) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else { return false };
    matches!(port, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
}

/// The names taken so far. Folders that differ only in case are one folder, in its first spelling.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashMap<String, Taken>,
}

#[derive(Debug)]
struct Taken {
    /// As the first entry spelled it.
    path: String,
    is_folder: bool,
}

impl Names {
    /// The relative path, with `/`, for a file of these components.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Duplicate`] if the path, or a folder above it, is taken by a file.
    pub(super) fn file(&mut self, components: &[&str]) -> Result<String, ArchiveError> {
        let Some((file, folders)) = components.split_last() else {
            return Err(refused("", "it is empty"));
        };
        let (path, key) = self.folder(folders)?.child(file);
        match self.taken.entry(key) {
            Entry::Occupied(taken) => {
                Err(ArchiveError::Duplicate { name: shown(&path), other: shown(&taken.get().path) })
            }
            Entry::Vacant(free) => {
                free.insert(Taken { path: path.clone(), is_folder: false });
                Ok(path)
            }
        }
    }

    /// The relative path, with `/`, for a folder of these components.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Duplicate`] if the path, or a folder above it, is taken by a file.
    pub(super) fn folder_path(&mut self, components: &[&str]) -> Result<String, ArchiveError> {
        Ok(self.folder(components)?.path)
    }

    fn folder(&mut self, components: &[&str]) -> Result<Folder, ArchiveError> {
        let mut folder = Folder { path: String::new(), key: String::new() };
        for component in components {
            let (path, key) = folder.child(component);
            let taken = self
                .taken
                .entry(key.clone())
                .or_insert_with(|| Taken { path: path.clone(), is_folder: true });
            if !taken.is_folder {
                return Err(ArchiveError::Duplicate { name: shown(&path), other: shown(&taken.path) });
            }
            folder = Folder { path: taken.path.clone(), key };
        }
        Ok(folder)
    }
}

struct Folder {
    path: String,
    key: String,
}

impl Folder {
    fn child(&self, name: &str) -> (String, String) {
        let lower = name.to_lowercase();
        if self.path.is_empty() {
            return (name.to_owned(), lower);
        }
        (format!("{}/{name}", self.path), format!("{}/{lower}", self.key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, expect: Result<&str, &str>) {
        let got = components(name, &Limits::default());
        match (got, expect) {
            (Ok(parts), Ok(expect)) => assert_eq!(parts.join("/"), expect, "{name:?}"),
            (Err(error), Err(expect)) => {
                assert!(error.to_string().contains(expect), "{name:?}: {error}");
            }
            (got, expect) => panic!("{name:?}: {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn names_are_accepted_or_refused_by_what_windows_would_do_with_them() {
        check("Drivers/Net/e1d.inf", Ok("Drivers/Net/e1d.inf"));
        check("Drivers\\Net\\e1d.inf", Ok("Drivers/Net/e1d.inf"));
        check("./a//b/./c", Ok("a/b/c"));
        check("naïve/Überprüfung.inf", Ok("naïve/Überprüfung.inf"));
        check("common.inf", Ok("common.inf"));
        check("COM10", Ok("COM10"));
        check("...a", Ok("...a"));
        check("./", Ok(""));
        for (name, reason) in [
            ("../evil.inf", "leads out"),
            ("a/../../evil.inf", "leads out"),
            ("a\\..\\evil.inf", "leads out"),
            ("/etc/passwd", "absolute"),
            ("\\\\server\\share\\x", "absolute"),
            ("C:\\Windows\\x.sys", "colon"),
            ("C:x.sys", "colon"),
            ("a.inf:stream", "colon"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a?b", "does not allow"),
            ("con", "device"),
            ("NUL.inf", "device"),
            ("x/Com1.sys", "device"),
            ("lpt9 .txt", "device"),
            ("COM\u{b9}", "device"),
            ("CONIN$", "device"),
            ("a./b", "dot or a space"),
            ("a ", "dot or a space"),
            ("...", "dot or a space"),
        ] {
            check(name, Err(reason));
        }
        check(&"x".repeat(256), Err("255"));
        check(&"x/".repeat(600), Err("1024 bytes"));
        check(&"x/".repeat(33), Err("32 folders"));
    }

    #[test]
    fn what_would_be_one_file_on_windows_is_refused_and_folders_merge() {
        let mut names = Names::default();
        assert_eq!(names.file(&["Net", "E1D.inf"]).unwrap(), "Net/E1D.inf");
        assert_eq!(names.file(&["net", "e1d.sys"]).unwrap(), "Net/e1d.sys");
        assert_eq!(names.folder_path(&["NET", "sub"]).unwrap(), "Net/sub");
        for taken in [["NET", "e1d.INF"].as_slice(), &["net"], &["net", "e1d.sys", "x"]] {
            let error = names.file(taken).unwrap_err();
            assert_eq!(error.code(), "archive_duplicate", "{taken:?}: {error}");
        }
        assert_eq!(names.folder_path(&["net", "e1d.inf"]).unwrap_err().code(), "archive_duplicate");
        assert_eq!(names.file(&[]).unwrap_err().code(), "archive_name");
    }

    proptest! {
        #[test]
        fn an_accepted_name_stays_below_the_folder(name in "[a-zA-Z./\\\\: \u{0}cCoOnN1-3é*]{0,40}") {
            if let Ok(parts) = components(&name, &Limits::default()) {
                let path = std::path::PathBuf::from(parts.join("/"));
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(path.components().count(), parts.len());
                // What was accepted once is accepted in the form that it got.
                let again = parts.join("/");
                prop_assert_eq!(components(&again, &Limits::default()).unwrap(), parts);
            }
        }
    }
}
