//! Validation by schedule: each package of a distribution point is hashed again, and what is wrong is repaired.
//!
//! A due time begins a round. In a round the site demands a few verifications at a time and the next when these are
//! reported, oldest first, so that a distribution point of thousands of packages is never "verifying" with all of
//! them, and an update waits behind no validation. A time that comes while a round is under way, or while the site is down,
//! is made up for once. Rounds of many distribution points begin in groups.

use std::time::Duration;

use cim::schedule;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use tokio_util::sync::CancellationToken;

use super::DpId;
use super::cause::{self, Cause};
use super::demand::{at, without_fault};
use super::state::State;
use crate::call;
use crate::db::{Tx, counter};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::package::by_id;
use crate::server::Site;

/// The schedule of a distribution point that was given none: every Saturday at 00:00, local time.
pub const DEFAULT_SCHEDULE: &str = "00011700001F2000";
/// Packages of one distribution point under verification at once.
const VERIFYING_MAX: u64 = 4;
/// Rounds that begin at one look; a thousand that are due together begin within ten minutes.
const BEGUN_AT_ONCE_MAX: u64 = 50;
/// How often due rounds are looked for, and those under way go on though nothing was reported.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest pause between two looks, however much is reported.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The most tokens of a schedule, as of a package's.
const TOKENS_MAX: usize = 15;

const PROPERTY: &str = "DPMonSchedule";

/// When a distribution point is validated by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationSettings {
    /// Whether it is.
    pub enabled: bool,
    /// Interval strings (`docs/schedules.md`); kept while it is not enabled, too.
    pub schedule: String,
}

impl Site {
    /// Demands the verifications that are due; returns how many.
    ///
    /// [`Site::run_workers`] does this all the time; this is for doing it once.
    pub async fn run_due_validations(&self) -> Result<usize> {
        self.plan_rounds_anew().await?;
        self.begin_rounds().await?;
        let mut demanded = 0;
        for row in self.db().all(&with_room()).await? {
            let dp = DpId(row.get("id")?);
            match self.go_on_validating(dp).await {
                Ok(count) => demanded += count,
                // The others' rounds go on.
                Err(error) => {
                    tracing::error!(dp = dp.0, error = error_chain(&error), "validating a distribution point")
                }
            }
        }
        Ok(demanded)
    }

