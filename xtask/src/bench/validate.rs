//! What a validation costs those who download meanwhile: the same downloads with and without one, from the disk and from memory.

use std::fs;

use anyhow::{Context, Result, ensure};
use samples::PackSpec;
use serde_json::Value;

use super::Workshop;
use super::report::{Line, Report};
use super::rig::Rig;
use super::serve::download;

const REPETITIONS: usize = 5;
const MB: f64 = 1e6;
/// A `State` of SMS_PackageStatusDistPointsSummarizer: it reads everything anew.
const VERIFYING: u64 = 8;
const SERVED: PackSpec = PackSpec { seed: 62, drivers: 1, large_files: 1, large_file_bytes: 512 << 20 };
/// Enough that its validation outlasts all downloads.
const VALIDATED: PackSpec = PackSpec { seed: 64, drivers: 1, large_files: 8, large_file_bytes: 512 << 20 };
const FILE: &str = "Large Images/image00.img";
const URL_PATH: &str = "Large%20Images/image00.img";

/// One package is downloaded while another is read anew.
pub(crate) fn cost(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let (served, validated) = (workshop.folder().join("served"), workshop.folder().join("validated"));
    samples::write_pack(&served, &SERVED)?;
    samples::write_pack(&validated, &VALIDATED)?;
    let rig = Rig::start(workshop, "validate")?;
    let package = rig.distribute("Served", &served)?;
    let read_anew = rig.distribute("Validated", &validated)?;
    let url = rig.content_url(&package, URL_PATH);
    let bytes = fs::metadata(served.join(FILE))?.len();
    for is_cold in [true, false] {
        let once = || {
            if is_cold {
                forget_files()?;
            }
            download(&url, 1, bytes)
        };
        once()?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            without.push(once()?);
        }
        let point = super::rig::POINT;
        rig.haulier(&["dp", "validate", point, "--package", &read_anew])?;
        rig.wait_for_state(&read_anew, VERIFYING)?;
        for _ in 0..REPETITIONS {
            with.push(once()?);
        }
        let states: Value = serde_json::from_str(&rig.haulier(&["status", &read_anew, "--json"])?)?;
        let state = states[0]["State"].as_u64().context("it has a state")?;
        ensure!(state == VERIFYING, "the validation was over before the downloads were");
        let from = if is_cold { "the disk" } else { "memory" };
        report.add(Line {
            what: format!("DP serves a file of {:.0} MB from {from} while it validates", bytes as f64 / MB),
            unit: "MB/s",
            ours: with,
            peer: "the same while it does not".to_owned(),
            theirs: without,
        });
        rig.wait_for_state(&read_anew, 0)?;
    }
    Ok(())
}

/// So that the next reader needs the disk.
fn forget_files() -> Result<()> {
    crate::process::output(&mut crate::process::command("sync"))?;
    fs::write("/proc/sys/vm/drop_caches", "3").context("forgetting what is in memory needs root")
}
