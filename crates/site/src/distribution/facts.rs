//! What agents report, and what follows from it.
//!
//! A fact about an earlier demand changes only what is true whatever is wanted now: the installed version.
//! A fact may come twice, since an agent repeats what it got no answer for; the second time changes nothing (`taken`). What
//! an agent says becomes messages within limits (`telling`).

use agent::{Event as Reported, FACTS_MAX, Fact, Fault, WINDOW_CLOSED};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query, UpdateStatement};

use super::DpId;
use super::demand::at;
use super::pull;
use super::rate::{self, Sample};
use super::state::{Event, Next, State, transition};
use crate::db::{Tx, counter};
use crate::error::{Result, SiteError};
use crate::hierarchy::is_package_id;
use crate::metrics::Metrics;
use crate::package::by_id;
use crate::route::{Destination, Passage};
use crate::server::Site;
use crate::status::{self, Message, failure_id};

mod assignment;
mod removal;
mod taken;
mod telling;
mod verification;

use assignment::Assignment;
use taken::Taken;
pub(crate) use telling::Telling;
use telling::Told;

/// Failed attempts in a row after which the state says "failed" and no longer "retrying".
pub(crate) const ATTEMPTS_BEFORE_FAILED: u32 = 10;
/// Texts from an agent are cut here.
const TEXT_CHARS_MAX: usize = 1024;
const CODE_CHARS_MAX: usize = 64;

impl Site {
    /// Stores what an agent reports, all of it in one transaction, oldest first.
    ///
    /// Errors: [`SiteError::InvalidField`] for more than [`FACTS_MAX`] facts, [`SiteError::AgentUnknown`].
    pub async fn record_facts(&self, dp: DpId, facts: &[Fact]) -> Result<()> {
        if facts.len() > FACTS_MAX {
            return Err(SiteError::invalid("facts", format!("at most {FACTS_MAX} facts are taken at once")));
        }
        let now = self.now();
        let turn = self.turns().report().await;
        let mut tx = self.db().write().await?;
        let select = Query::select()
            .columns(["name", "facts_taken"])
            .from("dp")
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        let point = tx.optional(&select).await?.ok_or(SiteError::AgentUnknown)?;
        let name: String = point.get("name")?;
        let mut taken = Taken::read(&point)?;
        self.seen().note(dp, now);
        let (mut gone, mut told_again, mut revision) = (Vec::new(), false, None);
        let own = self.identity().site_code.as_str();
        let reporter = Reporter { dp, name: &name, site_code: own };
        for fact in facts.iter().filter(|fact| taken.is_new(fact)) {
            // An agent's clock may be wrong; a fact does not lie in the future.
            let at = fact.at.parse::<Timestamp>().map_or(now, |at| at.min(now));
            if let Reported::Collected { versions, bytes } = &fact.event {
                self.collected(&mut tx, reporter, fact, at, (versions.len(), *bytes)).await?;
            }
            let Some(row) = Assignment::read(&mut tx, &fact.package_id, dp).await? else { continue };
            let reopened = self.is_open_again(dp, fact).await?;
            let revision = match revision {
                Some(revision) => revision,
                None => *revision.insert(counter::next(&mut tx, "revision").await?),
            };
            let mut record = Record {
                tx: &mut tx,
                row,
                reporter,
                here: Some(Here {
                    metrics: self.metrics(),
                    telling: self.telling(),
                    monotonic: self.clock().monotonic(),
                }),
                revision,
                fact,
                at,
                now,
                reopened,
                told_again: false,
            };
            gone.extend(record.apply().await?);
            told_again |= record.told_again;
        }
        taken.store(&mut tx, dp).await?;
        tx.commit().await?;
        drop(turn);
        self.changes().notify(told_again.then_some(dp).as_slice());
        self.suspects().note(facts, self.clock().monotonic());
        if facts.iter().any(|fact| matches!(fact.event, Reported::Verified { .. } | Reported::Failed { .. }))
        {
            self.validation_wake().notify_one();
        }
        self.release(&gone).await;
        Ok(())
    }

