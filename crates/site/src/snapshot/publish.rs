//! Publishing: the one transaction that makes a snapshot the package's next version.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, Order, Query};

use super::claim::Claim;
use crate::db::{Tx, counter};
use crate::distribution::cause::Cause;
use crate::distribution::{DpId, demand};
use crate::error::{Result, SiteError};
use crate::package::{ActionInProgress, by_id};
use crate::package_content::settle;
use crate::server::Site;
use crate::status::{self, Message};
use crate::trust;

/// Versions whose content the library keeps: the current one, and two before it as patch bases for
/// distribution points that lag behind.
pub(crate) const VERSIONS_KEPT: u32 = 3;

/// Warnings about one source that become status messages.
const WARNINGS_MAX: usize = 20;

/// What the library made of a source.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) manifest: String,
    pub(crate) content_hash: String,
    pub(crate) files: u64,
    pub(crate) folders: u64,
    pub(crate) bytes: u64,
    pub(crate) stored_new_bytes: u64,
    /// What an administrator should know of the source.
    pub(crate) warnings: Vec<String>,
}

/// What became of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is this version now. The manifests of versions that are no longer kept may be released.
    Published { version: u32, outdated: Vec<String> },
    /// The source is as it was, and nobody asked for a version since.
    Unchanged,
    /// Somebody else has the claim, or the package is being deleted.
    ClaimLost,
}

impl Site {
    /// Answers the claim's request with what was taken; `folders` are the folders at its top, if the package has
    /// contents of drivers.
    pub(crate) async fn publish(
        &self,
        claim: &Claim,
        taken: &Taken,
        folders: Option<&BTreeSet<String>>,
    ) -> Result<Outcome> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        if !answer(&mut tx, claim, now).await? {
            return Ok(Outcome::ClaimLost);
        }
        // Times are no content: a file that was only touched makes no version that nobody asked for.
        let changed = claim.content_hash.as_ref() != Some(&taken.content_hash)
            || !is_newest_here(&mut tx, &claim.package_id).await?;
        if !(claim.forced || changed) {
            tx.commit().await?;
            return Ok(Outcome::Unchanged);
        }
        let version = next_version(&mut tx, &claim.package_id).await?;
        insert_version(&mut tx, &claim.package_id, version, taken, now).await?;
        trust::sign(&mut tx, self.signing_key(), &self.identity().site_code, Some(&claim.package_id)).await?;
        raise_version(&mut tx, &claim.package_id, version, taken, now).await?;
        if let Some(folders) = folders {
            settle(&mut tx, &claim.package_id, version, folders).await?;
        }
        let cause = Cause { call: claim.call.as_deref(), requested_at: claim.requested_at.unwrap_or(now) };
        let touched = demand::want_version(&mut tx, &claim.package_id, version, cause, now).await?;
        let outdated = drop_outdated(&mut tx, &claim.package_id).await?;
        say(&mut tx, claim, version, taken, now).await?;
        tx.commit().await?;
        self.tell(&touched);
        Ok(Outcome::Published { version, outdated })
    }

    fn tell(&self, touched: &[DpId]) {
        self.changes().notify(touched);
    }
}

/// Marks the request as answered, if the claim still holds.
async fn answer(tx: &mut Tx, claim: &Claim, now: Timestamp) -> Result<bool> {
    let pending = Expr::col("refresh_requested").gt(claim.request);
    let no_number = Option::<i64>::None;
    let no_text = Option::<String>::None;
    let update = Query::update()
        .table("package")
        .value("refresh_done", claim.request)
        .value(
            "refresh_since",
            Expr::case(pending.clone(), now.as_microsecond()).finally(Expr::value(no_number)),
        )
        .value(
            "action_in_progress",
            Expr::case(pending, number(ActionInProgress::Update)).finally(number(ActionInProgress::None)),
        )
        .value("last_refresh_at", now.as_microsecond())
        .value("lease_owner", no_text.clone())
        .value("lease_until", no_number)
        .value("snapshot_attempts", 0i64)
        .value("snapshot_next_at", no_number)
        .value("source_fault_code", no_text.clone())
        .value("source_fault_message", no_text)
        .value("source_fault_at", no_number)
        .and_where(by_id(&claim.package_id))
        .and_where(Expr::col("lease_owner").eq(claim.token.as_str()))
        .and_where(Expr::col("action_in_progress").ne(number(ActionInProgress::Delete)))
        .to_owned();
    Ok(tx.execute(&update).await? == 1)
}

fn number(action: ActionInProgress) -> i64 {
    i64::from(action.number())
}

/// The newest version of a package: the one that is here, or one that another site published before it gave the package to
/// this one. 0 for none.
pub(crate) async fn newest_version(tx: &mut Tx, package_id: &str) -> Result<u32> {
    Ok(Ord::max(stored_version(tx, package_id).await?, offered_version(tx, package_id).await?))
}

