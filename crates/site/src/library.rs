//! The site's content library: opened when first needed, its references recounted from the database.
//!
//! The database is the truth about which manifests are wanted; the library's counts are a copy of it. A
//! process that dies between the two leaves them apart until the next opening, or the next collection, recounts.

use std::sync::Arc;

use content::{CollectReport, Library, LibraryOptions, LocalStore, ManifestId, ObjectStore, VoidMonitor};

use tokio::sync::oneshot;

use crate::error::{Result, SiteError};
use crate::housekeeping::COLLECT_GRACE;
use crate::server::Site;

/// Threads of one snapshot. Each takes up to 60 MiB and two snapshots run at once, so that the whole site
/// stays below 300 MB.
const SNAPSHOT_THREADS_MAX: usize = 2;

pub(crate) const OBJECTS_FOLDER: &str = "content";
const WORK_FOLDER: &str = "library";

impl Site {
    /// The content library. The first call opens it, and rebuilds its index if that is missing or damaged.
    ///
    /// Errors: [`SiteError::AlreadyRunning`] while another process has it open, [`SiteError::Library`].
    pub async fn library(&self) -> Result<Arc<Library>> {
        self.library_cell().get_or_try_init(|| self.open_library()).await.cloned()
    }

    async fn open_library(&self) -> Result<Arc<Library>> {
        let live = self.live().await?;
        let folder = self.options().data_dir.clone();
        let clock = Arc::clone(self.clock());
        let library_options =
            LibraryOptions { threads: LibraryOptions::default().threads.min(SNAPSHOT_THREADS_MAX) };
        blocking(move || {
            let store = LocalStore::open(&folder.join(OBJECTS_FOLDER)).map_err(library_failed)?;
            let store: Arc<dyn ObjectStore> = Arc::new(store);
            let library = Library::open(store, &folder.join(WORK_FOLDER), library_options, clock)
                .map_err(open_failed)?;
            let repaired = recount(&library, &live)?;
            tracing::info!(repaired, "content library opened");
            Ok(Arc::new(library))
        })
        .await
    }

    /// Lets go of manifests whose package versions are gone. A failure is repaired by the next recount.
    pub(crate) async fn release(&self, manifests: &[String]) {
        // A library that this process never opened is recounted when it is.
        let (Some(library), false) = (self.library_cell().get().cloned(), manifests.is_empty()) else {
            return;
        };
        let manifests = manifests.to_vec();
        let released = blocking(move || {
            for id in manifest_ids(&manifests)? {
                library.release(id).map_err(library_failed)?;
            }
            Ok(())
        });
        if let Err(error) = released.await {
            tracing::warn!(error = error_chain(&error), "content is kept until the next start");
        }
    }

    /// Removes what no version needs any more and no transfer may still read.
    ///
    /// What is needed is asked of the database first: a commit whose answer was lost, or a process that died
    /// between the two, may have left the library with other counts. What a snapshot under way retained may
    /// look unwanted for a moment; the grace covers it until the next recount.
    pub(crate) async fn collect(&self) -> Result<CollectReport> {
        let library = self.library().await?;
        let live = self.live().await?;
        let report = blocking(move || {
            recount(&library, &live)?;
            library.collect(COLLECT_GRACE, &VoidMonitor).map_err(library_failed)
        })
        .await?;
        tracing::info!(?report, "content library collected");
        Ok(report)
    }

    /// What the database wants kept.
    async fn live(&self) -> Result<Live> {
        Ok(Live {
            wanted: manifest_ids(&self.live_manifests().await?)?,
            offered: manifest_ids(&self.offered_manifests().await?)?,
        })
    }

    /// Pack id (hex), index offset and index length of each pack of a manifest.
    pub(crate) async fn route_of(&self, manifest: &str) -> Result<Vec<(String, u64, u64)>> {
        let id = manifest_id(manifest)?;
        let library = self.library().await?;
        let route = blocking(move || library.route(id).map_err(library_failed)).await?;
        Ok(route
            .packs
            .iter()
            .map(|pack| (pack.id.to_string(), pack.index_offset, pack.index_bytes))
            .collect())
    }
}

/// Manifests that stay in the library.
struct Live {
    /// Of kept versions: each must be there.
    wanted: Vec<ManifestId>,
    /// Of versions that other sites offer: each stays if it is there.
    offered: Vec<ManifestId>,
}

/// Sets the library's counts to what the database wants. Returns how many were wrong.
fn recount(library: &Library, live: &Live) -> Result<usize> {
    let mut counted = live.wanted.clone();
    for id in &live.offered {
        counted.extend(library.ref_state(*id).map_err(library_failed)?.map(|_| *id));
    }
    let report = library.recount(&counted).map_err(library_failed)?;
    for missing in &report.missing {
        tracing::error!(manifest = %missing, "the library lost a version's content; refresh its package");
    }
    Ok(report.repaired.len())
}

/// Runs on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(SiteError::Stopped))
}

/// Runs on a thread of its own, which may outlive whoever waits, and the site too. No answer means it panicked.
pub(crate) fn detached<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>> {
    let (answer, answered) = oneshot::channel();
    // Nobody may be left to hear the answer.
    let run = move || drop(answer.send(work()));
    let thread = std::thread::Builder::new().name("site-detached".to_owned());
    thread.spawn(run).map_err(|_| SiteError::Busy { what: "the machine has no thread left" })?;
    Ok(answered)
}

pub(crate) fn manifest_id(hex: &str) -> Result<ManifestId> {
    hex.parse().map_err(|_| SiteError::corrupt("package_version.manifest_id"))
}

fn manifest_ids(hex: &[String]) -> Result<Vec<ManifestId>> {
    hex.iter().map(|id| manifest_id(id)).collect()
}

pub(crate) fn library_failed(error: impl std::error::Error + Send + Sync + 'static) -> SiteError {
    SiteError::Library(Box::new(error))
}

fn open_failed(error: content::Error) -> SiteError {
    match error {
        content::Error::InUse => SiteError::AlreadyRunning,
        error if error.is_no_space() => SiteError::DiskFull(Box::new(error)),
        error => library_failed(error),
    }
}

/// The error and its causes, for the log.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
