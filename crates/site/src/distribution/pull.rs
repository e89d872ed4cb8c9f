//! Pull distribution points: who fetches content from whom.
//!
//! A source lends what it fetched and fetches what it lacks from its own source, so a chain needs nothing but its links.
//! The links never form a loop: whoever would close one is refused, with the loop named. The agents are told by whom
//! they may be asked ([`agent::DesiredReply::pullers`]) and whom to ask ([`agent::Route::sources`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use agent::{PullSource, Puller, Sources};
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use super::DpId;
use super::maintenance::touch;
use super::settings::require_own;
use crate::access::secret_hash;
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Sources of one distribution point.
pub const SOURCES_MAX: usize = 32;
/// The highest rank; the lowest is 1 and is asked first.
pub const RANK_MAX: u32 = 99;
/// Distribution points that bytes may pass on their way from the site. Each keeps the other waiting a little longer;
/// the agents give up a request that passed more.
pub const CHAIN_MAX: usize = 8;

const PROPERTY: &str = "SourceDistributionPoints";

/// Whom a pull distribution point fetches from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSettings {
    /// NAL paths and ranks, 1 to [`RANK_MAX`]. The lowest is asked first, equals at random.
    pub sources: Vec<(String, u32)>,
    /// Whether the site is asked for what no source has.
    pub fallback: bool,
}

impl Site {
    /// The NAL paths of the distribution points that fetch from this one, directly or through others. As sources of
    /// this one they would form a loop.
    ///
    /// Errors: [`SiteError::DpNotFound`].
    pub async fn chained_pull_points(&self, nal_path: &str) -> Result<Vec<String>> {
        let mut tx = self.db().read().await?;
        let (dp, _) = require_own(self, &mut tx, nal_path).await?;
        let links = Links::read(&mut tx).await?;
        let found = links.fetching_from(dp);
        let select = Query::select()
            .columns(["id", "nal_path"])
            .from("dp")
            .order_by("name_key", Order::Asc)
            .to_owned();
        let mut paths = Vec::new();
        for row in tx.all(&select).await? {
            if found.contains(&DpId(row.get("id")?)) {
                paths.push(row.get("nal_path")?);
            }
        }
        Ok(paths)
    }

    /// Whom a distribution point fetches from: none means the site. Sources in maintenance mode are left out.
    pub async fn pull_sources(&self, dp: DpId, secure: bool) -> Result<Sources> {
        let own = Query::select()
            .columns(["is_pull", "pull_fallback", "secret_hash"])
            .from("dp")
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        let own = self.db().optional(&own).await?.ok_or(SiteError::AgentUnknown)?;
        if !own.flag("is_pull")? {
            return Ok(Sources::default());
        }
        let ticket = own.get::<Option<String>>("secret_hash")?.filter(|_| !secure).map(|hash| ticket(&hash));
        let select = Query::select()
            .columns([("x", "name"), ("x", "content_url"), ("s", "rank")])
            .from_as("dp_source", "s")
            .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("s", "source_id")))
            .and_where(Expr::col(("s", "dp_id")).eq(dp.0))
            .and_where(Expr::col(("x", "content_url")).ne(""))
            .and_where(Expr::col(("x", "maintenance_since")).is_null())
            .order_by(("s", "rank"), Order::Asc)
            .order_by(("x", "name_key"), Order::Asc)
            .to_owned();
        let source = |row: &Row| {
            let url: String = row.get("content_url")?;
            Ok(PullSource {
                name: row.get("name")?,
                url: if secure { over_tls(&url) } else { url },
                rank: row.unsigned("rank")?,
                ticket: ticket.clone(),
            })
        };
        let sources = self.db().all(&select).await?.iter().map(source).collect::<Result<_>>()?;
        Ok(Sources { sources, sources_only: !own.flag("pull_fallback")? })
    }

    /// Who may fetch through a distribution point: also with the certificate before the newest, since a puller whose
    /// renewal was not answered still has that one.
    pub(super) async fn pullers(&self, dp: DpId) -> Result<Vec<Puller>> {
        let select = Query::select()
            .columns(
                ["name", "certificate_fingerprint", "previous_fingerprint", "secret_hash"]
                    .map(|name| ("p", name)),
            )
            .from_as("dp_source", "s")
            .join_as(JoinType::InnerJoin, "dp", "p", Expr::col(("p", "id")).equals(("s", "dp_id")))
            .and_where(Expr::col(("s", "source_id")).eq(dp.0))
            .order_by(("p", "name_key"), Order::Asc)
            .to_owned();
        let mut pullers = Vec::new();
        for row in self.db().all(&select).await? {
            let secret: Option<String> = row.get("secret_hash")?;
            let newest = Puller {
                name: row.get("name")?,
                certificate: row.get("certificate_fingerprint")?,
                ticket_hash: secret.map(|hash| secret_hash(&ticket(&hash))),
            };
            if let Some(previous) = row.get::<Option<String>>("previous_fingerprint")? {
                pullers.push(Puller { certificate: Some(previous), ticket_hash: None, ..newest.clone() });
            }
            pullers.push(newest);
        }
        Ok(pullers)
    }
}

