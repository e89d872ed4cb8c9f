//! Other people's clients against the service, as scripts in `tests/clients`.

use std::path::{Path, PathBuf};

use clock::SystemClock;
use stage::{Clients, DriverFile, NotRun, succeeds};

use crate::harness::Service;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn found(clients: Result<Clients, NotRun>) -> Option<Clients> {
    clients.map_err(|missing| eprintln!("{missing}")).ok()
}

/// A site that works, with drivers to import.
async fn working() -> Service {
    let service = Service::start_with(SystemClock::shared()).await;
    DriverFile::default().write(&service.folder("net"));
    let other = DriverFile {
        hardware_id: r"PCI\VEN_1AF4&DEV_1001",
        device: "Example Storage",
        ..DriverFile::default()
    };
    other.write(&service.folder("storage"));
    service.run_workers();
    service
}

async fn runs(script: &str) {
    let Some(python) = found(Clients::python(&scripts(), script)) else { return };
    let service = working().await;
    succeeds(&mut python.script(script, &service, &service.at)).await;
}

#[tokio::test]
async fn pywbem_goes_through_every_operation() {
    runs("pywbem_operations.py").await;
}

#[tokio::test]
async fn pywbem_goes_through_every_workflow() {
    runs("pywbem_workflows.py").await;
}

#[tokio::test]
async fn pywbemcli_reads_calls_and_discovers() {
    runs("pywbemcli.py").await;
}

#[tokio::test]
async fn wbemcli_goes_through_its_commands() {
    if found(Clients::installed(&scripts(), "wbemcli", "wbemcli.py")).is_some() {
        runs("wbemcli.py").await;
    }
}

/// The classes as pywbem's own server makes them of the same MOF.
#[tokio::test]
async fn classes_are_those_that_another_server_makes_of_the_schema() {
    let Some(python) = found(Clients::python(&scripts(), "pywbem_mock")) else { return };
    let service = Service::start().await;
    let mof = service.folder("schema.mof");
    let text: String = provider::Schema::sources().iter().map(|(_, text)| *text).collect();
    std::fs::write(&mof, text).unwrap();
    succeeds(python.script("mock_oracle.py", &service, &service.at).env("HAULIER_MOF", mof)).await;
}

/// The same over TLS, with the site's own authority.
#[tokio::test]
async fn pywbem_and_wbemcli_verify_the_server() {
    let Some(python) = found(Clients::python(&scripts(), "secured.py")) else { return };
    if found(Clients::installed(&scripts(), "wbemcli", "secured.py")).is_none() {
        return;
    }
    let service = working().await;
    let router = service.cimxml.router();
    let at = service.listen_tls(router).await;
    succeeds(&mut python.script("secured.py", &service, &at)).await;
}
