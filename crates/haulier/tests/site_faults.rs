//! A child site whose own machine fails, as real processes: its disk is full, its clock jumps, it is away for a month. Each
//! fault is seen to have fired, and whoever is not concerned goes on.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::disk::SmallDisk;
use processes::faketime::FakeClock;
use processes::{Hierarchy, Server, Surroundings, fetch, wait_until};
use serde_json::Value;

mod processes;

const NEAR: &str = "dp1.example.test";
const BELOW: &str = "dp1.s01.example.test";
const ARRIVED: &str = "haulier_site_links_versions_arrived_total";
const RECEIVED: &str = "haulier_site_links_received_bytes_total";
const FILE_BYTES: usize = 300_000;
/// More than the small disk has.
const LARGE_BYTES: usize = 24_000_000;

/// Bytes that neither compress nor repeat.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    samples::Rng::new(seed).bytes(bytes)
}

fn write(source: &Path, version: u64, bytes: usize) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("a.sys"), noise(version, bytes)).unwrap();
}

/// The state of a package at one distribution point, as a site sees it.
async fn state(site: &Hierarchy, package: &str, point: &str) -> Value {
    let states = site.states(package).await;
    states.into_iter().find(|state| state["ServerName"] == point).unwrap()
}

async fn holds(site: &Hierarchy, package: &str, point: &str, version: u64) {
    wait_until(&format!("{point} holds version {version} of {package}"), async || {
        let state = state(site, package, point).await;
        state["State"] == 0 && state["InstalledVersion"] == version
    })
    .await;
}

