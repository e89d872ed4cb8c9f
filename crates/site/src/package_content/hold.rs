//! One operation at a time on the contents of a package.
//!
//! Inside this process they wait for each other. Another server of the site, or a process that died, is kept off by
//! a claim with an end in the package's row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, Query};
use tokio::sync::OwnedMutexGuard;

use super::check::sources_in_use;
use super::owner::require_unlocked;
use crate::access::scope::{self, SecuredType};
use crate::db::Tx;
use crate::deadline;
use crate::error::{Result, SiteError};
use crate::package::source::SourcePath;
use crate::package::{Package, PackageType, by_id, require};
use crate::server::Site;

/// How long a claim holds without a sign of life.
pub(super) const CLAIM: Duration = Duration::from_secs(60);
/// How often a claim is extended.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);
/// Operations that wait for one package.
const WAITING_MAX: usize = 64;
/// The reason of [`SiteError::Busy`].
const BEING_CHANGED: &str = "the contents of this package are being changed";

/// The packages whose contents are being changed by this process.
#[derive(Debug)]
pub(crate) struct ContentWork {
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    /// Tells this process's claims from those of an earlier one of the same server.
    process: uuid::Uuid,
}

impl Default for ContentWork {
    fn default() -> Self {
        Self { turns: Mutex::default(), process: uuid::Uuid::new_v4() }
    }
}

/// What to do while somebody else changes the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Waits for the others of this process.
    Wait,
    /// Leaves it to them.
    Skip,
}

impl ContentWork {
    async fn enter(&self, package_id: &str, turn: Turn) -> Result<OwnedMutexGuard<()>> {
        let wanted = turn;
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(package_id).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(package_id.to_owned(), Arc::downgrade(&turn));
            turn
        };
        if Arc::strong_count(&turn) > WAITING_MAX {
            return Err(SiteError::Busy { what: BEING_CHANGED });
        }
        match wanted {
            Turn::Wait => Ok(turn.lock_owned().await),
            Turn::Skip => turn.try_lock_owned().map_err(|_| SiteError::Busy { what: BEING_CHANGED }),
        }
    }
}

/// The right to change a package's contents.
#[derive(Debug)]
pub(crate) struct Hold {
    /// As it was when the right was given.
    pub(super) package: Package,
    /// Its source.
    pub(super) source: SourcePath,
    token: String,
    _turn: OwnedMutexGuard<()>,
}

impl Hold {
    pub(super) fn package_id(&self) -> &str {
        &self.package.package_id
    }

    /// The source as the package names it.
    pub(super) fn shown_source(&self) -> &str {
        &self.package.fields.pkg_source_path
    }
}

impl Site {
    /// Waits for the right to change a package's contents.
    ///
    /// Errors: [`SiteError::PackageNotFound`], [`SiteError::PackageLocked`], [`SiteError::NoSource`],
    /// [`SiteError::SourceUnusable`], [`SiteError::Conflict`] if another package uses the source, [`SiteError::Busy`].
    pub(super) async fn hold_contents(&self, package_id: &str, turn: Turn) -> Result<Hold> {
        // Before anything is waited for, so that unknown ids take no place.
        self.package(package_id).await?;
        let turn = self.content_work().enter(package_id, turn).await?;
        let token = format!("{}/{}/{}", self.server_id(), self.content_work().process, uuid::Uuid::new_v4());
        let mut tx = self.db().write().await?;
        let package = require(&mut tx, package_id).await?;
        if package.package_type != PackageType::Driver {
            let reason =
                format!("package {package_id} is no driver package and takes no drivers of the catalog");
            return Err(SiteError::Conflict { reason });
        }
        require_unlocked(self, &package)?;
        if !package.fields.has_source() {
            return Err(SiteError::NoSource { package_id: package_id.to_owned() });
        }
        let shown = &package.fields.pkg_source_path;
        let unusable = |reason: String| SiteError::SourceUnusable { path: shown.clone(), reason };
        let source =
            SourcePath::parse(shown, &self.options().shares).map_err(|error| unusable(error.to_string()))?;
        self.refuse_shared(&mut tx, &package, &source).await?;
        let now = self.now();
        let end = now.checked_add(CLAIM).map_err(|_| SiteError::corrupt("the clock"))?;
        let free = Cond::any().add(Expr::col("content_owner").is_null()).add(deadline::is_over(
            "content_owned_until",
            now,
            CLAIM,
        ));
        let claim = Query::update()
            .table("package")
            .value("content_owner", token.as_str())
            .value("content_owned_until", end.as_microsecond())
            .and_where(by_id(package_id))
            .cond_where(free)
            .to_owned();
        if tx.execute(&claim).await? != 1 {
            return Err(SiteError::Busy { what: BEING_CHANGED });
        }
        tx.commit().await?;
        Ok(Hold { package, source, token, _turn: turn })
    }

