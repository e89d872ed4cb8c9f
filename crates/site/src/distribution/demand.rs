//! What an administrator or a new version demands of distribution points.
//!
//! A demand raises the row's generation, so that facts about an earlier demand are recognised as such, and
//! its revision, by which the agent learns of it. The revision comes from one counter inside the writing
//! transaction: what readers see rises in commit order and an agent that asks "after r" misses nothing.

use std::collections::{HashMap, HashSet};

use agent::link::{Call, DpName};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query, UpdateStatement};

use super::DpId;
use super::cause::{self, Cause};
use super::partner::{self, PartnerData};
use super::state::{Event, Next, State, transition};
use super::{point, rate};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx, counter};
use crate::error::{Result, SiteError};
use crate::hierarchy::content::names_of;
use crate::package::{Package, by_id};
use crate::server::Site;
use crate::snapshot::publish::newest_version;
use crate::status::{self, Message};

/// Distribution points in one call.
const ADDED_AT_ONCE_MAX: usize = 10_000;

impl Site {
    /// Assigns a package to distribution points, named by site code and NAL path. All of them or none.
    ///
    /// Errors: [`SiteError::AlreadyExists`] where the package is assigned already, [`SiteError::DpNotFound`],
    /// [`SiteError::PackageNotFound`].
    pub async fn add_distribution_points(
        &self,
        actor: &Actor,
        package_id: &str,
        dps: &[(String, String)],
    ) -> Result<()> {
        self.add_distribution_points_with(actor, package_id, dps, &PartnerData::default()).await
    }

    /// As [`Site::add_distribution_points`], with what a partner keeps with each assignment: both or neither.
    ///
    /// Errors: also [`SiteError::InvalidField`].
    pub async fn add_distribution_points_with(
        &self,
        actor: &Actor,
        package_id: &str,
        dps: &[(String, String)],
        partner: &PartnerData,
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        partner.check()?;
        if dps.is_empty() || dps.len() > ADDED_AT_ONCE_MAX {
            let reason = format!("1 to {ADDED_AT_ONCE_MAX} distribution points are needed");
            return Err(SiteError::invalid("NALPath", reason));
        }
        let now = self.now();
        let mut tx = self.db().write().await?;
        let package = self.visible_package(&mut tx, actor, package_id).await?;
        let points = point::require_all(self, &mut tx, dps).await?;
        let is_own = package.source_site == self.identity().site_code;
        if !is_own {
            require_no_partner(&package, partner)?;
            let missing = not_assigned(&mut tx, package_id, &points).await?;
            if let Some((_, name)) = points.iter().find(|point| !missing.contains(point)) {
                return Err(exists(package_id, name));
            }
            let points = names(&mut tx, &points).await?;
            self.ask_owner(&mut tx, actor, package.owned(), Call::Assign { points }).await?;
        } else {
            add(&mut tx, &package, &points, now).await?;
            cause::note(&mut tx, package_id, Cause::of(actor, now), now).await?;
        }
        let messages = points.iter().map(|(_, name)| Message::dp_added(actor, package_id, name)).collect();
        status::add_all(&mut tx, now, messages).await?;
        for (dp, name) in points.iter().filter(|_| is_own) {
            partner::store(&mut tx, actor, package_id, (*dp, name), partner, now).await?;
        }
        let touched: Vec<DpId> = points.iter().map(|(dp, _)| *dp).collect();
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }

    /// Brings the same version to one distribution point again: verify everything, repair what is wrong.
    pub async fn redistribute(&self, actor: &Actor, package_id: &str, nal_path: &str) -> Result<()> {
        self.demand(actor, package_id, nal_path, Demand::Again, &PartnerData::default()).await
    }

    /// As [`Site::redistribute`], with what a partner keeps with the assignment: both or neither.
    ///
    /// Errors: also [`SiteError::InvalidField`].
    pub async fn redistribute_with(
        &self,
        actor: &Actor,
        package_id: &str,
        nal_path: &str,
        partner: &PartnerData,
    ) -> Result<()> {
        self.demand(actor, package_id, nal_path, Demand::Again, partner).await
    }

    /// Hashes all files of the package at one distribution point again; what is wrong is repaired.
    ///
    /// Errors: [`SiteError::Transition`] unless the package is installed there.
    pub async fn validate(&self, actor: &Actor, package_id: &str, nal_path: &str) -> Result<()> {
        self.demand(actor, package_id, nal_path, Demand::Validate, &PartnerData::default()).await
    }