async fn serves(point: &Server, package: &str, bytes: &[u8]) {
    let served = fetch(&point.address, &format!("{package}/a.sys")).await;
    assert!(served.as_deref() == Some(bytes), "{} serves {package} byte for byte", point.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_at_a_child_site_is_told_and_holds_up_nobody_else() {
    let Some(disk) = SmallDisk::mount("16m").await else {
        eprintln!("NOT RUN: a_full_disk_at_a_child_site: mounting needs root");
        return;
    };
    let parent = Hierarchy::start_central(1).await;
    let outside = tempfile::tempdir().unwrap();
    let mut child = parent.child_in(disk.folder(), "S01", "primary").await;
    child.add_point_in(BELOW, &outside.path().join("dp1")).await;
    // It joins while there is room: on a full disk a site takes nobody in.
    child.add_point_in("dp2.s01.example.test", &outside.path().join("dp2")).await;
    let [small, large] = ["small", "large"].map(|name| parent.folder.path().join(name));
    write(&small, 1, FILE_BYTES);
    write(&large, 2, LARGE_BYTES);
    let held = parent.create_package("Small", &small).await;
    parent.knows_point(BELOW).await;
    parent.text(&["package", "distribute", &held, NEAR, BELOW]).await;
    parent.wait_for_version(&held, 1).await;

    let id = parent.create_package("Too large", &large).await;
    parent.text(&["package", "distribute", &id, NEAR, BELOW]).await;
    wait_until("the child says that its disk is full", async || {
        let said = child.text(&["status", &id, "--messages"]).await;
        said.lines().any(|line| line.contains("39072") && line.contains("disk_full"))
    })
    .await;
    holds(&parent, &id, NEAR, 1).await;
    assert_eq!(state(&parent, &id, BELOW).await["InstalledVersion"], 0, "the fault fired");
    let served = fetch(&child.points[0].address, &format!("{id}/a.sys")).await;
    assert_eq!(served, None, "nothing is served in part");

    // What the child holds goes on to others of its own meanwhile.
    parent.knows_point("dp2.s01.example.test").await;
    parent.text(&["package", "distribute", &held, "dp2.s01.example.test"]).await;
    holds(&parent, &held, "dp2.s01.example.test", 1).await;

    disk.grow("256m").await;
    holds(&parent, &id, BELOW, 1).await;
    serves(&child.points[0], &id, &noise(2, LARGE_BYTES)).await;
    serves(&child.points[1], &held, &noise(1, FILE_BYTES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_site_whose_clock_jumps_by_more_than_a_year_goes_on_when_it_is_right_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = FakeClock::new(folder.path(), "clock") else {
        eprintln!("NOT RUN: a_child_site_whose_clock_jumps: Debian's libfaketime is missing");
        return;
    };
    // With TLS, so that certificates are of the wrong year.
    let parent = Hierarchy::start_amid(Surroundings::default(), true, 1).await;
    let mut child = parent.child("S01", "secondary", 1).await;
    for (name, value) in clock.variables() {
        child.site.with_variable(name, value);
    }
    restart(&mut child.site).await;
    let source = parent.folder.path().join("source");
    write(&source, 1, FILE_BYTES);
    let id = parent.create_package("Through the years", &source).await;
    parent.knows_point(BELOW).await;
    parent.text(&["package", "distribute", &id, NEAR, BELOW]).await;
    parent.wait_for_version(&id, 1).await;

    // A running site whose clock jumps, then one that starts in the wrong year and believes no certificate.
    for (version, (jump, starts_so)) in
        (2..).zip([("+400d", false), ("-400d", false), ("+400d", true), ("-400d", true)])
    {
        clock.set(jump);
        let off_by_s = (clock.told_s().await - clock::Clock::now(&clock::SystemClock).as_second()).abs();
        assert!(off_by_s > 399 * 86_400, "the fault fires: a process is told another time");
        if starts_so {
            restart(&mut child.site).await;
        }
        write(&source, version, FILE_BYTES);
        parent.text(&["package", "refresh", &id]).await;
        holds(&parent, &id, NEAR, version).await;
        if starts_so {
            let below = state(&parent, &id, BELOW).await;
            assert_eq!(below["InstalledVersion"], version - 1, "{jump}: nobody is believed: {below}");
        }
        clock.set("+0");
        holds(&parent, &id, BELOW, version).await;
        serves(&child.points[0], &id, &noise(version, FILE_BYTES)).await;
    }
    let states = parent.wait_until_settled(&id).await;
    assert_eq!(states.len(), 2, "{states:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_site_that_was_away_for_a_month_needs_one_transfer_and_no_administrator() {
    /// What is refreshed on which day.
    const DAYS: [u64; 6] = [1, 6, 12, 18, 24, 31];
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = FakeClock::new(folder.path(), "clock") else {
        eprintln!("NOT RUN: a_child_site_that_was_away_for_a_month: Debian's libfaketime is missing");
        return;
    };
    let mut parent = Hierarchy::start_amid(Surroundings::of(&clock.variables()), true, 1).await;
    let mut child = parent.child("S01", "secondary", 1).await;
    let source = parent.folder.path().join("source");
    write(&source, 1, FILE_BYTES);
    let id = parent.create_package("Month", &source).await;
    parent.knows_point(BELOW).await;
    parent.text(&["package", "distribute", &id, NEAR, BELOW]).await;
    parent.wait_for_version(&id, 1).await;

    assert!(child.site.terminate().await);
    for (version, day) in (2..).zip(DAYS) {
        clock.set(&format!("+{day}d"));
        write(&source, version, FILE_BYTES);
        parent.text(&["package", "refresh", &id]).await;
        holds(&parent, &id, NEAR, version).await;
    }
    // A site forgets nothing that the child must know, also where it starts anew and cleans up.
    restart(&mut parent.site).await;
    let away = state(&parent, &id, BELOW).await;
    assert_eq!(away["InstalledVersion"], 1, "the fault fired: {away}");
    assert_ne!(away["State"], 0, "{away}");
    serves(&child.points[0], &id, &noise(1, FILE_BYTES)).await;

    child.site.start().await;
    let newest = DAYS.len() as u64 + 1;
    holds(&parent, &id, BELOW, newest).await;
    serves(&child.points[0], &id, &noise(newest, FILE_BYTES)).await;
    assert_eq!(child.counter(ARRIVED).await, 1, "one transfer");
    let received = child.counter(RECEIVED).await;
    assert!((FILE_BYTES as u64..2 * FILE_BYTES as u64).contains(&received), "{received} bytes: one version");
}

async fn restart(server: &mut Server) {
    server.kill().await;
    server.start().await;
}
