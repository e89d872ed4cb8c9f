//! `haulier`: the one binary. Reads the command line and the configuration, wires the floors together,
//! and is the only crate that prints.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

mod args;
mod commands;
mod config;
mod demo;
mod fetch;
mod output;
mod process;
mod remote;

/// How long threads that cannot be interrupted may take to end after a command.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = args::Cli::read();
    start_log(&cli.log, cli.log_format);
    if cli.command.is_server() {
        match commands::environment(&cli.command) {
            Ok(needed) => process::prepare_server(needed),
            Err(error) => return report(&error, cli.json),
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into(), cli.json),
    };
    let result = runtime.block_on(commands::run(&cli));
    // A thread that waits for a dead file share must not keep a stopped server alive.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, cli.json),
    }
}

fn start_log(filter: &str, format: args::LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        args::LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        args::LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Says what went wrong and turns it into the exit code that the help lists.
fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let code = error.downcast_ref::<remote::RemoteError>().map_or(1, remote::RemoteError::exit_code);
    let text = with_causes(error);
    if json {
        output::error(&serde_json::json!({ "error": text, "exit_code": code }));
    } else {
        output::error(&format_args!("haulier: {text}"));
    }
    ExitCode::from(code)
}

/// The error and its causes, each said once: many errors already tell their cause in their own text.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("disk full").context("cannot write: disk full").context("no package");
        assert_eq!(with_causes(&error), "no package: cannot write: disk full");
    }
}
