//! Whom content comes from: the sources that the site named, in their order, and the site where it may be asked.
//!
//! Every byte is proven by its hash after it came, whoever sent it, so a source is chosen for its rank alone and a wrong
//! one costs time only. A source that did not answer, or lied, is passed over for a while.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::{PACKAGE_HEADER, PullSource, Sources, WINDOW_CLOSED};
use clock::SharedClock;
use net::{Client, Endpoint, NetError, Way};

use crate::fault::JobError;
use crate::metrics::Metrics;
use crate::site::Site;

mod closed;
mod transfer;

use closed::Said;
pub(crate) use transfer::Transfer;

/// How long a source is passed over that did not answer or sent wrong bytes, as long as there is another way.
const PASSED_OVER_FOR: Duration = Duration::from_secs(60);
/// The same for one that does not know yet who may fetch there: the site tells both ends, and one of them hears it first.
const NOT_KNOWN_FOR: Duration = Duration::from_secs(2);
/// How old the list of sources may be when somebody else's request needs one; a pull asks for it each time.
const SOURCES_AGE_MAX: Duration = Duration::from_secs(600);
/// Connections to the site of one pull, and of all that is fetched in the name of others.
const CONNECTIONS: usize = 2;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Site,
    Source(Arc<PullSource>),
}

impl Origin {
    /// The source's name; none of the site.
    pub(crate) fn source(&self) -> Option<Arc<str>> {
        match self {
            Self::Site => None,
            Self::Source(source) => Some(Arc::from(source.name.as_str())),
        }
    }
}

/// How an object is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asking {
    /// Through whom, and whether caches may answer.
    pub(crate) way: Way,
    /// For which package: its priority decides at the site whether the window is open. Without one it counts as low.
    pub(crate) package: Option<Arc<str>>,
}

impl Asking {
    /// A connection that says for which package it asks.
    fn by(&self, client: &Client) -> Result<Client, NetError> {
        match &self.package {
            Some(package) => client.clone().saying(PACKAGE_HEADER, package),
            None => Ok(client.clone()),
        }
    }
}

/// The way to content, shared by all pulls and by what is fetched for others.
#[derive(Debug)]
pub(crate) struct Upstream {
    site: Arc<Site>,
    clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    sources: Sources,
    /// When they were told, by the monotonic clock.
    told_at: Option<Duration>,
    /// By name, until when.
    passed_over: HashMap<String, Duration>,
    /// By address and name; a source that moves gets another.
    clients: HashMap<(String, String), Client>,
    /// Connections to the site for what is fetched in the name of others.
    lanes: Vec<Client>,
    /// The certificate that all of these were made with; a renewed one makes them anew.
    certificate_pem: Option<String>,
    /// Objects that came wrong: they are asked for past all caches.
    distrusted: BTreeSet<String>,
}

/// Objects that are remembered as wrong; beyond it all are forgotten, and refused again if they are.
const DISTRUSTED_MAX: usize = 1024;

