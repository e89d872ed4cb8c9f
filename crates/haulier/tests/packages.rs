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
    assert_eq!(lines[0][..3], ["PACKAGE", "TYPE", "OWNER"], "{listed}");
    assert_eq!(lines[1][..3], [first.as_str(), "driver", "PS1"], "{listed}");
    assert_eq!(lines[2][..3], [second.as_str(), "package", "PS1"], "{listed}");

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
async fn a_packages_source_and_name_are_changed_and_what_it_is_is_shown() {
    let hierarchy = Hierarchy::start(1).await;
    let (old, new) = (folder(&hierarchy, "old"), folder(&hierarchy, "new"));
    let id = hierarchy.create_package("Latitude 7440", &old).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    hierarchy.text(&["package", "set", &id, "--source", new.to_str().unwrap(), "--name", "Dock"]).await;
    hierarchy.wait_for_version(&id, 2).await;
    let served = fetch(&hierarchy.points[0].address, &format!("{id}/drivers.wim")).await;
    assert_eq!(served.as_deref(), Some(&b"new"[..]), "the new source is published at once");
    hierarchy.text(&["package", "set", "Dock", "--priority", "low"]).await;
    let shown = hierarchy.text(&["package", "show", "Dock"]).await;
    let value = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {shown}"))[name.len()..].trim().to_owned()
    };
    let expected = [("SourceSite", "PS1"), ("Priority", "low"), ("PkgSourcePath", new.to_str().unwrap())];
    for (name, expect) in expected {
        assert_eq!(value(name), expect, "{shown}");
    }

    for (arguments, says) in [
        (vec!["--source", "relative/path"], "path"),
        (vec!["--name", ""], "Name"),
        (vec![], "--source, --name"),
    ] {
        let refused = hierarchy.haulier(&[&["package", "set", &id], arguments.as_slice()].concat()).await;
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && why.contains(says), "{arguments:?}: {why}");
    }
    assert_eq!(hierarchy.json(&["package", "show", &id]).await["package"]["Name"], "Dock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_cancelled_and_found_among_the_faults() {
    let hierarchy = Hierarchy::start(2).await;
    let [first, second] = [0, 1].map(|point: usize| hierarchy.points[point].name.as_str());
    hierarchy.text(&["site", "route", "--dp", second, "set", "--window", "daily 00-24 closed"]).await;
    let id = hierarchy.create_package("Dock", &folder(&hierarchy, "dock")).await;
    hierarchy.distribute(&id).await;
    let is_there = |state: &Value| state["ServerName"] == first && state["State"] == 0;
    hierarchy.wait_for_states(&id, |states| states.iter().any(is_there)).await;

    let cancelled = hierarchy.haulier(&["package", "cancel", &id, first, second]).await;
    let why = String::from_utf8_lossy(&cancelled.stderr).into_owned();
    assert!(
        cancelled.status.code() == Some(1) && why.contains(&format!("not cancelled: {first}: ")),
        "{why}"
    );
    let names = async |arguments: &[&str]| -> Vec<String> {
        let rows = hierarchy.json(&[&["status"], arguments].concat()).await;
        let name = |row: &Value| row["ServerName"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names(&["--faults"]).await, [second]);
    assert_eq!(names(&["--faults", "--dp", first]).await, [""; 0]);
    assert_eq!(names(&["--dp", first]).await, [first]);
    assert_eq!(names(&[]).await.len(), 2);
    assert_eq!(hierarchy.states(&id).await[1]["FaultCode"], "cancelled");
    let doctor = String::from_utf8(hierarchy.haulier(&["doctor"]).await.stdout).unwrap();
    assert!(
        doctor.lines().any(|line| line.starts_with(&format!("PROBLEM  distribution: {id} ({second})"))),
        "{doctor}"
    );

    // What is started anew goes where it was stopped.
    hierarchy.text(&["site", "route", "--dp", second, "clear"]).await;
    hierarchy.text(&["package", "redistribute", &id, second]).await;
    hierarchy.wait_for_version(&id, 1).await;
    assert_eq!(names(&["--faults"]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_shown_by_how_bad_they_are_and_whom_they_concern() {
    let hierarchy = Hierarchy::start(2).await;
    let source = folder(&hierarchy, "dock");
    let id = hierarchy.create_package("Dock", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;
    std::fs::remove_dir_all(&source).unwrap();
    hierarchy.text(&["package", "refresh", &id]).await;
    let messages = async |arguments: &[&str]| -> Vec<Value> {
        let rows = hierarchy.json(&[&["status", "--messages"], arguments].concat()).await;
        rows.as_array().unwrap().clone()
    };
    processes::wait_until("the fault is told", || async {
        !messages(&["--severity", "error"]).await.is_empty()
    })
    .await;
    let of = |rows: &[Value], name: &str| rows.iter().filter(|row| row["SeverityName"] == name).count();
    let all = messages(&[]).await;
    assert!(of(&all, "information") > 0, "{all:#?}");
    for severity in ["warning", "error"] {
        let some = messages(&["--severity", severity]).await;
        assert_eq!(of(&some, "information"), 0, "{some:#?}");
        assert!(of(&some, "error") > 0, "{some:#?}");
    }
    let point = hierarchy.points[1].name.as_str();
    let of_point = messages(&["--dp", point]).await;
    assert!(!of_point.is_empty() && of_point.iter().all(|row| row["ServerName"] == point), "{of_point:#?}");
    assert_eq!(messages(&["--dp", point, "--severity", "error"]).await, [Value::Null; 0]);
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
