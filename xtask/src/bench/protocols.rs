//! The same questions over WS-Management and CIM-XML against the AdminService: what a protocol costs, on one filled site.

use anyhow::{Context, Result, ensure};

use super::Workshop;
use super::queries::{DRIVERS, LIMIT_BYTES, filled};
use super::report::{Line, Report};
use super::rig::Rig;
use crate::process::{command, output};

const MB: f64 = 1e6;
/// Single instances read, and methods called, in one run over one connection.
const CALLS: usize = 2_000;
const REPETITIONS: usize = 5;
/// Lists of everything take long.
const LIST_REPETITIONS: usize = 3;
/// Plain HTTP from the standard library, so that no client's own parsing is measured.
const CLIENT: &str = include_str!("protocols.py");

/// What one run of the client printed.
struct Run {
    seconds: f64,
    count: usize,
    bytes: f64,
}

/// Keyed gets, calls of a method and a list of everything, over each protocol.
pub(crate) fn all(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let rig = filled(workshop)?;
    for (what, how) in [("get", "drivers read by key"), ("invoke", "calls of a static method")] {
        for protocol in ["wsman", "cimxml"] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..REPETITIONS {
                ours.push(CALLS as f64 / ask(&rig, what, protocol)?.seconds);
                theirs.push(CALLS as f64 / ask(&rig, what, "rest")?.seconds);
            }
            let what = format!("{how} over {protocol}, one connection");
            report.add(Line { what, unit: "/s", ours, peer: "the AdminService".to_owned(), theirs });
        }
    }
    for protocol in ["wsman", "cimxml", "cimxml-pull"] {
        list(&rig, protocol, report)?;
    }
    Ok(())
}

/// All drivers with every property: the time against the AdminService's, and the site's memory.
fn list(rig: &Rig, protocol: &str, report: &mut Report) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    rig.forget_memory_peak()?;
    for _ in 0..LIST_REPETITIONS {
        let run = ask(rig, "list", protocol)?;
        ensure!(run.count == DRIVERS, "{protocol} listed {} drivers of {DRIVERS}", run.count);
        println!("a list over {protocol} has {:.1} MB", run.bytes / MB);
        ours.push(run.seconds);
    }
    let (peak, _) = rig.memory_peaks()?;
    for _ in 0..LIST_REPETITIONS {
        theirs.push(ask(rig, "list", "rest")?.seconds);
    }
    let what = format!("all {DRIVERS} drivers, every property, over {protocol}");
    report.add(Line { what, unit: "s", ours, peer: "the AdminService".to_owned(), theirs });
    report.add(Line {
        what: format!("peak memory of the site meanwhile, {protocol}"),
        unit: "MB",
        ours: vec![peak as f64 / MB],
        peer: "limit".to_owned(),
        theirs: vec![LIMIT_BYTES / MB],
    });
    Ok(())
}

fn ask(rig: &Rig, what: &str, protocol: &str) -> Result<Run> {
    let mut python = command("python3");
    python.args([
        "-c",
        CLIENT,
        &rig.site_address()?.to_string(),
        &rig.credentials(),
        "root/sms/site_PS1",
        what,
        protocol,
    ]);
    let printed = output(python.arg(CALLS.to_string()))?;
    let mut words = printed.split_whitespace();
    let mut next = || words.next().with_context(|| format!("python3 printed {printed}"));
    Ok(Run { seconds: next()?.parse()?, count: next()?.parse()?, bytes: next()?.parse()? })
}
