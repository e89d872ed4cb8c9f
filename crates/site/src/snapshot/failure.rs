//! A snapshot that failed: nothing is published, the reason is shown, and another attempt is planned.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};

use super::claim::Claim;
use crate::error::Result;
use crate::package::by_id;
use crate::server::Site;
use crate::status::{self, Message};

/// Attempts in a row before the site gives up until somebody refreshes again; the original's number.
pub(crate) const ATTEMPTS_MAX: u32 = 100;
const DELAY_FIRST: Duration = Duration::from_secs(30);
const DELAY_MAX: Duration = Duration::from_secs(30 * 60);

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
    /// Stores the failure and plans the next attempt. Nothing happens if the claim is lost.
    pub(crate) async fn record_failure(&self, claim: &Claim, failure: &Failure) -> Result<()> {
        let now = self.now();
        let attempts = claim.attempts + 1;
        let exhausted = attempts >= ATTEMPTS_MAX;
        let next = now.saturating_add(delay_after(attempts)).expect("half an hour from now is in range");
        let mut tx = self.db().write().await?;
        let mut update = Query::update();
        update
            .table("package")
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .value("source_fault_code", failure.code.as_str())
            .value("source_fault_message", failure.message.as_str())
            .value("source_fault_at", now.as_microsecond())
            .and_where(by_id(&claim.package_id))
            .and_where(Expr::col("lease_owner").eq(claim.token.as_str()));
        // A request that came meanwhile has set its own pace: it is tried at once.
        let meanwhile = Expr::col("refresh_requested").gt(claim.request);
        let paced =
            |value: i64| Expr::case(meanwhile.clone(), Expr::value(Option::<i64>::None)).finally(value);
        update.value("snapshot_next_at", paced(next.as_microsecond()));
        update.value("snapshot_attempts", Expr::case(meanwhile.clone(), 0i64).finally(i64::from(attempts)));
        if exhausted {
            update.value("refresh_done", claim.request).value("action_in_progress", 0i64);
            update.value("refresh_since", paced(now.as_microsecond()));
        }
        if tx.execute(&update).await? == 0 {
            return Ok(());
        }
        let (id, name) = (&claim.package_id, &claim.name);
        if failure.source {
            let message = Message::source_unusable(id, name, &claim.source_path, &failure.message);
            status::add(&mut tx, now, message).await?;
        }
        status::add(&mut tx, now, Message::processing_failed(id, name, &failure.message)).await?;
        tx.commit().await
    }
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
