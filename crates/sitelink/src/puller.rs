//! Which version is brought in when: a few at a time, by priority, each with waits of its own after a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use content::ManifestId;
use membership::backoff::{JOB_WAIT_MAX, jittered};
use site::{Need, Site};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SiteLink;
use crate::fetch::{FEEDS_MAX, Limits, PullError, Wanted, fetch};
use crate::source::{SourceError, Sources};

/// Pulls at once. More would share the same link and the same disk.
const PULLS_MAX: usize = 3;
/// How long after news the needs are looked at: one look is enough for all that comes together.
const NEWS_SETTLE: Duration = Duration::from_millis(50);
/// The needs are looked at so often even without news: a lost one costs time, never correctness.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// When the needs are looked at again after a look or a pull that broke down.
const BROKEN_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for a neighbor that has not got the version itself yet: it is on its way there.
const ON_ITS_WAY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Failures in a row after which also what may pass by itself is told.
const PASSING_MAX: u32 = 5;

/// What is remembered of a version that failed.
#[derive(Debug, Default)]
struct Failed {
    version: u32,
    failures: u32,
    /// On the monotonic clock.
    next_at: Duration,
    /// The code of the last failure that was told.
    told: Option<&'static str>,
}

/// How a pull ended.
enum Ended {
    Arrived,
    Stopped,
    Failed {
        code: &'static str,
        text: String,
        /// It may pass by itself: the neighbor is away, or has not got the version itself yet.
        passing: bool,
        /// The longest wait before the next attempt.
        wait_max: Duration,
    },
}

