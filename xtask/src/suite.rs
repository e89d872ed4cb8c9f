//! `cargo xtask test`: every check, in the order in which it is cheapest to fail, and a summary that says what ran.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use clock::Clock;

use crate::lanes;
use crate::machine;
use crate::postgres::Cluster;
use crate::process::{cargo, succeeds};
use crate::summary::{Results, spoken};
use crate::tidy;

struct Step {
    name: &'static str,
    passed: bool,
    took: Duration,
}

/// Runs everything; whether all of it held.
pub(crate) fn run() -> Result<bool> {
    let mut steps = Vec::new();
    let mut results = Results::default();
    // What cannot be had fails as a step of its own; the checks that do not need it still run.
    let mut cluster = None;
    step(&mut steps, "PostgreSQL", || {
        let started = cluster.insert(Cluster::start()?);
        println!("A throw-away PostgreSQL cluster runs at {}", started.url());
        Ok(true)
    });
    let mut clients = Clients::default();
    step(&mut steps, "clients", || clients.install().map(|()| true));
    // The second opinion on signed catalogs.
    step(&mut steps, "osslsigncode", || machine::need("osslsigncode", "osslsigncode").map(|_| true));
    step(&mut steps, "format", || succeeds(&mut cargo(&["fmt", "--all", "--", "--check"])));
    step(&mut steps, "house rules", tidy::run);
    dependencies(&mut steps, &mut results);
    step(&mut steps, "lints", || {
        succeeds(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    step(&mut steps, "build", || succeeds(&mut cargo(&["build", "--workspace", "--bins", "--tests"])));
    step(&mut steps, "tests", || tests(cluster.as_ref(), &clients, &mut results));
    results.take("NOT RUN: Kerberos beside a real realm: `cargo xtask kerberos` does, with a library in C and minutes more");
    step(&mut steps, "documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
        succeeds(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    drop(cluster);
    summarize(&steps, &results);
    Ok(steps.iter().all(|step| step.passed) && results.failed == 0)
}

fn step(steps: &mut Vec<Step>, name: &'static str, run: impl FnOnce() -> Result<bool>) {
    println!("\n== {name}");
    let clock = clock::SystemClock;
    let start = clock.monotonic();
    let passed = run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        false
    });
    steps.push(Step { name, passed, took: clock.monotonic() - start });
}

/// The policy of deny.toml; tidy holds its most important part without the tool.
fn dependencies(steps: &mut Vec<Step>, results: &mut Results) {
    if machine::find("cargo-deny").is_none() {
        results.take("NOT RUN: licenses and sources of dependencies: cargo-deny is not installed");
        return;
    }
    step(steps, "dependencies", || succeeds(&mut cargo(&["deny", "check", "bans", "licenses", "sources"])));
}

/// The third-party clients that the tests drive, as far as the machine could be given them.
#[derive(Default)]
struct Clients {
    /// A Python interpreter.
    python: Option<PathBuf>,
    /// A folder with Node.js packages.
    node: Option<PathBuf>,
    /// A newer Python, with wsmanio.
    wsmanio: Option<PathBuf>,
}

/// A program of each client and of each tool of the fault tests that Debian has, and its package.
const DEBIAN_CLIENTS: [(&str, &str); 11] = [
    ("curl", "curl"),
    ("wslid", "wsl"),
    ("xmllint", "libxml2-utils"),
    ("uuidgen", "uuid-runtime"),
    ("wbemcli", "sblim-wbemcli"),
    // What bad machines and networks are made of.
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nbdkit", "nbdkit"),
    ("nbdfuse", "libnbd-bin"),
    ("fusermount3", "fuse3"),
    ("faketime", "faketime"),
];
/// What wsmanio runs on. Debian 12 has an older one; where pyenv has none either, the test says that it was not run.
const WSMANIO_PYTHON: u32 = 12;

impl Clients {
    fn install(&mut self) -> Result<()> {
        let (declared, target) =
            (crate::root().join("crates/adminservice/tests/clients"), crate::root().join("target/clients"));
        for (program, package) in DEBIAN_CLIENTS {
            machine::need(program, package)?;
        }
        let python = crate::root().join("xtask/clients/python.txt");
        let system = machine::need("python3", "python3")?;
        self.python = Some(machine::python_with(&system, &python, &target)?);
        if let Some(newer) = machine::python_since(WSMANIO_PYTHON) {
            let wsmanio = crate::root().join("xtask/clients/wsmanio.txt");
            let venv = target.with_file_name("clients-wsmanio");
            self.wsmanio = Some(machine::python_with(&newer, &wsmanio, &venv)?);
        }
        // Beside the Python environment, which is made anew as a whole.
        self.node = Some(machine::node_with(&declared, &target.with_file_name("clients-node"))?);
        Ok(())
    }
}

/// The same cases in every run: what a commit did not break must not turn it red. `cargo xtask soak` draws others.
const PROPERTY_SEED: &str = "20261122";

fn tests(cluster: Option<&Cluster>, clients: &Clients, results: &mut Results) -> Result<bool> {
    let dress = |program: &mut Command| {
        program.env("PROPTEST_RNG_SEED", PROPERTY_SEED);
        if let Some(cluster) = cluster {
            program.env("HAULIER_TEST_POSTGRES", cluster.url());
        }
        for (variable, found) in
            [("PYTHON", &clients.python), ("NODE", &clients.node), ("WSMANIO", &clients.wsmanio)]
        {
            if let Some(path) = found {
                program.env(format!("HAULIER_TEST_{variable}"), path);
            }
        }
    };
    lanes::run(&["--workspace"], dress, |line| {
        if results.take(line) {
            println!("{line}");
        }
    })
}

fn summarize(steps: &[Step], results: &Results) {
    println!("\n== summary");
    for step in steps {
        let outcome = if step.passed { "passed" } else { "FAILED" };
        println!("{outcome}  {:14} {}", step.name, spoken(step.took));
    }
    for line in &results.not_run {
        println!("{line}");
    }
    println!("{} passed, {} failed", results.passed, results.failed);
}
