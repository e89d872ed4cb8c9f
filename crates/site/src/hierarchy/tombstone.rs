//! What is gone, remembered until every neighbor has heard of it.

use std::time::Duration;

use agent::link::{DpName, Gone, TombstoneRecord};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use super::apply::link_state;
use super::requests;
use super::rows::json;
use super::topology::{Neighbor, Topology};
use crate::db::{Tx, counter};
use crate::error::Result;

/// How long at least; longer, while a neighbor has not heard of it.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The most that are kept beyond [`KEPT_FOR`]: a neighbor that is away for ever holds no more, and is told of in the log.
pub(crate) const OVERDUE_MAX: u64 = 100_000;
/// Requests behind one neighbor that are forgotten in one round.
const FORGOTTEN_MAX: u64 = 100_000;

/// Remembers that something is gone; `learned_from` is the neighbor that said so, empty for this site itself.
pub(crate) async fn bury(tx: &mut Tx, learned_from: &str, gone: Gone, now: Timestamp) -> Result<()> {
    let (kind, key, epoch, number) = name(&gone);
    let revision = counter::next(tx, "revision").await?;
    let record = json(&TombstoneRecord { gone, at: now.to_string() });
    let updated = ["learned_from", "record", "epoch", "number", "revision", "buried_at"];
    let insert = Query::insert()
        .into_table("tombstone")
        .columns(["kind", "object_key"].into_iter().chain(updated))
        .values_panic([
            kind.into(),
            key.into(),
            learned_from.into(),
            record.into(),
            epoch.into(),
            number.into(),
            revision.into(),
            now.as_microsecond().into(),
        ])
        .on_conflict(OnConflict::columns(["kind", "object_key"]).update_columns(updated).to_owned())
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Kind, key, epoch, and generation or stamp.
fn name(gone: &Gone) -> (&'static str, String, i64, i64) {
    match gone {
        Gone::Site { site_code } => (SITE, site_code.clone(), 0, 0),
        Gone::Dp { dp, stamp } => (DP, dp_key(dp), 0, *stamp),
        Gone::Package { package_id, epoch, .. } => (PACKAGE, package_id.clone(), *epoch, 0),
        Gone::Distribution { package_id, dp, epoch, generation } => {
            (DISTRIBUTION, distribution_key(package_id, dp), *epoch, *generation)
        }
    }
}

const SITE: &str = "site";
const DP: &str = "dp";
const PACKAGE: &str = "package";
const DISTRIBUTION: &str = "distribution";

fn dp_key(dp: &DpName) -> String {
    format!("{}\\{}", dp.site_code, dp.name.to_ascii_lowercase())
}

fn distribution_key(package_id: &str, dp: &DpName) -> String {
    format!("{package_id}\\{}", dp_key(dp))
}

async fn find(tx: &mut Tx, kind: &str, key: &str) -> Result<Option<(i64, i64)>> {
    let select =
        Query::select().columns(["epoch", "number"]).from("tombstone").and_where(is(kind, key)).to_owned();
    let row = tx.optional(&select).await?;
    row.map(|row| Ok((row.get("epoch")?, row.get("number")?))).transpose()
}

async fn forget(tx: &mut Tx, kind: &str, key: &str) -> Result<()> {
    tx.execute(Query::delete().from_table("tombstone").and_where(is(kind, key))).await?;
    Ok(())
}

fn is(kind: &str, key: &str) -> Expr {
    Expr::col("kind").eq(kind).and(Expr::col("object_key").eq(key))
}

/// The stamp up to which a distribution point is gone.
pub(crate) async fn dp_stamp(tx: &mut Tx, dp: &DpName) -> Result<Option<i64>> {
    Ok(find(tx, DP, &dp_key(dp)).await?.map(|(_, stamp)| stamp))
}

/// Epoch and generation up to which a package at a distribution point is gone.
pub(crate) async fn distribution(tx: &mut Tx, package_id: &str, dp: &DpName) -> Result<Option<(i64, i64)>> {
    find(tx, DISTRIBUTION, &distribution_key(package_id, dp)).await
}

/// Whether a package is gone for good.
pub(crate) async fn is_package_dead(tx: &mut Tx, package_id: &str) -> Result<bool> {
    Ok(find(tx, PACKAGE, package_id).await?.is_some())
}

/// A distribution point is there again.
pub(crate) async fn forget_dp(tx: &mut Tx, dp: &DpName) -> Result<()> {
    forget(tx, DP, &dp_key(dp)).await
}

/// A package is wanted at a distribution point again.
pub(crate) async fn forget_distribution(tx: &mut Tx, package_id: &str, dp: &DpName) -> Result<()> {
    forget(tx, DISTRIBUTION, &distribution_key(package_id, dp)).await
}

/// Keeps with a site's tombstone how much of the site was heard.
pub(crate) async fn keep_count(tx: &mut Tx, site_code: &str, received: i64) -> Result<()> {
    let update = Query::update()
        .table("tombstone")
        .value("number", received)
        .and_where(is(SITE, site_code))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// A site is there again. Returns how much was heard of the one before: who takes its code goes on from beyond that, since
/// a site that was away meanwhile knows it by those numbers.
pub(crate) async fn forget_site(tx: &mut Tx, site_code: &str) -> Result<i64> {
    let received = find(tx, SITE, site_code).await?.map_or(0, |(_, number)| number);
    forget(tx, SITE, site_code).await?;
    Ok(received)
}

/// Forgets what is gone for long, and requests that were answered then, once every neighbor that has to has heard of it.
pub(crate) async fn forget_old(tx: &mut Tx, topology: &Topology, now: Timestamp) -> Result<()> {
    let long_ago = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
    let old = || Expr::col("buried_at").lt(long_ago.as_microsecond());
    let mut heard = old();
    for neighbor in topology.neighbors() {
        let code = topology.code_of(&neighbor).unwrap_or_default();
        let acknowledged = link_state(tx, code).await?.acknowledged;
        let has = Expr::col("revision").lte(acknowledged).or(Expr::col("learned_from").eq(code));
        heard = heard.and(has);
        let behind = requests::made_behind(topology, &neighbor);
        requests::forget_answered(tx, behind, (long_ago, acknowledged), FORGOTTEN_MAX).await?;
    }
    tx.execute(Query::delete().from_table("tombstone").and_where(heard)).await?;
    let own = Expr::col("origin").eq(topology.own());
    let nobody_hears = match topology.parent() {
        Some(_) => own,
        None => own.or(requests::made_behind(topology, &Neighbor::Parent)),
    };
    requests::forget_answered(tx, nobody_hears, (long_ago, i64::MAX), FORGOTTEN_MAX).await?;

    let overdue = Query::select()
        .column("revision")
        .from("tombstone")
        .and_where(old())
        .order_by("revision", Order::Desc)
        .limit(1)
        .offset(OVERDUE_MAX)
        .to_owned();
    let Some(row) = tx.optional(&overdue).await? else { return Ok(()) };
    let surplus = old().and(Expr::col("revision").lte(row.get::<i64>("revision")?));
    let forgotten = tx.execute(Query::delete().from_table("tombstone").and_where(surplus)).await?;
    tracing::warn!(
        forgotten,
        "forgot what is gone although a neighboring site that is away did not hear of it; before that site comes back, \
         remove it, and let it join with a new data folder"
    );
    Ok(())
}
