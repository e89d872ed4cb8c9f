//! Names inside a package. A [`ContentPath`] is proof that a name is safe on both sides: it stays below the
//! package's root here, and a Windows client can hold it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most bytes in one component.
pub const COMPONENT_BYTES_MAX: usize = 255;
/// The most characters in a path.
pub const PATH_CHARS_MAX: usize = 1024;
/// The most components in a path.
pub const DEPTH_MAX: usize = 64;

/// A validated relative path, `/` between components.
///
/// Ordered as a tree is walked: a folder, then all that is in it, then its next sibling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContentPath(String);

/// Why a name cannot be part of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path or a component of it is empty, or the path is absolute.
    #[error("the path is absolute or has an empty component")]
    Empty,
    /// A component is `.` or `..`.
    #[error("the path has a component `.` or `..`")]
    Dots,
    /// A character that Windows does not allow in a name.
    #[error("the name has a character that Windows does not allow: {0:?}")]
    Character(char),
    /// A name that Windows takes for a device.
    #[error("the name is a Windows device name")]
    Device,
    /// A name that Windows would shorten.
    #[error("the name ends with a dot or a blank, which Windows would drop")]
    TrailingDotOrBlank,
    /// More than [`COMPONENT_BYTES_MAX`] or [`PATH_CHARS_MAX`].
    #[error("the name is longer than 255 bytes or the path longer than 1024 characters")]
    TooLong,
    /// More than [`DEPTH_MAX`].
    #[error("the path is more than 64 folders deep")]
    TooDeep,
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
}

impl ContentPath {
    /// Checks a path.
    pub fn new(path: &str) -> Result<ContentPath, PathError> {
        if path.chars().count() > PATH_CHARS_MAX {
            return Err(PathError::TooLong);
        }
        let mut depth = 0;
        for component in path.split('/') {
            check_component(component)?;
            depth += 1;
        }
        if depth > DEPTH_MAX {
            return Err(PathError::TooDeep);
        }
        Ok(ContentPath(path.to_owned()))
    }

    /// Checks raw bytes as a directory listing gives them.
    pub fn from_utf8(path: &[u8]) -> Result<ContentPath, PathError> {
        ContentPath::new(std::str::from_utf8(path).map_err(|_| PathError::NotUtf8)?)
    }

    /// The path of `name` inside this folder.
    pub fn join(&self, name: &[u8]) -> Result<ContentPath, PathError> {
        let name = std::str::from_utf8(name).map_err(|_| PathError::NotUtf8)?;
        check_component(name)?;
        let path = format!("{}/{name}", self.0);
        if path.len() > PATH_CHARS_MAX && path.chars().count() > PATH_CHARS_MAX {
            return Err(PathError::TooLong);
        }
        if path.bytes().filter(|byte| *byte == b'/').count() >= DEPTH_MAX {
            return Err(PathError::TooDeep);
        }
        Ok(ContentPath(path))
    }

    /// The text, `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().expect("a path has at least one component")
    }

    /// The folder that it is in; `None` at the package's root.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The key by which a distribution point looks a name up: two paths are the same file to a client exactly
    /// if their keys are equal.
    #[must_use]
    pub fn fold(&self) -> String {
        fold(&self.0)
    }
}

/// Unicode simple lower case: every character maps to one character, as NTFS does it.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        })
        .collect()
}

fn check_component(name: &str) -> Result<(), PathError> {
    match name {
        "" => return Err(PathError::Empty),
        "." | ".." => return Err(PathError::Dots),
        _ if name.len() > COMPONENT_BYTES_MAX => return Err(PathError::TooLong),
        _ => {}
    }
    if let Some(bad) = name.chars().find(|c| c.is_control() || r#"/\:*?"<>|"#.contains(*c)) {
        return Err(PathError::Character(bad));
    }
    if name.ends_with(['.', ' ']) {
        return Err(PathError::TrailingDotOrBlank);
    }
    if is_device(name) { Err(PathError::Device) } else { Ok(()) }
}

