//! `cargo xtask soak`: what finds more the longer it runs, with other cases every time: the property tests, then the
//! simulated site, then sites that tell each other their rows, then the kill test.

use anyhow::{Context, Result};
use clock::{Clock, SystemClock};

use crate::machine;
use crate::postgres::Cluster;
use crate::process::{cargo, succeeds};

/// Enough for about half an hour.
const KILLS_DEFAULT: u64 = 2_000;

/// Cases of each property test; `cargo xtask test` runs 256, always the same.
const PROPERTY_CASES: u64 = 20_000;

/// Seeds of the simulated site, with few distribution points and with thousands.
const SIMULATIONS: [(u64, usize); 2] = [(1_000, 6), (3, 3_000)];

/// Seeds of a hierarchy whose messages get lost, come twice and late.
const CONVERGENCES: u64 = 300;

/// The crates with property tests in programs beside their own tests.
const WITH_PROGRAMS: [&str; 4] = ["cim", "content", "driver", "negotiate"];
/// Those with property tests only among their own; the programs beside them drive other people's clients.
const WITHOUT_PROGRAMS: [&str; 7] = ["adminservice", "cimxml", "signin", "site", "trust", "wsman", "xml"];

/// Draws new cases, lives new seeds, then kills processes so many times; whether every property held, nothing was lost and no byte was
/// wrong.
pub(crate) fn run(kills: Option<&str>) -> Result<bool> {
    let kills: u64 = kills.map_or(Ok(KILLS_DEFAULT), str::parse).context("how many kills? give a number")?;
    let seed = SystemClock.now().as_second();
    // For the crates whose tests run on both databases.
    let cluster = Cluster::start()?;
    if !properties(&cluster)? || !simulations(seed)? || !convergences(&cluster, seed)? {
        return Ok(false);
    }
    println!("{kills} kills in the order of HAULIER_SEED={seed}");
    let mut test = cargo(&["test", "--package", "haulier", "--test", "kill", "--", "--nocapture"]);
    succeeds(test.env("HAULIER_KILLS", kills.to_string()).env("HAULIER_SEED", seed.to_string()))
}

/// All tests of the programs that have property tests: only those draw more cases.
fn properties(cluster: &Cluster) -> Result<bool> {
    println!("{PROPERTY_CASES} cases of each property test");
    // Those that install whole packages would wait for a disk for an hour.
    let folder = tempfile::tempdir_in(machine::fast_folder())?;
    for (packages, target) in [(&WITH_PROGRAMS[..], "--tests"), (&WITHOUT_PROGRAMS[..], "--lib")] {
        let mut test = cargo(&["test", "--release", "--no-fail-fast", target]);
        for name in packages {
            test.args(["--package", name]);
        }
        test.env("PROPTEST_CASES", PROPERTY_CASES.to_string()).env("TMPDIR", folder.path());
        if !succeeds(test.env("HAULIER_TEST_POSTGRES", cluster.url()))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Weeks of a site on a simulated clock, from a seed on.
fn simulations(first: i64) -> Result<bool> {
    for (seeds, points) in SIMULATIONS {
        println!("{seeds} seeds of a simulated site with {points} distribution points, from {first} on");
        let mut test =
            cargo(&["test", "--release", "--package", "site", "--test", "simulation", "--", "--nocapture"]);
        test.env("HAULIER_SIMULATION_SEED", first.to_string())
            .env("HAULIER_SIMULATION_SEEDS", seeds.to_string());
        if !succeeds(test.env("HAULIER_SIMULATION_POINTS", points.to_string()))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sites that come to the same truth, from a seed on.
fn convergences(cluster: &Cluster, first: i64) -> Result<bool> {
    println!("{CONVERGENCES} seeds of a hierarchy of sites, from {first} on");
    let mut test = cargo(&["test", "--release", "--package", "site", "--lib", "whatever_the_seed"]);
    test.env("HAULIER_CONVERGENCE_SEED", first.to_string()).env("HAULIER_TEST_POSTGRES", cluster.url());
    succeeds(test.env("HAULIER_CONVERGENCE_SEEDS", CONVERGENCES.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_with_property_tests_is_soaked() {
        let mut soaked: Vec<_> =
            WITH_PROGRAMS.iter().chain(&WITHOUT_PROGRAMS).map(|&name| name.to_owned()).collect();
        soaked.sort_unstable();
        let mut declared = Vec::new();
        for entry in std::fs::read_dir(crate::root().join("crates")).unwrap() {
            let folder = entry.unwrap().path();
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            if manifest.lines().any(|line| line.starts_with("proptest")) {
                declared.push(folder.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
        declared.sort_unstable();
        assert_eq!(soaked, declared);
    }
}
