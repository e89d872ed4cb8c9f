//! A fleet of distribution points that wait for what their site wants, for `cargo xtask bench fleet`. Nothing is pulled:
//! what is measured is what the site has to do until each of them knows.
//!
//! ```text
//! fleet prepare DATA COUNT SOURCE      makes them, and a package of SOURCE on all of them, in a site that does not run
//! fleet measure DATA URL PID REFRESH…  holds a long poll of each, and prints figures; REFRESH is a command
//! ```
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use agent::{DesiredReply, EnrolRequest, Goal};
use clock::{Clock, SystemClock};
use net::ca::{AgentKey, SiteCa};
use net::{Client, ClientOptions, Endpoint, Identity};
use serde::{Deserialize, Serialize};
use site::{Actor, NewPackage, Role, Site, SiteOptions};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Connections that are made at once, so that the listener's queue holds them.
const CONNECTING_MAX: usize = 64;
/// How long a request is kept open, in seconds.
const WAIT_S: u64 = 60;
/// How long the site is watched while nothing happens: each request ends and comes again twice.
const IDLE: Duration = Duration::from_secs(2 * WAIT_S);
/// Refreshes that are measured.
const REFRESHES: u32 = 5;
/// Ticks of processor time in a second, on every Linux that Rust runs on.
const TICKS_PER_S: f64 = 100.0;
/// The identities, one in a line, beside the site's data.
const IDENTITIES: &str = "fleet-identities";
/// The site's authority, in its data.
const AUTHORITY: &str = "ca";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", data, count, source] => prepare(Path::new(data), count.parse()?, source).await,
        ["measure", data, url, pid, refresh @ ..] if !refresh.is_empty() => {
            measure(Path::new(data), url, pid, refresh).await
        }
        _ => Err("say prepare DATA COUNT SOURCE or measure DATA URL PID REFRESH".into()),
    }
}

/// Who a distribution point is: one for a site without TLS, one for a site with it.
#[derive(Serialize, Deserialize)]
struct Known {
    secret: String,
    certificate_pem: String,
    key_pem: String,
}

impl Known {
    /// As the program that it stands for would connect.
    fn client(self, endpoint: &Endpoint, authority_pem: &str) -> Outcome<Client> {
        let mut options = ClientOptions::new(endpoint.clone());
        if endpoint.is_secure() {
            options.authority_pem = Some(authority_pem.to_owned());
            options.identity =
                Some(Identity { certificate_pem: self.certificate_pem, key_pem: self.key_pem });
        } else {
            options.bearer = Some(self.secret);
        }
        Ok(Client::new(options)?)
    }
}

async fn prepare(data: &Path, count: usize, source: &str) -> Outcome<()> {
    let options = SiteOptions { data_dir: data.to_owned(), ..SiteOptions::default() };
    let site = Site::open(&options, SystemClock::shared()).await?;
    let actor = Actor::new("admin", Role::FullAdministrator);
    let authority = SiteCa::load(&data.join(AUTHORITY), SystemClock::shared())?;
    let sign = |csr: &str, name: &str| authority.sign_agent(csr, name).map_err(|e| e.to_string());
    let mut identities = String::new();
    for number in 0..count {
        let name = format!("dp{number}.example.test");
        let token = site.create_dp_token(&actor, &name, None).await?.to_string();
        let content_url = format!("http://{name}:8540");
        let AgentKey { key_pem, csr_pem } = AgentKey::generate()?;
        let (csr_pem, agent_version) = (Some(csr_pem), "0.1.0".to_owned());
        let reply =
            site.enrol(&EnrolRequest { token, name, content_url, csr_pem, agent_version }, &sign).await?;
        let certificate_pem = reply.certificate_pem.ok_or("a request was sent")?;
        let known = Known { secret: reply.secret, certificate_pem, key_pem };
        identities.push_str(&serde_json::to_string(&known)?);
        identities.push('\n');
    }
    std::fs::write(data.join(IDENTITIES), identities)?;
    let new = NewPackage {
        name: "Fleet".to_owned(),
        pkg_source_flag: 2,
        pkg_source_path: source.to_owned(),
        ..NewPackage::default()
    };
    let package = site.create_package(&actor, new).await?.package_id;
    let points = site.distribution_points().await?;
    let named: Vec<_> =
        points.into_iter().map(|point| (site.identity().site_code.clone(), point.nal_path)).collect();
    site.add_distribution_points(&actor, &package, &named).await?;
    site.close().await;
    println!("{package}");
    Ok(())
}

