//! Rolling back: an earlier version, as far as it is kept, becomes the package's next one. No source is read and no content
//! is made, so a distribution point fetches what it does not hold and nothing else.

use jiff::Timestamp;
use sea_query::{Expr, Order, Query};

use super::publish::{Taken, drop_outdated, insert_version, newest_version, next_version, raise_version};
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::distribution::cause::Cause;
use crate::distribution::{DpId, demand};
use crate::error::{Result, SiteError};
use crate::library::{blocking, library_failed, manifest_id};
use crate::package::{ActionInProgress, Package, PackageVersion, by_id};
use crate::package_content::{require_unlocked, settle};
use crate::server::Site;
use crate::status::{self, Message};
use crate::trust;

/// What a rollback did.
struct RolledBack {
    version: u32,
    touched: Vec<DpId>,
    outdated: Vec<String>,
}

impl Site {
    /// Publishes the content of an earlier version as the package's next version, in one transaction, and returns its
    /// number. Refreshes that are not published yet are answered by it; the source stays as it is, so the next refresh
    /// publishes it again.
    ///
    /// Errors: [`SiteError::PackageNotFound`], [`SiteError::VersionNotFound`], [`SiteError::VersionNotKept`],
    /// [`SiteError::Conflict`] for the version that is current, [`SiteError::PackageLocked`],
    /// [`SiteError::AccessDenied`].
    pub async fn roll_back_package(&self, actor: &Actor, package_id: &str, to: u32) -> Result<u32> {
        actor.may(Action::Refresh)?;
        let package = self.package_for(actor, package_id).await?;
        let package_id = package.package_id.as_str();
        let kept = kept(package_id, to, self.package_history(package_id).await?)?;
        let folders = self.content_folders(package_id, &kept.manifest).await?;
        // Counted before it is published: a crash between the two costs a recount, not content.
        let (library, manifest) = (self.library().await?, manifest_id(&kept.manifest)?);
        blocking(move || library.retain(manifest).map_err(library_failed)).await?;
        let mut tx = self.db().write().await?;
        let done = self.publish_again(&mut tx, actor, package_id, to).await;
        let done = match (done, folders) {
            (Ok(done), Some(folders)) => {
                settle(&mut tx, package_id, done.version, &folders).await.map(|()| done)
            }
            (done, _) => done,
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                drop(tx);
                self.release(std::slice::from_ref(&kept.manifest)).await;
                return Err(error);
            }
        };
        // A commit whose answer is lost may have succeeded; the collector recounts.
        tx.commit().await?;
        let (call, version) = (actor.call.as_deref(), done.version);
        tracing::info!(call, package = package_id, to, version, "rolled back");
        self.changes().notify(&done.touched);
        self.release(&done.outdated).await;
        Ok(version)
    }

    async fn publish_again(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package_id: &str,
        to: u32,
    ) -> Result<RolledBack> {
        let now = self.now();
        let package = self.visible_package(tx, actor, package_id).await?;
        require_unlocked(self, &package)?;
        if to == newest_version(tx, package_id).await? {
            let reason = format!("version {to} of package {package_id} is the current one");
            return Err(SiteError::Conflict { reason });
        }
        // Looked at again: another server may have published, and let the version go.
        let history = history(tx, package_id).await?;
        let taken = Taken::from(kept(package_id, to, history)?);
        answer_all(tx, package_id, now).await?;
        let version = next_version(tx, package_id).await?;
        insert_version(tx, package_id, version, &taken, now).await?;
        trust::sign(tx, self.signing_key(), &self.identity().site_code, Some(package_id)).await?;
        raise_version(tx, package_id, version, &taken, now).await?;
        let touched = demand::want_version(tx, package_id, version, Cause::of(actor, now), now).await?;
        let outdated = drop_outdated(tx, package_id).await?;
        status::add_all(tx, now, said(actor, &package, to, version, taken.bytes)).await?;
        Ok(RolledBack { version, touched, outdated })
    }
}

impl From<PackageVersion> for Taken {
    fn from(version: PackageVersion) -> Self {
        Self {
            manifest: version.manifest,
            content_hash: version.content_hash,
            files: version.files,
            folders: version.folders,
            bytes: version.bytes,
            stored_new_bytes: 0,
            warnings: Vec::new(),
        }
    }
}

/// The version that is meant, if its content is still there.
pub(crate) fn kept(package_id: &str, to: u32, history: Vec<PackageVersion>) -> Result<PackageVersion> {
    let mut kept: Vec<u32> = history.iter().filter(|one| one.retained).map(|one| one.version).collect();
    kept.sort_unstable();
    let package_id = package_id.to_owned();
    match history.into_iter().find(|one| one.version == to) {
        None => Err(SiteError::VersionNotFound { package_id, version: to }),
        Some(found) if found.retained => Ok(found),
        Some(_) => {
            let kept = kept.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            Err(SiteError::VersionNotKept { package_id, version: to, kept })
        }
    }
}

async fn history(tx: &mut Tx, package_id: &str) -> Result<Vec<PackageVersion>> {
    let select =
        PackageVersion::select().and_where(by_id(package_id)).order_by("version", Order::Desc).to_owned();
    tx.all(&select).await?.iter().map(PackageVersion::read).collect()
}

/// Every refresh that was asked for counts as answered, and a snapshot that is under way has lost its claim.
async fn answer_all(tx: &mut Tx, package_id: &str, now: Timestamp) -> Result<()> {
    let (no_number, no_text) = (Option::<i64>::None, Option::<String>::None);
    let update = Query::update()
        .table("package")
        .value("refresh_done", Expr::col("refresh_requested"))
        .value("refresh_since", no_number)
        .value("action_in_progress", i64::from(ActionInProgress::None.number()))
        .value("last_refresh_at", now.as_microsecond())
        .value("lease_owner", no_text.clone())
        .value("lease_until", no_number)
        .value("snapshot_attempts", 0i64)
        .value("snapshot_next_at", no_number)
        .value("source_fault_code", no_text.clone())
        .value("source_fault_message", no_text)
        .value("source_fault_at", no_number)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

fn said(actor: &Actor, package: &Package, to: u32, version: u32, bytes: u64) -> Vec<Message> {
    let (id, name, call) = (&package.package_id, &package.fields.name, actor.call.as_deref());
    vec![
        Message::package_rolled_back(actor, id, name, to, version),
        Message::package_updated(id, name, version, bytes).of_call(call),
        Message::processed(id, name, version).of_call(call),
    ]
}
