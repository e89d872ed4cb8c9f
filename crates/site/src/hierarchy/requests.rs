//! Calls on packages that another site owns: stored here, carried to the owner, answered there.
//!
//! The caller's 0 means that the request is durable. It is carried out once, in one transaction with its outcome.

use std::collections::HashSet;
use std::time::Duration;

use agent::link::{Call, DpName, RequestRecord};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};

use super::rows::{self, json};
use super::topology::{Neighbor, NextHop, Topology};
use crate::access::{self, Actor, Role};
use crate::db::{Row, Tx, counter};
use crate::distribution::cause::Cause;
use crate::distribution::demand::Demand;
use crate::distribution::targets::{Again, Targets, demand_again};
use crate::distribution::{DpId, point};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::package::{self, Package, by_id};
use crate::server::Site;
use crate::status::{self, Message};

/// The most requests that wait at a site for their owners: of its own users, and of the sites behind each neighbor.
pub(crate) const REQUESTS_OPEN_MAX: i64 = 10_000;
/// The most requests of the sites behind one neighbor that are remembered, with those that were answered. Beyond it those go
/// that will not be told again; where there are none, new ones are answered with `busy`.
pub(crate) const REQUESTS_KEPT_MAX: i64 = 100_000;
/// The most with those that were answered so: a neighbor that tells more and hears no answer waits.
pub(crate) const REQUESTS_TOLD_MAX: i64 = 2 * REQUESTS_KEPT_MAX;
/// So long at least an answered request is remembered: a page that was told twice may come late.
pub(crate) const ANSWERED_KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// Requests that are read in one go.
const READ_AT_ONCE_MAX: u64 = 256;
/// Requests of one round that could not be answered and are logged one by one.
const FAILURES_LOGGED_MAX: usize = 20;
/// A request is answered with so much of the reason.
const MESSAGE_CHARS_MAX: usize = 1024;

/// A request that was answered.
pub(crate) struct Closed {
    pub(crate) origin: String,
    pub(crate) user: String,
    /// The call's name.
    pub(crate) call: &'static str,
}

impl Site {
    /// Asks the owner of a package for something; durable with the caller's transaction. It takes the place of the same call
    /// that still waits, if nothing was asked about the package since.
    ///
    /// Errors: [`SiteError::PackageLocked`] where nobody knows the owner, [`SiteError::Busy`].
    pub(crate) async fn ask_owner(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (package_id, source_site): (&str, &str),
        call: Call,
    ) -> Result<()> {
        let topology = Topology::load(tx, self).await?;
        if !topology.knows(source_site) {
            let (package_id, source_site) = (package_id.to_owned(), source_site.to_owned());
            return Err(SiteError::PackageLocked { package_id, source_site });
        }
        let (own, text) = (self.identity().site_code.as_str(), json(&call));
        supersede(tx, package_id, [own, actor.name.as_str(), text.as_str()]).await?;
        let open = Expr::col("done_at").is_null();
        if count(tx, open.and(Expr::col("origin").eq(own))).await? >= REQUESTS_OPEN_MAX {
            return Err(SiteError::Busy { what: "too many calls wait for sites that are away" });
        }
        let now = self.now();
        let record = RequestRecord {
            id: uuid::Uuid::new_v4().to_string(),
            origin: own.to_owned(),
            package_id: package_id.to_owned(),
            user: actor.name.clone(),
            at: now.to_string(),
            correlation: actor.call.clone(),
            call,
        };
        insert(tx, &record, text, now).await
    }

