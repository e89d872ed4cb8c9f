//! When each distribution point and each neighbor was last heard of.
//!
//! Remembered in memory and written now and then, all in one transaction: a request for content must not wait
//! for a write, and thousands of idle agents must not keep the disk busy. A crash loses a few seconds of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{CaseStatement, Expr, ExprTrait, Query};

use super::DpId;
use crate::db::Tx;
use crate::error::Result;
use crate::hierarchy::Neighbor;
use crate::server::Site;

/// How often it is written.
pub(crate) const SEEN_INTERVAL: Duration = Duration::from_secs(15);
/// Distribution points in one statement.
const AT_ONCE_MAX: usize = 400;

/// Who was heard of since the last write.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    dps: BTreeMap<DpId, Timestamp>,
    sites: HashMap<Neighbor, Timestamp>,
}

impl Seen {
    pub(crate) fn note(&self, dp: DpId, at: Timestamp) {
        self.lock().dps.insert(dp, at);
    }

    pub(crate) fn note_site(&self, neighbor: &Neighbor, at: Timestamp) {
        self.lock().sites.insert(neighbor.clone(), at);
    }

    fn take(&self) -> Heard {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// A neighbor answered or called, whether or not it had anything to tell.
    pub fn heard(&self, neighbor: &Neighbor) {
        self.seen().note_site(neighbor, self.now());
    }

    /// Writes down who was heard of. What cannot be written is heard again.
    pub(crate) async fn write_seen(&self) -> Result<()> {
        let Heard { dps, sites } = self.seen().take();
        if dps.is_empty() && sites.is_empty() {
            return Ok(());
        }
        let dps: Vec<_> = dps.into_iter().collect();
        let mut tx = self.db().write().await?;
        for some in dps.chunks(AT_ONCE_MAX) {
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
        for (neighbor, at) in &sites {
            self.write_site_seen(&mut tx, neighbor, *at).await?;
        }
        tx.commit().await
    }

    async fn write_site_seen(&self, tx: &mut Tx, neighbor: &Neighbor, at: Timestamp) -> Result<()> {
        let own = self.identity().site_code.as_str();
        let parent = || {
            let is_own = Expr::col("site_code").eq(own);
            Query::select().column("parent_code").from("site_node").and_where(is_own).to_owned()
        };
        let is_it = match neighbor {
            Neighbor::Parent => Expr::col("site_code").in_subquery(parent()),
            Neighbor::Child(code) => Expr::col("site_code").eq(code.as_str()),
        };
        let update = Query::update()
            .table("site_node")
            .value("last_seen_at", at.as_microsecond())
            .and_where(is_it)
            .to_owned();
        tx.execute(&update).await?;
        Ok(())
    }
}
