//! What a distribution point counts for `/metrics`.

use std::sync::Mutex;
use std::sync::atomic::AtomicI64;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct From {
    origin: &'static str,
}

/// The counters of one distribution point, in a registry of their own.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<Status, Counter>,
    served_bytes: Counter,
    jobs: Family<Outcome, Counter>,
    received_bytes: Family<From, Counter>,
    lent_bytes: Counter,
    pub(crate) cached_bytes: Gauge<i64, AtomicI64>,
    pub(crate) maintenance: Gauge<i64, AtomicI64>,
    pub(crate) packages: Gauge<i64, AtomicI64>,
    pub(crate) facts_waiting: Gauge<i64, AtomicI64>,
    pub(crate) site_connected: Gauge<i64, AtomicI64>,
    pub(crate) free_bytes: Gauge<i64, AtomicI64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("haulier_dp")),
            requests: Family::default(),
            served_bytes: Counter::default(),
            jobs: Family::default(),
            received_bytes: Family::default(),
            lent_bytes: Counter::default(),
            cached_bytes: Gauge::default(),
            maintenance: Gauge::default(),
            packages: Gauge::default(),
            facts_waiting: Gauge::default(),
            site_connected: Gauge::default(),
            free_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut r = self.lock();
        r.register("requests", "Requests answered, by status", self.requests.clone());
        r.register("served_bytes", "Bytes of content promised in answers", self.served_bytes.clone());
        r.register("jobs", "Jobs on packages that ended, by outcome", self.jobs.clone());
        r.register(
            "received_bytes",
            "Bytes of content received, by where they came from: site or source",
            self.received_bytes.clone(),
        );
        r.register(
            "lent_bytes",
            "Bytes of objects lent to other distribution points",
            self.lent_bytes.clone(),
        );
        r.register("cached_bytes", "Bytes kept for lending", self.cached_bytes.clone());
        r.register("maintenance", "Whether maintenance mode is on", self.maintenance.clone());
        r.register("packages", "Packages that the site wants here", self.packages.clone());
        r.register("facts_waiting", "Facts that the site does not know yet", self.facts_waiting.clone());
        r.register(
            "site_connected",
            "Whether the last request to the site was answered",
            self.site_connected.clone(),
        );
        r.register(
            "free_bytes",
            "Bytes that may still be written to the data folder",
            self.free_bytes.clone(),
        );
    }

    pub(crate) fn request(&self, status: StatusCode) {
        self.requests.get_or_create(&Status { code: status.as_u16() }).inc();
    }

    pub(crate) fn content_bytes(&self, bytes: u64) {
        self.served_bytes.inc_by(bytes);
    }

    pub(crate) fn job(&self, outcome: &str) {
        self.jobs.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc();
    }

    pub(crate) fn received_from(&self, is_source: bool, bytes: u64) {
        let origin = if is_source { "source" } else { "site" };
        self.received_bytes.get_or_create(&From { origin }).inc_by(bytes);
    }

    pub(crate) fn lent(&self, bytes: u64) {
        self.lent_bytes.inc_by(bytes);
    }

    /// The text that `/metrics` serves.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        encode(&mut out, &self.lock()).expect("writing to a string cannot fail");
        out
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