    /// Removes a package from one distribution point. The assignment ends when the agent has reported.
    pub async fn remove_from_distribution_point(
        &self,
        actor: &Actor,
        package_id: &str,
        nal_path: &str,
    ) -> Result<()> {
        self.demand(actor, package_id, nal_path, Demand::Remove, &PartnerData::default()).await
    }

    /// Ends an ongoing distribution to one distribution point: it is in state [`State::InstallFailed`], the agent stops
    /// transferring and does not try again. What it serves stays served. A refresh or a redistribution starts anew.
    ///
    /// Errors: [`SiteError::Transition`] unless a distribution is going on.
    pub async fn cancel_distribution(&self, actor: &Actor, package_id: &str, nal_path: &str) -> Result<()> {
        self.demand(actor, package_id, nal_path, Demand::Cancel, &PartnerData::default()).await
    }

    async fn demand(
        &self,
        actor: &Actor,
        package_id: &str,
        nal_path: &str,
        demand: Demand,
        partner: &PartnerData,
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        partner.check()?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let package = self.visible_package(&mut tx, actor, package_id).await?;
        let (dp, name) = point::require(self, &mut tx, nal_path).await?;
        if package.source_site == self.identity().site_code {
            self.demand_here(&mut tx, actor, package_id, (dp, &name), demand).await?;
            partner::store(&mut tx, actor, package_id, (dp, &name), partner, now).await?;
        } else {
            require_no_partner(&package, partner)?;
            let call = demand.call(names(&mut tx, &[(dp, name.clone())]).await?);
            self.ask_owner(&mut tx, actor, package.owned(), call).await?;
            status::add(&mut tx, now, demand.message(actor, package_id, &name)).await?;
        }
        tx.commit().await?;
        self.changes().notify(&[dp]);
        Ok(())
    }

    /// Demands something of one distribution point of a package that this site owns.
    pub(crate) async fn demand_here(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package_id: &str,
        (dp, name): (DpId, &str),
        demand: Demand,
    ) -> Result<()> {
        let now = self.now();
        let row = read_row(tx, package_id, dp).await?;
        let missing =
            || SiteError::DistributionNotFound { package_id: package_id.to_owned(), dp: name.to_owned() };
        let row = row.ok_or_else(missing)?;
        let event = match demand {
            Demand::Again => Event::Wanted { serving: row.serving },
            Demand::Validate => Event::ValidationWanted,
            Demand::Cancel => Event::Cancelled,
            Demand::Remove => Event::RemovalWanted,
        };
        let revision = counter::next(tx, "revision").await?;
        let mut update = match demand {
            Demand::Cancel => cancelled_by(actor, next_state(row.state, event)?, revision, now),
            _ => demand_update(row.state, event, revision, now)?,
        };
        match demand {
            Demand::Again | Demand::Validate => update.value("verify", 1i64),
            Demand::Cancel => update.value("verify", 0i64),
            Demand::Remove => update.value("verify", 0i64).value("absent", 1i64),
        };
        tx.execute(&update.and_where(by_id(package_id)).and_where(at(dp)).to_owned()).await?;
        cause::note(tx, package_id, Cause::of(actor, now), now).await?;
        status::add(tx, now, demand.message(actor, package_id, name)).await
    }
}

/// What is demanded of one distribution point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demand {
    Again,
    Validate,
    Cancel,
    Remove,
}

impl Demand {
    fn message(self, actor: &Actor, package_id: &str, dp: &str) -> Message {
        match self {
            Self::Again => Message::dp_refreshed(actor, package_id, dp),
            Self::Validate => Message::dp_validated(actor, package_id, dp),
            Self::Cancel => Message::dp_cancelled(actor, package_id, dp),
            Self::Remove => Message::dp_removed(actor, package_id, dp),
        }
    }

    /// The same, asked of another site.
    fn call(self, points: Vec<DpName>) -> Call {
        match self {
            Self::Again => Call::Redistribute { points },
            Self::Validate => Call::Validate { points },
            Self::Cancel => Call::Cancel { points },
            Self::Remove => Call::Remove { points },
        }
    }
}

/// What partners keep with an assignment does not travel.
fn require_no_partner(package: &Package, partner: &PartnerData) -> Result<()> {
    if *partner == PartnerData::default() {
        return Ok(());
    }
    Err(SiteError::PackageLocked {
        package_id: package.package_id.clone(),
        source_site: package.source_site.clone(),
    })
}