/// Whether the content of the newest version is here. What is taken from the source while it is not is another version,
/// whatever it is.
async fn is_newest_here(tx: &mut Tx, package_id: &str) -> Result<bool> {
    Ok(stored_version(tx, package_id).await? >= offered_version(tx, package_id).await?)
}

async fn stored_version(tx: &mut Tx, package_id: &str) -> Result<u32> {
    let select =
        Query::select().column("stored_version").from("package").and_where(by_id(package_id)).to_owned();
    tx.optional(&select).await?.ok_or_else(|| SiteError::package(package_id))?.unsigned("stored_version")
}

async fn offered_version(tx: &mut Tx, package_id: &str) -> Result<u32> {
    let select =
        Query::select().column("version").from("offered_version").and_where(by_id(package_id)).to_owned();
    tx.optional(&select).await?.map_or(Ok(0), |row| row.unsigned("version"))
}

/// The number of a version that is about to be published: after every one that was ever used, here, by another owner, or
/// before a backup was restored.
pub(super) async fn next_version(tx: &mut Tx, package_id: &str) -> Result<u32> {
    let newest = newest_version(tx, package_id).await?;
    let used = Query::select()
        .expr_as(Func::coalesce([Func::max(Expr::col("version")).into(), Expr::val(0i64)]), "used")
        .from("package_version")
        .and_where(by_id(package_id))
        .to_owned();
    let used: u32 = tx.optional(&used).await?.map_or(Ok(0), |row| row.unsigned("used"))?;
    let floor =
        Query::select().column("version_floor").from("package").and_where(by_id(package_id)).to_owned();
    let floor: u32 = tx.optional(&floor).await?.map_or(Ok(0), |row| row.unsigned("version_floor"))?;
    tx.execute(Query::delete().from_table("offered_version").and_where(by_id(package_id))).await?;
    Ok(Ord::max(Ord::max(newest, used), floor).saturating_add(1))
}

pub(super) async fn insert_version(
    tx: &mut Tx,
    package_id: &str,
    version: u32,
    taken: &Taken,
    now: Timestamp,
) -> Result<()> {
    let insert = Query::insert()
        .into_table("package_version")
        .columns([
            "package_id",
            "version",
            "manifest_id",
            "content_hash",
            "files",
            "folders",
            "bytes",
            "stored_new_bytes",
            "published_at",
            "retained",
        ])
        .values_panic([
            package_id.into(),
            i64::from(version).into(),
            taken.manifest.as_str().into(),
            taken.content_hash.as_str().into(),
            taken.files.cast_signed().into(),
            taken.folders.cast_signed().into(),
            taken.bytes.cast_signed().into(),
            taken.stored_new_bytes.cast_signed().into(),
            now.as_microsecond().into(),
            1i64.into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

pub(super) async fn raise_version(
    tx: &mut Tx,
    package_id: &str,
    version: u32,
    taken: &Taken,
    now: Timestamp,
) -> Result<()> {
    let update = Query::update()
        .table("package")
        .value("source_version", i64::from(version))
        .value("stored_version", i64::from(version))
        .value("source_date", now.as_microsecond())
        .value("source_bytes", taken.bytes.cast_signed())
        .value("content_hash", taken.content_hash.as_str())
        .value("revision", counter::next(tx, "revision").await?)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Lets go of all but the newest versions, whatever numbers lie between them: a site has not seen every version of a package
/// that was another's. Returns the manifests to release.
pub(crate) async fn drop_outdated(tx: &mut Tx, package_id: &str) -> Result<Vec<String>> {
    let kept = Query::select()
        .column("version")
        .from("package_version")
        .and_where(by_id(package_id))
        .and_where(Expr::col("retained").eq(1i64))
        .order_by("version", Order::Desc)
        .limit(u64::from(VERSIONS_KEPT))
        .to_owned();
    let kept = tx.all(&kept).await?;
    let oldest = kept.last().map_or(Ok(0), |row| row.get::<i64>("version"))?;
    let update = Query::update()
        .table("package_version")
        .value("retained", 0i64)
        .and_where(by_id(package_id))
        .and_where(Expr::col("retained").eq(1i64))
        .and_where(Expr::col("version").lt(oldest))
        .returning_col("manifest_id")
        .to_owned();
    tx.all(&update).await?.iter().map(|row| row.get("manifest_id")).collect()
}

async fn say(tx: &mut Tx, claim: &Claim, version: u32, taken: &Taken, now: Timestamp) -> Result<()> {
    let (id, name) = (&claim.package_id, &claim.name);
    let warnings = taken.warnings.iter().take(WARNINGS_MAX);
    let mut said: Vec<_> = warnings.map(|warning| Message::source_warning(id, name, warning)).collect();
    said.extend([
        Message::snapshot_taken(id, name, taken.files, taken.bytes),
        Message::package_updated(id, name, version, taken.bytes),
        Message::processed(id, name, version),
    ]);
    let said = said.into_iter().map(|message| message.of_call(claim.call.as_deref())).collect();
    status::add_all(tx, now, said).await
}
