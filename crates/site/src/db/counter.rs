use sea_query::{Expr, ExprTrait, Query};

use super::Tx;
use crate::error::{Result, SiteError};

/// The next number of a durable counter; given back if the transaction is dropped.
pub(crate) async fn next(tx: &mut Tx, name: &'static str) -> Result<i64> {
    raise(tx, name, 1).await
}

/// Takes so many numbers at once; returns the last of them.
pub(crate) async fn raise(tx: &mut Tx, name: &'static str, by: i64) -> Result<i64> {
    let update = Query::update()
        .table("counter")
        .value("value", Expr::col("value").add(by))
        .and_where(Expr::col("name").eq(name))
        .returning_col("value")
        .to_owned();
    match tx.optional(&update).await? {
        Some(row) => row.get("value"),
        None => Err(SiteError::corrupt("counter")),
    }
}

/// Raises a counter to a number that somebody else gave, unless it is beyond it.
pub(crate) async fn at_least(tx: &mut Tx, name: &'static str, value: i64) -> Result<()> {
    let update = Query::update()
        .table("counter")
        .value("value", value)
        .and_where(Expr::col("name").eq(name))
        .and_where(Expr::col("value").lt(value))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}