    /// Carries out what other sites ask of the packages that this one owns, and refuses what asks for packages that are
    /// gone. Returns how many were answered. One that cannot be answered now stays open, and holds up no other.
    pub(crate) async fn answer_requests(&self) -> Result<usize> {
        let (mut answered, mut failed, mut passed) = (0, 0usize, None);
        loop {
            let (due, last) = self.due_requests(passed.as_ref()).await?;
            for request in &due {
                match self.answer_request(request).await {
                    Ok(is_answered) => answered += usize::from(is_answered),
                    Err(error) => {
                        failed += 1;
                        if failed <= FAILURES_LOGGED_MAX {
                            let (id, package, error) =
                                (&request.id, &request.package_id, error_chain(&error));
                            tracing::warn!(
                                request = id,
                                package,
                                error,
                                "a request of another site stays open"
                            );
                        }
                    }
                }
            }
            passed = last;
            if passed.is_none() {
                break;
            }
        }
        if answered > 0 {
            self.changes().notify(&[]);
            self.snapshot_wake().notify_one();
        }
        Ok(answered)
    }

    /// Open requests after a place in their order that are to be answered here, and the place after which more may follow.
    async fn due_requests(&self, after: Option<&Place>) -> Result<(Vec<RequestRecord>, Option<Place>)> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let mut select = select_open();
        in_order(&mut select, &Order::Asc).limit(READ_AT_ONCE_MAX);
        if let Some(place) = after {
            select.and_where(place.is_before());
        }
        let rows = tx.all(&select).await?;
        tx.commit().await?;
        let mut due = Vec::new();
        for row in &rows {
            match due_here(&topology, row) {
                Ok(request) => due.extend(request),
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), "a request of another site is unreadable")
                }
            }
        }
        let is_full = rows.len() as u64 == READ_AT_ONCE_MAX;
        let last = rows.last().filter(|_| is_full).map(Place::of).transpose()?;
        Ok((due, last))
    }

    /// Returns whether it was answered now: somebody else may have done so since it was looked up, or the package may be
    /// another site's.
    async fn answer_request(&self, request: &RequestRecord) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let select =
            select_open().and_where(Expr::col(("r", "request_id")).eq(request.id.as_str())).to_owned();
        let row = tx.optional(&select).await?;
        if row.map(|row| due_here(&topology, &row)).transpose()?.flatten().is_none() {
            return Ok(false);
        }
        let now = self.now();
        match self.carry_out(&mut tx, request).await {
            Ok(touched) => {
                close(&mut tx, &request.id, &request.package_id, None, now).await?;
                tx.commit().await?;
                self.changes().notify(&touched);
                Ok(true)
            }
            Err(error @ (SiteError::Database(_) | SiteError::Corrupt { .. })) => Err(error),
            Err(refused) => {
                // What was done of it is undone.
                drop(tx);
                let message: String = refused.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
                let mut tx = self.db().write().await?;
                let refused = Some((refused.code(), message.as_str()));
                let closed = close(&mut tx, &request.id, &request.package_id, refused, now).await?;
                tx.commit().await?;
                Ok(closed.is_some())
            }
        }
    }

    async fn carry_out(&self, tx: &mut Tx, request: &RequestRecord) -> Result<Vec<DpId>> {
        // The caller's role was checked where the call was made; here nobody is more than an operator.
        let actor = Actor {
            call: request.correlation.clone(),
            ..Actor::new(format!("{} ({})", request.user, request.origin), Role::Operator)
        };
        let package = package::require(tx, &request.package_id).await?;
        let demand = match &request.call {
            Call::Refresh => {
                self.accept_refresh(tx, &actor, &request.package_id).await?;
                return Ok(Vec::new());
            }
            Call::Assign { points } => {
                let points = self.known_points(tx, points).await?;
                return self.assign_missing(tx, &actor, &package, &points).await;
            }
            Call::Retry { points } => {
                let points = self.known_points(tx, points).await?;
                return self.retry_failed(tx, &actor, &package.package_id, &points).await;
            }
            Call::Unknown => return Err(unknown_call()),
            Call::Redistribute { .. } => Demand::Again,
            Call::Validate { .. } => Demand::Validate,
            Call::Remove { .. } => Demand::Remove,
            Call::Cancel { .. } => Demand::Cancel,
        };
        let points = self.known_points(tx, points_of(&request.call).unwrap_or_default()).await?;
        let mut touched = Vec::new();
        for (dp, name) in &points {
            let done = self.demand_here(tx, &actor, &package.package_id, (*dp, name), demand).await;
            match done {
                Ok(()) => touched.push(*dp),
                // One of many, as of a group, that does not hold the package is nothing to be told of.
                Err(SiteError::DistributionNotFound { .. } | SiteError::Transition(_))
                    if points.len() > 1 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(touched)
    }

    async fn known_points(&self, tx: &mut Tx, points: &[DpName]) -> Result<Vec<(DpId, String)>> {
        let mut found = Vec::with_capacity(points.len());
        for dp in points {
            let key = point::key_of(&self.identity().site_code, dp);
            let known = point::by_key(tx, &key).await?;
            let known = known.ok_or_else(|| SiteError::DpNotFound { name: dp.name.clone() })?;
            found.push((known.id, dp.name.clone()));
        }
        Ok(found)
    }
}

/// What requests are ordered by, first to last. Each gets a revision of its own when it is stored; one call changed them
/// together only in databases of earlier versions.
pub(super) const ORDER: [&str; 3] = ["revision", "requested_at", "request_id"];

/// Puts requests, called `r`, in the order in which they were made.
fn in_order<'s>(select: &'s mut SelectStatement, order: &Order) -> &'s mut SelectStatement {
    for column in ORDER {
        select.order_by(("r", column), order.clone());
    }
    select
}

