//! The house's floors: which crate may use which, as the table in ARCHITECTURE.md says, and which may know what of the
//! world.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::Table;

use super::SourceFile;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// The developer's commands use what they need.
const TOOLS: &str = "xtask";

/// A crate of ours with the crates of ours that its product code may use.
type Floor = (String, Vec<String>);

/// Foreign crates that only these crates of ours may name, and why.
const KEEPERS: [(&[&str], &[&str], &str); 13] = [
    (&["sqlx"], &["site", "stage"], "only the site writes SQL, and tests beside it"),
    (&["sea-query", "sea-query-sqlx"], &["site"], "only the site writes SQL"),
    (&["fastcdc", "zstd", "blake3"], &["content"], "only the content library knows how content is stored"),
    (&["rustls", "tokio-rustls", "hyper", "hyper-util"], &["net"], "only net speaks TLS and HTTP"),
    (&["rcgen", "x509-parser"], &["net", "driver"], "certificates are TLS's, and those in security catalogs"),
    (&["quick-xml", "cab", "zip", "rsa"], &["driver"], "drivers' own formats are read in one place"),
    (&["encoding_rs", "roxmltree"], &["driver", "xml"], "foreign text and XML are read in two places"),
    (&["md4", "rc4", "hmac", "md-5-11"], &["negotiate"], "only NTLM is made of them"),
    (&["libgssapi"], &["signin"], "only sign-in knows Kerberos"),
    (&["md-5"], &["driver", "site"], "nothing of ours rests on MD5; old catalogs and vendors' lists do"),
    (
        &["indicatif", "clap", "clap_complete", "tracing-subscriber"],
        &["haulier"],
        "only haulier talks to people",
    ),
    (&["redb"], &["content", "dp"], "the site has its database; redb is for what must live without one"),
    (&["toml"], &["haulier", "xtask"], "only haulier reads configuration"),
];

/// Crates that compute and store, and know no network and no async runtime.
const NETLESS: [&str; 6] = ["agent", "cim", "content", "driver", "negotiate", "samples"];
const NETWORK: [&str; 9] =
    ["tokio", "tokio-util", "hyper", "hyper-util", "axum", "tower", "tower-http", "reqwest", "rustls"];

/// As in deny.toml, which needs a tool that may be missing.
const BANNED: [(&str, &str); 4] = [
    ("openssl-sys", "one TLS, rustls over aws-lc-rs"),
    ("native-tls", "one TLS, rustls over aws-lc-rs"),
    ("rusqlite", "the database is reached through sqlx"),
    ("chrono", "jiff is our calendar"),
];

/// Attributes that let a crate print; split, so that this file does not hold what it looks for.
const PRINTING: [&str; 2] = [concat!("clippy::print_", "stdout"), concat!("clippy::print_", "stderr")];

/// What is wrong with the crates' manifests, and who prints without leave.
pub(super) fn check(files: &[SourceFile]) -> Result<Vec<String>> {
    let architecture = files.iter().find(|file| file.path == ARCHITECTURE);
    let floors = floors(architecture.map_or("", |file| &file.text));
    let mut faults = ways_up(&floors);
    let mut seen = BTreeSet::new();
    for file in files.iter().filter(|file| is_manifest(&file.path)) {
        let manifest: Table = file.text.parse().with_context(|| format!("{} is no TOML", file.path))?;
        let name = crate_name(&file.path);
        seen.insert(name.to_owned());
        for fault in check_manifest(name, &manifest, &floors) {
            faults.push(format!("{}:1: {fault}", file.path));
        }
    }
    for (name, _) in floors.iter().filter(|(name, _)| !seen.contains(name)) {
        faults.push(format!("{ARCHITECTURE}:1: there is no crate {name}"));
    }
    faults.extend(
        files.iter().filter(|file| file.path == "Cargo.lock").flat_map(|lock| check_lock(&lock.text)),
    );
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let prints = PRINTING.iter().any(|lint| file.text.contains(lint));
        if prints && !file.path.starts_with("crates/haulier/") && !is_tool(&file.path) {
            faults.push(format!("{}:1: only haulier prints", file.path));
        }
    }
    Ok(faults)
}

/// What must not be in the program, or only once; deny.toml has the whole policy.
fn check_lock(lock: &str) -> Vec<String> {
    let count = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    let banned = BANNED.iter().filter(|(name, _)| count(name) > 0);
    let mut faults: Vec<String> =
        banned.map(|(name, why)| format!("Cargo.lock:1: {name} may not come in: {why}")).collect();
    if count("libsqlite3-sys") > 1 {
        faults.push("Cargo.lock:1: two SQLite libraries in one program break each other's locks".to_owned());
    }
    faults
}

/// The rows `| `crate` | what it is | what it may use |`, topmost floor first; `everything` is all rows below.
fn floors(architecture: &str) -> Vec<Floor> {
    let rows: Vec<(&str, &str)> = architecture
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, rest)| {
            (name, rest.trim_end_matches(['|', ' ']).split_once('|').map_or("", |cells| cells.1))
        })
        .collect();
    let names =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    rows.iter()
        .enumerate()
        .map(|(place, (name, cell))| {
            let all = || rows[place + 1..].iter().map(|(below, _)| (*below).to_owned()).collect();
            ((*name).to_owned(), if cell.trim() == "everything" { all() } else { names(cell) })
        })
        .collect()
}

