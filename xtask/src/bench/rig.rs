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
const POINT: &str = "dp1.example.test";
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

struct Server {
    child: Child,
    url: String,
}

impl Rig {
    /// Makes a site and a distribution point with their data in a new folder `name`.
    pub(crate) fn start(workshop: &Workshop, name: &str) -> Result<Rig> {
        let folder = workshop.folder().join(name);
        std::fs::create_dir_all(&folder)?;
        let (data, password) = (folder.join("ps1"), folder.join("password"));
        std::fs::write(&password, format!("{PASSWORD}\n"))?;
        let mut init = command(&workshop.haulier);
        init.args(["site", "init", "--site-code", "PS1", "--data"]).arg(&data);
        output(init.arg("--password-file").arg(&password))?;
        let mut run = command(&workshop.haulier);
        let site = Server::start(run.args(["site", "run", "--listen", "127.0.0.1:0", "--data"]).arg(&data))?;
        let proxy = Proxy::start(site.address()?)?;
        let mut token = command(&workshop.haulier);
        let token = output(token.args(["dp", "token", "--data"]).arg(&data).arg(POINT))?;
        let mut run = command(&workshop.haulier);
        run.args(["dp", "run", "--listen", "127.0.0.1:0", "--name", POINT, "--token", token.trim()]);
        run.args(["--site", &proxy.url(), "--data"]).arg(folder.join("dp1"));
        let point = Server::start(&mut run)?;
        Ok(Rig { haulier: workshop.haulier.clone(), point, site, proxy })
    }

    /// Runs an administrator's command; what it prints.
    pub(crate) fn haulier(&self, arguments: &[&str]) -> Result<String> {
        let mut haulier = command(&self.haulier);
        haulier.args(arguments).env("HAULIER_SITE", &self.site.url);
        haulier.env("HAULIER_USER", "admin").env("HAULIER_PASSWORD", PASSWORD);
        output(&mut haulier)
    }

    /// The same of a command whose exit code may say that not all went well; its last line goes to the terminal.
    pub(crate) fn haulier_even_if_failing(&self, arguments: &[&str]) -> Result<String> {
        let mut haulier = command(&self.haulier);
        haulier.args(arguments).env("HAULIER_SITE", &self.site.url);
        haulier.env("HAULIER_USER", "admin").env("HAULIER_PASSWORD", PASSWORD);
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

    fn wait_for(&self, package: &str, version: u64) -> Result<()> {
        let give_up = SystemClock.monotonic() + PATIENCE;
        loop {
            let states: Value = serde_json::from_str(&self.haulier(&["status", package, "--json"])?)?;
            let state = &states[0];
            if state["State"] == 0 && state["InstalledVersion"] == version {
                return Ok(());
            }
            ensure!(SystemClock.monotonic() < give_up, "{package} does not reach version {version}: {state}");
        }
    }
}

impl Server {
    /// Starts it and waits for the line that says where it listens.
    fn start(command: &mut Command) -> Result<Server> {
        command.env("HAULIER_LOG", "warn").stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output is piped")?).read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            bail!("{command:?} did not start; its messages are above");
        };
        Ok(Server { url: url.to_owned(), child })
    }

    fn address(&self) -> Result<SocketAddr> {
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
