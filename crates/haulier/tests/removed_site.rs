//! A child site dies for good, as real processes: its parent goes on without it.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, wait_until};
use serde_json::json;

mod processes;

#[tokio::test]
async fn a_dead_child_site_is_removed_and_what_waited_for_it_goes_on() {
    let parent = Hierarchy::start(1).await;
    let mut child = parent.child("S01", "secondary", 1).await;
    let source = parent.folder.path().join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("driver.inf"), "one").unwrap();
    let package = parent.create_package("Drivers", &source).await;
    parent.knows_point("dp1.s01.example.test").await;
    parent.text(&["package", "distribute", &package, "dp1.example.test", "dp1.s01.example.test"]).await;
    parent.wait_for_version(&package, 1).await;
    child.site.kill().await;
    child.points[0].kill().await;

    // Deleted everywhere but at the dead site, whose distribution point nobody here may remove.
    parent.text(&["package", "delete", &package]).await;
    let wql = format!("SELECT ServerName FROM Haulier_DistributionState WHERE PackageID = '{package}'");
    let holders = async || parent.json(&["query", &wql]).await.as_array().unwrap().len();
    wait_until("the parent's own has removed it", async || holders().await == 1).await;
    let refused = parent.haulier(&["site", "remove", "S01"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("haulier site revoke S01"), "{said}");

    parent.text(&["site", "revoke", "S01"]).await;
    assert_eq!(parent.json(&["site", "remove", "s01"]).await, json!({ "Removed": "s01" }));
    assert_eq!(holders().await, 0);
    let codes = parent.json(&["query", "SELECT SiteCode FROM Haulier_Site"]).await;
    assert_eq!(codes.as_array().unwrap().len(), 1, "{codes}");
    let points = parent.json(&["query", "SELECT ServerName FROM Haulier_DistributionPoint"]).await;
    assert_eq!(points.as_array().unwrap().len(), 1, "{points}");

    // It comes back from the dead, and its log says what it is.
    let log = child.folder.path().join("log");
    child.site.with_log(&log);
    child.site.with_variable("HAULIER_LOG", "warn");
    child.site.start().await;
    let told = async || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("removed or revoked"));
    wait_until("the log of the child says why nothing comes", told).await;
}
