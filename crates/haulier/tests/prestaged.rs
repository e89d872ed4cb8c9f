//! A distribution point that no content reaches by network: it gets each version by hand, running or stopped, and
//! serves it.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use processes::{Hierarchy, fetch, wait_until};
use serde_json::Value;

mod processes;

/// Passes everything on to the site but content, and counts what it refuses.
async fn without_content(site: String) -> (String, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let counted = Arc::clone(&refused);
    let pass = move |request: Request| {
        let (client, site, counted) = (client.clone(), site.clone(), Arc::clone(&counted));
        async move {
            if request.uri().path().starts_with("/content/") {
                counted.fetch_add(1, Ordering::Relaxed);
                return StatusCode::BAD_GATEWAY.into_response();
            }
            passed_on(&client, &site, request).await
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(pass)).await.unwrap() });
    (address, refused)
}

async fn passed_on(client: &reqwest::Client, site: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = format!("{site}{}", parts.uri.path_and_query().unwrap());
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut asked = client.request(parts.method, url).body(body);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length")
    {
        asked = asked.header(name, value);
    }
    let Ok(answer) = asked.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut reply = Response::builder().status(answer.status());
    reply.headers_mut().unwrap().extend(answer.headers().clone());
    reply.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

fn write(source: &Path, version: u8) {
    std::fs::create_dir_all(source.join("net")).unwrap();
    std::fs::write(source.join("net/a.sys"), vec![version; 300_000]).unwrap();
    std::fs::write(source.join("disk.img"), samples::Rng::new(7).bytes(5 << 20)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distribution_point_without_a_way_to_content_gets_it_by_hand_and_serves_it() {
    let mut hierarchy = Hierarchy::start(0).await;
    let (site_address, folder) = (hierarchy.site.address.clone(), hierarchy.folder.path().to_owned());
    let (proxy, refused) = without_content(site_address.clone()).await;
    hierarchy.site.address = proxy;
    hierarchy.add_point("dp1.example.test").await;
    hierarchy.site.address = site_address;
    let source = folder.join("source");
    write(&source, 1);
    let id = hierarchy.create_package("By hand", &source).await;
    hierarchy.distribute(&id).await;
    let is_cut_off = || async { refused.load(Ordering::Relaxed) > 0 };
    wait_until("the distribution point asks for content in vain", is_cut_off).await;

    // Both run: the site gives the file away, the distribution point is handed it.
    let (site_data, dp_data) = (hierarchy.site.data.clone(), hierarchy.points[0].data.clone());
    let (site_data, dp_data) = (site_data.to_str().unwrap(), dp_data.to_str().unwrap());
    let first = folder.join("first.hcp");
    let first = first.to_str().unwrap();
    let export = ["package", "export", &id, "--output", first, "--data", site_data];
    let exported = hierarchy.json(&export).await;
    assert_eq!((&exported["Version"], &exported["Files"]), (&Value::from(1), &Value::from(2)));
    let again = hierarchy.haulier(&export).await;
    assert!(!again.status.success(), "a file that is there is not overwritten");
    refuses_what_is_damaged(&hierarchy, first, dp_data).await;
    refuses_claims(&hierarchy, first, dp_data, &CLAIMS).await;
    let imported = hierarchy.json(&["dp", "import", first, "--data", dp_data]).await;
    assert_eq!(imported["Result"], "taken_in", "{imported}");
    let states = hierarchy.wait_for_version(&id, 1).await;
    assert_eq!(states[0]["BytesReceived"], 0, "{states:#?}");
    let served = fetch(&hierarchy.points[0].address, &format!("{id}/net/a.sys")).await;
    assert!(served == Some(vec![1; 300_000]));
    let again = hierarchy.json(&["dp", "import", first, "--data", dp_data]).await;
    assert_eq!(again["Result"], "already_held");

    // The next version, while the distribution point is stopped; and the one before stays what it is.
    write(&source, 2);
    hierarchy.text(&["package", "refresh", &id]).await;
    let wql = format!("SELECT StoredPkgVersion FROM SMS_DriverPackage WHERE PackageID = '{id}'");
    let published = || async { hierarchy.json(&["query", &wql]).await[0]["StoredPkgVersion"] == 2 };
    wait_until("version 2 is published", published).await;
    assert!(hierarchy.points[0].terminate().await);
    refuses_claims(&hierarchy, first, dp_data, &CLAIMS[..2]).await;
    let second = folder.join("second.hcp");
    let second = second.to_str().unwrap();
    hierarchy
        .text(&["package", "export", &id, "--version", "2", "--output", second, "--data", site_data])
        .await;
    let imported = hierarchy.json(&["dp", "import", second, "--data", dp_data]).await;
    assert_eq!(imported["Result"], "taken_in");
    hierarchy.points[0].start().await;
    let states = hierarchy.wait_for_version(&id, 2).await;
    assert_eq!(states[0]["BytesReceived"], 0, "{states:#?}");
    let served = fetch(&hierarchy.points[0].address, &format!("{id}/net/a.sys")).await;
    assert!(served == Some(vec![2; 300_000]));

    takes_in_at_the_site(&hierarchy, second, site_data).await;
    let wrong = ["package", "export", &id, "--version", "9", "--output", "x.hcp", "--data", site_data];
    let missing = hierarchy.haulier(&wrong).await;
    assert!(!missing.status.success() && !Path::new("x.hcp").exists());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no version 9"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_site_whose_window_is_closed_gets_a_version_by_hand_and_none_by_network() {
    const BELOW: &str = "dp1.s01.example.test";
    let parent = Hierarchy::start_central(0).await;
    let child = parent.child("S01", "primary", 1).await;
    let source = parent.folder.path().join("source");
    write(&source, 1);
    let id = parent.create_package("By hand", &source).await;
    parent.knows_point(BELOW).await;
    parent.text(&["site", "route", "S01", "set", "--window", "daily 00-24 high", "--time-zone", "UTC"]).await;
    parent.text(&["package", "distribute", &id, BELOW]).await;
    let is_paused = |state: &Value| state["PausedReason"].as_str().is_some_and(|reason| !reason.is_empty());
    parent.wait_for_states(&id, |states| states.iter().all(is_paused)).await;

    let file = parent.folder.path().join("version.hcp");
    let file = file.to_str().unwrap();
    parent.at_data(&["package", "export", &id, "--output", file]).await;
    let child_data = child.site.data.to_str().unwrap();
    let imported = child.json(&["site", "import", file, "--data", child_data]).await;
    assert_eq!(imported["Result"], "taken_in", "{imported}");
    let states = parent.wait_for_version(&id, 1).await;
    assert!(states.iter().all(|state| state["PausedReason"] == ""), "{states:#?}");
    let received = child.site.find_counter("haulier_site_links_received_bytes_total").await;
    assert_eq!(received.unwrap_or(0), 0, "nothing came by network");
    let served = fetch(&child.points[0].address, &format!("{id}/net/a.sys")).await;
    assert!(served == Some(vec![1; 300_000]));
}

/// One byte, somewhere in the content.
async fn refuses_what_is_damaged(hierarchy: &Hierarchy, good: &str, dp_data: &str) {
    let mut bytes = std::fs::read(good).unwrap();
    bytes[2 << 20] ^= 1;
    let bad = hierarchy.folder.path().join("bad.hcp");
    std::fs::write(&bad, bytes).unwrap();
    let refused = hierarchy.haulier(&["dp", "import", bad.to_str().unwrap(), "--data", dp_data]).await;
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && text.contains("altered or damaged"), "{text}");
    let left = std::fs::read_dir(Path::new(dp_data).join("import")).unwrap().count();
    assert_eq!(left, 0, "the answer was taken, and all that was handed over with it");
}

/// What a label claims instead of what the site signed, and what is said of it.
const CLAIMS: [(&str, &str, &str); 3] = [
    ("\"epoch\":1", "\"epoch\":2", "is not what site PS1 signed"),
    ("\"key\":", "\"kez\":", "came without a signature"),
    // The last, because a distribution point that cannot ask whose key it is asks before it serves.
    ("\"source_site\":\"PS1\"", "\"source_site\":\"XX1\"", "signed by site XX1"),
];

/// Files that are whole by what they prove themselves.
async fn refuses_claims(hierarchy: &Hierarchy, good: &str, dp_data: &str, claims: &[(&str, &str, &str)]) {
    let good = std::fs::read(good).unwrap();
    for (signed, claimed, said) in claims {
        let bad = hierarchy.folder.path().join("claimed.hcp");
        std::fs::write(&bad, relabelled(&good, signed, claimed)).unwrap();
        let refused = hierarchy.haulier(&["dp", "import", bad.to_str().unwrap(), "--data", dp_data]).await;
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && text.contains(said), "{claimed}: {text}");
    }
}

/// The file with another text of the same length in its label, and the hash at its end made anew.
fn relabelled(good: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = good.windows(from.len()).position(|window| window == from.as_bytes()).expect("the label has it");
    let mut bytes = good[..good.len() - blake3::OUT_LEN].to_vec();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// The site has the version, so nothing is done; whether it runs makes no difference.
async fn takes_in_at_the_site(hierarchy: &Hierarchy, file: &str, site_data: &str) {
    let imported = hierarchy.json(&["site", "import", file, "--data", site_data]).await;
    assert_eq!(imported["Result"], "already_held");
    let other = Hierarchy::start(0).await;
    let data = other.site.data.to_str().unwrap();
    let unknown = other.haulier(&["site", "import", file, "--data", data]).await;
    let text = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && text.contains("does not know version 2"), "{text}");
}
