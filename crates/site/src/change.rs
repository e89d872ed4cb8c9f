//! Who waits for a change of desired state, and how they hear of it.
//!
//! A change made in this process wakes its waiters at once. A change made by another site server or a
//! command line is found by the watcher, which looks at the revision counter ([`Site::watch_changes`]).
//! Nobody relies on being woken: an agent's request ends after its own time and asks again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};
use tokio::sync::watch;

use crate::distribution::DpId;
use crate::error::Result;
use crate::server::Site;

/// How often the watcher looks for changes that another process made.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// One channel for each distribution point that waits or once waited.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    channels: Mutex<HashMap<DpId, watch::Sender<()>>>,
    /// Sent on whenever anything may have changed.
    news: watch::Sender<()>,
}

impl Changes {
    /// Hears of every change from now on. Subscribe first, then look, then wait.
    pub(crate) fn subscribe(&self, dp: DpId) -> watch::Receiver<()> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.entry(dp).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Hears from now on that something may have changed, wherever.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Something changed of which no distribution point has to hear.
    pub(crate) fn note(&self) {
        self.news.send_replace(());
    }

    pub(crate) fn notify(&self, dps: &[DpId]) {
        self.note();
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        for dp in dps {
            let Some(channel) = channels.get(dp) else { continue };
            // A channel that nobody listens to is dropped, so that the map holds only who waits.
            if channel.send(()).is_err() {
                channels.remove(dp);
            }
        }
    }
}

impl Site {
    /// Hears from now on that something may have changed, wherever. Subscribe first, then look, then wait.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<()> {
        self.changes().news()
    }

    /// Finds what other processes changed since `seen`, wakes its waiters, and returns the newest revision.
    pub(crate) async fn watch_changes(&self, seen: i64) -> Result<i64> {
        let newest = self.newest_revision().await?;
        if newest > seen {
            self.follow_routes().await?;
            let changed = Query::select()
                .distinct()
                .column("dp_id")
                .from("distribution")
                .and_where(Expr::col("revision").gt(seen))
                .to_owned();
            let settings = Query::select()
                .expr_as(Expr::col("id"), "dp_id")
                .from("dp")
                .and_where(Expr::col("settings_revision").gt(seen))
                .to_owned();
            let mut rows = self.db().all(&changed).await?;
            rows.extend(self.db().all(&settings).await?);
            let dps = rows.iter().map(|row| row.get("dp_id").map(DpId)).collect::<Result<Vec<_>>>()?;
            self.changes().notify(&dps);
        }
        Ok(newest)
    }

    /// The newest revision of any desired state.
    pub(crate) async fn newest_revision(&self) -> Result<i64> {
        let select = Query::select()
            .column("value")
            .from("counter")
            .and_where(Expr::col("name").eq("revision"))
            .to_owned();
        match self.db().optional(&select).await? {
            Some(row) => row.get("value"),
            None => Err(crate::SiteError::corrupt("counter")),
        }
    }
}
