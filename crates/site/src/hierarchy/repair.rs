//! Damage in a site's library that only a neighbor's bytes can mend: fetched again as a version is, and told to whom it
//! concerns, before and after. What distribution points find in their copies is told in the same way.
//!
//! What is to be mended is remembered in memory only, as what is suspect is: a distribution point that still gets
//! nothing asks again, and the next verification finds it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent::link::{REPAIR_FILES_MAX, REPAIRS_MAX, RepairRecord};
use content::{Lost, VerifyReport};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use super::content::{Need, sites_of_destinations, source};
use super::node::by_code;
use super::rows::{from_json, json};
use super::topology::{Neighbor, NextHop, Topology};
use crate::db::{Row, Tx, counter};
use crate::error::Result;
use crate::server::Site;
use crate::status::{self, Message};

/// Versions with damage that are remembered at once; later ones are found again.
const DAMAGED_MAX: usize = 1024;

/// The longest name of a file that is told.
pub(super) const FILE_CHARS_MAX: usize = 1024;

/// Versions that lost content, by manifest, with the files that are concerned.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Damaged {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Takes down what a verification could not mend with anything that is here. What a neighbor has, who published it or
    /// got it from here, is fetched again; it is told now, and when it is whole.
    pub(crate) async fn note_damage(&self, report: &VerifyReport) -> Result<()> {
        let mut by_manifest: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Lost { manifest, file } in &report.lost {
            by_manifest.entry(manifest.to_string()).or_default().extend(file.clone());
        }
        let mut needs = Vec::new();
        for (manifest, files) in by_manifest {
            let known = self.damaged().lock().get(&manifest) == Some(&files);
            let is_full = self.damaged().lock().len() >= DAMAGED_MAX;
            if known || is_full {
                continue;
            }
            let mut tx = self.db().read().await?;
            let found = self.repair_of(&mut tx, &manifest).await?;
            tx.commit().await?;
            if let Some(need) = found {
                self.damaged().lock().insert(manifest, files.clone());
                needs.push((need, files));
            }
        }
        for (need, files) in &needs {
            self.tell_repair(need, files, None).await?;
        }
        if !needs.is_empty() {
            self.changes().note();
        }
        Ok(())
    }

    /// What has to be fetched again. What is not kept any more, or not the present version, is forgotten.
    pub(super) async fn repairs(&self, tx: &mut Tx) -> Result<Vec<Need>> {
        let manifests: Vec<String> = self.damaged().lock().keys().cloned().collect();
        let mut needs = Vec::new();
        for manifest in manifests {
            match self.repair_of(tx, &manifest).await? {
                Some(need) => needs.push(need),
                None => drop(self.damaged().lock().remove(&manifest)),
            }
        }
        Ok(needs)
    }

    /// The version is whole again. Returns the manifest, which the transfer retained once more than is needed.
    pub(super) async fn repaired(&self, need: &Need) -> Result<Vec<String>> {
        let files = self.damaged().lock().remove(&need.manifest).unwrap_or_default();
        self.tell_repair(need, &files, Some(self.now())).await?;
        self.changes().note();
        Ok(vec![need.manifest.clone()])
    }

    async fn repair_of(&self, tx: &mut Tx, manifest: &str) -> Result<Option<Need>> {
        let topology = Topology::load(tx, self).await?;
        let select = select_stored().and_where(Expr::col(("v", "manifest_id")).eq(manifest)).to_owned();
        let Some(row) = tx.all(&select).await?.into_iter().next() else { return Ok(None) };
        let (package_id, source_site): (String, String) = (row.get("package_id")?, row.get("source_site")?);
        let learned_from: String = row.get("learned_from")?;
        let from = match source_site == topology.own() {
            true => holder(tx, &topology, &package_id, row.get("version")?).await?,
            false => source(&topology, &package_id, &source_site, &learned_from),
        };
        let Some(from) = from else { return Ok(None) };
        let from_site = topology.code_of(&from).unwrap_or_default().to_owned();
        Ok(Some(Need { is_repair: true, ..super::content::need(&row, from, from_site)? }))
    }

    /// Writes down, and tells every site, that content is damaged or whole again.
    async fn tell_repair(
        &self,
        need: &Need,
        files: &BTreeSet<String>,
        repaired_at: Option<Timestamp>,
    ) -> Result<()> {
        let (own, now) = (self.identity().site_code.as_str(), self.now());
        let mut tx = self.db().write().await?;
        let revision = counter::next(&mut tx, "revision").await?;
        let record = RepairRecord {
            number: revision,
            package_id: need.package_id.clone(),
            version: need.version,
            files: files.iter().take(REPAIR_FILES_MAX).cloned().collect(),
            files_damaged: files.len() as u64,
            from_site: need.from_site.clone(),
            dp: None,
            missing: false,
            found_at: now.to_string(),
            repaired_at: repaired_at.map(|at| at.to_string()),
        };
        let mut told = told(&mut tx, own).await?;
        let is_same = |other: &RepairRecord| {
            (&other.package_id, other.version) == (&record.package_id, record.version)
                && other.dp.is_none()
                && other.repaired_at.is_none()
        };
        let found_at = told.iter().find(|other| is_same(other)).map(|other| other.found_at.clone());
        told.retain(|other| !is_same(other));
        let record = RepairRecord { found_at: found_at.unwrap_or(record.found_at.clone()), ..record };
        status::add(&mut tx, now, Message::site_repair(own, &record)).await?;
        told.push(record);
        store(&mut tx, own, told, revision).await?;
        tx.commit().await
    }
}

