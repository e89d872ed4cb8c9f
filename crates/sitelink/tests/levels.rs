//! Three sites above each other in one process, over real listeners: while the one between them has not got a version itself,
//! the far end waits, and nobody calls that a failure.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::join::{JoinReply, JoinRequest};
use agent::{EnrolRequest, Goal};
use agentservice::AgentService;
use clock::{Clock, SystemClock};
use jiff::Timestamp;
use membership::{Joining, Membership};
use net::ca::SiteCa;
use net::{Limits, Listener, ListenerOptions};
use site::{
    Actor, DistributionPoint, NewPackage, PackageChange, RateLimit, RouteSettings, RouteTarget, Site,
    SiteOptions, SiteType, StatusFilter,
};
use sitelink::{SiteLink, SiteLinkStats};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A test that hangs is a failure, not a wait.
const HANG: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// What is sent, bytes that neither compress nor repeat.
const BYTES: usize = 250_000;
/// At which that takes eight seconds: a site that took the wait for failures would have told them by then.
const SLOW_BITS_PER_S: u64 = 250_000;
/// A version did not come, and it waits for a window.
const FAILED: u32 = 39072;
const PAUSED: u32 = 39075;

async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let give_up = SystemClock.monotonic() + HANG;
    while !condition().await {
        assert!(SystemClock.monotonic() < give_up, "waited in vain: {what}");
        SystemClock.sleep(LOOK).await;
    }
}

struct Level {
    site: Site,
    url: String,
    stats: Arc<SiteLinkStats>,
    folder: TempDir,
    stop: CancellationToken,
}

impl Level {
    async fn start(code: &str, site_type: SiteType, parent: Option<&Self>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SiteOptions {
            data_dir: folder.path().join("data"),
            site_code: code.to_owned(),
            server_name: Some(format!("{}.example.test", code.to_ascii_lowercase())),
            site_type,
            ..SiteOptions::default()
        };
        Site::init(&options, "correct horse battery staple", SystemClock::shared()).await.unwrap();
        let site = Site::open(&options, SystemClock::shared()).await.unwrap();
        let ca = SiteCa::create(&folder.path().join("ca"), code, SystemClock::shared()).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let options = ListenerOptions { addr, tls: None, limits: Limits::default() };
        let listener = Listener::bind(options, SystemClock::shared()).await.unwrap();
        let (url, stop) = (listener.url(), CancellationToken::new());
        let router = AgentService::new(site.clone(), ca, SystemClock::shared()).router();
        tokio::spawn(listener.serve(router, stop.clone()));
        tokio::spawn({
            let (site, stop) = (site.clone(), stop.clone());
            async move { site.run_workers(stop).await }
        });
        let member = match parent {
            Some(parent) => Some(join(&site, site_type, parent, &folder).await),
            None => None,
        };
        let link = SiteLink::new(site.clone(), member);
        let stats = link.stats();
        tokio::spawn(link.run(stop.clone()));
        Self { site, url, stats, folder, stop }
    }

    async fn point(&self, name: &str) -> DistributionPoint {
        let token = self.site.create_dp_token(&Actor::local(), name, None).await.unwrap();
        let request = EnrolRequest {
            token: token.to_string(),
            name: name.to_owned(),
            content_url: format!("http://{name}:8540"),
            csr_pem: None,
            agent_version: "0".to_owned(),
        };
        self.site.enrol(&request, &|_, _| Err("no certificate is asked for".to_owned())).await.unwrap();
        let points = self.site.distribution_points().await.unwrap();
        points.into_iter().find(|point| point.name == name).unwrap()
    }

