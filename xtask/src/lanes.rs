//! Runs the built test programs, two at a time: many of them wait for processes, disks and clocks more than they compute.
//! Examples in documentation are no programs: this workspace has none that run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{by_line, cargo, output};

/// Test programs at once: as many as the smallest machine has cores.
const LANES: usize = 2;
/// Those that take longest, by name, so that none of them begins last.
const LONGEST: [&str; 4] = ["kill", "faults", "site", "service"];

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    name: String,
    executable: PathBuf,
    /// The package's folder: tests find their files from there.
    folder: PathBuf,
}

/// Builds what `arguments` of `cargo test` select and runs it. `dress` gives each program its environment; `line` gets
/// what each printed, whole program after program. Whether all succeeded.
pub(crate) fn run(
    arguments: &[&str],
    dress: impl Fn(&mut Command) + Sync,
    line: impl FnMut(&str) + Send,
) -> Result<bool> {
    let mut build = cargo(&["test", "--no-run", "--message-format=json", "--quiet"]);
    let mut programs = programs(&output(build.args(arguments))?)?;
    ensure!(!programs.is_empty(), "cargo named no test program; has the form of its messages changed?");
    let rank = |name: &str| LONGEST.iter().position(|longest| *longest == name).unwrap_or(LONGEST.len());
    programs.sort_by_key(|program| rank(&program.name));
    let waiting = Mutex::new(programs.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let shown = Mutex::new(line);
    let lane = || -> Result<bool> {
        let mut all = true;
        while let Some(program) = next() {
            let (succeeded, said) = program.run(&dress)?;
            all &= succeeded;
            let mut line = shown.lock().unwrap_or_else(PoisonError::into_inner);
            line(&format!("\n     Running {}", program.executable.display()));
            said.iter().for_each(|text| line(text));
        }
        Ok(all)
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let mut all = true;
        for lane in lanes {
            all &= lane.join().expect("a lane has no panic of its own")?;
        }
        Ok(all)
    })
}

impl Program {
    fn run(&self, dress: &impl Fn(&mut Command)) -> Result<(bool, Vec<String>)> {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).stdin(std::process::Stdio::null());
        // Passing tests say what they could not do, so their output is read too.
        command.arg("--show-output").env("CARGO_MANIFEST_DIR", &self.folder);
        dress(&mut command);
        let mut said = Vec::new();
        let succeeded = by_line(&mut command, |text| said.push(text.to_owned()))?;
        // One that died says nothing of its tests.
        if !succeeded && !said.iter().any(|text| text.starts_with("test result: FAILED")) {
            said.push(format!("test result: FAILED. 0 passed; 1 failed; {} died", self.name));
        }
        Ok((succeeded, said))
    }
}

/// The test programs among cargo's messages.
fn programs(messages: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for message in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(message).context("cargo's message is no JSON")?;
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        if message.pointer("/profile/test") != Some(&Value::Bool(true)) {
            continue;
        }
        let (Some(executable), Some(manifest), Some(name)) =
            (text("/executable"), text("/manifest_path"), text("/target/name"))
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().context("a manifest lies in a folder")?.to_owned();
        programs.push(Program { name: name.to_owned(), executable: executable.into(), folder });
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/r/crates/a/Cargo.toml","target":{"name":"a"},"profile":{"test":false},"executable":"/t/a"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/r/crates/a/Cargo.toml","target":{"name":"kill"},"profile":{"test":true},"executable":"/t/kill-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/r/crates/b/Cargo.toml","target":{"name":"b"},"profile":{"test":true},"executable":null}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let expect =
            Program { name: "kill".to_owned(), executable: "/t/kill-1".into(), folder: "/r/crates/a".into() };
        assert_eq!(programs(messages).unwrap(), [expect]);
    }
}