/// Where a request stands in the order.
struct Place {
    revision: i64,
    requested_at: i64,
    id: String,
}

impl Place {
    fn of(row: &Row) -> Result<Self> {
        let (revision, requested_at) = (row.get("revision")?, row.get("requested_at")?);
        Ok(Self { revision, requested_at, id: row.get("request_id")? })
    }

    fn is_before(&self) -> Expr {
        let [revision, requested_at, id] = ORDER.map(|column| Expr::col(("r", column)));
        let later_id = requested_at.clone().eq(self.requested_at).and(id.gt(self.id.as_str()));
        let later = requested_at.gt(self.requested_at).or(later_id);
        revision.clone().gt(self.revision).or(revision.eq(self.revision).and(later))
    }
}

/// Takes back the newest open request about a package if it asks for the same, of one origin, user and call. The owner may
/// have carried that one out already, and knows it by its id; so it is no answer to a call that is made now. An older one
/// stays: what was asked for in between would be done after it.
async fn supersede(tx: &mut Tx, package_id: &str, asked: [&str; 3]) -> Result<()> {
    let mut newest = Query::select();
    newest
        .columns(["request_id", "origin", "user_name", "call"].map(|column| ("r", column)))
        .from_as("site_request", "r")
        .and_where(Expr::col(("r", "done_at")).is_null())
        .and_where(Expr::col(("r", "package_id")).eq(package_id));
    in_order(&mut newest, &Order::Desc).limit(1);
    let Some(row) = tx.optional(&newest).await? else { return Ok(()) };
    let found = [row.get::<String>("origin")?, row.get("user_name")?, row.get("call")?];
    if found == asked {
        let of_row = Expr::col("request_id").eq(row.get::<String>("request_id")?);
        tx.execute(Query::delete().from_table("site_request").and_where(of_row)).await?;
    }
    Ok(())
}

