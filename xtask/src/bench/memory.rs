//! The most memory that site and distribution point take for a package of 4 GB, new and updated.

use anyhow::Result;
use samples::{PackSpec, Step};

use super::Workshop;
use super::report::{Line, Report};
use super::rig::Rig;

const MB: f64 = 1e6;
/// What the project promises.
const LIMIT_BYTES: f64 = 300.0 * MB;
const PACK: PackSpec = PackSpec { seed: 63, drivers: 200, large_files: 40, large_file_bytes: 96 << 20 };

/// Distributes the package, changes it, refreshes it; then looks at the peaks.
pub(crate) fn large_package(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let source = workshop.folder().join("large package");
    let stats = samples::write_pack(&source, &PACK)?;
    let rig = Rig::start(workshop, "memory")?;
    let package = rig.distribute("Large package", &source)?;
    let first = rig.memory_peaks()?;
    samples::apply_step(&source, PACK.seed, Step::Full)?;
    rig.refresh(&package, 2)?;
    let second = rig.memory_peaks()?;
    let gigabytes = stats.bytes as f64 / 1e9;
    for (what, (site, point)) in [("first version", first), ("full update", second)] {
        for (who, peak) in [("site", site), ("DP", point)] {
            report.add(Line {
                what: format!("peak memory of the {who}, package of {gigabytes:.1} GB, {what}"),
                unit: "MB",
                ours: vec![peak as f64 / MB],
                peer: "limit".to_owned(),
                theirs: vec![LIMIT_BYTES / MB],
            });
        }
    }
    Ok(())
}
