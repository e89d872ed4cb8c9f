//! Following the site through versions, restarts and changes of mind.

use std::sync::atomic::Ordering;

use agent::{Event, Goal};
use clock::{Clock, SystemClock};
use http::StatusCode;

use crate::site::{PACKAGE, Running, Site};

#[tokio::test(flavor = "multi_thread")]
async fn versions_come_are_served_and_go() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let spec = samples::PackSpec { seed: 4, drivers: 4, large_files: 0, large_file_bytes: 0 };
    samples::write_pack(&site.source, &spec).unwrap();
    site.write("readme.txt", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    let whole = site.installed(site.hold(1, false)).await;
    assert_eq!(dp.bytes("PS100001/README.TXT").await, "one");

    samples::apply_step(&site.source, 5, samples::Step::Fix).unwrap();
    site.write("readme.txt", b"two");
    site.publish(2);
    let update = site.installed(site.hold(2, false)).await;
    assert!(update < whole / 3, "{update} bytes for an update, {whole} for all");
    assert_eq!(dp.bytes("PS100001/readme.txt").await, "two");
    assert_eq!(dp.bytes("PS100001.1/readme.txt").await, "one", "the version before stays");
    assert_eq!(dp.bytes("ps100001.2/readme.txt").await, "two");

    site.demand(Goal::Absent);
    site.fact("Removed", |fact| fact.event == Event::Removed).await;
    assert_eq!(dp.get("PS100001/readme.txt").await.status(), StatusCode::NOT_FOUND);
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_the_site_serves_and_needs_no_token() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"[Version]");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    dp.stop().await;
    let mut options = site.options(dir.path());
    options.token = None;
    site.stop().await;
    let dp = Running::start(options).await;
    assert_eq!(dp.bytes("PS100001.1/a.inf").await, "[Version]");
    dp.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_demand_replaces_a_running_transfer() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("disk.img", &samples::Rng::new(1).bytes(12 << 20));
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.script.open.send_replace(false);
    let first = site.hold(1, false);
    site.fact("Started", |fact| fact.generation == first).await;
    site.write("a.inf", b"two");
    site.publish(2);
    let second = site.hold(2, false);
    site.script.open.send_replace(true);
    site.installed(second).await;
    assert_eq!(dp.bytes("PS100001/a.inf").await, "two");
    assert_eq!(dp.get("PS100001.1/a.inf").await.status(), StatusCode::NOT_FOUND);
    let is_first_done =
        |fact: &agent::Fact| fact.generation == first && matches!(fact.event, Event::Installed { .. });
    assert!(!site.facts().iter().any(is_first_done), "the older version never counted");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_transfer_ends_and_waits_for_the_next_demand() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    site.write("disk.img", &samples::Rng::new(1).bytes(12 << 20));
    site.publish(2);
    site.script.open.send_replace(false);
    let first = site.hold(2, false);
    site.fact("Started", |fact| fact.generation == first).await;
    let cancelled = site.cancel(2);
    site.told(cancelled).await;
    site.script.open.send_replace(true);
    assert_eq!(dp.bytes("PS100001/a.inf").await, "one", "what is served stays served");
    let again = site.hold(2, false);
    site.installed(again).await;
    let of_the_cancelled = |fact: &agent::Fact| {
        fact.generation == cancelled
            || fact.generation == first
                && !matches!(fact.event, Event::Started { .. } | Event::Progress { .. })
    };
    assert!(!site.facts().iter().any(of_the_cancelled), "{:?}", site.facts());
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_mid_transfer_goes_on_where_it_was() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("disk.img", &samples::Rng::new(1).bytes(40 << 20));
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    // The first ranges break for good, which ends the attempt with most of the content in place.
    site.script.faults.cut.store(6, Ordering::SeqCst);
    let generation = site.hold(1, false);
    site.fact("Started", |fact| fact.generation == generation).await;
    dp.stop().await;
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(generation).await;
    let sent = site.script.faults.content_bytes.load(Ordering::SeqCst);
    assert!(sent < (40 << 20) + (40 << 20), "{sent} bytes were sent for 40 MiB");
    assert_eq!(dp.bytes(&format!("{PACKAGE}/disk.img")).await.len(), 40 << 20);
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_attempt_received_is_counted() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("disk.img", &samples::Rng::new(1).bytes(40 << 20));
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.script.faults.close_after.store(2, Ordering::SeqCst);
    let generation = site.hold(1, false);
    wait_until(&dp, || site.script.faults.content_bytes.load(Ordering::SeqCst) > 8 << 20).await;
    dp.stop().await;
    site.script.open.send_replace(true);
    let dp = Running::start(site.options(dir.path())).await;
    let received = site.installed(generation).await;
    assert!(received >= 40 << 20, "{received} bytes of content that cannot be compressed");
    let is_started = |fact: &&agent::Fact| matches!(fact.event, Event::Started { .. });
    assert_eq!(site.facts().iter().filter(is_started).count(), 1, "the same attempt goes on");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_refuses_for_maintenance_is_not_asked_again_at_once() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    *site.script.faults.refusal.lock().unwrap() = "maintenance";
    site.script.faults.refuse.store(usize::MAX, Ordering::SeqCst);
    let generation = site.hold(1, false);
    let refused = || site.script.faults.fired.load(Ordering::SeqCst);
    wait_until(&dp, || refused() > 0).await;
    let since = SystemClock.monotonic();
    for _ in 0..50 {
        dp.get("PS100001/a.inf").await;
    }
    // It waits for 5 s at least.
    let waits = (SystemClock.monotonic() - since).as_secs() / 5;
    assert!(refused() as u64 <= 2 + waits, "{} times", refused());
    // It hears of the mode, and of its end, which it need not wait out.
    site.maintain(true);
    site.settled().await;
    site.script.faults.refuse.store(0, Ordering::SeqCst);
    site.maintain(false);
    site.installed(generation).await;
    let is_failed = |fact: &agent::Fact| matches!(fact.event, Event::Failed { .. });
    assert!(!site.facts().iter().any(is_failed), "it is no failure");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_the_site_does_not_want_here_is_no_failure_and_the_whole_list_is_asked_for() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    *site.script.faults.refusal.lock().unwrap() = "package_not_assigned";
    site.script.faults.refuse.store(1, Ordering::SeqCst);
    let first = site.hold(1, false);
    // One at the start, and one more.
    wait_until(&dp, || site.script.faults.lists.load(Ordering::SeqCst) > 1).await;
    assert_eq!(site.script.faults.fired.load(Ordering::SeqCst), 1);
    let second = site.hold(1, false);
    site.installed(second).await;
    let of_the_first =
        |fact: &agent::Fact| fact.generation == first && !matches!(fact.event, Event::Started { .. });
    assert!(!site.facts().iter().any(of_the_first), "{:?}", site.facts());
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_wait_for_a_site_that_does_not_listen_and_survive_a_restart() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.script.faults.deaf.store(true, Ordering::SeqCst);
    let generation = site.hold(1, false);
    wait_until_served(&dp).await;
    dp.stop().await;
    assert!(site.script.faults.fired.load(Ordering::SeqCst) > 0, "the site refused facts");
    assert_eq!(site.facts(), []);
    site.script.faults.deaf.store(false, Ordering::SeqCst);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(generation).await;
    let names: Vec<bool> =
        site.facts().iter().map(|fact| matches!(fact.event, Event::Installed { .. })).collect();
    assert_eq!(names, [false, true], "started, then installed, each once");
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_the_site_never_takes_does_not_take_others_with_it() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("a.inf", b"one");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.script.faults.deaf.store(true, Ordering::SeqCst);
    let generation = site.hold(1, false);
    wait_until_served(&dp).await;
    dp.stop().await;
    let fired = site.script.faults.fired.load(Ordering::SeqCst);
    site.script.faults.picky.store(true, Ordering::SeqCst);
    site.script.faults.deaf.store(false, Ordering::SeqCst);
    // Both facts wait now, and go out together.
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(generation).await;
    let refused = site.script.faults.fired.load(Ordering::SeqCst) - fired;
    assert_eq!(refused, 2, "both together, then the one alone");
    assert_eq!(site.facts().len(), 1);
    dp.stop().await;
    site.stop().await;
}

/// Asks the distribution point for something until it is so.
async fn wait_until(dp: &Running, is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        dp.get("PS100001/a.inf").await;
    }
    panic!("it never was so");
}

/// There is nothing to wait on when nobody is told, so this asks.
async fn wait_until_served(dp: &Running) {
    for _ in 0..10_000 {
        if dp.get("PS100001/a.inf").await.status() == StatusCode::OK {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("version 1 is never served");
}