/// A floor may use only floors that stand below it in the table.
fn ways_up(floors: &[Floor]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, (name, allowed)) in floors.iter().enumerate() {
        for other in allowed {
            if !floors[place + 1..].iter().any(|(below, _)| below == other) {
                faults.push(format!("{ARCHITECTURE}:1: {name} uses {other}, which does not stand below it"));
            }
        }
    }
    faults
}

fn check_manifest(name: &str, manifest: &Table, floors: &[Floor]) -> Vec<String> {
    let mut faults = Vec::new();
    let inherits =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if inherits != Some(true) {
        faults.push("does not take the workspace's lints".to_owned());
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        for (dependency, source) in dependencies {
            if source.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                faults.push(format!("{dependency} has its own version; versions stand in the root manifest"));
            }
            if section == "dependencies" {
                faults.extend(check_edge(name, dependency, floors));
            }
        }
    }
    faults
}

fn check_edge(name: &str, dependency: &str, floors: &[Floor]) -> Option<String> {
    let ours = floors.iter().any(|(other, _)| other == dependency);
    if ours && name != TOOLS {
        let Some((_, allowed)) = floors.iter().find(|(other, _)| other == name) else {
            return Some(format!("{name} stands on no floor; draw it in {ARCHITECTURE}"));
        };
        if !allowed.iter().any(|other| other == dependency) {
            return Some(format!("{name} may not use {dependency} ({ARCHITECTURE})"));
        }
    }
    if NETLESS.contains(&name) && NETWORK.contains(&dependency) {
        return Some(format!("{name} knows no network, so it may not use {dependency}"));
    }
    let (_, keepers, why) = KEEPERS.iter().find(|(kept, ..)| kept.contains(&dependency))?;
    (!keepers.contains(&name)).then(|| format!("{name} may not use {dependency}: {why}"))
}

/// Fuzzers are packages of their own, outside the workspace: they need a compiler that tests do without.
pub(super) fn is_manifest(path: &str) -> bool {
    path.ends_with("/Cargo.toml") && !path.ends_with("/fuzz/Cargo.toml")
}

/// Programs beside the product: chores, examples that measure, tests that say what they could not do.
fn is_tool(path: &str) -> bool {
    path.starts_with("xtask/") || path.contains("/examples/") || path.contains("/tests/")
}

/// `crates/site/Cargo.toml` is the manifest of `site`.
fn crate_name(path: &str) -> &str {
    path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
| crate | what it is | it may use |
| --- | --- | --- |
| `haulier` | the binary | everything |
| `provider` | classes | `site`, `cim`, `clock` |
| `site` | the domain | `clock`, `cim` |
| `dp` | the distribution point | `clock` |
| `cim` | values | |
| `clock` | time | |
";

    fn check_one(name: &str, dependencies: &str, expect: &[&str]) {
        let manifest = format!("[lints]\nworkspace = true\n[dependencies]\n{dependencies}");
        let faults = check_manifest(name, &manifest.parse().unwrap(), &floors(TABLE));
        assert_eq!(faults.len(), expect.len(), "{faults:?}");
        for (fault, part) in faults.iter().zip(expect) {
            assert!(fault.contains(part), "{fault} lacks {part}");
        }
    }

    #[test]
    fn the_table_is_read() {
        let floors = floors(TABLE);
        assert_eq!(floors[0].1, ["provider", "site", "dp", "cim", "clock"]);
        assert_eq!(
            floors[1],
            ("provider".to_owned(), vec!["site".to_owned(), "cim".to_owned(), "clock".to_owned()])
        );
        assert_eq!(floors[5], ("clock".to_owned(), Vec::new()));
    }

    #[test]
    fn edges() {
        check_one("site", "clock.workspace = true\nsqlx.workspace = true\n", &[]);
        check_one("haulier", "dp.workspace = true\n", &[]);
        check_one("dp", "site.workspace = true\n", &["dp may not use site"]);
        check_one("cim", "tokio.workspace = true\n", &["cim knows no network"]);
        check_one("provider", "sqlx.workspace = true\n", &["only the site writes SQL"]);
        check_one("console", "site.workspace = true\n", &["console stands on no floor"]);
        check_one("site", "serde = \"1\"\n", &["serde has its own version"]);
        check_one("xtask", "site.workspace = true\ntoml.workspace = true\n", &[]);
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let manifest = "[lints]\nworkspace = true\n[dev-dependencies]\nprovider.workspace = true\n";
        assert!(check_manifest("site", &manifest.parse().unwrap(), &floors(TABLE)).is_empty());
        assert_eq!(check_manifest("site", &Table::new(), &floors(TABLE)).len(), 1, "lints are not inherited");
    }

    #[test]
    fn the_lock_file_tells_what_came_in() {
        assert!(check_lock("name = \"libsqlite3-sys\"\nname = \"jiff\"\n").is_empty());
        assert_eq!(check_lock("name = \"chrono\"\n").len(), 1);
        assert_eq!(check_lock("name = \"libsqlite3-sys\"\nname = \"libsqlite3-sys\"\n").len(), 1);
    }

    #[test]
    fn floors_have_no_way_up() {
        assert!(ways_up(&floors(TABLE)).is_empty());
        let faults = ways_up(&floors("| `cim` | values | `site` |\n| `clock` | time | `cim` |\n"));
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
