//! What comes from a neighbor waits while the route's window is closed: shown at the distribution points that wait for it, said
//! once, and no failure.

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::content::Need;
use crate::db::{Tx, counter};
use crate::error::Result;
use crate::package::by_id;
use crate::server::Site;
use crate::status::{self, Message};

/// As of what distribution points say themselves.
const REASON_CHARS_MAX: usize = 1024;

impl Site {
    /// The neighbor sends nothing of a version until its window opens.
    pub async fn content_paused(&self, need: &Need, until: Option<Timestamp>, reason: &str) -> Result<()> {
        let (now, own) = (self.now(), self.identity().site_code.as_str());
        let until_us = until.map(Timestamp::as_microsecond);
        let reason: String = reason.chars().filter(|c| *c != '\0').take(REASON_CHARS_MAX).collect();
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
