//! A parent and its child in one process, over a real listener: content comes down, what is forged on the way does not,
//! and a revoked child hears nothing until it joins again.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::join::{JoinReply, JoinRequest};
use agent::{EnrolRequest, Goal};
use agentservice::AgentService;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use clock::{Clock, SystemClock};
use http_body_util::BodyExt;
use membership::{Joining, Membership};
use net::ca::SiteCa;
use net::{Limits, Listener, ListenerOptions};
use site::{
    Actor, DistributionPoint, DpId, NewPackage, PackageChange, RateLimit, RouteSettings, RouteTarget, Site,
    SiteOptions, SiteType, StatusFilter,
};
use sitelink::{SiteLink, SiteLinkStats};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A test that hangs is a failure, not a wait.
const HANG: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

async fn open(folder: &Path, code: &str, site_type: SiteType) -> Site {
    let options = SiteOptions {
        data_dir: folder.join("data"),
        site_code: code.to_owned(),
        server_name: Some(format!("{}.example.test", code.to_ascii_lowercase())),
        site_type,
        ..SiteOptions::default()
    };
    Site::init(&options, "correct horse battery staple", SystemClock::shared()).await.unwrap();
    Site::open(&options, SystemClock::shared()).await.unwrap()
}

async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let give_up = SystemClock.monotonic() + HANG;
    while !condition().await {
        assert!(SystemClock.monotonic() < give_up, "waited in vain: {what}");
        SystemClock.sleep(LOOK).await;
    }
}

/// A distribution point of a site.
async fn enrol(site: &Site, name: &str) -> DistributionPoint {
    let token = site.create_dp_token(&Actor::local(), name, None).await.unwrap();
    let request = EnrolRequest {
        token: token.to_string(),
        name: name.to_owned(),
        content_url: format!("http://{name}:8540"),
        csr_pem: None,
        agent_version: "0".to_owned(),
    };
    site.enrol(&request, &|_, _| Err("no certificate is asked for".to_owned())).await.unwrap();
    let points = site.distribution_points().await.unwrap();
    points.into_iter().find(|point| point.name == name).unwrap()
}

struct Parent {
    site: Site,
    url: String,
    /// How many answers of records to forge; counts down.
    forge: Arc<AtomicUsize>,
    folder: TempDir,
    stop: CancellationToken,
}

impl Parent {
    async fn start() -> Self {
        Self::start_as(SiteType::Primary).await
    }

    async fn start_as(site_type: SiteType) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = open(folder.path(), "PS1", site_type).await;
        let ca = SiteCa::create(&folder.path().join("ca"), "PS1", SystemClock::shared()).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let options = ListenerOptions { addr, tls: None, limits: Limits::default() };
        let listener = Listener::bind(options, SystemClock::shared()).await.unwrap();
        let (url, stop) = (listener.url(), CancellationToken::new());
        let forge = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&forge);
        let router = AgentService::new(site.clone(), ca, SystemClock::shared())
            .router()
            .layer(from_fn(move |request, next| forged(Arc::clone(&count), request, next)));
        tokio::spawn(listener.serve(router, stop.clone()));
        tokio::spawn({
            let (site, stop) = (site.clone(), stop.clone());
            async move { site.run_workers(stop).await }
        });
        Self { site, url, forge, folder, stop }
    }

    /// Writes the source and publishes it.
    async fn publish(&self, package_id: &str, text: &str) {
        std::fs::write(self.source().join("driver.inf"), text).unwrap();
        let before = self.site.package(package_id).await.unwrap().stored_version;
        self.site.refresh_package(&Actor::local(), package_id).await.unwrap();
        until("the version is published", || async {
            self.site.package(package_id).await.unwrap().stored_version > before
        })
        .await;
    }

    fn source(&self) -> PathBuf {
        let source = self.folder.path().join("source");
        std::fs::create_dir_all(&source).unwrap();
        source
    }

    /// A package with its first version.
    async fn package(&self) -> String {
        std::fs::write(self.source().join("driver.inf"), "one").unwrap();
        let new = NewPackage {
            name: "Drivers".to_owned(),
            pkg_source_flag: 2,
            pkg_source_path: self.source().to_str().unwrap().to_owned(),
            ..NewPackage::default()
        };
        let id = self.site.create_package(&Actor::local(), new).await.unwrap().package_id;
        until("the first version is published", || async {
            self.site.package(&id).await.unwrap().stored_version == 1
        })
        .await;
        id
    }

    /// Waits until the child's distribution point is known, and sends the package there.
    async fn distribute(&self, package_id: &str, nal: &str) {
        let points = [("S01".to_owned(), nal.to_owned())];
        until("the child's distribution point is known", || async {
            self.site.add_distribution_points(&Actor::local(), package_id, &points).await.is_ok()
        })
        .await;
    }
}

