//! Bringing one version into the site's library: what the replica asks for is fetched, fed, and asked for again until
//! nothing is missing.

use std::collections::HashMap;
use std::sync::Arc;

use agent::{PackRef, Route};
use content::format::PACK_INDEX_BYTES_MAX;
use content::{FetchRange, Library, ManifestId, PackId, Plan, Replica, Replicated};
use futures_util::{StreamExt, TryStreamExt, stream};
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
/// Times that one request is tried before the attempt fails and waits.
const TRIES_MAX: usize = 3;

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
    /// The site stops; nothing to report.
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
}

/// What all pulls of a site share.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) feeds: Semaphore,
    pub(crate) stats: Arc<SiteLinkStats>,
}

/// Brings the version in; it is part of the library then, and retained once more. What came of a version that did not
/// come whole is kept.
pub(crate) async fn fetch(
    library: &Arc<Library>,
    source: Arc<dyn Source>,
    wanted: &Wanted,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<Replicated, PullError> {
    let manifest = wanted.manifest.to_string();
    let root = or_stop(stop, async { Ok(source.root(&manifest).await?) }).await?;
    let (library, id) = (Arc::clone(library), wanted.manifest);
    let replica = Arc::new(blocking(move || library.begin_replica(id, &root)).await?);
    let run = Run { source, wanted, limits, replica: Arc::clone(&replica) };
    match or_stop(stop, run.bring_in()).await {
        Ok(()) => blocking(move || replica.finish()).await,
        Err(error) => {
            // The range under way ends first; then what came is sealed, for the next attempt to find.
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
        let Wanted { package_id, version, manifest } = self.wanted;
        let route: Route = self.source.route(package_id, *version).await?;
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
            let bytes = self.range(&pack.id, range.clone()).await?;
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
            let Wanted { package_id, version, .. } = self.wanted;
            let (ranges, bytes) = (plan.ranges(), plan.bytes());
            tracing::info!(package = %package_id, version, ?part, ranges, bytes, "Fetching");
            match self.follow(plan).await {
                // The neighbor may have rewritten its packs since the route was asked for.
                Err(PullError::Source(SourceError::Gone(_))) => self.find_packs().await?,
                other => other?,
            }
        }
        Err(PullError::NoProgress(PLANS_MAX))
    }

    /// Fetches and feeds a plan, a round after the other.
    async fn follow(&self, plan: Plan) -> Result<(), PullError> {
        for round in plan.rounds {
            let fetches = round.into_iter().map(|range| self.feed(range));
            let mut fed = stream::iter(fetches).buffer_unordered(REQUESTS_MAX);
            while fed.try_next().await?.is_some() {}
        }
        Ok(())
    }

    async fn feed(&self, range: FetchRange) -> Result<(), PullError> {
        let bytes = self.range(&range.pack.to_string(), range.offset..range.offset + range.len).await?;
        let permit = self.limits.feeds.acquire().await.map_err(|e| PullError::Interrupted(e.to_string()))?;
        let replica = Arc::clone(&self.replica);
        let fed = blocking(move || replica.feed(&range, &bytes)).await?;
        drop(permit);
        for refusal in fed.refused {
            self.refused(&refusal.object, &refusal.reason);
        }
        Ok(())
    }

    /// The bytes of a range; a break is tried again at once, a few times.
    async fn range(&self, pack: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, PullError> {
        for _ in 1..TRIES_MAX {
            match self.source.range(pack, range.clone()).await {
                Err(error @ (SourceError::Unreachable(_) | SourceError::BadAnswer(_))) => {
                    tracing::debug!(%error, pack, "A range broke off; asking again");
                }
                other => return self.counted(other),
            }
        }
        self.counted(self.source.range(pack, range).await)
    }

    fn counted(&self, came: Result<Vec<u8>, SourceError>) -> Result<Vec<u8>, PullError> {
        let bytes = came?;
        self.limits.stats.received_bytes.add(bytes.len() as u64);
        Ok(bytes)
    }

    fn refused(&self, object: &str, reason: &str) {
        self.limits.stats.objects_refused.inc();
        let package = &self.wanted.package_id;
        tracing::warn!(%package, object, reason, "Refused wrong bytes; fetching again");
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, content::Error> + Send + 'static,
) -> Result<T, PullError> {
    match spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(stopped) => Err(PullError::Interrupted(stopped.to_string())),
    }
}
