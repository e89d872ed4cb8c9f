//! Distribution points that join and leave a group.

use std::collections::HashSet;

use sea_query::{Expr, ExprTrait, OnConflict, Query};

use super::content::Visible;
use super::{DpGroup, POINTS_AT_ONCE_MAX, by_id, called, check_count, check_pairs, content, require, touch};
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::distribution::targets::Targets;
use crate::distribution::{DpId, point};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Lets distribution points, named by NAL path, join a group; with `add_packages` they are sent the group's
    /// packages, of those that exist for the actor. All of them or none; who is a member already stays one, and is sent what it lacks.
    ///
    /// Errors: [`SiteError::GroupNotFound`], [`SiteError::DpNotFound`], [`SiteError::InvalidField`],
    /// [`SiteError::AccessDenied`].
    pub async fn add_dp_group_members(
        &self,
        actor: &Actor,
        group_id: &str,
        nal_paths: &[String],
        add_packages: bool,
    ) -> Result<()> {
        may_change_members(actor, add_packages)?;
        check_count("DPNALPath", nal_paths.len(), POINTS_AT_ONCE_MAX)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        let points = points(self, &mut tx, nal_paths).await?;
        join(&mut tx, group_id, &points).await?;
        let (mut touched, mut left_alone) = (Vec::new(), 0);
        if add_packages {
            let Visible { packages, left_alone: hidden } =
                content::visible_packages_of(&mut tx, actor, group_id).await?;
            left_alone = hidden;
            check_pairs("DPNALPath", packages.len(), points.len())?;
            let ids: Vec<DpId> = points.iter().map(|(dp, _)| *dp).collect();
            for package in &packages {
                for some in ids.chunks(point::AT_ONCE_MAX) {
                    let targets = Targets::Points(some);
                    touched.extend(self.send(&mut tx, actor, package, targets, now).await?);
                }
            }
        }
        touch(&mut tx, actor, &group, now).await?;
        let messages = messages(actor, "AddDistributionPoints", &group, &points, left_alone);
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }

    /// Lets distribution points leave a group. They keep what they hold, unless `remove_packages`: then the group's
    /// packages, of those that exist for the actor, leave them, except those that another of their groups wants. All of them or none.
    ///
    /// Errors: [`SiteError::NotInGroup`] for one that is no member; else as [`Site::add_dp_group_members`].
    pub async fn remove_dp_group_members(
        &self,
        actor: &Actor,
        group_id: &str,
        nal_paths: &[String],
        remove_packages: bool,
    ) -> Result<()> {
        may_change_members(actor, remove_packages)?;
        check_count("DPNALPath", nal_paths.len(), POINTS_AT_ONCE_MAX)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        let points = points(self, &mut tx, nal_paths).await?;
        let gone = leave(&mut tx, group_id, &points).await?;
        if let Some((_, dp)) = points.iter().find(|(dp, _)| !gone.contains(dp)) {
            let what = format!("distribution point {dp}");
            return Err(SiteError::NotInGroup { what, group: group.name });
        }
        let (mut touched, mut left_alone) = (Vec::new(), 0);
        if remove_packages {
            let Visible { packages, left_alone: hidden } =
                content::visible_packages_of(&mut tx, actor, group_id).await?;
            left_alone = hidden;
            check_pairs("DPNALPath", packages.len(), points.len())?;
            let ids: Vec<DpId> = points.iter().map(|(dp, _)| *dp).collect();
            for package in &packages {
                for some in ids.chunks(point::AT_ONCE_MAX) {
                    let points = Targets::Points(some);
                    touched.extend(self.take_away(&mut tx, actor, package.owned(), points, now).await?);
                }
            }
        }
        touch(&mut tx, actor, &group, now).await?;
        let messages = messages(actor, "RemoveDistributionPoints", &group, &points, left_alone);
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(())
    }
}

/// Members are the business of who manages distribution points; what they hold, of who distributes.
fn may_change_members(actor: &Actor, with_packages: bool) -> Result<()> {
    actor.may(Action::ManageGroups)?;
    if with_packages {
        actor.may(Action::Distribute)?;
    }
    Ok(())
}

/// The distribution points that NAL paths name, each once.
async fn points(site: &Site, tx: &mut Tx, nal_paths: &[String]) -> Result<Vec<(DpId, String)>> {
    let wanted: Vec<_> = nal_paths.iter().map(|nal_path| (String::new(), nal_path.clone())).collect();
    let mut points = point::require_all(site, tx, &wanted).await?;
    let mut seen = HashSet::new();
    points.retain(|(dp, _)| seen.insert(*dp));
    Ok(points)
}

fn messages(
    actor: &Actor,
    method: &str,
    group: &DpGroup,
    points: &[(DpId, String)],
    left_alone: usize,
) -> Vec<Message> {
    let rest = content::said_of_the_rest(left_alone);
    points.iter().map(|(_, dp)| called(actor, method, group, &format!("{dp}{rest}")).at_dp(dp)).collect()
}

async fn join(tx: &mut Tx, group_id: &str, points: &[(DpId, String)]) -> Result<()> {
    for some in points.chunks(point::AT_ONCE_MAX) {
        let mut insert = Query::insert();
        insert.into_table("dp_group_member").columns(["group_id", "dp_id"]);
        insert.on_conflict(OnConflict::columns(["group_id", "dp_id"]).do_nothing().to_owned());
        for (dp, _) in some {
            insert.values_panic([group_id.into(), dp.0.into()]);
        }
        tx.execute(&insert).await?;
    }
    Ok(())
}

/// Returns those that were members.
async fn leave(tx: &mut Tx, group_id: &str, points: &[(DpId, String)]) -> Result<HashSet<DpId>> {
    let mut gone = HashSet::new();
    for some in points.chunks(point::AT_ONCE_MAX) {
        let delete = Query::delete()
            .from_table("dp_group_member")
            .and_where(by_id(group_id))
            .and_where(Expr::col("dp_id").is_in(some.iter().map(|(dp, _)| dp.0)))
            .returning_col("dp_id")
            .to_owned();
        for row in tx.all(&delete).await? {
            gone.insert(DpId(row.get("dp_id")?));
        }
    }
    Ok(gone)
}