/// Exchanges the manifest in the records on their way, as a parent does that wants other bytes installed.
async fn forged(count: Arc<AtomicUsize>, request: Request, next: Next) -> Response {
    let is_records = request.uri().path() == "/agent/v1/site/records";
    let response = next.run(request).await;
    if !is_records || count.load(Ordering::SeqCst) == 0 {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    const FIELD: &str = "\"manifest\":\"";
    let Some(at) = text.find(FIELD) else { return Response::from_parts(parts, Body::from(text)) };
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).unwrap();
    let at = at + FIELD.len();
    let forged = format!("{}{}{}", &text[..at], "ab".repeat(32), &text[at + 64..]);
    let mut response = Response::from_parts(parts, Body::from(forged));
    response.headers_mut().remove("content-length");
    response
}

struct Child {
    site: Site,
    site_type: SiteType,
    dp: DpId,
    nal: String,
    stats: Arc<SiteLinkStats>,
    folder: TempDir,
    stop: CancellationToken,
    ran: Option<JoinHandle<()>>,
}

impl Child {
    async fn below(parent: &Parent) -> Self {
        Self::below_as(parent, SiteType::Secondary).await
    }

    async fn below_as(parent: &Parent, site_type: SiteType) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = open(folder.path(), "S01", site_type).await;
        let point = enrol(&site, "dp1").await;
        let mut child = Self {
            site,
            site_type,
            dp: point.id,
            nal: point.nal_path,
            stats: Arc::default(),
            folder,
            stop: CancellationToken::new(),
            ran: None,
        };
        child.join(parent).await;
        child
    }

    /// Joins with a new token and starts the links.
    async fn join(&mut self, parent: &Parent) {
        let token = parent.site.create_site_token(&Actor::local(), "s01", None).await.unwrap();
        let own = self.site.identity().clone();
        let signing_key = self.site.keys().await.unwrap().keys[0].key.clone();
        let request = |csr_pem| JoinRequest {
            token: token.to_string(),
            site_code: own.site_code.clone(),
            site_name: own.site_name.clone(),
            site_type: self.site_type.number(),
            server_name: own.server_name.clone(),
            csr_pem,
            signing_key: signing_key.clone(),
            agent_version: "0".to_owned(),
        };
        let joining = Joining { site_url: &parent.url, token: &token, name: "S01", call: "/site/join" };
        let (identity, reply): (_, JoinReply) =
            membership::join(joining, request, &SystemClock::shared()).await.unwrap();
        identity.save(self.folder.path()).unwrap();
        self.site.join_parent(&Actor::local(), &reply).await.unwrap();
        let folder = self.folder.path().to_owned();
        let member = Membership::new(folder, identity, SystemClock::shared()).unwrap();
        let link = SiteLink::new(self.site.clone(), Some(member));
        (self.stats, self.stop) = (link.stats(), CancellationToken::new());
        self.ran = Some(tokio::spawn(link.run(self.stop.clone())));
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.ran.take().unwrap().await.unwrap();
    }

    /// The version that the distribution point is told to hold; 0 while the wanted one is not here.
    async fn told(&self) -> u32 {
        match self.site.desired(self.dp, 0).await.unwrap().packages.first().map(|row| row.goal.clone()) {
            Some(Goal::Hold { version, signature, .. }) => {
                assert!(signature.is_some(), "the source site's signature goes on to the distribution point");
                version
            }
            _ => 0,
        }
    }

    async fn has_message(&self, code: &str) -> bool {
        let messages = self.site.status_messages(&StatusFilter::default()).await.unwrap();
        messages
            .iter()
            .any(|message| message.message_id == 39072 && message.inserts.iter().any(|i| i == code))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_comes_down_and_a_forged_one_does_not() {
    let parent = Parent::start().await;
    let mut child = Child::below(&parent).await;
    let package = parent.package().await;
    parent.distribute(&package, &child.nal).await;
    until("the first version is told", || async { child.told().await == 1 }).await;

    parent.forge.store(1, Ordering::SeqCst);
    parent.publish(&package, "two").await;
    until("the forged version is refused", || child.has_message("signature_wrong")).await;
    assert_eq!(parent.forge.load(Ordering::SeqCst), 0, "it was forged");
    assert_eq!((child.told().await, child.stats.versions_arrived()), (0, 1), "nobody is told of it");
    assert!(child.stats.versions_refused() > 0);

    parent.publish(&package, "three").await;
    until("the next genuine version is told", || async { child.told().await == 3 }).await;
    child.stop().await;
    parent.stop.cancel();
}

/// Exchanges a byte of every stored copy of a text. Returns how many there were.
fn damage(folder: &Path, text: &str) -> usize {
    let mut hit = 0;
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            hit += damage(&entry, text);
            continue;
        }
        let mut bytes = std::fs::read(&entry).unwrap();
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text.as_bytes()) {
            bytes[at] ^= 0x20;
            std::fs::write(&entry, bytes).unwrap();
            hit += 1;
        }
    }
    hit
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_child_s_library_is_mended_by_the_parent_and_told_to_it() {
    const TEXT: &str = "xyzzy plugh 0123456789";
    let parent = Parent::start().await;
    let mut child = Child::below(&parent).await;
    let package = parent.package().await;
    parent.publish(&package, TEXT).await;
    parent.distribute(&package, &child.nal).await;
    until("the version is told", || async { child.told().await == 2 }).await;
    assert!(damage(&child.folder.path().join("data/content"), TEXT) > 0);
    child.site.verify_content(&Actor::local()).await.unwrap();
    let said = async || {
        let messages = parent.site.status_messages(&StatusFilter::default()).await.unwrap();
        let mut said: Vec<_> = messages.into_iter().filter(|message| message.message_id == 39074).collect();
        said.sort_by_key(|message| message.record_id);
        said.into_iter().map(|message| message.inserts).collect::<Vec<_>>()
    };
    until("the parent hears that it is mended", || async { said().await.len() == 2 }).await;
    let said = said().await;
    assert_eq!(said[0], ["S01", &package, "2", "driver.inf", "it is fetched again from site PS1"]);
    assert_eq!(said[1], ["S01", &package, "2", "driver.inf", "it is repaired from site PS1"]);
    let library = child.site.library().await.unwrap();
    let report = tokio::task::spawn_blocking(move || library.verify(&content::VoidMonitor, &[]).unwrap());
    assert!(report.await.unwrap().is_whole());
    child.stop().await;
    parent.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_child_hears_nothing_until_it_joins_again() {
    let parent = Parent::start().await;
    let mut child = Child::below(&parent).await;
    let package = parent.package().await;
    parent.distribute(&package, &child.nal).await;
    until("the first version is told", || async { child.told().await == 1 }).await;

    parent.site.revoke_site(&Actor::local(), "s01").await.unwrap();
    parent.publish(&package, "two").await;
    until("the link fails", || async { child.stats.failures() > 0 }).await;
    assert_ne!(child.told().await, 2);
    child.stop().await;
    child.join(&parent).await;
    until("the second version is told", || async { child.told().await == 2 }).await;
    child.stop().await;
    parent.stop.cancel();
}

/// What a low package has; three of them take half a minute at the rate below.
const LOW_BYTES: u64 = 400_000;
const DOWN_BITS_PER_S: u64 = 320_000;

#[tokio::test(flavor = "multi_thread")]
async fn three_low_packages_on_a_slow_route_give_way_to_a_high_one_and_go_on_later() {
    let parent = Parent::start().await;
    let mut child = Child::below(&parent).await;
    let settings =
        RouteSettings { rate: RateLimit::Fixed { bits_per_s: DOWN_BITS_PER_S }, ..RouteSettings::default() };
    let down = RouteTarget::Site("S01".to_owned());
    parent.site.set_route(&Actor::local(), &down, &settings).await.unwrap();
    let package = async |name: &str, bytes: u64, priority| {
        let source = parent.folder.path().join(name);
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("a.sys"), samples::Rng::new(priority).bytes(bytes as usize)).unwrap();
        let new = NewPackage {
            name: name.to_owned(),
            pkg_source_flag: 2,
            pkg_source_path: source.to_str().unwrap().to_owned(),
            ..NewPackage::default()
        };
        let id = parent.site.create_package(&Actor::local(), new).await.unwrap().package_id;
        let change = PackageChange { priority: Some(priority.min(3) as u32), ..PackageChange::default() };
        parent.site.update_package(&Actor::local(), &id, change).await.unwrap();
        parent.distribute(&id, &child.nal).await;
        id
    };
    let mut low = Vec::new();
    for seed in 3..6 {
        low.push(package(&format!("low{seed}"), LOW_BYTES, seed).await);
    }
    until("the low ones take all places", || async { child.stats.received_bytes() > 60_000 }).await;
    let high = package("high", 20_000, 1).await;
    let stored = async |id: &str| child.site.package(id).await.map_or(0, |package| package.stored_version);
    until("the high one arrives", || async { stored(&high).await == 1 }).await;
    for id in &low {
        assert_eq!(stored(id).await, 0, "{id} came first and waits");
    }
    parent.site.clear_route(&Actor::local(), &down).await.unwrap();
    until("the others arrive", || async { child.stats.versions_arrived() == 4 }).await;
    let received = child.stats.received_bytes();
    assert!(received < 4 * LOW_BYTES, "{received} bytes: they went on from where they were");
    assert_eq!(child.stats.pulls_failed(), 0, "to give way is no failure");
    child.stop().await;
    parent.stop.cancel();
}

