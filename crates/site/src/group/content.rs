//! Packages that a group wants, and what that demands of its members.

use agent::link::{CALL_POINTS_MAX, Call, DpName};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, JoinType, OnConflict, Order, Query};

use super::{
    DpGroup, PACKAGES_AT_ONCE_MAX, PAIRS_AT_ONCE_MAX, by_id, called, check_count, check_pairs, require, touch,
};
use crate::access::scope::{SecuredType, visible_among};
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::distribution::DpId;
use crate::distribution::cause::Cause;
use crate::distribution::targets::{self, Again, Targets, assign, demand_again, withdraw};
use crate::error::{Result, SiteError};
use crate::package;
use crate::server::Site;
use crate::status::{self, Message};

/// A package of a group.
pub(super) struct GroupPackage {
    pub(super) id: String,
    /// The site that owns it.
    pub(super) source_site: String,
}

impl Site {
    /// Sends packages to a group: every member is assigned each of them, and whoever joins later. All or none; what
    /// is in the group already stays, and is assigned to members that lack it.
    ///
    /// Errors: [`SiteError::GroupNotFound`], [`SiteError::PackageNotFound`], [`SiteError::InvalidField`],
    /// [`SiteError::AccessDenied`].
    pub async fn add_dp_group_packages(
        &self,
        actor: &Actor,
        group_id: &str,
        package_ids: &[String],
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        check_count("PackageIDs", package_ids.len(), PACKAGES_AT_ONCE_MAX)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        check_pairs("PackageIDs", package_ids.len(), members(&mut tx, group_id).await?)?;
        let mut touched = Vec::new();
        for id in each_once(package_ids) {
            let package = self.visible_package(&mut tx, actor, &id).await?;
            want(&mut tx, group_id, &id).await?;
            let targets = Targets::Members(group_id);
            let package = GroupPackage { id: id.clone(), source_site: package.source_site };
            touched.extend(self.send(&mut tx, actor, &package, targets, now).await?);
            status::add(&mut tx, now, called(actor, "AddPackages", &group, &id).of_package(&id)).await?;
        }
        touch(&mut tx, actor, &group, now).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }

    /// Takes packages from a group; with `from_points` they also leave its members, except where another group of
    /// the member wants them. All or none.
    ///
    /// Errors: [`SiteError::NotInGroup`] for a package that is not the group's; else as
    /// [`Site::add_dp_group_packages`].
    pub async fn remove_dp_group_packages(
        &self,
        actor: &Actor,
        group_id: &str,
        package_ids: &[String],
        from_points: bool,
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        check_count("PackageIDs", package_ids.len(), PACKAGES_AT_ONCE_MAX)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        check_pairs("PackageIDs", package_ids.len(), members(&mut tx, group_id).await?)?;
        let mut touched = Vec::new();
        for id in each_once(package_ids) {
            let package = self.visible_package(&mut tx, actor, &id).await?;
            let delete = Query::delete()
                .from_table("dp_group_package")
                .and_where(by_id(group_id))
                .and_where(package::by_id(&id))
                .to_owned();
            if tx.execute(&delete).await? == 0 {
                return Err(not_in(&group, &id));
            }
            let mut what = id.clone();
            if from_points {
                let members = Targets::Members(group_id);
                let left = self.take_away(&mut tx, actor, package.owned(), members, now).await?;
                what = format!("{id}, and from {} of its distribution points", left.len());
                touched.extend(left);
            }
            let message = called(actor, "RemovePackages", &group, &what).of_package(&id);
            status::add(&mut tx, now, message).await?;
        }
        touch(&mut tx, actor, &group, now).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }

