//! A snapshot that failed: nothing is published, the reason is shown, and another attempt is planned.

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query, UpdateStatement};

use super::claim::Claim;
use crate::db::Tx;
use crate::error::Result;
use crate::package::{ActionInProgress, by_id};
use crate::server::Site;
use crate::status::{self, Message};

/// Attempts in a row before the site gives up until somebody refreshes again; the original's number.
pub(crate) const ATTEMPTS_MAX: u32 = 100;
/// The code of a source without files.
const EMPTY: &str = "source_empty";
/// A new driver package begins with an empty folder; that is no failure, and nobody is alarmed.
const AWAITED: &str =
    "the source folder has no files yet: add drivers, or copy files into it and refresh the package";
/// The fault's code when the site gave up.
const GAVE_UP: &str = "gave_up";
const DELAY_FIRST: Duration = Duration::from_secs(30);
pub(super) const DELAY_MAX: Duration = Duration::from_secs(30 * 60);

/// Why a snapshot failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A stable code.
    pub(crate) code: String,
    /// What happened and what to do.
    pub(crate) message: String,
    /// Whether the source folder itself cannot be used (status 2306), or something else failed (2302).
    pub(crate) source: bool,
}

/// How long to wait after so many failures in a row.
pub(crate) fn delay_after(attempts: u32) -> Duration {
    let doublings = Ord::min(attempts.saturating_sub(1), 16);
    DELAY_FIRST.saturating_mul(1 << doublings).min(DELAY_MAX)
}

impl Site {
    /// Stores the failure and plans the next attempt, or gives up. Nothing happens if the claim is lost.
    pub(crate) async fn record_failure(&self, claim: &Claim, failure: &Failure) -> Result<()> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let Some(requested) = requests(&mut tx, claim).await? else { return Ok(()) };
        let awaited = claim.stored_version == 0 && failure.code == EMPTY;
        let plan = Plan::after(claim, requested > claim.request, awaited);
        plan.log(claim, failure);
        let given_up = format!(
            "the site gave up after {ATTEMPTS_MAX} attempts; refresh the package to try again. The last reason: {}",
            failure.message
        );
        let (code, message) = match plan {
            Plan::GiveUp => (GAVE_UP, given_up.as_str()),
            Plan::Await => (EMPTY, AWAITED),
            Plan::AtOnce | Plan::Retry { .. } => (failure.code.as_str(), failure.message.as_str()),
        };
        let mut update = Query::update();
        update
            .table("package")
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .value("source_fault_code", code)
            .value("source_fault_message", message)
            .value("source_fault_at", now.as_microsecond())
            .and_where(by_id(&claim.package_id));
        plan.store(&mut update, claim, now);
        tx.execute(&update).await?;
        let (id, name) = (&claim.package_id, &claim.name);
        if failure.source && plan != Plan::Await {
            let unusable = Message::source_unusable(id, name, &claim.source_path, &failure.message);
            status::add(&mut tx, now, unusable.of_call(claim.call.as_deref())).await?;
        }
        if plan != Plan::Await {
            let failed = Message::processing_failed(id, name, message);
            status::add(&mut tx, now, failed.of_call(claim.call.as_deref())).await?;
        }
        tx.commit().await
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// A request that came meanwhile sets its own pace.
    AtOnce,
    /// Looks again now and then, for as long as it takes.
    Await,
    Retry {
        attempts: u32,
    },
    GiveUp,
}

impl Plan {
    fn after(claim: &Claim, requested_meanwhile: bool, awaited: bool) -> Self {
        match claim.attempts + 1 {
            _ if requested_meanwhile => Self::AtOnce,
            _ if awaited => Self::Await,
            attempts if attempts >= ATTEMPTS_MAX => Self::GiveUp,
            attempts => Self::Retry { attempts },
        }
    }

    fn log(self, claim: &Claim, failure: &Failure) {
        let package = &claim.package_id;
        match self {
            Self::Await => {
                tracing::info!(call = claim.call, package, "the package waits for its first files")
            }
            _ => tracing::warn!(call = claim.call, package, failure.code, failure.message, "snapshot failed"),
        }
    }

    fn store(self, update: &mut UpdateStatement, claim: &Claim, now: Timestamp) {
        let none = Option::<i64>::None;
        match self {
            Self::AtOnce => {
                update.value("snapshot_next_at", none).value("snapshot_attempts", 0i64);
            }
            Self::Await => {
                update.value("snapshot_next_at", after(now, DELAY_MAX)).value("snapshot_attempts", 0i64);
            }
            Self::Retry { attempts } => {
                update.value("snapshot_next_at", after(now, delay_after(attempts)));
                update.value("snapshot_attempts", i64::from(attempts));
            }
            // The requests count as answered: nothing is pending, and the fault says why.
            Self::GiveUp => {
                update
                    .value("refresh_done", claim.request)
                    .value("refresh_since", none)
                    .value("action_in_progress", i64::from(ActionInProgress::None.number()))
                    .value("snapshot_next_at", none)
                    .value("snapshot_attempts", i64::from(ATTEMPTS_MAX));
            }
        }
    }
}

fn after(now: Timestamp, delay: Duration) -> i64 {
    now.saturating_add(delay).expect("half an hour from now is in range").as_microsecond()
}

/// The requests so far, if the claim holds.
async fn requests(tx: &mut Tx, claim: &Claim) -> Result<Option<i64>> {
    let select = Query::select()
        .column("refresh_requested")
        .from("package")
        .and_where(by_id(&claim.package_id))
        .and_where(Expr::col("lease_owner").eq(claim.token.as_str()))
        .to_owned();
    tx.optional(&select).await?.map(|row| row.get("refresh_requested")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_half_an_hour() {
        for (attempts, seconds) in
            [(0, 30), (1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (99, 1800), (u32::MAX, 1800)]
        {
            assert_eq!(delay_after(attempts), Duration::from_secs(seconds), "{attempts}");
        }
    }
}