/// Has open requests told anew, and in the order in which they were made: each gets a revision of its own.
pub(crate) async fn tell_again(tx: &mut Tx, package_id: Option<&str>) -> Result<()> {
    let mut select = Query::select();
    select
        .column(("r", "request_id"))
        .from_as("site_request", "r")
        .and_where(Expr::col(("r", "done_at")).is_null())
        .and_where_option(package_id.map(|id| Expr::col(("r", "package_id")).eq(id)));
    in_order(&mut select, &Order::Asc);
    let rows = tx.all(&select).await?;
    let count = i64::try_from(rows.len()).expect("fewer rows than i64 counts");
    let last = counter::raise(tx, "revision", count).await?;
    for (revision, row) in (last - count + 1..).zip(&rows) {
        let update = Query::update()
            .table("site_request")
            .value("revision", revision)
            .and_where(Expr::col("request_id").eq(row.get::<String>("request_id")?))
            .to_owned();
        tx.execute(&update).await?;
    }
    Ok(())
}

/// Requests that wait for an answer.
fn select_open() -> SelectStatement {
    rows::select_requests().and_where(Expr::col(("r", "done_at")).is_null()).to_owned()
}

/// The request, if this site answers it: it speaks for the package, or the package is gone.
fn due_here(topology: &Topology, row: &Row) -> Result<Option<RequestRecord>> {
    let (request, _) = rows::request(row)?;
    let source_site: Option<String> = row.get("source_site")?;
    let is_due = source_site.is_none_or(|site| {
        let speaker = topology.speaker(&request.package_id, &site);
        topology.next_hop(speaker) == Some(NextHop::Own)
    });
    Ok(is_due.then_some(request))
}

/// The distribution points of a call; absent where it names none.
pub(crate) fn points_of(call: &Call) -> Option<&[DpName]> {
    match call {
        Call::Refresh | Call::Unknown => None,
        Call::Assign { points }
        | Call::Redistribute { points }
        | Call::Validate { points }
        | Call::Remove { points }
        | Call::Cancel { points }
        | Call::Retry { points } => Some(points),
    }
}

fn name_of(call: &Call) -> &'static str {
    match call {
        Call::Refresh => "RefreshPkgSource",
        Call::Assign { .. } => "AddDistributionPoints",
        Call::Redistribute { .. } => "RefreshNow",
        Call::Validate { .. } => "VerifyPackage",
        Call::Remove { .. } => "removal",
        Call::Cancel { .. } => "CancelDistribution",
        Call::Retry { .. } => "RefreshDPGroup",
        Call::Unknown => "unknown",
    }
}

/// What a newer site asks for is refused by the first that does not know it.
pub(crate) fn unknown_call() -> SiteError {
    SiteError::invalid(
        "call",
        "a site on the way to the package's owner, or the owner, is older than this call; update it",
    )
}

/// How many requests there are of some kind.
pub(crate) async fn count(tx: &mut Tx, which: Expr) -> Result<i64> {
    let count = Query::select()
        .expr_as(Func::count(Expr::col("request_id")), "requests")
        .from("site_request")
        .and_where(which)
        .to_owned();
    tx.optional(&count).await?.map_or(Ok(0), |row| row.get("requests"))
}

/// The condition that a request was made behind a neighbor: what no site is known of comes from above.
pub(crate) fn made_behind(topology: &Topology, neighbor: &Neighbor) -> Expr {
    let origin = Expr::col("origin");
    match neighbor {
        Neighbor::Parent => origin.is_not_in(topology.branch(topology.own())),
        Neighbor::Child(code) => origin.is_in(topology.branch(code)),
    }
}

/// Forgets requests that were answered before a time and with a revision that the neighbor acknowledged: it has the answer,
/// so it does not tell them again. The oldest first, at most so many; returns how many.
pub(crate) async fn forget_answered(
    tx: &mut Tx,
    which: Expr,
    (before, acknowledged): (Timestamp, i64),
    max: u64,
) -> Result<u64> {
    let oldest = Query::select()
        .column("request_id")
        .from("site_request")
        .and_where(which)
        .and_where(Expr::col("done_at").lt(before.as_microsecond()))
        .and_where(Expr::col("revision").lte(acknowledged))
        .order_by("revision", Order::Asc)
        .limit(max)
        .to_owned();
    let of_those = Expr::col("request_id").in_subquery(oldest);
    tx.execute(Query::delete().from_table("site_request").and_where(of_those)).await
}

