//! Pull distribution points as an administrator runs them: a chain of real processes, a source that is killed while it
//! sends, and a source that lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use clock::{Clock, SystemClock};
use processes::{Hierarchy, PATIENCE, wait_until};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod processes;

const IMAGE_BYTES: usize = 6 << 20;

/// A distribution point that is none: it enrolled, and answers as a test says.
struct Impostor {
    name: &'static str,
    asked: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Impostor {
    async fn enrol(
        hierarchy: &Hierarchy,
        name: &'static str,
        answer: impl Fn(std::ops::Range<u64>) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let counter = Arc::clone(&asked);
        let handle = move |headers: HeaderMap| {
            counter.fetch_add(1, Ordering::SeqCst);
            let response = answer(net::object::asked_range(&headers).unwrap_or(0..100));
            async move { response }
        };
        let addr = "127.0.0.1:0".parse().expect("an address");
        let options = net::ListenerOptions { addr, tls: None, limits: net::Limits::default() };
        let listener = net::Listener::bind(options, SystemClock::shared()).await.expect("it listens");
        let request = json!({
            "token": hierarchy.token(name).await,
            "name": name,
            "content_url": listener.url(),
            "csr_pem": null,
            "agent_version": "0",
        });
        tokio::spawn(listener.serve(axum::Router::new().fallback(axum::routing::any(handle)), stop.clone()));
        let url = format!("{}/agent/v1/enrol", hierarchy.site.address);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let reply = http.post(url).json(&request).send().await.expect("the site answers");
        assert_eq!(reply.status(), StatusCode::OK);
        Self { name, asked, stop }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn partial(range: &std::ops::Range<u64>, body: Body) -> Response {
    let text = format!("bytes {}-{}/{}", range.start, range.end - 1, u64::MAX);
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, text)], body).into_response()
}

