//! Routes with real processes: a rate that is held, and a window that closes in mid-transfer.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;
use std::time::Duration;

use clock::{Clock, SystemClock};
use processes::{Hierarchy, Server, fetch, wait_until};
use serde_json::Value;

mod processes;

/// 8 Mbit/s.
const RATE_BYTES_PER_S: f64 = 1_000_000.0;
/// More than goes in the ten seconds of the measurement.
const FILES: u64 = 130;
const FILE_BYTES: usize = 100_000;
/// Answers that a distribution point reads at once; each may lose the file that is under way in it.
const ANSWERS_AT_ONCE: u64 = 6;

/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(10);
const OF_POINT: &str = "haulier_dp_received_bytes_total{origin=\"site\"}";
const OF_SITE: &str = "haulier_site_links_received_bytes_total";
const BELOW: &str = "dp1.s01.example.test";

/// A folder of files that neither compress nor repeat.
fn write_source(source: &Path, seed: u64, files: u64) {
    std::fs::create_dir(source).unwrap();
    for number in 0..files {
        let bytes = samples::Rng::new(seed + number).bytes(FILE_BYTES);
        std::fs::write(source.join(format!("{number}.sys")), bytes).unwrap();
    }
}

/// The bytes a second that a receiver counts for ten seconds are the rate, from the first bytes on and whatever else goes on.
async fn holds_rate(receiver: &Server, counter: &str, meanwhile: impl Future<Output = ()>) {
    wait_until("it flows", || async { receiver.find_counter(counter).await >= Some(400_000) }).await;
    let measured = async {
        let (at, before) = (SystemClock.monotonic(), receiver.counter(counter).await);
        SystemClock.sleep(MEASURED).await;
        let (later, after) = (SystemClock.monotonic(), receiver.counter(counter).await);
        (after - before) as f64 / (later - at).as_secs_f64()
    };
    let (rate, ()) = tokio::join!(measured, meanwhile);
    assert!((rate / RATE_BYTES_PER_S - 1.0).abs() < 0.05, "{rate:.0} bytes a second");
}

fn of(states: &[Value], name: &str) -> Value {
    states.iter().find(|state| state["ServerName"] == name).cloned().unwrap_or_default()
}

fn is_paused(state: &Value) -> bool {
    state["PausedReason"].as_str().is_some_and(|reason| !reason.is_empty())
}

