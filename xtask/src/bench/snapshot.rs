//! How fast a source becomes a version: a new one, and one that has not changed.

use std::path::Path;

use anyhow::{Context, Result};
use samples::PackSpec;
use serde_json::Value;

use super::Workshop;
use super::gauge::timed_script;
use super::report::{Line, Report};
use super::rig::Rig;
use crate::process::{command, output};

const REPETITIONS: usize = 5;
const SMALL_FILES: usize = 20_000;
const MB: f64 = 1e6;
const PACK: PackSpec = PackSpec { seed: 60, drivers: 120, large_files: 6, large_file_bytes: 48 << 20 };

/// A new source: hash, cut, compress and store everything, against reading or copying it.
pub(crate) fn first(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let source = workshop.folder().join("new source");
    let stats = samples::write_pack(&source, &PACK)?;
    let speed = |seconds: f64| stats.bytes as f64 / MB / seconds;
    let (mut ours, mut sha256sum, mut cp) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        let library = workshop.folder().join(format!("library {repetition}"));
        ours.push(speed(snapshot(workshop, &library, &source, None)?.0));
        std::fs::remove_dir_all(library)?;
        sha256sum.push(speed(timed_script("find \"$1\" -type f -print0 | xargs -0 sha256sum", &[&source])?));
        let copy = workshop.folder().join("copy");
        cp.push(speed(timed_script("cp -r \"$1\" \"$2\"", &[&source, &copy])?));
        std::fs::remove_dir_all(copy)?;
    }
    let what = format!("snapshot of a new source, {} files, {:.0} MB", stats.files, stats.bytes as f64 / MB);
    for (peer, theirs) in [("`sha256sum`", sha256sum), ("`cp -r`", cp)] {
        report.add(Line {
            what: what.clone(),
            unit: "MB/s",
            ours: ours.clone(),
            peer: peer.to_owned(),
            theirs,
        });
    }
    Ok(())
}

/// An unchanged source of many files: nothing is read again, against a walk that looks at every file.
pub(crate) fn unchanged(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let source = workshop.folder().join("many files");
    samples::write_many_small(&source, SMALL_FILES)?;
    let library = workshop.folder().join("library of many");
    let (_, manifest) = snapshot(workshop, &library, &source, None)?;
    // What was written a moment ago counts as possibly changing; the second snapshot reads it once more.
    snapshot(workshop, &library, &source, Some(&manifest))?;
    let rig = Rig::start(workshop, "unchanged")?;
    let package = rig.distribute("Many files", &source)?;
    let (mut ours, mut whole, mut find) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        ours.push(snapshot(workshop, &library, &source, Some(&manifest))?.0);
        find.push(timed_script("find \"$1\" -printf '%s %T@\\n'", &[&source])?);
        let version = repetition as u64 + 2;
        whole.push(super::gauge::timed(|| rig.refresh(&package, version))?.0);
    }
    let of = format!("of an unchanged source of {SMALL_FILES} files");
    for (what, ours) in [
        (format!("snapshot {of}"), ours),
        (format!("refresh {of}, from the command until the DP serves it"), whole),
    ] {
        let peer = "`find -printf '%s %T@'`".to_owned();
        report.add(Line { what, unit: "s", ours, peer, theirs: find.clone() });
    }
    Ok(())
}

/// Seconds, and the manifest.
fn snapshot(
    workshop: &Workshop,
    library: &Path,
    source: &Path,
    previous: Option<&str>,
) -> Result<(f64, String)> {
    let mut snapshot = command(&workshop.snapshot);
    let figures: Value = serde_json::from_str(&output(snapshot.arg(library).arg(source).args(previous))?)?;
    let seconds = figures["seconds"].as_f64().context("the example prints its seconds")?;
    let manifest = figures["manifest"].as_str().context("the example prints its manifest")?;
    Ok((seconds, manifest.to_owned()))
}
