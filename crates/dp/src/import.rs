//! Prestaged files: a version that comes by hand. It is taken into the store, if its source site signed it, and nothing
//! more; it is served when the site wants it, which the job of the package finds met then, without a transfer.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::trust::VersionSignature;
use clock::SharedClock;
use content::holder::{Holder, HolderError};
use content::prestage::{Answer, Imported, Inbox, Label, PrestageError, Prestaged};
use content::{Counter, Monitor};
use membership::{Identity, Membership};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use trust::{KeyRing, TrustError};

use crate::context::Context;
use crate::error::DpError;
use crate::orphans::Orphans;

/// How often the inbox is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a prestaged file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The distribution point runs, so it must be handed the file by its [`Inbox`].
    #[error("the distribution point runs")]
    Running,
    /// The folder is no distribution point's.
    #[error("{0} is not the data folder of a distribution point; `haulier dp run` makes one")]
    NoDataFolder(PathBuf),
    /// The data folder cannot be used.
    #[error(transparent)]
    Dp(#[from] Box<DpError>),
    /// The file cannot be used.
    #[error(transparent)]
    Prestaged(#[from] PrestageError),
    /// The version is not one that its source site signed.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl ImportError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ImportError::Running => "already_running",
            ImportError::NoDataFolder(_) => "no_data_folder",
            ImportError::Dp(error) => error.code(),
            ImportError::Prestaged(error) => error.code(),
            ImportError::Trust(error) => error.code(),
        }
    }
}

/// Takes a prestaged file into the store of a distribution point that does not run. Blocks.
/// Errors: [`ImportError::Running`] if it does run.
pub fn import_stopped(
    data_dir: &Path,
    file: &Path,
    clock: SharedClock,
    monitor: &dyn Monitor,
) -> Result<(Label, Imported), ImportError> {
    let identity = Identity::load(data_dir).map_err(boxed)?;
    let identity = identity.ok_or_else(|| ImportError::NoDataFolder(data_dir.to_owned()))?;
    let holder = match Holder::open(data_dir, clock) {
        Err(HolderError::InUse) => return Err(ImportError::Running),
        other => other.map_err(boxed)?,
    };
    let mut file = open(file, monitor)?;
    check_with(identity.keys(), file.label())?;
    Orphans::load(data_dir).imported(&file.label().package_id);
    let imported = holder.import(&mut file, monitor)?;
    Ok((file.label().clone(), imported))
}

/// Refuses what is known to be false. A key that is not known yet is asked for before the version is served.
fn check_with(keys: &KeyRing, label: &Label) -> Result<(), TrustError> {
    let signature = signature(label);
    match keys.check(&label.package_id, label.version, &label.manifest.to_string(), signature.as_ref()) {
        Err(TrustError::UnknownKey { .. }) => Ok(()),
        decided => decided,
    }
}

/// As [`check_with`], but a key that is not known is asked for now if the site answers.
async fn check_at_site(membership: &Membership, label: &Label) -> Result<(), TrustError> {
    let (signature, manifest) = (signature(label), label.manifest.to_string());
    let checked = membership.check_version(&label.package_id, label.version, &manifest, signature.as_ref());
    checked.await.unwrap_or_else(|error| {
        tracing::debug!(%error, "Cannot ask for the key of a prestaged file now");
        Ok(())
    })
}

/// The site's signature, as the label's text has it; none if that is not one.
fn signature(label: &Label) -> Option<VersionSignature> {
    serde_json::from_str(&label.signature).ok()
}

fn boxed(error: impl Into<DpError>) -> Box<DpError> {
    Box::new(error.into())
}

