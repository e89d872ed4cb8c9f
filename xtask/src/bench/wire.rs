//! Bytes on the wire for an update, against what careful people use: rsync, or a patch of every file by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use samples::{PackSpec, Step};

use super::Workshop;
use super::report::{Line, Report};
use super::rig::Rig;
use super::trees;
use crate::process::{command, output};

const KB: f64 = 1e3;
const PACK: PackSpec = PackSpec { seed: 61, drivers: 60, large_files: 1, large_file_bytes: 24 << 20 };
const STEPS: [Step; 4] = [Step::Fix, Step::Monthly, Step::Resign, Step::Full];

/// What people call a version, and the folder that holds it.
type Version = (String, PathBuf);

/// Every driver of the corpus that has several versions, and the generated steps.
pub(crate) fn updates(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let rig = Rig::start(workshop, "wire")?;
    let mut total = Sums::default();
    for (name, versions) in drivers_with_versions()? {
        total.add(series(workshop, &rig, report, &name, &versions)?);
    }
    if total.ours > 0 {
        total.report(report, "all updates of real drivers together");
    }
    let generated = generated_versions(workshop)?;
    series(workshop, &rig, report, "generated pack", &generated)?;
    Ok(())
}

/// Bytes of several updates.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    ours: u64,
    rsync: u64,
    patches: u64,
}

impl Sums {
    fn add(&mut self, other: Sums) {
        self.ours += other.ours;
        self.rsync += other.rsync;
        self.patches += other.patches;
    }

    fn report(self, report: &mut Report, what: &str) {
        let peers = [("`rsync -az`", self.rsync), ("sum of `zstd -19 --patch-from`", self.patches)];
        for (peer, theirs) in peers {
            report.add(Line {
                what: format!("update: {what}"),
                unit: "kB",
                ours: vec![self.ours as f64 / KB],
                peer: peer.to_owned(),
                theirs: vec![theirs as f64 / KB],
            });
        }
    }
}

/// One package through its versions.
fn series(
    workshop: &Workshop,
    rig: &Rig,
    report: &mut Report,
    name: &str,
    versions: &[Version],
) -> Result<Sums> {
    let source = workshop.folder().join(format!("source of {name}"));
    trees::copy(&versions[0].1, &source)?;
    let package = rig.distribute(name, &source)?;
    let mut total = Sums::default();
    for (number, pair) in versions.windows(2).enumerate() {
        let [(old_label, old), (label, new)] = pair else { continue };
        trees::update(&source, new)?;
        let sums = Sums {
            ours: rig.refresh(&package, number as u64 + 2)?,
            rsync: rsync(workshop, old, new)?,
            patches: patches(old, new)?,
        };
        sums.report(report, &format!("{name}, {old_label} to {label}"));
        total.add(sums);
    }
    std::fs::remove_dir_all(source)?;
    Ok(total)
}

/// What rsync would send: its own count, with the delta algorithm that it leaves out between local folders.
fn rsync(workshop: &Workshop, old: &Path, new: &Path) -> Result<u64> {
    let (from, to) = (workshop.folder().join("rsync from"), workshop.folder().join("rsync to"));
    trees::copy(old, &to)?;
    trees::copy(old, &from)?;
    trees::update(&from, new)?;
    let mut rsync = command("rsync");
    rsync.args(["-az", "--no-whole-file", "--delete", "--stats"]).arg(from.join("")).arg(to.join(""));
    let stats = output(rsync.env("LC_ALL", "C"))?;
    let count = |what: &str| -> Result<u64> {
        let line =
            stats.lines().find_map(|line| line.strip_prefix(what)).context("rsync counts its bytes")?;
        Ok(line.replace(',', "").trim().parse()?)
    };
    let bytes = count("Total bytes sent:")? + count("Total bytes received:")?;
    std::fs::remove_dir_all(from)?;
    std::fs::remove_dir_all(to)?;
    Ok(bytes)
}

/// Size of the best patch that zstd makes for each changed file, of the compressed file where there is none before.
fn patches(old: &Path, new: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in trees::changed(old, new)? {
        let mut zstd = command("zstd");
        zstd.args(["-19", "--long=27", "--quiet", "--stdout"]);
        if old.join(&path).is_file() {
            zstd.arg(format!("--patch-from={}", old.join(&path).display()));
        }
        let output = zstd.arg(new.join(&path)).output().context("cannot run zstd")?;
        anyhow::ensure!(output.status.success(), "zstd failed: {}", String::from_utf8_lossy(&output.stderr));
        bytes += output.stdout.len() as u64;
    }
    Ok(bytes)
}

/// Name, and folders of the versions in order, of the corpus's drivers that have several.
fn drivers_with_versions() -> Result<Vec<(String, Vec<Version>)>> {
    let corpus = std::env::var_os("HAULIER_CORPUS")
        .map_or_else(|| crate::root().join("../shared/corpus"), PathBuf::from)
        .join("packages");
    if !corpus.is_dir() {
        println!("NOT RUN: updates of real drivers: no driver corpus");
        return Ok(Vec::new());
    }
    let mut drivers = Vec::new();
    for (name, folder) in folders(&corpus)? {
        let mut versions = folders(&folder)?;
        versions.sort_by_key(|(label, _)| version_key(label));
        if versions.len() > 1 {
            drivers.push((name, versions));
        }
    }
    drivers.sort();
    Ok(drivers)
}

fn folders(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

/// `10.2.5.0` sorts by its numbers.
fn version_key(label: &str) -> Vec<u64> {
    label.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// A pack and each step from it on, one folder each.
fn generated_versions(workshop: &Workshop) -> Result<Vec<Version>> {
    let folder = workshop.folder().join("generated");
    let first = folder.join("0");
    samples::write_pack(&first, &PACK)?;
    let mut versions = vec![("first release".to_owned(), first)];
    for (number, step) in STEPS.into_iter().enumerate() {
        let next = folder.join((number + 1).to_string());
        trees::copy(&versions[number].1, &next)?;
        samples::apply_step(&next, PACK.seed, step)?;
        versions.push((format!("{step:?} release"), next));
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number() {
        let mut labels = vec!["10.2.5.0", "9.24.2.601", "10.2.4.0", "1"];
        labels.sort_by_key(|label| version_key(label));
        assert_eq!(labels, ["1", "9.24.2.601", "10.2.4.0", "10.2.5.0"]);
    }
}
