//! Which content a site needs, from where it comes, and what happens when it has come.
//!
//! A site needs a version's bytes if a distribution point shall hold the package that lies in another direction than the
//! site that has them: then the bytes come through here. That site is the package's owner; of a version that a former
//! owner published it is the former one, and then the new owner needs the bytes too, and so does every site on the way.

use agent::Route;
use agent::link::DpName;
use agent::trust::VersionSignature;
use sea_query::{Expr, ExprTrait, JoinType, OnConflict, Order, Query, SelectStatement};

use super::rows;
use super::topology::{Neighbor, NextHop, Topology};
use crate::db::{Row, Tx};
use crate::distribution::demand;
use crate::error::{Result, SiteError};
use crate::package::by_id;
use crate::server::Site;
use crate::snapshot::publish::drop_outdated;
use crate::status::{self, Message};

/// A version whose bytes have to come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The package.
    pub package_id: String,
    /// Its name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The manifest's id, hex.
    pub manifest: String,
    /// The original's content hash, upper-case hex.
    pub content_hash: String,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Content bytes.
    pub bytes: u64,
    /// Who answers for the version.
    pub signature: Option<VersionSignature>,
    /// The site that owns the package.
    pub source_site: String,
    /// 1 high, 2 normal, 3 low.
    pub priority: u8,
    /// The version that is here; 0 for none.
    pub stored_version: u32,
    /// Who has the bytes, or gets them.
    pub from: Neighbor,
    /// Its code.
    pub from_site: String,
    /// The version is here, and lost content that has to come again.
    pub is_repair: bool,
    /// The id of the call behind it; absent of a repair.
    pub call: Option<String>,
}

impl Site {
    /// What has to come here, by priority and package; once for each package.
    pub async fn content_needs(&self) -> Result<Vec<Need>> {
        let mut tx = self.db().read().await?;
        let mut needs = self.needs(&mut tx, None).await?;
        tx.commit().await?;
        self.pauses().retain(&needs);
        needs.sort_by_key(|need| need.priority);
        Ok(needs)
    }

    /// What has to come here, of one package or of all, by package.
    pub(super) async fn needs(&self, tx: &mut Tx, package_id: Option<&str>) -> Result<Vec<Need>> {
        let topology = Topology::load(tx, self).await?;
        let mut select = select_needs();
        if let Some(package_id) = package_id {
            select.and_where(Expr::col(("p", "package_id")).eq(package_id));
        }
        let mut needs: Vec<Need> = Vec::new();
        for row in tx.all(&select).await? {
            let package_id: String = row.get("package_id")?;
            if needs.last().is_some_and(|last| last.package_id == package_id) {
                continue;
            }
            if let Some(from) = needed_from(&topology, &row)? {
                let from_site = topology.code_of(&from).unwrap_or_default().to_owned();
                needs.push(Need { call: row.get("call_id")?, ..need(&row, from, from_site)? });
            }
        }
        for repair in self.repairs(tx).await? {
            let is_asked_for = package_id.is_none_or(|package_id| repair.package_id == package_id);
            // What replaces the damaged version mends it too.
            if is_asked_for && !needs.iter().any(|need| need.package_id == repair.package_id) {
                needs.push(repair);
            }
        }
        Ok(needs)
    }