    /// What nobody wanted is gone; most likely of a package that is not known here any more.
    async fn collected(
        &self,
        tx: &mut Tx,
        reporter: Reporter<'_>,
        fact: &Fact,
        at: Timestamp,
        (versions, bytes): (usize, u64),
    ) -> Result<()> {
        let id = &fact.package_id;
        if !is_package_id(id) {
            return Ok(());
        }
        let message = match self.telling().may(reporter.dp, self.clock().monotonic()) {
            Told::Now => Message::orphan_collected(id, reporter.name, versions, bytes),
            Told::Last => Message::messages_dropped(reporter.name, telling::MESSAGES_AT_ONCE_MAX),
            Told::Not => return Ok(()),
        };
        status::add(tx, at, message).await
    }

    /// Whether an agent waits for a window that opened while it said so. It may be the window of one that it fetches from.
    async fn is_open_again(&self, dp: DpId, fact: &Fact) -> Result<bool> {
        match &fact.event {
            Reported::Paused { code, .. } if code == WINDOW_CLOSED => {}
            _ => return Ok(false),
        }
        let mut tx = self.db().read().await?;
        let on_the_way = pull::fetched_from(&mut tx, dp).await?;
        tx.commit().await?;
        for dp in on_the_way.into_iter().chain([dp]) {
            let to = Destination::Dp(dp);
            let priority = self.priority_towards(&to, Some(&fact.package_id)).await?;
            if !matches!(self.passage(&to, priority), Passage::Open { .. }) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The distribution point that a fact is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter<'r> {
    pub(crate) dp: DpId,
    pub(crate) name: &'r str,
    /// Its site.
    pub(crate) site_code: &'r str,
}

/// Applies a fact that another site tells of a distribution point of its own. Returns manifests to release.
pub(crate) async fn replay(
    tx: &mut Tx,
    reporter: Reporter<'_>,
    fact: &Fact,
    now: Timestamp,
) -> Result<Vec<String>> {
    let at = fact.at.parse::<Timestamp>().unwrap_or(now);
    let Some(row) = Assignment::read(tx, &fact.package_id, reporter.dp).await? else { return Ok(Vec::new()) };
    let revision = counter::next(tx, "revision").await?;
    let (here, reopened, told_again) = (None, false, false);
    let mut record = Record { tx, row, reporter, here, revision, fact, at, reopened, now, told_again };
    record.apply().await
}

/// What a site has for its own distribution points: each counts for these, and says what the others say already.
#[derive(Clone, Copy)]
struct Here<'r> {
    metrics: &'r Metrics,
    telling: &'r Telling,
    monotonic: std::time::Duration,
}

/// One fact on its way into the database.
struct Record<'r> {
    tx: &'r mut Tx,
    row: Assignment,
    reporter: Reporter<'r>,
    /// What there is for this site's own distribution points only.
    here: Option<Here<'r>>,
    /// Tells neighbors that the row has changed.
    revision: i64,
    fact: &'r Fact,
    at: Timestamp,
    /// Whether what the agent waits for is here already.
    reopened: bool,
    now: Timestamp,
    /// Whether the agent must hear of the row once more.
    told_again: bool,
}

