//! What an administrator sets of one distribution point in one go: whom it pulls from, when it is validated.

use super::nal::NalPath;
use super::pull::{self, PullSettings};
use super::validation::{self, ValidationSettings};
use super::{DpId, point};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// New settings; what is none stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointChange {
    /// Whom it pulls from; the inner none makes it an ordinary distribution point again.
    pub pull: Option<Option<PullSettings>>,
    /// When it is validated.
    pub validation: Option<ValidationSettings>,
}

impl Site {
    /// Whether somebody may change distribution points, for whoever must know before it looks at a change.
    ///
    /// Errors: [`SiteError::AccessDenied`](crate::SiteError::AccessDenied).
    pub fn may_change_points(&self, actor: &Actor) -> Result<()> {
        actor.may(Action::ManageDps)
    }

    /// Changes the settings of the distribution point that a NAL path names: all of the change or nothing.
    ///
    /// Errors: [`SiteError::AccessDenied`](crate::SiteError::AccessDenied),
    /// [`SiteError::DpNotFound`](crate::SiteError::DpNotFound),
    /// [`SiteError::InvalidField`](crate::SiteError::InvalidField) also for sources that would form a loop.
    pub async fn change_point(&self, actor: &Actor, nal_path: &str, change: &PointChange) -> Result<()> {
        actor.may(Action::ManageDps)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let (dp, name) = require_own(self, &mut tx, nal_path).await?;
        let mut told = Vec::new();
        if let Some(settings) = &change.pull {
            let (what, sources) = pull::store(self, &mut tx, dp, settings.as_ref()).await?;
            told = sources;
            status::add(&mut tx, now, Message::dp_server_changed(actor, &name, &what)).await?;
        }
        if let Some(settings) = &change.validation {
            let what = validation::store(self, &mut tx, dp, settings).await?;
            status::add(&mut tx, now, Message::dp_server_changed(actor, &name, &what)).await?;
        }
        tx.commit().await?;
        self.changes().notify(&told);
        self.validation_wake().notify_one();
        Ok(())
    }
}

/// The distribution point of this site that a NAL path names: another site's are run there.
pub(super) async fn require_own(site: &Site, tx: &mut Tx, nal_path: &str) -> Result<(DpId, String)> {
    let is_own = |nal: NalPath| nal.site_code() == site.identity().site_code;
    if nal_path.parse().is_ok_and(|nal| !is_own(nal)) {
        return Err(SiteError::DpNotFound { name: nal_path.to_owned() });
    }
    point::require(site, tx, nal_path).await
}

/// The settings of one distribution point that its agent is told.
pub(super) struct Told {
    /// By which a change of them is known.
    pub(super) revision: i64,
    pub(super) maintenance: bool,
    /// Whether it has an identity; one that was revoked has none.
    pub(super) has_identity: bool,
}

impl Told {
    /// The columns that [`Self::read`] reads.
    pub(super) const COLUMNS: [&str; 3] = ["settings_revision", "maintenance_since", "secret_hash"];

    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            revision: row.get("settings_revision")?,
            maintenance: row.time_or_null("maintenance_since")?.is_some(),
            has_identity: row.get::<Option<String>>("secret_hash")?.is_some(),
        })
    }
}