    /// The bytes of a needed version are here, complete, verified and retained in the content library: the version is
    /// this site's, and its own distribution points are told. Returns the manifests that need not be kept any longer, or
    /// nothing if another version is wanted meanwhile.
    pub async fn version_arrived(&self, need: &Need, stored_new_bytes: u64) -> Result<Option<Vec<String>>> {
        if need.is_repair {
            return self.repaired(need).await.map(Some);
        }
        let now = self.now();
        let mut tx = self.db().write().await?;
        let select = Query::select()
            .columns([("o", "version"), ("o", "manifest_id"), ("o", "published_at"), ("o", "signature")])
            .columns([("p", "stored_version"), ("p", "name")])
            .from_as("offered_version", "o")
            .join_as(JoinType::InnerJoin, "package", "p", same_package("p", "o"))
            .and_where(Expr::col(("o", "package_id")).eq(need.package_id.as_str()))
            .to_owned();
        let Some(row) = tx.optional(&select).await? else { return Ok(None) };
        let stored: u32 = row.unsigned("stored_version")?;
        if row.get::<String>("manifest_id")? != need.manifest
            || row.unsigned::<u32>("version")? != need.version
            || stored >= need.version
        {
            return Ok(None);
        }
        insert_version(&mut tx, need, &row, stored_new_bytes).await?;
        let update = Query::update()
            .table("package")
            .value("stored_version", i64::from(need.version))
            .value("content_hash", need.content_hash.as_str())
            .and_where(by_id(&need.package_id))
            .to_owned();
        tx.execute(&update).await?;
        let own = self.identity().site_code.as_str();
        let touched = demand::version_is_here(&mut tx, &need.package_id, need.version, own).await?;
        let outdated = drop_outdated(&mut tx, &need.package_id).await?;
        let (id, name) = (&need.package_id, row.get::<String>("name")?);
        status::add(&mut tx, now, Message::content_arrived(id, &name, need.version, &need.source_site))
            .await?;
        status::add(&mut tx, now, Message::package_updated(id, &name, need.version, need.bytes)).await?;
        tx.commit().await?;
        self.changes().notify(&touched);
        Ok(Some(outdated))
    }

    /// Where the bytes of a version are, for a child with a distribution point below it that shall hold the package, or with
    /// the package's owner.
    ///
    /// Errors: [`SiteError::PackageNotAssigned`], [`SiteError::VersionNotFound`] also while the version is on its way here.
    pub async fn route_for_child(&self, child: &Neighbor, package_id: &str, version: u32) -> Result<Route> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let owner =
            Query::select().column("source_site").from("package").and_where(by_id(package_id)).to_owned();
        // It may have become the child's own, or another site's below it, since the version was published.
        let owner: Option<String> =
            tx.optional(&owner).await?.map(|row| row.get("source_site")).transpose()?;
        let mut is_needed = owner.is_some_and(|owner| topology.lies_towards(&owner, child));
        for row in tx.all(&sites_of_destinations(package_id)).await? {
            is_needed |= topology.lies_towards(&row.get::<String>("site_code")?, child);
        }
        tx.commit().await?;
        if !is_needed {
            return Err(SiteError::PackageNotAssigned { package_id: package_id.to_owned() });
        }
        self.route(package_id, version).await
    }
}

/// The sites whose distribution points shall hold the package, as `x.site_code` of `distribution d`.
pub(super) fn sites_of_destinations(package_id: &str) -> SelectStatement {
    Query::select()
        .distinct()
        .column(("x", "site_code"))
        .from_as("distribution", "d")
        .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .and_where(Expr::col(("d", "package_id")).eq(package_id))
        .and_where(Expr::col(("d", "absent")).eq(0i64))
        .to_owned()
}

/// The neighbor that a version has to come from, if the row's distribution points or the package's owner make it be needed.
fn needed_from(topology: &Topology, row: &Row) -> Result<Option<Neighbor>> {
    let (package_id, source_site): (String, String) = (row.get("package_id")?, row.get("source_site")?);
    let learned_from: String = row.get("learned_from")?;
    let dp_site: Option<String> = row.get("dp_site")?;
    let is_elsewhere = |site: &str, from: &Neighbor| !topology.lies_towards(site, from);
    let signature: Option<VersionSignature> = signature(row)?;
    let former = signature.filter(|signature| signature.source_site != source_site);
    if let Some(NextHop::To(from)) = former.and_then(|former| topology.next_hop(&former.source_site)) {
        let is_needed =
            is_elsewhere(&source_site, &from) || dp_site.is_some_and(|dp| is_elsewhere(&dp, &from));
        return Ok(is_needed.then_some(from));
    }
    let from = source(topology, &package_id, &source_site, &learned_from);
    Ok(from.filter(|from| dp_site.is_some_and(|dp| is_elsewhere(&dp, from))))
}

fn signature(row: &Row) -> Result<Option<VersionSignature>> {
    let text: Option<String> = row.get("signature")?;
    text.map(|text| rows::from_json(&text, "offered_version.signature")).transpose()
}

