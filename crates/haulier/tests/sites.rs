//! A central site and a primary below it as real processes: what is refreshed on either reaches the distribution points
//! of the other, through kills and absence.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

mod processes;

const ARRIVED: &str = "haulier_site_links_versions_arrived_total";
const RECEIVED: &str = "haulier_site_links_received_bytes_total";
/// Large enough that a transfer is met in its midst.
const LARGE_BYTES: usize = 48 * 1024 * 1024;
/// A file of each refresh while the child is away.
const AWAY_FILE_BYTES: u64 = 300_000;
/// Refreshes while the child is away, from this version on.
const AWAY_VERSIONS: std::ops::RangeInclusive<u64> = 4..=13;
/// Transfers that are tried to be met.
const TRIES_MAX: usize = 5;

fn write(source: &Path, text: &str) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("driver.inf"), text).unwrap();
}

/// Waits until every state of a package at a site is this version; what the point serves must be the text.
async fn reaches(at: &Hierarchy, point: &str, package: &str, version: u64, text: &str) {
    at.wait_for_version(package, version).await;
    let served = fetch(point, &format!("{package}/driver.inf")).await;
    assert_eq!(served.as_deref(), Some(text.as_bytes()), "{package} at {point}");
}

async fn knows_package(site: &Hierarchy, package: &str) {
    let wql = format!("SELECT PackageID FROM SMS_DriverPackage WHERE PackageID = '{package}'");
    let known = || async { site.json(&["query", &wql]).await.as_array().is_some_and(|rows| rows.len() == 1) };
    wait_until("the other site's package is known", known).await;
}

#[tokio::test]
async fn refreshes_reach_distribution_points_of_other_sites() {
    let parent = Hierarchy::start_central(1).await;
    let mut child = parent.child("S01", "primary", 1).await;
    let (above, below) = (parent.points[0].address.clone(), child.points[0].address.clone());

    // Down: refreshed where the package is, and from the child.
    let source = parent.folder.path().join("source");
    write(&source, "one");
    let package = parent.create_package("Drivers", &source).await;
    parent.knows_point("dp1.s01.example.test").await;
    parent.text(&["package", "distribute", &package, "dp1.s01.example.test"]).await;
    reaches(&parent, &below, &package, 1, "one").await;
    write(&source, "two");
    parent.text(&["package", "refresh", &package]).await;
    reaches(&parent, &below, &package, 2, "two").await;
    write(&source, "three");
    child.text(&["package", "refresh", &package]).await;
    reaches(&child, &below, &package, 3, "three").await;

    // Up: made at the child, held at the parent's distribution point.
    let own_source = child.folder.path().join("source");
    write(&own_source, "from below");
    let own = child.create_package("Branch drivers", &own_source).await;
    assert!(own.starts_with("S01"), "{own}");
    child.knows_point("dp1.example.test").await;
    child.text(&["package", "distribute", &own, "dp1.example.test"]).await;
    reaches(&child, &above, &own, 1, "from below").await;
    write(&own_source, "from below again");
    knows_package(&parent, &own).await;
    parent.text(&["package", "refresh", &own]).await;
    reaches(&parent, &above, &own, 2, "from below again").await;
    for (site, to) in [(&parent, "child_site"), (&parent, "distribution_point"), (&child, "parent_site")] {
        let sent = site.counter(&format!("haulier_site_sent_bytes_total{{to=\"{to}\"}}")).await;
        assert!(sent > 0, "content went to a {to}, and is counted");
    }

    away(&parent, &mut child, &package, &source).await;
    interrupted(&parent, &mut child, &package, &source).await;
}

/// What a site says that it knows of a package.
async fn owner(site: &Hierarchy, package: &str) -> Value {
    let wql =
        format!("SELECT SourceSite, SourceVersion FROM SMS_DriverPackage WHERE PackageID = '{package}'");
    site.json(&["query", &wql]).await[0].take()
}