/// What a puller shows its sources on plain loopback. Whoever sees it learns nothing of the secret that the site knows
/// the puller by, and it changes when the puller enrols again.
fn ticket(secret_hash_hex: &str) -> String {
    secret_hash(&format!("haulier relay ticket {secret_hash_hex}"))
}

/// The listener of a distribution point speaks both at one address.
fn over_tls(url: &str) -> String {
    url.strip_prefix("http://").map_or_else(|| url.to_owned(), |rest| format!("https://{rest}"))
}

/// Makes a distribution point fetch as said, or like any other. Returns what was done, in words, and whom to tell.
pub(super) async fn store(
    site: &Site,
    tx: &mut Tx,
    dp: DpId,
    settings: Option<&PullSettings>,
) -> Result<(String, Vec<DpId>)> {
    let mut touched: BTreeSet<DpId> = sources(tx, dp).await?.into_iter().collect();
    let mut what = "made an ordinary distribution point".to_owned();
    let mut rows: Vec<(DpId, String, u32)> = Vec::new();
    if let Some(settings) = settings {
        rows = check(site, tx, dp, settings).await?;
        let named: Vec<String> = rows.iter().map(|(_, name, rank)| format!("{name} ({rank})")).collect();
        let only = if settings.fallback { "" } else { ", never from the site" };
        what = format!("told to pull from {}{only}", named.join(", "));
    }
    tx.execute(Query::delete().from_table("dp_source").and_where(super::demand::at(dp))).await?;
    for (source, _, rank) in &rows {
        let insert = Query::insert()
            .into_table("dp_source")
            .columns(["dp_id", "source_id", "rank"])
            .values_panic([dp.0.into(), source.0.into(), i64::from(*rank).into()])
            .to_owned();
        tx.execute(&insert).await?;
        touched.insert(*source);
    }
    let update = Query::update()
        .table("dp")
        .value("is_pull", i64::from(settings.is_some()))
        .value("pull_fallback", i64::from(settings.is_none_or(|settings| settings.fallback)))
        .and_where(Expr::col("id").eq(dp.0))
        .to_owned();
    tx.execute(&update).await?;
    let touched: Vec<DpId> = touched.into_iter().collect();
    touch(tx, &touched).await?;
    Ok((what, touched))
}

/// The sources with their names and ranks, if they may be sources.
async fn check(
    site: &Site,
    tx: &mut Tx,
    dp: DpId,
    settings: &PullSettings,
) -> Result<Vec<(DpId, String, u32)>> {
    let invalid = |reason: String| Err(SiteError::invalid(PROPERTY, reason));
    if settings.sources.is_empty() || settings.sources.len() > SOURCES_MAX {
        return invalid(format!("a pull distribution point has 1 to {SOURCES_MAX} sources"));
    }
    if settings.sources.iter().any(|(_, rank)| !(1..=RANK_MAX).contains(rank)) {
        return invalid(format!("a source's rank is a number from 1 to {RANK_MAX}"));
    }
    let mut found = Vec::with_capacity(settings.sources.len());
    for (path, _) in &settings.sources {
        found.push(require_own(site, tx, path).await?);
    }
    let mut links = Links::read(tx).await?;
    links.0.insert(dp, BTreeSet::new());
    let mut rows: Vec<(DpId, String, u32)> = Vec::new();
    for ((source, name), (_, rank)) in found.into_iter().zip(&settings.sources) {
        if source == dp {
            return invalid(format!("{name} cannot be its own source"));
        }
        if rows.iter().any(|(known, ..)| *known == source) {
            return invalid(format!("{name} is named twice"));
        }
        if let Some(way) = links.way(source, dp) {
            let way = names(tx, &way).await?.join(" from ");
            return invalid(format!(
                "{name} cannot be a source, since it fetches from this distribution point itself: {way}"
            ));
        }
        rows.push((source, name, *rank));
    }
    links.0.insert(dp, rows.iter().map(|(source, ..)| *source).collect());
    if links.longest() > CHAIN_MAX {
        return invalid(format!("a chain of more than {CHAIN_MAX} distribution points would be formed"));
    }
    Ok(rows)
}

async fn names(tx: &mut Tx, dps: &[DpId]) -> Result<Vec<String>> {
    let select = Query::select()
        .columns(["id", "name"])
        .from("dp")
        .and_where(Expr::col("id").is_in(dps.iter().map(|dp| dp.0)))
        .to_owned();
    let mut names = HashMap::new();
    for row in tx.all(&select).await? {
        names.insert(DpId(row.get("id")?), row.get::<String>("name")?);
    }
    Ok(dps.iter().filter_map(|dp| names.remove(dp)).collect())
}

/// Whom a distribution point fetches from, in maintenance mode or not.
pub(super) async fn sources(tx: &mut Tx, dp: DpId) -> Result<Vec<DpId>> {
    let select =
        Query::select().column("source_id").from("dp_source").and_where(super::demand::at(dp)).to_owned();
    tx.all(&select).await?.iter().map(|row| row.get("source_id").map(DpId)).collect()
}

