//! Other people's clients: where they are, what they are told, and how they end.
//!
//! `cargo xtask test` makes a Python environment, named in `HAULIER_TEST_PYTHON`, and a folder with Node.js packages,
//! named in `HAULIER_TEST_NODE`, and installs what is looked for on the search path.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::SHARE;
use crate::site::{Listening, PACKAGE, PASSWORD, Stage};

/// A client that this machine does not have. Printed, it is the line that the summary of `cargo xtask test` lists.
#[derive(Debug)]
pub struct NotRun(String);

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NOT RUN: {}", self.0)
    }
}

impl NotRun {
    /// `needed_by` names what does not run, `reason` says why and what helps.
    #[must_use]
    pub fn new(needed_by: &str, reason: &str) -> Self {
        Self(format!("{needed_by}: {reason}"))
    }
}

/// A folder of scripts beside what they need: the scripts of one crate's tests.
#[derive(Debug)]
pub struct Clients {
    program: PathBuf,
    folder: PathBuf,
    /// A copy of the scripts, where they must lie beside what they import.
    copy: Option<TempDir>,
}

impl Clients {
    /// The scripts in `scripts` with the Python that has the clients of `xtask/clients/python.txt`.
    pub fn python(scripts: &Path, needed_by: &str) -> Result<Self, NotRun> {
        Self::named("HAULIER_TEST_PYTHON", scripts, needed_by)
    }

    /// The scripts in `scripts` with the interpreter that a variable names.
    pub fn named(variable: &str, scripts: &Path, needed_by: &str) -> Result<Self, NotRun> {
        let program = named(variable, needed_by)?;
        Ok(Self { program, folder: scripts.to_owned(), copy: None })
    }

    /// A copy of the scripts in `scripts` beside the Node.js packages.
    pub fn node(scripts: &Path, needed_by: &str) -> Result<Self, NotRun> {
        let packages = named("HAULIER_TEST_NODE", needed_by)?;
        let copy = tempfile::tempdir().unwrap();
        copy_folder(scripts, copy.path());
        std::os::unix::fs::symlink(packages.join("node_modules"), copy.path().join("node_modules")).unwrap();
        Ok(Self { program: "node".into(), folder: copy.path().to_owned(), copy: Some(copy) })
    }

    /// The scripts in `scripts` with the first of the interpreters that is on the search path and runs.
    pub fn installed(scripts: &Path, program: &str, needed_by: &str) -> Result<Self, NotRun> {
        let missing = || NotRun::new(needed_by, &format!("{program} is not installed"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join(program));
        let program = found.into_iter().find(|file| file.is_file()).ok_or_else(missing)?;
        Ok(Self { program, folder: scripts.to_owned(), copy: None })
    }

    /// The interpreter or program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the scripts are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.copy.as_ref().map_or(&self.folder, |copy| copy.path())
    }

    /// A script, ready to be run against a listener of the stage.
    #[must_use]
    pub fn script(&self, name: &str, stage: &Stage, at: &Listening) -> Command {
        let mut command = stage.command(&self.program, at);
        command.arg(self.folder().join(name)).current_dir(self.folder());
        command
    }
}

/// What `cargo xtask test` names in the environment.
fn named(variable: &str, needed_by: &str) -> Result<PathBuf, NotRun> {
    let reason = format!("{variable} names no folder; `cargo xtask test` makes one");
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| NotRun::new(needed_by, &reason))
}

impl Stage {
    /// A program that is told where the site is and who it is there.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>, at: &Listening) -> Command {
        let mut command = Command::new(program);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HAULIER_URL", &at.url)
            .env("HAULIER_USER", "admin")
            .env("HAULIER_PASSWORD", PASSWORD)
            .env("HAULIER_PACKAGE", PACKAGE)
            .env("HAULIER_SHARE", SHARE)
            .env("HAULIER_SHARE_FOLDER", self.folder(""))
            .env("HAULIER_AUTHORITY", self.authority())
            .kill_on_drop(true);
        command
    }
}

/// Runs to the end, which must be a good one, and returns what was said.
pub async fn succeeds(command: &mut Command) -> String {
    let output = command.output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