fn exists(package_id: &str, dp: &str) -> SiteError {
    SiteError::AlreadyExists {
        what: format!("the assignment of package {package_id} to distribution point {dp}"),
    }
}

/// The names of distribution points in the hierarchy, in any order.
async fn names(tx: &mut Tx, points: &[(DpId, String)]) -> Result<Vec<DpName>> {
    let mut names = Vec::with_capacity(points.len());
    for some in points.chunks(point::AT_ONCE_MAX) {
        names.extend(names_of(tx, Expr::col("id").is_in(some.iter().map(|(dp, _)| dp.0))).await?);
    }
    Ok(names)
}

/// Those distribution points that the package is not assigned to, or on its way out.
pub(crate) async fn not_assigned(
    tx: &mut Tx,
    package_id: &str,
    points: &[(DpId, String)],
) -> Result<Vec<(DpId, String)>> {
    let mut missing = Vec::new();
    for some in points.chunks(point::AT_ONCE_MAX) {
        let dps: Vec<DpId> = some.iter().map(|(dp, _)| *dp).collect();
        let rows = read_rows(tx, package_id, &dps).await?;
        let is_missing = |(dp, _): &&(DpId, String)| rows.get(dp).is_none_or(|row| is_removal(row.state));
        missing.extend(some.iter().filter(is_missing).cloned());
    }
    Ok(missing)
}

/// The fault code of a cancelled distribution.
pub(crate) const CANCELLED: &str = "cancelled";

fn cancelled_by(actor: &Actor, next: State, revision: i64, now: Timestamp) -> UpdateStatement {
    let message = format!(
        "the distribution was cancelled by {}; redistribute or refresh the package to start it again",
        actor.name
    );
    let mut update = begun_anew(next, revision, now);
    update
        .value("owner_epoch", 0i64)
        .value("cancelled", 1i64)
        .value("fault_code", CANCELLED)
        .value("fault_message", message)
        .value("fault_at", now.as_microsecond());
    update
}

/// What a demand needs to know of a row.
struct DemandRow {
    state: State,
    serving: bool,
}

async fn read_row(tx: &mut Tx, package_id: &str, dp: DpId) -> Result<Option<DemandRow>> {
    Ok(read_rows(tx, package_id, &[dp]).await?.remove(&dp))
}

async fn read_rows(tx: &mut Tx, package_id: &str, dps: &[DpId]) -> Result<HashMap<DpId, DemandRow>> {
    let select = Query::select()
        .columns(["dp_id", "state", "installed_version"])
        .from("distribution")
        .and_where(by_id(package_id))
        .and_where(Expr::col("dp_id").is_in(dps.iter().map(|dp| dp.0)))
        .to_owned();
    let read = |row: &Row| {
        let state = State::from_number(row.get("state")?)?;
        let serving = row.get::<i64>("installed_version")? > 0;
        Ok((DpId(row.get("dp_id")?), DemandRow { state, serving }))
    };
    tx.all(&select).await?.iter().map(read).collect()
}

/// The part of an update that is the same for every demand on one row.
fn demand_update(state: State, event: Event, revision: i64, now: Timestamp) -> Result<UpdateStatement> {
    Ok(demand_values(next_state(state, event)?, revision, now))
}

fn next_state(state: State, event: Event) -> Result<State> {
    match transition(state, event)? {
        Next::State(next) => Ok(next),
        Next::Gone => Err(SiteError::Transition(super::state::TransitionError { state, event })),
    }
}

pub(super) fn demand_values(next: State, revision: i64, now: Timestamp) -> UpdateStatement {
    let mut update = without_fault(next, revision, now);
    update.value("owner_epoch", 0i64);
    update
}

/// A demand that the owner of another site's package knows nothing of leaves standing whose goal this is.
pub(super) fn without_fault(next: State, revision: i64, now: Timestamp) -> UpdateStatement {
    let no_text = Option::<String>::None;
    let mut update = begun_anew(next, revision, now);
    update
        .value("cancelled", 0i64)
        .value("fault_code", no_text.clone())
        .value("fault_message", no_text)
        .value("fault_at", Option::<i64>::None);
    update
}

