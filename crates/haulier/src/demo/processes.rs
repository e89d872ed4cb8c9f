//! The demo's processes: this same program, started as an administrator would start it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clock::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::args::SiteAddress;
use crate::config::{self, SiteConfig, TrustConfig};

/// The demo's password; the site lives on loopback and only while the demo runs.
const PASSWORD: &str = "demo-only";
/// How long a server may take to say that it listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A primary site and its child, each with distribution points.
pub(super) struct Hierarchy {
    pub(super) site: Server,
    pub(super) child: Server,
    pub(super) distribution_points: Vec<Server>,
}

/// One running server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) url: String,
    child: Child,
}

/// Lets the site trust who signed the generated drivers, as an administrator names the vendors' roots.
fn trust_samples(data: &Path) -> Result<()> {
    std::fs::create_dir(data)?;
    let roots = data.join("sample-roots.pem");
    std::fs::write(&roots, samples::catalog::root_pem())?;
    let config = SiteConfig { trust: TrustConfig { roots: vec![roots] }, ..SiteConfig::default() };
    config::save(data, &config)
}

impl Hierarchy {
    /// Makes a site and starts it, a child site below it, and their distribution points; all under `folder`.
    pub(super) async fn start(folder: &Path, at_site: usize, at_child: usize) -> Result<Self> {
        let password_file = folder.join("password");
        std::fs::write(&password_file, PASSWORD)?;
        let data = folder.join("ps1");
        trust_samples(&data)?;
        let mut make = haulier()?;
        make.args(["site", "init", "--site-code", "PS1", "--site-name", "Demo site"]);
        let site = start_site("PS1", make, &data, &password_file).await?;

        let mut ask = haulier()?;
        ask.args(["site", "token"]).arg("--data").arg(&data).arg("S01");
        let token = output_of(ask).await?;
        let mut make = haulier()?;
        make.args([
            "site",
            "init",
            "--site-code",
            "S01",
            "--site-name",
            "Demo branch",
            "--type",
            "secondary",
        ])
        .args(["--parent", &site.url, "--token", token.trim()]);
        let child_data = folder.join("s01");
        let child = start_site("S01", make, &child_data, &password_file).await?;

        let mut hierarchy = Self { site, child, distribution_points: Vec::new() };
        for number in 1..=at_site + at_child {
            let (site, data) = match number <= at_site {
                true => (&hierarchy.site, &data),
                false => (&hierarchy.child, &child_data),
            };
            let dp = start_distribution_point(site, data, folder, number).await?;
            hierarchy.distribution_points.push(dp);
        }
        Ok(hierarchy)
    }

    /// Where the site is and how to sign in.
    pub(super) fn sign_in(&self) -> SiteAddress {
        SiteAddress {
            is_typed: true,
            url: Some(self.site.url.clone()),
            user: "admin".to_owned(),
            password: Some(PASSWORD.to_owned()),
            api_token: None,
            ca: None,
        }
    }

    /// Stops every process, politely first.
    pub(super) async fn stop(mut self) {
        for server in self.distribution_points.iter_mut().chain([&mut self.child, &mut self.site]) {
            server.stop().await;
        }
    }
}

/// Finishes the command that makes a site, and starts the site.
async fn start_site(name: &str, mut make: Command, data: &Path, password_file: &Path) -> Result<Server> {
    make.arg("--data").arg(data).arg("--password-file").arg(password_file);
    output_of(make).await?;
    let mut run = haulier()?;
    run.args(["--log", "warn", "site", "run", "--listen", "127.0.0.1:0"]).arg("--data").arg(data);
    Server::start(name, run).await
}

async fn start_distribution_point(
    site: &Server,
    site_data: &Path,
    folder: &Path,
    number: usize,
) -> Result<Server> {
    let name = format!("dp{number}.example.test");
    let mut make = haulier()?;
    make.args(["dp", "token"]).arg("--data").arg(site_data).arg(&name);
    let token = output_of(make).await?;
    let mut run = haulier()?;
    run.args(["--log", "warn", "dp", "run", "--listen", "127.0.0.1:0", "--site", &site.url])
        .args(["--token", token.trim(), "--name", &name])
        .arg("--data")
        .arg(folder.join(format!("dp{number}")));
    Server::start(&name, run).await
}

impl Server {
    /// Starts a server and waits for its `listening on URL`.
    async fn start(name: &str, mut command: Command) -> Result<Self> {
        // Whatever happens to the demo, no server outlives it.
        command.stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::select! {
            line = lines.next_line() => line?,
            () = SystemClock.sleep(START_TIMEOUT) => bail!("{name} did not start within {} s", START_TIMEOUT.as_secs()),
        };
        match first.as_deref().and_then(|line| line.strip_prefix("listening on ")) {
            Some(url) => Ok(Self { name: name.to_owned(), url: url.to_owned(), child }),
            None => bail!("{name} did not start; its own message is above"),
        }
    }

    async fn stop(&mut self) {
        if let Some(pid) = self.child.id() {
            // The process may already be gone; then there is nothing to ask.
            let _ = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await;
        }
        tokio::select! {
            _ = self.child.wait() => {}
            () = SystemClock.sleep(STOP_TIMEOUT) => {
                let _ = self.child.kill().await;
            }
        }
    }
}

/// This same program. What the administrator has set for a real site must not reach the demo's.
fn haulier() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
    let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HAULIER_"));
    for (name, _) in settings {
        command.env_remove(name);
    }
    Ok(command)
}

async fn output_of(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        bail!("a step of the demo failed; its own message is above");
    }
    Ok(String::from_utf8(output.stdout)?)
}