/// Windows takes `NUL`, `nul.txt` and `COM1 .log` for the device, whatever the folder.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    if !(3..=8).contains(&stem.len()) {
        return false;
    }
    let stem = stem.to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(number) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else { return false };
    let mut digits = number.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

impl Ord for ContentPath {
    fn cmp(&self, other: &ContentPath) -> Ordering {
        // `/` sorts before every other character, so that a folder's content directly follows the folder.
        let key = |byte: u8| if byte == b'/' { 0 } else { byte };
        self.0.bytes().map(key).cmp(other.0.bytes().map(key))
    }
}

impl PartialOrd for ContentPath {
    fn partial_cmp(&self, other: &ContentPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for ContentPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<ContentPath, PathError> {
        ContentPath::new(path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(path: &str, expect: Result<(), PathError>) {
        assert_eq!(ContentPath::new(path).map(|_| ()), expect, "{path:?}");
    }

    #[test]
    fn names_that_windows_cannot_hold_are_refused() {
        use PathError::*;
        let long = "x".repeat(256);
        let deep = "d/".repeat(64) + "f";
        let wide = format!("{0}/{0}/{0}/{0}/{0}", "y".repeat(250));
        for (path, expect) in [
            ("", Err(Empty)),
            ("/etc/passwd", Err(Empty)),
            ("a//b", Err(Empty)),
            ("a/", Err(Empty)),
            (".", Err(Dots)),
            ("a/../b", Err(Dots)),
            ("C:/x", Err(Character(':'))),
            ("a.sys:stream", Err(Character(':'))),
            ("a\\b", Err(Character('\\'))),
            ("a\0b", Err(Character('\0'))),
            ("a\nb", Err(Character('\n'))),
            ("what?.inf", Err(Character('?'))),
            ("nul", Err(Device)),
            ("x/CON.txt", Err(Device)),
            ("com1 .log", Err(Device)),
            ("LPT¹", Err(Device)),
            ("com0", Err(Device)),
            ("name.", Err(TrailingDotOrBlank)),
            ("name ", Err(TrailingDotOrBlank)),
            ("a./b", Err(TrailingDotOrBlank)),
            (long.as_str(), Err(TooLong)),
            (wide.as_str(), Err(TooLong)),
            (deep.as_str(), Err(TooDeep)),
        ] {
            check(path, expect);
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for path in ["a", "x64/Driver File.SYS", "com10.inf", "console.dll", "ü/ñ.inf", ".hidden", "aux1"] {
            check(path, Ok(()));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(ContentPath::from_utf8(b"a\xff"), Err(PathError::NotUtf8));
    }

    #[test]
    fn order_is_the_order_of_a_walk() {
        let mut paths: Vec<_> =
            ["a-b", "a/c", "a", "a/b/d", "a b"].map(|p| ContentPath::new(p).unwrap()).into();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(ContentPath::as_str).collect();
        assert_eq!(texts, ["a", "a/b/d", "a/c", "a b", "a-b"]);
    }

    #[test]
    fn folding_is_one_to_one_by_character() {
        for (text, expect) in [("X64/A.SYS", "x64/a.sys"), ("ÄÖÜ.INF", "äöü.inf"), ("İ", "İ"), ("ΣΑΣ", "σασ")]
        {
            assert_eq!(fold(text), expect);
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_stays_below_the_root(text in "\\PC{0,40}") {
            if let Ok(path) = ContentPath::new(&text) {
                let path = std::path::Path::new(path.as_str());
                prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }

        #[test]
        fn joining_agrees_with_parsing(folder in "[a-z.]{1,5}", name in "\\PC{1,12}") {
            if let Ok(folder) = ContentPath::new(&folder) {
                let joined = folder.join(name.as_bytes());
                if name.contains('/') {
                    prop_assert!(joined.is_err());
                } else {
                    prop_assert_eq!(joined, ContentPath::new(&format!("{folder}/{name}")));
                }
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
