//! Bringing one version into the site's library: what the replica asks for is fetched, fed, and asked for again until
//! nothing is missing.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent::{PackRef, Route};
use clock::SharedClock;
use content::format::PACK_INDEX_BYTES_MAX;
use content::{FetchRange, Library, ManifestId, PackId, Plan, Replica, Replicated};
use futures_util::{StreamExt, TryStreamExt, stream};
use membership::backoff::{SITE_WAIT_MAX, jittered};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::source::{Source, SourceError};
use crate::stats::SiteLinkStats;

/// Requests of one pull under way at once. Each holds up to 8 MiB.
const REQUESTS_MAX: usize = 4;
/// Ranges decoded at once, over all pulls. Each holds up to 40 MiB.
pub(crate) const FEEDS_MAX: usize = 2;
/// Plans for one part of a version; each but the first follows refused bytes, a moved pack or a very large version.
const PLANS_MAX: usize = 64;
/// Routes asked for in a row while each names a pack that is gone.
const ROUTES_MAX: usize = 3;
/// Times that an index may come wrong before the attempt fails.
const REFUSALS_MAX: usize = 3;
/// Breaks of the neighbor in a row without a byte in between, after which a range fails and the attempt waits.
const BREAKS_MAX: u32 = 3;

/// Why an attempt to bring a version in ended without it.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The own library, or bytes that it refused.
    #[error(transparent)]
    Content(#[from] content::Error),
    /// What was asked for again and again does not come.
    #[error("the transfer made no progress in {0} rounds; the next attempt goes on from here")]
    NoProgress(usize),
    /// Blocking work did not come back.
    #[error("the work was interrupted: {0}")]
    Interrupted(String),
    /// A stop, a newer version, or one that is more urgent; nothing to report.
    #[error("stopped")]
    Stopped,
}

impl PullError {
    /// A stable code for status messages and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Content(error) if error.is_no_space() => "disk_full",
            Self::Content(_) => "library_failed",
            Self::NoProgress(_) => "no_progress",
            Self::Interrupted(_) => "interrupted",
            Self::Stopped => "stopped",
        }
    }
}

/// What to bring in.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) package_id: String,
    pub(crate) version: u32,
    pub(crate) manifest: ManifestId,
    /// The call behind it, for the log.
    pub(crate) call: Option<String>,
}

/// What all pulls of a site share.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) feeds: Semaphore,
    pub(crate) stats: Arc<SiteLinkStats>,
    pub(crate) clock: SharedClock,
}

/// The root of the version's manifest. Who gives it gives content now.
pub(crate) async fn root(
    source: &dyn Source,
    wanted: &Wanted,
    stop: &CancellationToken,
) -> Result<Vec<u8>, PullError> {
    let manifest = wanted.manifest.to_string();
    or_stop(stop, async { Ok(source.root(&manifest).await?) }).await
}

/// Brings the version in; it is part of the library then, and retained once more. What came of a version that did not
/// come whole is kept.
pub(crate) async fn fetch(
    library: &Arc<Library>,
    source: Arc<dyn Source>,
    wanted: &Wanted,
    root: Vec<u8>,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<Replicated, PullError> {
    let (library, id) = (Arc::clone(library), wanted.manifest);
    let replica = Arc::new(blocking(move || library.begin_replica(id, &root)).await?);
    let run = Run { source, wanted, limits, stop, replica: Arc::clone(&replica) };
    match run.bring_in().await {
        Ok(()) => blocking(move || replica.finish()).await,
        Err(error) => {
            // What came is sealed, for the next attempt to find.
            let sealed = blocking(move || replica.seal()).await;
            if let Err(error) = sealed {
                tracing::warn!(%error, "What came of an unfinished version could not be kept");
            }
            Err(error)
        }
    }
}

struct Run<'a> {
    source: Arc<dyn Source>,
    wanted: &'a Wanted,
    limits: &'a Limits,
    stop: &'a CancellationToken,
    replica: Arc<Replica>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Manifest,
    Content,
}