impl Upstream {
    pub(crate) fn new(site: Arc<Site>, metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        Self { site, clock, metrics, inner: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The site named the sources anew.
    pub(crate) fn told(&self, sources: Sources) {
        let mut inner = self.lock();
        let known: BTreeSet<(String, String)> =
            sources.sources.iter().map(|source| (source.url.clone(), source.name.clone())).collect();
        inner.clients.retain(|key, _| known.contains(key));
        inner.sources = sources;
        inner.told_at = Some(self.clock.monotonic());
    }

    /// Makes sure that the list of sources is known and not too old. An old list is better than none.
    pub(crate) async fn ask(&self) -> Result<(), JobError> {
        let is_fresh = |upstream: &Self| {
            let now = upstream.clock.monotonic();
            upstream.lock().told_at.is_some_and(|at| now.saturating_sub(at) < SOURCES_AGE_MAX)
        };
        if is_fresh(self) {
            return Ok(());
        }
        let _one = self.asking.lock().await;
        if is_fresh(self) {
            return Ok(());
        }
        match self.site.sources().await {
            Ok(sources) => self.told(sources),
            // A site from before pull sources: it is asked for everything.
            Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 404) => {
                self.told(Sources::default());
            }
            Err(error) if self.lock().told_at.is_none() => return Err(error.into()),
            Err(error) => tracing::debug!(%error, "Cannot ask for sources; using those of before"),
        }
        Ok(())
    }

    /// Connections to the site for a pull of `package`, each with its own window.
    pub(crate) fn lanes(&self, package: &str) -> Result<Vec<Client>, NetError> {
        (0..CONNECTIONS).map(|_| self.site.connect(package)).collect()
    }

    /// The connections to the site for what is fetched in the name of others.
    pub(crate) fn shared_lanes(&self) -> Result<Vec<Client>, NetError> {
        let mut inner = self.current();
        if inner.lanes.is_empty() {
            inner.lanes =
                (0..CONNECTIONS).map(|_| self.site.connect_for_others()).collect::<Result<_, _>>()?;
        }
        Ok(inner.lanes.clone())
    }

    /// Whom to ask, in order: sources by rank with ties at random, then the site. Those passed over come last, and
    /// only where the site may not be asked.
    pub(crate) fn order(&self) -> Vec<Origin> {
        let now = self.clock.monotonic();
        let mut inner = self.lock();
        inner.passed_over.retain(|_, until| *until > now);
        let mut sources: Vec<(bool, u32, u64, Arc<PullSource>)> = inner
            .sources
            .sources
            .iter()
            .map(|source| {
                let is_passed_over = inner.passed_over.contains_key(&source.name);
                (is_passed_over, source.rank, rand::random(), Arc::new(source.clone()))
            })
            .collect();
        sources.sort_by_key(|(is_passed_over, rank, lot, _)| (*is_passed_over, *rank, *lot));
        let sources_only = inner.sources.sources_only;
        let mut order: Vec<Origin> = sources
            .into_iter()
            .filter(|(is_passed_over, ..)| sources_only || !is_passed_over)
            .map(|(.., source)| Origin::Source(source))
            .collect();
        if !sources_only {
            order.push(Origin::Site);
        }
        order
    }

    /// Whether a distribution point is one of the sources.
    pub(crate) fn is_source(&self, name: &str) -> bool {
        self.lock().sources.sources.iter().any(|source| source.name.eq_ignore_ascii_case(name))
    }

    /// A source is passed over for a while.
    pub(crate) fn pass_over(&self, source: &str) {
        self.pass_over_for(source, PASSED_OVER_FOR);
    }

    fn pass_over_for(&self, source: &str, time: Duration) {
        let until = self.clock.monotonic() + time;
        self.lock().passed_over.insert(source.to_owned(), until);
    }

    /// A source gave nothing of what it was asked for; why says when it is asked again.
    fn gave_nothing(&self, source: &PullSource, path: &str, error: &NetError) {
        tracing::info!(source = source.name, %error, path, "A source gave nothing; going on");
        // Its window may be open for the next thing that is asked of it.
        if error.refusal().is_some_and(|refusal| refusal.code == WINDOW_CLOSED) {
            return;
        }
        match error.refusal().map(|refusal| refusal.status) {
            // Who has not got it may have the next thing.
            Some(404) => {}
            Some(401) => self.pass_over_for(&source.name, NOT_KNOWN_FOR),
            _ => self.pass_over(&source.name),
        }
    }

    /// An object came wrong from somewhere.
    pub(crate) fn distrust(&self, object: &str) {
        let mut inner = self.lock();
        if inner.distrusted.len() >= DISTRUSTED_MAX {
            inner.distrusted.clear();
        }
        inner.distrusted.insert(object.to_owned());
    }

    /// Whether an object is to be asked for past all caches.
    pub(crate) fn is_distrusted(&self, path: &str) -> bool {
        let inner = self.lock();
        path.rsplit('/').next().is_some_and(|id| inner.distrusted.contains(id))
    }

    /// What was distrusted is right now.
    pub(crate) fn trust_again(&self) {
        self.lock().distrusted.clear();
    }

    fn client(&self, source: &PullSource) -> Result<Client, NetError> {
        let key = (source.url.clone(), source.name.clone());
        if let Some(client) = self.current().clients.get(&key) {
            return Ok(client.clone());
        }
        let endpoint: Endpoint = source.url.parse()?;
        let client = self.site.connect_to(endpoint, &source.name, source.ticket.clone())?;
        self.lock().clients.insert(key, client.clone());
        Ok(client)
    }

    /// Without connections of a certificate that was followed by another.
    fn current(&self) -> MutexGuard<'_, Inner> {
        let certificate_pem = self.site.membership().certificate_pem();
        let mut inner = self.lock();
        if inner.certificate_pem != certificate_pem {
            inner.clients.clear();
            inner.lanes.clear();
            inner.certificate_pem = certificate_pem;
        }
        inner
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    fn source(name: &str, rank: u32) -> PullSource {
        PullSource { name: name.to_owned(), url: "http://127.0.0.1:1".to_owned(), rank, ticket: None }
    }

    fn names(order: &[Origin]) -> Vec<String> {
        order
            .iter()
            .map(|origin| origin.source().map_or("site".to_owned(), |name| name.to_string()))
            .collect()
    }

    #[tokio::test]
    async fn the_lowest_rank_goes_first_and_equals_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock::ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let context = Context::for_test(folder.path(), "http://127.0.0.1:9", clock.clone());
        let upstream = &context.upstream;
        assert_eq!(names(&upstream.order()), ["site"]);
        let sources = vec![source("c", 3), source("a", 1), source("b1", 2), source("b2", 2)];
        upstream.told(Sources { sources: sources.clone(), sources_only: false });
        let mut seen = BTreeSet::new();
        for _ in 0..64 {
            let order = names(&upstream.order());
            assert_eq!((order[0].as_str(), order[3].as_str(), order[4].as_str()), ("a", "c", "site"));
            seen.insert(order[1].clone());
        }
        assert_eq!(seen.len(), 2, "each of the equals is first now and then");

        upstream.pass_over("a");
        assert_eq!(names(&upstream.order())[3..], ["site"], "the site is nearer than who did not answer");
        upstream.told(Sources { sources, sources_only: true });
        assert_eq!(names(&upstream.order())[3..], ["a"], "where there is no site it is tried at last");
        clock.advance(PASSED_OVER_FOR);
        assert_eq!(names(&upstream.order())[0], "a");
    }

