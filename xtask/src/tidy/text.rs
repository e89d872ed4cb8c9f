//! Rules about single files: their names, length, first line, whitespace, and words that must not be in them.

use super::SourceFile;

const LINES_MAX: usize = 600;
const NAMELESS_MODULES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "stuff"];
/// Split, so that this file does not hold what it looks for.
const NOT_IN_RUST: [(&str, &str); 6] = [
    (concat!("todo", "!("), "unfinished work is an issue, not a panic"),
    (concat!("unimplemented", "!("), "unfinished work is an issue, not a panic"),
    (concat!("dbg", "!("), "left-over debugging"),
    (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
    (concat!("#[should_", "panic"), "test for the error, not for a panic"),
    (concat!("unsafe", " {"), "unsafe code is forbidden"),
];
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/tmp/", "haulier/")];
/// Text that we write; other files are material of tests and keep their bytes.
const OUR_TEXT: [&str; 6] = ["rs", "toml", "md", "sql", "mof", "sh"];

/// What is wrong, as `path:line: what and why`.
pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let mut fault = |line: usize, what: &str| faults.push(format!("{}:{line}: {what}", file.path));
        if file.path.ends_with(".rs") {
            check_comment(file, is_root(&file.path, files), &mut fault);
            check_rust(file, &mut fault);
        }
        if is_ours(&file.path) {
            check_whitespace(&file.text, &mut fault);
            for (number, line) in file.text.lines().enumerate() {
                for path in MACHINE_PATHS.iter().filter(|path| names(line, path)) {
                    fault(number + 1, &format!("{path} exists on one machine only"));
                }
            }
        }
    }
    faults
}

/// Whether the line holds the absolute path, and not just a longer one with the same end.
fn names(line: &str, path: &str) -> bool {
    let begins =
        |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}".contains(before));
    line.match_indices(path).any(|(at, _)| begins(at))
}

/// Whether a reader meets the file as the way into others: a crate, a program, a module with modules below it.
fn is_root(path: &str, files: &[SourceFile]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let below = format!("{}/", path.trim_end_matches(".rs"));
    ["lib.rs", "main.rs", "mod.rs", "build.rs"].contains(&name)
        || path.contains("/tests/")
        || path.contains("/examples/")
        || files.iter().any(|file| file.path.starts_with(&below))
}

/// The way in says why it exists; a file with one subject may let the subject's own comment say it.
fn check_comment(file: &SourceFile, root: bool, fault: &mut impl FnMut(usize, &str)) {
    if file.text.starts_with("//!") {
        return;
    }
    if root {
        fault(1, "begins without a `//!` comment that says why the module exists");
    } else if !file.path.ends_with("/tests.rs") && !file.text.lines().any(|line| line.starts_with("///")) {
        fault(1, "says nowhere what it is for");
    }
}

fn check_rust(file: &SourceFile, fault: &mut impl FnMut(usize, &str)) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        fault(lines, &format!("has more than {LINES_MAX} lines; cut it where the subject changes"));
    }
    let parts = file.path.trim_end_matches(".rs").split('/');
    for part in parts.filter(|part| NAMELESS_MODULES.contains(part)) {
        fault(1, &format!("a module called {part} has no subject; name what it is about"));
    }
    for (number, line) in file.text.lines().enumerate() {
        for (word, why) in NOT_IN_RUST.iter().filter(|(word, _)| line.contains(word)) {
            fault(number + 1, &format!("`{word}`: {why}"));
        }
    }
}

fn check_whitespace(text: &str, fault: &mut impl FnMut(usize, &str)) {
    for (number, line) in text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            fault(number + 1, "ends with white space");
        }
        if line.contains('\t') {
            fault(number + 1, "holds a tab");
        }
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        fault(text.lines().count(), "must end with one newline");
    }
}

fn is_ours(path: &str) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    // Golden files and samples of others are compared byte by byte.
    OUR_TEXT.contains(&extension) && !path.contains("/golden/") && !path.contains("/fixtures/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expect: &[&str]) {
        let faults = check(&[SourceFile::new(path, text)]);
        assert_eq!(faults.len(), expect.len(), "{faults:?}");
        for (fault, part) in faults.iter().zip(expect) {
            assert!(fault.contains(part), "{fault} lacks {part}");
        }
    }

    #[test]
    fn good_files_pass() {
        check_one("crates/a/src/lib.rs", "//! Why.\n\nfn a() {}\n", &[]);
        check_one("crates/a/tests/fixtures/x.md", "as it was \t", &[]);
    }

    #[test]
    fn rust_files_explain_themselves() {
        check_one("crates/a/src/lib.rs", "fn a() {}\n", &["lib.rs:1: begins without"]);
        check_one("crates/a/tests/it.rs", "/// A.\nfn a() {}\n", &["it.rs:1: begins without"]);
        check_one("crates/a/src/leaf.rs", "/// A.\nfn a() {}\n", &[]);
        check_one("crates/a/src/leaf.rs", "fn a() {}\n", &["leaf.rs:1: says nowhere"]);
        check_one("crates/a/src/utils.rs", "//! Why.\n", &["called utils"]);
        check_one("crates/a/src/helpers/b.rs", "//! Why.\n", &["called helpers"]);
        check_one("a.rs", &format!("//! Why.\n{}", "fn a() {}\n".repeat(600)), &["more than 600 lines"]);
    }

    #[test]
    fn words_are_found_with_their_line() {
        for (word, _) in NOT_IN_RUST {
            check_one("a.rs", &format!("//! Why.\n{word}\n"), &["a.rs:2: `"]);
        }
        for path in MACHINE_PATHS {
            check_one("README.md", &format!("see {path}x\n"), &["README.md:1: "]);
            check_one("README.md", &format!("see bench{path}x\n"), &[]);
        }
    }

    #[test]
    fn whitespace() {
        check_one("a.md", "a \n", &["ends with white space"]);
        check_one("a.md", "a\tb\n", &["holds a tab"]);
        check_one("a.md", "a", &["one newline"]);
        check_one("a.md", "a\n\n", &["one newline"]);
    }
}
