//! What all parts of a running distribution point share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use agent::{Event, Fact};
use clock::SharedClock;
use content::holder::Holder;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::error::DpError;
use crate::fault::{JobError, MAINTENANCE};
use crate::import::Imports;
use crate::metrics::Metrics;
use crate::orphans::Orphans;
use crate::relay::{Cache, Relay};
use crate::serve::Budget;
use crate::site::Site;
use crate::state::State;
use crate::upstream::Upstream;

/// Ranges under way at once in the whole program. Each holds up to 8 MiB in memory.
const RANGES_MAX: usize = 6;
/// Ranges decoded at once. Each holds a chunk, its bases and their join: up to 40 MiB.
const FEEDS_MAX: usize = 2;

/// The folder in the data folder that holds what is kept for lending.
const RELAY_FOLDER: &str = "relay";

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) holder: Holder,
    pub(crate) state: Arc<State>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) site: Arc<Site>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) orphans: Orphans,
    /// The memory that answers to downloads share; a verification sees there whether anybody downloads.
    pub(crate) serving: Budget,
    pub(crate) clock: SharedClock,
    pub(crate) ranges: Semaphore,
    pub(crate) feeds: Semaphore,
    /// Packages that a prestaged file is being taken in of: no job of theirs may run.
    pub(crate) imports: Imports,
    /// Rung when what the site wants is to be asked for as a whole, at once.
    pub(crate) list_anew: Notify,
    /// Packages that lost a damaged file and must be pulled again.
    repairs: Mutex<BTreeSet<String>>,
    maintenance: AtomicBool,
    /// Demands that wait for the end of maintenance mode: packages and generations.
    withheld: Mutex<BTreeMap<String, i64>>,
}

/// What a context is made of.
pub(crate) struct Parts<'p> {
    pub(crate) data_dir: &'p Path,
    pub(crate) name: &'p str,
    pub(crate) holder: Holder,
    pub(crate) state: State,
    pub(crate) site: Site,
    pub(crate) relay_cache_bytes: u64,
    pub(crate) clock: SharedClock,
}

impl Context {
    /// Blocking: what is kept for lending is emptied.
    pub(crate) fn new(parts: Parts<'_>) -> Result<Self, DpError> {
        let Parts { data_dir, name, holder, state, site, relay_cache_bytes, clock } = parts;
        let (site, metrics) = (Arc::new(site), Arc::new(Metrics::new()));
        let upstream = Upstream::new(Arc::clone(&site), Arc::clone(&metrics), Arc::clone(&clock));
        let upstream = Arc::new(upstream);
        let cache = Cache::create(&data_dir.join(RELAY_FOLDER), relay_cache_bytes);
        let cache = cache.map_err(DpError::file("emptying the folder of what is kept for lending"))?;
        let relay = Relay::new(name, Arc::clone(&upstream), cache, holder.clone());
        Ok(Self {
            holder,
            state: Arc::new(state),
            metrics,
            site,
            upstream,
            relay: Arc::new(relay),
            orphans: Orphans::load(data_dir),
            serving: Budget::default(),
            clock,
            ranges: Semaphore::new(RANGES_MAX),
            feeds: Semaphore::new(FEEDS_MAX),
            imports: Imports::default(),
            list_anew: Notify::new(),
            repairs: Mutex::default(),
            maintenance: AtomicBool::new(false),
            withheld: Mutex::default(),
        })
    }

    /// Whether nothing is to be transferred.
    pub(crate) fn is_in_maintenance(&self) -> bool {
        self.maintenance.load(Ordering::Relaxed)
    }

    /// The site says whether maintenance mode is on. What waited for its end goes on.
    pub(crate) fn set_maintenance(&self, on: bool) {
        if self.maintenance.swap(on, Ordering::Relaxed) == on {
            return;
        }
        tracing::info!(on, "Maintenance mode");
        self.relay.close(on);
        self.metrics.maintenance.set(i64::from(on));
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if on {
            self.state.work.notify_one();
        } else {
            self.state.is_over(MAINTENANCE);
        }
    }

    /// A demand turned out to need a transfer.
    pub(crate) fn withhold(&self, package: &str, generation: i64) {
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        withheld.insert(package.to_owned(), generation);
    }

    /// Whether a demand waits for the end of maintenance mode.
    pub(crate) fn is_withheld(&self, package: &str, generation: i64) -> bool {
        let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        withheld.get(package) == Some(&generation)
    }

    /// Changes the agent's memory; its file is written on a blocking thread.
    pub(crate) async fn remember(&self, change: impl FnOnce(&State) + Send + 'static) {
        let state = Arc::clone(&self.state);
        if let Err(error) = spawn_blocking(move || change(&state)).await {
            tracing::error!(%error, "A change of the agent's memory was interrupted");
        }
    }

    /// A fact that happens now.
    pub(crate) fn fact(&self, package: &str, generation: i64, event: Event) -> Fact {
        let at = self.clock.now().to_string();
        Fact { package_id: package.to_owned(), generation, at, serial: None, event }
    }

    /// The packages to repair, those that the holder newly suspects included.
    pub(crate) fn repairs(&self) -> BTreeSet<String> {
        let mut repairs = self.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        repairs.extend(self.holder.take_suspects());
        repairs.clone()
    }

    /// A repair begins. A suspicion that comes from now on is a new one, which its end does not clear.
    pub(crate) fn start_repair(&self, package: &str) {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).remove(package);
    }

    /// A package is to be repaired, again if a repair did not come to its end.
    pub(crate) fn suspect(&self, package: &str) {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).insert(package.to_owned());
    }
}

#[cfg(test)]
impl Context {
    /// A distribution point in a new folder, enrolled at a plain site.
    pub(crate) fn for_test(folder: &Path, site_url: &str, clock: SharedClock) -> Arc<Self> {
        let holder = Holder::open(folder, Arc::clone(&clock)).unwrap();
        let state = State::open(&folder.join("state.redb"));
        let identity = membership::Identity::plain(site_url, "dp1.example.test", "s");
        let member = membership::Membership::new(folder.to_owned(), identity, Arc::clone(&clock)).unwrap();
        let site = Site::new(member);
        let parts = Parts {
            data_dir: folder,
            name: "dp1.example.test",
            holder,
            state,
            site,
            relay_cache_bytes: 1 << 20,
            clock,
        };
        Arc::new(Self::new(parts).unwrap())
    }
}

/// Tells a job to stop, its blocking parts too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    pub(crate) flag: Arc<AtomicBool>,
    token: CancellationToken,
}

impl Stop {
    pub(crate) fn stop(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    /// Ends the transfer for now, with what came of it kept: something more urgent needs its place.
    pub(crate) fn give_way(&self) {
        self.token.cancel();
    }

    /// Whether it was told to stop or to give way.
    pub(crate) fn is_told(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Runs `work` unless the stop comes first.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(JobError::Stopped),
            result = work => result,
        }
    }
}

/// Runs blocking work of the content store.
pub(crate) async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, JobError>
where
    JobError: From<E>,
{
    match spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(stopped) => Err(JobError::Interrupted(stopped.to_string())),
    }
}