/// A distribution point that heard of a version.
struct Heard {
    version: u32,
    at: Duration,
}

async fn measure(data: &Path, url: &str, pid: &str, refresh: &[&str]) -> Outcome<()> {
    let authority = SiteCa::load(&data.join(AUTHORITY), SystemClock::shared())?;
    let endpoint: Endpoint = url.parse()?;
    let identities = std::fs::read_to_string(data.join(IDENTITIES))?;
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let connecting = Arc::new(Semaphore::new(CONNECTING_MAX));
    let memory_before = memory_bytes(pid)?;
    let mut fleet = JoinSet::new();
    for identity in identities.lines() {
        let client =
            serde_json::from_str::<Known>(identity)?.client(&endpoint, authority.certificate_pem())?;
        fleet.spawn(wait_for_ever(client, heard.clone(), Arc::clone(&connecting)));
    }
    drop(heard);
    let count = fleet.len();
    // Who is told anything for the first time hears of the current version.
    let known = everybody(&mut hearing, &mut fleet, 1).await?.version;
    let processor_before = processor_s(pid)?;
    SystemClock.sleep(IDLE).await;
    let idle = (processor_s(pid)? - processor_before) / IDLE.as_secs_f64();
    println!("fleet {count}");
    println!("memory_bytes_before {memory_before}");
    println!("memory_bytes {}", memory_bytes(pid)?);
    println!("idle_cores {idle:.4}");
    for version in known + 1..=known + REFRESHES {
        let mut command = Command::new(refresh[0]);
        command.args(&refresh[1..]);
        let (begun, processor_before) = (SystemClock.monotonic(), processor_s(pid)?);
        let refreshed = tokio::task::spawn_blocking(move || command.status());
        let told = everybody(&mut hearing, &mut fleet, version).await?;
        if !refreshed.await??.success() {
            return Err("the refresh failed".into());
        }
        let [first, last] = [told.first, told.last].map(|at| at.saturating_sub(begun).as_secs_f64());
        let (spent, memory) = (processor_s(pid)? - processor_before, memory_bytes(pid)?);
        println!("refresh {first:.3} {last:.3} {spent:.2} {memory}");
    }
    Ok(())
}

/// When a version was known.
struct Told {
    version: u32,
    first: Duration,
    last: Duration,
}

/// Waits until each of the fleet has heard of this version or a later one.
async fn everybody(
    hearing: &mut mpsc::UnboundedReceiver<Heard>,
    fleet: &mut JoinSet<Outcome<()>>,
    version: u32,
) -> Outcome<Told> {
    let (mut times, mut newest) = (Vec::new(), version);
    while times.len() < fleet.len() {
        tokio::select! {
            Some(one) = hearing.recv() => if one.version >= version {
                newest = newest.max(one.version);
                times.push(one.at);
            },
            Some(ended) = fleet.join_next() => return Err(ended?.err().unwrap_or("somebody left".into())),
        }
    }
    let (first, last) = (times.iter().min(), times.iter().max());
    let (first, last) = first.copied().zip(last.copied()).ok_or("there is no fleet")?;
    Ok(Told { version: newest, first, last })
}

/// One distribution point: it asks, waits, and asks again from what it heard.
async fn wait_for_ever(
    client: Client,
    heard: mpsc::UnboundedSender<Heard>,
    connecting: Arc<Semaphore>,
) -> Outcome<()> {
    let mut turn = Some(connecting.acquire().await?);
    let mut after = 0;
    loop {
        let path = format!("{}/desired?after={after}&wait={WAIT_S}", agent::ROOT);
        let reply: DesiredReply = client.get_json(&path).await?;
        // The first answer comes at once.
        turn.take();
        after = reply.revision;
        for row in reply.packages {
            if let Goal::Hold { version, .. } = row.goal {
                heard.send(Heard { version, at: SystemClock.monotonic() })?;
            }
        }
    }
}

/// What a process has in memory now.
fn memory_bytes(pid: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in its status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// The processor time that a process has used, in seconds: user and system.
fn processor_s(pid: &str) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have anything in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).ok_or("a short stat").map(|field| field.parse::<f64>());
    Ok((ticks(11)?? + ticks(12)??) / TICKS_PER_S)
}
