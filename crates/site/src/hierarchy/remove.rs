//! A site that is gone for good leaves the hierarchy, with everything below it.

use agent::link::Gone;
use sea_query::{Expr, ExprTrait, Query};

use super::node::{self, by_code};
use super::tombstone;
use super::topology::Topology;
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::package::delete;
use crate::package_content::give_to;
use crate::server::Site;
use crate::status::{self, Message};

/// What is owned by a site that goes.
struct Owned {
    package_id: String,
    name: String,
    source_site: String,
}

impl Site {
    /// Takes a child site that is gone for good out of the hierarchy, with the sites below it, their distribution points
    /// and what they asked for; the other sites hear of it. Their packages are this site's from now on, as by
    /// [`Site::set_source_site`], so that no content is lost. What is on the removed sites' disks stays there.
    ///
    /// Errors: [`SiteError::SiteNotFound`]; [`SiteError::Conflict`] for a site that is not a child of this one, naming the
    /// site to ask, and for a child whose identity has not ended ([`Site::revoke_site`]).
    pub async fn remove_site(&self, actor: &Actor, site_code: &str) -> Result<()> {
        actor.may(Action::ManageSites)?;
        let site_code = site_code.to_ascii_uppercase();
        let now = self.now();
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_child(&topology, &site_code)?;
        let received = require_revoked(&mut tx, &site_code).await?;
        let owned = owned_by(&mut tx, &topology, &site_code).await?;
        for Owned { package_id, name, source_site } in &owned {
            give_to(&mut tx, self, actor, (package_id, name, source_site), topology.own()).await?;
        }
        let below = topology.branch(&site_code).len() - 1;
        let mut gone = node::remove_branch(&mut tx, &topology, &site_code, now).await?;
        for Owned { package_id, .. } in &owned {
            // The deletion of some may have waited for the site alone.
            gone.extend(delete::finish(&mut tx, package_id, now).await?);
        }
        let route = Query::delete().from_table("route").and_where(by_code(&site_code)).to_owned();
        let had_route = tx.execute(&route).await? > 0;
        if had_route {
            crate::db::counter::next(&mut tx, "route").await?;
        }
        tx.execute(Query::delete().from_table("site_token").and_where(by_code(&site_code))).await?;
        // After the packages: whoever hears that the site is gone knows whose they are.
        let dead = Gone::Site { site_code: site_code.clone() };
        tombstone::bury(&mut tx, "", dead, now).await?;
        tombstone::keep_count(&mut tx, &site_code, received).await?;
        let what = in_words(below, owned.len());
        status::add(&mut tx, now, Message::site_changed(actor, &site_code, &what)).await?;
        tx.commit().await?;
        if had_route && let Err(error) = self.follow_routes().await {
            // It is stored; the watcher reads it again.
            tracing::error!(error = error_chain(&error), "reading routes");
        }
        self.wants().forget(&site_code);
        self.changes().notify(&[]);
        self.snapshot_wake().notify_one();
        self.release(&gone).await;
        if let Err(error) = self.answer_requests().await {
            // They are stored, and answered with the next that comes.
            tracing::error!(error = error_chain(&error), "requests of other sites");
        }
        Ok(())
    }
}

fn require_child(topology: &Topology, site_code: &str) -> Result<()> {
    let own = topology.own();
    let reason = match topology.parent_of(site_code) {
        _ if !topology.knows(site_code) => {
            return Err(SiteError::SiteNotFound { site_code: site_code.to_owned() });
        }
        Some(parent) if parent == own => return Ok(()),
        _ if site_code == own => format!("{own} is this site itself; a site is removed at its parent"),
        Some(parent) => format!("site {site_code} is below site {parent}; remove it there"),
        None => format!("site {site_code} is not below this one; only a site below is removed"),
    };
    Err(SiteError::Conflict { reason })
}

/// A site that still can come and tell is not gone. Returns how much of it was heard.
async fn require_revoked(tx: &mut Tx, site_code: &str) -> Result<i64> {
    let select = Query::select()
        .columns(["secret_hash", "certificate_fingerprint", "received_revision"])
        .from("site_node")
        .and_where(by_code(site_code))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
    let has = |column| row.get::<Option<String>>(column).map(|value| value.is_some());
    if has("secret_hash")? || has("certificate_fingerprint")? {
        let reason = format!(
            "site {site_code} still has its identity; if it is gone for good, end that first: \
             haulier site revoke {site_code}"
        );
        return Err(SiteError::Conflict { reason });
    }
    row.get("received_revision")
}

/// The packages that the branch of a site speaks for, those too whose deletion goes on.
async fn owned_by(tx: &mut Tx, topology: &Topology, site_code: &str) -> Result<Vec<Owned>> {
    let branch = topology.branch(site_code);
    let select = Query::select()
        .columns(["package_id", "name", "source_site"])
        .from("package")
        .and_where(Expr::col("source_site").ne(topology.own()))
        .to_owned();
    let mut owned = Vec::new();
    for row in tx.all(&select).await? {
        let (package_id, source_site): (String, String) = (row.get("package_id")?, row.get("source_site")?);
        let speaker = topology.speaker(&package_id, &source_site);
        if branch.iter().any(|code| code == speaker) {
            owned.push(Owned { name: row.get("name")?, package_id, source_site });
        }
    }
    Ok(owned)
}

fn in_words(below: usize, packages: usize) -> String {
    let below = match below {
        0 => String::new(),
        1 => " with the site below it".to_owned(),
        more => format!(" with {more} sites below it"),
    };
    let packages = match packages {
        0 => String::new(),
        1 => "; its package belongs to this site now".to_owned(),
        more => format!("; its {more} packages belong to this site now"),
    };
    format!("removed{below}{packages}")
}
