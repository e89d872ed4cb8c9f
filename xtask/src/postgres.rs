//! A throw-away PostgreSQL cluster: the same statements run on it and on SQLite.
//!
//! It always goes away. A guard process waits at the end of a pipe that only we hold open: however we end, Ctrl-C and
//! SIGKILL included, the pipe closes, and the guard stops the server and deletes the folder.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::machine;
use crate::process::{command, output};

/// Tests open a few connections each and run in parallel.
const CONNECTIONS_MAX: u32 = 300;
/// The write-ahead log, which is kept in memory too.
const WAL_MB_MAX: u32 = 256;

/// A running cluster; dropping it stops and deletes it.
pub(crate) struct Cluster {
    url: String,
    folder: PathBuf,
    guard: Child,
}

impl Cluster {
    /// Starts a cluster on a free loopback port, installing PostgreSQL when it is missing.
    pub(crate) fn start() -> Result<Cluster> {
        let programs = programs()?;
        // PostgreSQL refuses to run as root.
        let user = machine::is_root().then_some("postgres");
        // Each test has a database of a thousand files, and ext4 is slow to make files where others were deleted: the tests of
        // the site take half the time in memory. The socket's path must stay below 107 bytes, so not in the target folder.
        let folder =
            tempfile::Builder::new().prefix("haulier-postgres-").tempdir_in(machine::fast_folder())?.keep();
        if let Some(user) = user {
            output(command("chown").arg(user).arg(&folder))?;
        }
        let guard = guard(&programs, user, &folder)?;
        let port = free_port()?;
        let cluster = Cluster { url: format!("postgres://haulier@127.0.0.1:{port}/postgres"), folder, guard };
        cluster.make(&programs, user, port)?;
        Ok(cluster)
    }

    /// Where tests connect, as a user who may create databases.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn make(&self, programs: &Path, user: Option<&str>, port: u16) -> Result<()> {
        let data = self.folder.join("data");
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb.args(["--username=haulier", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        output(initdb.arg("--pgdata").arg(&data))?;
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} \
             -c max_connections={CONNECTIONS_MAX} -c max_wal_size={WAL_MB_MAX}MB -c autovacuum=off \
             -c fsync=off -c synchronous_commit=off -c full_page_writes=off",
            self.folder.display()
        );
        let mut start = as_user(user, &programs.join("pg_ctl"));
        start.arg("--pgdata").arg(&data).arg("--log").arg(self.folder.join("log"));
        start.args(["--wait", "--options", &options, "start"]);
        // The server keeps what it inherits: with pipes, waiting for their end would wait for the server.
        start.stdout(Stdio::null()).stderr(Stdio::null());
        if !start.status().context("cannot run pg_ctl")?.success() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            bail!("PostgreSQL did not start: {}", log.trim());
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("The PostgreSQL cluster in {} may be left: {error}", self.folder.display());
        }
    }
}

/// The folder with PostgreSQL's programs, the newest version if there are several.
fn programs() -> Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    machine::install("postgresql")?;
    installed().context("Debian's package postgresql brought no initdb")
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max();
    newest.map(|(_, bin)| bin).or_else(|| Some(machine::find("initdb")?.parent()?.to_owned()))
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let mut run = match user {
        None => command(program),
        Some(user) => {
            let mut run = command("setpriv");
            run.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups", "--"])
                .arg(program);
            run
        }
    };
    // The server's user may not enter our folder.
    run.current_dir("/");
    run
}

fn guard(programs: &Path, user: Option<&str>, folder: &Path) -> Result<Child> {
    let stop = as_user(user, &programs.join("pg_ctl"));
    let mut guard = command("sh");
    // Signals of the terminal must not end it before its work is done, so it has its own process group.
    guard.args([
        "-c",
        "folder=$1; shift; cat >/dev/null; \"$@\" >/dev/null 2>&1; rm -rf \"$folder\"",
        "guard",
    ]);
    guard.arg(folder).arg(stop.get_program()).args(stop.get_args());
    guard.arg("--pgdata").arg(folder.join("data")).args(["--mode", "immediate", "stop"]);
    guard.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    guard.spawn().context("cannot start the cluster's guard")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_answers_and_goes_away() {
        if installed().is_none() {
            eprintln!("NOT RUN: a_cluster_answers_and_goes_away: PostgreSQL is not installed");
            return;
        }
        let cluster = Cluster::start().unwrap();
        let folder = cluster.folder.clone();
        let psql = programs().unwrap().join("psql");
        let create = "create database one";
        output(command(&psql).args(["--no-psqlrc", "--command", create, cluster.url()])).unwrap();
        drop(cluster);
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}
