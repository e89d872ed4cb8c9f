//! Content that no distribution point needs from here any more: this site lets go of it, and brings it in again when one
//! does.
//!
//! Only what another site published may go, and only while that site answers for it, or once a newer version takes its place:
//! then somebody has what is still asked for. The rows of the versions stay,
//! as history; the library's collector takes the bytes after its grace, so that a distribution point that is targeted
//! again soon costs no transfer.

use agent::trust::VersionSignature;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use super::rows;
use super::topology::{NextHop, Topology};
use crate::db::{Row, Tx};
use crate::error::Result;
use crate::package::{ActionInProgress, by_id};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Lets go of the versions of other sites' packages that nothing behind this site needs. Returns how many packages
    /// it let go of.
    pub(crate) async fn release_unneeded(&self) -> Result<usize> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let held = tx.all(&select_held(topology.own(), None)).await?;
        tx.commit().await?;
        let mut released = 0;
        for package_id in unneeded(&topology, &held)? {
            released += usize::from(self.release_package(&package_id).await?);
        }
        Ok(released)
    }

    /// As it is now, whatever it was when it was looked up: a target may have come in between.
    async fn release_package(&self, package_id: &str) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let held = tx.all(&select_held(topology.own(), Some(package_id))).await?;
        if unneeded(&topology, &held)?.is_empty() {
            return Ok(false);
        }
        let (name, version) = (held[0].get::<String>("name")?, held[0].unsigned("stored_version")?);
        let manifests = let_go(&mut tx, package_id).await?;
        status::add(&mut tx, self.now(), Message::content_released(package_id, &name, version)).await?;
        tx.commit().await?;
        self.release(&manifests).await;
        Ok(true)
    }
}

/// Other sites' packages of which a version is here, with each site whose distribution points shall hold the package.
fn select_held(own: &str, package_id: Option<&str>) -> SelectStatement {
    let of_package = |alias: &'static str| Expr::col((alias, "package_id")).equals(("p", "package_id"));
    let stored = of_package("v").and(Expr::col(("v", "version")).equals(("p", "stored_version")));
    let newer = of_package("o").and(Expr::col(("o", "version")).gt(Expr::col(("p", "stored_version"))));
    let wanted = of_package("d").and(Expr::col(("d", "absent")).eq(0i64));
    let mut select = Query::select();
    select
        .distinct()
        .columns([("p", "package_id"), ("p", "name"), ("p", "source_site"), ("p", "stored_version")])
        .column(("v", "signature"))
        .expr_as(Expr::col(("x", "site_code")), "dp_site")
        .expr_as(Expr::col(("o", "version")), "newer")
        .from_as("package", "p")
        .join_as(JoinType::InnerJoin, "package_version", "v", stored)
        .join_as(JoinType::LeftJoin, "offered_version", "o", newer)
        .join_as(JoinType::LeftJoin, "distribution", "d", wanted)
        .join_as(JoinType::LeftJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .and_where(Expr::col(("p", "source_site")).ne(own))
        .and_where(Expr::col(("p", "stored_version")).gt(0i64))
        .and_where(Expr::col(("p", "action_in_progress")).ne(i64::from(ActionInProgress::Delete.number())))
        .order_by(("p", "package_id"), Order::Asc);
    if let Some(package_id) = package_id {
        select.and_where(Expr::col(("p", "package_id")).eq(package_id));
    }
    select
}

/// The packages of which no row asks for the bytes to be here.
fn unneeded(topology: &Topology, held: &[Row]) -> Result<Vec<String>> {
    let mut unneeded: Vec<String> = Vec::new();
    for rows in held.chunk_by(is_same_package) {
        let mut may_go = true;
        for row in rows {
            may_go &= may_go_for(topology, row)?;
        }
        if may_go {
            unneeded.push(rows[0].get("package_id")?);
        }
    }
    Ok(unneeded)
}

fn is_same_package(one: &Row, other: &Row) -> bool {
    let id = |row: &Row| row.get::<String>("package_id").ok();
    id(one) == id(other)
}

/// Whether another site has what is here or what is newer, and the row's distribution points, if it has any, get it elsewhere.
fn may_go_for(topology: &Topology, row: &Row) -> Result<bool> {
    let (package_id, source_site): (String, String) = (row.get("package_id")?, row.get("source_site")?);
    let signature: Option<String> = row.get("signature")?;
    let signature: Option<VersionSignature> =
        signature.map(|text| rows::from_json(&text, "package_version.signature")).transpose()?;
    let is_outdated = row.get::<Option<i64>>("newer")?.is_some();
    let is_had = |signature: VersionSignature| {
        signature.source_site == source_site || is_outdated && signature.source_site != topology.own()
    };
    if !signature.is_some_and(is_had) {
        return Ok(false);
    }
    let Some(NextHop::To(owner)) = topology.next_hop(topology.speaker(&package_id, &source_site)) else {
        return Ok(false);
    };
    let dp_site: Option<String> = row.get("dp_site")?;
    Ok(dp_site.is_none_or(|dp_site| topology.lies_towards(&dp_site, &owner)))
}

/// The package has no version here any more. Returns the manifests to release.
async fn let_go(tx: &mut Tx, package_id: &str) -> Result<Vec<String>> {
    let update = Query::update()
        .table("package")
        .value("stored_version", 0i64)
        .value("content_hash", Option::<String>::None)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    let update = Query::update()
        .table("package_version")
        .value("retained", 0i64)
        .and_where(by_id(package_id))
        .and_where(Expr::col("retained").eq(1i64))
        .returning_col("manifest_id")
        .to_owned();
    tx.all(&update).await?.iter().map(|row| row.get("manifest_id")).collect()
}
