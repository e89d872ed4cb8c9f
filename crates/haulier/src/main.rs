//! `haulier`: the one binary. Reads the command line and the configuration, wires the floors together,
//! and is the only crate that prints.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

mod args;
mod commands;
mod config;
mod demo;
mod output;
mod remote;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    start_log(&cli.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into(), cli.json),
    };
    match runtime.block_on(commands::run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, cli.json),
    }
}

fn start_log(filter: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Says what went wrong and turns it into the exit code that the help lists.
fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let code = error.downcast_ref::<remote::RemoteError>().map_or(1, remote::RemoteError::exit_code);
    if json {
        output::error(&serde_json::json!({ "error": format!("{error:#}"), "exit_code": code }));
    } else {
        output::error(&format_args!("haulier: {error:#}"));
    }
    ExitCode::from(code)
}
