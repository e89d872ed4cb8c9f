//! A site whose decisions a test makes and whose faults it chooses. Content comes from a real library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::token::EnrolToken;
use agent::trust::{KeysReply, SiteKey, VersionSignature};
use agent::{
    CaReply, DesiredPackage, DesiredReply, EnrolReply, EnrolRequest, ErrorReply, Event, Fact, Facts, Goal,
    PackRef, RenewReply, RenewRequest, Route, Sources,
};
use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json};
use clock::{SharedClock, SystemClock};
use content::{
    Library, LibraryOptions, ManifestId, MemoryStore, ObjectKey, ObjectKind, ObjectStore, SnapshotRequest,
    VoidMonitor,
};
use dp::{Dp, DpOptions};
use http::{HeaderMap, StatusCode, header};
use net::ca::SiteCa;
use net::{Limits, Listener, ListenerOptions, Peer};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trust::{KeyStatement, SigningKey, VersionStatement};

use self::links::Links;

mod links;
mod window;

pub(crate) use window::{OPENS_AT, Window};

pub(crate) const PACKAGE: &str = "PS100001";
pub(crate) const SITE: &str = "PS1";
/// No test waits longer for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Faults that a test switches on; each counts how often it fired.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Content answers to cut in the middle.
    pub(crate) cut: AtomicUsize,
    /// Content answers to alter.
    pub(crate) alter: AtomicUsize,
    /// Whether the agent API answers 503.
    pub(crate) down: AtomicBool,
    /// Whether facts alone are answered with 503.
    pub(crate) deaf: AtomicBool,
    /// Routes that name a pack which is gone.
    pub(crate) stale: AtomicUsize,
    /// Routes to refuse, and the code.
    pub(crate) refuse: AtomicUsize,
    pub(crate) refusal: Mutex<&'static str>,
    /// Full lists that were asked for.
    pub(crate) lists: AtomicUsize,
    /// Content waits after so many large answers; 0: never.
    pub(crate) close_after: AtomicUsize,
    /// Whether facts that a version was started are refused for good, with all that came along.
    pub(crate) picky: AtomicBool,
    pub(crate) fired: AtomicUsize,
    /// Whether the window is closed for what is not asked for as `PS100001`, and until when for that too.
    pub(crate) window: Mutex<Window>,
    /// Certificates that were renewed.
    pub(crate) renewals: watch::Sender<usize>,
    /// Body bytes of content that were sent.
    pub(crate) content_bytes: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Script {
    library: Library,
    store: Arc<dyn ObjectStore>,
    demand: Mutex<(i64, BTreeMap<String, DesiredPackage>)>,
    demanded: Notify,
    /// The revision after which the agent last asked: it has taken in what came before.
    asked: watch::Sender<i64>,
    versions: Mutex<BTreeMap<u32, ManifestId>>,
    facts: watch::Sender<Vec<Fact>>,
    pub(crate) faults: Faults,
    /// Content waits while this is `false`.
    pub(crate) open: watch::Sender<bool>,
    tokens_used: Mutex<Vec<String>>,
    ca: Option<SiteCa>,
    key: SigningKey,
    /// The keys that the site tells of, its own first.
    pub(crate) keys: Mutex<Vec<SiteKey>>,
    links: Mutex<Links>,
    pub(crate) maintenance: AtomicBool,
    /// Who alone is told of packages; none: everybody.
    only: Mutex<Vec<String>>,
    /// SHA-256 of the certificate of each that enrolled, by name.
    certificates: Mutex<BTreeMap<String, String>>,
}

