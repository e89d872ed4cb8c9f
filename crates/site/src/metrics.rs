//! What a site counts for monitoring, as OpenMetrics text.
//!
//! Labels have few values, whatever the site holds and whatever a distribution point says: no name of a package, of a
//! distribution point or of a user is one.

mod gauges;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::distribution::state::State;
use crate::error::Result;
use crate::server::Site;
use gauges::Gauges;

/// How old counted figures may be: whoever asks more often is told the same.
const COUNTED_FOR: Duration = Duration::from_secs(10);
/// Seconds from a second to a day.
const SECONDS: [f64; 11] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];
/// Why attempts fail (`docs/distribution-point.md`); what else a distribution point says is `other`.
const FAULT_CODES: [&str; 23] = [
    "bad_answer",
    "cancelled",
    "disk_full",
    "incomplete",
    "index_damaged",
    "interrupted",
    "io",
    "manifest_gone",
    "no_progress",
    "not_installed",
    "not_offered",
    "pack_gone",
    "refused",
    "signature_malformed",
    "signature_wrong",
    "signer_not_owner",
    "signer_unknown",
    "site_refused",
    "site_unreachable",
    "source_unreachable",
    "unauthorized",
    "version_unsigned",
    "window_closed",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

/// The figures of one site, in a registry of their own.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    /// When the gauges were counted, by the monotonic clock.
    counted_at: tokio::sync::Mutex<Option<Duration>>,
    distributions: Family<InState, Gauge>,
    faults: Family<Code, Gauge>,
    packages: Family<InState, Gauge>,
    points: Family<InState, Gauge>,
    queues: Family<Kind, Gauge>,
    database_bytes: Gauge,
    library_bytes: Family<Kind, Gauge>,
    failures: Family<Code, Counter>,
    snapshots: Histogram,
    refreshes: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("haulier_site")),
            counted_at: tokio::sync::Mutex::default(),
            distributions: Family::default(),
            faults: Family::default(),
            packages: Family::default(),
            points: Family::default(),
            queues: Family::default(),
            database_bytes: Gauge::default(),
            library_bytes: Family::default(),
            failures: Family::default(),
            snapshots: Histogram::new(SECONDS),
            refreshes: Histogram::new(SECONDS),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let r = &mut *registry;
        r.register("distributions", "Packages at distribution points, by state", self.distributions.clone());
        r.register("faults", "Distributions whose last attempt failed, by code", self.faults.clone());
        r.register("packages", "Packages, by what is done about them", self.packages.clone());
        r.register(
            "distribution_points",
            "Distribution points, by whether they are heard",
            self.points.clone(),
        );
        r.register("queue_length", "What waits, by kind", self.queues.clone());
        let bytes = Unit::Bytes;
        let database = self.database_bytes.clone();
        r.register_with_unit("database", "Size of the database", bytes.clone(), database);
        let library = self.library_bytes.clone();
        r.register_with_unit(
            "library",
            "Content of kept versions, and the packs that hold it",
            bytes,
            library,
        );
        r.register("failures", "Attempts that failed since the start, by code", self.failures.clone());
        let snapshots = self.snapshots.clone();
        r.register_with_unit("snapshot_duration", "Reading a package's source", Unit::Seconds, snapshots);
        let refreshes = self.refreshes.clone();
        let help = "From a refresh or a demand to a distribution point that has it";
        r.register_with_unit("refresh_to_installed", help, Unit::Seconds, refreshes);
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, code: &str) {
        self.failures.get_or_create(&Code { code: known(code) }).inc();
    }

    /// A source was read.
    pub(crate) fn snapshot_taken(&self, took: Duration) {
        self.snapshots.observe(took.as_secs_f64());
    }

    /// A distribution point has what was asked for so long ago.
    pub(crate) fn installed(&self, after: jiff::SignedDuration) {
        self.refreshes.observe(after.as_secs_f64().max(0.0));
    }

    fn set(&self, gauges: &Gauges) {
        // What there is none of is 0, not absent: a graph without gaps.
        for state in State::ALL {
            let count = gauges.distributions.get(&i64::from(state.number())).copied().unwrap_or(0);
            self.distributions.get_or_create(&InState { state: label(state) }).set(count);
        }
        let mut faults: Vec<(&str, i64)> = FAULT_CODES.iter().map(|code| (*code, 0)).collect();
        faults.push((OTHER, 0));
        for (code, count) in &gauges.faults {
            let code = known(code);
            faults.iter_mut().filter(|(name, _)| *name == code).for_each(|(_, sum)| *sum += count);
        }
        for (code, count) in faults {
            self.faults.get_or_create(&Code { code }).set(count);
        }
        for (state, count) in gauges.packages {
            self.packages.get_or_create(&InState { state }).set(count);
        }
        for (state, count) in gauges.points {
            self.points.get_or_create(&InState { state }).set(count);
        }
        for (kind, count) in gauges.queues {
            self.queues.get_or_create(&Kind { kind }).set(count);
        }
        self.database_bytes.set(gauges.database_bytes);
        for (kind, bytes) in gauges.library_bytes {
            self.library_bytes.get_or_create(&Kind { kind }).set(bytes);
        }
    }
}

