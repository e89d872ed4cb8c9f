//! What owners of packages demand of distribution points: of this site's, and of those beyond it.

use agent::link::{Gone, TargetRecord};
use sea_query::{Expr, ExprTrait, Query, UpdateStatement};

use super::{Apply, Verdict, past};
use crate::access::call;
use crate::distribution::demand::{self, CANCELLED, at};
use crate::distribution::state::{Event, Next, State, transition};
use crate::distribution::{DpId, point};
use crate::error::Result;
use crate::hierarchy::rows::{self, Assigned};
use crate::hierarchy::tombstone;
use crate::hierarchy::topology::NextHop;
use crate::package::by_id;

const REASON_CHARS_MAX: usize = 1024;
/// A package has at most so many versions.
pub(super) const VERSION_MAX: u32 = i32::MAX as u32;

impl Apply<'_> {
    pub(super) async fn target_record(&mut self, record: &TargetRecord) -> Result<Verdict> {
        let Some(package) = self.known_package(&record.package_id).await? else {
            return Ok(Verdict::Refused("a target names a package that is not known"));
        };
        let speaker = self.topology.speaker(&record.package_id, &package.source_site).to_owned();
        // What a former owner demanded is handed over from there to the present one.
        let may = match record.epoch < package.epoch {
            true => rows::owner_in(&package.former_owners, record.epoch)
                .is_some_and(|former| self.is_towards(former)),
            false => self.is_towards(&speaker),
        };
        if !may {
            return Ok(Verdict::Refused("the package's source site is not in the neighbor's direction"));
        }
        if record.epoch > package.epoch || record.generation <= 0 || record.version > VERSION_MAX {
            return Ok(Verdict::Refused("a target is not described like this"));
        }
        let key = point::key_of(self.topology.own(), &record.dp);
        let Some(known) = point::by_key(self.tx, &key).await? else {
            return Ok(Verdict::Refused("a target names a distribution point that is not known"));
        };
        let number = (record.epoch, record.generation);
        let grave = tombstone::distribution(self.tx, &record.package_id, &record.dp).await?;
        if grave.is_some_and(|grave| number <= grave) {
            return Ok(Verdict::Known);
        }
        let row = self.assigned(&record.package_id, known.id).await?;
        let own_package = self.topology.next_hop(&speaker) == Some(NextHop::Own);
        if let Some(row) = &row {
            let is_own_demand = own_package && row.owner_epoch == 0;
            if is_own_demand || number <= (row.owner_epoch, row.owner_generation) {
                return Ok(Verdict::Known);
            }
        }
        if own_package {
            // A generation that this site gives later shall be higher.
            if !self.lead_to(record.generation).await? {
                return Ok(Verdict::Refused("a demand's number is too far ahead"));
            }
        }
        self.demand(record, known.id, row.as_ref()).await?;
        Ok(Verdict::Stored)
    }

    pub(super) async fn assigned(&mut self, package_id: &str, dp: DpId) -> Result<Option<Assigned>> {
        let select = rows::select_assigned()
            .and_where(Expr::col(("d", "package_id")).eq(package_id))
            .and_where(Expr::col(("d", "dp_id")).eq(dp.0))
            .to_owned();
        self.tx.optional(&select).await?.as_ref().map(Assigned::read).transpose()
    }

    async fn demand(&mut self, record: &TargetRecord, dp: DpId, row: Option<&Assigned>) -> Result<()> {
        let is_own_dp = record.dp.site_code == self.topology.own();
        match row {
            None if record.absent && is_own_dp => {
                let gone = Gone::Distribution {
                    package_id: record.package_id.clone(),
                    dp: record.dp.clone(),
                    epoch: record.epoch,
                    generation: record.generation,
                };
                return tombstone::bury(self.tx, "", gone, self.now).await;
            }
            None => self.insert_target(record, dp).await?,
            Some(row) if row.owner_epoch != record.epoch && is_same_goal(row, record) => {
                self.adopt(record, dp, row).await?;
            }
            Some(row) => self.update_target(record, dp, row).await?,
        }
        if is_own_dp {
            self.touched.push(dp);
        }
        Ok(())
    }

    async fn insert_target(&mut self, record: &TargetRecord, dp: DpId) -> Result<()> {
        let revision = self.next_revision().await?;
        demand::insert(self.tx, &record.package_id, &[dp], 0, revision, self.now).await?;
        let state = match (record.absent, record.cancelled.is_some()) {
            (true, _) => State::RemovalPending,
            (false, true) => State::InstallFailed,
            (false, false) => State::InstallPending,
        };
        let update = self.demanded(record, state, Ord::max(revision, record.generation)).await?;
        self.store_target(record, dp, update).await
    }

    async fn update_target(&mut self, record: &TargetRecord, dp: DpId, row: &Assigned) -> Result<()> {
        let before = State::from_number(i64::from(row.state))?;
        let state = next_state(before, record, row);
        let update = self.demanded(record, state, Ord::max(record.generation, row.generation + 1)).await?;
        self.store_target(record, dp, update).await
    }

    /// The demand is the same, but another owner calls it by its own numbers.
    async fn adopt(&mut self, record: &TargetRecord, dp: DpId, row: &Assigned) -> Result<()> {
        let revision = self.next_revision().await?;
        let update = Query::update()
            .table("distribution")
            .value("owner_epoch", record.epoch)
            .value("owner_generation", record.generation)
            .value("generation", Ord::max(row.generation, record.generation))
            .value("revision", revision)
            .value("report_revision", revision)
            .to_owned();
        self.store_target(record, dp, update).await
    }

    async fn demanded(
        &mut self,
        record: &TargetRecord,
        state: State,
        generation: i64,
    ) -> Result<UpdateStatement> {
        let revision = self.next_revision().await?;
        let (now, none, no_text) = (self.now.as_microsecond(), Option::<i64>::None, Option::<String>::None);
        let is_cancelled = record.cancelled.is_some() && state == State::InstallFailed;
        let reason = record.cancelled.as_ref().filter(|_| is_cancelled);
        let reason =
            reason.map(|text| text.chars().filter(|c| *c != '\0').take(REASON_CHARS_MAX).collect::<String>());
        let call = record.correlation.as_deref().filter(|id| call::is_fit(id));
        let mut update = Query::update();
        update
            .table("distribution")
            .value("call_id", call)
            .value("owner_epoch", record.epoch)
            .value("owner_generation", record.generation)
            .value("generation", generation)
            .value("revision", revision)
            .value("report_revision", revision)
            .value("absent", i64::from(record.absent))
            .value("desired_version", i64::from(record.version))
            .value("verify", i64::from(record.verify))
            .value("cancelled", i64::from(is_cancelled))
            .value("demanded_at", past(&record.demanded_at, self.now).as_microsecond())
            .value("changed_at", now)
            .value("state", i64::from(state.number()))
            .value("attempts", 0i64)
            .value("next_attempt_at", none)
            .value("bytes_total", 0i64)
            .value("bytes_done", 0i64)
            .value("bytes_received", 0i64)
            .value("files_done", 0i64)
            .value("files_total", 0i64)
            .value("paused_until", none)
            .value("paused_reason", no_text.clone())
            .value("fault_code", is_cancelled.then(|| CANCELLED.to_owned()))
            .value("fault_message", reason)
            .value("fault_file", no_text)
            .value("fault_at", is_cancelled.then_some(now));
        Ok(update)
    }

    async fn store_target(
        &mut self,
        record: &TargetRecord,
        dp: DpId,
        mut update: UpdateStatement,
    ) -> Result<()> {
        tombstone::forget_distribution(self.tx, &record.package_id, &record.dp).await?;
        self.tx.execute(update.and_where(by_id(&record.package_id)).and_where(at(dp))).await?;
        Ok(())
    }
}

fn is_same_goal(row: &Assigned, record: &TargetRecord) -> bool {
    row.absent == record.absent
        && row.desired_version == record.version
        && row.cancelled == record.cancelled.is_some()
        && (row.verify || !record.verify)
}

/// The state after a demand: the step that the owner's own row took.
fn next_state(before: State, record: &TargetRecord, row: &Assigned) -> State {
    let serving = row.installed_version > 0;
    let is_there = matches!(before, State::Installed | State::ContentMonitoring)
        && row.installed_version == record.version;
    let event = match record {
        TargetRecord { absent: true, .. } => Event::RemovalWanted,
        TargetRecord { cancelled: Some(_), .. } => Event::Cancelled,
        _ if row.absent => Event::Added,
        TargetRecord { verify: true, .. } if is_there => Event::ValidationWanted,
        _ => Event::Wanted { serving },
    };
    match transition(before, event) {
        Ok(Next::State(state)) => state,
        // Cancelled, but done already: it stays as it is.
        Ok(Next::Gone) | Err(_) => before,
    }
}
