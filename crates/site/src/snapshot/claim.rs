//! Claiming a snapshot: one statement, a lease with an end, a token that fences off a late worker.

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, IntoCondition, Order, Query, SelectStatement};

use super::failure::DELAY_MAX;
use crate::db::Tx;
use crate::deadline;
use crate::error::{Result, SiteError};
use crate::package::fields::SOURCE_DIRECT;
use crate::package::{ActionInProgress, by_id};
use crate::server::Site;
use crate::status::{self, Message};

/// How long a claim holds without a sign of life of its worker.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How often a worker extends its claim.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);

/// A package whose source this process reads now.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) package_id: String,
    pub(crate) name: String,
    pub(crate) source_path: String,
    /// In the row while the claim holds.
    pub(crate) token: String,
    /// The last request that this snapshot answers.
    pub(crate) request: i64,
    /// Whether a version is due even from an unchanged source.
    pub(crate) forced: bool,
    pub(crate) stored_version: u32,
    pub(crate) attempts: u32,
    pub(crate) previous_manifest: Option<String>,
    /// Of the stored version.
    pub(crate) content_hash: Option<String>,
    /// The call that the snapshot answers.
    pub(crate) call: Option<String>,
    /// When the first of the requests that it answers was made.
    pub(crate) requested_at: Option<Timestamp>,
}

impl Site {
    /// Claims the next due snapshot: by priority, then by the age of the request.
    pub(crate) async fn claim_snapshot(&self, server_id: &str) -> Result<Option<Claim>> {
        let now = self.now();
        let token = format!("{server_id}/{}", uuid::Uuid::new_v4());
        let mut tx = self.db().write().await?;
        let due = Query::select()
            .column("package_id")
            .from("package")
            .cond_where(is_due(now, &self.identity().site_code))
            .order_by("priority", Order::Asc)
            .order_by("refresh_since", Order::Asc)
            .order_by("package_id", Order::Asc)
            .limit(1)
            .to_owned();
        let update = Query::update()
            .table("package")
            .value("lease_owner", token.as_str())
            .value("lease_until", lease_end(now)?)
            .value("claimed_request", answered_by_claim())
            .and_where(Expr::col("package_id").in_subquery(due))
            .returning(Query::returning().columns([
                "package_id",
                "name",
                "pkg_source_path",
                "claimed_request",
                "refresh_forced",
                "refresh_done",
                "stored_version",
                "snapshot_attempts",
                "content_hash",
                "refresh_call",
                "refresh_since",
            ]))
            .to_owned();
        let Some(row) = tx.optional(&update).await? else { return Ok(None) };
        let package_id: String = row.get("package_id")?;
        let stored_version = row.unsigned("stored_version")?;
        let claim = Claim {
            name: row.get("name")?,
            source_path: row.get("pkg_source_path")?,
            token,
            request: row.get("claimed_request")?,
            forced: row.get::<i64>("refresh_forced")? > row.get::<i64>("refresh_done")?,
            stored_version,
            attempts: row.unsigned("snapshot_attempts")?,
            content_hash: row.get("content_hash")?,
            call: row.get("refresh_call")?,
            requested_at: row.time_or_null("refresh_since")?,
            previous_manifest: manifest_of(&mut tx, &package_id, stored_version).await?,
            package_id,
        };
        let started = Message::processing_started(&claim.package_id, &claim.name);
        status::add(&mut tx, now, started.of_call(claim.call.as_deref())).await?;
        tx.commit().await?;
        tracing::info!(call = claim.call, package = claim.package_id, "reading the source");
        Ok(Some(claim))
    }

    /// Extends a claim. Returns false when it is lost, for example because the package is being deleted.
    pub(crate) async fn extend_claim(&self, claim: &Claim) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("package")
            .value("lease_until", lease_end(self.now())?)
            .and_where(by_id(&claim.package_id))
            .and_where(Expr::col("lease_owner").eq(claim.token.as_str()))
            .to_owned();
        let held = tx.execute(&update).await? == 1;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives a claim back; its request stays due.
    pub(crate) async fn give_back(&self, claim: &Claim) -> Result<()> {
        let held = Expr::col("lease_owner").eq(claim.token.as_str());
        self.end_leases(held).await
    }

    /// Ends what an earlier process of this server left behind.
    pub(crate) async fn end_leases_of(&self, server_id: &str) -> Result<()> {
        self.end_leases(Expr::col("lease_owner").like(format!("{server_id}/%"))).await
    }

    /// Ends leases whose workers have been silent for long, so that nobody takes their sources for being read.
    pub(crate) async fn end_dead_leases(&self) -> Result<()> {
        let long_ago = self.now().checked_sub(LEASE).unwrap_or(Timestamp::UNIX_EPOCH);
        let dead = deadline::is_over("lease_until", long_ago, LEASE * 2);
        let any =
            Query::select().column("package_id").from("package").cond_where(dead.clone()).limit(1).to_owned();
        if self.db().optional(&any).await?.is_none() {
            return Ok(());
        }
        self.end_leases(dead).await
    }

    async fn end_leases(&self, which: impl IntoCondition) -> Result<()> {
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("package")
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .cond_where(which)
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await
    }
}

/// Every request so far; but the first snapshot answers the package's creation alone (see `package::refresh`).
fn answered_by_claim() -> Expr {
    let fresh = Expr::col("stored_version").eq(0i64).and(Expr::col("source_fault_code").is_null());
    Expr::case(fresh, Expr::col("refresh_done").add(1i64)).finally(Expr::col("refresh_requested")).into()
}

fn is_due(now: Timestamp, own_site: &str) -> Cond {
    Cond::all()
        .add(Expr::col("refresh_requested").gt(Expr::col("refresh_done")))
        .add(Expr::col("pkg_source_flag").eq(i64::from(SOURCE_DIRECT)))
        .add(Expr::col("action_in_progress").ne(i64::from(ActionInProgress::Delete.number())))
        // What was given to another site meanwhile waits until it is given back.
        .add(Expr::col("source_site").eq(own_site))
        .add(Cond::any().add(Expr::col("lease_owner").is_null()).add(deadline::is_over(
            "lease_until",
            now,
            LEASE,
        )))
        .add(Cond::any().add(Expr::col("snapshot_next_at").is_null()).add(deadline::is_over(
            "snapshot_next_at",
            now,
            DELAY_MAX,
        )))
}

pub(crate) fn lease_end(now: Timestamp) -> Result<i64> {
    let end = now.checked_add(LEASE).map_err(|_| SiteError::corrupt("the clock"))?;
    Ok(end.as_microsecond())
}

async fn manifest_of(tx: &mut Tx, package_id: &str, version: u32) -> Result<Option<String>> {
    let row = tx.optional(&select_manifest(package_id, version)).await?;
    row.map(|row| row.get("manifest_id")).transpose()
}

/// The manifest of a version whose content is kept.
pub(crate) fn select_manifest(package_id: &str, version: u32) -> SelectStatement {
    Query::select()
        .column("manifest_id")
        .from("package_version")
        .and_where(by_id(package_id))
        .and_where(Expr::col("version").eq(i64::from(version)))
        .and_where(Expr::col("retained").eq(1i64))
        .to_owned()
}
