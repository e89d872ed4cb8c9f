//! The front end for distribution points: `/agent/v1` and `/content/v1` over [`site::Site`].
//!
//! Turns bytes into typed requests, asks the site, and renders its answers. Knows HTTP and the agent's wire
//! types; knows no SQL and no rule of distribution. `docs/agent-protocol.md` describes the exchange.

mod at_once;
mod attempts;
mod auth;
mod desired;
mod enrol;
mod error;
mod facts;
mod join;
mod link;
mod objects;
mod pace;
mod path;
mod renewal;
mod request;
mod route;
mod stats;

use std::sync::Arc;

use agent::link::RECORDS_BYTES_MAX;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};
use clock::SharedClock;
use net::ca::SiteCa;
use net::pace::Pacer;
use site::{Destination, DpId, Neighbor, Site};
use tokio::sync::Semaphore;

pub use stats::AgentServiceStats;

use at_once::AtOnce;
use attempts::Attempts;
use desired::Waits;
use error::ServiceError;

/// The largest body of any call but those of child sites: [`agent::FACTS_MAX`] facts that each name hundreds of repaired files.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Reads from the content library at once, over all answers. Each holds one piece of an object in memory.
const READS_MAX: usize = 16;
/// Enrolments at once: each checks and makes a signature, and waits for the database's writer.
const ENROLMENTS_MAX: usize = 8;
/// Enrolments that wait for their turn: a whole fleet may be set up in one go.
const ENROLMENTS_WAITING_MAX: usize = 2048;

/// The agent API of one site. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AgentService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    site: Site,
    ca: SiteCa,
    stats: Arc<AgentServiceStats>,
    attempts: Attempts,
    enrolments: Semaphore,
    enrolments_waiting: Semaphore,
    waits: Waits<DpId>,
    reports: AtOnce<DpId>,
    /// Child sites that wait for rows, and for wants.
    site_waits: Waits<Neighbor>,
    want_waits: Waits<Neighbor>,
    reads: Arc<Semaphore>,
    pacer: Pacer<Destination>,
}

impl Shared {
    /// Counts whom nobody knows; a database that does not answer is no stranger.
    fn count_unauthenticated(&self, error: &ServiceError) {
        if error.status().is_client_error() {
            self.stats.unauthenticated.inc();
        }
    }
}

impl AgentService {
    /// The service for `site`, whose agents get certificates from `ca`.
    #[must_use]
    pub fn new(site: Site, ca: SiteCa, clock: SharedClock) -> Self {
        Self(Arc::new(Shared {
            site,
            ca,
            stats: Arc::default(),
            attempts: Attempts::new(SharedClock::clone(&clock)),
            enrolments: Semaphore::new(ENROLMENTS_MAX),
            enrolments_waiting: Semaphore::new(ENROLMENTS_WAITING_MAX),
            waits: Waits::default(),
            reports: AtOnce::default(),
            site_waits: Waits::default(),
            want_waits: Waits::default(),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            pacer: Pacer::new(clock),
        }))
    }

    /// The routes under [`agent::ROOT`] and [`agent::CONTENT_ROOT`]; needs the extensions of `net::Listener`.
    pub fn router(&self) -> Router {
        let longer = DefaultBodyLimit::max(RECORDS_BYTES_MAX);
        let records = get(link::hear).merge(post(link::tell).layer(longer));
        let api = Router::new()
            .route("/ca", get(enrol::authority))
            .route("/enrol", post(enrol::enrol))
            .route("/announce", post(enrol::announce))
            .route("/renew", post(renewal::renew))
            .route("/keys", get(renewal::keys))
            .route("/site/join", post(join::join))
            .route("/site/endorse", post(join::endorse))
            .route("/site/records", records)
            .route("/site/wants", get(link::wants))
            .route("/site/wants/{id}", post(link::answer))
            .route("/desired", get(desired::desired))
            .route("/packages/{package}/versions/{version}/route", get(route::route))
            .route("/sources", get(route::sources))
            .route("/facts", post(facts::facts));
        let content = Router::new()
            .route("/packs/{id}", get(objects::pack))
            .route("/manifests/{id}", get(objects::manifest));
        let router =
            closed(agent::ROOT, api).merge(closed(agent::CONTENT_ROOT, content)).with_state(self.clone());
        net::limit_body(router, BODY_BYTES_MAX)
    }

    /// What the service has done since it was made.
    #[must_use]
    pub fn stats(&self) -> Arc<AgentServiceStats> {
        Arc::clone(&self.0.stats)
    }
}

/// Mounts the calls at `root`, where whatever is no route gets an answer in the protocol's own form.
fn closed(root: &str, calls: Router<AgentService>) -> Router<AgentService> {
    let calls = calls
        .route("/", any(error::no_such_route))
        .route("/{*rest}", any(error::no_such_route))
        .method_not_allowed_fallback(error::method_not_allowed);
    // Nesting passes the root itself on, but not the root with a slash.
    Router::new().nest(root, calls).route(&format!("{root}/"), any(error::no_such_route))
}