pub(crate) struct Site {
    pub(crate) script: Arc<Script>,
    pub(crate) url: String,
    pub(crate) source: PathBuf,
    stop: CancellationToken,
    served: JoinHandle<()>,
    _folder: TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    pub(crate) async fn start_with(secure: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let options = LibraryOptions { threads: 1 };
        let library = Library::open(store.clone(), folder.path(), options, SystemClock::shared()).unwrap();
        let ca = secure.then(|| SiteCa::create(folder.path(), "PS1", SystemClock::shared()).unwrap());
        let tls = ca.as_ref().map(|ca| ca.issue_server(&["127.0.0.1".to_owned()]).unwrap());
        let key = SigningKey::generate().unwrap();
        let own = SiteKey { site_code: SITE.to_owned(), key: key.public().to_string(), endorsements: vec![] };
        let script = Arc::new(Script {
            key,
            keys: Mutex::new(vec![own]),
            library,
            store,
            demand: Mutex::default(),
            demanded: Notify::new(),
            asked: watch::Sender::default(),
            versions: Mutex::default(),
            facts: watch::Sender::default(),
            faults: Faults::default(),
            open: watch::Sender::new(true),
            tokens_used: Mutex::default(),
            ca,
            links: Mutex::default(),
            maintenance: AtomicBool::new(false),
            only: Mutex::default(),
            certificates: Mutex::default(),
        });
        let addr = "127.0.0.1:0".parse().unwrap();
        let listening = ListenerOptions { addr, tls, limits: Limits::default() };
        let listener = Listener::bind(listening, SystemClock::shared()).await.unwrap();
        let (url, stop) = (listener.url(), CancellationToken::new());
        let served = listener.serve(router(script.clone()), stop.clone());
        let served = tokio::spawn(async move {
            served.await;
        });
        Self { script, url, source, stop, served, _folder: folder }
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.source.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Takes a snapshot as `version`, which no agent is told yet.
    pub(crate) fn publish(&self, version: u32) {
        let previous = self.script.versions.lock().unwrap().last_key_value().map(|(_, id)| *id);
        let request = SnapshotRequest { source: &self.source, previous, cancel: &AtomicBool::new(false) };
        let id = self.script.library.snapshot(&request, &VoidMonitor).unwrap().manifest;
        self.script.library.retain(id).unwrap();
        self.script.versions.lock().unwrap().insert(version, id);
    }

    /// Demands a version.
    pub(crate) fn hold(&self, version: u32, verify: bool) -> i64 {
        let manifest = self.script.versions.lock().unwrap()[&version].to_string();
        let signature = Some(self.sign(version, &manifest));
        self.demand(Goal::Hold { version, manifest, verify, signature })
    }

    /// The site's signature under a version of the package.
    pub(crate) fn sign(&self, version: u32, manifest: &str) -> VersionSignature {
        signed_by(SITE, &self.script.key, version, manifest, 1)
    }

    /// Cancels the distribution of a version.
    pub(crate) fn cancel(&self, version: u32) -> i64 {
        let manifest = self.script.versions.lock().unwrap()[&version].to_string();
        let signature = Some(self.sign(version, &manifest));
        self.tell(Goal::Hold { version, manifest, verify: false, signature }, true)
    }

    pub(crate) fn demand(&self, goal: Goal) -> i64 {
        self.tell(goal, false)
    }

    /// Demands a version of these distribution points only.
    pub(crate) fn hold_at(&self, version: u32, names: &[&str]) -> i64 {
        *self.script.only.lock().unwrap() = names.iter().map(|name| (*name).to_owned()).collect();
        self.hold(version, false)
    }

    /// Knows of no package any more, and says nothing of those that it knew.
    pub(crate) fn forget(&self) -> i64 {
        let mut demand = self.script.demand.lock().unwrap();
        demand.0 += 1;
        demand.1.clear();
        demand.0
    }

    /// What is asked from now on counts for [`Self::told`].
    pub(crate) fn asked_nothing_yet(&self) {
        self.script.asked.send_replace(0);
    }

    /// Waits until the facts that came so far are as wanted.
    pub(crate) async fn facts_where(&self, what: &str, wanted: impl Fn(&Vec<Fact>) -> bool) {
        let mut facts = self.script.facts.subscribe();
        let found = tokio::time::timeout(PATIENCE, facts.wait_for(wanted)).await.is_ok();
        assert!(found, "{what} never came; the site knows {:?}", self.facts());
    }

    fn tell(&self, goal: Goal, cancelled: bool) -> i64 {
        let mut demand = self.script.demand.lock().unwrap();
        demand.0 += 1;
        let generation = demand.0;
        let package_id = PACKAGE.to_owned();
        let package =
            DesiredPackage { package_id, generation, priority: 2, cancelled, correlation: None, goal };
        demand.1.insert(PACKAGE.to_owned(), package);
        self.script.demanded.notify_waiters();
        generation
    }

    /// Waits for a fact and gives all that came so far.
    pub(crate) async fn fact(&self, what: &str, wanted: impl Fn(&Fact) -> bool) -> Vec<Fact> {
        let mut facts = self.script.facts.subscribe();
        let found = facts.wait_for(|facts| facts.iter().any(&wanted));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(facts) => facts.unwrap().clone(),
            Err(_) => panic!("{what} never came; the site knows {:?}", self.facts()),
        }
    }

