//! Names and addresses mean one thing: distribution points of several sites that are called the same, where a distribution
//! point is found now, and a site that would have to be told the password in the open.

use processes::{Hierarchy, program, wait_until};
use serde_json::Value;

mod processes;

const SAME: &str = "dp1.example.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_addresses_mean_one_thing() {
    let parent = Hierarchy::start(1).await;
    let mut child = parent.child("S01", "secondary", 0).await;
    child.add_point(SAME).await;
    let listed = || async { parent.json(&["dp", "list"]).await };
    let both = || async { listed().await.as_array().map(Vec::len) == Some(2) };
    wait_until("the parent knows the child's distribution point", both).await;

    let either = parent.haulier(&["dp", "show", SAME]).await;
    let said = String::from_utf8_lossy(&either.stderr);
    assert_eq!(either.status.code(), Some(1), "{said}");
    for full in ["dp1.example.test@PS1", "dp1.example.test@S01"] {
        assert!(said.contains(full), "{said}");
        let shown = parent.text(&["dp", "show", full]).await;
        assert!(shown.contains(SAME), "{shown}");
    }
    assert_eq!(parent.haulier(&["dp", "show", "dp1.example.test@XX1"]).await.status.code(), Some(5));

    // Other sites hear their own distribution points, which is no problem here.
    let found = parent.text(&["doctor"]).await;
    assert!(found.lines().all(|line| line.starts_with("ok")), "{found}");

    // It tells its site at the next start, and its site tells the others.
    let point = &mut child.points[0];
    assert!(point.terminate().await);
    point.with_variable("HAULIER_CONTENT_URL", "http://drivers.example.test");
    point.start().await;
    let is_moved = |point: &Value| point["ContentUrl"] == "http://drivers.example.test";
    let told = || async { listed().await.as_array().is_some_and(|points| points.iter().any(is_moved)) };
    wait_until("the parent knows the new address", told).await;
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_open() {
    for (site, expect) in
        [("http://192.0.2.1:8530", "plain HTTP"), ("ps1.example.test", "no address of a site")]
    {
        let mut command = program();
        command.args(["package", "list"]).env("HAULIER_SITE", site).env("HAULIER_PASSWORD", "Secret.2026");
        let refused = command.output().await.expect("haulier runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(expect), "{site}: {said}");
    }
}
