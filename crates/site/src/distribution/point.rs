//! The distribution points themselves: listed, found by NAL path, removed.

use std::collections::HashMap;
use std::time::Duration;

use agent::link::{DpName, Gone};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, Order, Query};

use super::DpId;
use super::nal::NalPath;
use crate::access::{Action, Actor};
use crate::db::{Row, Tx, counter};
use crate::error::{Result, SiteError};
use crate::hierarchy::tombstone;
use crate::package::delete;
use crate::server::Site;
use crate::status::{self, Message};

/// A distribution point that said nothing for so long is shown as silent: five of its longest requests.
pub const SILENT_AFTER: Duration = Duration::from_secs(5 * agent::WAIT_S_MAX);

const COLUMNS: [&str; 10] = [
    "id",
    "name",
    "nal_path",
    "content_url",
    "agent_version",
    "created_at",
    "enrolled_at",
    "last_seen_at",
    "identity_guid",
    "site_code",
];

/// A distribution point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Names it inside the site.
    pub id: DpId,
    /// Its network name.
    pub name: String,
    /// Its NAL path, the key of the provider's classes.
    pub nal_path: String,
    /// Where it serves content; empty until it enrolled.
    pub content_url: String,
    /// Its program's version; empty until it enrolled.
    pub agent_version: String,
    /// The site that it belongs to.
    pub site_code: String,
    /// Its GUID at its site.
    pub identity_guid: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last enrolled.
    pub enrolled_at: Option<Timestamp>,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// Whether it said nothing for longer than [`SILENT_AFTER`], or never.
    pub silent: bool,
}

impl Site {
    /// Every distribution point of the hierarchy, by name.
    pub async fn distribution_points(&self) -> Result<Vec<DistributionPoint>> {
        let select = Query::select().columns(COLUMNS).from("dp").order_by("name_key", Order::Asc).to_owned();
        let now = self.now();
        self.db().all(&select).await?.iter().map(|row| DistributionPoint::read(row, now)).collect()
    }

    /// Removes a distribution point that goes or never comes back, with all its assignments.
    ///
    /// Its identity ends at once. Nothing is asked of it: what is on its disk stays there. To empty it first,
    /// remove its packages and wait. Errors: [`SiteError::DpNotFound`], [`SiteError::Conflict`] for one of another site.
    pub async fn remove_dp(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageDps)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let (dp, name) = own(self, &mut tx, name, |code| format!("remove it at site {code}")).await?;
        let mut told = super::pull::retell_sources(&mut tx, dp).await?;
        told.push(dp);
        let gone = drop_rows(&mut tx, dp, now).await?;
        let stamp = counter::next(&mut tx, "revision").await?;
        let site_code = self.identity().site_code.clone();
        let dead = Gone::Dp { dp: DpName { site_code, name: name.clone() }, stamp };
        tombstone::bury(&mut tx, "", dead, now).await?;
        status::add(&mut tx, now, Message::dp_server_changed(actor, &name, "removed")).await?;
        tx.commit().await?;
        self.changes().notify(&told);
        self.release(&gone).await;
        Ok(())
    }
}

/// Deletes a distribution point with all its assignments. Returns manifests to release.
pub(crate) async fn drop_rows(tx: &mut Tx, dp: DpId, now: Timestamp) -> Result<Vec<String>> {
    let assignments = Query::delete()
        .from_table("distribution")
        .and_where(super::demand::at(dp))
        .returning_col("package_id")
        .to_owned();
    let packages = tx.all(&assignments).await?;
    tx.execute(Query::delete().from_table("dp").and_where(Expr::col("id").eq(dp.0))).await?;
    let mut gone = Vec::new();
    for row in packages {
        gone.extend(delete::finish(tx, &row.get::<String>("package_id")?, now).await?);
    }
    Ok(gone)
}

/// A distribution point of the hierarchy, as its row names it.
pub(crate) struct KnownPoint {
    pub(crate) id: DpId,
    /// The revision that its own site gave the row.
    pub(crate) stamp: i64,
}

/// The form in which distribution points of all sites are compared.
pub(crate) fn key_of(own_site: &str, dp: &DpName) -> String {
    match dp.site_code == own_site {
        true => name_key(&dp.name),
        // No host name has this sign.
        false => format!("{}@{}", name_key(&dp.name), dp.site_code),
    }
}

/// The distribution point with this key.
pub(crate) async fn by_key(tx: &mut Tx, key: &str) -> Result<Option<KnownPoint>> {
    let select = Query::select()
        .columns(["id", "stamp"])
        .from("dp")
        .and_where(Expr::col("name_key").eq(key))
        .to_owned();
    let row = tx.optional(&select).await?;
    row.map(|row| Ok(KnownPoint { id: DpId(row.get("id")?), stamp: row.get("stamp")? })).transpose()
}