/// Bytes of content that the site has sent to its distribution points so far.
async fn sent_bytes(hierarchy: &Hierarchy) -> u64 {
    let url = format!("{}/metrics", hierarchy.site.address);
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("haulier_site_sent_bytes_total{to=\"distribution_point\"} "))
        .unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_held_and_a_window_that_closes_is_waited_out() {
    let hierarchy = Hierarchy::start(2).await;
    let dp = hierarchy.points[0].name.clone();
    let other = hierarchy.points[1].name.clone();
    let route = async |arguments: &[&str]| {
        hierarchy.text(&[&["site", "route", "--dp", &dp], arguments].concat()).await
    };
    assert!(route(&["show"]).await.contains("has no route"));
    route(&["set", "--rate", "8mbit", "--time-zone", "UTC"]).await;
    assert!(route(&["show"]).await.contains("rate 8 mbit/s"), "{}", route(&["show"]).await);

    let source = hierarchy.folder.path().join("source");
    write_source(&source, 0, FILES);
    let id = hierarchy.create_package("Large", &source).await;
    hierarchy.text(&["package", "distribute", &id, &dp]).await;
    holds_rate(&hierarchy.points[0], OF_POINT, async {}).await;

    // The window closes for this package, whose priority is 2, with a part of it still to come.
    route(&["set", "--window", "daily 00-24 high"]).await;
    let states = hierarchy.wait_for_states(&id, |states| is_paused(&states[0])).await;
    assert_eq!((&states[0]["State"], &states[0]["FaultCode"]), (&1.into(), &"".into()), "{states:#?}");
    assert!(hierarchy.text(&["status", &id]).await.contains("install pending, paused until"));
    let sent = sent_bytes(&hierarchy).await;
    assert!(sent < FILES * FILE_BYTES as u64, "{sent} bytes: it ended before the window closed");
    assert_eq!(
        fetch(&hierarchy.points[0].address, &format!("{id}/0.sys")).await,
        None,
        "nothing is served in part"
    );

    // The window is this destination's own: another one gets the package meanwhile.
    hierarchy.text(&["package", "distribute", &id, &other]).await;
    let states = hierarchy.wait_for_states(&id, |states| of(states, &other)["InstalledVersion"] == 1).await;
    let paused = of(&states, &dp);
    assert_eq!((&paused["InstalledVersion"], &paused["FaultCode"]), (&0.into(), &"".into()), "{paused}");
    assert_ne!(paused["PausedReason"], "", "{paused}");
    let of_other = sent_bytes(&hierarchy).await - sent;

    // More urgent, it goes on at once, and with what is missing alone.
    route(&["set", "--rate", "unlimited"]).await;
    hierarchy.text(&["package", "set", &id, "--priority", "high"]).await;
    let states = hierarchy.wait_for_version(&id, 1).await;
    let state = of(&states, &dp);
    assert_eq!((&state["PausedReason"], &state["Attempts"]), (&"".into(), &0.into()), "{state}");
    let (content, all) = (FILES * FILE_BYTES as u64, sent_bytes(&hierarchy).await - of_other);
    let twice_max = ANSWERS_AT_ONCE * FILE_BYTES as u64;
    // The manifest and the index are small beside a file.
    assert!(
        all <= content + twice_max,
        "{all} bytes were sent for {content}; {sent} before the window closed"
    );
    let served = fetch(&hierarchy.points[0].address, &format!("{id}/7.sys")).await;
    assert_eq!(served, Some(samples::Rng::new(7).bytes(FILE_BYTES)));
    route(&["clear"]).await;
    assert!(route(&["show"]).await.contains("has no route"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_to_a_child_site_holds_its_rate_and_lets_only_the_urgent_pass() {
    let parent = Hierarchy::start_central(1).await;
    let child = parent.child("S01", "primary", 1).await;
    let near = parent.points[0].name.clone();
    let route = async |arguments: &[&str]| {
        parent.text(&[&["site", "route", "S01"], arguments].concat()).await;
    };
    route(&["set", "--rate", "8mbit", "--time-zone", "UTC"]).await;
    let folder = |name: &str| parent.folder.path().join(name);
    write_source(&folder("large"), 0, FILES);
    let id = parent.create_package("Large", &folder("large")).await;
    parent.knows_point(BELOW).await;
    for named in [BELOW.to_owned(), format!("{BELOW}@S01")] {
        let refused = parent.haulier(&["site", "route", "--dp", &named, "set", "--rate", "1mbit"]).await;
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && why.contains("belongs to site S01"), "{named}: {why}");
        assert!(why.contains("`haulier site route S01 set`"), "{why}");
    }
    parent.text(&["package", "distribute", &id, BELOW]).await;
    // Whoever is near gets the same meanwhile, as fast as it goes.
    let other = async {
        parent.text(&["package", "distribute", &id, &near]).await;
        parent.wait_for_states(&id, |states| of(states, &near)["InstalledVersion"] == 1).await;
        assert!(child.counter(OF_SITE).await < FILES * FILE_BYTES as u64, "it waited for the child");
    };
    holds_rate(&child.site, OF_SITE, other).await;

    // The window closes for this package, whose priority is 2: shown where it waits and above, and no failure.
    route(&["set", "--window", "daily 00-24 high"]).await;
    for site in [&child, &parent] {
        let states = site.wait_for_states(&id, |states| is_paused(&of(states, BELOW))).await;
        let state = of(&states, BELOW);
        assert_eq!((&state["InstalledVersion"], &state["FaultCode"]), (&0.into(), &"".into()), "{state}");
        assert!(site.text(&["status", &id]).await.contains("paused until"), "{state}");
    }
    let received = child.counter(OF_SITE).await;
    assert!(received < FILES * FILE_BYTES as u64, "{received} bytes: it ended before the window closed");

    // What is urgent passes where this waits.
    write_source(&folder("urgent"), 1_000, 3);
    let urgent = parent.create_package("Urgent", &folder("urgent")).await;
    parent.text(&["package", "set", &urgent, "--priority", "high"]).await;
    parent.text(&["package", "distribute", &urgent, BELOW]).await;
    parent.wait_for_version(&urgent, 1).await;
    assert!(is_paused(&of(&parent.states(&id).await, BELOW)), "the other waits still");
    let said = |id: u32| format!("SELECT MessageID FROM SMS_StatusMessage WHERE MessageID = {id}");
    let count = async |id| child.json(&["query", &said(id)]).await.as_array().unwrap().len();
    assert_eq!((count(39075).await, count(39072).await), (1, 0), "said once, and as no failure");

    // It opens: at once, and with what is missing alone.
    route(&["clear"]).await;
    parent.wait_for_version(&id, 1).await;
    let received = child.counter(OF_SITE).await;
    let content = (FILES + 3) * FILE_BYTES as u64;
    let twice_max = ANSWERS_AT_ONCE * FILE_BYTES as u64;
    assert!(received <= content + twice_max, "{received} bytes came for {content}");
    assert_eq!(child.counter("haulier_site_links_pulls_failed_total").await, 0);
    let served = fetch(&child.points[0].address, &format!("{id}/7.sys")).await;
    assert_eq!(served, Some(samples::Rng::new(7).bytes(FILE_BYTES)));
}
