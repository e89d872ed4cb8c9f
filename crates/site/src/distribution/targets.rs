//! What a group demands: one package at many distribution points, in a few statements whatever their number.
//!
//! Each statement takes the step that `transition` takes for each of its rows; the assertions compare them. A
//! distribution point's rows differ in their revisions, so each package has a revision of its own.

use agent::link::DpName;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement, UpdateStatement};

use super::DpId;
use super::cause::{self, Cause};
use super::demand::{NEW_ROW, demand_values, is_removal};
use super::state::{Event, Next, State, transition};
use crate::db::{Tx, counter};
use crate::error::Result;
use crate::hierarchy::content::names_of;
use crate::package::by_id;
use crate::snapshot::publish::newest_version;

/// Which distribution points are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Targets<'t> {
    /// All members of a group.
    Members(&'t str),
    /// These, as many as one statement takes ([`super::point::AT_ONCE_MAX`]).
    Points(&'t [DpId]),
}

/// Assigns a package wherever it is not assigned, or on its way out. Returns whom to tell.
pub(crate) async fn assign(
    tx: &mut Tx,
    package_id: &str,
    targets: Targets<'_>,
    cause: Cause<'_>,
    now: Timestamp,
) -> Result<Vec<DpId>> {
    let version = newest_version(tx, package_id).await?;
    let revision = counter::next(tx, "revision").await?;
    let mut back = same_step(Event::Added, is_removal, State::InstallPending, revision, now);
    back.value("absent", 0i64)
        .value("verify", 0i64)
        .value("desired_version", i64::from(version))
        .and_where(by_id(package_id))
        .and_where(Expr::col("absent").eq(1i64))
        .and_where(targets.hold("dp_id"));
    let mut touched = told(tx, &back.returning_col("dp_id").to_owned()).await?;
    let mut insert = Query::insert();
    insert
        .into_table("distribution")
        .columns(NEW_ROW)
        .select_from(missing(package_id, version, targets, revision, now))
        .expect("the select has one expression for each column")
        .returning_col("dp_id");
    for row in tx.all(&insert).await? {
        touched.push(DpId(row.get("dp_id")?));
    }
    if !touched.is_empty() {
        cause::note(tx, package_id, cause, now).await?;
    }
    Ok(touched)
}

/// The rows that an assignment adds.
fn missing(
    package_id: &str,
    version: u32,
    targets: Targets<'_>,
    revision: i64,
    now: Timestamp,
) -> SelectStatement {
    let assigned =
        Query::select().column("dp_id").from("distribution").and_where(by_id(package_id)).to_owned();
    Query::select()
        .expr(Expr::val(package_id))
        .column("id")
        .exprs([0, i64::from(version), 0, revision, revision, revision].map(Expr::val))
        .exprs([now.as_microsecond(), now.as_microsecond()].map(Expr::val))
        .expr(Expr::val(i64::from(State::InstallPending.number())))
        .from("dp")
        .and_where(targets.hold("id"))
        .and_where(Expr::col("id").not_in_subquery(assigned))
        .to_owned()
}

/// Takes a package away wherever no group wants it any more. Returns whom to tell.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    package_id: &str,
    targets: Targets<'_>,
    cause: Cause<'_>,
    now: Timestamp,
) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let mut update =
        same_step(Event::RemovalWanted, |state| !is_removal(state), State::RemovalPending, revision, now);
    update
        .value("absent", 1i64)
        .value("verify", 0i64)
        .and_where(by_id(package_id))
        .and_where(Expr::col("absent").eq(0i64))
        .and_where(targets.hold("dp_id"))
        .and_where(Expr::col("dp_id").not_in_subquery(wanted_by_groups(package_id)))
        .returning_col("dp_id");
    let touched = told(tx, &update).await?;
    if !touched.is_empty() {
        cause::note(tx, package_id, cause, now).await?;
    }
    Ok(touched)
}

/// Which standing assignments are demanded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// All, and everything that is there is verified.
    Verified,
    /// Those whose last attempt failed: the next is made now.
    Failed,
}

/// Demands a package again wherever its assignment stands. Returns whom to tell.
pub(crate) async fn demand_again(
    tx: &mut Tx,
    package_id: &str,
    targets: Targets<'_>,
    again: Again,
    cause: Cause<'_>,
    now: Timestamp,
) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let mut touched = Vec::new();
    for (serving, state) in [(true, State::ContentUpdating), (false, State::InstallPending)] {
        let installed = Expr::col("installed_version");
        let mut update =
            same_step(Event::Wanted { serving }, |state| !is_removal(state), state, revision, now);
        update
            .and_where(by_id(package_id))
            .and_where(Expr::col("absent").eq(0i64))
            .and_where(Expr::col("revision").ne(revision))
            .and_where(targets.hold("dp_id"))
            .and_where(if serving { installed.gt(0i64) } else { installed.eq(0i64) })
            .returning_col("dp_id");
        match again {
            Again::Verified => update.value("verify", 1i64),
            Again::Failed => {
                let failed = [State::InstallRetrying, State::InstallFailed];
                let failed = failed.map(|state| i64::from(state.number()));
                update.and_where(Expr::col("state").is_in(failed))
            }
        };
        touched.extend(told(tx, &update).await?);
    }
    if !touched.is_empty() {
        cause::note(tx, package_id, cause, now).await?;
    }
    Ok(touched)
}

/// The update of a step that leads from each of some states to the same one.
fn same_step(
    event: Event,
    from: impl Fn(State) -> bool,
    to: State,
    revision: i64,
    now: Timestamp,
) -> UpdateStatement {
    debug_assert!(
        State::ALL
            .into_iter()
            .filter(|state| from(*state))
            .all(|state| { transition(state, event).is_ok_and(|next| next == Next::State(to)) })
    );
    demand_values(to, revision, now)
}

async fn told(tx: &mut Tx, update: &UpdateStatement) -> Result<Vec<DpId>> {
    tx.all(update).await?.iter().map(|row| row.get("dp_id").map(DpId)).collect()
}

/// The names of the targets in the hierarchy; without those that a group wants to hold the package, if it is to be taken away.
pub(crate) async fn names(
    tx: &mut Tx,
    package_id: &str,
    targets: Targets<'_>,
    is_withdrawal: bool,
) -> Result<Vec<DpName>> {
    let mut which = targets.hold("id");
    if is_withdrawal {
        which = which.and(Expr::col("id").not_in_subquery(wanted_by_groups(package_id)));
    }
    names_of(tx, which).await
}

/// The distribution points that some group wants to hold the package.
fn wanted_by_groups(package_id: &str) -> SelectStatement {
    Query::select()
        .column(("m", "dp_id"))
        .from_as("dp_group_package", "p")
        .join_as(
            JoinType::InnerJoin,
            "dp_group_member",
            "m",
            Expr::col(("m", "group_id")).equals(("p", "group_id")),
        )
        .and_where(Expr::col(("p", "package_id")).eq(package_id))
        .to_owned()
}

impl Targets<'_> {
    /// The condition that the column names one of them.
    fn hold(self, column: &'static str) -> Expr {
        match self {
            Self::Members(group_id) => {
                let members = Query::select()
                    .column("dp_id")
                    .from("dp_group_member")
                    .and_where(Expr::col("group_id").eq(group_id))
                    .to_owned();
                Expr::col(column).in_subquery(members)
            }
            Self::Points(dps) => Expr::col(column).is_in(dps.iter().map(|dp| dp.0)),
        }
    }
}
