//! Distribution points that fetch from each other: who sends how much, and what happens where a source fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::{Event, Fact};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use clock::SystemClock;
use http::{HeaderMap, StatusCode, header};
use net::{Limits, Listener, ListenerOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::site::{OPENS_AT, Running, Site, Window};

const IMAGE_BYTES: usize = 3 << 20;
const ONE: &str = "dp1.example.test";
const TWO: &str = "dp2.example.test";
const THREE: &str = "dp3.example.test";

struct Point {
    dp: Running,
    _dir: TempDir,
}

async fn point(site: &Site, name: &str) -> Point {
    let dir = tempfile::tempdir().unwrap();
    Point { dp: Running::start(site.options_of(name, dir.path())).await, _dir: dir }
}

fn image() -> Vec<u8> {
    samples::Rng::new(1).bytes(IMAGE_BYTES)
}

async fn site(secure: bool) -> Site {
    let site = Site::start_with(secure).await;
    site.write("disk.img", &image());
    site.write("net/e1d.sys", &samples::Rng::new(2).bytes(90_000));
    site.publish(1);
    site
}

/// Waits until so many have installed the demand.
async fn installed_by(site: &Site, generation: i64, count: usize) {
    let is_it = |fact: &Fact| fact.generation == generation && matches!(fact.event, Event::Installed { .. });
    site.facts_where("Installed", |facts| facts.iter().filter(|fact| is_it(fact)).count() >= count).await;
}

/// A counter of `/metrics`.
async fn counted(dp: &Running, name: &str) -> u64 {
    let text = reqwest::get(format!("{}/metrics", dp.url)).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn from_site(dp: &Running) -> u64 {
    counted(dp, "haulier_dp_received_bytes_total{origin=\"site\"}").await
}

async fn from_sources(dp: &Running) -> u64 {
    counted(dp, "haulier_dp_received_bytes_total{origin=\"source\"}").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_costs_the_site_one_copy_and_speaks_tls_where_the_site_does() {
    for secure in [false, true] {
        let site = site(secure).await;
        let points = [point(&site, ONE).await, point(&site, TWO).await, point(&site, THREE).await];
        site.pull(TWO, &[(ONE, &points[0].dp.url, 1)], true);
        site.pull(THREE, &[(TWO, &points[1].dp.url, 1)], true);
        site.settled().await;
        let generation = site.hold(1, false);
        installed_by(&site, generation, 3).await;
        let sent = site.script.faults.content_bytes.load(Ordering::SeqCst);
        assert!(sent < IMAGE_BYTES as u64 * 11 / 10, "the site sent {sent} bytes for three (TLS: {secure})");
        for point in &points[1..] {
            assert_eq!(from_site(&point.dp).await, 0);
            assert!(from_sources(&point.dp).await >= IMAGE_BYTES as u64);
            assert_eq!(point.dp.bytes("PS100001/disk.img").await, image());
        }

        // Whom the site did not name gets nothing, whatever it shows.
        let (url, http) = (&points[0].dp.url, reqwest::Client::new());
        let object = format!("{url}/content/v1/packs/{}", "ab".repeat(32));
        for bearer in ["", "ticket of dp4", "dp1.example.test"] {
            let asked = http.get(&object).bearer_auth(bearer).header(header::RANGE, "bytes=0-9");
            assert_eq!(asked.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{bearer}");
        }
        for point in points {
            point.dp.stop().await;
        }
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_ask_at_once_cost_their_source_one_fetch_of_what_it_does_not_hold() {
    let site = site(false).await;
    let points = [point(&site, ONE).await, point(&site, TWO).await, point(&site, THREE).await];
    for puller in [TWO, THREE] {
        site.pull(puller, &[(ONE, &points[0].dp.url, 1)], true);
    }
    site.settled().await;
    // The source is told nothing of the package.
    let generation = site.hold_at(1, &[TWO, THREE]);
    installed_by(&site, generation, 2).await;
    let sent = site.script.faults.content_bytes.load(Ordering::SeqCst);
    assert!(sent < IMAGE_BYTES as u64 * 11 / 10, "{sent} bytes for two");
    assert_eq!(points[0].dp.get("PS100001/disk.img").await.status(), StatusCode::NOT_FOUND);
    for point in points {
        point.dp.stop().await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_to_the_source_pauses_and_is_open_to_the_package_that_may_pass() {
    let site = site(false).await;
    let points = [point(&site, ONE).await, point(&site, TWO).await, point(&site, THREE).await];
    site.pull(TWO, &[(ONE, &points[0].dp.url, 1)], true);
    site.pull(THREE, &[(TWO, &points[1].dp.url, 1)], true);
    site.settled().await;
    *site.script.faults.window.lock().unwrap() = Window::Closed;
    let generation = site.hold_at(1, &[THREE]);
    let paused = |fact: &Fact| matches!(&fact.event, Event::Paused { until: Some(until), reason, .. } if until == OPENS_AT && reason.contains(TWO));
    site.facts_where("paused through two sources", |facts| facts.iter().any(paused)).await;
    assert!(site.script.faults.fired.load(Ordering::SeqCst) > 0);
    // Open to the package alone: its name goes through both.
    *site.script.faults.window.lock().unwrap() = Window::PackageOnly;
    installed_by(&site, generation, 1).await;
    site.facts_where("no failure", |facts| {
        !facts.iter().any(|fact| matches!(fact.event, Event::Failed { .. }))
    })
    .await;

    // Who lends asks for its own packages in their name too, and needs no second way.
    site.write("disk.img", &samples::Rng::new(9).bytes(IMAGE_BYTES));
    site.publish(2);
    let fired = site.script.faults.fired.load(Ordering::SeqCst);
    let generation = site.hold_at(2, &[ONE]);
    installed_by(&site, generation, 1).await;
    assert_eq!(site.script.faults.fired.load(Ordering::SeqCst), fired, "nothing was asked for as low");
    for point in points {
        point.dp.stop().await;
    }
    site.stop().await;
}

/// A server that is taken for a distribution point.
struct Impostor {
    url: String,
    asked: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Impostor {
    /// Answers every request for an object in this way; it gets the range that was asked for.
    async fn start(
        answer: impl Fn(std::ops::Range<u64>) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<AtomicUsize> = Arc::default();
        let counter = Arc::clone(&asked);
        let handle = move |headers: HeaderMap| {
            counter.fetch_add(1, Ordering::SeqCst);
            let range = net::object::asked_range(&headers).unwrap_or(0..100);
            let response = answer(range);
            async move { response }
        };
        let options =
            ListenerOptions { addr: "127.0.0.1:0".parse().unwrap(), tls: None, limits: Limits::default() };
        let listener = Listener::bind(options, SystemClock::shared()).await.unwrap();
        let (url, stop) = (listener.url(), CancellationToken::new());
        let router = axum::Router::new().fallback(axum::routing::any(handle));
        tokio::spawn(listener.serve(router, stop.clone()));
        Self { url, asked, stop }
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

fn partial(range: std::ops::Range<u64>, body: Body) -> Response {
    let text = format!("bytes {}-{}/{}", range.start, range.end - 1, u64::MAX);
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, text)], body).into_response()
}

fn zeros(range: &std::ops::Range<u64>) -> Vec<u8> {
    vec![0; usize::try_from(range.end - range.start).unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lies_is_named_and_costs_time_only() {
    let liar = Impostor::start(|range| partial(range.clone(), Body::from(zeros(&range)))).await;
    let site = site(false).await;
    let points = [point(&site, ONE).await, point(&site, TWO).await];
    site.pull(TWO, &[("liar.example.test", &liar.url, 1), (ONE, &points[0].dp.url, 2)], true);
    site.settled().await;
    let generation = site.hold(1, false);
    installed_by(&site, generation, 2).await;
    assert!(liar.asked() > 0, "it was asked first");
    let named = |fact: &Fact| match &fact.event {
        Event::Refused { source, .. } => source.as_deref() == Some("liar.example.test"),
        _ => false,
    };
    assert!(site.facts().iter().any(named), "{:?}", site.facts());
    assert_eq!(points[1].dp.bytes("PS100001/disk.img").await, image());
    assert_eq!(from_site(&points[1].dp).await, 0);
    for point in points {
        point.dp.stop().await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_off_is_left_in_mid_range_and_a_silent_one_at_once() {
    /// Sends what it promised but for the second half, like a process that is killed.
    fn half(range: std::ops::Range<u64>) -> Response {
        let mut bytes = zeros(&range);
        bytes.truncate(bytes.len() / 2);
        let parts = [Ok(Bytes::from(bytes)), Err(std::io::Error::other("killed"))];
        partial(range, Body::from_stream(futures_util::stream::iter(parts)))
    }
    let (dying, busy) = (
        Impostor::start(half).await,
        Impostor::start(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await,
    );
    let site = site(false).await;
    let two = point(&site, TWO).await;
    let gone = "http://127.0.0.1:9";
    site.pull(TWO, &[("gone", gone, 1), ("busy", &busy.url, 2), ("dying", &dying.url, 3)], false);
    site.settled().await;
    let generation = site.hold(1, false);
    installed_by(&site, generation, 1).await;
    assert!(dying.asked() > 0 && busy.asked() > 0);
    assert_eq!(two.dp.bytes("PS100001/disk.img").await, image());
    assert!(from_site(&two.dp).await >= IMAGE_BYTES as u64 / 2, "the site gave what they did not");
    two.dp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_and_without_the_site_it_waits_and_says_so() {
    let site = site(false).await;
    let points = [point(&site, ONE).await, point(&site, TWO).await];
    site.pull(TWO, &[("gone", "http://127.0.0.1:9", 1)], true);
    site.settled().await;
    let generation = site.hold(1, false);
    let failed = |fact: &Fact| match &fact.event {
        Event::Failed { fault, .. } => fact.generation == generation && fault.code == "no_source",
        _ => false,
    };
    site.fact("a failure for want of a source", failed).await;
    site.pull(TWO, &[(ONE, &points[0].dp.url, 1)], true);
    installed_by(&site, generation, 2).await;
    assert_eq!(from_site(&points[1].dp).await, 0);
    for point in points {
        point.dp.stop().await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_nobody_should_have_made_ends_at_once() {
    let site = site(false).await;
    let points = [point(&site, ONE).await, point(&site, TWO).await];
    site.pull(ONE, &[(TWO, &points[1].dp.url, 1)], false);
    site.pull(TWO, &[(ONE, &points[0].dp.url, 1)], false);
    site.settled().await;
    let generation = site.hold(1, false);
    installed_by(&site, generation, 2).await;
    for point in points {
        assert_eq!(point.dp.bytes("PS100001/disk.img").await, image());
        point.dp.stop().await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_maintenance_mode_nothing_comes_verification_runs_and_the_end_brings_all() {
    let site = site(false).await;
    let (one, dir) = {
        let dir = tempfile::tempdir().unwrap();
        (Running::start(site.options(dir.path())).await, dir)
    };
    site.installed(site.hold(1, false)).await;
    site.maintain(true);
    site.settled().await;
    let before = site.script.faults.content_bytes.load(Ordering::SeqCst);

    // A damaged file is found and told; bringing it back waits.
    let tag = one.get("PS100001/net/e1d.sys").await.headers()["etag"].to_str().unwrap().to_owned();
    let tag = tag.trim_matches('"').to_owned();
    std::fs::remove_file(dir.path().join("files").join(&tag[..2]).join(&tag)).unwrap();
    let generation = site.hold(1, true);
    let missed = |fact: &Fact| match &fact.event {
        Event::Damaged { missing, damaged, .. } => *missing == ["net/e1d.sys"] && damaged.is_empty(),
        _ => false,
    };
    let facts = site.fact("Damaged", missed).await;
    assert!(facts.iter().any(|fact| fact.event == Event::Verifying { version: 1 }));
    site.write("new.txt", b"new");
    site.publish(2);
    let newer = site.hold(2, false);
    site.told(newer).await;
    assert_eq!(one.get("PS100001.2/new.txt").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(site.script.faults.content_bytes.load(Ordering::SeqCst), before, "nothing was sent");
    assert!(!site.facts().iter().any(|fact| fact.generation == newer), "{:?}", site.facts());
    assert!(generation < newer);

    site.maintain(false);
    site.installed(newer).await;
    assert_eq!(one.bytes("PS100001/new.txt").await, &b"new"[..]);
    assert_eq!(one.bytes("PS100001/net/e1d.sys").await, samples::Rng::new(2).bytes(90_000));
    one.stop().await;
    site.stop().await;
}
