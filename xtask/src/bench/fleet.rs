//! Ten thousand distribution points on one site: what they cost while nothing happens, and how long it takes until each of
//! them knows of a refresh. One real site, over loopback without TLS and then as a network sees it, with TLS and a certificate
//! of each; one program that holds all their requests, with the client that a distribution point has.

use std::collections::BTreeMap;
use std::path::Path;

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
    for is_secure in [false, true] {
        measure(workshop, &data, &package, is_secure)?.report(report, is_secure)?;
    }
    Ok(())
}

/// Runs the site, and the fleet against it.
fn measure(workshop: &Workshop, data: &Path, package: &str, is_secure: bool) -> Result<Figures> {
    let mut run = command(&workshop.haulier);
    // At an address of this machine alone there is no TLS.
    let listen = if is_secure { "0.0.0.0:0" } else { "127.0.0.1:0" };
    let mut site = Server::start(run.args(["site", "run", "--listen", listen, "--data"]).arg(data))?;
    site.url = site.url.replace("0.0.0.0", "127.0.0.1");
    let authority = data.join("authority.pem");
    let mut print = command(&workshop.haulier);
    std::fs::write(&authority, output(print.args(["site", "ca", "--data"]).arg(data))?)?;
    let mut fleet = command(&workshop.fleet);
    fleet.arg("measure").arg(data).arg(&site.url).arg(site.pid().to_string());
    fleet.arg(&workshop.haulier).args(["package", "refresh", package]);
    site.let_administer(&mut fleet);
    let figures = Figures::read(&output(fleet.env("HAULIER_CA", &authority))?)?;
    ensure!(figures.one("fleet")? == POINTS as f64, "not everybody waited");
    Ok(figures)
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

    fn report(&self, report: &mut Report, is_secure: bool) -> Result<()> {
        let how = if is_secure { ", TLS" } else { "" };
        let mut limited = |what: String, unit, ours, limit| {
            report.add(Line { what, unit, ours, peer: "limit".to_owned(), theirs: vec![limit] });
        };
        let (before, held) = (self.one("memory_bytes_before")?, self.one("memory_bytes")?);
        println!("a request that waits takes {:.1} KiB", (held - before) / POINTS as f64 / 1024.0);
        limited(
            format!("memory of a site with {POINTS} waiting DPs{how}"),
            "MB",
            vec![held / MB],
            LIMIT_BYTES / MB,
        );
        let after: Vec<f64> = self.column("refresh", 3)?.into_iter().map(|bytes| bytes / MB).collect();
        println!("after each refresh it is {after:.0?} MB");
        limited(format!("the same after refreshes{how}"), "MB", after, LIMIT_BYTES / MB);
        let idle = self.column("idle_cores", 0)?;
        limited(format!("cores in use while {POINTS} DPs wait{how}"), "cores", idle, IDLE_CORES_MAX);
        for (what, at) in [("first", 0), ("last", 1)] {
            let what = format!("from the refresh until the {what} of {POINTS} DPs knows{how}");
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