/// Brings in what is needed until `stop`.
pub(crate) async fn run(link: SiteLink, sources: Sources, stop: CancellationToken) {
    let limits = Arc::new(Limits { feeds: Semaphore::new(FEEDS_MAX), stats: link.stats() });
    let mut running: HashMap<String, (u32, CancellationToken)> = HashMap::new();
    let mut pulls: JoinSet<(Need, Ended)> = JoinSet::new();
    let mut failed: HashMap<String, Failed> = HashMap::new();
    // The order matters: who subscribes after looking misses what comes between.
    let mut news = link.site.news();
    while !stop.is_cancelled() {
        news.mark_unchanged();
        let wait = match link.site.content_needs().await {
            Ok(needs) => {
                supersede(&needs, &running);
                failed.retain(|package, _| needs.iter().any(|need| need.package_id == *package));
                let now = link.clock.monotonic();
                let due = needs.into_iter().filter(|need| is_due(need, &running, &failed, now));
                for need in due.take(PULLS_MAX.saturating_sub(running.len())).collect::<Vec<_>>() {
                    let own_stop = stop.child_token();
                    running.insert(need.package_id.clone(), (need.version, own_stop.clone()));
                    pulls.spawn(pull(link.clone(), sources.clone(), Arc::clone(&limits), need, own_stop));
                }
                until_next(&running, &failed, now)
            }
            Err(error) => {
                tracing::error!(%error, "Cannot see which content is needed");
                BROKEN_WAIT
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(ended) = pulls.join_next(), if !pulls.is_empty() => match ended {
                Ok((need, ended)) => {
                    running.remove(&need.package_id);
                    settle(&link, need, ended, &mut failed).await;
                }
                Err(error) => {
                    // Which one it was is not known; the others are looked at again too, at the pace of failures.
                    tracing::error!(%error, "A pull broke down");
                    link.clock.sleep(BROKEN_WAIT).await;
                    running.retain(|_, (_, token)| !token.is_cancelled());
                }
            },
            Ok(()) = news.changed() => link.clock.sleep(NEWS_SETTLE).await,
            () = link.clock.sleep(wait) => {}
        }
    }
    while pulls.join_next().await.is_some() {}
}

/// Stops pulls of versions that are no longer needed. What they fetched stays useful.
fn supersede(needs: &[Need], running: &HashMap<String, (u32, CancellationToken)>) {
    for (package, (version, stop)) in running {
        if !needs.iter().any(|need| need.package_id == *package && need.version == *version) {
            stop.cancel();
        }
    }
}

fn is_due(
    need: &Need,
    running: &HashMap<String, (u32, CancellationToken)>,
    failed: &HashMap<String, Failed>,
    now: Duration,
) -> bool {
    !running.contains_key(&need.package_id)
        && failed
            .get(&need.package_id)
            .is_none_or(|failed| failed.version != need.version || failed.next_at <= now)
}

/// How long nothing is due of itself. Versions for which there is no place now are looked at when a pull ends.
fn until_next(
    running: &HashMap<String, (u32, CancellationToken)>,
    failed: &HashMap<String, Failed>,
    now: Duration,
) -> Duration {
    let waiting = failed.iter().filter(|(package, _)| !running.contains_key(*package));
    let next_at = waiting.map(|(_, failed)| failed.next_at).filter(|next_at| *next_at > now).min();
    next_at.map_or(LOOK_INTERVAL, |next_at| Ord::min(next_at.saturating_sub(now), LOOK_INTERVAL))
}

async fn settle(link: &SiteLink, need: Need, ended: Ended, failed: &mut HashMap<String, Failed>) {
    let (code, text, passing, wait_max) = match ended {
        Ended::Stopped => return,
        Ended::Arrived => {
            link.stats.versions_arrived.inc();
            failed.remove(&need.package_id);
            return;
        }
        Ended::Failed { code, text, passing, wait_max } => (code, text, passing, wait_max),
    };
    link.stats.pulls_failed.inc();
    let entry = failed.entry(need.package_id.clone()).or_default();
    if entry.version != need.version {
        *entry = Failed { version: need.version, ..Failed::default() };
    }
    entry.failures += 1;
    let wait = jittered(entry.failures, wait_max);
    entry.next_at = link.clock.monotonic() + wait;
    let (package, version, failures) = (&need.package_id, need.version, entry.failures);
    tracing::warn!(%package, version, code, failures, wait_s = wait.as_secs(), "A version did not come: {text}");
    if entry.told != Some(code) && (!passing || failures >= PASSING_MAX) {
        entry.told = Some(code);
        if let Err(error) = link.site.content_failed((package, &need.name), version, code, &text).await {
            tracing::error!(%error, "Cannot write that a version did not come");
        }
    }
}

async fn pull(
    link: SiteLink,
    sources: Sources,
    limits: Arc<Limits>,
    need: Need,
    stop: CancellationToken,
) -> (Need, Ended) {
    let ended = match try_pull(&link, &sources, &limits, &need, &stop).await {
        Ok(()) => Ended::Arrived,
        Err(Failure::Pull(PullError::Stopped | PullError::Content(content::Error::Cancelled))) => {
            Ended::Stopped
        }
        Err(failure) => {
            if matches!(failure, Failure::Untrusted(_)) {
                link.stats.versions_refused.inc();
            }
            let passing = matches!(failure, Failure::Pull(PullError::Source(_)));
            let wait_max = match &failure {
                Failure::Pull(PullError::Source(SourceError::Gone(_))) => ON_ITS_WAY_WAIT_MAX,
                _ => JOB_WAIT_MAX,
            };
            Ended::Failed { code: failure.code(), text: failure.to_string(), passing, wait_max }
        }
    };
    (need, ended)
}

async fn try_pull(
    link: &SiteLink,
    sources: &Sources,
    limits: &Limits,
    need: &Need,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let Need { package_id, version, manifest, signature, .. } = need;
    link.site.check_version(package_id, *version, manifest, signature.as_ref()).await??;
    let id: ManifestId = manifest.parse().map_err(|_| Failure::BadManifest)?;
    let source = sources.of(&need.from).map_err(PullError::from)?;
    let library = link.site.library().await?;
    let wanted = Wanted { package_id: package_id.clone(), version: *version, manifest: id };
    let replicated = fetch(&library, source, &wanted, limits, stop).await?;
    let outdated = link.site.version_arrived(need, replicated.stored_new_bytes).await?;
    match outdated {
        Some(outdated) => {
            tracing::info!(package = %package_id, version, bytes = replicated.bytes, "A version arrived");
            release(&link.site, outdated).await;
        }
        // Something newer is wanted; what came is its base.
        None => release(&link.site, vec![manifest.clone()]).await,
    }
    Ok(())
}

/// Lets go of manifests. One that stays is let go when the library is next recounted.
async fn release(site: &Site, manifests: Vec<String>) {
    let Ok(library) = site.library().await else { return };
    let released = tokio::task::spawn_blocking(move || {
        for id in manifests.iter().filter_map(|id| id.parse::<ManifestId>().ok()) {
            library.release(id)?;
        }
        Ok::<(), content::Error>(())
    });
    if let Ok(Err(error)) = released.await {
        tracing::warn!(%error, "Content is kept until the next start");
    }
}

/// Why a version did not become this site's.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Untrusted(#[from] trust::TrustError),
    #[error("the version's manifest has no id")]
    BadManifest,
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Site(#[from] site::SiteError),
}

impl Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Untrusted(error) => error.code(),
            Self::BadManifest => "bad_manifest",
            Self::Site(error) => error.code(),
            Self::Pull(error) => error.code(),
        }
    }
}
