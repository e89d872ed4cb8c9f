//! Faults on the way and on the disk, each seen to fire, each told and overcome.

use std::path::Path;
use std::sync::atomic::Ordering;

use agent::{Event, Fact, Goal};
use http::StatusCode;

use crate::site::{PACKAGE, Running, Site};

async fn scene() -> (Site, tempfile::TempDir, Running) {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    site.write("disk.img", &samples::Rng::new(1).bytes(10 << 20));
    site.write("net/e1d.sys", &samples::Rng::new(2).bytes(90_000));
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    (site, dir, dp)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_breaks_off_goes_on_in_the_middle() {
    let (site, _dir, dp) = scene().await;
    site.script.faults.cut.store(3, Ordering::SeqCst);
    site.installed(site.hold(1, false)).await;
    assert_eq!(site.script.faults.fired.load(Ordering::SeqCst), 3);
    let sent = site.script.faults.content_bytes.load(Ordering::SeqCst);
    assert!(sent < 11 << 20, "{sent} bytes were sent for 10 MiB: nothing that came was asked for again");
    assert_eq!(dp.bytes("PS100001/disk.img").await.len(), 10 << 20);
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_goes_right_after_its_route_costs_another_route_and_no_attempt() {
    let (site, _dir, dp) = scene().await;
    site.script.faults.stale.store(2, Ordering::SeqCst);
    site.installed(site.hold(1, false)).await;
    assert_eq!(site.script.faults.fired.load(Ordering::SeqCst), 2);
    let is_failed = |fact: &Fact| matches!(fact.event, Event::Failed { .. });
    assert!(!site.facts().iter().any(is_failed), "{:?}", site.facts());
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_bytes_are_refused_reported_and_fetched_again() {
    let (site, _dir, dp) = scene().await;
    site.script.faults.alter.store(2, Ordering::SeqCst);
    site.installed(site.hold(1, false)).await;
    assert_eq!(site.script.faults.fired.load(Ordering::SeqCst), 2);
    let is_refused = |fact: &Fact| matches!(fact.event, Event::Refused { .. });
    assert!(site.facts().iter().any(is_refused), "{:?}", site.facts());
    assert_eq!(dp.bytes("PS100001/net/e1d.sys").await, samples::Rng::new(2).bytes(90_000));
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_site_has_lost_fails_with_a_reason_and_a_next_time() {
    let (site, _dir, dp) = scene().await;
    let manifest = "ab".repeat(32);
    let signature = Some(site.sign(9, &manifest));
    let lost = site.demand(Goal::Hold { version: 9, manifest, verify: false, signature });
    let facts = site
        .fact("Failed", |fact| fact.generation == lost && matches!(fact.event, Event::Failed { .. }))
        .await;
    let failed = facts.iter().find_map(|fact| match &fact.event {
        Event::Failed { fault, attempt, next_attempt_at } => {
            Some((fault.code.as_str(), *attempt, next_attempt_at))
        }
        _ => None,
    });
    let (code, attempt, next) = failed.unwrap();
    assert_eq!((code, attempt), ("manifest_gone", 1));
    assert!(next.parse::<jiff::Timestamp>().is_ok(), "{next}");
    site.installed(site.hold(1, false)).await;
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_not_served_and_repairs_itself() {
    let (site, dir, dp) = scene().await;
    let generation = site.hold(1, false);
    site.installed(generation).await;
    let tag =
        dp.get("PS100001/net/e1d.sys").await.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
    let stored = dir.path().join("files").join(&tag[..2]).join(&tag);
    std::fs::write(&stored, b"short").unwrap();
    let response = dp.get("PS100001/net/e1d.sys").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let repaired = |fact: &Fact| match &fact.event {
        Event::Verified { files_repaired, .. } => {
            fact.generation == generation && *files_repaired == ["net/e1d.sys"]
        }
        _ => false,
    };
    site.fact("Verified", repaired).await;
    assert_eq!(dp.bytes("PS100001/net/e1d.sys").await, samples::Rng::new(2).bytes(90_000));
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_to_verify_finds_what_no_reader_met() {
    let (site, dir, dp) = scene().await;
    site.installed(site.hold(1, false)).await;
    let tag =
        dp.get("PS100001/disk.img").await.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
    let stored = dir.path().join("files").join(&tag[..2]).join(&tag);
    let mut bytes = std::fs::read(&stored).unwrap();
    bytes[5 << 20] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    for expect in [vec!["disk.img".to_owned()], vec![]] {
        let generation = site.hold(1, true);
        let facts = site.fact("Verified", |fact| fact.generation == generation && is_verified(fact)).await;
        let verified = facts.iter().find(|fact| fact.generation == generation && is_verified(fact)).unwrap();
        let Event::Verified { version, files_verified, files_repaired } = &verified.event else {
            unreachable!()
        };
        assert_eq!((*version, *files_verified, files_repaired), (1, 2, &expect));
    }
    assert_eq!(dp.bytes(&format!("{PACKAGE}/disk.img")).await, samples::Rng::new(1).bytes(10 << 20));
    dp.stop().await;
    site.stop().await;
}

/// A version shares most of its files with the one before, and takes them as they lie there.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_that_is_to_be_verified_takes_no_damage_over() {
    let (site, dir, dp) = scene().await;
    site.installed(site.hold(1, false)).await;
    let tag = dp.get("PS100001/disk.img").await.headers()["etag"].to_str().unwrap().to_owned();
    let tag = tag.trim_matches('"');
    let stored = dir.path().join("files").join(&tag[..2]).join(tag);
    let mut bytes = std::fs::read(&stored).unwrap();
    bytes[5 << 20] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    site.write("net/e1d.sys", &samples::Rng::new(3).bytes(90_000));
    site.publish(2);
    let generation = site.hold(2, true);
    let finds = |fact: &Fact| match &fact.event {
        Event::Damaged { version: 2, damaged, .. } => {
            fact.generation == generation && *damaged == ["disk.img"]
        }
        _ => false,
    };
    site.fact("Damaged", finds).await;
    site.installed(generation).await;
    assert_eq!(dp.bytes(&format!("{PACKAGE}/disk.img")).await, samples::Rng::new(1).bytes(10 << 20));
    assert_eq!(dp.bytes(&format!("{PACKAGE}/net/e1d.sys")).await, samples::Rng::new(3).bytes(90_000));
    dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_rebuilt_index_lacks_is_pulled_again() {
    /// Gets the version file and a stored file.
    type Damage = fn(&Path, &Path);
    let cases: [(&str, Damage); 3] = [
        ("a file was altered", |_, stored| std::fs::write(stored, b"other").unwrap()),
        ("its version file was torn", |version, _| std::fs::write(version, b"HLVF").unwrap()),
        ("its version file was lost", |version, _| std::fs::remove_file(version).unwrap()),
    ];
    for (what, damage) in cases {
        let (site, dir, dp) = scene().await;
        let generation = site.hold(1, false);
        site.installed(generation).await;
        let tag = dp.get("PS100001/net/e1d.sys").await.headers()["etag"].to_str().unwrap().to_owned();
        let tag = tag.trim_matches('"');
        dp.stop().await;
        site.forget_facts();
        std::fs::remove_file(dir.path().join("index.redb")).unwrap();
        damage(
            &dir.path().join(format!("versions/{PACKAGE}.1")),
            &dir.path().join("files").join(&tag[..2]).join(tag),
        );
        let dp = Running::start(site.options(dir.path())).await;
        let received = site.installed(generation).await;
        assert!(received < 1 << 20, "{what}: {received} bytes, though most was still there");
        assert_eq!(dp.bytes("PS100001/net/e1d.sys").await, samples::Rng::new(2).bytes(90_000), "{what}");
        dp.stop().await;
        site.stop().await;
    }
}

fn is_verified(fact: &Fact) -> bool {
    matches!(fact.event, Event::Verified { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_comes_back_is_followed_again() {
    let (site, _dir, dp) = scene().await;
    site.script.faults.down.store(true, Ordering::SeqCst);
    let generation = site.hold(1, false);
    // The demand wakes the waiting request, which is answered with 503.
    site.script.faults.down.store(false, Ordering::SeqCst);
    site.installed(generation).await;
    dp.stop().await;
    site.stop().await;
}
