//! How a package goes to another owner, and what every site does when it hears of it.

use agent::link::{FORMER_OWNERS_MAX, FormerOwner};
use sea_query::{Expr, ExprTrait, Func, JoinType, Query};

use super::apply::lead_to;
use super::topology::{Neighbor, Topology};
use super::{requests, rows};
use crate::db::{Tx, counter};
use crate::distribution::DpId;
use crate::distribution::demand::at;
use crate::error::Result;
use crate::package::{by_id, schedule};
use crate::server::Site;

/// Rows that are forgotten in one transaction.
const FORGOTTEN_MAX: u64 = 1000;

/// Who had the package, and who has it now.
pub(crate) struct Change<'c> {
    pub(crate) package_id: &'c str,
    pub(crate) from: &'c str,
    pub(crate) to: &'c str,
    /// The epoch that ended.
    pub(crate) epoch_before: i64,
    /// The site that has the numbers of the demands from the former owner, as far as this site knows.
    pub(crate) told_by: &'c str,
}

impl Site {
    /// Forgets what this site demanded as a package's owner of distribution points that are none of its branch, once the
    /// site above was told: the new owner has it, and nobody reports here any more how it goes on. Returns how many rows.
    pub(crate) async fn forget_handed_over(&self) -> Result<usize> {
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let Some(parent) = topology.code_of(&Neighbor::Parent) else { return Ok(0) };
        let told = Query::select()
            .column("acknowledged_revision")
            .from("site_node")
            .and_where(Expr::col("site_code").eq(parent))
            .to_owned();
        let told: i64 = tx.optional(&told).await?.map_or(Ok(0), |row| row.get("acknowledged_revision"))?;
        let branch = topology.branch(topology.own());
        let known = Query::select().column("site_code").from("site_node").to_owned();
        let package = Expr::col(("p", "package_id")).equals(("d", "package_id"));
        let select = Query::select()
            .columns([("d", "package_id"), ("d", "dp_id")])
            .from_as("distribution", "d")
            .join_as(JoinType::InnerJoin, "package", "p", package)
            .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
            .and_where(Expr::col(("x", "site_code")).is_not_in(branch.iter().map(String::as_str)))
            .and_where(Expr::col(("p", "source_site")).is_not_in(branch.iter().map(String::as_str)))
            .and_where(Expr::col(("p", "source_site")).in_subquery(known))
            .and_where(Expr::col(("d", "revision")).lte(told))
            .limit(FORGOTTEN_MAX)
            .to_owned();
        let rows = tx.all(&select).await?;
        for row in &rows {
            let (package_id, dp): (String, i64) = (row.get("package_id")?, row.get("dp_id")?);
            let of_row = Query::delete()
                .from_table("distribution")
                .and_where(by_id(&package_id))
                .and_where(at(DpId(dp)))
                .to_owned();
            tx.execute(&of_row).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }
}

/// The former owners of a package, as its row has them, with one more.
pub(crate) fn with_former(stored: &str, site_code: &str, epoch: i64) -> Result<String> {
    let mut former: Vec<FormerOwner> = rows::from_json(stored, "package.former_owners")?;
    former.push(FormerOwner { epoch, site_code: site_code.to_owned() });
    let surplus = former.len().saturating_sub(FORMER_OWNERS_MAX);
    former.drain(..surplus);
    Ok(rows::json(&former))
}

/// Brings this site's rows to the new owner: what a former owner demanded is handed over, the new one goes on from it,
/// and everybody reports and asks anew in the new direction.
pub(crate) async fn follow(tx: &mut Tx, site: &Site, change: Change<'_>) -> Result<()> {
    let own = site.identity().site_code.as_str();
    let Change { package_id, from, to, epoch_before, told_by } = change;
    let revision = counter::next(tx, "revision").await?;
    let mut update = Query::update();
    update.table("distribution").value("revision", revision).value("report_revision", revision);
    if from == own {
        update.value("owner_epoch", epoch_before).value("owner_generation", Expr::col("generation"));
    }
    if to == own {
        let higher = Expr::col("owner_generation").gt(Expr::col("generation"));
        let generation = Expr::case(higher, Expr::col("owner_generation")).finally(Expr::col("generation"));
        update.value("generation", generation);
    }
    tx.execute(&update.and_where(by_id(package_id)).to_owned()).await?;
    if to == own {
        schedule::take_over(tx, site, package_id).await?;
        let highest = Query::select()
            .expr_as(Func::max(Expr::col("generation")), "highest")
            .from("distribution")
            .and_where(by_id(package_id))
            .to_owned();
        let highest: Option<i64> = tx.optional(&highest).await?.map_or(Ok(None), |row| row.get("highest"))?;
        if !lead_to(tx, site, told_by, highest.unwrap_or_default()).await? {
            tracing::warn!(
                package = package_id,
                from,
                "the demands of the former owner have numbers too far ahead"
            );
        }
    }
    requests::tell_again(tx, Some(package_id)).await
}
