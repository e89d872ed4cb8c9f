//! A site and a distribution point as an administrator runs them, with the counting relay in between.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clock::{Clock, SystemClock};
use serde_json::Value;

use super::Workshop;
use super::proxy::Proxy;
use crate::process::{command, output};

const PASSWORD: &str = "bench only, on loopback";
pub(super) const POINT: &str = "dp1.example.test";
/// Whatever is not done by then will not be.
const PATIENCE: Duration = Duration::from_secs(900);

/// Running processes; dropping it ends them.
pub(crate) struct Rig {
    haulier: PathBuf,
    // First, so that it ends first and does not complain of a lost site.
    point: Server,
    site: Server,
    proxy: Proxy,
}

/// A running process that listens; dropping it ends it.
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
}

/// Makes the site PS1 with its data in `data`, below `folder`.
pub(crate) fn make_site(workshop: &Workshop, folder: &Path, data: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let password = folder.join("password");
    std::fs::write(&password, format!("{PASSWORD}\n"))?;
    let mut init = command(&workshop.haulier);
    init.args(["site", "init", "--site-code", "PS1", "--data"]).arg(data);
    output(init.arg("--password-file").arg(&password))?;
    Ok(())
}

impl Rig {
    /// Makes a site and a distribution point with their data in a new folder `name`.
    pub(crate) fn start(workshop: &Workshop, name: &str) -> Result<Rig> {
        let folder = workshop.folder().join(name);
        let site = Server::site(workshop, &folder)?;
        let proxy = Proxy::start(site.address()?)?;
        let point = Server::point(workshop, &folder, POINT, &proxy.url())?;
        Ok(Rig { haulier: workshop.haulier.clone(), point, site, proxy })
    }

    /// Runs an administrator's command; what it prints.
    pub(crate) fn haulier(&self, arguments: &[&str]) -> Result<String> {
        self.site.command(&self.haulier, arguments)
    }

    /// The same of a command whose exit code may say that not all went well; its last line goes to the terminal.
    pub(crate) fn haulier_even_if_failing(&self, arguments: &[&str]) -> Result<String> {
        let mut haulier = command(&self.haulier);
        self.site.let_administer(haulier.args(arguments));
        let ended = haulier.stderr(Stdio::inherit()).output().context("cannot run haulier")?;
        String::from_utf8(ended.stdout).context("haulier prints UTF-8")
    }

    /// Makes a package of the folder and waits until the distribution point serves its first version; its ID.
    pub(crate) fn distribute(&self, name: &str, source: &Path) -> Result<String> {
        let source = source.to_str().context("the work folder has a UTF-8 name")?;
        let package = self.haulier(&["package", "create", name, "--source", source])?.trim().to_owned();
        self.haulier(&["package", "distribute", &package, POINT])?;
        self.wait_for(&package, 1)?;
        Ok(package)
    }

    /// Refreshes the package and waits until the distribution point serves `version`; the bytes that it took.
    pub(crate) fn refresh(&self, package: &str, version: u64) -> Result<u64> {
        let before = self.proxy.carried_bytes();
        self.haulier(&["package", "refresh", package])?;
        self.wait_for(package, version)?;
        Ok(self.proxy.carried_bytes() - before)
    }

    /// Where the distribution point serves a file of the package's current version.
    pub(crate) fn content_url(&self, package: &str, path: &str) -> String {
        format!("{}/SMS_DP_SMSPKG$/{package}/{path}", self.point.url)
    }

    /// The address of a resource of the AdminService.
    pub(crate) fn admin_service_url(&self, resource: &str) -> String {
        format!("{}/AdminService/wmi/{resource}", self.site.url)
    }

    /// The administrator's name and password, as curl takes them.
    pub(crate) fn credentials(&self) -> String {
        format!("admin:{PASSWORD}")
    }

    /// Where the site listens.
    pub(crate) fn site_address(&self) -> Result<SocketAddr> {
        self.site.address()
    }

    /// Lets the site's peak of memory begin anew with what it has now.
    pub(crate) fn forget_memory_peak(&self) -> Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.site.child.id()), "5")
            .context("cannot reset VmHWM")
    }

    /// The most memory that site and distribution point have had, in bytes.
    pub(crate) fn memory_peaks(&self) -> Result<(u64, u64)> {
        Ok((self.site.memory_peak()?, self.point.memory_peak()?))
    }

    /// Waits until a package's state at the distribution point is so.
    pub(crate) fn wait_for_state(&self, package: &str, state: u64) -> Result<()> {
        self.wait_until(package, &format!("state {state}"), |row| row["State"] == state)
    }

    fn wait_for(&self, package: &str, version: u64) -> Result<()> {
        let has = |row: &Value| row["State"] == 0 && row["InstalledVersion"] == version;
        self.wait_until(package, &format!("version {version}"), has)
    }

    fn wait_until(&self, package: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let give_up = SystemClock.monotonic() + PATIENCE;
        loop {
            let states: Value = serde_json::from_str(&self.haulier(&["status", package, "--json"])?)?;
            let state = &states[0];
            if is_so(state) {
                return Ok(());
            }
            ensure!(SystemClock.monotonic() < give_up, "{package} does not reach {what}: {state}");
        }
    }
}

impl Server {
    /// A new site `PS1` with its data in the folder.
    pub(super) fn site(workshop: &Workshop, folder: &Path) -> Result<Server> {
        let data = folder.join("ps1");
        make_site(workshop, folder, &data)?;
        let mut run = command(&workshop.haulier);
        Server::start(run.args(["site", "run", "--listen", "127.0.0.1:0", "--data"]).arg(&data))
    }

    /// A new distribution point of the site in the same folder, which it reaches at `site_url`.
    pub(super) fn point(workshop: &Workshop, folder: &Path, name: &str, site_url: &str) -> Result<Server> {
        let mut token = command(&workshop.haulier);
        let token = output(token.args(["dp", "token", "--data"]).arg(folder.join("ps1")).arg(name))?;
        let mut run = command(&workshop.haulier);
        run.args(["dp", "run", "--listen", "127.0.0.1:0", "--name", name, "--token", token.trim()]);
        Server::start(run.args(["--site", site_url, "--data"]).arg(folder.join(name)))
    }

    /// Runs an administrator's command against this site; what it prints.
    pub(super) fn command(&self, haulier: &Path, arguments: &[&str]) -> Result<String> {
        let mut haulier = command(haulier);
        self.let_administer(haulier.args(arguments));
        output(&mut haulier)
    }

    /// Seconds of processor time that it has used.
    pub(super) fn cpu_s(&self) -> Result<f64> {
        cpu_s(self.child.id())
    }

    /// Starts it and waits for the line that says where it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Server> {
        command
            .env("HAULIER_LOG", std::env::var("HAULIER_LOG").as_deref().unwrap_or("warn"))
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output is piped")?).read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            bail!("{command:?} did not start; its messages are above");
        };
        Ok(Server { url: url.to_owned(), child })
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells a command, or what it starts, who administers this site.
    pub(crate) fn let_administer(&self, command: &mut Command) {
        command.env("HAULIER_SITE", &self.url);
        command.env("HAULIER_USER", "admin").env("HAULIER_PASSWORD", PASSWORD);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        self.url.trim_start_matches("http://").parse().with_context(|| format!("{} is no address", self.url))
    }

    fn memory_peak(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in its status")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then both fail, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time that a process has used, its waited-for children's too.
pub(super) fn cpu_s(pid: u32) -> Result<f64> {
    /// The kernel counts in these, on every machine that we know.
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("a process has a name in brackets")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>().context("processor time is a number")?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_S)
}
