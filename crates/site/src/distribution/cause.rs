//! What a demand is owed to: the call behind it stays with the rows, and each distribution point concerned has a message.
//! A few statements whatever the number of distribution points.

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};

use super::state::State;
use crate::access::Actor;
use crate::db::Tx;
use crate::error::Result;
use crate::package::by_id;
use crate::status::{self, Message};

/// Why something is demanded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'c> {
    /// The call, where it is known.
    pub(crate) call: Option<&'c str>,
    /// When it was asked for.
    pub(crate) requested_at: Timestamp,
}

impl<'c> Cause<'c> {
    /// A call that is being answered now.
    pub(crate) fn of(actor: &'c Actor, now: Timestamp) -> Self {
        Self { call: actor.call.as_deref(), requested_at: now }
    }
}

/// Completes a demand on a package that touched some rows: those with the newest revision of all its rows.
pub(crate) async fn note(tx: &mut Tx, package_id: &str, cause: Cause<'_>, now: Timestamp) -> Result<()> {
    let newest = Query::select()
        .expr_as(Expr::col("revision").max(), "revision")
        .from("distribution")
        .and_where(by_id(package_id))
        .to_owned();
    let Some(revision) = tx.optional(&newest).await?.map(|row| row.get::<Option<i64>>("revision")) else {
        return Ok(());
    };
    let Some(revision) = revision? else { return Ok(()) };
    let update = Query::update()
        .table("distribution")
        .value("call_id", cause.call)
        .value("requested_at", cause.requested_at.as_microsecond())
        .value("report_revision", revision)
        .and_where(by_id(package_id))
        .and_where(Expr::col("revision").eq(revision))
        .to_owned();
    tx.execute(&update).await?;
    let version = Expr::col(("d", "desired_version"));
    let verifies = Expr::col(("d", "state")).eq(i64::from(State::ContentMonitoring.number()));
    for (message, which) in [
        (Message::told_to_fetch(package_id, "", 0), version.clone().gt(0i64).and(verifies.clone().not())),
        (Message::waits_for_content(package_id, ""), version.eq(0i64)),
        (Message::verification_queued(package_id, ""), verifies),
    ] {
        let rows = rows(package_id, revision).and_where(which).to_owned();
        status::add_for_points(tx, now, message.of_call(cause.call), inserts(), rows).await?;
    }
    Ok(())
}

/// The rows that stand, as `d`, and their distribution points, as `x`.
fn rows(package_id: &str, revision: i64) -> SelectStatement {
    let own_site = Query::select().column("site_code").from("site").to_owned();
    Query::select()
        .from_as("distribution", "d")
        .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .and_where(Expr::col(("d", "package_id")).eq(package_id))
        .and_where(Expr::col(("d", "revision")).eq(revision))
        .and_where(Expr::col(("d", "absent")).eq(0i64))
        .and_where(Expr::col(("d", "cancelled")).eq(0i64))
        // Those of other sites are told by their own.
        .and_where(Expr::col(("x", "site_code")).in_subquery(own_site))
        .to_owned()
}

/// Insertion strings as JSON: package, distribution point, version. The first two are names without anything to escape.
fn inserts() -> Expr {
    Expr::cust(
        r#"'["' || d.package_id || '","' || x.name || '","' || CAST(d.desired_version AS TEXT) || '"]'"#,
    )
}
