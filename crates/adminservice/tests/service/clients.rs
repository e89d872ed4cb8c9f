//! Other people's OData clients against the service, as scripts in `tests/clients`.
//!
//! `cargo xtask test` makes the Python environment and names it in `HAULIER_TEST_PYTHON`.

use std::path::Path;

use clock::SystemClock;
use tokio::process::Command;

use crate::harness::{PACKAGE, PASSWORD, Service};

#[tokio::test]
async fn plain_requests_of_deployment_scripts() {
    run("plain_rest.py").await;
}

#[tokio::test]
async fn odatapy_reads_the_metadata_and_calls_the_action() {
    run("odatapy_client.py").await;
}

#[tokio::test]
async fn python_odata_reflects_the_entities_and_calls_the_action() {
    run("python_odata_client.py").await;
}

#[expect(clippy::print_stderr, reason = "`cargo xtask test` lists what did not run")]
async fn run(script: &str) {
    let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
        eprintln!("NOT RUN: {script}: no Python with its clients; `cargo xtask test` makes one");
        return;
    };
    let service = Service::start_with(SystemClock::shared()).await;
    service.run_workers();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = Command::new(python)
        .arg(folder.join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HAULIER_URL", format!("http://{}", service.addr))
        .env("HAULIER_USER", "admin")
        .env("HAULIER_PASSWORD", PASSWORD)
        .env("HAULIER_PACKAGE", PACKAGE)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{script}: {said}");
}