    #[tokio::test]
    async fn what_a_source_said_decides_how_long_it_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock::ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let context = Context::for_test(folder.path(), "http://127.0.0.1:9", clock.clone());
        let upstream = &context.upstream;
        let only = source("a", 1);
        upstream.told(Sources { sources: vec![only.clone()], sources_only: false });
        for (status, time) in [(404, Duration::ZERO), (401, NOT_KNOWN_FOR), (503, PASSED_OVER_FOR)] {
            let code = if status == 503 { "no_source".to_owned() } else { format!("http_{status}") };
            upstream.gave_nothing(&only, "/content/v1/packs/0", &refused(status, &code));
            let is_asked = || names(&upstream.order())[0] == "a";
            if time > Duration::ZERO {
                assert!(!is_asked(), "{status}");
                clock.advance(time - Duration::from_millis(1));
                assert!(!is_asked(), "{status}");
                clock.advance(Duration::from_millis(1));
            }
            assert!(is_asked(), "{status}");
        }
        upstream.gave_nothing(&only, "/content/v1/packs/0", &refused(503, WINDOW_CLOSED));
        assert_eq!(names(&upstream.order())[0], "a", "the next package may be a more urgent one");
    }

    fn refused(status: u16, code: &str) -> NetError {
        let (code, message) = (code.to_owned(), String::new());
        let refusal = net::Refusal { status, code, message, until: None, retry_after: None };
        NetError::Refused { url: "http://127.0.0.1:1".to_owned(), refusal }
    }
}
