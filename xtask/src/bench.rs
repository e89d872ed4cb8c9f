//! `cargo xtask bench`: Haulier against what people would use instead, on the same machine, in one run.
//!
//! Absolute figures of one machine mean little; each line is a ratio, each side is run in turn with the other, and
//! the median counts. The table goes to the terminal and to `bench/results/`.

mod drivers;
mod fanout;
mod fleet;
mod gauge;
mod memory;
mod protocols;
mod proxy;
mod queries;
mod report;
mod rig;
mod serve;
mod snapshot;
mod trees;
mod validate;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::machine;
use crate::process::{cargo, succeeds};
use report::Report;

/// Where the benches work; git does not look there.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
    haulier: PathBuf,
    snapshot: PathBuf,
    infs: PathBuf,
    fleet: PathBuf,
}

impl Workshop {
    /// The folder of all data, on the repository's file system.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

type Bench = (&'static str, fn(&Workshop, &mut Report) -> Result<()>);

const BENCHES: [Bench; 13] = [
    ("snapshot", snapshot::first),
    ("unchanged", snapshot::unchanged),
    ("wire", wire::updates),
    ("serve", serve::large_file),
    ("validate", validate::cost),
    ("memory", memory::large_package),
    ("infs", drivers::infs),
    ("import", drivers::import),
    ("many", drivers::many),
    ("queries", queries::all),
    ("protocols", protocols::all),
    ("fanout", fanout::all),
    ("fleet", fleet::ten_thousand),
];

/// Runs the named benches, or all of them.
pub(crate) fn run(names: &[&str]) -> Result<bool> {
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        bail!("there is no bench {unknown}; there are {}", known.join(", "));
    }
    for (program, package) in
        [("rsync", "rsync"), ("zstd", "zstd"), ("nginx", "nginx-light"), ("curl", "curl")]
    {
        machine::need(program, package)?;
    }
    let workshop = workshop()?;
    let mut report = Report::new()?;
    for (name, bench) in BENCHES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        println!("== {name}");
        bench(&workshop, &mut report)?;
    }
    report.finish(names.is_empty())?;
    Ok(true)
}

fn workshop() -> Result<Workshop> {
    let root = crate::root();
    let work = root.join("bench/work");
    std::fs::create_dir_all(&work)?;
    let folder = tempfile::tempdir_in(work)?;
    // To measure an older build, or not to wait for a new one.
    if let Some(built) = std::env::var_os("HAULIER_BENCH_PROGRAMS").map(PathBuf::from) {
        println!("Measuring the programs in {}", built.display());
        return Ok(Workshop {
            folder,
            haulier: built.join("haulier"),
            snapshot: built.join("snapshot"),
            infs: built.join("infs"),
            fleet: built.join("fleet"),
        });
    }
    println!("Building what is measured, optimized");
    let built = succeeds(&mut cargo(&["build", "--release", "--package", "haulier"]))?
        && succeeds(&mut cargo(&["build", "--release", "--package", "content", "--example", "snapshot"]))?
        && succeeds(&mut cargo(&["build", "--release", "--package", "driver", "--example", "infs"]))?
        && succeeds(&mut cargo(&["build", "--release", "--package", "agentservice", "--example", "fleet"]))?;
    if !built {
        bail!("the build failed; its messages are above");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let release = target.join("release");
    Ok(Workshop {
        folder,
        haulier: release.join("haulier"),
        snapshot: release.join("examples/snapshot"),
        infs: release.join("examples/infs"),
        fleet: release.join("examples/fleet"),
    })
}
