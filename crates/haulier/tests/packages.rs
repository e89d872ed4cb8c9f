//! Packages of both kinds and queries on several classes, typed on the command line against a site that runs.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, fetch};
use serde_json::{Value, json};

mod processes;

fn folder(hierarchy: &Hierarchy, name: &str) -> std::path::PathBuf {
    let folder = hierarchy.folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("drivers.wim"), name).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_package_is_made_sent_refreshed_and_deleted_like_a_driver_package() {
    let hierarchy = Hierarchy::start(1).await;
    let (drivers, archive) = (folder(&hierarchy, "drivers"), folder(&hierarchy, "archive"));
    let first = hierarchy.create_package("Latitude 7440", &drivers).await;
    let create = ["package", "create", "Archive", "--type", "package", "--source", archive.to_str().unwrap()];
    let second = hierarchy.text(&create).await.trim().to_owned();

    let listed = hierarchy.json(&["package", "list"]).await;
    let kinds: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| (&row["PackageID"], &row["__CLASS"])).collect();
    assert_eq!(
        kinds,
        [(&json!(first), &json!("SMS_DriverPackage")), (&json!(second), &json!("SMS_Package"))]
    );
    let listed = hierarchy.text(&["package", "list"]).await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..2], ["PACKAGE", "TYPE"], "{listed}");
    assert_eq!(lines[1][..2], [first.as_str(), "driver"], "{listed}");
    assert_eq!(lines[2][..2], [second.as_str(), "package"], "{listed}");

    hierarchy.distribute("Archive").await;
    hierarchy.wait_for_version(&second, 1).await;
    std::fs::write(archive.join("drivers.wim"), "two").unwrap();
    hierarchy.text(&["package", "refresh", "Archive"]).await;
    hierarchy.wait_for_version(&second, 2).await;
    let point = &hierarchy.points[0].address;
    let served = async || fetch(point, &format!("{second}/drivers.wim")).await;
    assert_eq!(served().await.as_deref(), Some(&b"two"[..]));
    let shown = hierarchy.text(&["package", "show", "Archive"]).await;
    assert!(shown.lines().next().unwrap().ends_with("package (SMS_Package)"), "{shown}");
    hierarchy.text(&["package", "set", "Archive", "--label", "A07"]).await;
    assert_eq!(hierarchy.json(&["package", "show", &second]).await["package"]["Version"], "A07");
    hierarchy.text(&["package", "redistribute", &second, &hierarchy.points[0].name]).await;
    hierarchy.wait_for_version(&second, 2).await;

    // Drivers of the catalog go into driver packages only.
    let refused = hierarchy.haulier(&["package", "drivers", "Archive"]).await;
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no driver package"));
    hierarchy.text(&["package", "delete", "Archive"]).await;
    processes::wait_until("the content leaves the distribution point", || async { served().await.is_none() })
        .await;
    assert_eq!(hierarchy.haulier(&["package", "show", &second]).await.status.code(), Some(5));
    assert_eq!(hierarchy.json(&["package", "list"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_join_count_and_tell_each_value_once() {
    let hierarchy = Hierarchy::start(1).await;
    for (name, maker) in [("A", "Dell"), ("B", "HP"), ("C", "Dell")] {
        let source = folder(&hierarchy, name);
        let source = source.to_str().unwrap();
        hierarchy.text(&["package", "create", name, "--source", source, "--manufacturer", maker]).await;
    }
    hierarchy.distribute("C").await;
    let rows =
        async |wql: &str| -> Vec<Value> { hierarchy.json(&["query", wql]).await.as_array().unwrap().clone() };

    let join = "SELECT p.Name, d.ServerNALPath FROM SMS_DriverPackage AS p \
        JOIN SMS_DistributionPoint AS d ON d.PackageID = p.PackageID";
    let joined = rows(join).await;
    assert_eq!(joined.len(), 1, "{joined:#?}");
    assert_eq!(joined[0]["p"]["Name"], "C");
    assert!(joined[0]["d"]["ServerNALPath"].as_str().unwrap().contains(&hierarchy.points[0].name));
    let text = hierarchy.text(&["query", join]).await;
    let heading: Vec<_> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["p.Name", "d.ServerNALPath"], "{text}");

    let count = rows("SELECT COUNT(*) FROM SMS_DriverPackage WHERE Manufacturer = 'dell'").await;
    assert_eq!((count.len(), &count[0]["Count"]), (1, &json!(2)), "{count:#?}");
    let text = hierarchy.text(&["query", "SELECT COUNT(*) FROM SMS_DriverPackage"]).await;
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["Count", "3"]);

    let makers = "SELECT DISTINCT Manufacturer FROM SMS_DriverPackage ORDER BY Manufacturer";
    let distinct = rows(makers).await;
    let distinct: Vec<_> = distinct.iter().map(|row| row["Manufacturer"].as_str().unwrap()).collect();
    assert_eq!(distinct, ["Dell", "HP"]);
    let text = hierarchy.text(&["query", makers]).await;
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["Manufacturer", "Dell", "HP"]);
}
