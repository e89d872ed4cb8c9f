//! A fleet of distribution points that wait for what their site wants, for `cargo xtask bench fleet`. Nothing is pulled:
//! what is measured is what the site has to do until each of them knows.
//!
//! ```text
//! fleet prepare DATA COUNT SOURCE          makes them, and a package of SOURCE on all of them, in a site that does not run
//! fleet measure DATA ADDRESS PID REFRESH…  holds a long poll of each, and prints figures; REFRESH is a command
//! ```
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use agent::{DesiredReply, EnrolRequest, Goal};
use clock::{Clock, SystemClock};
use site::{Actor, NewPackage, Role, Site, SiteOptions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

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
/// The secrets, one in a line, beside the site's data.
const SECRETS: &str = "fleet-secrets";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", data, count, source] => prepare(Path::new(data), count.parse()?, source).await,
        ["measure", data, address, pid, refresh @ ..] if !refresh.is_empty() => {
            measure(Path::new(data), address.parse()?, pid, refresh).await
        }
        _ => Err("say prepare DATA COUNT SOURCE or measure DATA ADDRESS PID REFRESH".into()),
    }
}

async fn prepare(data: &Path, count: usize, source: &str) -> Outcome<()> {
    let options = SiteOptions { data_dir: data.to_owned(), ..SiteOptions::default() };
    let site = Site::open(&options, SystemClock::shared()).await?;
    let actor = Actor::new("admin", Role::FullAdministrator);
    let mut secrets = String::new();
    for number in 0..count {
        let name = format!("dp{number}.example.test");
        let token = site.create_dp_token(&actor, &name, None).await?.to_string();
        let content_url = format!("http://{name}:8540");
        let request =
            EnrolRequest { token, name, content_url, csr_pem: None, agent_version: "0.1.0".to_owned() };
        let reply = site.enrol(&request, &|_, _| Err("no authority is needed here".to_owned())).await?;
        secrets.push_str(&reply.secret);
        secrets.push('\n');
    }
    std::fs::write(data.join(SECRETS), secrets)?;
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

async fn measure(data: &Path, address: SocketAddr, pid: &str, refresh: &[&str]) -> Outcome<()> {
    let secrets = std::fs::read_to_string(data.join(SECRETS))?;
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let connecting = Arc::new(Semaphore::new(CONNECTING_MAX));
    let memory_before = memory_bytes(pid)?;
    let mut fleet = tokio::task::JoinSet::new();
    for secret in secrets.lines() {
        fleet.spawn(wait_for_ever(address, secret.to_owned(), heard.clone(), Arc::clone(&connecting)));
    }
    drop(heard);
    let count = fleet.len();
    let everybody =
        async |hearing: &mut mpsc::UnboundedReceiver<Heard>, fleet: &mut tokio::task::JoinSet<_>, version| {
            let (mut first, mut last, mut knowing) = (None, Duration::ZERO, 0);
            while knowing < count {
                tokio::select! {
                    Some(one) = hearing.recv() => if one.version == version {
                        knowing += 1;
                        first.get_or_insert(one.at);
                        last = last.max(one.at);
                    },
                    Some(ended) = fleet.join_next() => {
                        let error: Outcome<()> = ended?;
                        error?;
                    }
                }
            }
            Outcome::Ok((first.unwrap_or_default(), last))
        };
    everybody(&mut hearing, &mut fleet, 1).await?;
    let processor_before = processor_s(pid)?;
    SystemClock.sleep(IDLE).await;
    let idle = (processor_s(pid)? - processor_before) / IDLE.as_secs_f64();
    println!("fleet {count}");
    println!("memory_bytes_before {memory_before}");
    println!("memory_bytes {}", memory_bytes(pid)?);
    println!("idle_cores {idle:.4}");
    for version in 2..2 + REFRESHES {
        let mut command = Command::new(refresh[0]);
        command.args(&refresh[1..]);
        let (begun, processor_before) = (SystemClock.monotonic(), processor_s(pid)?);
        let refreshed = tokio::task::spawn_blocking(move || command.status());
        let (first, last) = everybody(&mut hearing, &mut fleet, version).await?;
        if !refreshed.await??.success() {
            return Err("the refresh failed".into());
        }
        let [first, last] = [first, last].map(|at| at.saturating_sub(begun).as_secs_f64());
        let (spent, memory) = (processor_s(pid)? - processor_before, memory_bytes(pid)?);
        println!("refresh {first:.3} {last:.3} {spent:.2} {memory}");
    }
    Ok(())
}

/// One distribution point: it asks, waits, and asks again from what it heard.
async fn wait_for_ever(
    address: SocketAddr,
    secret: String,
    heard: mpsc::UnboundedSender<Heard>,
    connecting: Arc<Semaphore>,
) -> Outcome<()> {
    let turn = connecting.acquire().await?;
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let mut turn = Some(turn);
    let mut after = 0;
    loop {
        let request = format!(
            "GET {}/desired?after={after}&wait={WAIT_S} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\n\r\n",
            agent::ROOT
        );
        stream.get_mut().write_all(request.as_bytes()).await?;
        turn.take();
        let reply: DesiredReply = serde_json::from_slice(&answer(&mut stream).await?)?;
        after = reply.revision;
        for row in reply.packages {
            if let Goal::Hold { version, .. } = row.goal {
                heard.send(Heard { version, at: SystemClock.monotonic() })?;
            }
        }
    }
}

/// The body of one answer.
async fn answer(stream: &mut BufReader<TcpStream>) -> Outcome<Vec<u8>> {
    let (mut line, mut length, mut is_first) = (String::new(), None, true);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err("the site hung up".into());
        }
        let text = line.trim_end();
        if std::mem::take(&mut is_first) && !text.ends_with("200 OK") {
            return Err(text.into());
        }
        if text.is_empty() {
            break;
        }
        if let Some(value) = text.to_ascii_lowercase().strip_prefix("content-length:") {
            length = Some(value.trim().parse()?);
        }
    }
    let mut body = vec![0; length.ok_or("an answer has no length")?];
    stream.read_exact(&mut body).await?;
    Ok(body)
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