/// What a distribution point counted of what it received.
async fn received(address: &str, origin: &str) -> usize {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let reply = http.get(format!("{address}/metrics")).send().await.expect("it answers");
    let text = reply.text().await.expect("text");
    let name = format!("haulier_dp_received_bytes_total{{origin=\"{origin}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
    value.map_or(0, |value| value.parse().expect("a number"))
}

fn write(hierarchy: &Hierarchy, seed: u64) -> std::path::PathBuf {
    let source = hierarchy.folder.path().join("source");
    std::fs::create_dir_all(&source).expect("a folder");
    std::fs::write(source.join("disk.img"), image(seed)).expect("a file");
    source
}

fn image(seed: u64) -> Vec<u8> {
    samples::Rng::new(seed).bytes(IMAGE_BYTES)
}

async fn refresh(hierarchy: &Hierarchy, package: &str, seed: u64) {
    write(hierarchy, seed);
    hierarchy.text(&["package", "refresh", package]).await;
}

/// Waits until a distribution point serves the image of a seed.
async fn served(hierarchy: &Hierarchy, point: usize, package: &str, seed: u64) {
    let (address, expect) = (&hierarchy.points[point].address, image(seed));
    let serves = || async {
        processes::fetch(address, &format!("{package}/disk.img")).await.as_ref() == Some(&expect)
    };
    wait_until("the new image is served", serves).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_fetches_once_survives_its_source_and_refuses_a_liar() {
    let mut hierarchy = Hierarchy::start(3).await;
    let [one, two, three] = ["dp1.example.test", "dp2.example.test", "dp3.example.test"];
    let pull = async |hierarchy: &Hierarchy, who: &str, sources: &[String], more: &[&str]| {
        let sources: Vec<&str> = sources.iter().flat_map(|source| ["--source", source]).collect();
        hierarchy.text(&[&["dp", "pull", who], sources.as_slice(), more].concat()).await;
    };
    pull(&hierarchy, two, &[format!("{one}=1")], &["--no-fallback"]).await;
    pull(&hierarchy, three, &[format!("{two}=1")], &["--no-fallback"]).await;
    let looped = hierarchy.haulier(&["dp", "pull", one, "--source", &format!("{three}=1")]).await;
    assert!(!looped.status.success());
    let told = String::from_utf8_lossy(&looped.stderr).into_owned();
    assert!(told.contains(&format!("{three} from {two} from {one}")), "{told}");

    // Three copies cost the site one.
    let source = write(&hierarchy, 1);
    let package = hierarchy.create_package("Pulled", &source).await;
    hierarchy.distribute(&package).await;
    hierarchy.wait_for_version(&package, 1).await;
    let addresses: Vec<String> = hierarchy.points.iter().map(|point| point.address.clone()).collect();
    let mut from_site = 0;
    for address in &addresses {
        from_site += received(address, "site").await;
    }
    assert!(from_site < IMAGE_BYTES * 11 / 10, "{from_site} bytes from the site");
    assert_eq!((received(&addresses[1], "site").await, received(&addresses[2], "site").await), (0, 0));
    assert!(received(&addresses[2], "source").await >= IMAGE_BYTES);

    liar(&hierarchy, &package, three, one).await;

    // A source that dies while it sends: the rest comes from the site.
    let (began, sent) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (begun, counted) = (Arc::clone(&began), Arc::clone(&sent));
    let dying = Impostor::enrol(&hierarchy, "dying.example.test", move |range| {
        begun.notify_one();
        let bytes = Bytes::from(vec![0u8; usize::try_from((range.end - range.start) / 2).expect("a range")]);
        counted.fetch_add(bytes.len(), Ordering::SeqCst);
        let parts = [Ok(bytes), Err(std::io::Error::other("killed"))];
        partial(&range, Body::from_stream(futures_util::stream::iter(parts)))
    })
    .await;
    let sources = [format!("{}=1", dying.name), format!("{two}=2")];
    pull(&hierarchy, three, &sources, &[]).await;
    hierarchy.points[1].kill().await;
    let before = received(&addresses[2], "site").await;
    refresh(&hierarchy, &package, 3).await;
    tokio::select! {
        () = began.notified() => {}
        () = SystemClock.sleep(PATIENCE) => panic!("the dying source was never asked"),
    }
    served(&hierarchy, 2, &package, 3).await;
    assert!(sent.load(Ordering::SeqCst) > 0 && dying.asked() > 0);
    assert!(received(&addresses[2], "site").await - before >= IMAGE_BYTES / 2);

    // Its old source comes back and catches up by itself.
    hierarchy.points[1].start().await;
    hierarchy.wait_for_version(&package, 3).await;
    served(&hierarchy, 1, &package, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_at_the_source_pauses_its_puller_and_lets_the_urgent_pass() {
    let hierarchy = Hierarchy::start(2).await;
    let [one, two] = ["dp1.example.test", "dp2.example.test"];
    hierarchy.text(&["dp", "pull", two, "--source", &format!("{one}=1"), "--no-fallback"]).await;
    hierarchy.text(&["site", "route", "set", "--dp", one, "--window", "daily 00-24 high"]).await;
    let source = write(&hierarchy, 1);
    let package = hierarchy.create_package("Pulled", &source).await;
    hierarchy.text(&["package", "distribute", &package, two]).await;
    let state = async || {
        let query = format!(
            "SELECT PausedReason, State, Attempts FROM Haulier_DistributionState WHERE PackageID='{package}'"
        );
        hierarchy.json(&["query", &query]).await[0].clone()
    };
    let is_paused =
        || async { state().await["PausedReason"].as_str().is_some_and(|reason| reason.contains(one)) };
    wait_until("it waits for its source's window", is_paused).await;
    let waiting = state().await;
    assert_eq!((&waiting["State"], &waiting["Attempts"]), (&json!(1), &json!(1)), "{waiting}");
    // Only the puller shall hold it, and its source fetches it as what it is.
    hierarchy.text(&["package", "set", &package, "--priority", "high"]).await;
    served(&hierarchy, 1, &package, 1).await;
    assert_eq!(received(&hierarchy.points[1].address, "site").await, 0);
    assert!(received(&hierarchy.points[0].address, "site").await >= IMAGE_BYTES);
}

async fn liar(hierarchy: &Hierarchy, package: &str, puller: &str, honest: &str) {
    let liar = Impostor::enrol(hierarchy, "liar.example.test", |range| {
        let bytes = vec![0u8; usize::try_from(range.end - range.start).expect("a range")];
        partial(&range, Body::from(bytes))
    })
    .await;
    let sources = [format!("{}=1", liar.name), format!("{honest}=2")];
    let arguments = ["dp", "pull", puller, "--source", &sources[0], "--source", &sources[1], "--no-fallback"];
    hierarchy.text(&arguments).await;
    let address = &hierarchy.points[2].address;
    let before = received(address, "site").await;
    refresh(hierarchy, package, 2).await;
    served(hierarchy, 2, package, 2).await;
    assert!(liar.asked() > 0, "it was asked first");
    assert_eq!(received(address, "site").await, before);
    let said = async || {
        let messages = hierarchy.json(&["status", package, "--messages"]).await;
        let is_it = |message: &Value| {
            message["MessageID"] == 2383
                && message["Text"].as_str().is_some_and(|text| text.contains(liar.name))
        };
        messages.as_array().is_some_and(|all| all.iter().any(is_it))
    };
    wait_until("the liar is named", said).await;
}
