//! Refresh schedules: when a package is refreshed without anybody asking.
//!
//! The next time is worked out when a schedule is stored and when it was due, and kept, so that a site that was down when
//! a refresh was due makes up for it once, however many times it missed. A time ahead is checked at every look: the clock
//! or the zone may have been wrong when it was worked out. A refresh by schedule publishes a version only if the source
//! changed. Only the site that owns a package follows its schedule.

use std::time::Duration;

use cim::schedule::{self, Token};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use tokio_util::sync::CancellationToken;

use super::refresh::Publish;
use super::{Package, by_id, refresh, require, visible};
use crate::access::call;
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::package_content::require_unlocked;
use crate::server::Site;
use crate::status::{self, Message};

/// The most tokens of a package's schedule (class page of SMS_PackageBaseclass: `max(15)`).
pub const REFRESH_TOKENS_MAX: usize = 15;
/// The longest that the worker sleeps: a schedule that another process stored is seen no later.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest pause between two looks, whatever is due.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const PROPERTY: &str = "RefreshSchedule";

/// When a package is refreshed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefreshSchedule {
    /// What is planned.
    pub tokens: Vec<Token>,
    /// When it is due next; absent when it never is again.
    pub next_at: Option<Timestamp>,
    /// When it was last due.
    pub last_at: Option<Timestamp>,
}

impl Site {
    /// The schedule of a package; without tokens where it has none. Errors: [`SiteError::PackageNotFound`].
    pub async fn refresh_schedule(&self, package_id: &str) -> Result<RefreshSchedule> {
        self.package(package_id).await?;
        let select = Query::select()
            .columns(["schedule", "next_at", "last_at"])
            .from("package_schedule")
            .and_where(by_id(package_id))
            .to_owned();
        let row = self.db().optional(&select).await?;
        row.map_or_else(|| Ok(RefreshSchedule::default()), |row| RefreshSchedule::read(&row))
    }

    /// Refreshes every package whose schedule is due; returns how many.
    ///
    /// [`Site::run_workers`](crate::Site::run_workers) does this all the time; this is for doing it once.
    pub async fn run_due_schedules(&self) -> Result<usize> {
        self.plan_anew().await?;
        let due = Query::select()
            .column("package_id")
            .from("package_schedule")
            .and_where(Expr::col("package_id").in_subquery(self.scheduled_packages()))
            .and_where(Expr::col("next_at").lte(self.now().as_microsecond()))
            .order_by("next_at", Order::Asc)
            .to_owned();
        let mut refreshed = 0;
        for row in self.db().all(&due).await? {
            refreshed += usize::from(self.follow_schedule(&row.get::<String>("package_id")?).await?);
        }
        Ok(refreshed)
    }