/// Versions that other sites published and that are not here, with a site whose distribution points shall hold each, the
/// newest demand first; of packages that were given away there need be none.
fn select_needs() -> SelectStatement {
    let standing = same_package("d", "o")
        .and(Expr::col(("d", "absent")).eq(0i64))
        .and(Expr::col(("d", "cancelled")).eq(0i64));
    Query::select()
        .distinct()
        .columns([
            ("p", "package_id"),
            ("p", "name"),
            ("p", "source_site"),
            ("p", "learned_from"),
            ("p", "priority"),
            ("p", "stored_version"),
            ("o", "version"),
            ("o", "manifest_id"),
            ("o", "content_hash"),
            ("o", "files"),
            ("o", "folders"),
            ("o", "bytes"),
            ("o", "signature"),
        ])
        .columns([("d", "demanded_at"), ("d", "call_id")])
        .expr_as(Expr::col(("x", "site_code")), "dp_site")
        .from_as("offered_version", "o")
        .join_as(JoinType::InnerJoin, "package", "p", same_package("p", "o"))
        .join_as(JoinType::LeftJoin, "distribution", "d", standing)
        .join_as(JoinType::LeftJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .and_where(Expr::col(("x", "id")).is_not_null().or(Expr::col(("p", "owner_epoch")).gt(1i64)))
        .and_where(Expr::col(("o", "version")).gt(Expr::col(("p", "stored_version"))))
        .and_where(Expr::col(("p", "action_in_progress")).ne(3i64))
        .order_by(("p", "package_id"), Order::Asc)
        .order_by(("d", "demanded_at"), Order::Desc)
        .to_owned()
}

fn same_package(one: &'static str, other: &'static str) -> Expr {
    Expr::col((one, "package_id")).equals((other, "package_id"))
}

/// The neighbor in the owner's direction; of a package that was given to this site, the one that it came from.
pub(super) fn source(
    topology: &Topology,
    package_id: &str,
    source_site: &str,
    learned_from: &str,
) -> Option<Neighbor> {
    let from_former = || topology.neighbors().into_iter().find(|n| topology.code_of(n) == Some(learned_from));
    match topology.next_hop(topology.speaker(package_id, source_site))? {
        NextHop::To(neighbor) => Some(neighbor),
        NextHop::Own => from_former(),
    }
}

pub(super) fn need(row: &Row, from: Neighbor, from_site: String) -> Result<Need> {
    Ok(Need {
        package_id: row.get("package_id")?,
        name: row.get("name")?,
        version: row.unsigned("version")?,
        manifest: row.get("manifest_id")?,
        content_hash: row.get("content_hash")?,
        files: row.unsigned("files")?,
        folders: row.unsigned("folders")?,
        bytes: row.unsigned("bytes")?,
        signature: signature(row)?,
        source_site: row.get("source_site")?,
        priority: row.unsigned("priority")?,
        stored_version: row.unsigned("stored_version")?,
        from,
        from_site,
        is_repair: false,
        call: None,
    })
}

/// A version that was here once and was let go of has its row still.
async fn insert_version(tx: &mut Tx, need: &Need, offered: &Row, stored_new_bytes: u64) -> Result<()> {
    let columns = [
        "manifest_id",
        "content_hash",
        "files",
        "folders",
        "bytes",
        "stored_new_bytes",
        "published_at",
        "retained",
        "signature",
    ];
    let insert = Query::insert()
        .into_table("package_version")
        .columns(["package_id", "version"].into_iter().chain(columns))
        .values_panic([
            need.package_id.as_str().into(),
            i64::from(need.version).into(),
            need.manifest.as_str().into(),
            need.content_hash.as_str().into(),
            need.files.cast_signed().into(),
            need.folders.cast_signed().into(),
            need.bytes.cast_signed().into(),
            stored_new_bytes.cast_signed().into(),
            offered.get::<i64>("published_at")?.into(),
            1i64.into(),
            offered.get::<Option<String>>("signature")?.into(),
        ])
        .on_conflict(OnConflict::columns(["package_id", "version"]).update_columns(columns).to_owned())
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// The names of distribution points in the hierarchy.
pub(crate) async fn names_of(tx: &mut Tx, condition: Expr) -> Result<Vec<DpName>> {
    let select = Query::select().columns(["site_code", "name"]).from("dp").and_where(condition).to_owned();
    let rows = tx.all(&select).await?;
    rows.iter().map(|row| Ok(DpName { site_code: row.get("site_code")?, name: row.get("name")? })).collect()
}