impl Record<'_> {
    /// Applies the fact. Returns manifests to release, when a deleted package lost its last place.
    async fn apply(&mut self) -> Result<Vec<String>> {
        if let Reported::Refused { object, reason, source } = &self.fact.event {
            let reason = match source {
                Some(source) => format!("{reason}; it came from distribution point {source}"),
                None => reason.clone(),
            };
            if let Some(Here { telling, .. }) = self.here
                && !telling.is_new_refusal(self.row.dp, &self.fact.package_id, self.row.generation, &reason)
            {
                return Ok(Vec::new());
            }
            self.say(|id, dp| Message::refused(id, dp, object, &reason)).await?;
            return Ok(Vec::new());
        }
        if self.fact.generation != self.row.generation && !self.outran_its_cancel() {
            self.note_truth().await?;
            return Ok(Vec::new());
        }
        match &self.fact.event {
            Reported::Started { version, attempt } => self.started(*version, *attempt).await?,
            Reported::Progress { .. } => self.progress().await?,
            Reported::Installed { .. } => self.installed().await?,
            Reported::Verifying { .. } => self.verifying().await?,
            Reported::Damaged { version, damaged, missing, .. } => {
                self.damaged(*version, damaged, missing).await?;
            }
            Reported::Verified { version, files_verified, files_repaired } => {
                self.verified(*version, *files_verified, files_repaired).await?;
            }
            Reported::Failed { fault, attempt, next_attempt_at } => {
                self.failed(fault, *attempt, next_attempt_at).await?;
            }
            Reported::Paused { reason, until, .. } => self.paused(reason, until.as_deref()).await?,
            Reported::Removed => return self.removed().await,
            Reported::Refused { .. } | Reported::Collected { .. } => {}
        }
        Ok(Vec::new())
    }

    /// Whether the agent was done with the demand that was cancelled before it heard of that. A demand before that one
    /// proves nothing: its report may come again at any time.
    fn outran_its_cancel(&self) -> bool {
        let Reported::Installed { version, .. } = self.fact.event else { return false };
        let is_the_cancelled = self.fact.generation == self.row.generation - 1;
        self.row.cancelled && is_the_cancelled && version == self.row.desired_version
    }

    /// What is true of the disk, whatever was demanded since. A report that comes again may be about what was there before
    /// what is there now.
    async fn note_truth(&mut self) -> Result<()> {
        let known_since = self.row.last_copied_at.max(self.row.last_verified_at);
        if known_since.is_some_and(|known_since| self.at <= known_since) {
            return Ok(());
        }
        let mut update = self.update();
        match &self.fact.event {
            Reported::Installed { version, .. } => {
                update.value("installed_version", i64::from(*version));
                update.value("last_copied_at", self.at.as_microsecond());
            }
            Reported::Verified { version, .. } => {
                update.value("installed_version", i64::from(*version));
            }
            Reported::Removed => {
                update.value("installed_version", 0i64);
            }
            _ => return Ok(()),
        }
        self.store(&mut update).await
    }

    async fn started(&mut self, version: u32, attempt: u32) -> Result<()> {
        let Some(state) = self.step(Event::Working) else { return Ok(()) };
        let mut update = self.update();
        update.value("state", state).value("attempts", i64::from(Ord::max(attempt, self.row.attempts)));
        // One that is paused asks again now and then; it goes on when bytes come.
        if self.row.paused_reason.is_none() {
            update.value("next_attempt_at", Option::<i64>::None);
        }
        rate::stop(&mut update);
        self.store(&mut update).await?;
        if attempt > 1 || self.row.attempts > 0 || self.row.absent {
            return Ok(());
        }
        self.say(|id, dp| Message::distribution_started(id, dp, version)).await
    }

    async fn progress(&mut self) -> Result<()> {
        let Reported::Progress { version, bytes_done, bytes_total, bytes_received, files_done, files_total } =
            self.fact.event
        else {
            return Ok(());
        };
        // Progress that arrives late does not undo an installation.
        if self.row.state == State::Installed {
            return Ok(());
        }
        let Some(state) = self.step(Event::Working) else { return Ok(()) };
        let sample = Sample::new(self.at, number(bytes_done), number(bytes_received));
        let (window, rate) = self.row.window.add(sample);
        let mut update = self.going_on();
        update
            .value("state", state)
            .value("bytes_done", number(bytes_done))
            .value("bytes_total", number(bytes_total))
            .value("bytes_received", number(bytes_received));
        if let (Some(done), Some(total)) = (files_done, files_total) {
            update.value("files_done", number(done)).value("files_total", number(total));
        }
        window.store(rate, &mut update);
        self.store(&mut update).await?;
        // Said once for a demand: what was received before is remembered.
        if self.row.bytes_received == 0 && bytes_received > 0 {
            self.say(|id, dp| Message::content_on_its_way(id, dp, version)).await?;
        }
        Ok(())
    }

    async fn installed(&mut self) -> Result<()> {
        let Reported::Installed { version, files, bytes_total, bytes_received, files_verified } =
            self.fact.event
        else {
            return Ok(());
        };
        let state = self.step(Event::Installed);
        let (Some(state), true) = (state, version == self.row.desired_version) else {
            return self.note_truth().await;
        };
        let Assignment { state: before, cancelled, installed_version, .. } = self.row;
        if self.here.is_some() && before == State::Installed && installed_version == version && !cancelled {
            // It says what it holds once more, as after the loss of its memory.
            return Ok(());
        }
        let repeated = before == State::Installed && self.row.last_copied_at == Some(self.at);
        let mut update = self.going_on();
        update
            .value("state", state)
            .value("verify", 0i64)
            .value("cancelled", 0i64)
            .value("installed_version", i64::from(version))
            .value("bytes_done", number(bytes_total))
            .value("bytes_total", number(bytes_total))
            .value("bytes_received", number(bytes_received))
            .value("files_done", number(files))
            .value("files_total", number(files))
            .value("files_verified", number(files_verified))
            .value("last_copied_at", self.at.as_microsecond())
            .value("last_verified_at", self.at.as_microsecond());
        clear_fault(&mut update);
        if self.row.cancelled {
            // The agent believes in the cancellation, and would repair nothing of a package that it may not transfer.
            update.value("revision", counter::next(self.tx, "revision").await?);
            self.told_again = true;
        }
        self.store(&mut update).await?;
        if repeated {
            return Ok(());
        }
        if let (Some(Here { metrics, .. }), Some(requested_at)) = (self.here, self.row.requested_at) {
            metrics.installed(self.now.duration_since(requested_at));
        }
        if bytes_received > 0 {
            self.say(|id, dp| Message::sent(id, dp, version, bytes_received)).await?;
        }
        self.say(|id, dp| Message::installed(id, dp, version, bytes_received)).await?;
        self.tell_repair().await?;
        let call = self.row.call.as_deref();
        tracing::info!(
            call,
            package = self.fact.package_id,
            dp = self.reporter.name,
            version,
            bytes_received,
            "installed"
        );
        Ok(())
    }

    async fn failed(&mut self, fault: &Fault, attempt: u32, next_attempt_at: &str) -> Result<()> {
        let exhausted = attempt >= ATTEMPTS_BEFORE_FAILED;
        let Some(state) = self.step(Event::Failed { exhausted }) else { return Ok(()) };
        let repeated = self.row.fault_at == Some(self.at) && self.row.attempts == attempt;
        let next = next_attempt_at.parse::<Timestamp>().ok();
        let message = cut(&fault.message, TEXT_CHARS_MAX);
        let mut update = self.going_on();
        update
            .value("state", state)
            .value("attempts", i64::from(attempt))
            .value("next_attempt_at", next.map(Timestamp::as_microsecond))
            .value("fault_code", cut(&fault.code, CODE_CHARS_MAX))
            .value("fault_message", message.as_str())
            .value("fault_file", fault.file.as_deref().map(|file| cut(file, TEXT_CHARS_MAX)))
            .value("fault_at", self.at.as_microsecond());
        rate::stop(&mut update);
        self.store(&mut update).await?;
        let call = self.row.call.as_deref();
        let package = &self.fact.package_id;
        tracing::warn!(
            call,
            package,
            dp = self.reporter.name,
            fault.code,
            message,
            attempt,
            "an attempt failed"
        );
        if !repeated {
            if let Some(Here { metrics, .. }) = self.here {
                metrics.failed(&fault.code);
            }
            let next = next
                .map_or_else(|| "the agent tries again".to_owned(), |at| format!("next attempt at {at:.0}"));
            let code = fault.code.as_str();
            let fault =
                fault.file.as_ref().map_or_else(|| message.clone(), |file| format!("{message} [{file}]"));
            let holds_some = self.row.installed_version > 0;
            let number = failure_id(self.row.absent, code, self.row.verify, holds_some);
            self.say(|id, dp| Message::attempt_failed(number, id, dp, &fault, &next, exhausted)).await?;
        }
        Ok(())
    }

    /// It waits for a window: no attempt, no failure, and what failed before is not what keeps it.
    async fn paused(&mut self, reason: &str, until: Option<&str>) -> Result<()> {
        let serving = self.row.installed_version > 0;
        let Some(state) = self.step(Event::Paused { serving }) else { return Ok(()) };
        let until = until.and_then(|until| until.parse::<Timestamp>().ok());
        let repeated = self.row.paused_reason.is_some() && self.row.paused_until == until;
        let reason = cut(reason, TEXT_CHARS_MAX);
        let mut update = self.update();
        update
            .value("state", state)
            .value("paused_reason", reason.as_str())
            .value("paused_until", until.map(Timestamp::as_microsecond))
            .value("next_attempt_at", until.map(Timestamp::as_microsecond))
            .value("fault_at", Option::<i64>::None);
        rate::stop(&mut update);
        for column in FAULT_TEXTS {
            update.value(column, Option::<String>::None);
        }
        if self.reopened {
            update.value("revision", counter::next(self.tx, "revision").await?);
            self.told_again = true;
        }
        self.store(&mut update).await?;
        if !repeated {
            let until = until.map_or_else(|| "the window opens".to_owned(), |at| format!("{at:.0}"));
            self.say(|id, dp| Message::paused(id, dp, &until, &reason)).await?;
        }
        Ok(())
    }

    /// The number of the state after an event; none where the event makes no sense in this state.
    fn step(&self, event: Event) -> Option<i64> {
        match transition(self.row.state, event) {
            Ok(Next::State(state)) => Some(i64::from(state.number())),
            Ok(Next::Gone) => None,
            Err(refused) => {
                tracing::warn!(package = self.fact.package_id, dp = self.reporter.name, %refused, "fact ignored");
                None
            }
        }
    }

    fn update(&self) -> UpdateStatement {
        Query::update()
            .table("distribution")
            .value("changed_at", self.at.as_microsecond())
            // By the site's clock, as the time of a demand is: whether it said anything since is a question of both.
            .value("reported_at", self.now.as_microsecond())
            .value("report_revision", self.revision)
            .to_owned()
    }

    /// An update by a fact that says that it does not wait for a window any more.
    fn going_on(&self) -> UpdateStatement {
        let mut update = self.update();
        update.value("paused_reason", Option::<String>::None).value("paused_until", Option::<i64>::None);
        update
    }

    async fn store(&mut self, update: &mut UpdateStatement) -> Result<()> {
        update.and_where(by_id(&self.fact.package_id)).and_where(at(self.row.dp));
        self.tx.execute(update).await?;
        Ok(())
    }

    async fn say(&mut self, message: impl FnOnce(&str, &str) -> Message) -> Result<()> {
        let told = self
            .here
            .map_or(Told::Now, |Here { telling, monotonic, .. }| telling.may(self.row.dp, monotonic));
        let mut message = match told {
            Told::Now => message(&self.fact.package_id, self.reporter.name).of_call(self.row.call.as_deref()),
            Told::Last => Message::messages_dropped(self.reporter.name, telling::MESSAGES_AT_ONCE_MAX),
            Told::Not => return Ok(()),
        };
        if self.here.is_none() {
            message = message.of_site(self.reporter.site_code);
        }
        status::add(self.tx, self.at, message).await
    }
}

const FAULT_TEXTS: [&str; 3] = ["fault_code", "fault_message", "fault_file"];

/// A demand is met: no fault is left, and nothing is transferred.
fn clear_fault(update: &mut UpdateStatement) {
    rate::stop(update);
    update.value("attempts", 0i64);
    for column in ["next_attempt_at", "fault_at"] {
        update.value(column, Option::<i64>::None);
    }
    for column in FAULT_TEXTS {
        update.value(column, Option::<String>::None);
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}
