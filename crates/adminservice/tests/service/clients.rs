//! Other people's OData clients against the service, as scripts in `tests/clients`.
//!
//! `cargo xtask test` makes a Python environment, named in `HAULIER_TEST_PYTHON`, and a folder with the packages of
//! `package.json`, named in `HAULIER_TEST_NODE`.

use std::path::{Path, PathBuf};

use clock::SystemClock;
use site::{Actor, UserChange};
use stage::{Clients, DriverFile, NotRun, succeeds};
use tokio::process::Command;

use crate::harness::{PASSWORD, Service};

/// How long schemathesis makes up requests, in seconds.
const FUZZ_TIME_S: &str = "35";
/// The same requests in every run: what a commit did not break must not turn it red.
const FUZZ_SEED: &str = "20261122";

/// Requests of deployment scripts; a strict client that types every answer by the metadata; one that makes
/// classes of the metadata. Each finds the package and refreshes it.
#[tokio::test]
async fn python_clients_find_and_refresh_the_package() {
    let scripts = ["plain_rest.py", "odatapy_client.py", "python_odata_client.py"];
    let Some(python) = found(Clients::python(&scripts_folder(), &scripts.join(", "))) else { return };
    for script in scripts {
        let service = with_a_driver().await;
        succeeds(&mut python.script(script, &service, &service.at)).await;
    }
}

/// Clients that sign a connection in, with requests that have bodies.
#[tokio::test]
async fn negotiating_clients_read_and_write_over_tls() {
    let Some(python) = found(Clients::python(&scripts_folder(), "negotiated.py")) else { return };
    let service = Service::start_with(SystemClock::shared()).await;
    let with_ntlm =
        UserChange { password: Some(PASSWORD.to_owned()), allow_ntlm: Some(true), ..UserChange::default() };
    service.site.change_user(&Actor::local(), "admin", with_ntlm).await.unwrap();
    let (provider, sign_in) = (service.provider.clone(), service.sign_in.clone());
    let tls = service.listen_tls(adminservice::router(provider, sign_in, SystemClock::shared())).await;
    succeeds(&mut python.script("negotiated.py", &service, &tls)).await;
}

/// The workflows of driver scripts, each by the client's own functions.
#[tokio::test]
async fn odata_client_goes_through_every_workflow() {
    let Some(node) = found(Clients::node(&scripts_folder(), "odata_client.mjs")) else { return };
    let service = with_a_driver().await;
    succeeds(&mut node.script("odata_client.mjs", &service, &service.at)).await;
}

/// `$metadata` becomes a typed client that compiles under strict rules and refreshes the package.
#[tokio::test]
async fn odata2ts_generates_a_client_that_works() {
    let Some(node) = found(Clients::node(&scripts_folder(), "odata2ts")) else { return };
    let service = with_a_driver().await;
    let folder = &node.folder().join("typed");
    write_metadata(&service, &folder.join("metadata.xml")).await;
    let program = |name: &str| node.folder().join("node_modules/.bin").join(name);
    succeeds(command(&service, program("odata2ts")).current_dir(folder)).await;
    succeeds(command(&service, program("tsc")).args(["--project", "."]).current_dir(folder)).await;
    succeeds(command(&service, "node").arg("built/refresh.js").current_dir(folder)).await;
}

/// The OASIS converters take the metadata, and schemathesis sends what they say is possible and what is not.
#[tokio::test]
async fn made_up_requests_get_answers_in_form() {
    let Some(node) = found(Clients::node(&scripts_folder(), "odata-openapi")) else { return };
    let Some(python) = found(Clients::python(&scripts_folder(), "schemathesis")) else { return };
    let service = with_a_driver().await;
    let folder = node.folder();
    write_metadata(&service, &folder.join("metadata.xml")).await;
    let convert = ["openapi.mjs", "metadata.xml", "openapi.json"];
    succeeds(command(&service, "node").args(convert).current_dir(folder)).await;
    let url = format!("{}/AdminService/wmi", service.at.url);
    let said = succeeds(
        command(&service, python.program().with_file_name("schemathesis"))
            .env("SCHEMATHESIS_HOOKS", "fuzz_checks")
            .env("PYTHONPATH", scripts_folder())
            .args(["run", "openapi.json", "--url", &url, "--auth", &format!("admin:{PASSWORD}")])
            .args(["--checks", "answers_in_odata", "--phases", "coverage,fuzzing", "--no-shrink"])
            .args(["--generation-database", "none", "--max-examples", "3", "--warnings", "off", "--no-color"])
            .args(["--max-time", FUZZ_TIME_S, "--seed", FUZZ_SEED])
            .current_dir(folder),
    )
    .await;
    let sent = said.lines().find(|line| line.contains("generated")).unwrap_or("").to_owned();
    assert!(sent.chars().any(|c| c.is_ascii_digit()), "nothing was sent: {said}");
    // After all that it still works.
    assert_eq!(service.get("/AdminService/wmi/SMS_Identification.GetSiteID").await.status, 201);
}

/// None where the machine lacks it, which the summary of `cargo xtask test` says.
#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn found(clients: Result<Clients, NotRun>) -> Option<Clients> {
    clients.map_err(|missing| eprintln!("{missing}")).ok()
}

fn scripts_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A running site with a driver to import.
async fn with_a_driver() -> Service {
    let service = Service::start_with(SystemClock::shared()).await;
    DriverFile::default().write(&service.folder("net"));
    service.run_workers();
    service
}

fn command(service: &Service, program: impl AsRef<std::ffi::OsStr>) -> Command {
    service.command(program, &service.at)
}

async fn write_metadata(service: &Service, file: &Path) {
    let metadata = service.get("/AdminService/wmi/$metadata").await;
    assert_eq!(metadata.status, 200);
    std::fs::write(file, metadata.body).unwrap();
}
