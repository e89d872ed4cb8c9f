//! Other people's WS-Management clients against the service, as scripts in `tests/clients`, beside the AdminService: what
//! one front end writes the other one reads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::{Path, PathBuf};

use clock::SystemClock;
use site::{Actor, UserChange};
use stage::{Clients, DriverFile, Listening, NotRun, PASSWORD, Stage, succeeds};

/// A running site with a driver to import, behind both front ends.
struct Running {
    stage: Stage,
    at: Listening,
    /// Where the AdminService is.
    rest: Listening,
    /// Where CIM-XML is.
    cimxml: Listening,
}

impl Running {
    async fn start(secure: bool) -> Self {
        let stage = Stage::new(SystemClock::shared()).await;
        DriverFile::default().write(&stage.folder("net"));
        stage.run_workers();
        let router =
            wsman::WsMan::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone()).router();
        let at = match secure {
            true => stage.listen_tls(router).await,
            false => stage.listen(router).await,
        };
        let adminservice =
            adminservice::router(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone());
        let rest = stage.listen(adminservice).await;
        let cimxml =
            cimxml::CimXml::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone()).router();
        let cimxml = stage.listen(cimxml).await;
        let with_ntlm = UserChange {
            password: Some(PASSWORD.to_owned()),
            allow_ntlm: Some(true),
            ..UserChange::default()
        };
        stage.site.change_user(&Actor::local(), "admin", with_ntlm).await.unwrap();
        Self { stage, at, rest, cimxml }
    }

    async fn run(&self, clients: &Clients, script: &str, arguments: &[&str]) -> String {
        let mut command = clients.script(script, &self.stage, &self.at);
        command.env("HAULIER_REST_URL", &self.rest.url).env("HAULIER_CIMXML_URL", &self.cimxml.url);
        succeeds(command.args(arguments)).await
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// None where the machine lacks it, which the summary of `cargo xtask test` says.
#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn found(clients: Result<Clients, NotRun>) -> Option<Clients> {
    clients.map_err(|missing| eprintln!("{missing}")).ok()
}

/// Every workflow by a client that is signed in so; over plain HTTP all but Basic seals its messages.
async fn goes_through_every_workflow(script: &str, auth: &str, secure: bool) {
    let over = if secure { " over TLS" } else { "" };
    let Some(python) = found(Clients::python(&scripts(), &format!("{script} with {auth}{over}"))) else {
        return;
    };
    Running::start(secure).await.run(&python, script, &[auth]).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow() {
    goes_through_every_workflow("pypsrp_client.py", "basic", false).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow_over_tls() {
    goes_through_every_workflow("pypsrp_client.py", "basic", true).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow_with_ntlm_sealed() {
    goes_through_every_workflow("pypsrp_client.py", "ntlm", false).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow_with_ntlm_over_tls() {
    goes_through_every_workflow("pypsrp_client.py", "ntlm", true).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow_with_negotiate_sealed() {
    goes_through_every_workflow("pypsrp_client.py", "negotiate", false).await;
}

#[tokio::test]
async fn pypsrp_goes_through_every_workflow_with_negotiate_over_tls() {
    goes_through_every_workflow("pypsrp_client.py", "negotiate", true).await;
}

#[tokio::test]
async fn pywinrm_goes_through_every_workflow() {
    goes_through_every_workflow("pywinrm_client.py", "basic", false).await;
}

#[tokio::test]
async fn pywinrm_goes_through_every_workflow_with_ntlm_sealed() {
    goes_through_every_workflow("pywinrm_client.py", "ntlm", false).await;
}

#[tokio::test]
async fn pywinrm_goes_through_every_workflow_with_ntlm_over_tls() {
    goes_through_every_workflow("pywinrm_client.py", "ntlm", true).await;
}

/// What one front end writes the other one reads.
#[tokio::test]
async fn the_adminservice_reads_what_is_written_here_and_the_other_way_round() {
    let Some(python) = found(Clients::python(&scripts(), "two_front_ends.py")) else { return };
    Running::start(false).await.run(&python, "two_front_ends.py", &[]).await;
}

/// The same with CIM-XML as the third.
#[tokio::test]
async fn three_front_ends_read_what_each_writes() {
    let Some(python) = found(Clients::python(&scripts(), "three_front_ends.py")) else { return };
    Running::start(false).await.run(&python, "three_front_ends.py", &[]).await;
}

/// It needs a Python of its own, which `cargo xtask test` may not find.
#[tokio::test]
async fn wsmanio_goes_through_every_workflow() {
    let Some(python) = found(Clients::named("HAULIER_TEST_WSMANIO", &scripts(), "wsmanio_client.py")) else {
        return;
    };
    Running::start(false).await.run(&python, "wsmanio_client.py", &[]).await;
}

#[tokio::test]
async fn dracclient_goes_through_what_its_operations_reach() {
    let Some(python) = found(Clients::python(&scripts(), "dracclient_client.py")) else { return };
    Running::start(false).await.run(&python, "dracclient_client.py", &[]).await;
}

#[tokio::test]
async fn the_wsl_scripts_find_and_read() {
    let missing =
        ["wslid", "uuidgen", "xmllint"].map(|program| Clients::installed(&scripts(), program, "wsl.sh"));
    if missing.into_iter().any(|program| found(program).is_none()) {
        return;
    }
    let Some(bash) = found(Clients::installed(&scripts(), "bash", "wsl.sh")) else { return };
    Running::start(false).await.run(&bash, "wsl.sh", &[]).await;
}
