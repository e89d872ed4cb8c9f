//! `haulier group` with real processes: what is sent to a group arrives at its distribution points.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, fetch};

mod processes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_gets_its_packages_and_so_does_who_joins_later() {
    let mut hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a.inf"), "one").unwrap();
    let id = hierarchy.create_package("Latitude 7440", &source).await;

    let group = hierarchy.text(&["group", "create", "Branches", "--description", "all offices"]).await;
    hierarchy.text(&["group", "add-dp", "Branches", &hierarchy.points[0].name]).await;
    hierarchy.text(&["group", "add-package", "branches", "Latitude 7440"]).await;
    hierarchy.wait_for_version(&id, 1).await;

    hierarchy.add_point("dp2.example.test").await;
    hierarchy.text(&["group", "add-dp", group.trim(), "dp2.example.test"]).await;
    let states = hierarchy.wait_for_version(&id, 1).await;
    assert_eq!(states.len(), 2);
    std::fs::write(source.join("a.inf"), "two").unwrap();
    hierarchy.text(&["package", "refresh", &id]).await;
    hierarchy.wait_for_version(&id, 2).await;
    for point in &hierarchy.points {
        assert_eq!(fetch(&point.address, &format!("{id}/a.inf")).await.as_deref(), Some(&b"two"[..]));
    }
    hierarchy.text(&["group", "redistribute", "Branches", &id]).await;
    hierarchy.wait_for_version(&id, 2).await;
    hierarchy.text(&["group", "refresh", "Branches"]).await;

    let shown = hierarchy.json(&["group", "show", "Branches"]).await;
    assert_eq!(shown["group"]["ContentInSync"], true, "{shown}");
    assert_eq!(shown["members"].as_array().unwrap().len(), 2);
    assert_eq!(shown["packages"][0]["PkgID"], id.as_str());
    let text = hierarchy.text(&["group", "show", "Branches"]).await;
    assert!(text.contains("distribution point  dp2.example.test"), "{text}");

    hierarchy.text(&["group", "remove-dp", "Branches", "dp2.example.test", "--with-packages"]).await;
    hierarchy.wait_for_states(&id, |states| states.len() == 1).await;
    hierarchy.text(&["group", "remove-package", "Branches", &id]).await;
    processes::wait_until("the package leaves the last member", || async {
        fetch(&hierarchy.points[0].address, &format!("{id}/a.inf")).await.is_none()
    })
    .await;
    hierarchy.text(&["group", "set", "Branches", "--name", "Offices"]).await;
    let listed = hierarchy.json(&["group", "list"]).await;
    assert_eq!((&listed[0]["Name"], &listed[0]["ContentCount"]), (&"Offices".into(), &0.into()), "{listed}");
    hierarchy.text(&["group", "delete", "Offices"]).await;
    let exit = hierarchy.haulier(&["group", "show", "Offices"]).await.status.code();
    assert_eq!(exit, Some(5));
}
