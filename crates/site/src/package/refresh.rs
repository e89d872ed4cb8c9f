//! Accepting a refresh: counted durably, coalesced with what is not begun yet.
//!
//! `refresh_requested` counts what was accepted, `refresh_done` what was answered. A request to an idle
//! package must publish a version even from an unchanged source, and `refresh_forced` remembers up to which
//! request that holds. A request that arrives while a snapshot runs that will publish in any case is not
//! forced: the worker looks again and publishes only what really changed. A second look of that kind may find
//! nothing, so a request during it is forced. Requests that wait together are answered by one version.

use agent::link::Call;
use jiff::Timestamp;
use sea_query::Query;

use super::{ActionInProgress, Package, by_id};
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::lock;
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Reads the package's source anew and brings the result to all its distribution points.
    ///
    /// Returns once the request is durable. Errors: [`SiteError::PackageNotFound`], [`SiteError::NoSource`],
    /// [`SiteError::PackageLocked`], [`SiteError::AccessDenied`].
    pub async fn refresh_package(&self, actor: &Actor, package_id: &str) -> Result<()> {
        let mut tx = self.db().write().await?;
        self.accept_refresh(&mut tx, actor, package_id).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        self.changes().notify(&[]);
        Ok(())
    }

    /// As [`Site::refresh_package`], asked for by an edit of the package: who has it locked keeps others out, and
    /// `version_read` is its SedoObjectVersion as the editor read it.
    ///
    /// Errors: also [`SiteError::ObjectLocked`], [`SiteError::EditionMismatch`].
    pub async fn refresh_edited_package(
        &self,
        actor: &Actor,
        package_id: &str,
        version_read: Option<&str>,
    ) -> Result<()> {
        let mut tx = self.db().write().await?;
        let package = self.accept_refresh(&mut tx, actor, package_id).await?;
        if version_read.is_some_and(|read| read != package.sedo_object_version) {
            return Err(SiteError::EditionMismatch { what: format!("package {package_id}") });
        }
        let object = lock::package_object(&package);
        lock::require_unlocked_for(&mut tx, self, actor, &object, self.now()).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }

    /// Returns the package as it was before. What another site owns is asked for there.
    pub(crate) async fn accept_refresh(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package_id: &str,
    ) -> Result<Package> {
        actor.may(Action::Refresh)?;
        let now = self.now();
        let package = self.visible_package(tx, actor, package_id).await?;
        if package.source_site != self.identity().site_code {
            self.ask_owner(tx, actor, package.owned(), Call::Refresh).await?;
            status::add(tx, now, Message::package_refreshed(actor, package_id, &package.fields.name)).await?;
            return Ok(package);
        }
        if !package.fields.has_source() {
            return Err(SiteError::NoSource { package_id: package_id.to_owned() });
        }
        request(tx, package_id, now, Publish::Always, actor.call.as_deref()).await?;
        tracing::info!(call = actor.call, package = package_id, user = actor.name, "refresh accepted");
        status::add(tx, now, Message::package_refreshed(actor, package_id, &package.fields.name)).await?;
        Ok(package)
    }
}

/// Which sources a request publishes a version from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    /// From an unchanged one too: somebody asked.
    Always,
    /// From one that changed.
    IfChanged,
}

/// Counts one more request. A request in a retry's waiting time is tried at once. Requests that are answered by one
/// version are told by the call of the last.
///
/// A package shows version 1 before its first snapshot, so a refresh then is for version 2 and the first claim
/// does not answer it. Once the first snapshot failed, everybody waits for version 1.
pub(crate) async fn request(
    tx: &mut Tx,
    package_id: &str,
    now: Timestamp,
    publish: Publish,
    call: Option<&str>,
) -> Result<()> {
    let select = Query::select()
        .columns([
            "refresh_requested",
            "refresh_forced",
            "refresh_done",
            "refresh_since",
            "lease_owner",
            "stored_version",
            "source_fault_code",
        ])
        .from("package")
        .and_where(by_id(package_id))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::package(package_id))?;
    let requested = row.get::<i64>("refresh_requested")? + 1;
    let first = row.get::<i64>("stored_version")? == 0;
    let running = row.get::<Option<String>>("lease_owner")?.is_some();
    let forced: i64 = row.get("refresh_forced")?;
    let fresh = first && row.get::<Option<String>>("source_fault_code")?.is_none();
    let publishes = running && !fresh && forced > row.get::<i64>("refresh_done")?;
    let forced = if publishes || publish == Publish::IfChanged { forced } else { requested };
    let since: Option<i64> = row.get("refresh_since")?;
    let action = if first { ActionInProgress::Add } else { ActionInProgress::Update };
    let update = Query::update()
        .table("package")
        .value("refresh_requested", requested)
        .value("content_changed", 0i64)
        .value("refresh_forced", forced)
        .value("refresh_since", since.unwrap_or_else(|| now.as_microsecond()))
        .value("refresh_call", call)
        .value("snapshot_next_at", Option::<i64>::None)
        .value("snapshot_attempts", 0i64)
        .value("action_in_progress", i64::from(action.number()))
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}
