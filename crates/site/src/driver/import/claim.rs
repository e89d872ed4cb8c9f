//! Claiming an import: a lease with an end, and a token that fences off a late worker.

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, Func, Order, Query, UpdateStatement};

use super::request::{Duplicates, ImportSource, ImportState, by_id};
use crate::db::Tx;
use crate::deadline;
use crate::error::{Result, SiteError};
use crate::query::list;
use crate::server::Site;
use crate::snapshot::claim::{LEASE, lease_end};

/// An import that this process works off now.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) import_id: i64,
    /// In the row while the claim holds.
    pub(super) token: String,
    pub(super) sources: Vec<ImportSource>,
    /// Where to begin.
    pub(super) sources_done: usize,
    /// Unique ids.
    pub(super) categories: Vec<String>,
    pub(super) enable: bool,
    pub(super) duplicates: Duplicates,
    pub(super) requested_by: String,
}

/// What a worker hears when it extends its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Go on.
    Held,
    /// Somebody cancelled the import.
    Cancelled,
    /// Somebody else has it.
    Lost,
}

impl Site {
    /// Claims the oldest import that is due.
    pub(super) async fn claim_import(&self, server_id: &str) -> Result<Option<Claim>> {
        let now = self.now();
        let token = format!("{server_id}/{}", uuid::Uuid::new_v4());
        let mut tx = self.db().write().await?;
        let due = Query::select()
            .column("import_id")
            .from("driver_import")
            .cond_where(is_due(now))
            .order_by("import_id", Order::Asc)
            .limit(1)
            .to_owned();
        let begun = Func::coalesce([Expr::col("started_at"), Expr::val(now.as_microsecond())]);
        let update = Query::update()
            .table("driver_import")
            .value("state", ImportState::Running as i64)
            .value("started_at", Expr::from(begun))
            .value("lease_owner", token.as_str())
            .value("lease_until", lease_end(now)?)
            .and_where(Expr::col("import_id").in_subquery(due))
            .returning(Query::returning().columns([
                "import_id",
                "sources",
                "sources_done",
                "categories",
                "enable",
                "duplicates",
                "requested_by",
            ]))
            .to_owned();
        let Some(row) = tx.optional(&update).await? else { return Ok(None) };
        let claim = Claim {
            import_id: row.get("import_id")?,
            token,
            sources: serde_json::from_str(&row.get::<String>("sources")?)
                .map_err(|_| SiteError::corrupt("driver_import.sources"))?,
            sources_done: row.unsigned("sources_done")?,
            categories: list(&row.get::<String>("categories")?),
            enable: row.flag("enable")?,
            duplicates: Duplicates::from_number(row.get("duplicates")?)?,
            requested_by: row.get("requested_by")?,
        };
        tx.commit().await?;
        Ok(Some(claim))
    }

    /// Extends a claim, and counts bytes that were read since the last time.
    pub(super) async fn extend_import(&self, claim: &Claim, bytes: u64) -> Result<Hold> {
        let mut tx = self.db().write().await?;
        let update = held(claim)
            .value("lease_until", lease_end(self.now())?)
            .value("bytes_read", Expr::col("bytes_read").add(bytes.cast_signed()))
            .returning_col("cancel_requested")
            .to_owned();
        let row = tx.optional(&update).await?;
        tx.commit().await?;
        match row {
            None => Ok(Hold::Lost),
            Some(row) if row.flag("cancel_requested")? => Ok(Hold::Cancelled),
            Some(_) => Ok(Hold::Held),
        }
    }

    /// Gives a claim back; the import stays due.
    pub(super) async fn give_import_back(&self, claim: &Claim) -> Result<()> {
        let mut tx = self.db().write().await?;
        let update = held(claim)
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await
    }

    /// Ends what an earlier process of this server left behind.
    pub(crate) async fn end_import_leases_of(&self, server_id: &str) -> Result<()> {
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("driver_import")
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .and_where(Expr::col("lease_owner").like(format!("{server_id}/%")))
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await
    }
}

/// A change of the import's row as long as the claim holds.
pub(super) fn held(claim: &Claim) -> UpdateStatement {
    Query::update()
        .table("driver_import")
        .and_where(by_id(claim.import_id))
        .and_where(Expr::col("lease_owner").eq(claim.token.as_str()))
        .to_owned()
}

/// Whether the claim holds, for a transaction that writes more than the import's row.
pub(super) async fn is_held(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    let select = Query::select()
        .column("import_id")
        .from("driver_import")
        .and_where(by_id(claim.import_id))
        .and_where(Expr::col("lease_owner").eq(claim.token.as_str()))
        .to_owned();
    Ok(tx.optional(&select).await?.is_some())
}

fn is_due(now: Timestamp) -> Cond {
    let free =
        Cond::any().add(Expr::col("lease_owner").is_null()).add(deadline::is_over("lease_until", now, LEASE));
    // Written out like the index's own condition, so that it is used.
    Cond::all().add(Expr::cust("state < 2")).add(free)
}
