//! The house's floors (ARCHITECTURE.md) as a table: which crate may use which, and which may know what of the world.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::Table;

use super::SourceFile;

/// Each crate with the crates of ours that its product code may use. Lowest floor first.
const FLOORS: [(&str, &[&str]); 12] = [
    ("clock", &[]),
    ("samples", &[]),
    ("agent", &[]),
    ("cim", &[]),
    ("content", &["clock"]),
    ("net", &["clock"]),
    ("dp", &["clock", "agent", "content", "net"]),
    ("site", &["clock", "agent", "cim", "content"]),
    ("agentservice", &["clock", "agent", "content", "net", "site"]),
    ("provider", &["clock", "cim", "site"]),
    ("adminservice", &["clock", "cim", "net", "provider", "site"]),
    (
        "haulier",
        &[
            "clock",
            "samples",
            "agent",
            "cim",
            "content",
            "net",
            "dp",
            "site",
            "agentservice",
            "provider",
            "adminservice",
        ],
    ),
];

/// Foreign crates that only these crates of ours may name, and why.
const KEEPERS: [(&[&str], &[&str], &str); 6] = [
    (&["sqlx", "sea-query", "sea-query-sqlx"], &["site"], "only the site writes SQL"),
    (&["fastcdc", "zstd", "blake3"], &["content"], "only the content library knows how content is stored"),
    (
        &["rustls", "tokio-rustls", "rcgen", "x509-parser", "hyper", "hyper-util"],
        &["net"],
        "only net speaks TLS and HTTP",
    ),
    (
        &["indicatif", "clap", "clap_complete", "tracing-subscriber"],
        &["haulier"],
        "only haulier talks to people",
    ),
    (&["redb"], &["content", "dp"], "the site has its database; redb is for what must live without one"),
    (&["toml"], &["haulier", "xtask"], "only haulier reads configuration"),
];

/// Crates that compute and store, and know no network and no async runtime.
const NETLESS: [&str; 4] = ["agent", "cim", "content", "samples"];
const NETWORK: [&str; 9] =
    ["tokio", "tokio-util", "hyper", "hyper-util", "axum", "tower", "tower-http", "reqwest", "rustls"];

/// Attributes that let a crate print; split, so that this file does not hold what it looks for.
const PRINTING: [&str; 2] = [concat!("clippy::print_", "stdout"), concat!("clippy::print_", "stderr")];

/// What is wrong with the crates' manifests, and who prints without leave.
pub(super) fn check(files: &[SourceFile]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files.iter().filter(|file| is_manifest(&file.path)) {
        let manifest: Table = file.text.parse().with_context(|| format!("{} is no TOML", file.path))?;
        let name = crate_name(&file.path);
        seen.insert(name.to_owned());
        for fault in check_manifest(name, &manifest) {
            faults.push(format!("{}:1: {fault}", file.path));
        }
    }
    for (name, _) in FLOORS.iter().filter(|(name, _)| !seen.contains(*name)) {
        faults.push(format!("xtask/src/tidy/floors.rs:1: there is no crate {name}"));
    }
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let prints = PRINTING.iter().any(|lint| file.text.contains(lint));
        if prints && !file.path.starts_with("crates/haulier/") && !is_tool(&file.path) {
            faults.push(format!("{}:1: only haulier prints", file.path));
        }
    }
    Ok(faults)
}

fn check_manifest(name: &str, manifest: &Table) -> Vec<String> {
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
                faults.extend(check_edge(name, dependency));
            }
        }
    }
    faults
}

fn check_edge(name: &str, dependency: &str) -> Option<String> {
    let ours = FLOORS.iter().any(|(other, _)| *other == dependency);
    if ours && name != "xtask" {
        let Some((_, allowed)) = FLOORS.iter().find(|(other, _)| *other == name) else {
            return Some(format!(
                "{name} stands on no floor; draw it in ARCHITECTURE.md and in xtask/src/tidy/floors.rs"
            ));
        };
        if !allowed.contains(&dependency) {
            return Some(format!("{name} may not use {dependency} (ARCHITECTURE.md)"));
        }
    }
    if NETLESS.contains(&name) && NETWORK.contains(&dependency) {
        return Some(format!("{name} knows no network, so it may not use {dependency}"));
    }
    let (_, keepers, why) = KEEPERS.iter().find(|(kept, ..)| kept.contains(&dependency))?;
    (!keepers.contains(&name)).then(|| format!("{name} may not use {dependency}: {why}"))
}

fn is_manifest(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
}

/// Programs beside the product: chores, and examples that measure.
fn is_tool(path: &str) -> bool {
    path.starts_with("xtask/") || path.contains("/examples/")
}

/// `crates/site/Cargo.toml` is the manifest of `site`.
fn crate_name(path: &str) -> &str {
    path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, dependencies: &str, expect: &[&str]) {
        let manifest = format!("[lints]\nworkspace = true\n[dependencies]\n{dependencies}");
        let faults = check_manifest(name, &manifest.parse().unwrap());
        assert_eq!(faults.len(), expect.len(), "{faults:?}");
        for (fault, part) in faults.iter().zip(expect) {
            assert!(fault.contains(part), "{fault} lacks {part}");
        }
    }

    #[test]
    fn edges() {
        check_one("site", "clock.workspace = true\nsqlx.workspace = true\n", &[]);
        check_one("dp", "site.workspace = true\n", &["dp may not use site"]);
        check_one("cim", "tokio.workspace = true\n", &["cim knows no network"]);
        check_one("provider", "sqlx.workspace = true\n", &["only the site writes SQL"]);
        check_one("console", "site.workspace = true\n", &["console stands on no floor"]);
        check_one("site", "serde = \"1\"\n", &["serde has its own version"]);
        check_one("xtask", "samples.workspace = true\ntoml.workspace = true\n", &[]);
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let manifest = "[lints]\nworkspace = true\n[dev-dependencies]\nsamples.workspace = true\n";
        assert!(check_manifest("content", &manifest.parse().unwrap()).is_empty());
        assert_eq!(check_manifest("content", &Table::new()).len(), 1, "lints are not inherited");
    }

    #[test]
    fn floors_have_no_way_up() {
        for (place, (name, allowed)) in FLOORS.iter().enumerate() {
            for below in *allowed {
                let lower = FLOORS[..place].iter().any(|(other, _)| other == below);
                assert!(lower, "{name} uses {below}, which does not stand below it");
            }
        }
    }
}