/// What a distribution point of this site found wrong in its copy.
pub(crate) struct PointDamage<'d> {
    pub(crate) dp: &'d str,
    pub(crate) package_id: &'d str,
    pub(crate) version: u32,
    pub(crate) files: &'d [String],
    /// They were not there at all.
    pub(crate) missing: bool,
}

/// Lets the other sites know of damage at an own distribution point.
pub(crate) async fn point_damaged(
    tx: &mut Tx,
    own: &str,
    damage: PointDamage<'_>,
    at: Timestamp,
) -> Result<()> {
    let revision = counter::next(tx, "revision").await?;
    let mut told = told(tx, own).await?;
    told.push(RepairRecord {
        number: revision,
        package_id: damage.package_id.to_owned(),
        version: damage.version,
        files: damage.files.iter().take(REPAIR_FILES_MAX).map(|file| cut(file)).collect(),
        files_damaged: damage.files.len() as u64,
        from_site: own.to_owned(),
        dp: Some(damage.dp.to_owned()),
        missing: damage.missing,
        found_at: at.to_string(),
        repaired_at: None,
    });
    store(tx, own, told, revision).await
}

/// An agent says what it likes.
fn cut(file: &str) -> String {
    file.chars().filter(|c| *c != '\0').take(FILE_CHARS_MAX).collect()
}

/// The same when what it holds is whole again; nothing where no damage was told.
pub(crate) async fn point_repaired(
    tx: &mut Tx,
    own: &str,
    dp: &str,
    package_id: &str,
    at: Timestamp,
) -> Result<()> {
    let mut told = told(tx, own).await?;
    let is_open = |repair: &RepairRecord| {
        repair.dp.as_deref() == Some(dp) && repair.package_id == package_id && repair.repaired_at.is_none()
    };
    if !told.iter().any(is_open) {
        return Ok(());
    }
    let revision = counter::next(tx, "revision").await?;
    for repair in told.iter_mut().filter(|repair| is_open(repair)) {
        (repair.number, repair.repaired_at) = (revision, Some(at.to_string()));
    }
    store(tx, own, told, revision).await
}

async fn store(tx: &mut Tx, own: &str, mut told: Vec<RepairRecord>, revision: i64) -> Result<()> {
    let surplus = told.len().saturating_sub(REPAIRS_MAX);
    told.drain(..surplus);
    let update = Query::update()
        .table("site_node")
        .value("repairs", json(&told))
        .value("revision", revision)
        .and_where(by_code(own))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// A neighbor that got an own version and has it still: a distribution point there says that it holds it.
async fn holder(
    tx: &mut Tx,
    topology: &Topology,
    package_id: &str,
    version: i64,
) -> Result<Option<Neighbor>> {
    let select = sites_of_destinations(package_id)
        .and_where(Expr::col(("d", "installed_version")).eq(version))
        .and_where(Expr::col(("x", "site_code")).ne(topology.own()))
        .order_by(("x", "site_code"), Order::Asc)
        .to_owned();
    for row in tx.all(&select).await? {
        if let Some(NextHop::To(neighbor)) = topology.next_hop(&row.get::<String>("site_code")?) {
            return Ok(Some(neighbor));
        }
    }
    Ok(None)
}

/// What a site told of its repairs last.
pub(super) async fn told(tx: &mut Tx, site_code: &str) -> Result<Vec<RepairRecord>> {
    let select = Query::select().column("repairs").from("site_node").and_where(by_code(site_code)).to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(Vec::new()) };
    read(&row)
}

pub(super) fn read(row: &Row) -> Result<Vec<RepairRecord>> {
    from_json(&row.get::<String>("repairs")?, "site_node.repairs")
}

/// The present versions that are here, in the shape of [`Need`].
fn select_stored() -> sea_query::SelectStatement {
    let stored = Expr::col(("v", "package_id"))
        .equals(("p", "package_id"))
        .and(Expr::col(("v", "version")).equals(("p", "stored_version")));
    Query::select()
        .columns(
            ["package_id", "name", "source_site", "learned_from", "priority", "stored_version"]
                .map(|c| ("p", c)),
        )
        .columns(
            ["version", "manifest_id", "content_hash", "files", "folders", "bytes", "signature"]
                .map(|c| ("v", c)),
        )
        .from_as("package", "p")
        .join_as(JoinType::InnerJoin, "package_version", "v", stored)
        .and_where(Expr::col(("v", "retained")).eq(1i64))
        .and_where(Expr::col(("p", "action_in_progress")).ne(3i64))
        .to_owned()
}