impl Site {
    /// What the site counts, as OpenMetrics text with its end mark.
    pub async fn metrics_text(&self) -> Result<String> {
        let metrics = self.metrics();
        let mut counted_at = metrics.counted_at.lock().await;
        let now = self.clock().monotonic();
        if counted_at.is_none_or(|at| now.saturating_sub(at) >= COUNTED_FOR) {
            metrics.set(&self.gauges().await?);
            *counted_at = Some(now);
        }
        let mut text = String::new();
        let registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a string cannot fail");
        Ok(text)
    }
}

const OTHER: &str = "other";

fn known(code: &str) -> &'static str {
    FAULT_CODES.into_iter().find(|known| *known == code).unwrap_or(OTHER)
}

fn label(state: State) -> &'static str {
    match state {
        State::Installed => "installed",
        State::InstallPending => "install_pending",
        State::InstallRetrying => "install_retrying",
        State::InstallFailed => "install_failed",
        State::RemovalPending => "removal_pending",
        State::RemovalRetrying => "removal_retrying",
        State::RemovalFailed => "removal_failed",
        State::ContentUpdating => "updating",
        State::ContentMonitoring => "verifying",
    }
}

#[cfg(test)]
mod tests {
    use agent::{Event, Fault};

    use super::*;
    use crate::stage::{Stage, failed, installed};

    /// The value of a line that begins so.
    async fn value(stage: &Stage, line: &str) -> f64 {
        let text = stage.site.metrics_text().await.unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(&format!("haulier_site_{line} ")));
        found.unwrap_or_else(|| panic!("{line} in {text}")).parse().unwrap()
    }

    on_both! {
        async fn what_a_site_does_is_counted(stage: &Stage) {
            let package = stage.package("dell").await;
            let (first, second) = (stage.point("dp1").await, stage.point("dp2").await);
            stage.assign(&package, &[&first, &second]).await;
            stage.clock.advance(Duration::from_secs(70));
            stage.report(&package, &first, installed(1)).await;
            let strange = Event::Failed {
                fault: Fault { code: "\"}\n# of its own".to_owned(), message: "?".to_owned(), file: None },
                attempt: 2,
                next_attempt_at: String::new(),
            };
            for event in [failed(1), strange] {
                stage.report(&package, &second, event).await;
            }
            for (line, expect) in [
                ("distributions{state=\"installed\"}", 1.0),
                ("distributions{state=\"install_retrying\"}", 1.0),
                ("distributions{state=\"updating\"}", 0.0),
                ("faults{code=\"other\"}", 1.0),
                ("faults{code=\"disk_full\"}", 0.0),
                ("failures_total{code=\"disk_full\"}", 1.0),
                ("failures_total{code=\"other\"}", 1.0),
                ("packages{state=\"published\"}", 1.0),
                ("packages{state=\"faulty\"}", 0.0),
                ("distribution_points{state=\"heard\"}", 2.0),
                ("distribution_points{state=\"silent\"}", 0.0),
                ("queue_length{kind=\"refreshes\"}", 0.0),
                ("snapshot_duration_seconds_count", 1.0),
                ("refresh_to_installed_seconds_count", 1.0),
                ("refresh_to_installed_seconds_sum", 70.0),
                ("refresh_to_installed_seconds_bucket{le=\"60.0\"}", 0.0),
                ("refresh_to_installed_seconds_bucket{le=\"300.0\"}", 1.0),
                ("library_bytes{kind=\"files\"}", 4.0),
            ] {
                assert_eq!(value(stage, line).await, expect, "{line}");
            }
            assert!(value(stage, "database_bytes").await > 1000.0);
            assert!(stage.site.metrics_text().await.unwrap().ends_with("# EOF\n"));
            // The same for a while; then what is true by then.
            stage.site.refresh_package(&crate::stage::admin(), &package.package_id).await.unwrap();
            let waiting = "queue_length{kind=\"refreshes\"}";
            assert_eq!(value(stage, waiting).await, 0.0);
            stage.clock.advance(COUNTED_FOR);
            assert_eq!(value(stage, waiting).await, 1.0);
            stage.clock.advance(crate::SILENT_AFTER);
            stage.site.write_seen().await.unwrap();
            assert_eq!(value(stage, "distribution_points{state=\"silent\"}").await, 2.0);
        }
    }
}
