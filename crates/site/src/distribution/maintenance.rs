//! Maintenance mode: a distribution point that is to be left in peace.
//!
//! Nothing is sent to it and nobody is sent to it; what it should hold goes on changing in its rows, so that the end of
//! the mode needs no catching up of its own. It is still asked to verify what it holds, and removals sent nothing.

use sea_query::{Expr, ExprTrait, Query};

use super::DpId;
use super::settings::require_own;
use crate::access::{Action, Actor};
use crate::db::{Tx, counter};
use crate::error::Result;
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Begins or ends maintenance mode of the distribution point that a NAL path names; again is no change.
    ///
    /// Errors: [`SiteError::AccessDenied`](crate::SiteError::AccessDenied),
    /// [`SiteError::DpNotFound`](crate::SiteError::DpNotFound).
    pub async fn set_maintenance(&self, actor: &Actor, nal_path: &str, on: bool) -> Result<()> {
        actor.may(Action::ManageDps)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let (dp, name) = require_own(self, &mut tx, nal_path).await?;
        let was = Expr::col("maintenance_since");
        let update = Query::update()
            .table("dp")
            .value("maintenance_since", on.then_some(now.as_microsecond()))
            .and_where(Expr::col("id").eq(dp.0))
            .and_where(if on { was.is_null() } else { was.is_not_null() })
            .returning_col("id")
            .to_owned();
        if tx.optional(&update).await?.is_none() {
            return Ok(());
        }
        touch(&mut tx, &[dp]).await?;
        let what = if on { "put into maintenance mode" } else { "taken out of maintenance mode" };
        status::add(&mut tx, now, Message::dp_server_changed(actor, &name, what)).await?;
        tx.commit().await?;
        self.changes().notify(&[dp]);
        Ok(())
    }

    /// Whether a distribution point is in maintenance mode; a removed one is not.
    pub async fn is_in_maintenance(&self, dp: DpId) -> Result<bool> {
        let select = Query::select()
            .column("maintenance_since")
            .from("dp")
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        let row = self.db().optional(&select).await?;
        Ok(row.map(|row| row.time_or_null("maintenance_since")).transpose()?.flatten().is_some())
    }
}

/// Lets these distribution points learn of their settings anew.
pub(crate) async fn touch(tx: &mut Tx, dps: &[DpId]) -> Result<()> {
    if dps.is_empty() {
        return Ok(());
    }
    let revision = counter::next(tx, "revision").await?;
    let update = Query::update()
        .table("dp")
        .value("settings_revision", revision)
        .and_where(Expr::col("id").is_in(dps.iter().map(|dp| dp.0)))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}