/// Bytes that neither compress nor repeat.
const UP_BYTES: u64 = 500_000;
/// At which they take two seconds.
const UP_BITS_PER_S: u64 = 2_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_up_follows_the_child_s_route_to_its_parent() {
    let parent = Parent::start_as(SiteType::Central).await;
    let mut child = Child::below_as(&parent, SiteType::Primary).await;
    let above = enrol(&parent.site, "dp0").await;
    let pulling = tokio::spawn(SiteLink::new(parent.site.clone(), None).run(parent.stop.clone()));
    let workers = tokio::spawn({
        let (site, stop) = (child.site.clone(), child.stop.clone());
        async move { site.run_workers(stop).await }
    });
    let source = child.folder.path().join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("a.sys"), samples::Rng::new(1).bytes(UP_BYTES as usize)).unwrap();
    let new = NewPackage {
        name: "From below".to_owned(),
        pkg_source_flag: 2,
        pkg_source_path: source.to_str().unwrap().to_owned(),
        ..NewPackage::default()
    };
    let id = child.site.create_package(&Actor::local(), new).await.unwrap().package_id;
    let settings = RouteSettings {
        hours: "3".repeat(168).parse().unwrap(),
        rate: RateLimit::Fixed { bits_per_s: UP_BITS_PER_S },
        time_zone: None,
    };
    let up = RouteTarget::Site("PS1".to_owned());
    child.site.set_route(&Actor::local(), &up, &settings).await.unwrap();
    let points = [("PS1".to_owned(), above.nal_path.clone())];
    until("the parent's distribution point is known", || async {
        child.site.add_distribution_points(&Actor::local(), &id, &points).await.is_ok()
    })
    .await;
    let paused = || async {
        let states = parent.site.distribution_status(Some(&id)).await.unwrap();
        states.first().is_some_and(|state| state.paused.is_some())
    };
    until("it waits for the window, which is open to high only", paused).await;
    assert_eq!(child.stats.sent_bytes(), 0);

    let change = PackageChange { priority: Some(1), ..PackageChange::default() };
    child.site.update_package(&Actor::local(), &id, change).await.unwrap();
    until("the first bytes go up", || async { child.stats.sent_bytes() > 0 }).await;
    let began = SystemClock.monotonic();
    let told = || async {
        let desired = parent.site.desired(above.id, 0).await.unwrap();
        desired.packages.first().is_some_and(|row| matches!(row.goal, Goal::Hold { version: 1, .. }))
    };
    until("it is there", told).await;
    let took = SystemClock.monotonic() - began;
    assert!(took >= Duration::from_millis(1_500), "{UP_BYTES} bytes at {UP_BITS_PER_S} bit/s in {took:?}");
    assert!(!paused().await);
    assert!(child.stats.sent_bytes() >= UP_BYTES);
    child.stop().await;
    workers.await.unwrap().unwrap();
    parent.stop.cancel();
    pulling.await.unwrap();
}
