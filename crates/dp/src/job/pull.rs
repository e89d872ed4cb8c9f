//! Bringing one version in: what the holder asks for is fetched, fed, and asked for again until nothing is
//! missing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use agent::{Event, PackRef, Route, Sources};
use content::format::{PACK_INDEX_BYTES_MAX, ROOT_BYTES_MAX};
use content::holder::{FetchRange, HolderError, Installed, Plan, Pull};
use content::{ManifestId, ObjectKey, PackId};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::fetch::{Fetched, Fetcher};
use crate::context::{Context, Stop, blocking};
use crate::fault::JobError;

/// Requests of one pull under way at once.
const REQUESTS_MAX: usize = 4;
/// Plans for one part of a version; each but the first follows refused bytes or a moved pack.
const PLANS_MAX: usize = 12;
/// Times that an object may come wrong before the attempt fails.
const REFUSALS_MAX: usize = 3;
/// Routes asked for in a row while each names a pack that is gone.
const ROUTES_MAX: usize = 3;
/// Packs of one route; at 32 MiB each, 4 TB.
const ROUTE_PACKS_MAX: usize = 131_072;
/// How often a pull says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// How often what was received is written down, so that a kill loses little of the count.
const KEEP_INTERVAL: Duration = Duration::from_secs(30);

/// What to bring in.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) package: String,
    pub(crate) generation: i64,
    pub(crate) version: u32,
    pub(crate) manifest: ManifestId,
    /// The call behind it, for the log.
    pub(crate) call: Option<String>,
    /// Content bytes received for the demand, over all attempts.
    pub(crate) received: Arc<AtomicU64>,
}

/// How a pull ended.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) installed: Installed,
    pub(crate) received_bytes: u64,
    /// Files that were not held when it began, the first of them by name.
    pub(crate) lacked: Vec<String>,
}

/// Brings the version in and makes it durable; it is not served yet.
pub(crate) async fn pull(context: &Arc<Context>, wanted: &Wanted, stop: &Stop) -> Result<Pulled, JobError> {
    // Before all else: it says whom to fetch from.
    let route = route(context, wanted, stop).await?;
    let fetcher = Fetcher::new(Arc::clone(context), wanted, stop.clone())?;
    let run = begin(context, wanted, stop, fetcher).await?;
    run.find_packs(route).await?;
    run.bring_in(Part::Manifest).await?;
    run.bring_in(Part::Content).await?;
    let pull = Arc::clone(&run.pull);
    let installed = blocking(move || pull.finish()).await?;
    let received_bytes = run.fetcher.received_bytes();
    Ok(Pulled { installed, received_bytes, lacked: run.pull.lacked() })
}

struct Run<'a> {
    context: &'a Arc<Context>,
    wanted: &'a Wanted,
    stop: &'a Stop,
    fetcher: Fetcher,
    pull: Arc<Pull>,
    /// When progress was last told, in milliseconds of the monotonic clock.
    told_ms: AtomicU64,
    kept_ms: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Manifest,
    Content,
}