pub(crate) async fn exists(tx: &mut Tx, request_id: &str) -> Result<bool> {
    let select = Query::select()
        .column("request_id")
        .from("site_request")
        .and_where(Expr::col("request_id").eq(request_id))
        .to_owned();
    Ok(tx.optional(&select).await?.is_some())
}

pub(crate) async fn insert(tx: &mut Tx, record: &RequestRecord, call: String, at: Timestamp) -> Result<()> {
    let revision = counter::next(tx, "revision").await?;
    let insert = Query::insert()
        .into_table("site_request")
        .columns([
            "request_id",
            "origin",
            "package_id",
            "user_name",
            "requested_at",
            "call",
            "call_id",
            "revision",
        ])
        .values_panic([
            record.id.as_str().into(),
            record.origin.as_str().into(),
            record.package_id.as_str().into(),
            record.user.as_str().into(),
            at.as_microsecond().into(),
            call.into(),
            record.correlation.as_deref().filter(|id| access::call::is_fit(id)).into(),
            revision.into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Answers an open request: done, or refused for a code and a reason. Returns whose it was.
pub(crate) async fn close(
    tx: &mut Tx,
    request_id: &str,
    package_id: &str,
    refused: Option<(&str, &str)>,
    at: Timestamp,
) -> Result<Option<Closed>> {
    let revision = counter::next(tx, "revision").await?;
    let update = Query::update()
        .table("site_request")
        .value("done_at", at.as_microsecond())
        .value("refused_code", refused.map(|(code, _)| code.to_owned()))
        .value("refused_message", refused.map(|(_, message)| message.to_owned()))
        .value("revision", revision)
        .and_where(Expr::col("request_id").eq(request_id))
        .and_where(by_id(package_id))
        .and_where(Expr::col("done_at").is_null())
        .returning(Query::returning().columns(["origin", "user_name", "call"]))
        .to_owned();
    let Some(row) = tx.optional(&update).await? else { return Ok(None) };
    let call: Call = rows::from_json(&row.get::<String>("call")?, "site_request.call")?;
    Ok(Some(Closed { origin: row.get("origin")?, user: row.get("user_name")?, call: name_of(&call) }))
}

impl Site {
    /// Assigns a package to those distribution points that it is not assigned to.
    async fn assign_missing(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package: &Package,
        points: &[(DpId, String)],
    ) -> Result<Vec<DpId>> {
        let now = self.now();
        let missing = crate::distribution::demand::not_assigned(tx, &package.package_id, points).await?;
        crate::distribution::demand::add(tx, package, &missing, now).await?;
        let messages = missing.iter().map(|(_, name)| Message::dp_added(actor, &package.package_id, name));
        status::add_all(tx, now, messages.collect()).await?;
        Ok(missing.into_iter().map(|(dp, _)| dp).collect())
    }

    /// Demands a package again where its last attempt failed or was cancelled.
    async fn retry_failed(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package_id: &str,
        points: &[(DpId, String)],
    ) -> Result<Vec<DpId>> {
        let now = self.now();
        let mut touched = Vec::new();
        for some in points.chunks(point::AT_ONCE_MAX) {
            let dps: Vec<DpId> = some.iter().map(|(dp, _)| *dp).collect();
            let (targets, cause) = (Targets::Points(&dps), Cause::of(actor, now));
            touched.extend(demand_again(tx, package_id, targets, Again::Failed, cause, now).await?);
        }
        let again: HashSet<DpId> = touched.iter().copied().collect();
        let names = points.iter().filter(|(dp, _)| again.contains(dp));
        let messages = names.map(|(_, name)| Message::dp_refreshed(actor, package_id, name));
        status::add_all(tx, now, messages.collect()).await?;
        Ok(touched)
    }
}
