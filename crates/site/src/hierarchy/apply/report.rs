//! What the sites of distribution points report of them.
//!
//! A report is a whole row. What is new in it goes through the same steps as the facts of an own distribution point, so
//! that the same messages follow; then the row is what the report says.

use agent::link::ReportRecord;
use agent::{Event as Reported, Fact, Fault};
use jiff::Timestamp;
use sea_query::{Query, UpdateStatement};

use super::{Apply, Verdict, past, past_or_none};
use crate::distribution::demand::{CANCELLED, at, is_removal};
use crate::distribution::facts::{self, Reporter};
use crate::distribution::state::State;
use crate::distribution::{DpId, point};
use crate::error::Result;
use crate::hierarchy::rows::Assigned;
use crate::hierarchy::topology::NextHop;
use crate::package::by_id;

const CODE_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 1024;

impl Apply<'_> {
    pub(super) async fn report_record(&mut self, record: &ReportRecord) -> Result<Verdict> {
        if !self.is_towards(&record.dp.site_code) {
            return Ok(Verdict::Refused("the distribution point's site is not in the neighbor's direction"));
        }
        let Ok(state) = State::from_number(i64::from(record.state)) else {
            return Ok(Verdict::Refused("a report is not described like this"));
        };
        let key = point::key_of(self.topology.own(), &record.dp);
        let Some(dp) = point::by_key(self.tx, &key).await? else {
            return Ok(Verdict::Refused("a report names a distribution point that is not known"));
        };
        let Some(row) = self.assigned(&record.package_id, dp.id).await? else { return Ok(Verdict::Known) };
        if record.stamp <= row.report_stamp {
            return Ok(Verdict::Known);
        }
        let speaker = self.topology.speaker(&row.package_id, &row.source_site);
        let own_package = self.topology.next_hop(speaker) == Some(NextHop::Own);
        let is_present =
            (record.epoch, record.generation) == row.demand(own_package) && is_removal(state) == row.absent;
        if !is_present {
            // Of an earlier demand: true of the disk, whatever is wanted now.
            let mut update = self.reported(record).await?;
            update.value("installed_version", i64::from(record.installed_version));
            self.store_report(&row, update).await?;
            return Ok(Verdict::Stored);
        }
        for fact in news(&row, record, self.now) {
            let reporter = Reporter { dp: dp.id, name: &record.dp.name, site_code: &record.dp.site_code };
            self.gone.extend(facts::replay(self.tx, reporter, &fact, self.now).await?);
        }
        let update = self.whole(record, state).await?;
        self.store_report(&row, update).await?;
        Ok(Verdict::Stored)
    }

    async fn reported(&mut self, record: &ReportRecord) -> Result<UpdateStatement> {
        let revision = self.next_revision().await?;
        Ok(Query::update()
            .table("distribution")
            .value("report_stamp", record.stamp)
            .value("report_revision", revision)
            .value("last_copied_at", past_or_none(record.last_copied_at.as_ref(), self.now))
            .value("reported_at", past_or_none(record.reported_at.as_ref(), self.now))
            .to_owned())
    }

    async fn whole(&mut self, record: &ReportRecord, state: State) -> Result<UpdateStatement> {
        let fault = record.fault.as_ref().map(cut);
        let pause = record.paused.as_ref();
        let mut update = self.reported(record).await?;
        update
            .value("state", i64::from(state.number()))
            .value("installed_version", i64::from(record.installed_version))
            .value("attempts", i64::from(record.attempts))
            .value("next_attempt_at", moment(record.next_attempt_at.as_ref()))
            .value("bytes_total", number(record.bytes_total))
            .value("bytes_done", number(record.bytes_done))
            .value("bytes_received", number(record.bytes_received))
            .value("files_total", number(record.files_total))
            .value("files_done", number(record.files_done))
            .value("rate_done", number(record.done_bytes_per_s))
            .value("rate_received", number(record.received_bytes_per_s))
            .value("files_verified", number(record.files_verified))
            .value("fault_code", fault.as_ref().map(|fault| fault.code.clone()))
            .value("fault_message", fault.as_ref().map(|fault| fault.message.clone()))
            .value("fault_file", fault.and_then(|fault| fault.file))
            .value("fault_at", past_or_none(record.fault_at.as_ref(), self.now))
            .value("paused_reason", pause.map(|pause| text(&pause.reason, TEXT_CHARS_MAX)))
            .value("paused_until", pause.and_then(|pause| moment(pause.until.as_ref())))
            .value("last_verified_at", past_or_none(record.last_verified_at.as_ref(), self.now))
            .value("changed_at", past(&record.changed_at, self.now).as_microsecond());
        if state == State::Installed {
            update.value("verify", 0i64).value("cancelled", 0i64);
        }
        Ok(update)
    }

    async fn store_report(&mut self, row: &Assigned, mut update: UpdateStatement) -> Result<()> {
        update.and_where(by_id(&row.package_id)).and_where(at(DpId(row.dp_id)));
        self.tx.execute(&update).await?;
        Ok(())
    }
}

/// The facts that lie between a row and a report of it.
fn news(row: &Assigned, record: &ReportRecord, now: Timestamp) -> Vec<Fact> {
    let time = |text: &Option<String>| text.as_ref().map(|text| past(text, now));
    let is_new =
        |new: Option<Timestamp>, old: Option<Timestamp>| new.filter(|new| old.is_none_or(|old| *new > old));
    let fact = |at: Timestamp, event| Fact {
        package_id: record.package_id.clone(),
        generation: row.generation,
        at: at.to_string(),
        serial: None,
        event,
    };
    let version = record.desired_version;
    let mut facts = Vec::new();
    let begun = record.attempts > 0 || record.bytes_received > 0;
    if begun && row.attempts == 0 && row.progress.bytes_received == 0 && !record.absent {
        let at = time(&record.reported_at).unwrap_or(now);
        facts.push(fact(at, Reported::Started { version, attempt: 1 }));
    }
    let copied = is_new(time(&record.last_copied_at), row.last_copied_at);
    if let Some(at) = copied.filter(|_| record.installed_version == version) {
        let event = Reported::Installed {
            version,
            files: record.files_total,
            bytes_total: record.bytes_total,
            bytes_received: record.bytes_received,
            files_verified: record.files_verified,
        };
        facts.push(fact(at, event));
    }
    let verified = is_new(time(&record.last_verified_at), row.last_verified_at);
    if let Some(at) = verified.filter(|at| Some(*at) > time(&record.last_copied_at)) {
        let event =
            Reported::Verified { version, files_verified: record.files_verified, files_repaired: Vec::new() };
        facts.push(fact(at, event));
    }
    let failed = is_new(time(&record.fault_at), row.fault_at);
    if let (Some(at), Some(fault)) = (failed, record.fault.as_ref().filter(|fault| fault.code != CANCELLED)) {
        let event = Reported::Failed {
            fault: cut(fault),
            attempt: record.attempts,
            next_attempt_at: record.next_attempt_at.clone().unwrap_or_default(),
        };
        facts.push(fact(at, event));
    }
    facts
}

fn cut(fault: &Fault) -> Fault {
    Fault {
        code: text(&fault.code, CODE_CHARS_MAX),
        message: text(&fault.message, TEXT_CHARS_MAX),
        file: fault.file.as_deref().map(|file| text(file, TEXT_CHARS_MAX)),
    }
}

fn text(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(chars_max).collect()
}

/// A time that may lie ahead, in microseconds.
fn moment(at: Option<&String>) -> Option<i64> {
    Some(at?.parse::<Timestamp>().ok()?.as_microsecond())
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
