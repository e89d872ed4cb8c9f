//! Running other programs: nothing reads the terminal, everything that is said is passed on.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};

/// A command in the repository's root that reads nothing.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::root()).stdin(Stdio::null());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// What the command prints; an error, with what it complained about, when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end with the terminal's own output; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(command.status().with_context(|| format!("cannot run {command:?}"))?.success())
}

/// Runs to the end and gives every line, of both streams, to `line` as it comes; whether it succeeded.
pub(crate) fn by_line(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let (sender, lines) = mpsc::channel();
    let out = child.stdout.take().context("the output is piped")?;
    let err = child.stderr.take().context("the output is piped")?;
    std::thread::scope(|scope| {
        scope.spawn({
            let sender = sender.clone();
            move || send_lines(out, &sender)
        });
        scope.spawn(move || send_lines(err, &sender));
        for text in lines {
            line(&text);
        }
    });
    Ok(child.wait().with_context(|| format!("lost {command:?}"))?.success())
}

fn send_lines(stream: impl Read, lines: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        let text = String::from_utf8_lossy(&bytes);
        if lines.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_streams_arrive() {
        let mut lines = Vec::new();
        let script = "echo one; echo two >&2; printf three; exit 3";
        let succeeded =
            by_line(command("sh").args(["-c", script]), |line| lines.push(line.to_owned())).unwrap();
        lines.sort();
        assert_eq!((succeeded, lines), (false, vec!["one".to_owned(), "three".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn a_failure_carries_the_complaint() {
        let error = output(command("sh").args(["-c", "echo no such thing >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }
}