    /// Waits until the agent has taken a demand in.
    pub(crate) async fn told(&self, generation: i64) {
        let mut asked = self.script.asked.subscribe();
        let told = asked.wait_for(|after| *after >= generation);
        tokio::time::timeout(PATIENCE, told).await.expect("the agent asks on").unwrap();
    }

    /// Waits until a version is installed for a demand; gives the body bytes that it took.
    pub(crate) async fn installed(&self, generation: i64) -> u64 {
        let facts = self.fact("Installed", |fact| received(fact, generation).is_some()).await;
        facts.iter().find_map(|fact| received(fact, generation)).unwrap()
    }

    /// The code of the failure of a demand.
    pub(crate) async fn failed(&self, generation: i64) -> String {
        let code = |fact: &Fact| match &fact.event {
            Event::Failed { fault, .. } if fact.generation == generation => Some(fault.code.clone()),
            _ => None,
        };
        let facts = self.fact("Failed", |fact| code(fact).is_some()).await;
        facts.iter().find_map(code).unwrap()
    }

    /// The manifest's id of a version.
    pub(crate) fn manifest(&self, version: u32) -> String {
        self.script.versions.lock().unwrap()[&version].to_string()
    }

    /// The site vouches for another site's key.
    pub(crate) fn vouch(&self, site_code: &str, key: &SigningKey) {
        let key = key.public().to_string();
        let statement = KeyStatement { site_code, key: &key };
        let endorsements = vec![statement.endorse(SITE, &self.script.key)];
        self.script.keys.lock().unwrap().push(SiteKey { site_code: site_code.to_owned(), key, endorsements });
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        self.script.facts.borrow().clone()
    }

    /// Forgets what it was told, so that the next wait is for what comes from now on.
    pub(crate) fn forget_facts(&self) {
        self.script.facts.send_replace(Vec::new());
    }

    pub(crate) fn token(&self) -> EnrolToken {
        self.token_of("dp1.example.test")
    }

    fn token_of(&self, name: &str) -> EnrolToken {
        let fingerprint = self.script.ca.as_ref().map(SiteCa::fingerprint);
        let secret = content::FileHash::of(name.as_bytes()).to_string();
        EnrolToken::new(&secret, fingerprint.as_deref()).unwrap()
    }

    pub(crate) fn options(&self, dir: &Path) -> DpOptions {
        self.options_of("dp1.example.test", dir)
    }

    pub(crate) fn options_of(&self, name: &str, dir: &Path) -> DpOptions {
        DpOptions {
            data_dir: dir.to_owned(),
            moves: true,
            site_url: Some(self.url.clone()),
            token: Some(self.token_of(name)),
            name: name.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            content_url: None,
            relay_cache_bytes: dp::RELAY_CACHE_BYTES,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }
}

/// What a site signs.
pub(crate) fn signed_by(
    site: &str,
    key: &SigningKey,
    version: u32,
    manifest: &str,
    epoch: i64,
) -> VersionSignature {
    let statement = VersionStatement {
        package_id: PACKAGE,
        version,
        manifest,
        content_hash: "AB",
        source_site: site,
        epoch,
    };
    statement.sign(key)
}

fn received(fact: &Fact, generation: i64) -> Option<u64> {
    match fact.event {
        Event::Installed { bytes_received, .. } if fact.generation == generation => Some(bytes_received),
        _ => None,
    }
}

/// A running distribution point.
pub(crate) struct Running {
    pub(crate) url: String,
    stop: CancellationToken,
    ran: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(options: DpOptions) -> Self {
        Self::start_at(options, SystemClock::shared()).await
    }