/// Who fetches from a distribution point, directly or through others.
pub(crate) async fn fetching_from(tx: &mut Tx, dp: DpId) -> Result<BTreeSet<DpId>> {
    reached(tx, dp, "source_id", "dp_id").await
}

/// Whom a distribution point fetches from, directly or through others.
pub(crate) async fn fetched_from(tx: &mut Tx, dp: DpId) -> Result<BTreeSet<DpId>> {
    reached(tx, dp, "dp_id", "source_id").await
}

async fn reached(tx: &mut Tx, dp: DpId, from: &'static str, to: &'static str) -> Result<BTreeSet<DpId>> {
    let (mut found, mut last) = (BTreeSet::new(), vec![dp]);
    for _ in 0..CHAIN_MAX {
        let select = Query::select()
            .distinct()
            .column(to)
            .from("dp_source")
            .and_where(Expr::col(from).is_in(last.iter().map(|dp| dp.0)))
            .to_owned();
        let rows = tx.all(&select).await?;
        let next = rows.iter().map(|row| row.get(to).map(DpId)).collect::<Result<Vec<_>>>()?;
        last = next.into_iter().filter(|next| found.insert(*next)).collect();
        if last.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Tells the sources of a distribution point that it is known by something else now, or not at all. Returns them.
pub(super) async fn retell_sources(tx: &mut Tx, dp: DpId) -> Result<Vec<DpId>> {
    let sources = sources(tx, dp).await?;
    touch(tx, &sources).await?;
    Ok(sources)
}

/// Who fetches from whom.
#[derive(Debug, Default)]
struct Links(BTreeMap<DpId, BTreeSet<DpId>>);

impl Links {
    async fn read(tx: &mut Tx) -> Result<Self> {
        let select = Query::select().columns(["dp_id", "source_id"]).from("dp_source").to_owned();
        let mut links = Self::default();
        for row in tx.all(&select).await? {
            links.0.entry(DpId(row.get("dp_id")?)).or_default().insert(DpId(row.get("source_id")?));
        }
        Ok(links)
    }

    /// The way from `from` along sources to `to`, both included, if there is one.
    fn way(&self, from: DpId, to: DpId) -> Option<Vec<DpId>> {
        let mut came_from = BTreeMap::from([(from, from)]);
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == to {
                let step = |at: &DpId| Some(came_from[at]).filter(|_| *at != from);
                let mut way: Vec<DpId> = std::iter::successors(Some(to), step).collect();
                way.reverse();
                return Some(way);
            }
            for source in self.0.get(&at).into_iter().flatten() {
                came_from.entry(*source).or_insert_with(|| {
                    open.push(*source);
                    at
                });
            }
        }
        None
    }

    /// Who reaches `dp` along sources.
    fn fetching_from(&self, dp: DpId) -> BTreeSet<DpId> {
        self.0.keys().copied().filter(|other| *other != dp && self.way(*other, dp).is_some()).collect()
    }

    /// Distribution points on the longest way. Links that formed a loop would count each once.
    fn longest(&self) -> usize {
        let mut known = BTreeMap::new();
        self.0.keys().map(|dp| self.length(*dp, &mut known)).max().unwrap_or(0)
    }

    fn length(&self, dp: DpId, known: &mut BTreeMap<DpId, usize>) -> usize {
        if let Some(length) = known.get(&dp) {
            return *length;
        }
        known.insert(dp, 0);
        let sources: Vec<DpId> = self.0.get(&dp).into_iter().flatten().copied().collect();
        let length = 1 + sources.into_iter().map(|source| self.length(source, known)).max().unwrap_or(0);
        known.insert(dp, length);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(i64, &[i64])]) -> Links {
        Links(pairs.iter().map(|(dp, of)| (DpId(*dp), of.iter().copied().map(DpId).collect())).collect())
    }

    #[test]
    fn ways_chains_and_their_length() {
        let links = links(&[(3, &[2, 5]), (2, &[1]), (4, &[3]), (5, &[])]);
        for (from, to, expect) in [
            (4, 1, Some(vec![4, 3, 2, 1])),
            (3, 5, Some(vec![3, 5])),
            (1, 1, Some(vec![1])),
            (1, 4, None),
            (5, 2, None),
        ] {
            let way = links.way(DpId(from), DpId(to));
            assert_eq!(
                way.map(|way| way.iter().map(|dp| dp.0).collect::<Vec<_>>()),
                expect,
                "{from} to {to}"
            );
        }
        for (dp, expect) in [(1, vec![2, 3, 4]), (2, vec![3, 4]), (5, vec![3, 4]), (4, vec![])] {
            let found: Vec<i64> = links.fetching_from(DpId(dp)).iter().map(|dp| dp.0).collect();
            assert_eq!(found, expect, "{dp}");
        }
        assert_eq!(links.longest(), 4);
        assert_eq!(Links::default().longest(), 0);
    }

    #[test]
    fn addresses_over_tls_keep_host_and_port() {
        for (url, expect) in [
            ("http://dp1.example.test:8540", "https://dp1.example.test:8540"),
            ("https://dp1.example.test", "https://dp1.example.test"),
        ] {
            assert_eq!(over_tls(url), expect);
        }
    }
}