    /// A package of this site with its first version, sent to a distribution point of another.
    async fn package_for(&self, site_code: &str, nal: &str) -> String {
        let source: PathBuf = self.folder.path().join("source");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("a.sys"), samples::Rng::new(1).bytes(BYTES)).unwrap();
        let new = NewPackage {
            name: "Drivers".to_owned(),
            pkg_source_flag: 2,
            pkg_source_path: source.to_str().unwrap().to_owned(),
            ..NewPackage::default()
        };
        let id = self.site.create_package(&Actor::local(), new).await.unwrap().package_id;
        self.distribute(&id, site_code, nal).await;
        id
    }

    async fn distribute(&self, id: &str, site_code: &str, nal: &str) {
        let points = [(site_code.to_owned(), nal.to_owned())];
        until("the distribution point is known", || async {
            self.site.add_distribution_points(&Actor::local(), id, &points).await.is_ok()
        })
        .await;
    }

    /// Publishes the second version of a package that the site above made.
    async fn refresh(&self, package: &str) {
        let source = self.site.package(package).await.unwrap().fields.pkg_source_path;
        std::fs::write(PathBuf::from(source).join("b.sys"), samples::Rng::new(2).bytes(BYTES)).unwrap();
        self.site.refresh_package(&Actor::local(), package).await.unwrap();
    }

    async fn route_to(&self, code: &str, settings: &RouteSettings) {
        let to = RouteTarget::Site(code.to_owned());
        self.site.set_route(&Actor::local(), &to, settings).await.unwrap();
    }

    async fn raise(&self, package: &str) {
        let change = PackageChange { priority: Some(1), ..PackageChange::default() };
        self.site.update_package(&Actor::local(), package, change).await.unwrap();
    }

    /// What the messages of one kind say.
    async fn said(&self, message_id: u32) -> Vec<Vec<String>> {
        let messages = self.site.status_messages(&StatusFilter::default()).await.unwrap();
        let of_kind = messages.into_iter().filter(|message| message.message_id == message_id);
        of_kind.map(|message| message.inserts).collect()
    }

    /// Until when the only distribution point of a package is shown to wait, and for what.
    async fn paused(&self, package: &str) -> Option<(Option<Timestamp>, String)> {
        let states = self.site.distribution_status(Some(package)).await.ok()?;
        let paused = states.first()?.paused.clone()?;
        Some((paused.until, paused.reason))
    }

    /// Whether the distribution point is told to hold a version: it is here.
    async fn is_told(&self, point: &DistributionPoint, wanted: u32) -> bool {
        let desired = self.site.desired(point.id, 0).await.unwrap();
        let goal = desired.packages.first().map(|row| row.goal.clone());
        matches!(goal, Some(Goal::Hold { version, .. }) if version == wanted)
    }
}

async fn join(site: &Site, site_type: SiteType, parent: &Level, folder: &TempDir) -> Membership {
    let own = site.identity().clone();
    let token = parent.site.create_site_token(&Actor::local(), &own.site_code, None).await.unwrap();
    let signing_key = site.keys().await.unwrap().keys[0].key.clone();
    let request = |csr_pem| JoinRequest {
        token: token.to_string(),
        site_code: own.site_code.clone(),
        site_name: own.site_name.clone(),
        site_type: site_type.number(),
        server_name: own.server_name.clone(),
        csr_pem,
        signing_key: signing_key.clone(),
        agent_version: "0".to_owned(),
    };
    let joining = Joining { site_url: &parent.url, token: &token, name: &own.site_code, call: "/site/join" };
    let (identity, reply): (_, JoinReply) =
        membership::join(joining, request, &SystemClock::shared()).await.unwrap();
    identity.save(folder.path()).unwrap();
    site.join_parent(&Actor::local(), &reply).await.unwrap();
    Membership::new(folder.path().to_owned(), identity, SystemClock::shared()).unwrap()
}

/// The central administration site, a primary, and a secondary.
async fn three() -> [Level; 3] {
    let top = Level::start("CAS", SiteType::Central, None).await;
    let middle = Level::start("PS1", SiteType::Primary, Some(&top)).await;
    let bottom = Level::start("S01", SiteType::Secondary, Some(&middle)).await;
    [top, middle, bottom]
}

/// A package that the primary made and gave to the secondary; its first version is at the distribution point's site.
async fn given_down([top, middle, bottom]: [&Level; 3], point: &DistributionPoint) -> String {
    let package = middle.package_for("CAS", &point.nal_path).await;
    until("the first version is above", || top.is_told(point, 1)).await;
    middle.site.set_source_site(&Actor::local(), &package, "S01").await.unwrap();
    until("the secondary has it", || async {
        bottom.site.package(&package).await.is_ok_and(|package| package.stored_version == 1)
    })
    .await;
    package
}

