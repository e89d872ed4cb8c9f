//! The rows of sites: this one's, its neighbors' and everybody else's.

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Query};

use super::tombstone;
use super::topology::Topology;
use crate::db::{Tx, counter};
use crate::distribution::{DpId, point};
use crate::error::{Result, SiteError};
use crate::server::SiteIdentity;

/// What a site is, by the numbers of `SMS_Site.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SiteType {
    /// 1: below a primary; it makes no packages.
    Secondary,
    /// 2.
    #[default]
    Primary,
    /// 4: the central administration site, above primaries.
    Central,
}

impl SiteType {
    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Secondary => 1,
            Self::Primary => 2,
            Self::Central => 4,
        }
    }

    /// The type of that number, if there is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Secondary, Self::Primary, Self::Central].into_iter().find(|kind| kind.number() == number)
    }

    /// In words, with an article.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Secondary => "a secondary site",
            Self::Primary => "a primary site",
            Self::Central => "a central administration site",
        }
    }

    /// Whether a site of this type may have children of another.
    #[must_use]
    pub fn may_have(self, child: Self) -> bool {
        matches!((self, child), (Self::Central, Self::Primary) | (Self::Primary, Self::Secondary))
    }
}

/// Writes the row of the site itself, at the site's making.
pub(crate) async fn insert_own(tx: &mut Tx, identity: &SiteIdentity, site_type: SiteType) -> Result<()> {
    insert(tx, identity, site_type, None).await
}

/// Writes the row of a site that joins below this one, or joins anew. Its credentials and its key are for the caller to
/// write in the same transaction.
///
/// Errors: [`SiteError::Conflict`] for a code that another place of the hierarchy has.
pub(crate) async fn insert_child(
    tx: &mut Tx,
    own_code: &str,
    child: &SiteIdentity,
    site_type: SiteType,
) -> Result<()> {
    let select = Query::select()
        .column("parent_code")
        .from("site_node")
        .and_where(by_code(&child.site_code))
        .to_owned();
    if let Some(row) = tx.optional(&select).await?
        && row.get::<Option<String>>("parent_code")?.as_deref() != Some(own_code)
    {
        let reason = format!("the hierarchy has another site {}", child.site_code);
        return Err(SiteError::Conflict { reason });
    }
    insert(tx, child, site_type, Some(own_code)).await
}

async fn insert(
    tx: &mut Tx,
    identity: &SiteIdentity,
    site_type: SiteType,
    parent_code: Option<&str>,
) -> Result<()> {
    let revision = counter::next(tx, "revision").await?;
    let received = tombstone::forget_site(tx, &identity.site_code).await?;
    // What was received before stays: who joins anew and has less goes on from beyond it.
    let replaced =
        ["site_name", "site_type", "parent_code", "server_name", "revision", "acknowledged_revision"];
    let insert = Query::insert()
        .into_table("site_node")
        .columns(["site_code", "received_revision"].into_iter().chain(replaced))
        .values_panic([
            identity.site_code.as_str().into(),
            received.into(),
            identity.site_name.as_str().into(),
            i64::from(site_type.number()).into(),
            parent_code.map(str::to_owned).into(),
            identity.server_name.as_str().into(),
            revision.into(),
            0i64.into(),
        ])
        .on_conflict(OnConflict::column("site_code").update_columns(replaced).to_owned())
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Puts this site below a parent, whose row it learns with this.
pub(crate) async fn set_parent(
    tx: &mut Tx,
    own_code: &str,
    parent: &SiteIdentity,
    parent_type: SiteType,
) -> Result<()> {
    insert(tx, parent, parent_type, None).await?;
    let revision = counter::next(tx, "revision").await?;
    let update = Query::update()
        .table("site_node")
        .value("parent_code", parent.site_code.as_str())
        .value("revision", revision)
        .and_where(by_code(own_code))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// The code of this site.
pub(crate) async fn own_code(tx: &mut Tx) -> Result<String> {
    let select = Query::select().column("site_code").from("site").to_owned();
    tx.optional(&select).await?.ok_or(SiteError::NotInitialized)?.get("site_code")
}

/// The type of this site.
pub(crate) async fn own_type(tx: &mut Tx) -> Result<SiteType> {
    let own = Query::select().column("site_code").from("site").to_owned();
    let select = Query::select()
        .column("site_type")
        .from("site_node")
        .and_where(Expr::col("site_code").in_subquery(own))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
    SiteType::from_number(row.unsigned("site_type")?).ok_or_else(|| SiteError::corrupt("site_node.site_type"))
}

/// Forgets a site and those below it, with their distribution points and what they asked for. Returns manifests to release.
pub(crate) async fn remove_branch(
    tx: &mut Tx,
    topology: &Topology,
    site_code: &str,
    now: Timestamp,
) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for code in topology.branch(site_code) {
        let select = Query::select()
            .column("id")
            .from("dp")
            .and_where(Expr::col("site_code").eq(code.as_str()))
            .to_owned();
        for row in tx.all(&select).await? {
            gone.extend(point::drop_rows(tx, DpId(row.get("id")?), now).await?);
        }
        let asked = Expr::col("origin").eq(code.as_str());
        tx.execute(Query::delete().from_table("site_request").and_where(asked)).await?;
        tx.execute(Query::delete().from_table("site_node").and_where(by_code(&code))).await?;
    }
    Ok(gone)
}

pub(crate) fn by_code(site_code: &str) -> Expr {
    Expr::col("site_code").eq(site_code)
}
