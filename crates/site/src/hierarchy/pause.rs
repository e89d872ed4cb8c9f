//! What comes from a neighbor waits while the route's window is closed: shown at the distribution points that wait for it, said
//! once, and no failure. Who asks this site for the same meanwhile hears that it waits, and for what.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::content::Need;
use super::topology::Neighbor;
use crate::db::{Tx, counter};
use crate::error::Result;
use crate::package::by_id;
use crate::server::Site;
use crate::status::{self, Message};

/// As of what distribution points say themselves.
const REASON_CHARS_MAX: usize = 1024;

/// What a neighbor hears that asks for a version which this site needs itself and has not got yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnItsWay {
    /// It comes as soon as it can.
    Coming,
    /// This site waits for a window.
    Paused {
        /// One sentence for whoever asks.
        reason: String,
        /// When the window opens; absent where nothing is known to open.
        until: Option<Timestamp>,
    },
}

/// What waits for a window, by package. In memory only: after a restart it is asked for again, and refused again. A site
/// between others may have no distribution point to show it at.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<String, Pause>>);

#[derive(Debug)]
struct Pause {
    version: u32,
    priority: u8,
    reason: String,
    until: Option<Timestamp>,
}

impl Pauses {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is not needed any more.
    pub(super) fn retain(&self, needs: &[Need]) {
        self.lock().retain(|package_id, _| needs.iter().any(|need| need.package_id == *package_id));
    }
}

impl Site {
    /// Whether this site needs a package's newest version itself, so that the neighbor who asks for it need only wait.
    pub async fn content_on_its_way(
        &self,
        asked_by: &Neighbor,
        package_id: &str,
    ) -> Result<Option<OnItsWay>> {
        let mut tx = self.db().read().await?;
        let need = self.needs(&mut tx, Some(package_id)).await?.into_iter().next();
        tx.commit().await?;
        // Two that need it of each other would wait for ever.
        let Some(need) = need.filter(|need| need.from != *asked_by) else { return Ok(None) };
        let (own, now) = (self.identity().site_code.as_str(), self.now());
        let pauses = self.pauses().lock();
        // This site asks again when the window opens or the package is more urgent than it was.
        let holds = |pause: &&Pause| {
            pause.version == need.version
                && pause.priority <= need.priority
                && pause.until.is_none_or(|until| until > now)
        };
        let pause = pauses.get(package_id).filter(holds);
        Ok(Some(pause.map_or(OnItsWay::Coming, |Pause { reason, until, .. }| OnItsWay::Paused {
            reason: format!("site {own} waits for it itself: {reason}"),
            until: *until,
        })))
    }

    /// The neighbor sends nothing of a version until its window opens.
    pub async fn content_paused(&self, need: &Need, until: Option<Timestamp>, reason: &str) -> Result<()> {
        let (now, own) = (self.now(), self.identity().site_code.as_str());
        let until_us = until.map(Timestamp::as_microsecond);
        let reason: String = reason.chars().filter(|c| *c != '\0').take(REASON_CHARS_MAX).collect();
        let (version, priority) = (need.version, need.priority);
        let pause = Pause { version, priority, reason: reason.clone(), until };
        self.pauses().lock().insert(need.package_id.clone(), pause);
        let mut tx = self.db().write().await?;
        let said = match until_us {
            Some(until) => Expr::col("paused_until").eq(until),
            None => Expr::col("paused_until").is_null(),
        };
        let is_told = shows_pause(&mut tx, need, own, said).await?;
        if !is_told {
            let update = Query::update()
                .table("distribution")
                .value("paused_reason", reason.as_str())
                .value("paused_until", until_us)
                .value("next_attempt_at", until_us)
                .value("changed_at", now.as_microsecond())
                .value("report_revision", counter::next(&mut tx, "revision").await?)
                .and_where(waits_for(need, own))
                .to_owned();
            tx.execute(&update).await?;
            let until = until.map_or_else(|| "the window opens".to_owned(), |at| format!("{at:.0}"));
            status::add(&mut tx, now, Message::content_paused(need, &until, &reason)).await?;
        }
        tx.commit().await?;
        self.changes().note();
        Ok(())
    }

    /// The neighbor sends again.
    pub async fn content_goes_on(&self, need: &Need) -> Result<()> {
        self.pauses().lock().remove(&need.package_id);
        let own = self.identity().site_code.as_str();
        let mut tx = self.db().read().await?;
        let is_shown = shows_pause(&mut tx, need, own, Expr::col("paused_reason").is_not_null()).await?;
        tx.commit().await?;
        if !is_shown {
            return Ok(());
        }
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("distribution")
            .value("paused_reason", Option::<String>::None)
            .value("paused_until", Option::<i64>::None)
            .value("next_attempt_at", Option::<i64>::None)
            .value("changed_at", self.now().as_microsecond())
            .value("report_revision", counter::next(&mut tx, "revision").await?)
            .and_where(waits_for(need, own))
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await?;
        self.changes().note();
        Ok(())
    }
}

async fn shows_pause(tx: &mut Tx, need: &Need, own: &str, condition: Expr) -> Result<bool> {
    let select = Query::select()
        .column("dp_id")
        .from("distribution")
        .and_where(waits_for(need, own))
        .and_where(Expr::col("paused_reason").is_not_null())
        .and_where(condition)
        .limit(1)
        .to_owned();
    Ok(tx.optional(&select).await?.is_some())
}

/// Own distribution points that shall hold the version. They are not told of it before it is here, so what they show of it is
/// what this site waits for.
fn waits_for(need: &Need, own: &str) -> Expr {
    let own = Query::select().column("id").from("dp").and_where(Expr::col("site_code").eq(own)).to_owned();
    by_id(&need.package_id)
        .and(Expr::col("desired_version").eq(i64::from(need.version)))
        .and(Expr::col("absent").eq(0i64))
        .and(Expr::col("cancelled").eq(0i64))
        .and(Expr::col("dp_id").in_subquery(own))
}
