//! Names from an INF, made into paths that stay inside its folder.

/// Joins parts of a path as an INF writes them, with either separator, into one with `/`. Doubled separators, `.` and
/// separators at the ends are dropped. `None` if it would leave the folder or cannot name a file: `..`, a drive or
/// stream (`:`), a network name (`\\server\share`), NUL, more than [`PATH_BYTES_MAX`].
pub(crate) fn clean(parts: &[&str]) -> Option<String> {
    let mut path = String::new();
    for part in parts {
        if part.contains([':', '\0']) || is_network_name(part) {
            return None;
        }
        for name in part.split(['/', '\\']).map(trimmed).filter(|name| !name.is_empty() && *name != ".") {
            // Windows drops dots and blanks at the end of a name, so `.. `, `...` and `. .` climb as well.
            if name.bytes().all(|b| matches!(b, b'.' | b' ')) {
                return None;
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
        }
    }
    (!path.is_empty() && path.len() <= PATH_BYTES_MAX).then_some(path)
}

/// Bytes of a path. Longer ones would only fill the memory: strings make a long name from a short line.
const PATH_BYTES_MAX: usize = 1024;

fn trimmed(name: &str) -> &str {
    name.trim_matches(' ')
}

/// Two separators and then at least two names. `\\x86` alone is a doubled separator.
fn is_network_name(part: &str) -> bool {
    let is_separator = |c: char| c == '/' || c == '\\';
    let mut chars = part.chars();
    chars.next().is_some_and(is_separator)
        && chars.next().is_some_and(is_separator)
        && chars.as_str().split(is_separator).filter(|name| !name.is_empty()).count() > 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_stay_inside() {
        let check = |parts: &[&str], expect: Option<&str>| {
            assert_eq!(clean(parts).as_deref(), expect, "{parts:?}");
        };
        check(&["", "", "a.sys"], Some("a.sys"));
        check(&["\\amd64\\", ".\\sub", "a.sys"], Some("amd64/sub/a.sys"));
        check(&["\\\\amd64", "a.sys"], Some("amd64/a.sys"));
        check(&["x64//y\\\\z", "a.sys"], Some("x64/y/z/a.sys"));
        check(&[".", "a b.sys"], Some("a b.sys"));
        check(&["", "..", "a.sys"], None);
        check(&["a\\..\\..", "b"], None);
        check(&["a", ".. ", "b"], None);
        check(&["...", "b"], None);
        check(&[". .", "b"], None);
        check(&["C:\\x", "b"], None);
        check(&["a", "b:stream"], None);
        check(&["\\\\server\\share", "b"], None);
        check(&["//server/share", "b"], None);
        check(&["a", "b\0c"], None);
        let long = "b".repeat(PATH_BYTES_MAX - 2);
        check(&["a", &long], Some(&format!("a/{long}")));
        check(&["a", &format!("{long}b")], None);
        check(&["", "\\"], None);
        check(&["..a", "b..sys"], Some("..a/b..sys"));
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_folder(parts in proptest::collection::vec("[a-c./\\\\: \\x00]{0,8}", 0..4)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            if let Some(path) = clean(&parts) {
                prop_assert!(!path.contains(['\\', ':', '\0']));
                prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
                for name in path.split('/') {
                    prop_assert!(!name.trim_matches(['.', ' ']).is_empty(), "{path}");
                }
            }
        }
    }
}
