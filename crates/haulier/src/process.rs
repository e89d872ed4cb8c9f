//! What a server does to its own process before it serves, and how it hears that it should stop.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, setrlimit, umask};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// glibc gives a freed block back to the system at once only above a threshold that it raises by itself up to
/// 32 MiB. A library that handles chunks of megabytes then keeps hundreds of them: measured on an update of a
/// 4.2 GB package, the site's peak was 317 MB, and 194 MB with the threshold held here.
const KEEP_BLOCKS_BELOW: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "524288");

/// Makes the process fit to serve. It may start the program anew, in place: only the environment of the start tells glibc
/// how to behave, and other libraries what `needed` says.
pub(crate) fn prepare_server(needed: Option<(&'static str, OsString)>) {
    keep_private();
    raise_file_limit();
    let (name, value) = KEEP_BLOCKS_BELOW;
    let keeps = std::env::var_os(name).is_none().then(|| (name, value.into()));
    let needed = needed.filter(|(name, value)| std::env::var_os(name).as_ref() != Some(value));
    let missing: Vec<(&str, OsString)> = keeps.into_iter().chain(needed).collect();
    if missing.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    again.envs(missing);
    if let Some(own_name) = arguments.next() {
        again.arg0(own_name);
    }
    // Comes back only if it could not be done; then the server runs as it is, with more memory.
    let error = again.args(arguments).exec();
    tracing::warn!(%error, "the memory allocator keeps its defaults");
}

/// What is written from here on is for the process's own user only.
pub(crate) fn keep_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Each connection, each file that is read and the database need a descriptor; the usual soft limit of 1024
/// would be the first thing that a large fleet meets.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// Ends the servers on SIGTERM and on Ctrl-C.
pub(crate) fn shutdown_on_signal(shutdown: &CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}
