//! Routes with real processes: a rate that is held, and a window that closes in mid-transfer.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::time::Duration;

use clock::{Clock, SystemClock};
use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

mod processes;

/// 8 Mbit/s.
const RATE_BYTES_PER_S: f64 = 1_000_000.0;
const FILES: u64 = 80;
const FILE_BYTES: usize = 100_000;
/// Answers that a distribution point reads at once; each may lose the file that is under way in it.
const ANSWERS_AT_ONCE: u64 = 6;

/// Bytes of content that the site has sent so far, to everybody.
async fn sent_bytes(hierarchy: &Hierarchy) -> u64 {
    let url = format!("{}/metrics", hierarchy.site.address);
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let line =
        text.lines().find(|line| line.starts_with("haulier_site_agents_content_bytes_total ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn wait_for_bytes(hierarchy: &Hierarchy, bytes: u64) {
    wait_until(&format!("{bytes} bytes are sent"), || async { sent_bytes(hierarchy).await >= bytes }).await;
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
    std::fs::create_dir(&source).unwrap();
    for number in 0..FILES {
        let bytes = samples::Rng::new(number).bytes(FILE_BYTES);
        std::fs::write(source.join(format!("{number}.sys")), bytes).unwrap();
    }
    let id = hierarchy.create_package("Large", &source).await;
    hierarchy.text(&["package", "distribute", &id, &dp]).await;
    wait_for_bytes(&hierarchy, 400_000).await;
    let (at, before) = (SystemClock.monotonic(), sent_bytes(&hierarchy).await);
    SystemClock.sleep(Duration::from_secs(3)).await;
    let (later, after) = (SystemClock.monotonic(), sent_bytes(&hierarchy).await);
    let rate = (after - before) as f64 / (later - at).as_secs_f64();
    assert!((rate / RATE_BYTES_PER_S - 1.0).abs() < 0.05, "{rate:.0} bytes a second");

    // The window closes for this package, whose priority is 2, with about half of it on its way.
    route(&["set", "--window", "daily 00-24 high"]).await;
    let states = hierarchy
        .wait_for_states(&id, |states| {
            states[0]["PausedReason"].as_str().is_some_and(|reason| !reason.is_empty())
        })
        .await;
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
    let of = |states: &[Value], name: &str| {
        states.iter().find(|state| state["ServerName"] == name).cloned().unwrap_or_default()
    };
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
