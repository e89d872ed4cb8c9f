//! Prestaged files at a site: a kept version of a package written to one, and one taken into the content library.
//!
//! What is taken in must be a version that this site knows: its own, or one that another site offers and whose record
//! came by the hierarchy. So the file needs no trust of its own: the record names the manifest, and the manifest
//! proves every byte. The version is published here when it is needed, and then nothing is left to transfer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::prestage::{Answer, Exported, Imported, Inbox, Label, PrestageError, Prestaged, StoreReader};
use content::{Counter, FileHash, LocalStore, Monitor};
use sea_query::{Expr, ExprTrait, Query};
use tokio_util::sync::CancellationToken;

use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::library::{OBJECTS_FOLDER, blocking, error_chain, library_failed, manifest_id};
use crate::package::{Package, by_id};
use crate::server::Site;
use crate::snapshot::rollback::kept;

/// How often the inbox is looked at.
const INBOX_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Bytes written to a prestaged file at once.
const WRITE_BYTES: usize = 1 << 20;

/// Packages of which a version was taken in since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct TakenIn(Mutex<BTreeSet<String>>);

impl TakenIn {
    fn note(&self, package_id: &str) {
        self.lock().insert(package_id.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// The packages of which a version came by a prestaged file since this was last asked: it is here now, whatever kept it from
    /// coming from elsewhere.
    #[must_use]
    pub fn taken_in(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.prestaged().lock())
    }

    /// Writes a version of a package, the newest kept one unless told otherwise, to a prestaged file. Works beside
    /// the process that runs the site.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::PackageNotFound`], [`SiteError::VersionNotFound`] also
    /// when the content is no longer kept, [`SiteError::Prestaged`].
    pub async fn export_version(
        &self,
        actor: &Actor,
        package_id: &str,
        version: Option<u32>,
        file: File,
        monitor: Arc<dyn Monitor>,
    ) -> Result<(Label, Exported)> {
        actor.may(Action::MaintainContent)?;
        let label = self.label(actor, package_id, version).await?;
        self.note_upkeep(actor, "ExportPrestaged").await?;
        let folder = self.options().data_dir.join(OBJECTS_FOLDER);
        blocking(move || {
            let store = LocalStore::open_to_read(&folder);
            let reader = StoreReader::open(&store, label.manifest, &*monitor)?;
            let mut out = BufWriter::with_capacity(WRITE_BYTES, &file);
            let exported = reader.export(&label, &mut out, &*monitor)?;
            out.flush().and_then(|()| file.sync_all()).map_err(PrestageError::Write)?;
            drop(out);
            Ok((label, exported))
        })
        .await
    }

    /// Takes a prestaged file into the content library of a site that no process runs.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::AlreadyRunning`] if one does: then it must be handed the file
    /// by its [`Inbox`]; [`SiteError::Prestaged`], [`SiteError::VersionNotOffered`] for a version that the site does
    /// not know with this content.
    pub async fn import_prestaged(&self, actor: &Actor, file: &Path) -> Result<(Label, Imported)> {
        actor.may(Action::MaintainContent)?;
        self.library().await?;
        self.take_prestaged(actor, file, &CancellationToken::new()).await
    }

    /// Takes in what is handed over until `cancel`.
    pub(crate) async fn follow_inbox(&self, cancel: &CancellationToken) {
        let inbox = Inbox::of(&self.options().data_dir);
        let now = self.now();
        let opened = with(&inbox, move |inbox| inbox.open(now)).await;
        if let Err(error) = opened {
            tracing::warn!(error = error_chain(&error), "prestaged files cannot be taken in");
        }
        while !cancel.is_cancelled() {
            match with(&inbox, Inbox::next).await {
                Ok(Some(path)) => self.answer_inbox(&inbox, path, cancel).await,
                Ok(None) => {}
                Err(error) => tracing::debug!(error = error_chain(&error), "inbox"),
            }
            tokio::select! {
                () = self.clock().sleep(INBOX_INTERVAL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    async fn answer_inbox(&self, inbox: &Inbox, path: PathBuf, cancel: &CancellationToken) {
        // Who may write into the data folder may do anything with the site.
        let answer = match self.take_prestaged(&Actor::local(), &path, cancel).await {
            Ok((label, imported)) => Answer::of(&label, &imported),
            Err(SiteError::Prestaged(PrestageError::Cancelled)) => return,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "a prestaged file was refused");
                Answer { code: error.code().to_owned(), text: error.to_string() }
            }
        };
        if let Err(error) = with(inbox, move |inbox| inbox.answer(&path, &answer)).await {
            tracing::warn!(error = error_chain(&error), "cannot answer for a prestaged file");
        }
    }

    async fn take_prestaged(
        &self,
        actor: &Actor,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<(Label, Imported)> {
        let (path, monitor) = (path.to_owned(), Until(cancel.clone()));
        let open = move || Ok(Prestaged::open(File::open(path).map_err(PrestageError::Read)?, &monitor)?);
        let mut file = blocking(open).await?;
        self.require_known(file.label()).await?;
        self.note_upkeep(actor, "ImportPrestaged").await?;
        self.forget_let_go(file.label()).await?;
        let (library, monitor) = (self.library().await?, Until(cancel.clone()));
        let (label, imported) = blocking(move || {
            let imported = library.import(&mut file, &monitor)?;
            Ok((file.label().clone(), imported))
        })
        .await?;
        self.prestaged().note(&label.package_id);
        // Whoever waits for it from elsewhere looks again.
        self.changes().note();
        tracing::info!(
            package = label.package_id,
            version = label.version,
            ?imported,
            "took a prestaged file in"
        );
        Ok((label, imported))
    }

    /// The version must be published here, or offered by its owner, with this very content.
    async fn require_known(&self, label: &Label) -> Result<()> {
        for table in ["package_version", "offered_version"] {
            let select = Query::select()
                .column("version")
                .from(table)
                .and_where(by_id(&label.package_id))
                .and_where(Expr::col("version").eq(i64::from(label.version)))
                .and_where(Expr::col("manifest_id").eq(label.manifest.to_string()))
                .to_owned();
            if self.db().optional(&select).await?.is_some() {
                return Ok(());
            }
        }
        Err(SiteError::VersionNotOffered { package_id: label.package_id.clone(), version: label.version })
    }

    /// A version that was let go of and comes by a file stays until it is needed, as if it had never been here.
    async fn forget_let_go(&self, label: &Label) -> Result<()> {
        let offered = Query::select()
            .column("package_id")
            .from("offered_version")
            .and_where(Expr::col("version").eq(i64::from(label.version)))
            .to_owned();
        let delete = Query::delete()
            .from_table("package_version")
            .and_where(by_id(&label.package_id))
            .and_where(Expr::col("version").eq(i64::from(label.version)))
            .and_where(Expr::col("retained").eq(0i64))
            .and_where(Expr::col("package_id").in_subquery(offered))
            .to_owned();
        let mut tx = self.db().write().await?;
        tx.execute(&delete).await?;
        tx.commit().await
    }

    /// Why there is no content of a version.
    async fn why_missing(&self, package: Package, version: u32, newest: u32) -> Result<SiteError> {
        let Package { package_id, source_site, .. } = package;
        let history = self.package_history(&package_id).await?;
        let is_elsewhere = source_site != self.identity().site_code
            && (1..=newest).contains(&version)
            && history.iter().all(|one| !one.retained);
        if is_elsewhere {
            return Ok(SiteError::VersionNotHere { package_id, version, source_site });
        }
        let missing = SiteError::VersionNotFound { package_id: package_id.clone(), version };
        Ok(kept(&package_id, version, history).err().unwrap_or(missing))
    }

    async fn label(&self, actor: &Actor, package_id: &str, version: Option<u32>) -> Result<Label> {
        let package = self.package_for(actor, package_id).await?;
        let newest = Ord::max(package.stored_version, package.source_version);
        let version =
            version.unwrap_or(if package.stored_version == 0 { newest } else { package.stored_version });
        let select = Query::select()
            .columns(["manifest_id", "content_hash", "signature"])
            .expr_as(
                Query::select().column("owner_epoch").from("package").and_where(by_id(package_id)).take(),
                "owner_epoch",
            )
            .from("package_version")
            .and_where(by_id(package_id))
            .and_where(Expr::col("version").eq(i64::from(version)))
            .and_where(Expr::col("retained").eq(1i64))
            .to_owned();
        let Some(row) = self.db().optional(&select).await? else {
            return Err(self.why_missing(package, version, newest).await?);
        };
        let hash: String = row.get("content_hash")?;
        let content_hash: FileHash = hash
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| SiteError::corrupt("package_version.content_hash"))?;
        Ok(Label {
            manifest: manifest_id(&row.get::<String>("manifest_id")?)?,
            content_hash,
            name: package.fields.name.clone(),
            version,
            source_site: package.source_site.clone(),
            ownership_epoch: row.unsigned("owner_epoch")?,
            signature: row.get::<Option<String>>("signature")?.unwrap_or_default(),
            package_id: package.package_id,
        })
    }
}

async fn with<T: Send + 'static>(
    inbox: &Inbox,
    work: impl FnOnce(&Inbox) -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let inbox = inbox.clone();
    blocking(move || work(&inbox).map_err(library_failed)).await
}

/// Goes on until the cancellation.
struct Until(CancellationToken);

impl Monitor for Until {
    fn count(&self, _counter: Counter, _by: u64) {}

    fn error(&self, message: &str) {
        tracing::warn!(message, "while taking a prestaged file in");
    }

    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
