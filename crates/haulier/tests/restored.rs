//! A site that comes back from a backup, as real processes: what was made since is unknown to it, distribution points serve on,
//! and what nobody wants any more goes in the end.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;
use std::process::Command;

use processes::{Hierarchy, fetch, wait_until};
use serde_json::{Value, json};

mod processes;

/// A day, after which an orphan goes.
const GRACE_MS: u64 = 24 * 60 * 60 * 1000;

fn write(source: &Path, text: &str) {
    std::fs::create_dir_all(source).unwrap();
    std::fs::write(source.join("driver.inf"), text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("--archive").args([from, to]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_from_a_backup_takes_nothing_away_at_once_and_what_is_not_wanted_for_a_day_goes() {
    let mut hierarchy = Hierarchy::start(1).await;
    let folder = hierarchy.folder.path().to_owned();
    let (kept_source, lost_source) = (folder.join("kept"), folder.join("lost"));
    write(&kept_source, "one");
    let kept = hierarchy.create_package("Kept", &kept_source).await;
    hierarchy.distribute(&kept).await;
    hierarchy.wait_for_version(&kept, 1).await;

    let backup = folder.join("backup");
    assert!(hierarchy.site.terminate().await);
    copy(&hierarchy.site.data, &backup);
    hierarchy.site.start().await;
    write(&lost_source, "made after the backup");
    let lost = hierarchy.create_package("Lost", &lost_source).await;
    hierarchy.distribute(&lost).await;
    hierarchy.wait_for_version(&lost, 1).await;
    write(&kept_source, "two");
    hierarchy.text(&["package", "refresh", &kept]).await;
    hierarchy.wait_for_version(&kept, 2).await;

    hierarchy.site.kill().await;
    std::fs::remove_dir_all(&hierarchy.site.data).unwrap();
    copy(&backup, &hierarchy.site.data);
    hierarchy.site.start().await;
    let known = hierarchy.json(&["query", "SELECT PackageID, SourceVersion FROM SMS_DriverPackage"]).await;
    let ids: Vec<&Value> = known.as_array().unwrap().iter().map(|row| &row["PackageID"]).collect();
    assert_eq!(ids, [kept.as_str()], "the fault fired: the site knows of no other");

    // It lists what it wants again, and nothing goes at once.
    let point = &mut hierarchy.points[0];
    let orphans = point.data.join("orphans.json");
    let noted = || async {
        let text = std::fs::read_to_string(&orphans).unwrap_or_default();
        serde_json::from_str(&text).is_ok_and(|noted: Value| noted["unwanted_ms"][&lost].is_u64())
    };
    wait_until("the distribution point notes that nobody wants it", noted).await;
    let address = point.address.clone();
    let serves = async |package: &str| fetch(&address, &format!("{package}/driver.inf")).await;
    assert_eq!(serves(&lost).await.as_deref(), Some(&b"made after the backup"[..]));

    // A day of lists later, which its notes stand for.
    assert!(point.terminate().await);
    let mut known: Value = serde_json::from_slice(&std::fs::read(&orphans).unwrap()).unwrap();
    known["unwanted_ms"][&lost] = json!(GRACE_MS);
    std::fs::write(&orphans, known.to_string()).unwrap();
    point.start().await;
    wait_until("it goes", || async { serves(&lost).await.is_none() }).await;
    let said = || async {
        let said = hierarchy.text(&["status", "--messages"]).await;
        said.lines().any(|line| line.contains("39091") && line.contains(&lost))
    };
    wait_until("the site is told", said).await;

    // A refresh publishes what the source is now, though the distribution point knew something else by that number.
    write(&kept_source, "three");
    hierarchy.text(&["package", "refresh", &kept]).await;
    let states = hierarchy.wait_until_settled(&kept).await;
    assert_eq!(states[0]["InstalledVersion"], 2, "{states:#?}");
    assert_eq!(serves(&kept).await.as_deref(), Some(&b"three"[..]));
}
