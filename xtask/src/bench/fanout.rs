//! One site and a hundred distribution points: what an update costs the site's wire and the machines' processors, with and
//! without pull sources, against nginx and curl that move the same bytes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clock::{Clock, SystemClock};
use samples::PackSpec;
use serde_json::Value;

use super::Workshop;
use super::gauge::timed;
use super::report::{Line, Report};
use super::rig::{Server, cpu_s};
use crate::process::{command, output};

const POINTS: usize = 100;
/// Those that the others pull from, where there are pull sources.
const SOURCES: usize = 2;
const MB: f64 = 1e6;
/// What is sent where the disk has room for it a hundred times, with as much again for what is under way.
const UPDATE_BYTES_MAX: u64 = 1 << 30;
/// Whatever is not done by then will not be.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often it is looked, as `sleep` takes it: looking takes processor time from what is measured.
const LOOK_INTERVAL_S: &str = "1";

/// The update goes to all from the site, then to two from the site and to the others from these.
pub(crate) fn all(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let bytes = update_bytes(workshop.folder())?;
    println!("an update of {:.0} MB to {POINTS} distribution points", bytes as f64 / MB);
    for (name, sources) in [("fanout", 0), ("fanout through sources", SOURCES)] {
        let fleet = Fleet::start(workshop, name, sources)?;
        fleet.update(report, bytes, sources)?;
        let folder = workshop.folder().join(name);
        drop(fleet);
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn update_bytes(folder: &Path) -> Result<u64> {
    let df = output(command("df").args(["--output=avail", "--block-size=1"]).arg(folder))?;
    let free: u64 = df.lines().last().unwrap_or_default().trim().parse().context("df counts bytes")?;
    Ok(UPDATE_BYTES_MAX.min(free / (POINTS as u64 * 3)))
}

struct Fleet<'w> {
    workshop: &'w Workshop,
    folder: std::path::PathBuf,
    points: Vec<(String, Server)>,
    site: Server,
}

impl<'w> Fleet<'w> {
    fn start(workshop: &'w Workshop, name: &str, sources: usize) -> Result<Self> {
        let folder = workshop.folder().join(name);
        let site = Server::site(workshop, &folder)?;
        let mut points = Vec::new();
        for number in 1..=POINTS {
            let name = format!("dp{number}.example.test");
            points.push((name.clone(), Server::point(workshop, &folder, &name, &site.url)?));
        }
        let fleet = Self { workshop, folder, points, site };
        let ranked: Vec<String> =
            fleet.points[..sources].iter().map(|(name, _)| format!("{name}=1")).collect();
        for (name, _) in fleet.points.iter().skip(sources).filter(|_| sources > 0) {
            let mut pull = vec!["dp", "pull", name.as_str()];
            pull.extend(ranked.iter().flat_map(|source| ["--source", source.as_str()]));
            fleet.haulier(&pull)?;
        }
        Ok(fleet)
    }

    /// A small package becomes a large one, and everybody gets it.
    fn update(&self, report: &mut Report, bytes: u64, sources: usize) -> Result<()> {
        let source = self.folder.join("source");
        std::fs::create_dir(&source)?;
        std::fs::write(source.join("pack.inf"), "[Version]")?;
        let path = source.to_str().context("the work folder has a UTF-8 name")?;
        let package = self.haulier(&["package", "create", "Fan-out", "--source", path])?.trim().to_owned();
        let names = self.points.iter().map(|(name, _)| name.as_str());
        self.haulier(&["package", "distribute", &package].into_iter().chain(names).collect::<Vec<_>>())?;
        self.wait_for(&package, 1)?;
        let large_file_bytes = usize::try_from(bytes / 8).context("a file fits in memory")?;
        let pack = PackSpec { seed: 63, drivers: 1, large_files: 8, large_file_bytes };
        let written = samples::write_pack(&source.join("pack"), &pack)?.bytes;
        let sent_before = self.site_bytes()?;
        let (site_before, points_before) = (self.site.cpu_s()?, self.points_cpu_s()?);
        let (seconds, ()) = timed(|| {
            self.haulier(&["package", "refresh", &package])?;
            self.wait_for(&package, 2)
        })?;
        let sent = self.site_bytes()? - sent_before;
        let point_cpu_s = (self.points_cpu_s()? - points_before) / POINTS as f64;
        let stored = self.stored_bytes()?;
        let takers = if sources > 0 { sources } else { POINTS };
        let how = if sources > 0 { format!("through {sources} sources") } else { "from the site".to_owned() };
        let what = |figure: &str| format!("{figure}, {:.0} MB to {POINTS} DPs {how}", written as f64 / MB);
        report.add(Line {
            what: what("bytes from the site"),
            unit: "MB",
            ours: vec![sent as f64 / MB],
            peer: format!("compressed content, {takers} times"),
            theirs: vec![stored as f64 * takers as f64 / MB],
        });
        let curl = Curl::measure(self.workshop, &source)?;
        report.add(Line {
            what: what("processor time of a DP: fetch, verify, unpack, store"),
            unit: "s",
            ours: vec![point_cpu_s],
            peer: "curl that fetches the same files from nginx".to_owned(),
            theirs: vec![curl.client_cpu_s],
        });
        report.add(Line {
            what: what("processor time of the site, for each DP, with the snapshot"),
            unit: "s",
            ours: vec![(self.site.cpu_s()? - site_before) / POINTS as f64],
            peer: "nginx, for each download".to_owned(),
            theirs: vec![curl.server_cpu_s],
        });
        println!("{seconds:.1} s from the refresh until the last had it");
        Ok(())
    }

    fn haulier(&self, arguments: &[&str]) -> Result<String> {
        self.site.command(&self.workshop.haulier, arguments)
    }

    fn wait_for(&self, package: &str, version: u64) -> Result<()> {
        let give_up = SystemClock.monotonic() + PATIENCE;
        loop {
            let states: Value = serde_json::from_str(&self.haulier(&["status", package, "--json"])?)?;
            let states = states.as_array().context("a list of states")?;
            let has = |state: &&Value| state["State"] == 0 && state["InstalledVersion"] == version;
            let done = states.iter().filter(has).count();
            if done == POINTS {
                return Ok(());
            }
            ensure!(SystemClock.monotonic() < give_up, "only {done} of {POINTS} reach version {version}");
            output(command("sleep").arg(LOOK_INTERVAL_S))?;
        }
    }

    /// What the site's own counter says that it sent of content.
    fn site_bytes(&self) -> Result<u64> {
        const COUNTER: &str = "haulier_site_sent_bytes_total{to=\"distribution_point\"} ";
        let url = format!("{}/metrics", self.site.url);
        let text = output(command("curl").args(["--silent", "--fail", "--noproxy", "*", &url]))?;
        let value = text.lines().find_map(|line| line.strip_prefix(COUNTER));
        value.and_then(|value| value.trim().parse().ok()).context("the site counts the bytes that it sends")
    }

    fn points_cpu_s(&self) -> Result<f64> {
        self.points.iter().map(|(_, point)| point.cpu_s()).sum()
    }

    /// What one distribution point with nothing at hand needs: all that the library has, one version being all.
    fn stored_bytes(&self) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.haulier(&["content", "stats", "--json"])?)?;
        stats["PackBytes"].as_u64().with_context(|| format!("the library tells its size: {stats}"))
    }
}

/// What the same files cost when curl fetches them from nginx and keeps them.
struct Curl {
    client_cpu_s: f64,
    server_cpu_s: f64,
}

impl Curl {
    const DOWNLOADS: usize = 10;

    fn measure(workshop: &Workshop, source: &Path) -> Result<Self> {
        let nginx = super::serve::Nginx::start(workshop, source)?;
        let own = std::process::id();
        let (server_before, client_before) = (nginx.cpu_s()?, cpu_s(own)?);
        for number in 0..Self::DOWNLOADS {
            let folder = workshop.folder().join(format!("curl {number}"));
            std::fs::create_dir(&folder)?;
            for file in super::trees::files(source)?.into_keys() {
                let url = format!("{}/{}", nginx.url, file.to_string_lossy().replace(' ', "%20"));
                let mut curl = command("curl");
                curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--remote-name", &url]);
                output(curl.current_dir(&folder))?;
            }
            std::fs::remove_dir_all(folder)?;
        }
        let each = |seconds: f64| seconds / Self::DOWNLOADS as f64;
        Ok(Self {
            client_cpu_s: each(cpu_s(own)? - client_before),
            server_cpu_s: each(nginx.cpu_s()? - server_before),
        })
    }
}
