//! A site and its neighbors at work: rows go up and down, and content comes from where its owner is.
//!
//! What is to be told and to be fetched is in the site's database; the loops here carry it. A child opens every
//! connection. Nothing is kept here that a restart would miss: rows go on from what was acknowledged, content from what
//! the library holds. One neighbor or package that fails waits by itself, and nobody else with it.

mod answer;
mod fetch;
mod pull;
mod puller;
mod rows;
mod silence;
mod source;
mod stats;
mod upward;

pub use fetch::PullError;
pub use source::{Source, SourceError};
pub use stats::SiteLinkStats;

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use membership::Membership;
use membership::backoff::{SITE_WAIT_MAX, jittered};
use net::pace::Pacer;
use site::Site;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use source::Sources;

/// Answers of the parent that come at once without anything new are not asked for again sooner.
const HASTE: Duration = Duration::from_secs(1);

/// A site's part in the exchange with its neighbors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SiteLink {
    site: Site,
    /// Towards the parent, where there is one.
    parent: Option<Membership>,
    clock: SharedClock,
    stats: Arc<SiteLinkStats>,
    /// Rung when the parent changed the route to this site.
    route_changed: Arc<Notify>,
    /// What goes up to the parent, together.
    up: Arc<Pacer<()>>,
}

impl SiteLink {
    /// The links of `site`; `parent` is its membership of the site above, where it joined one.
    #[must_use]
    pub fn new(site: Site, parent: Option<Membership>) -> Self {
        let clock = SharedClock::clone(site.clock());
        let up = Arc::new(Pacer::new(SharedClock::clone(&clock)));
        Self { site, parent, clock, stats: Arc::default(), route_changed: Arc::default(), up }
    }

    /// What the links have done since they were made.
    #[must_use]
    pub fn stats(&self) -> Arc<SiteLinkStats> {
        Arc::clone(&self.stats)
    }

    /// Carries rows and content until `stop`; then what is under way ends in order.
    pub async fn run(self, stop: CancellationToken) {
        let sources = Sources::new(self.site.clone(), self.parent.clone(), self.stats());
        let puller = puller::run(self.clone(), sources, stop.clone());
        let Some(parent) = self.parent.clone() else { return puller.await };
        tokio::join!(
            puller,
            self.until(&stop, "hear from the parent", || rows::hear(&self, &parent)),
            self.until(&stop, "tell the parent", || rows::tell(&self, &parent)),
            self.until(&stop, "answer the parent's wants", || answer::answer(&self, &parent)),
            self.until(&stop, "vouch for the parent's key", || rows::endorse(&self, &parent)),
            parent.keep_fresh(stop.clone()),
        );
    }

    /// Does a step again and again; a failure makes it wait, longer each time.
    async fn until<F: Future<Output = Result<Step, LinkError>>>(
        &self,
        stop: &CancellationToken,
        what: &'static str,
        mut step: impl FnMut() -> F,
    ) {
        let mut failures = 0;
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                result = step() => result,
            };
            let wait = match result {
                Ok(step) => {
                    if failures > 0 {
                        tracing::info!(what, "The link works again");
                    }
                    failures = 0;
                    match step {
                        Step::Again => Duration::ZERO,
                        Step::Idle => HASTE,
                        Step::Done => return,
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.stats.failures.inc();
                    self.complain(what, failures, &error);
                    jittered(failures, SITE_WAIT_MAX)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    fn complain(&self, what: &'static str, failures: u32, error: &LinkError) {
        let ended = self.parent.as_ref().and_then(Membership::ended_at);
        match ended {
            Some(end) => tracing::error!(
                %error, %end, what,
                "The certificate has ended: make a token with `haulier site token` at the parent and join again"
            ),
            None => tracing::warn!(%error, failures, what, "The link failed; trying again"),
        }
    }
}

/// How a step of a loop ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There may be more.
    Again,
    /// There was nothing, sooner than expected.
    Idle,
    /// There is no next one.
    Done,
}

/// Why a link failed.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Net(#[from] net::NetError),
    #[error("this site: {0}")]
    Site(#[from] site::SiteError),
}