/// Gets the manifest's root, from the disk where an earlier run left it.
async fn begin<'a>(
    context: &'a Arc<Context>,
    wanted: &'a Wanted,
    stop: &'a Stop,
    fetcher: Fetcher,
) -> Result<Run<'a>, JobError> {
    let (holder, want) = (context.holder.clone(), wanted.clone());
    let staged = blocking(move || holder.staged_root(&want.package, want.version, want.manifest)).await?;
    let mut refusals = 0;
    loop {
        let (root, sources) = match &staged {
            Some(root) => (root.clone(), BTreeSet::new()),
            None => fetch_root(&fetcher, wanted).await.map(|fetched| (fetched.bytes, fetched.sources))?,
        };
        let (holder, want, flag) = (context.holder.clone(), wanted.clone(), Arc::clone(&stop.flag));
        let begun =
            blocking(move || holder.begin(&want.package, want.version, want.manifest, &root, flag)).await;
        match begun {
            Ok(pull) => {
                let told_ms = AtomicU64::new(0);
                let kept_ms = AtomicU64::new(now_ms(context));
                return Ok(Run { context, wanted, stop, fetcher, pull: Arc::new(pull), told_ms, kept_ms });
            }
            Err(JobError::Holder(HolderError::Refused { object, reason })) if refusals + 1 < REFUSALS_MAX => {
                refusals += 1;
                let key = ObjectKey::Manifest(wanted.manifest);
                let source = fetcher.blame(&sources, key, 0..ROOT_BYTES_MAX);
                refused(context, wanted, Event::Refused { object, reason, source }).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where the version's bytes are now, and whom to fetch them from.
async fn route(context: &Context, wanted: &Wanted, stop: &Stop) -> Result<Route, JobError> {
    let Wanted { package, version, manifest, .. } = wanted;
    let asked = async { Ok(context.site.route(package, *version).await?) };
    let route = stop.or(asked).await.map_err(|e| gone(e, JobError::ManifestGone(manifest.to_string())))?;
    if route.manifest != manifest.to_string() {
        return Err(JobError::ManifestGone(manifest.to_string()));
    }
    let (sources, sources_only) = (route.sources.clone(), route.sources_only);
    context.upstream.told(Sources { sources, sources_only });
    if route.packs.len() > ROUTE_PACKS_MAX {
        return Err(JobError::BadAnswer(format!("a route of {} packs", route.packs.len())));
    }
    Ok(route)
}

async fn fetch_root(fetcher: &Fetcher, wanted: &Wanted) -> Result<Fetched, JobError> {
    let bytes_max = usize::try_from(ROOT_BYTES_MAX).expect("a root fits in memory");
    let gone_id = wanted.manifest.to_string();
    let fetched = fetcher.root(wanted.manifest, bytes_max).await;
    fetched.map_err(|error| gone(error, JobError::ManifestGone(gone_id)))
}

impl Run<'_> {
    async fn route(&self) -> Result<Route, JobError> {
        route(self.context, self.wanted, self.stop).await
    }

    /// Learns what the packs of a route hold. A pack that goes between the route and its index was rewritten by
    /// the site just then, so the route is asked for anew.
    async fn find_packs(&self, mut route: Route) -> Result<(), JobError> {
        for _ in 1..ROUTES_MAX {
            match self.indexes(&route).await {
                Err(JobError::PackGone(pack)) => {
                    tracing::info!(pack, "A pack went after its route was asked for; asking again");
                    route = self.route().await?;
                }
                other => return other,
            }
        }
        self.indexes(&route).await
    }

    /// Fetches the indexes of packs that were never seen.
    async fn indexes(&self, route: &Route) -> Result<(), JobError> {
        let mut packs = HashMap::new();
        for pack in &route.packs {
            packs.insert(pack.id.parse::<PackId>().map_err(|e| JobError::BadAnswer(e.to_string()))?, pack);
        }
        let mut ids: Vec<PackId> = packs.keys().copied().collect();
        ids.sort_unstable();
        let pull = Arc::clone(&self.pull);
        let lacking = blocking(move || pull.set_route(&ids)).await?;
        let fetches = lacking.iter().map(|id| Ok(self.index(*id, packs[id])));
        stream::iter(fetches).try_for_each_concurrent(REQUESTS_MAX, |fetch| fetch).await
    }

    async fn index(&self, id: PackId, pack: &PackRef) -> Result<(), JobError> {
        if pack.index_bytes == 0 || pack.index_bytes > PACK_INDEX_BYTES_MAX {
            return Err(JobError::BadAnswer(format!("an index of {} bytes", pack.index_bytes)));
        }
        let end = pack.index_offset.checked_add(pack.index_bytes);
        let range = pack.index_offset
            ..end.ok_or_else(|| JobError::BadAnswer("an index beyond all files".to_owned()))?;
        for refusals in 1.. {
            let mut fetched = Fetched::default();
            let ended = self.fetcher.range(id, range.clone(), &mut fetched).await;
            ended.map_err(|e| gone(e, JobError::PackGone(pack.id.clone())))?;
            let Fetched { bytes, sources } = fetched;
            let pull = Arc::clone(&self.pull);
            match blocking(move || pull.add_pack_index(&id, &bytes)).await {
                Err(JobError::Holder(HolderError::Refused { object, reason })) if refusals < REFUSALS_MAX => {
                    let source = self.fetcher.blame(&sources, ObjectKey::Pack(id), range.clone());
                    refused(self.context, self.wanted, Event::Refused { object, reason, source }).await;
                }
                other => return other,
            }
        }
        Ok(())
    }

    async fn bring_in(&self, part: Part) -> Result<(), JobError> {
        for _ in 0..PLANS_MAX {
            let plan = self.plan(part).await?;
            if plan.is_empty() {
                return Ok(());
            }
            tracing::info!(
                call = self.wanted.call, package = %self.wanted.package, version = self.wanted.version, ?part,
                ranges = plan.ranges(), bytes = plan.bytes(), "Fetching"
            );
            match self.follow(plan).await {
                // The site may have rewritten its packs since the route was asked for.
                Err(JobError::PackGone(_)) => self.find_packs(self.route().await?).await?,
                other => other?,
            }
        }
        Err(JobError::NoProgress(PLANS_MAX))
    }

    async fn plan(&self, part: Part) -> Result<Plan, JobError> {
        let pull = Arc::clone(&self.pull);
        blocking(move || match part {
            Part::Manifest => pull.plan_manifest(),
            Part::Content => pull.plan_content(),
        })
        .await
    }

    /// Fetches and feeds a plan, a round after the other.
    async fn follow(&self, plan: Plan) -> Result<(), JobError> {
        for round in plan.rounds {
            let halted = AtomicBool::new(false);
            let fetches = round.into_iter().map(|range| self.fetch(range, &halted));
            let mut fed = stream::iter(fetches).buffer_unordered(REQUESTS_MAX);
            let mut halt = None;
            while let Some(fetched) = fed.next().await {
                match fetched {
                    Ok(()) => self.tell().await,
                    // The others end by themselves now, and have brought something too.
                    Err(error @ (JobError::Paused { .. } | JobError::Stopped)) => {
                        halted.store(true, Ordering::Relaxed);
                        halt.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            halt.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Fetches and feeds a range; of one that was broken off for a while, the entries that came whole.
    async fn fetch(&self, range: FetchRange, halted: &AtomicBool) -> Result<(), JobError> {
        if halted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (pack, span) = (range.pack, range.offset..range.offset + range.len);
        let mut fetched = Fetched::default();
        match self.fetcher.range(pack, span, &mut fetched).await {
            Ok(()) => self.feed(range, fetched).await,
            Err(halt @ (JobError::Paused { .. } | JobError::Stopped)) => {
                self.feed(range.up_to(fetched.bytes.len() as u64), fetched).await?;
                Err(halt)
            }
            Err(error) => Err(gone(error, JobError::PackGone(pack.to_string()))),
        }
    }

    async fn feed(&self, range: FetchRange, fetched: Fetched) -> Result<(), JobError> {
        let Fetched { bytes, sources } = fetched;
        let (pack, span) = (range.pack, range.offset..range.offset + range.len);
        let permit = self.context.feeds.acquire().await.map_err(|e| JobError::Interrupted(e.to_string()))?;
        let pull = Arc::clone(&self.pull);
        let fed = blocking(move || pull.feed(&range, &bytes)).await?;
        drop(permit);
        for refusal in fed.refused {
            let source = self.fetcher.blame(&sources, ObjectKey::Pack(pack), span.clone());
            let (object, reason) = (refusal.object, refusal.reason);
            refused(self.context, self.wanted, Event::Refused { object, reason, source }).await;
        }
        Ok(())
    }

    /// Says how far the pull is, now and then.
    async fn tell(&self) {
        let now_ms = now_ms(self.context);
        let is_over = |since_ms: u64, interval: Duration| {
            Duration::from_millis(now_ms.saturating_sub(since_ms)) >= interval
        };
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        if told_ms != 0 && !is_over(told_ms, PROGRESS_INTERVAL) {
            return;
        }
        self.told_ms.store(now_ms.max(1), Ordering::Relaxed);
        let progress = self.pull.progress();
        let (files_done, files_total) = self.pull.files();
        let Wanted { package, generation, version, .. } = self.wanted;
        let bytes_received = self.fetcher.received_bytes();
        let event = Event::Progress {
            version: *version,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            bytes_received,
            files_done: Some(files_done),
            files_total: Some(files_total),
        };
        self.context.state.progress(self.context.fact(package, *generation, event));
        self.context.state.received(package, *generation, bytes_received);
        if is_over(self.kept_ms.load(Ordering::Relaxed), KEEP_INTERVAL) {
            self.kept_ms.store(now_ms, Ordering::Relaxed);
            let package = package.clone();
            self.context.remember(move |state| state.keep(&package)).await;
        }
    }
}

fn now_ms(context: &Context) -> u64 {
    u64::try_from(context.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

async fn refused(context: &Context, wanted: &Wanted, event: Event) {
    tracing::warn!(call = wanted.call, package = %wanted.package, ?event, "Refused wrong bytes; fetching again");
    let fact = context.fact(&wanted.package, wanted.generation, event);
    context.remember(move |state| state.push(fact)).await;
}

/// A 404 means that the object is not there any more.
fn gone(error: JobError, what: JobError) -> JobError {
    match &error {
        JobError::SiteRefused(inner)
            if inner.refusal().is_some_and(|refusal| matches!(refusal.status, 404 | 410)) =>
        {
            what
        }
        _ => error,
    }
}