    /// Brings the same version of packages to every member again: what is there is verified, what is wrong or
    /// missing is fetched. All or none.
    ///
    /// Errors: [`SiteError::NotInGroup`] for a package that is not the group's; else as
    /// [`Site::add_dp_group_packages`].
    pub async fn redistribute_dp_group_packages(
        &self,
        actor: &Actor,
        group_id: &str,
        package_ids: &[String],
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        check_count("PackageID", package_ids.len(), PACKAGES_AT_ONCE_MAX)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        check_pairs("PackageID", package_ids.len(), members(&mut tx, group_id).await?)?;
        let packages = packages_of(&mut tx, group_id).await?;
        let mut touched = Vec::new();
        for id in each_once(package_ids) {
            self.visible_package(&mut tx, actor, &id).await?;
            let package = packages.iter().find(|package| package.id == id);
            let package = package.ok_or_else(|| not_in(&group, &id))?;
            let targets = Targets::Members(group_id);
            if package.source_site == self.identity().site_code {
                let cause = Cause::of(actor, now);
                // First those that stand: what is assigned now needs no verifying.
                touched.extend(demand_again(&mut tx, &id, targets, Again::Verified, cause, now).await?);
            } else {
                let points = targets::names(&mut tx, &id, targets, false).await?;
                self.ask_for(&mut tx, actor, package.owned(), points, |points| Call::Redistribute { points })
                    .await?;
            }
            touched.extend(self.send(&mut tx, actor, package, targets, now).await?);
            status::add(&mut tx, now, called(actor, "ReDistributePackage", &group, &id).of_package(&id))
                .await?;
        }
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }

    /// Brings every member to the group's packages, of those that exist for the actor: what a member is not assigned, or no longer, it is assigned;
    /// where the last attempt failed, the next is made now. Transfers under way and what is installed go on
    /// undisturbed.
    ///
    /// Errors: [`SiteError::GroupNotFound`], [`SiteError::AccessDenied`], [`SiteError::Conflict`] for more than one
    /// transaction does.
    pub async fn refresh_dp_group(&self, actor: &Actor, group_id: &str) -> Result<()> {
        actor.may(Action::Distribute)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        let Visible { packages, left_alone } = visible_packages_of(&mut tx, actor, group_id).await?;
        check_refreshed(packages.len(), members(&mut tx, group_id).await?)?;
        let mut touched = Vec::new();
        for package in packages {
            let targets = Targets::Members(group_id);
            if package.source_site == self.identity().site_code {
                let cause = Cause::of(actor, now);
                touched.extend(demand_again(&mut tx, &package.id, targets, Again::Failed, cause, now).await?);
            } else {
                // The owner knows what failed; of other sites' distribution points this site may not.
                let points = targets::names(&mut tx, &package.id, targets, false).await?;
                self.ask_for(&mut tx, actor, package.owned(), points, |points| Call::Retry { points })
                    .await?;
            }
            touched.extend(self.send(&mut tx, actor, &package, targets, now).await?);
        }
        let what = format!("{}{}", group.name, said_of_the_rest(left_alone));
        let message = Message::called(actor, super::CLASS, "RefreshDPGroup", &what);
        status::add(&mut tx, now, super::of_group(message, &group)).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }
}

impl GroupPackage {
    pub(super) fn owned(&self) -> (&str, &str) {
        (&self.id, &self.source_site)
    }
}

/// What a group demands of a package that another site owns is asked of that site.
impl Site {
    /// Assigns a package wherever it is not assigned. Returns whom to tell.
    pub(super) async fn send(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package: &GroupPackage,
        targets: Targets<'_>,
        now: Timestamp,
    ) -> Result<Vec<DpId>> {
        if package.source_site == self.identity().site_code {
            return assign(tx, &package.id, targets, Cause::of(actor, now), now).await;
        }
        let points = targets::names(tx, &package.id, targets, false).await?;
        self.ask_for(tx, actor, package.owned(), points, |points| Call::Assign { points }).await?;
        Ok(Vec::new())
    }

    /// Takes a package away wherever no group wants it any more. Returns whom to tell.
    pub(super) async fn take_away(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package: (&str, &str),
        targets: Targets<'_>,
        now: Timestamp,
    ) -> Result<Vec<DpId>> {
        if package.1 == self.identity().site_code {
            return withdraw(tx, package.0, targets, Cause::of(actor, now), now).await;
        }
        let points = targets::names(tx, package.0, targets, true).await?;
        self.ask_for(tx, actor, package, points, |points| Call::Remove { points }).await?;
        Ok(Vec::new())
    }