    /// Validates by schedule until `cancel`.
    pub(crate) async fn follow_validations(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            if let Err(error) = self.run_due_validations().await {
                tracing::error!(error = error_chain(&error), "validation schedules");
            }
            tokio::select! {
                () = self.clock().sleep(LOOK_PAUSE) => {}
                () = cancel.cancelled() => return,
            }
            tokio::select! {
                () = self.validation_wake().notified() => {}
                () = self.clock().sleep(LOOK_INTERVAL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// Begins rounds that are due, the longest due first. One that is under way delays its next.
    async fn begin_rounds(&self) -> Result<()> {
        let now = self.now();
        let due = Query::select()
            .columns(["id", "validation_schedule"])
            .from("dp")
            .and_where(Expr::col("validation_enabled").eq(1i64))
            .and_where(Expr::col("validation_since").is_null())
            .and_where(Expr::col("validation_next_at").lte(now.as_microsecond()))
            .order_by("validation_next_at", Order::Asc)
            .order_by("id", Order::Asc)
            .limit(BEGUN_AT_ONCE_MAX)
            .to_owned();
        let rows = self.db().all(&due).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().write().await?;
        for row in rows {
            let (dp, text) = (row.get::<i64>("id")?, row.get::<String>("validation_schedule")?);
            let Some(next) = next_of(self, &text, now) else { continue };
            let update = Query::update()
                .table("dp")
                .value("validation_since", now.as_microsecond())
                .value("validation_next_at", next.map(Timestamp::as_microsecond))
                .and_where(Expr::col("id").eq(dp))
                .and_where(Expr::col("validation_since").is_null())
                // It may have been told otherwise since.
                .and_where(Expr::col("validation_enabled").eq(1i64))
                .and_where(Expr::col("validation_schedule").eq(text))
                .to_owned();
            tx.execute(&update).await?;
        }
        tx.commit().await
    }

    /// A due time behind the schedule's next was planned while the clock was ahead.
    async fn plan_rounds_anew(&self) -> Result<()> {
        let now = self.now();
        let latest = Query::select()
            .column("validation_schedule")
            .expr_as(Expr::col("validation_next_at").max(), "latest")
            .from("dp")
            .and_where(Expr::col("validation_enabled").eq(1i64))
            .group_by_col("validation_schedule")
            .to_owned();
        for row in self.db().all(&latest).await? {
            let text: String = row.get("validation_schedule")?;
            let (Some(latest), Some(Some(next))) = (row.time_or_null("latest")?, next_of(self, &text, now))
            else {
                continue;
            };
            if latest <= next {
                continue;
            }
            tracing::warn!(%latest, %next, "the clock went back: validations are planned anew");
            let update = Query::update()
                .table("dp")
                .value("validation_next_at", next.as_microsecond())
                .and_where(Expr::col("validation_schedule").eq(text))
                .and_where(Expr::col("validation_next_at").gt(next.as_microsecond()))
                .to_owned();
            let mut tx = self.db().write().await?;
            tx.execute(&update).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Demands the next verifications of a round, or ends it. Returns how many it demanded.
    async fn go_on_validating(&self, dp: DpId) -> Result<usize> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let select = Query::select()
            .column("validation_since")
            .from("dp")
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        let row = tx.optional(&select).await?;
        let Some(since) = row.map(|row| row.time_or_null("validation_since")).transpose()?.flatten() else {
            return Ok(0);
        };
        let verifying = verifying(&mut tx, dp).await?;
        let waiting = left(&mut tx, dp, since, VERIFYING_MAX.saturating_sub(verifying)).await?;
        if verifying == 0 && waiting.is_empty() {
            let update = Query::update()
                .table("dp")
                .value("validation_since", Option::<i64>::None)
                .value("validation_last_at", now.as_microsecond())
                .and_where(Expr::col("id").eq(dp.0))
                .to_owned();
            tx.execute(&update).await?;
        }
        let call = call::new_id();
        for package_id in &waiting {
            // The rows of one distribution point differ in their revisions: it reads them in pages.
            let revision = counter::next(&mut tx, "revision").await?;
            let mut update = without_fault(State::ContentMonitoring, revision, now);
            update.value("verify", 1i64).and_where(by_id(package_id)).and_where(at(dp));
            tx.execute(&update).await?;
            let cause = Cause { call: Some(&call), requested_at: now };
            cause::note(&mut tx, package_id, cause, now).await?;
        }
        tx.commit().await?;
        if !waiting.is_empty() {
            self.changes().notify(&[dp]);
        }
        Ok(waiting.len())
    }
}

async fn verifying(tx: &mut Tx, dp: DpId) -> Result<u64> {
    let select = Query::select()
        .expr_as(Expr::col("package_id").count(), "verifying")
        .from("distribution")
        .and_where(at(dp))
        .and_where(Expr::col("state").eq(i64::from(State::ContentMonitoring.number())))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("distribution"))?;
    row.unsigned("verifying")
}

/// The packages that are installed and were not verified since the round began, the longest ago first.
async fn left(tx: &mut Tx, dp: DpId, since: Timestamp, count_max: u64) -> Result<Vec<String>> {
    let verified = Expr::col("last_verified_at");
    let select = Query::select()
        .column("package_id")
        .from("distribution")
        .and_where(at(dp))
        .and_where(Expr::col("state").eq(i64::from(State::Installed.number())))
        .and_where(Expr::col("absent").eq(0i64))
        .and_where(verified.clone().is_null().or(verified.lt(since.as_microsecond())))
        // An agent whose clock is behind reports times from before the round; what was demanded in it is not again.
        .and_where(Expr::col("demanded_at").lt(since.as_microsecond()))
        .order_by("last_verified_at", Order::Asc)
        .order_by("package_id", Order::Asc)
        .limit(count_max)
        .to_owned();
    tx.all(&select).await?.iter().map(|row| row.get("package_id")).collect()
}

/// The distribution points with a round under way in which something may be demanded, or which ends.
fn with_room() -> SelectStatement {
    let verifying = Query::select()
        .expr(Expr::col(("d", "package_id")).count())
        .from_as("distribution", "d")
        .and_where(Expr::col(("d", "dp_id")).equals(("x", "id")))
        .and_where(Expr::col(("d", "state")).eq(i64::from(State::ContentMonitoring.number())))
        .to_owned();
    Query::select()
        .column(("x", "id"))
        .from_as("dp", "x")
        .and_where(Expr::col(("x", "validation_since")).is_not_null())
        .and_where(Expr::SubQuery(None, Box::new(verifying.into())).lt(VERIFYING_MAX))
        .order_by(("x", "validation_since"), Order::Asc)
        .to_owned()
}

/// When a stored schedule is due next, if it is again. None of a text that is no schedule, which is not followed.
fn next_of(site: &Site, text: &str, now: Timestamp) -> Option<Option<Timestamp>> {
    match schedule::parse(text) {
        Ok(tokens) => Some(schedule::next_after(&tokens, now, site.time_zone())),
        Err(error) => {
            tracing::error!(%error, "a stored validation schedule is none; set it anew");
            None
        }
    }
}

/// Stores when a distribution point is validated. Returns what was done, in words.
///
/// Errors: [`SiteError::InvalidField`].
pub(super) async fn store(
    site: &Site,
    tx: &mut Tx,
    dp: DpId,
    settings: &ValidationSettings,
) -> Result<String> {
    let invalid = |reason: String| SiteError::invalid(PROPERTY, reason);
    let tokens = schedule::parse(&settings.schedule).map_err(|error| invalid(error.to_string()))?;
    if tokens.is_empty() || tokens.len() > TOKENS_MAX {
        return Err(invalid(format!("1 to {TOKENS_MAX} interval strings of 16 digits are needed")));
    }
    let text = schedule::print(&tokens).map_err(|error| invalid(error.to_string()))?;
    let next = schedule::next_after(&tokens, site.now(), site.time_zone()).filter(|_| settings.enabled);
    let mut update = Query::update();
    update
        .table("dp")
        .value("validation_enabled", i64::from(settings.enabled))
        .value("validation_schedule", text.as_str())
        .value("validation_next_at", next.map(Timestamp::as_microsecond))
        .and_where(Expr::col("id").eq(dp.0));
    if !settings.enabled {
        // The round that is under way ends with what is demanded already.
        update.value("validation_since", Option::<i64>::None);
    }
    tx.execute(&update).await?;
    Ok(match settings.enabled {
        true => format!("told to be validated by the schedule {text}"),
        false => "told to be validated on demand only".to_owned(),
    })
}
