//! Rules between files: documents that must name what exists, and files that come in pairs.

use std::collections::BTreeSet;

use super::SourceFile;
use super::floors::is_manifest;

const MIGRATIONS: &str = "crates/site/migrations/";

/// What is missing, as `path:line: what`.
pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut faults = crates_without_paragraph(files);
    faults.extend(unlisted_golden_files(files));
    faults.extend(migrations_without_twin(files));
    faults
}

/// ARCHITECTURE.md has a paragraph for each crate, which begins with or names it in code style.
fn crates_without_paragraph(files: &[SourceFile]) -> Vec<String> {
    let architecture = text_of(files, "ARCHITECTURE.md");
    files
        .iter()
        .filter(|file| is_manifest(&file.path))
        .filter_map(|file| file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml"))
        .filter(|name| !architecture.contains(&format!("`{name}`")))
        .map(|name| format!("ARCHITECTURE.md:1: has no word about `{name}`"))
        .collect()
}

/// Golden files hold what others rely on (bytes on the wire, bytes on disk), so a document names each.
fn unlisted_golden_files(files: &[SourceFile]) -> Vec<String> {
    let documents: Vec<&str> =
        files.iter().filter(|file| file.path.starts_with("docs/")).map(|file| file.text.as_str()).collect();
    let listed = |name: &str| documents.iter().any(|text| text.contains(name));
    files
        .iter()
        .filter_map(|file| Some((&file.path, file.path.split_once("/golden/")?.1)))
        .filter(|(_, name)| !listed(name))
        .map(|(path, _)| format!("{path}:1: no document in docs/ names this golden file"))
        .collect()
}

/// Every change of the database exists for both kinds of database under the same name.
fn migrations_without_twin(files: &[SourceFile]) -> Vec<String> {
    let of = |kind: &str| -> BTreeSet<&str> {
        let folder = format!("{MIGRATIONS}{kind}/");
        files.iter().filter_map(|file| file.path.strip_prefix(&folder)).collect()
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    let missing = |kind: &str, name: &&str| {
        format!("{MIGRATIONS}{kind}/{name}:1: is missing; migrations come in pairs")
    };
    let mut faults: Vec<String> =
        sqlite.difference(&postgres).map(|name| missing("postgres", name)).collect();
    faults.extend(postgres.difference(&sqlite).map(|name| missing("sqlite", name)));
    faults
}

fn text_of<'a>(files: &'a [SourceFile], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_tree_has_no_faults() {
        let files = [
            SourceFile::new("ARCHITECTURE.md", "`site` owns the database.\n"),
            SourceFile::new("crates/site/Cargo.toml", ""),
            SourceFile::new("crates/site/migrations/sqlite/0001_start.sql", ""),
            SourceFile::new("crates/site/migrations/postgres/0001_start.sql", ""),
            SourceFile::new("crates/agent/tests/golden/route.json", ""),
            SourceFile::new("docs/agent.md", "- route.json: the answer to a route request\n"),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named() {
        let files = [
            SourceFile::new("crates/site/Cargo.toml", ""),
            SourceFile::new("crates/site/migrations/sqlite/0001_start.sql", ""),
            SourceFile::new("crates/site/migrations/postgres/0002_more.sql", ""),
            SourceFile::new("crates/agent/tests/golden/route.json", ""),
        ];
        assert_eq!(
            check(&files),
            [
                "ARCHITECTURE.md:1: has no word about `site`",
                "crates/agent/tests/golden/route.json:1: no document in docs/ names this golden file",
                "crates/site/migrations/postgres/0001_start.sql:1: is missing; migrations come in pairs",
                "crates/site/migrations/sqlite/0002_more.sql:1: is missing; migrations come in pairs",
            ]
        );
    }
}