#[tokio::test]
async fn a_package_moves_to_a_child_and_back_when_the_child_is_lost() {
    let mut parent = Hierarchy::start_central(1).await;
    let mut child = parent.child("S01", "primary", 1).await;
    let (above, below) = (parent.points[0].address.clone(), child.points[0].address.clone());
    // Both sites have a folder of this path, as two machines would.
    let source = parent.folder.path().join("source");
    write(&source, "of the parent");
    let package = parent.create_package("Moving", &source).await;
    parent.knows_point("dp1.s01.example.test").await;
    parent.text(&["package", "distribute", &package, "dp1.example.test", "dp1.s01.example.test"]).await;
    reaches(&parent, &above, &package, 1, "of the parent").await;

    // Killed as soon as it said yes: what was accepted is done.
    knows_package(&child, &package).await;
    parent.text(&["package", "set-source-site", &package, "S01"]).await;
    parent.site.kill().await;
    parent.site.start().await;
    wait_until("the child owns it", || async { owner(&child, &package).await["SourceSite"] == "S01" }).await;
    write(&source, "of the child");
    child.text(&["package", "refresh", &package]).await;
    reaches(&child, &below, &package, 2, "of the child").await;
    reaches(&parent, &above, &package, 2, "of the child").await;
    write(&source, "asked for above");
    parent.text(&["package", "refresh", &package]).await;
    reaches(&parent, &above, &package, 3, "asked for above").await;
    reaches(&child, &below, &package, 3, "asked for above").await;

    // The child's site server is lost; the one above takes the package and goes on, with a number that was never used.
    child.site.kill().await;
    parent.text(&["package", "set-source-site", &package, "PS1"]).await;
    write(&source, "of the parent again");
    parent.text(&["package", "refresh", &package]).await;
    let near = |state: &Value| state["ServerName"] == "dp1.example.test" && state["InstalledVersion"] == 4;
    parent.wait_for_states(&package, |states| states.iter().any(near)).await;
    let served = fetch(&above, &format!("{package}/driver.inf")).await;
    assert_eq!(served.as_deref(), Some(&b"of the parent again"[..]));
    assert_eq!(
        fetch(&below, &format!("{package}/driver.inf")).await.as_deref(),
        Some(&b"asked for above"[..])
    );

    // It was not lost after all: it hears that the package is not its own any more, and gets what others have.
    child.site.start().await;
    reaches(&parent, &below, &package, 4, "of the parent again").await;
    assert_eq!(owner(&child, &package).await["SourceSite"], "PS1");
}

/// The child is away for ten refreshes: others go on meanwhile, and it needs one transfer, of the newest version.
async fn away(parent: &Hierarchy, child: &mut Hierarchy, package: &str, source: &Path) {
    let (near, far) = (&parent.points[0], &child.points[0]);
    parent.text(&["package", "distribute", package, &near.name]).await;
    parent.wait_for_version(package, 3).await;
    assert!(child.site.terminate().await, "it stops in order");
    for version in AWAY_VERSIONS {
        write(source, &format!("text {version}"));
        let noise = samples::Rng::new(version).bytes(AWAY_FILE_BYTES as usize);
        std::fs::write(source.join("noise.bin"), noise).unwrap();
        parent.text(&["package", "refresh", package]).await;
        let holds =
            |state: &Value| state["ServerName"] == near.name.as_str() && state["InstalledVersion"] == version;
        parent.wait_for_states(package, |states| states.iter().any(holds)).await;
    }
    let states = parent.states(package).await;
    let away = states.iter().find(|state| state["ServerName"] == far.name.as_str()).unwrap();
    assert_eq!(away["InstalledVersion"], 3, "the fault fired: {away}");
    assert_ne!(away["State"], 0, "{away}");
    child.site.start().await;
    let newest = *AWAY_VERSIONS.end();
    reaches(parent, &far.address, package, newest, &format!("text {newest}")).await;
    assert_eq!(child.counter(ARRIVED).await, 1, "one transfer");
    let received = child.counter(RECEIVED).await;
    let one = AWAY_FILE_BYTES..2 * AWAY_FILE_BYTES;
    assert!(
        one.contains(&received),
        "{received} bytes came: one version has {AWAY_FILE_BYTES}, and no other was fetched"
    );
}

/// The child is killed in the midst of a transfer, and goes on with it.
async fn interrupted(parent: &Hierarchy, child: &mut Hierarchy, package: &str, source: &Path) {
    for number in 0..TRIES_MAX {
        let version = AWAY_VERSIONS.end() + 1 + number as u64;
        let text = format!("large {version}");
        write(source, &text);
        std::fs::write(source.join("large.bin"), samples::Rng::new(version).bytes(LARGE_BYTES)).unwrap();
        let before = child.counter(RECEIVED).await;
        parent.text(&["package", "refresh", package]).await;
        wait_until("bytes come", || async { child.counter(RECEIVED).await > before }).await;
        child.site.kill().await;
        let below = &child.points[0];
        let states = parent.states(package).await;
        let state = states.iter().find(|state| state["ServerName"] == below.name.as_str()).unwrap();
        let met = state["InstalledVersion"] != version;
        child.site.start().await;
        reaches(parent, &below.address, package, version, &text).await;
        if met {
            let received = child.counter(RECEIVED).await;
            assert!(received < LARGE_BYTES as u64 * 11 / 10, "{received} bytes after the kill");
            return;
        }
    }
    panic!("no transfer was met in its midst");
}
