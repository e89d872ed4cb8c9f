//! A child site joins its parent again after its identity ended, and follows it to another address.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::process::Output;

use processes::{Hierarchy, program, wait_until};

mod processes;

async fn init(child: &Hierarchy, more: &[&str]) -> Output {
    let data = child.site.data.to_str().unwrap();
    program().args(["site", "init", "--data", data]).args(more).output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is done at the parent is heard of at the child.
async fn hears(parent: &Hierarchy, child: &Hierarchy, name: &str) {
    let source = parent.folder.path().join(name);
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("driver.inf"), name).unwrap();
    parent.create_package(name, &source).await;
    let wql = format!("SELECT Name FROM SMS_DriverPackage WHERE Name = '{name}'");
    let heard = async || child.json(&["query", &wql]).await.as_array().is_some_and(|rows| rows.len() == 1);
    wait_until("the child hears of its parent's package", heard).await;
}

#[tokio::test]
async fn a_secondary_joins_again_by_what_its_folder_says() {
    let parent = Hierarchy::start(0).await;
    let mut child = parent.child("S01", "secondary", 0).await;
    parent.text(&["site", "revoke", "S01"]).await;
    let token = parent.site_token("S01").await;
    let again = ["--parent", &parent.site.address, "--token", &token];
    let running = init(&child, &again).await;
    assert!(!running.status.success() && said(&running).contains("stop it first"), "{}", said(&running));
    assert!(child.site.terminate().await);
    for (flags, words) in
        [(["--site-code", "S02"], "holds site S01"), (["--type", "primary"], "holds a secondary site")]
    {
        let refused = init(&child, &[&again[..], &flags[..]].concat()).await;
        assert!(!refused.status.success() && said(&refused).contains(words), "{}", said(&refused));
    }
    let joined = init(&child, &again).await;
    assert!(joined.status.success(), "{}", said(&joined));
    child.site.start().await;
    hears(&parent, &child, "again").await;
    let used = init(&child, &again).await;
    assert!(!used.status.success(), "{}", said(&used));
}

#[tokio::test]
async fn a_child_follows_its_parent_to_a_new_address() {
    let mut parent = Hierarchy::start(0).await;
    let mut child = parent.child("S01", "secondary", 0).await;
    assert!(child.site.terminate().await);
    assert!(parent.site.terminate().await);
    parent.site.move_to_another_port();
    parent.site.start().await;
    let address = parent.site.address.clone();
    child.site.with(&["--parent", &address]);
    child.site.start().await;
    hears(&parent, &child, "moved").await;
}
