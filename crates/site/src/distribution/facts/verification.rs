//! What is reported of a verification: that it begins, what it found, how it ended.

use super::telling::Told;
use super::{Here, Record, Reporter, clear_fault, number};
use crate::distribution::repaired::name_files;
use crate::distribution::state::{Event, State};
use crate::error::Result;
use crate::hierarchy::repair::{self, PointDamage};
use crate::status::Message;

impl Record<'_> {
    pub(super) async fn verified(&mut self, version: u32, files: u64, repaired: &[String]) -> Result<()> {
        let state = self.step(Event::Verified);
        let (Some(state), true) = (state, version == self.row.desired_version) else {
            return self.note_truth().await;
        };
        let repeated = self.row.state == State::Installed && self.row.last_verified_at == Some(self.at);
        let mut update = self.going_on();
        update
            .value("state", state)
            .value("verify", 0i64)
            .value("installed_version", i64::from(version))
            .value("files_verified", number(files))
            .value("last_verified_at", self.at.as_microsecond());
        clear_fault(&mut update);
        self.store(&mut update).await?;
        if repeated {
            return Ok(());
        }
        if !repaired.is_empty() {
            let names = name_files(repaired);
            self.say(|id, dp| Message::repaired(id, dp, &names)).await?;
        }
        self.tell_repair().await?;
        self.say(|id, dp| Message::verified(id, dp, version, files)).await?;
        // A redistribution demands a verification, and is shown as an update while it goes on.
        if self.row.verify && self.row.state == State::ContentUpdating {
            self.say(|id, dp| Message::refreshed(id, dp, version)).await?;
        }
        Ok(())
    }

    /// Whether a step of a verification comes once more: the verification has ended.
    fn is_told_already(&self) -> bool {
        self.row.state == State::Installed
    }

    pub(super) async fn verifying(&mut self) -> Result<()> {
        if self.is_told_already() {
            return Ok(());
        }
        let Some(state) = self.step(Event::Working) else { return Ok(()) };
        let mut update = self.update();
        update.value("state", state);
        self.store(&mut update).await?;
        self.say(Message::verification_started).await
    }

    /// What is damaged is not repaired yet; the state follows from how that ends.
    pub(super) async fn damaged(
        &mut self,
        version: u32,
        damaged: &[String],
        missing: &[String],
    ) -> Result<()> {
        if self.is_told_already() {
            return Ok(());
        }
        let mut update = self.update();
        self.store(&mut update).await?;
        if !damaged.is_empty() {
            let names = name_files(damaged);
            self.say(|id, dp| Message::files_damaged(id, dp, version, &names)).await?;
            self.tell_damage(version, damaged, false).await?;
        }
        if !missing.is_empty() {
            let names = name_files(missing);
            self.say(|id, dp| Message::files_missing(id, dp, version, &names)).await?;
            self.tell_damage(version, missing, true).await?;
        }
        Ok(())
    }

    /// Other sites hear of it from this one, if the distribution point is its own.
    async fn tell_damage(&mut self, version: u32, files: &[String], missing: bool) -> Result<()> {
        let Some(Here { telling, monotonic, .. }) = self.here else { return Ok(()) };
        if !matches!(telling.may(self.row.dp, monotonic), Told::Now) {
            return Ok(());
        }
        let Reporter { name: dp, site_code, .. } = self.reporter;
        let damage = PointDamage { dp, package_id: &self.fact.package_id, version, files, missing };
        repair::point_damaged(self.tx, site_code, damage, self.at).await
    }

    pub(super) async fn tell_repair(&mut self) -> Result<()> {
        if self.here.is_none() {
            return Ok(());
        }
        let Reporter { name, site_code, .. } = self.reporter;
        repair::point_repaired(self.tx, site_code, name, &self.fact.package_id, self.at).await
    }
}