impl DistributionPoint {
    fn read(row: &Row, now: Timestamp) -> Result<Self> {
        let last_seen_at = row.time_or_null("last_seen_at")?;
        Ok(Self {
            id: DpId(row.get("id")?),
            name: row.get("name")?,
            nal_path: row.get("nal_path")?,
            content_url: row.get("content_url")?,
            agent_version: row.get("agent_version")?,
            identity_guid: row.get("identity_guid")?,
            site_code: row.get("site_code")?,
            created_at: row.time("created_at")?,
            enrolled_at: row.time_or_null("enrolled_at")?,
            last_seen_at,
            silent: is_silent(last_seen_at, now),
        })
    }
}

pub(crate) fn is_silent(last_seen_at: Option<Timestamp>, now: Timestamp) -> bool {
    last_seen_at.is_none_or(|seen| now.duration_since(seen).unsigned_abs() > SILENT_AFTER && now > seen)
}

/// The form in which names are compared.
pub(crate) fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The distribution point of this site that a person names, `NAME` or `NAME@CODE`: names are unique within a site only.
/// `instead` says what to do about one of another site.
///
/// Errors: [`SiteError::DpNotFound`]; [`SiteError::Conflict`] for one of another site.
pub(crate) async fn own(
    site: &Site,
    tx: &mut Tx,
    named: &str,
    instead: impl FnOnce(&str) -> String,
) -> Result<(DpId, String)> {
    let own = &site.identity().site_code;
    let (name, code) = named.split_once('@').map_or((named, None), |(name, code)| (name, Some(code)));
    if code.is_none_or(|code| code.eq_ignore_ascii_case(own)) {
        let select = Query::select()
            .columns(["id", "name"])
            .from("dp")
            .and_where(Expr::col("name_key").eq(name_key(name)))
            .to_owned();
        if let Some(row) = tx.optional(&select).await? {
            return Ok((DpId(row.get("id")?), row.get("name")?));
        }
    }
    let mut elsewhere = Query::select()
        .column("site_code")
        .from("dp")
        .and_where(Func::lower(Expr::col("name")).eq(name_key(name)))
        .and_where(Expr::col("site_code").ne(own.as_str()))
        .order_by("site_code", Order::Asc)
        .to_owned();
    if let Some(code) = code {
        elsewhere.and_where(Expr::col("site_code").eq(code.to_ascii_uppercase()));
    }
    match tx.optional(&elsewhere).await? {
        None => Err(SiteError::DpNotFound { name: named.to_owned() }),
        Some(row) => {
            let code: String = row.get("site_code")?;
            let reason = format!("distribution point {name} belongs to site {code}: {}", instead(&code));
            Err(SiteError::Conflict { reason })
        }
    }
}

/// Distribution points in one statement.
pub(crate) const AT_ONCE_MAX: usize = 400;

/// The distribution point that a NAL path names.
pub(crate) async fn require(site: &Site, tx: &mut Tx, nal_path: &str) -> Result<(DpId, String)> {
    let wanted = [(String::new(), nal_path.to_owned())];
    let found = require_all(site, tx, &wanted).await?.pop();
    found.ok_or_else(|| SiteError::DpNotFound { name: nal_path.to_owned() })
}

/// The distribution points that site codes and NAL paths name, in their order. An empty site code is not
/// compared.
pub(crate) async fn require_all(
    site: &Site,
    tx: &mut Tx,
    wanted: &[(String, String)],
) -> Result<Vec<(DpId, String)>> {
    let mut found = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE_MAX) {
        let keys = some.iter().map(|(site_code, nal_path)| key(site, site_code, nal_path));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let select = Query::select()
            .columns(["id", "name", "name_key"])
            .from("dp")
            .and_where(Expr::col("name_key").is_in(keys.iter().map(String::as_str)))
            .to_owned();
        let mut points = HashMap::new();
        for row in tx.all(&select).await? {
            points.insert(row.get::<String>("name_key")?, (DpId(row.get("id")?), row.get("name")?));
        }
        for (key, (_, nal_path)) in keys.iter().zip(some) {
            let point: Option<&(DpId, String)> = points.get(key);
            let missing = || SiteError::DpNotFound { name: nal_path.clone() };
            found.push(point.cloned().ok_or_else(missing)?);
        }
    }
    Ok(found)
}

/// The key of the distribution point's name.
fn key(site: &Site, site_code: &str, nal_path: &str) -> Result<String> {
    let nal: NalPath = nal_path
        .parse()
        .map_err(|e: super::nal::NalPathError| SiteError::invalid("NALPath", e.to_string()))?;
    if !site_code.is_empty() && !site_code.eq_ignore_ascii_case(nal.site_code()) {
        return Err(SiteError::invalid("SiteCode", format!("{site_code} is not the site in the NAL path")));
    }
    let dp = DpName { site_code: nal.site_code().to_owned(), name: nal.server().to_owned() };
    Ok(key_of(&site.identity().site_code, &dp))
}