/// A demand is told anew and nothing was done for it; whether it has a fault from the start is for the caller to say.
fn begun_anew(next: State, revision: i64, now: Timestamp) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table("distribution")
        .value("state", i64::from(next.number()))
        .value("generation", Expr::col("generation").add(1i64))
        .value("revision", revision)
        .value("report_revision", revision)
        .value("demanded_at", now.as_microsecond())
        .value("changed_at", now.as_microsecond())
        .value("attempts", 0i64)
        .value("next_attempt_at", Option::<i64>::None)
        .value("bytes_total", 0i64)
        .value("bytes_done", 0i64)
        .value("bytes_received", 0i64)
        .value("paused_until", Option::<i64>::None)
        .value("paused_reason", Option::<String>::None)
        .value("files_done", 0i64)
        .value("files_total", 0i64)
        .value("fault_file", Option::<String>::None);
    rate::stop(&mut update);
    update
}

/// Assigns the package to all of these, under one revision.
pub(crate) async fn add(
    tx: &mut Tx,
    package: &Package,
    points: &[(DpId, String)],
    now: Timestamp,
) -> Result<()> {
    let id = &package.package_id;
    // One that is not here yet is waited for: nobody is said to have the newest version who has an older one.
    let wanted = i64::from(newest_version(tx, id).await?);
    let revision = counter::next(tx, "revision").await?;
    let mut added = HashSet::new();
    for some in points.chunks(point::AT_ONCE_MAX) {
        let dps: Vec<DpId> = some.iter().map(|(dp, _)| *dp).collect();
        let rows = read_rows(tx, id, &dps).await?;
        let mut new = Vec::new();
        for (dp, name) in some {
            let exists = || exists(id, name);
            if !added.insert(*dp) {
                return Err(exists());
            }
            let Some(row) = rows.get(dp) else {
                new.push(*dp);
                continue;
            };
            let mut update = demand_update(row.state, Event::Added, revision, now).map_err(|_| exists())?;
            update.value("absent", 0i64).value("verify", 0i64).value("desired_version", wanted);
            tx.execute(update.and_where(by_id(id)).and_where(at(*dp))).await?;
        }
        insert(tx, id, &new, wanted, revision, now).await?;
    }
    Ok(())
}

/// What a new row of `distribution` says; everything else begins as the table has it.
pub(crate) const NEW_ROW: [&str; 11] = [
    "package_id",
    "dp_id",
    "absent",
    "desired_version",
    "verify",
    "generation",
    "revision",
    "report_revision",
    "demanded_at",
    "changed_at",
    "state",
];

/// New assignments. Nothing of them is told before their revision is.
pub(crate) async fn insert(
    tx: &mut Tx,
    package_id: &str,
    dps: &[DpId],
    wanted: i64,
    revision: i64,
    now: Timestamp,
) -> Result<()> {
    if dps.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert.into_table("distribution").columns(NEW_ROW);
    for dp in dps {
        insert.values_panic([
            package_id.into(),
            dp.0.into(),
            0i64.into(),
            wanted.into(),
            0i64.into(),
            // Rises over the life of the site, so that a row that was removed and made again is never
            // mistaken for its predecessor.
            revision.into(),
            revision.into(),
            revision.into(),
            now.as_microsecond().into(),
            now.as_microsecond().into(),
            i64::from(State::InstallPending.number()).into(),
        ]);
    }
    tx.execute(&insert).await?;
    Ok(())
}

/// A new version is published: every assignment that stands wants it now, and a verification that was asked for and not done is
/// done with it. Returns whom to tell.
pub(crate) async fn want_version(
    tx: &mut Tx,
    package_id: &str,
    version: u32,
    cause: Cause<'_>,
    now: Timestamp,
) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let mut touched = Vec::new();
    for (serving, state) in [(true, State::ContentUpdating), (false, State::InstallPending)] {
        // The same step as `transition` takes for each of these rows, in one statement for all of them.
        debug_assert!(State::ALL.into_iter().all(|from| {
            transition(from, Event::Wanted { serving }).is_ok_and(|next| next == Next::State(state))
                || is_removal(from)
        }));
        let installed = Expr::col("installed_version");
        let mut update = demand_values(state, revision, now);
        update
            .value("desired_version", i64::from(version))
            .and_where(by_id(package_id))
            .and_where(Expr::col("absent").eq(0i64))
            .and_where(Expr::col("revision").ne(revision))
            .and_where(if serving { installed.gt(0i64) } else { installed.eq(0i64) })
            .returning_col("dp_id");
        for row in tx.all(&update).await? {
            touched.push(DpId(row.get("dp_id")?));
        }
    }
    if !touched.is_empty() {
        cause::note(tx, package_id, cause, now).await?;
    }
    Ok(touched)
}

