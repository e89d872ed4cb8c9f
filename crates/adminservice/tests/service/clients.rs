//! Other people's OData clients against the service, as scripts in `tests/clients`.
//!
//! `cargo xtask test` makes a Python environment, named in `HAULIER_TEST_PYTHON`, and a folder with the packages of
//! `package.json`, named in `HAULIER_TEST_NODE`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clock::SystemClock;
use tempfile::TempDir;
use tokio::process::Command;

use crate::driver_files::{DriverFile, SHARE};
use crate::harness::{PACKAGE, PASSWORD, Service};

/// How long schemathesis makes up requests, in seconds.
const FUZZ_TIME_S: &str = "35";
/// The same requests in every run: what a commit did not break must not turn it red.
const FUZZ_SEED: &str = "20261122";

/// Requests of deployment scripts; a strict client that types every answer by the metadata; one that makes
/// classes of the metadata. Each finds the package and refreshes it.
#[tokio::test]
async fn python_clients_find_and_refresh_the_package() {
    let scripts = ["plain_rest.py", "odatapy_client.py", "python_odata_client.py"];
    let Some(python) = machine("HAULIER_TEST_PYTHON", &scripts.join(", ")) else { return };
    for script in scripts {
        let stage = Stage::start().await;
        succeeds(stage.command(&python).arg(scripts_folder().join(script))).await;
    }
}

/// The workflows of driver scripts, each by the client's own functions.
#[tokio::test]
async fn odata_client_goes_through_every_workflow() {
    let Some(node) = Node::with_packages("odata_client.mjs") else { return };
    let stage = Stage::start().await;
    succeeds(stage.command("node").arg("odata_client.mjs").current_dir(node.folder())).await;
}

/// `$metadata` becomes a typed client that compiles under strict rules and refreshes the package.
#[tokio::test]
async fn odata2ts_generates_a_client_that_works() {
    let Some(node) = Node::with_packages("odata2ts") else { return };
    let stage = Stage::start().await;
    let folder = node.folder().join("typed");
    stage.write_metadata(&folder.join("metadata.xml")).await;
    let program = |name: &str| node.folder().join("node_modules/.bin").join(name);
    succeeds(stage.command(program("odata2ts")).current_dir(&folder)).await;
    succeeds(stage.command(program("tsc")).args(["--project", "."]).current_dir(&folder)).await;
    succeeds(stage.command("node").arg("built/refresh.js").current_dir(&folder)).await;
}

/// The OASIS converters take the metadata, and schemathesis sends what they say is possible and what is not.
#[tokio::test]
async fn made_up_requests_get_answers_in_form() {
    let Some(node) = Node::with_packages("odata-openapi") else { return };
    let Some(python) = machine("HAULIER_TEST_PYTHON", "schemathesis") else { return };
    let stage = Stage::start().await;
    let folder = node.folder();
    stage.write_metadata(&folder.join("metadata.xml")).await;
    let convert = ["openapi.mjs", "metadata.xml", "openapi.json"];
    succeeds(stage.command("node").args(convert).current_dir(&folder)).await;
    let url = format!("http://{}/AdminService/wmi", stage.service.addr);
    let said = succeeds(
        stage
            .command(Path::new(&python).with_file_name("schemathesis"))
            .env("SCHEMATHESIS_HOOKS", "fuzz_checks")
            .env("PYTHONPATH", scripts_folder())
            .args(["run", "openapi.json", "--url", &url, "--auth", &format!("admin:{PASSWORD}")])
            .args(["--checks", "answers_in_odata", "--phases", "coverage,fuzzing", "--no-shrink"])
            .args(["--generation-database", "none", "--max-examples", "3", "--warnings", "off", "--no-color"])
            .args(["--max-time", FUZZ_TIME_S, "--seed", FUZZ_SEED])
            .current_dir(&folder),
    )
    .await;
    let sent = said.lines().find(|line| line.contains("generated")).unwrap_or("").to_owned();
    assert!(sent.chars().any(|c| c.is_ascii_digit()), "nothing was sent: {said}");
    // After all that it still works.
    assert_eq!(stage.service.get("/AdminService/wmi/SMS_Identification.GetSiteID").await.status, 201);
}

/// What `cargo xtask test` names in the environment.
#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn machine(variable: &str, needed_by: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        eprintln!("NOT RUN: {needed_by}: {variable} names no folder; `cargo xtask test` makes one");
    }
    found
}

fn scripts_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A copy of the scripts beside the packages that they import.
struct Node(TempDir);

impl Node {
    fn with_packages(needed_by: &str) -> Option<Self> {
        let packages = PathBuf::from(machine("HAULIER_TEST_NODE", needed_by)?);
        let folder = tempfile::tempdir().unwrap();
        copy(&scripts_folder(), folder.path());
        std::os::unix::fs::symlink(packages.join("node_modules"), folder.path().join("node_modules"))
            .unwrap();
        Some(Self(folder))
    }

    fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A running site with a driver to import.
struct Stage {
    service: Service,
}

impl Stage {
    async fn start() -> Self {
        let service = Service::start_with(SystemClock::shared()).await;
        DriverFile::default().write(&service.folder("net"));
        service.run_workers();
        Self { service }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HAULIER_URL", format!("http://{}", self.service.addr))
            .env("HAULIER_USER", "admin")
            .env("HAULIER_PASSWORD", PASSWORD)
            .env("HAULIER_PACKAGE", PACKAGE)
            .env("HAULIER_SHARE", SHARE)
            .env("HAULIER_SHARE_FOLDER", self.service.folder(""))
            .kill_on_drop(true);
        command
    }

    async fn write_metadata(&self, file: &Path) {
        let metadata = self.service.get("/AdminService/wmi/$metadata").await;
        assert_eq!(metadata.status, 200);
        std::fs::write(file, metadata.body).unwrap();
    }
}

/// Runs to the end, which must be a good one, and returns what was said.
async fn succeeds(command: &mut Command) -> String {
    let output = command.output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