    pub(crate) async fn start_at(options: DpOptions, clock: SharedClock) -> Self {
        let dp = Dp::start(options, clock).await.unwrap();
        let (url, stop) = (dp.url(), CancellationToken::new());
        let ran = tokio::spawn(dp.run(stop.clone()));
        Self { url, stop, ran }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ran).await.expect("it stops in time").unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}/SMS_DP_SMSPKG$/{path}", self.url)).await.unwrap()
    }

    /// The bytes of a file; fails if it is not served.
    pub(crate) async fn bytes(&self, path: &str) -> Bytes {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.bytes().await.unwrap()
    }
}

fn router(script: Arc<Script>) -> axum::Router {
    axum::Router::new()
        .route("/agent/v1/ca", get(ca))
        .route("/agent/v1/enrol", post(enrol))
        .route("/agent/v1/renew", post(renew))
        .route("/agent/v1/keys", get(keys))
        .route("/agent/v1/desired", get(desired))
        .route("/agent/v1/sources", get(sources))
        .route("/agent/v1/facts", post(facts))
        .route("/agent/v1/packages/{package}/versions/{version}/route", get(route))
        .route("/content/v1/{kind}/{id}", get(content))
        .with_state(script)
}

async fn ca(State(script): State<Arc<Script>>) -> Json<CaReply> {
    Json(CaReply { ca_pem: script.ca.as_ref().map(|ca| ca.certificate_pem().to_owned()) })
}

async fn enrol(State(script): State<Arc<Script>>, Json(request): Json<EnrolRequest>) -> Response {
    let mut used = script.tokens_used.lock().unwrap();
    if used.contains(&request.token) {
        return refuse(StatusCode::FORBIDDEN, "token_used");
    }
    used.push(request.token);
    let sign = |csr: &String| script.ca.as_ref().unwrap().sign_agent(csr, &request.name).unwrap();
    let certificate_pem = request.csr_pem.as_ref().map(sign);
    if let Some(pem) = &certificate_pem {
        let fingerprint = net::ca::fingerprint_of_pem(pem).unwrap();
        script.certificates.lock().unwrap().insert(request.name.clone(), fingerprint);
    }
    let signing_key = Some(script.key.public().to_string());
    let reply = EnrolReply { site_code: SITE.to_owned(), secret: request.name, certificate_pem, signing_key };
    Json(reply).into_response()
}

async fn renew(State(script): State<Arc<Script>>, Json(request): Json<RenewRequest>) -> Response {
    let signed = script.ca.as_ref().unwrap().sign_agent(&request.csr_pem, "dp1.example.test");
    script.faults.renewals.send_modify(|count| *count += 1);
    Json(RenewReply { certificate_pem: signed.unwrap() }).into_response()
}

async fn keys(State(script): State<Arc<Script>>) -> Json<KeysReply> {
    Json(KeysReply { keys: script.keys.lock().unwrap().clone() })
}

#[derive(serde::Deserialize)]
struct Asked {
    after: i64,
}

/// Who calls: the secret is the name, as is the certificate's.
fn caller(headers: &HeaderMap, peer: &Peer) -> String {
    let secret = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = secret.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    peer.certificate.as_ref().map_or(secret.to_owned(), |certificate| certificate.subject_cn.clone())
}

async fn sources(
    State(script): State<Arc<Script>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Json<Sources> {
    let links = script.links.lock().unwrap();
    Json(links.sources.get(&caller(&headers, &peer)).cloned().unwrap_or_default())
}

async fn desired(
    State(script): State<Arc<Script>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let name = caller(&headers, &peer);
    script.asked.send_replace(asked.after);
    if asked.after == 0 {
        script.faults.lists.fetch_add(1, Ordering::SeqCst);
    }
    loop {
        let demanded = script.demanded.notified();
        tokio::pin!(demanded);
        demanded.as_mut().enable();
        if script.faults.down.load(Ordering::SeqCst) {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy");
        }
        let reply = {
            let demand = script.demand.lock().unwrap();
            let only = script.only.lock().unwrap().clone();
            let is_for_it = only.is_empty() || only.contains(&name);
            let packages = demand
                .1
                .values()
                .filter(|package| is_for_it && package.generation > asked.after)
                .cloned()
                .collect();
            let links = script.links.lock().unwrap();
            let is_new = links.revision > asked.after;
            DesiredReply {
                revision: demand.0,
                packages,
                maintenance: script.maintenance.load(Ordering::SeqCst),
                pullers: is_new.then(|| links.pullers.get(&name).cloned().unwrap_or_default()),
                ..DesiredReply::default()
            }
        };
        let is_full_list = asked.after == 0 && reply.revision > 0;
        if !reply.packages.is_empty() || reply.pullers.is_some() || is_full_list {
            return Json(reply).into_response();
        }
        demanded.await;
    }
}

async fn facts(State(script): State<Arc<Script>>, Json(facts): Json<Facts>) -> Response {
    if script.faults.down.load(Ordering::SeqCst) || script.faults.deaf.load(Ordering::SeqCst) {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy");
    }
    let is_started = |fact: &Fact| matches!(fact.event, Event::Started { .. });
    if script.faults.picky.load(Ordering::SeqCst) && facts.facts.iter().any(is_started) {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "bad_facts");
    }
    script.facts.send_modify(|all| all.extend(facts.facts));
    StatusCode::NO_CONTENT.into_response()
}

