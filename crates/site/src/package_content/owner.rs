//! Which site a package belongs to, and asking the site to look at it again.

use sea_query::{Expr, ExprTrait, Query};

use crate::access::{Action, Actor};
use crate::db::{Tx, counter};
use crate::distribution::demand;
use crate::error::{Result, SiteError};
use crate::hierarchy::ownership::{self, Change};
use crate::hierarchy::topology::Topology;
use crate::package::{Package, by_id};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Makes the site look at a package again, without a new version: a retry that waits for its time is due now, and
    /// every distribution point of the package is told again what it should hold.
    ///
    /// Errors: [`SiteError::PackageNotFound`], [`SiteError::AccessDenied`].
    pub async fn add_change_notification(&self, actor: &Actor, package_id: &str) -> Result<()> {
        actor.may(Action::Refresh)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let package = self.visible_package(&mut tx, actor, package_id).await?;
        due_at_once(&mut tx, package_id).await?;
        let touched = demand::tell_again(&mut tx, package_id).await?;
        let message = Message::package_looked_at(actor, package_id, &package.fields.name);
        status::add(&mut tx, now, message).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        self.changes().notify(&touched);
        Ok(())
    }

    /// Gives a package to the site with this code. Its owner may, and a site above the owner; of an owner that nobody knows,
    /// everybody. While it belongs to another site, the package is not changed here, and its source is not read here.
    ///
    /// Errors: [`SiteError::InvalidField`] for a code that no site of the hierarchy has,
    /// [`SiteError::PackageNotBelow`] for a package of a site that is not below this one,
    /// [`SiteError::PackageNotFound`], [`SiteError::AccessDenied`].
    pub async fn set_source_site(&self, actor: &Actor, package_id: &str, site_code: &str) -> Result<()> {
        actor.may(Action::ChangePackages)?;
        if site_code.len() != 3 || !site_code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let reason = "a site code of three letters or digits is needed, for example PS1";
            return Err(SiteError::invalid("SourceSite", reason));
        }
        let site_code = site_code.to_ascii_uppercase();
        let mut tx = self.db().write().await?;
        let package = self.visible_package(&mut tx, actor, package_id).await?;
        if package.source_site != site_code {
            let topology = Topology::load(&mut tx, self).await?;
            if topology.knows(&package.source_site) && !topology.is_in_own_branch(&package.source_site) {
                let mut at = topology.with_those_above(&package.source_site);
                let last = at.pop().unwrap_or_default();
                let at = if at.is_empty() { last } else { format!("{} or {last}", at.join(", ")) };
                let (package_id, source_site) = (package.package_id.clone(), package.source_site.clone());
                return Err(SiteError::PackageNotBelow { package_id, source_site, at });
            }
            if !topology.knows(&site_code) {
                return Err(unknown_site(&topology, &site_code));
            }
            let given = (package_id, package.fields.name.as_str(), package.source_site.as_str());
            give_to(&mut tx, self, actor, given, &site_code).await?;
        }
        tx.commit().await?;
        self.changes().notify(&[]);
        Ok(())
    }

    /// Gives a package that belongs to another site to this one. Errors: as [`Site::set_source_site`].
    pub async fn unlock(&self, actor: &Actor, package_id: &str) -> Result<()> {
        self.set_source_site(actor, package_id, &self.identity().site_code).await
    }
}

/// Sites that are named where one is not known.
const NAMED_MAX: usize = 20;

fn unknown_site(topology: &Topology, site_code: &str) -> SiteError {
    let known = topology.codes();
    let named: Vec<&str> = known.iter().copied().take(NAMED_MAX).collect();
    let more = if known.len() > NAMED_MAX { " and more" } else { "" };
    let reason = format!(
        "the hierarchy has no site {site_code}; it has {}{more} (haulier site list)",
        named.join(", ")
    );
    SiteError::invalid("SourceSite", reason)
}

/// Refuses what only the site that owns the package may do.
pub(crate) fn require_unlocked(site: &Site, package: &Package) -> Result<()> {
    if package.source_site == site.identity().site_code {
        return Ok(());
    }
    Err(SiteError::PackageLocked {
        package_id: package.package_id.clone(),
        source_site: package.source_site.clone(),
    })
}

async fn due_at_once(tx: &mut Tx, package_id: &str) -> Result<()> {
    let update = Query::update()
        .table("package")
        .value("snapshot_next_at", Option::<i64>::None)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Gives a package, named by its id, name and owner, to the site with this code.
pub(crate) async fn give_to(
    tx: &mut Tx,
    site: &Site,
    actor: &Actor,
    (package_id, name, from): (&str, &str, &str),
    code: &str,
) -> Result<()> {
    let select = Query::select()
        .columns(["owner_epoch", "former_owners"])
        .from("package")
        .and_where(by_id(package_id))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::package(package_id))?;
    let epoch: i64 = row.get("owner_epoch")?;
    let former = ownership::with_former(&row.get::<String>("former_owners")?, from, epoch)?;
    let update = Query::update()
        .table("package")
        .value("source_site", code)
        .value("edition", Expr::col("edition").add(1i64))
        .value("owner_epoch", epoch + 1)
        .value("former_owners", former)
        // The new owner's own stamps are higher.
        .value("stamp", 0i64)
        .value("learned_from", "")
        .value("revision", counter::next(tx, "revision").await?)
        // A snapshot that is being taken is not published here any more.
        .value("lease_owner", Option::<String>::None)
        .value("lease_until", Option::<i64>::None)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    let change = Change { package_id, from, to: code, epoch_before: epoch, told_by: from };
    ownership::follow(tx, site, change).await?;
    let message = Message::package_given(actor, package_id, name, code);
    status::add(tx, site.now(), message).await
}
