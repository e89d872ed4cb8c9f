//! One attempt to bring one version in, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use content::{Library, ManifestId, Replicated};
use jiff::Timestamp;
use membership::backoff::JOB_WAIT_MAX;
use site::{Need, Site};
use tokio_util::sync::CancellationToken;

use crate::SiteLink;
use crate::fetch::{Limits, PullError, Wanted, blocking, fetch, root};
use crate::silence::Heard;
use crate::source::{SourceError, Sources};

/// The longest wait for a neighbor that has not got the version itself yet: it is on its way there.
pub(crate) const ON_ITS_WAY_WAIT_MAX: Duration = Duration::from_secs(10);

/// How a pull ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Arrived,
    Stopped,
    /// The neighbor's window is closed: no failure.
    Paused {
        reason: String,
        /// When it opens, by the neighbor's clock.
        until: Option<Timestamp>,
        wait: Duration,
    },
    /// The neighbor waits for it itself: no failure.
    OnItsWay,
    Failed {
        code: &'static str,
        text: String,
        /// It may pass by itself: the neighbor is away, or has not got the version itself yet.
        passing: bool,
        /// The neighbor did not answer, or was too busy to.
        unreachable: bool,
        /// The longest wait before the next attempt.
        wait_max: Duration,
    },
}

/// Brings a version in. It runs as a task of its own, so that a panic frees its place and counts as a failure.
pub(crate) async fn pull(
    link: SiteLink,
    sources: Sources,
    limits: Arc<Limits>,
    need: Need,
    heard: Heard,
    stop: CancellationToken,
) -> (Need, Ended) {
    let wanted = need.clone();
    let work = async move {
        let tried = try_pull(&link, &sources, &limits, &wanted, (&heard, &stop)).await;
        tried.map_or_else(|failure| ended(&link, failure), |()| Ended::Arrived)
    };
    guarded(need, work).await
}

async fn guarded(need: Need, work: impl Future<Output = Ended> + Send + 'static) -> (Need, Ended) {
    let ended = tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, call = need.call, package = %need.package_id, "A pull broke down");
        let text = "the work broke down; the log says where".to_owned();
        Ended::Failed {
            code: "interrupted",
            text,
            passing: false,
            unreachable: false,
            wait_max: JOB_WAIT_MAX,
        }
    });
    (need, ended)
}

fn ended(link: &SiteLink, failure: Failure) -> Ended {
    match failure {
        Failure::Pull(PullError::Stopped | PullError::Content(content::Error::Cancelled)) => Ended::Stopped,
        Failure::Pull(PullError::Source(SourceError::Closed { reason, until, wait })) => {
            Ended::Paused { reason, until, wait }
        }
        Failure::Pull(PullError::Source(SourceError::OnItsWay)) => Ended::OnItsWay,
        failure => {
            if matches!(failure, Failure::Untrusted(_)) {
                link.stats.versions_refused.inc();
            }
            let passing = matches!(failure, Failure::Pull(PullError::Source(_)));
            let unreachable =
                matches!(failure, Failure::Pull(PullError::Source(SourceError::Unreachable(_))));
            let wait_max = match &failure {
                Failure::Pull(PullError::Source(SourceError::Gone(_))) => ON_ITS_WAY_WAIT_MAX,
                _ => JOB_WAIT_MAX,
            };
            Ended::Failed { code: failure.code(), text: failure.to_string(), passing, unreachable, wait_max }
        }
    }
}

async fn try_pull(
    link: &SiteLink,
    sources: &Sources,
    limits: &Limits,
    need: &Need,
    (heard, stop): (&Heard, &CancellationToken),
) -> Result<(), Failure> {
    let Need { package_id, version, manifest, signature, call, .. } = need;
    link.site.check_version(package_id, *version, manifest, signature.as_ref()).await??;
    let id: ManifestId = manifest.parse().map_err(|_| Failure::BadManifest)?;
    let source = sources.of(need).map_err(PullError::from)?;
    let library = link.site.library().await?;
    let (package_id, version, call) = (package_id.clone(), *version, call.clone());
    let wanted = Wanted { package_id, version, manifest: id, call };
    let replicated = match held(&library, need, id).await? {
        Some(held) => {
            link.site.content_goes_on(need).await?;
            held
        }
        None => {
            let root = root(source.as_ref(), &wanted, stop).await?;
            heard.set();
            link.site.content_goes_on(need).await?;
            fetch(&library, source, &wanted, root, limits, stop).await?
        }
    };
    let outdated = link.site.version_arrived(need, replicated.stored_new_bytes).await?;
    match outdated {
        Some(outdated) => {
            let Wanted { package_id, call, .. } = &wanted;
            tracing::info!(call, package = %package_id, version, bytes = replicated.bytes, "A version arrived");
            release(&link.site, outdated).await;
        }
        // Something newer is wanted; what came is its base.
        None => release(&link.site, vec![manifest.clone()]).await,
    }
    Ok(())
}

/// What came by hand needs no neighbor, who may be away or closed.
async fn held(library: &Arc<Library>, need: &Need, id: ManifestId) -> Result<Option<Replicated>, PullError> {
    if need.is_repair {
        return Ok(None);
    }
    let library = Arc::clone(library);
    blocking(move || library.take_up(id)).await
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use site::Neighbor;

    /// The first version of a package.
    pub(crate) fn need(package: &str, priority: u8, from: &Neighbor) -> Need {
        Need {
            package_id: package.to_owned(),
            name: "Drivers".to_owned(),
            version: 1,
            manifest: String::new(),
            content_hash: String::new(),
            files: 0,
            folders: 0,
            bytes: 0,
            signature: None,
            source_site: "PS1".to_owned(),
            priority,
            stored_version: 0,
            from: from.clone(),
            from_site: "PS1".to_owned(),
            is_repair: false,
            call: None,
        }
    }

    #[tokio::test]
    async fn a_pull_that_panics_has_failed_and_names_its_package() {
        let (need, ended) = guarded(need("PS100001", 2, &Neighbor::Parent), async { panic!("a bug") }).await;
        assert_eq!(need.package_id, "PS100001");
        assert!(matches!(ended, Ended::Failed { code: "interrupted", passing: false, .. }), "{ended:?}");
    }
}
