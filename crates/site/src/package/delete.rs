//! Deleting a package: first from every distribution point, then from the site.
//!
//! From the call on, queries no longer return the package. Its distribution points are told to drop it; the
//! row and the versions go when the last one has reported, and the library is then free to collect them.

use agent::link::Gone;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::{ActionInProgress, by_id, schedule};
use crate::access::{Action, Actor};
use crate::db::{Tx, counter};
use crate::distribution::demand;
use crate::driver::delete::forget_content;
use crate::error::Result;
use crate::folder;
use crate::group;
use crate::hierarchy::{node, tombstone};
use crate::lock;
use crate::package_content::{contents_of, require_unlocked};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Deletes a package. Returns once that is durable; the distribution points follow.
    ///
    /// Errors: [`SiteError::PackageNotFound`](crate::SiteError::PackageNotFound),
    /// [`SiteError::PackageLocked`](crate::SiteError::PackageLocked),
    /// [`SiteError::AccessDenied`](crate::SiteError::AccessDenied).
    pub async fn delete_package(&self, actor: &Actor, package_id: &str) -> Result<()> {
        actor.may(Action::ChangePackages)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let package = self.visible_package(&mut tx, actor, package_id).await?;
        require_unlocked(self, &package)?;
        let object = lock::package_object(&package);
        lock::require_unlocked_for(&mut tx, self, actor, &object, now).await?;
        lock::forget(&mut tx, &object).await?;
        folder::leave_package(&mut tx, &package).await?;
        schedule::forget(&mut tx, package_id).await?;
        let update = Query::update()
            .table("package")
            .value("action_in_progress", i64::from(ActionInProgress::Delete.number()))
            // Nobody waits for a refresh of a package that goes.
            .value("refresh_done", Expr::col("refresh_requested"))
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .value("revision", counter::next(&mut tx, "revision").await?)
            .and_where(by_id(package_id))
            .to_owned();
        tx.execute(&update).await?;
        status::add(&mut tx, now, Message::package_deleted(actor, package_id, &package.fields.name)).await?;
        group::forget_package(&mut tx, package_id).await?;
        let touched = demand::remove_everywhere(&mut tx, package_id, now).await?;
        let gone = finish(&mut tx, package_id, now).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        self.release(&gone).await;
        Ok(())
    }
}

/// Deletes a package whose deletion was asked for, if it is on no distribution point any more.
///
/// Returns the manifests that nobody needs for this package any longer, for [`Site::release`] after commit.
pub(crate) async fn finish(tx: &mut Tx, package_id: &str, now: Timestamp) -> Result<Vec<String>> {
    let waiting = Query::select()
        .column("package_id")
        .from("distribution")
        .and_where(by_id(package_id))
        .limit(1)
        .to_owned();
    let deleting = Query::select()
        .columns(["source_site", "owner_epoch"])
        .from("package")
        .and_where(by_id(package_id))
        .and_where(Expr::col("action_in_progress").eq(i64::from(ActionInProgress::Delete.number())))
        .to_owned();
    if tx.optional(&waiting).await?.is_some() {
        return Ok(Vec::new());
    }
    let Some(package) = tx.optional(&deleting).await? else { return Ok(Vec::new()) };
    let source_site: String = package.get("source_site")?;
    if !tombstone::is_package_dead(tx, package_id).await? {
        // Another site's package goes when that site says so: it waits for distribution points elsewhere.
        if source_site != node::own_code(tx).await? {
            return Ok(Vec::new());
        }
        let epoch = package.get("owner_epoch")?;
        let gone = Gone::Package { package_id: package_id.to_owned(), source_site, epoch };
        tombstone::bury(tx, "", gone, now).await?;
    }
    let retained = Query::select()
        .column("manifest_id")
        .from("package_version")
        .and_where(by_id(package_id))
        .and_where(Expr::col("retained").eq(1i64))
        .to_owned();
    let rows = tx.all(&retained).await?;
    let contents = contents_of(tx, package_id).await?;
    for table in ["package_version", "package"] {
        tx.execute(Query::delete().from_table(table).and_where(by_id(package_id))).await?;
    }
    // Of drivers that were deleted before; the package was the last that had them.
    for content_id in contents {
        forget_content(tx, content_id).await?;
    }
    rows.iter().map(|row| row.get("manifest_id")).collect()
}