/// Takes in what is handed over until `stop`.
pub(crate) async fn run(context: Arc<Context>, inbox: Inbox, stop: CancellationToken) {
    let now = context.clock.now();
    match blocking(&inbox, move |inbox| inbox.open(now)).await {
        Ok(()) => {}
        Err(error) => tracing::warn!(%error, "Prestaged files cannot be taken in: the inbox cannot be made"),
    }
    loop {
        match blocking(&inbox, Inbox::next).await {
            Ok(Some(path)) => take_in(&context, &inbox, path, &stop).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "Cannot look into the inbox"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.clock.sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// Takes one file in and answers for it; one that a stop interrupts is taken up at the next start.
async fn take_in(context: &Arc<Context>, inbox: &Inbox, path: PathBuf, stop: &CancellationToken) {
    let answer = match import(context, &path, stop).await {
        Ok((label, imported)) => {
            tracing::info!(package = %label.package_id, version = label.version, ?imported, "Took a prestaged file in");
            context.state.retry_now(&label.package_id);
            Answer::of(&label, &imported)
        }
        Err(ImportError::Prestaged(PrestageError::Cancelled)) => return,
        Err(error) => {
            tracing::warn!(%error, code = error.code(), "Refused a prestaged file");
            Answer { code: error.code().to_owned(), text: error.to_string() }
        }
    };
    if let Err(error) = blocking(inbox, move |inbox| inbox.answer(&path, &answer)).await {
        tracing::warn!(%error, "Cannot answer for a prestaged file");
    }
}

async fn import(
    context: &Arc<Context>,
    path: &Path,
    stop: &CancellationToken,
) -> Result<(Label, Imported), ImportError> {
    let (path, monitor) = (path.to_owned(), Until(stop.clone()));
    let mut file = interrupted(spawn_blocking(move || open(&path, &monitor)).await)?;
    check_at_site(context.site.membership(), file.label()).await?;
    let importing = context.imports.begin(&file.label().package_id);
    context.state.work.notify_one();
    tokio::select! {
        biased;
        () = stop.cancelled() => return Err(PrestageError::Cancelled.into()),
        () = importing.alone() => {}
    }
    // A removal that began before this was known comes to its end first; a later one passes the package over.
    drop(context.imports.removals.lock().await);
    let (shared, package) = (Arc::clone(context), file.label().package_id.clone());
    let _ = spawn_blocking(move || shared.orphans.imported(&package)).await;
    let (holder, monitor) = (context.holder.clone(), Until(stop.clone()));
    let work = move || holder.import(&mut file, &monitor).map(|imported| (file.label().clone(), imported));
    Ok(interrupted(spawn_blocking(work).await)?)
}

fn open(path: &Path, monitor: &dyn Monitor) -> Result<Prestaged<File>, PrestageError> {
    Prestaged::open(File::open(path).map_err(PrestageError::Read)?, monitor)
}

/// A task that broke down has not read the file.
fn interrupted<T>(
    done: Result<Result<T, PrestageError>, tokio::task::JoinError>,
) -> Result<T, PrestageError> {
    done.unwrap_or_else(|error| Err(PrestageError::Read(std::io::Error::other(error))))
}

async fn blocking<T: Send + 'static>(
    inbox: &Inbox,
    work: impl FnOnce(&Inbox) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let inbox = inbox.clone();
    spawn_blocking(move || work(&inbox)).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// Goes on until the stop.
struct Until(CancellationToken);

impl Monitor for Until {
    fn count(&self, _counter: Counter, _by: u64) {}

    fn error(&self, message: &str) {
        tracing::warn!(message, "While taking a prestaged file in");
    }

    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The packages that prestaged files are being taken in of. A pull of the same version writes to the same place,
/// so the schedule ends the package's job first, and starts none before the import is done.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// Held while a package that nobody wants is removed.
    pub(crate) removals: tokio::sync::Mutex<()>,
    begun: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Imports {
    /// The packages whose jobs must not run.
    pub(crate) fn packages(&self) -> BTreeSet<String> {
        self.begun().keys().cloned().collect()
    }

    /// No job of the package runs: the import may begin.
    pub(crate) fn let_in(&self, package: &str) {
        if let Some(alone) = self.begun().get(package) {
            alone.notify_one();
        }
    }

    fn begin(&self, package: &str) -> Importing<'_> {
        let alone = Arc::new(Notify::new());
        self.begun().insert(package.to_owned(), Arc::clone(&alone));
        Importing { imports: self, package: package.to_owned(), alone }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An import under way. One at a time: the inbox is emptied in order.
struct Importing<'a> {
    imports: &'a Imports,
    package: String,
    alone: Arc<Notify>,
}

impl Importing<'_> {
    async fn alone(&self) {
        self.alone.notified().await;
    }
}

impl Drop for Importing<'_> {
    fn drop(&mut self) {
        self.imports.begun().remove(&self.package);
    }
}
