//! Certificates that end, with real processes whose clocks go on by months: who renewed in time goes on, who was away for
//! too long is refused, is told what to do, serves on meanwhile, and goes on after it.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::faketime::FakeClock;
use processes::{Hierarchy, Server, Surroundings, fetch, wait_until};

mod processes;

const AWAY: &str = "dp2.example.test";
const BELOW: &str = "dp1.s01.example.test";

fn write(source: &Path, version: u64) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("driver.inf"), format!("version {version}")).unwrap();
}

async fn serves(point: &Server, package: &str, version: u64) {
    let served = fetch(&point.address, &format!("{package}/driver.inf")).await;
    assert_eq!(served, Some(format!("version {version}").into_bytes()), "{} serves {package}", point.name);
}

/// Waits until a server's log holds a text.
async fn says(log: &Path, text: &str) {
    let says = || async { std::fs::read_to_string(log).is_ok_and(|log| log.contains(text)) };
    wait_until(&format!("{} says {text:?}", log.display()), says).await;
}

async fn restart(server: &mut Server) {
    server.kill().await;
    server.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_was_renewed_goes_on_and_one_that_ended_needs_a_new_token() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = FakeClock::new(folder.path(), "clock") else {
        eprintln!("NOT RUN: certificates: Debian's libfaketime is missing; `cargo xtask test` installs it");
        return;
    };
    let mut parent = Hierarchy::start_amid(Surroundings::of(&clock.variables()), true, 2).await;
    let mut child = parent.child("S01", "secondary", 1).await;
    let [of_point, of_child] = ["point.log", "child.log"].map(|name| folder.path().join(name));
    parent.points[1].with_log(&of_point);
    child.site.with_log(&of_child);
    let source = parent.folder.path().join("source");
    write(&source, 1);
    let id = parent.create_package("Through the months", &source).await;
    let known = async || {
        let points = parent.json(&["dp", "list"]).await;
        points.as_array().is_some_and(|points| points.iter().any(|point| point["ServerName"] == BELOW))
    };
    wait_until("the child's distribution point is known", known).await;
    parent.text(&["package", "distribute", &id, "dp1.example.test", AWAY, BELOW]).await;
    parent.wait_for_version(&id, 1).await;

    // Two of them go away; the third renews when two thirds of its ninety days are over.
    parent.points[1].kill().await;
    child.site.kill().await;
    let identity = parent.points[0].data.join("identity.json");
    let first = std::fs::read(&identity).unwrap();
    clock.set("+61d");
    restart(&mut parent.points[0]).await;
    wait_until("it renews", async || std::fs::read(&identity).unwrap() != first).await;

    clock.set("+100d");
    // So that no connection is older than the certificates.
    restart(&mut parent.site).await;
    restart(&mut parent.points[0]).await;
    parent.points[1].start().await;
    child.site.start().await;
    write(&source, 2);
    parent.text(&["package", "refresh", &id]).await;
    let near = |state: &serde_json::Value| state["ServerName"] == "dp1.example.test" && state["State"] == 0;
    let renewed = |state: &serde_json::Value| near(state) && state["InstalledVersion"] == 2;
    parent.wait_for_states(&id, |states| states.iter().any(renewed)).await;
    serves(&parent.points[0], &id, 2).await;

    // Refused, told why and what to do, on both sides; nothing is lost.
    says(&of_point, "The certificate has ended and the site lets nobody in with it: make a new token").await;
    says(&of_child, "The certificate has ended: make a token with `haulier site token` at the parent").await;
    for state in parent.states(&id).await.iter().filter(|state| !near(state)) {
        assert_eq!(state["InstalledVersion"], 1, "the fault fired: {state}");
        assert_ne!(state["State"], 0, "{state}");
    }
    let doctor = parent.haulier(&["doctor"]).await;
    let found = String::from_utf8(doctor.stdout).unwrap();
    let told = found.lines().find(|line| line.starts_with("PROBLEM") && line.contains(AWAY));
    assert!(told.is_some_and(|told| told.contains("haulier dp token")), "{found}");
    let told = found.lines().find(|line| line.starts_with("PROBLEM") && line.contains("the child site S01"));
    assert!(told.is_some_and(|told| told.contains("haulier site token")), "{found}");
    serves(&parent.points[1], &id, 1).await;
    serves(&child.points[0], &id, 1).await;

    // A new token each, and they go on.
    let token = parent.token(AWAY).await;
    parent.points[1].with_token(&token);
    restart(&mut parent.points[1]).await;
    child.site.kill().await;
    let token = parent.site_token("S01").await;
    let again = ["site", "init", "--site-code", "S01", "--type", "secondary", "--parent"];
    child.at_data(&[again.as_slice(), &[&parent.site.address, "--token", &token]].concat()).await;
    child.site.start().await;
    parent.wait_for_version(&id, 2).await;
    serves(&parent.points[1], &id, 2).await;
    serves(&child.points[0], &id, 2).await;
}