    /// Refreshes a package whose schedule is due, if it still is.
    async fn follow_schedule(&self, package_id: &str) -> Result<bool> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let Some((package, schedule)) = due(&mut tx, package_id, now).await? else { return Ok(false) };
        if require_unlocked(self, &package).is_err() {
            return Ok(false);
        }
        let next = schedule::next_after(&schedule.tokens, now, self.time_zone());
        let update = Query::update()
            .table("package_schedule")
            .value("next_at", next.map(Timestamp::as_microsecond))
            .value("last_at", now.as_microsecond())
            .and_where(by_id(package_id))
            .to_owned();
        tx.execute(&update).await?;
        let call = call::new_id();
        refresh::request(&mut tx, package_id, now, Publish::IfChanged, Some(&call)).await?;
        tracing::info!(call, package = package_id, "refresh due by schedule");
        let due = Message::refresh_due(package_id, &package.fields.name).of_call(Some(&call));
        status::add(&mut tx, now, due).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(true)
    }

    /// Follows the schedules of all packages until `cancel`.
    pub(crate) async fn follow_schedules(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let due_in = match self.run_due_schedules().await {
                Ok(_) => self.next_schedule_in().await,
                Err(error) => Err(error),
            };
            let pause = due_in.unwrap_or_else(|error| {
                tracing::error!(error = error_chain(&error), "refresh schedules");
                LOOK_INTERVAL
            });
            tokio::select! {
                () = self.clock().sleep(pause) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// Works the times ahead out again, which stay the same unless they were worked out by another zone or a clock that
    /// was wrong. What is overdue stays so.
    async fn plan_anew(&self) -> Result<()> {
        let now = self.now();
        let is_ahead = Expr::col("next_at").gt(now.as_microsecond()).or(Expr::col("next_at").is_null());
        let ahead = Query::select()
            .columns(["package_id", "schedule", "next_at", "last_at"])
            .from("package_schedule")
            .and_where(Expr::col("package_id").in_subquery(self.scheduled_packages()))
            .and_where(is_ahead.clone())
            .to_owned();
        for row in self.db().all(&ahead).await? {
            let planned = RefreshSchedule::read(&row)?;
            let next = schedule::next_after(&planned.tokens, now, self.time_zone());
            if next == planned.next_at {
                continue;
            }
            let mut tx = self.db().write().await?;
            let update = Query::update()
                .table("package_schedule")
                .value("next_at", next.map(Timestamp::as_microsecond))
                .and_where(by_id(&row.get::<String>("package_id")?))
                .and_where(Expr::col("schedule").eq(row.get::<String>("schedule")?))
                .and_where(is_ahead.clone())
                .to_owned();
            tx.execute(&update).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The packages whose schedules this site follows.
    fn scheduled_packages(&self) -> SelectStatement {
        Query::select()
            .column("package_id")
            .from("package")
            .and_where(Expr::col("source_site").eq(self.identity().site_code.as_str()))
            .and_where(visible())
            .to_owned()
    }

    async fn next_schedule_in(&self) -> Result<Duration> {
        let first = Query::select()
            .column("next_at")
            .from("package_schedule")
            .and_where(Expr::col("package_id").in_subquery(self.scheduled_packages()))
            .and_where(Expr::col("next_at").is_not_null())
            .order_by("next_at", Order::Asc)
            .limit(1)
            .to_owned();
        let next = self.db().optional(&first).await?.map(|row| row.time("next_at")).transpose()?;
        let left = next.map(|next| Duration::try_from(next.duration_since(self.now())).unwrap_or_default());
        Ok(left.map_or(LOOK_INTERVAL, |left| left.clamp(LOOK_PAUSE, LOOK_INTERVAL)))
    }
}

impl RefreshSchedule {
    fn read(row: &Row) -> Result<Self> {
        let text: String = row.get("schedule")?;
        let tokens = schedule::parse(&text)
            .map_err(|error| SiteError::Corrupt { what: format!("a refresh schedule: {error}") })?;
        Ok(Self { tokens, next_at: row.time_or_null("next_at")?, last_at: row.time_or_null("last_at")? })
    }
}

/// Stores a package's schedule; none when there are no tokens. Returns the property, if it is another one than before.
///
/// Errors: [`SiteError::InvalidField`].
pub(super) async fn store(
    site: &Site,
    tx: &mut Tx,
    package: &Package,
    tokens: &[Token],
) -> Result<Option<&'static str>> {
    let id = &package.package_id;
    let invalid = |reason: String| SiteError::invalid(PROPERTY, reason);
    if tokens.len() > REFRESH_TOKENS_MAX {
        return Err(invalid(format!("at most {REFRESH_TOKENS_MAX} tokens are allowed")));
    }
    let text = match tokens {
        [] => String::new(),
        tokens => schedule::print(tokens).map_err(|error| invalid(error.to_string()))?,
    };
    let select = Query::select().column("schedule").from("package_schedule").and_where(by_id(id)).to_owned();
    let before: Option<String> = tx.optional(&select).await?.map(|row| row.get("schedule")).transpose()?;
    if before.unwrap_or_default() == text {
        return Ok(None);
    }
    forget(tx, id).await?;
    if !tokens.is_empty() {
        let next = schedule::next_after(tokens, site.now(), site.time_zone());
        let insert = Query::insert()
            .into_table("package_schedule")
            .columns(["package_id", "schedule", "next_at"])
            .values_panic([id.as_str().into(), text.into(), next.map(Timestamp::as_microsecond).into()])
            .to_owned();
        tx.execute(&insert).await?;
    }
    Ok(Some(PROPERTY))
}

/// Works out anew when a package is due next: it is this site's from now on, and what it missed before is no matter.
pub(crate) async fn take_over(tx: &mut Tx, site: &Site, package_id: &str) -> Result<()> {
    let select = Query::select()
        .columns(["schedule", "next_at", "last_at"])
        .from("package_schedule")
        .and_where(by_id(package_id))
        .to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(()) };
    let next = schedule::next_after(&RefreshSchedule::read(&row)?.tokens, site.now(), site.time_zone());
    let update = Query::update()
        .table("package_schedule")
        .value("next_at", next.map(Timestamp::as_microsecond))
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// A package that is being deleted is refreshed no more.
pub(crate) async fn forget(tx: &mut Tx, package_id: &str) -> Result<()> {
    tx.execute(Query::delete().from_table("package_schedule").and_where(by_id(package_id))).await?;
    Ok(())
}

/// Refuses a schedule on a package that has no source to read.
pub(super) async fn require_source(tx: &mut Tx, package: &Package) -> Result<()> {
    if package.fields.has_source() {
        return Ok(());
    }
    let select = Query::select()
        .expr(Expr::val(1i64))
        .from("package_schedule")
        .and_where(by_id(&package.package_id))
        .to_owned();
    match tx.optional(&select).await? {
        None => Ok(()),
        Some(_) => {
            let reason = "a package is refreshed by a schedule only with PkgSourceFlag 2, from its source; clear the \
                          schedule or give it a source";
            Err(SiteError::invalid(PROPERTY, reason))
        }
    }
}

/// A package whose schedule is due at `now`, with the schedule.
async fn due(tx: &mut Tx, package_id: &str, now: Timestamp) -> Result<Option<(Package, RefreshSchedule)>> {
    let select = Query::select()
        .columns(["schedule", "next_at", "last_at"])
        .from("package_schedule")
        .and_where(by_id(package_id))
        .and_where(Expr::col("next_at").lte(now.as_microsecond()))
        .to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(None) };
    let is_there = super::select().and_where(visible()).and_where(by_id(package_id)).to_owned();
    if tx.optional(&is_there).await?.is_none() {
        return Ok(None);
    }
    Ok(Some((require(tx, package_id).await?, RefreshSchedule::read(&row)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::admin;

    on_both! {
        async fn what_stays_due_is_looked_at_with_pauses(stage: &Stage) {
            let package = stage.package("dell").await;
            let point = stage.point("dp1").await;
            stage.assign(&package, &[&point]).await;
            let id = &package.package_id;
            let due = format!("INSERT INTO package_schedule (package_id, schedule, next_at) VALUES ('{id}', '0041200000100009', 1)");
            stage.raw_sql(due.clone()).await;
            assert_eq!(stage.site.next_schedule_in().await.unwrap(), LOOK_PAUSE);
            // As a database has it whose package was deleted by an earlier version.
            stage.site.delete_package(&admin(), id).await.unwrap();
            stage.raw_sql(due).await;
            assert_eq!(stage.site.run_due_schedules().await.unwrap(), 0);
            assert_eq!(stage.site.next_schedule_in().await.unwrap(), LOOK_INTERVAL);
        }
    }
}
