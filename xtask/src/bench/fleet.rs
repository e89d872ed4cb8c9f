//! Ten thousand distribution points on one site: what they cost while nothing happens, and how long it takes until each of
//! them knows of a refresh. One real site over loopback without TLS; one program that holds all their requests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::Workshop;
use super::report::{Line, Report};
use super::rig::{self, Server};
use crate::process::{command, output};

const MB: f64 = 1e6;
const POINTS: usize = 10_000;
/// What the project promises.
const LIMIT_BYTES: f64 = 500.0 * MB;
/// One core is left alone for the most part.
const IDLE_CORES_MAX: f64 = 0.25;
/// Everybody knows within this, in seconds.
const KNOWN_S_MAX: f64 = 10.0;

/// Holds the fleet's requests and refreshes its package.
pub(crate) fn ten_thousand(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let folder = workshop.folder().join("fleet");
    let (data, source) = (folder.join("ps1"), folder.join("source"));
    std::fs::create_dir_all(&source)?;
    std::fs::write(source.join("driver.inf"), "[Version]\r\n")?;
    rig::make_site(workshop, &folder, &data)?;
    // One address asks for all of them.
    std::fs::write(
        data.join("haulier.toml"),
        format!("[limits]\nconnections_per_address = {}\n", 2 * POINTS),
    )?;
    let mut prepare = command(&workshop.fleet);
    prepare.arg("prepare").arg(&data).arg(POINTS.to_string()).arg(&source);
    println!("making {POINTS} distribution points");
    let package = output(&mut prepare)?.trim().to_owned();
    let mut run = command(&workshop.haulier);
    let site = Server::start(run.args(["site", "run", "--listen", "127.0.0.1:0", "--data"]).arg(&data))?;
    let mut measure = command(&workshop.fleet);
    measure.arg("measure").arg(&data).arg(site.address()?.to_string()).arg(site.pid().to_string());
    measure.arg(&workshop.haulier).args(["package", "refresh", &package]);
    site.let_administer(&mut measure);
    let figures = Figures::read(&output(&mut measure)?)?;
    ensure!(figures.one("fleet")? == POINTS as f64, "not everybody waited");
    figures.report(report)
}

/// What the program printed: names, each with figures, some more than once.
struct Figures(BTreeMap<String, Vec<Vec<f64>>>);

impl Figures {
    fn read(printed: &str) -> Result<Self> {
        let mut all: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
        for line in printed.lines() {
            let mut words = line.split_whitespace();
            // Beside figures there is what the refreshes print.
            let (Some(name), Ok(figures)) = (words.next(), words.map(str::parse).collect()) else { continue };
            all.entry(name.to_owned()).or_default().push(figures);
        }
        Ok(Self(all))
    }

    fn column(&self, name: &str, at: usize) -> Result<Vec<f64>> {
        let rows = self.0.get(name).with_context(|| format!("there is no figure {name}"))?;
        rows.iter().map(|row| row.get(at).copied().with_context(|| format!("{name} is short"))).collect()
    }

    fn one(&self, name: &str) -> Result<f64> {
        Ok(self.column(name, 0)?[0])
    }

    fn report(&self, report: &mut Report) -> Result<()> {
        let mut limited = |what: String, unit, ours, limit| {
            report.add(Line { what, unit, ours, peer: "limit".to_owned(), theirs: vec![limit] });
        };
        let (before, held) = (self.one("memory_bytes_before")?, self.one("memory_bytes")?);
        println!("a request that waits takes {:.1} KiB", (held - before) / POINTS as f64 / 1024.0);
        limited(
            format!("memory of a site with {POINTS} waiting DPs"),
            "MB",
            vec![held / MB],
            LIMIT_BYTES / MB,
        );
        let after: Vec<f64> = self.column("refresh", 3)?.into_iter().map(|bytes| bytes / MB).collect();
        println!("after each refresh it is {after:.0?} MB");
        limited("the same after refreshes".to_owned(), "MB", after, LIMIT_BYTES / MB);
        let idle = self.column("idle_cores", 0)?;
        limited(format!("cores in use while {POINTS} DPs wait"), "cores", idle, IDLE_CORES_MAX);
        for (what, at) in [("first", 0), ("last", 1)] {
            let what = format!("from the refresh until the {what} of {POINTS} DPs knows");
            limited(what, "s", self.column("refresh", at)?, KNOWN_S_MAX);
        }
        let spent = self.column("refresh", 2)?;
        println!("a refresh takes {spent:.2?} s of processor time of the site");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_beside_what_others_print() {
        let figures =
            Figures::read("fleet 3\nPS100001 is refreshed\nrefresh 1.5 2 0 7\nrefresh 2 3.5 0 8\n\n")
                .unwrap();
        assert_eq!(figures.one("fleet").unwrap().to_bits(), 3f64.to_bits());
        assert_eq!(figures.column("refresh", 1).unwrap(), [2.0, 3.5]);
        assert!(figures.column("refresh", 4).is_err());
        assert!(figures.one("memory_bytes").is_err());
    }
}