    async fn ask_for(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package: (&str, &str),
        points: Vec<DpName>,
        call: fn(Vec<DpName>) -> Call,
    ) -> Result<()> {
        for some in points.chunks(CALL_POINTS_MAX) {
            self.ask_owner(tx, actor, package, call(some.to_vec())).await?;
        }
        Ok(())
    }
}

/// The packages of a group that exist for an actor.
pub(super) struct Visible {
    pub(super) packages: Vec<GroupPackage>,
    /// Packages of the group that do not.
    pub(super) left_alone: usize,
}

/// The group's packages that the actor may move, by id.
pub(super) async fn visible_packages_of(tx: &mut Tx, actor: &Actor, group_id: &str) -> Result<Visible> {
    let mut packages = packages_of(tx, group_id).await?;
    let all = packages.len();
    let ids: Vec<String> = packages.iter().map(|package| package.id.clone()).collect();
    let visible = visible_among(tx, &actor.scopes, SecuredType::Package, &ids).await?;
    packages.retain(|package| visible.contains(&package.id));
    Ok(Visible { left_alone: all - packages.len(), packages })
}

/// What an audit message adds for packages that were left alone; they are not named.
pub(super) fn said_of_the_rest(left_alone: usize) -> String {
    match left_alone {
        0 => String::new(),
        count => format!(" ({count} of the group's packages, outside of the user's scopes, left alone)"),
    }
}

/// A refresh has nothing to name less of, so it says what else does the same.
fn check_refreshed(packages: usize, points: usize) -> Result<()> {
    if packages.saturating_mul(points) <= PAIRS_AT_ONCE_MAX {
        return Ok(());
    }
    let reason = format!(
        "{packages} packages for {points} distribution points are more than the {PAIRS_AT_ONCE_MAX} assignments of \
         one refresh; use ReDistributePackage with some of its packages at once"
    );
    Err(SiteError::Conflict { reason })
}

/// The packages of a group, by id.
async fn packages_of(tx: &mut Tx, group_id: &str) -> Result<Vec<GroupPackage>> {
    let select = Query::select()
        .columns([("p", "package_id"), ("p", "source_site")])
        .from_as("dp_group_package", "g")
        .join_as(
            JoinType::InnerJoin,
            "package",
            "p",
            Expr::col(("p", "package_id")).equals(("g", "package_id")),
        )
        .and_where(Expr::col(("g", "group_id")).eq(group_id))
        .order_by(("p", "package_id"), Order::Asc)
        .to_owned();
    let read = |row: &crate::db::Row| {
        Ok(GroupPackage { id: row.get("package_id")?, source_site: row.get("source_site")? })
    };
    tx.all(&select).await?.iter().map(read).collect()
}

/// How many distribution points the group has.
async fn members(tx: &mut Tx, group_id: &str) -> Result<usize> {
    let select = Query::select()
        .expr_as(Func::count(Expr::col("dp_id")), "members")
        .from("dp_group_member")
        .and_where(by_id(group_id))
        .to_owned();
    match tx.optional(&select).await? {
        Some(row) => row.unsigned("members"),
        None => Ok(0),
    }
}

async fn want(tx: &mut Tx, group_id: &str, package_id: &str) -> Result<()> {
    let insert = Query::insert()
        .into_table("dp_group_package")
        .columns(["group_id", "package_id"])
        .values_panic([group_id.into(), package_id.into()])
        .on_conflict(OnConflict::columns(["group_id", "package_id"]).do_nothing().to_owned())
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Package ids as the site writes them, each once, in their order.
fn each_once(package_ids: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::with_capacity(package_ids.len());
    for id in package_ids.iter().map(|id| id.to_ascii_uppercase()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn not_in(group: &DpGroup, package_id: &str) -> SiteError {
    SiteError::NotInGroup { what: format!("package {package_id}"), group: group.name.clone() }
}