pub(crate) fn is_removal(state: State) -> bool {
    matches!(state, State::RemovalPending | State::RemovalRetrying | State::RemovalFailed)
}

/// A version that another site published is here: own distribution points that want it are told. Returns whom to tell.
pub(crate) async fn version_is_here(
    tx: &mut Tx,
    package_id: &str,
    version: u32,
    own_site: &str,
) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let own =
        Query::select().column("id").from("dp").and_where(Expr::col("site_code").eq(own_site)).to_owned();
    let update = Query::update()
        .table("distribution")
        .value("revision", revision)
        .and_where(by_id(package_id))
        .and_where(Expr::col("absent").eq(0i64))
        .and_where(Expr::col("desired_version").eq(i64::from(version)))
        .and_where(Expr::col("dp_id").in_subquery(own))
        .returning_col("dp_id")
        .to_owned();
    tx.all(&update).await?.iter().map(|row| row.get("dp_id").map(DpId)).collect()
}

/// The package goes: no distribution point shall hold it. Returns whom to tell.
pub(crate) async fn remove_everywhere(tx: &mut Tx, package_id: &str, now: Timestamp) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let mut update = demand_values(State::RemovalPending, revision, now);
    update.value("absent", 1i64).value("verify", 0i64).and_where(by_id(package_id)).returning_col("dp_id");
    tx.all(&update).await?.iter().map(|row| row.get("dp_id").map(DpId)).collect()
}

/// Tells every agent the row again without a new demand, for example because the priority changed.
pub(crate) async fn tell_again(tx: &mut Tx, package_id: &str) -> Result<Vec<DpId>> {
    let revision = counter::next(tx, "revision").await?;
    let update = Query::update()
        .table("distribution")
        .value("revision", revision)
        .and_where(by_id(package_id))
        .returning_col("dp_id")
        .to_owned();
    tx.all(&update).await?.iter().map(|row| row.get("dp_id").map(DpId)).collect()
}

/// Tells one agent again what it works on, without a new demand: what waits for a window looks whether it is open now.
/// Returns whether there is anything.
pub(crate) async fn tell_waiting(tx: &mut Tx, dp: DpId) -> Result<bool> {
    let working =
        [State::InstallPending, State::InstallRetrying, State::ContentUpdating, State::ContentMonitoring];
    let select = Query::select()
        .column("package_id")
        .from("distribution")
        .and_where(at(dp))
        .and_where(Expr::col("absent").eq(0i64))
        .and_where(Expr::col("state").is_in(working.map(|state| i64::from(state.number()))))
        .to_owned();
    let rows = tx.all(&select).await?;
    // One at least, so that other servers of this site see that something changed.
    let count = i64::try_from(Ord::max(rows.len(), 1)).expect("fewer rows than i64 counts");
    let last = counter::raise(tx, "revision", count).await?;
    for (revision, row) in (last - count + 1..).zip(&rows) {
        let update = Query::update()
            .table("distribution")
            .value("revision", revision)
            .and_where(by_id(&row.get::<String>("package_id")?))
            .and_where(at(dp))
            .to_owned();
        tx.execute(&update).await?;
    }
    Ok(!rows.is_empty())
}

/// An agent enrolled anew, perhaps with an empty disk: what it held is no longer known.
pub(crate) async fn demand_again_after_enrolment(tx: &mut Tx, dp: DpId, now: Timestamp) -> Result<()> {
    let select =
        Query::select().columns(["package_id", "state"]).from("distribution").and_where(at(dp)).to_owned();
    let rows = tx.all(&select).await?;
    // The rows of one distribution point differ in their revisions: it reads them in pages.
    let count = i64::try_from(rows.len()).expect("fewer rows than i64 counts");
    let last = counter::raise(tx, "revision", count).await?;
    for (revision, row) in (last - count + 1..).zip(rows) {
        let package_id: String = row.get("package_id")?;
        let state = State::from_number(row.get("state")?)?;
        let mut update = without_fault(next_state(state, Event::Reenrolled)?, revision, now);
        update
            .value("installed_version", 0i64)
            .value("requested_at", now.as_microsecond())
            .value("call_id", Option::<String>::None);
        tx.execute(update.and_where(by_id(&package_id)).and_where(at(dp))).await?;
    }
    Ok(())
}

pub(crate) fn at(dp: DpId) -> Expr {
    Expr::col("dp_id").eq(dp.0)
}