    /// Extends the claim. Returns false when it is lost.
    pub(super) async fn extend_hold(&self, hold: &Hold) -> Result<bool> {
        let end = self.now().checked_add(CLAIM).map_err(|_| SiteError::corrupt("the clock"))?;
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("package")
            .value("content_owned_until", end.as_microsecond())
            .and_where(by_id(hold.package_id()))
            .and_where(Expr::col("content_owner").eq(hold.token.as_str()))
            .to_owned();
        let held = tx.execute(&update).await? == 1;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives the right back without having changed anything. A failure costs the next operation [`CLAIM`].
    pub(super) async fn release_hold(&self, hold: Hold) {
        let released = async {
            let mut tx = self.db().write().await?;
            tx.execute(&release(&hold)).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            let error = crate::library::error_chain(&error);
            tracing::warn!(package = hold.package_id(), error, "the claim on a package's contents stays");
        }
    }

    /// Ends the claims of earlier processes of this server; calls are accepted before this is done, so not its own.
    /// Returns the packages that they were at work on.
    pub(crate) async fn end_holds_of(&self, server_id: &str) -> Result<Vec<String>> {
        let own = format!("{server_id}/{}/%", self.content_work().process);
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("package")
            .value("content_owner", Option::<String>::None)
            .value("content_owned_until", Option::<i64>::None)
            .and_where(Expr::col("content_owner").like(format!("{server_id}/%")))
            .and_where(Expr::col("content_owner").not_like(own))
            .returning_col("package_id")
            .to_owned();
        let ended = tx.all(&update).await?.iter().map(|row| row.get("package_id")).collect();
        tx.commit().await?;
        ended
    }

    /// Two packages in one folder would take each other's subfolders away. They may be published from there, but what
    /// this site copies into a source needs that for itself.
    async fn refuse_shared(&self, tx: &mut Tx, package: &Package, source: &SourcePath) -> Result<()> {
        let rows = tx.all(&sources_in_use()).await?;
        let Some(other) = self.user_of(&rows, source, Some(&package.package_id))? else { return Ok(()) };
        // Who sees this package need not see the other.
        let same = scope::have_same_scopes(tx, SecuredType::Package, &package.package_id, &other).await?;
        let other = if same { format!("package {other}") } else { "another package".to_owned() };
        let reason = format!(
            "the source folder of package {} is also used by {other}, itself or as a folder above or below; give one \
             of them a folder of its own before its drivers are changed",
            package.package_id
        );
        Err(SiteError::Conflict { reason })
    }
}

/// Whether somebody holds the right to change the contents now, and so relies on the source to stay where it is.
pub(crate) async fn is_held(tx: &mut Tx, package_id: &str, now: Timestamp) -> Result<bool> {
    let held = Query::select()
        .column("package_id")
        .from("package")
        .and_where(by_id(package_id))
        .and_where(Expr::col("content_owner").is_not_null())
        .cond_where(deadline::is_over("content_owned_until", now, CLAIM).not())
        .to_owned();
    Ok(tx.optional(&held).await?.is_some())
}

/// Proves inside a transaction that the right still holds and the source is the one that was looked at, and gives
/// the right back with the transaction.
pub(super) async fn finish(tx: &mut Tx, hold: &Hold) -> Result<Package> {
    let package = require(tx, hold.package_id()).await?;
    if tx.execute(&release(hold)).await? != 1 {
        return Err(SiteError::Busy { what: BEING_CHANGED });
    }
    check_source(hold, &package)?;
    Ok(package)
}

/// As [`finish`], but the right is kept.
pub(super) async fn still(tx: &mut Tx, hold: &Hold) -> Result<Package> {
    let package = require(tx, hold.package_id()).await?;
    let mine = Query::select()
        .column("package_id")
        .from("package")
        .and_where(by_id(hold.package_id()))
        .and_where(Expr::col("content_owner").eq(hold.token.as_str()))
        .to_owned();
    if tx.optional(&mine).await?.is_none() {
        return Err(SiteError::Busy { what: BEING_CHANGED });
    }
    check_source(hold, &package)?;
    Ok(package)
}

fn check_source(hold: &Hold, package: &Package) -> Result<()> {
    if package.fields.pkg_source_path == hold.shown_source() {
        return Ok(());
    }
    let reason = "the package's source was moved meanwhile; repeat the call".to_owned();
    Err(SiteError::Conflict { reason })
}

fn release(hold: &Hold) -> sea_query::UpdateStatement {
    Query::update()
        .table("package")
        .value("content_owner", Option::<String>::None)
        .value("content_owned_until", Option::<i64>::None)
        .and_where(by_id(hold.package_id()))
        .and_where(Expr::col("content_owner").eq(hold.token.as_str()))
        .to_owned()
}
