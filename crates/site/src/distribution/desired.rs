//! What an agent is told: the rows of its distribution point that changed, in order, page by page.

use std::time::Duration;

use agent::{DESIRED_MAX, DesiredPackage, DesiredReply, Goal, PackRef, Route, Sources};
use sea_query::{Cond, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use super::DpId;
use super::settings::Told;
use crate::db::Row;
use crate::error::{Result, SiteError};
use crate::package::by_id;
use crate::server::Site;
use crate::trust;

impl Site {
    /// The rows that changed after a revision, oldest first, at most [`DESIRED_MAX`].
    ///
    /// A revision that this site never gave (its database was restored) counts as 0: everything is told.
    /// A package whose first version is not published yet is not told; it follows when it is.
    pub async fn desired(&self, dp: DpId, after: i64) -> Result<DesiredReply> {
        Ok(self.look(dp, after).await?.0)
    }

    /// The same, and whether the distribution point has an identity still.
    async fn look(&self, dp: DpId, after: i64) -> Result<(DesiredReply, bool)> {
        let _turn = self.turns().read().await;
        // Before the rows: revisions become visible in their order, so no row of an earlier one is missed.
        let (told, after) = self.settings_told(dp, after).await?;
        let limit = DESIRED_MAX as u64 + 1;
        let mut rows = self.db().all(select(dp, after).limit(limit)).await?;
        let more = rows.len() > DESIRED_MAX;
        rows.truncate(DESIRED_MAX);
        let revision = match rows.last() {
            Some(last) => last.get("revision")?,
            None => after,
        };
        let reply = DesiredReply {
            revision: if more { revision } else { Ord::max(revision, told.revision) },
            more,
            packages: rows.iter().map(read).collect::<Result<_>>()?,
            maintenance: told.maintenance,
            pullers: if told.revision > after { Some(self.pullers(dp).await?) } else { None },
            untold: if after == 0 { self.untold(dp).await? } else { Vec::new() },
        };
        Ok((reply, told.has_identity))
    }

    /// The settings that the agent is told, and the revision after which it asks: 0 for one that this site never gave.
    async fn settings_told(&self, dp: DpId, after: i64) -> Result<(Told, i64)> {
        let newest = Expr::col(("counter", "name")).eq("revision");
        let select = Query::select()
            .columns(Told::COLUMNS.map(|column| ("dp", column)))
            .column(("counter", "value"))
            .from("dp")
            .join(JoinType::InnerJoin, "counter", newest)
            .and_where(Expr::col(("dp", "id")).eq(dp.0))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or(SiteError::AgentUnknown)?;
        let is_given = (0..=row.get("value")?).contains(&after);
        Ok((Told::read(&row)?, if is_given { after } else { 0 }))
    }

    /// Packages that the distribution point may hold, though the site knows no bytes of the version that it should hold.
    async fn untold(&self, dp: DpId) -> Result<Vec<String>> {
        let mut select = joined();
        select
            .column(("d", "package_id"))
            .and_where(Expr::col(("d", "dp_id")).eq(dp.0))
            .and_where(Expr::col(("d", "absent")).eq(0i64))
            .and_where(can_be_fetched().not())
            .order_by(("d", "package_id"), Order::Asc);
        self.db().all(&select).await?.iter().map(|row| row.get("package_id")).collect()
    }

    /// As [`Site::desired`], as soon as something changed after the revision, or after `wait` with no news.
    ///
    /// Errors: [`SiteError::Busy`] when too many agents wait, [`SiteError::AgentUnknown`] when the
    /// distribution point is removed or its identity revoked meanwhile.
    pub async fn wait_for_change(&self, dp: DpId, after: i64, wait: Duration) -> Result<DesiredReply> {
        let _waiter = self.turns().wait()?;
        let wait = wait.min(Duration::from_secs(agent::WAIT_S_MAX));
        // The order matters: who subscribes after looking misses what comes between.
        let mut changed = self.changes().subscribe(dp);
        let mut end = self.clock().sleep(wait);
        loop {
            let (reply, has_identity) = self.look(dp, after).await?;
            if !has_identity {
                return Err(SiteError::AgentUnknown);
            }
            if reply.is_news() {
                return Ok(reply);
            }
            tokio::select! {
                _ = changed.changed() => {}
                // Nothing woke it since it looked, so that is true still.
                () = &mut end => return Ok(reply),
            }
        }
    }

    /// As [`Site::route`], for a distribution point that shall hold the package.
    ///
    /// Errors: also [`SiteError::PackageNotAssigned`].
    pub async fn route_for_dp(
        &self,
        dp: DpId,
        package_id: &str,
        version: u32,
        secure: bool,
    ) -> Result<Route> {
        let assigned = Query::select()
            .column("package_id")
            .from("distribution")
            .and_where(by_id(package_id))
            .and_where(super::demand::at(dp))
            .and_where(Expr::col("absent").eq(0i64))
            .to_owned();
        if self.db().optional(&assigned).await?.is_none() {
            return Err(SiteError::PackageNotAssigned { package_id: package_id.to_owned() });
        }
        let route = self.route(package_id, version).await?;
        let Sources { sources, sources_only } = self.pull_sources(dp, secure).await?;
        Ok(Route { sources, sources_only, ..route })
    }

    /// Where the bytes of a version are now.
    ///
    /// Errors: [`SiteError::VersionNotFound`] also when the content is no longer kept.
    pub async fn route(&self, package_id: &str, version: u32) -> Result<Route> {
        let missing = || SiteError::VersionNotFound { package_id: package_id.to_owned(), version };
        let select = Query::select()
            .column("manifest_id")
            .from("package_version")
            .and_where(by_id(package_id))
            .and_where(Expr::col("version").eq(i64::from(version)))
            .and_where(Expr::col("retained").eq(1i64))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or_else(missing)?;
        let manifest: String = row.get("manifest_id")?;
        let packs = self.route_of(&manifest).await?;
        let packs = packs
            .into_iter()
            .map(|(id, index_offset, index_bytes)| PackRef { id, index_offset, index_bytes })
            .collect();
        Ok(Route { package_id: package_id.to_owned(), version, manifest, packs, ..Route::default() })
    }
}

fn select(dp: DpId, after: i64) -> SelectStatement {
    let tellable = Cond::any().add(Expr::col(("d", "absent")).eq(1i64)).add(can_be_fetched());
    joined()
        .columns([
            ("d", "package_id"),
            ("d", "generation"),
            ("d", "revision"),
            ("d", "absent"),
            ("d", "desired_version"),
            ("d", "verify"),
            ("d", "cancelled"),
            ("d", "call_id"),
            ("p", "priority"),
            ("v", "manifest_id"),
            ("v", "signature"),
        ])
        .and_where(Expr::col(("d", "dp_id")).eq(dp.0))
        .and_where(Expr::col(("d", "revision")).gt(after))
        .cond_where(tellable)
        .order_by(("d", "revision"), Order::Asc)
        .to_owned()
}

/// Whether the version that is wanted is published and here: one that was let go of cannot be fetched until it is here
/// again.
fn can_be_fetched() -> Expr {
    let is_here = Expr::col(("v", "retained")).eq(1i64).or(Expr::col(("d", "cancelled")).eq(1i64));
    Expr::col(("v", "manifest_id")).is_not_null().and(is_here)
}

/// Distributions with their packages and, where it is published, the version that is wanted.
fn joined() -> SelectStatement {
    let version = Expr::col(("v", "package_id"))
        .equals(("d", "package_id"))
        .and(Expr::col(("v", "version")).equals(("d", "desired_version")));
    Query::select()
        .from_as("distribution", "d")
        .join_as(
            JoinType::InnerJoin,
            "package",
            "p",
            Expr::col(("p", "package_id")).equals(("d", "package_id")),
        )
        .join_as(JoinType::LeftJoin, "package_version", "v", version)
        .to_owned()
}

fn read(row: &Row) -> Result<DesiredPackage> {
    let goal = if row.flag("absent")? {
        Goal::Absent
    } else {
        Goal::Hold {
            version: row.unsigned("desired_version")?,
            manifest: row.get("manifest_id")?,
            verify: row.flag("verify")?,
            signature: trust::signature(row)?,
        }
    };
    let package_id = row.get("package_id")?;
    Ok(DesiredPackage {
        package_id,
        generation: row.get("generation")?,
        priority: row.unsigned("priority")?,
        cancelled: row.flag("cancelled")?,
        correlation: row.get("call_id")?,
        goal,
    })
}
