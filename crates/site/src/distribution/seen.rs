//! When each distribution point was last heard of.
//!
//! Remembered in memory and written now and then, all in one transaction: a request for content must not wait
//! for a write, and thousands of idle agents must not keep the disk busy. A crash loses a few seconds of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{CaseStatement, Expr, ExprTrait, Query};

use super::DpId;
use crate::error::Result;
use crate::server::Site;

/// How often it is written.
pub(crate) const SEEN_INTERVAL: Duration = Duration::from_secs(15);
/// Distribution points in one statement.
const AT_ONCE_MAX: usize = 400;

/// Who was heard of since the last write.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<DpId, Timestamp>>);

impl Seen {
    pub(crate) fn note(&self, dp: DpId, at: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(dp, at);
    }

    fn take(&self) -> Vec<(DpId, Timestamp)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

impl Site {
    /// Writes down who was heard of. What cannot be written is heard again.
    pub(crate) async fn write_seen(&self) -> Result<()> {
        let seen = self.seen().take();
        if seen.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().write().await?;
        for some in seen.chunks(AT_ONCE_MAX) {
            let when = some.iter().fold(CaseStatement::new(), |case, (dp, at)| {
                case.case(Expr::col("id").eq(dp.0), at.as_microsecond())
            });
            let update = Query::update()
                .table("dp")
                .value("last_seen_at", when)
                .and_where(Expr::col("id").is_in(some.iter().map(|(dp, _)| dp.0)))
                .to_owned();
            tx.execute(&update).await?;
        }
        tx.commit().await
    }
}