/// Open to high packages only, for some hours from now on; then to all.
fn closed_for_now() -> RouteSettings {
    let now = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC);
    let hour = (now.weekday().to_sunday_zero_offset() as usize) * 24 + now.hour() as usize;
    let mut hours = ["1"; 168];
    (0..3).for_each(|ahead| hours[(hour + ahead) % 168] = "3");
    RouteSettings {
        hours: hours.concat().parse().unwrap(),
        time_zone: Some("UTC".to_owned()),
        ..RouteSettings::default()
    }
}

fn slow() -> RouteSettings {
    RouteSettings { rate: RateLimit::Fixed { bits_per_s: SLOW_BITS_PER_S }, ..RouteSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_first_hop_down_is_no_failure_of_the_second() {
    let [top, middle, bottom] = three().await;
    let point = bottom.point("dp1").await;
    top.route_to("PS1", &slow()).await;
    let began = SystemClock.monotonic();
    top.package_for("S01", &point.nal_path).await;
    until("the version is there", || bottom.is_told(&point, 1)).await;
    assert!(SystemClock.monotonic() - began > Duration::from_secs(5), "the first hop was slow");
    for level in [&middle, &bottom] {
        assert_eq!((level.said(FAILED).await, level.stats.pulls_failed()), (Vec::new(), 0));
        level.stop.cancel();
    }
    top.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_first_hop_up_is_no_failure_of_the_second() {
    let [top, middle, bottom] = three().await;
    let point = top.point("dp1").await;
    let package = given_down([&top, &middle, &bottom], &point).await;
    bottom.route_to("PS1", &slow()).await;
    let began = SystemClock.monotonic();
    bottom.refresh(&package).await;
    until("the version is there", || top.is_told(&point, 2)).await;
    assert!(SystemClock.monotonic() - began > Duration::from_secs(5), "the first hop was slow");
    for level in [&middle, &top] {
        assert_eq!((level.said(FAILED).await, level.stats.pulls_failed()), (Vec::new(), 0));
        level.stop.cancel();
    }
    bottom.stop.cancel();
}

/// The first hop's window is closed: both hops wait for it, and everybody sees that.
async fn waits<const N: usize>(package: &str, of: [&Level; N], needing: [&Level; 2]) {
    for level in of {
        until("it is shown to wait", || async { level.paused(package).await.is_some() }).await;
    }
    let mut opens = Vec::new();
    for level in of {
        let (until, reason) = level.paused(package).await.unwrap();
        assert!(reason.contains("site PS1 waits for it itself"), "{reason}");
        opens.push(until.unwrap());
    }
    assert!(opens.iter().all(|at| *at == opens[0] && *at > SystemClock.now()), "{opens:?}");
    for level in needing {
        assert_eq!((level.said(FAILED).await, level.stats.pulls_failed()), (Vec::new(), 0));
        assert_eq!(level.said(PAUSED).await.len(), 1, "it is said once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_at_the_top_is_seen_at_the_bottom_and_at_the_top() {
    let [top, middle, bottom] = three().await;
    let point = bottom.point("dp1").await;
    top.route_to("PS1", &closed_for_now()).await;
    let package = top.package_for("S01", &point.nal_path).await;
    waits(&package, [&bottom, &middle, &top], [&middle, &bottom]).await;
    top.raise(&package).await;
    until("the version is there", || bottom.is_told(&point, 1)).await;
    until("the top sees that it goes on", || async { top.paused(&package).await.is_none() }).await;
    assert_eq!(bottom.said(FAILED).await, Vec::<Vec<String>>::new());
    [top, middle, bottom].iter().for_each(|level| level.stop.cancel());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_at_the_bottom_is_seen_at_the_top() {
    let [top, middle, bottom] = three().await;
    let point = top.point("dp1").await;
    let package = given_down([&top, &middle, &bottom], &point).await;
    bottom.route_to("PS1", &closed_for_now()).await;
    bottom.refresh(&package).await;
    waits(&package, [&top, &bottom], [&middle, &top]).await;
    bottom.raise(&package).await;
    until("the version is there", || top.is_told(&point, 2)).await;
    until("the bottom sees that it goes on", || async { bottom.paused(&package).await.is_none() }).await;
    assert_eq!(top.said(FAILED).await, Vec::<Vec<String>>::new());
    [top, middle, bottom].iter().for_each(|level| level.stop.cancel());
}
