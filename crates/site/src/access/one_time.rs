//! Tokens that let one machine in, once: those of distribution points and those of child sites.

use agent::token::Purpose;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};

/// There is no such token.
pub(crate) fn unknown<P: Purpose>() -> SiteError {
    SiteError::EnrolTokenUnknown { made_by: P::MADE_BY }
}

/// Marks a token as used, if it may be used. `row` has its `used_at` and `expires_at`; that it belongs to who shows it, the
/// caller has checked: what is wrong with a token is told only to who names its owner.
///
/// Errors: [`SiteError::EnrolTokenUsed`], [`SiteError::EnrolTokenExpired`].
pub(crate) async fn spend<P: Purpose>(
    tx: &mut Tx,
    table: &'static str,
    secret_hash: &str,
    row: &Row,
    now: Timestamp,
) -> Result<()> {
    if row.time_or_null("used_at")?.is_some() {
        return Err(SiteError::EnrolTokenUsed { made_by: P::MADE_BY });
    }
    if row.time("expires_at")? <= now {
        return Err(SiteError::EnrolTokenExpired { made_by: P::MADE_BY });
    }
    let update = Query::update()
        .table(table)
        .value("used_at", now.as_microsecond())
        .and_where(Expr::col("secret_hash").eq(secret_hash))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}