async fn route(
    State(script): State<Arc<Script>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    UrlPath((package, version)): UrlPath<(String, u32)>,
) -> Response {
    if take(&script.faults.refuse) {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        let code = *script.faults.refusal.lock().unwrap();
        let is_not_there = code.starts_with("package");
        let status = if is_not_there { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE };
        return refuse(status, code);
    }
    let Some(id) = script.versions.lock().unwrap().get(&version).copied() else {
        return refuse(StatusCode::NOT_FOUND, "version_not_found");
    };
    let pack = |pack: &content::PackLocation| PackRef {
        id: pack.id.to_string(),
        index_offset: pack.index_offset,
        index_bytes: pack.index_bytes,
    };
    let mut packs: Vec<PackRef> = script.library.route(id).unwrap().packs.iter().map(pack).collect();
    if take(&script.faults.stale) {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        packs.push(PackRef { id: "ab".repeat(32), index_offset: 0, index_bytes: 100 });
    }
    let told =
        script.links.lock().unwrap().sources.get(&caller(&headers, &peer)).cloned().unwrap_or_default();
    let Sources { sources, sources_only } = told;
    Json(Route { package_id: package, version, manifest: id.to_string(), packs, sources, sources_only })
        .into_response()
}

async fn content(
    State(script): State<Arc<Script>>,
    UrlPath((kind, id)): UrlPath<(String, String)>,
    headers: HeaderMap,
) -> Response {
    script.open.subscribe().wait_for(|open| *open).await.unwrap();
    if let Some(closed) = window::closed(&script, &headers) {
        return closed;
    }
    let kind = if kind == "packs" { ObjectKind::Pack } else { ObjectKind::Manifest };
    let key = ObjectKey::parse(kind, &id).unwrap();
    let Some(size) = script.store.size(key).unwrap() else {
        return refuse(StatusCode::NOT_FOUND, "not_found");
    };
    let range = headers.get(header::RANGE).map(|value| {
        let (first, last) = value.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        first.parse::<u64>().unwrap()..last.parse::<u64>().unwrap() + 1
    });
    let span = range.clone().unwrap_or(0..size);
    let mut bytes = script.store.read(key, span.clone()).unwrap();
    let mut response = Response::builder();
    if range.is_some() {
        response = response.status(StatusCode::PARTIAL_CONTENT);
        response =
            response.header(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", span.start, span.end - 1));
    }
    // A single object is too small to be cut or altered in a way that tells anything.
    if span.end - span.start > 1000 && take(&script.faults.alter) {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
    }
    let is_cut = span.end - span.start > 1000 && take(&script.faults.cut);
    if is_cut {
        script.faults.fired.fetch_add(1, Ordering::SeqCst);
        bytes.truncate(bytes.len() / 2);
    }
    if span.end - span.start > 100_000 && script.faults.close_after.load(Ordering::SeqCst) > 0 {
        let left = script.faults.close_after.fetch_sub(1, Ordering::SeqCst) - 1;
        script.open.send_if_modified(|open| std::mem::replace(open, left > 0) != (left > 0));
    }
    script.faults.content_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    // No Content-Length: an answer that ends early looks like one that is whole.
    let parts = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
    response.body(Body::from_stream(parts)).unwrap()
}

/// Uses one up, if any is left.
fn take(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, Json(ErrorReply { code: code.to_owned(), message: "as scripted".to_owned(), until: None }))
        .into_response()
}