impl Run<'_> {
    async fn bring_in(&self) -> Result<(), PullError> {
        self.find_packs().await?;
        self.bring_in_part(Part::Manifest).await?;
        self.bring_in_part(Part::Content).await
    }

    /// Asks where the version's bytes are. A pack that goes between the route and its index was rewritten just then, so
    /// the route is asked for anew.
    async fn find_packs(&self) -> Result<(), PullError> {
        for _ in 1..ROUTES_MAX {
            match self.take_route().await {
                Err(PullError::Source(SourceError::Gone(what))) => {
                    tracing::info!(what, "A pack went after its route was asked for; asking again");
                }
                other => return other,
            }
        }
        self.take_route().await
    }

    async fn take_route(&self) -> Result<(), PullError> {
        let Wanted { package_id, version, manifest, .. } = self.wanted;
        let asked = async { Ok(self.source.route(package_id, *version).await?) };
        let route: Route = or_stop(self.stop, asked).await?;
        if route.manifest != manifest.to_string() {
            return Err(SourceError::Gone(format!("manifest {manifest}")).into());
        }
        let mut packs = HashMap::new();
        for pack in &route.packs {
            let id = pack.id.parse::<PackId>().map_err(|e| SourceError::BadAnswer(e.to_string()))?;
            packs.insert(id, pack.clone());
        }
        let mut ids: Vec<PackId> = packs.keys().copied().collect();
        ids.sort_unstable();
        let replica = Arc::clone(&self.replica);
        let lacking = blocking(move || replica.set_route(&ids)).await?;
        let indexes = lacking.into_iter().map(|id| Ok((id, packs[&id].clone())));
        stream::iter(indexes)
            .try_for_each_concurrent(REQUESTS_MAX, |(id, pack)| async move { self.index(id, &pack).await })
            .await
    }

    async fn index(&self, id: PackId, pack: &PackRef) -> Result<(), PullError> {
        let bad = |reason: &str| PullError::from(SourceError::BadAnswer(reason.to_owned()));
        if pack.index_bytes == 0 || pack.index_bytes > PACK_INDEX_BYTES_MAX {
            return Err(bad("a pack's index has an impossible length"));
        }
        let end = pack.index_offset.checked_add(pack.index_bytes);
        let range = pack.index_offset..end.ok_or_else(|| bad("a pack's index is beyond all files"))?;
        for refusals in 1.. {
            let mut bytes = Vec::new();
            self.range(&pack.id, range.clone(), &mut bytes).await?;
            let replica = Arc::clone(&self.replica);
            match blocking(move || replica.add_pack_index(&id, &bytes)).await {
                Err(PullError::Content(content::Error::Refused { object, reason }))
                    if refusals < REFUSALS_MAX =>
                {
                    self.refused(&object, &reason);
                }
                other => return other,
            }
        }
        Ok(())
    }

    async fn bring_in_part(&self, part: Part) -> Result<(), PullError> {
        for _ in 0..PLANS_MAX {
            let replica = Arc::clone(&self.replica);
            let plan = blocking(move || match part {
                Part::Manifest => replica.plan_manifest(),
                Part::Content => replica.plan_content(),
            });
            let plan = plan.await?;
            if plan.is_empty() {
                return Ok(());
            }
            let Wanted { package_id, version, call, .. } = self.wanted;
            let (ranges, bytes) = (plan.ranges(), plan.bytes());
            tracing::info!(call, package = %package_id, version, ?part, ranges, bytes, "Fetching");
            match self.follow(plan).await {
                // The neighbor may have rewritten its packs since the route was asked for.
                Err(PullError::Source(SourceError::Gone(_))) => self.find_packs().await?,
                other => other?,
            }
        }
        Err(PullError::NoProgress(PLANS_MAX))
    }

    /// Fetches and feeds a plan, a round after the other. When a range fails no other is begun; those under way end by
    /// themselves, and have brought something too.
    async fn follow(&self, plan: Plan) -> Result<(), PullError> {
        for round in plan.rounds {
            let halted = AtomicBool::new(false);
            let fetches = round.into_iter().map(|range| self.bring(range, &halted));
            let mut fed = stream::iter(fetches).buffer_unordered(REQUESTS_MAX);
            let mut halt = None;
            while let Some(ended) = fed.next().await {
                if let Err(error) = ended {
                    halted.store(true, Ordering::Relaxed);
                    halt.get_or_insert(error);
                }
            }
            halt.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Fetches and feeds a range; of one that broke off, the entries that came whole.
    async fn bring(&self, range: FetchRange, halted: &AtomicBool) -> Result<(), PullError> {
        if halted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (pack, mut bytes) = (range.pack.to_string(), Vec::new());
        let ended = self.range(&pack, range.offset..range.offset + range.len, &mut bytes).await;
        let came = range.up_to(bytes.len() as u64);
        if came.chunks().next().is_some() {
            self.feed(came, bytes).await?;
        }
        ended
    }

    async fn feed(&self, range: FetchRange, bytes: Vec<u8>) -> Result<(), PullError> {
        let permit = self.limits.feeds.acquire().await.map_err(|e| PullError::Interrupted(e.to_string()))?;
        let replica = Arc::clone(&self.replica);
        let fed = blocking(move || replica.feed(&range, &bytes)).await?;
        drop(permit);
        for refusal in fed.refused {
            self.refused(&refusal.object, &refusal.reason);
        }
        Ok(())
    }

    /// Adds the bytes of a range; after a break it goes on where that was. However it ends, what came stays in `came`.
    async fn range(&self, pack: &str, range: Range<u64>, came: &mut Vec<u8>) -> Result<(), PullError> {
        let mut breaks = 0;
        loop {
            let before = came.len();
            let rest = range.start + before as u64..range.end;
            if rest.is_empty() {
                return Ok(());
            }
            let asked = or_stop(self.stop, async { Ok(self.source.range(pack, rest, came).await?) }).await;
            let Err(error) = asked else { return Ok(()) };
            breaks = if came.len() > before { 1 } else { breaks + 1 };
            let passing =
                matches!(error, PullError::Source(SourceError::Unreachable(_) | SourceError::BadAnswer(_)));
            if !passing || breaks >= BREAKS_MAX {
                return Err(error);
            }
            tracing::debug!(%error, pack, at = range.start + came.len() as u64, "A range broke off; going on");
            let wait = self.limits.clock.sleep(jittered(breaks, SITE_WAIT_MAX));
            or_stop(self.stop, async {
                wait.await;
                Ok(())
            })
            .await?;
        }
    }

    fn refused(&self, object: &str, reason: &str) {
        self.limits.stats.objects_refused.inc();
        let Wanted { package_id, call, .. } = self.wanted;
        tracing::warn!(call, package = %package_id, object, reason, "Refused wrong bytes; fetching again");
    }
}

async fn or_stop<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, PullError>>,
) -> Result<T, PullError> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(PullError::Stopped),
        result = work => result,
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, content::Error> + Send + 'static,
) -> Result<T, PullError> {
    match spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(stopped) => Err(PullError::Interrupted(stopped.to_string())),
    }
}
