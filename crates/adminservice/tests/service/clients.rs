//! Other people's OData clients against the service, as scripts in `tests/clients`.
//!
//! `cargo xtask test` makes the Python environment and names it in `HAULIER_TEST_PYTHON`.

use std::ffi::OsStr;
use std::path::Path;

use clock::SystemClock;
use tokio::process::Command;

use crate::harness::{PACKAGE, PASSWORD, Service};

/// Requests of deployment scripts; a strict client that types every answer by the metadata; one that makes
/// classes of the metadata. Each finds the package and refreshes it.
const SCRIPTS: [&str; 3] = ["plain_rest.py", "odatapy_client.py", "python_odata_client.py"];

#[tokio::test]
async fn other_peoples_clients_find_and_refresh_the_package() {
    let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
        eprintln!(
            "NOT RUN: {}: no Python with the clients; `cargo xtask test` makes one",
            SCRIPTS.join(", ")
        );
        return;
    };
    for script in SCRIPTS {
        run(&python, script).await;
    }
}

async fn run(python: &OsStr, script: &str) {
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
