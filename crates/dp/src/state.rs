//! What the agent must not forget over a restart: what the site wants, how far each package is, and what
//! the site was not told yet.
//!
//! Memory leads and the file follows, so that a full disk stops nothing: what could not be written is
//! written when it can. Losing the file costs a full reconcile and facts said twice, both harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::{DesiredPackage, DesiredReply, Event, Fact, Goal};
use jiff::Timestamp;
use redb::Database;
use tokio::sync::Notify;

mod file;
mod outbox;
mod row;

use file::Change;
pub(crate) use outbox::Batch;
use outbox::Outbox;
pub(crate) use row::Row;
use row::is_same_demand;

/// The agent's memory. Reads never wait for the disk; changes do, so they belong on a blocking thread.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    /// Held over a change and its write, so that the file sees changes in order; always taken first.
    database: Mutex<Option<Database>>,
    inner: Mutex<Inner>,
    /// Rung when a fact waits.
    pub(crate) facts: Notify,
    /// Rung when the work to do changed.
    pub(crate) work: Notify,
}

#[derive(Debug)]
struct Inner {
    rows: BTreeMap<String, Row>,
    outbox: Outbox,
}

impl State {
    /// Reads the file, or starts anew where it is missing or damaged.
    pub(crate) fn open(path: &Path) -> Self {
        let (database, rows, facts) = match file::read(path) {
            Ok((database, rows, facts)) => (Some(database), rows, facts),
            Err(error) => {
                tracing::warn!(%error, "The agent's memory cannot be read; starting anew");
                if let Err(error) = std::fs::rename(path, path.with_extension("redb.damaged")) {
                    tracing::warn!(%error, "The damaged memory cannot be set aside");
                }
                (None, BTreeMap::new(), BTreeMap::new())
            }
        };
        Self {
            path: path.to_owned(),
            database: Mutex::new(database),
            inner: Mutex::new(Inner { rows, outbox: Outbox::new(facts) }),
            facts: Notify::new(),
            work: Notify::new(),
        }
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.lock().rows.values().cloned().collect()
    }

    pub(crate) fn rows_count(&self) -> usize {
        self.lock().rows.len()
    }

    pub(crate) fn facts_count(&self) -> usize {
        self.lock().outbox.len()
    }

    /// Takes a page of what the site wants.
    pub(crate) fn apply(&self, reply: &DesiredReply, now: Timestamp) {
        let mut is_changed = false;
        self.change(|inner| {
            let mut changed = Vec::new();
            for desired in &reply.packages {
                let known = inner.rows.get_mut(&desired.package_id);
                if known.as_ref().is_some_and(|row| row.desired == *desired) {
                    continue;
                }
                let call = desired.correlation.as_deref();
                tracing::info!(call, package = %desired.package_id, goal = ?desired.goal, "Wanted");
                match known.filter(|row| is_same_demand(&row.desired, desired)) {
                    Some(row) => row.tell_again(desired),
                    None => {
                        inner.rows.insert(desired.package_id.clone(), Row::new(desired.clone(), now));
                    }
                }
                changed.push(desired.package_id.clone());
            }
            is_changed = !changed.is_empty();
            is_changed.then(|| inner.written(&changed, &[], Vec::new()))
        });
        if is_changed {
            self.work.notify_one();
        }
    }

    /// Forgets what a full list of the site does not name.
    pub(crate) fn keep_only(&self, wanted: &BTreeSet<String>) {
        self.change(|inner| {
            let gone: Vec<String> =
                inner.rows.keys().filter(|package| !wanted.contains(*package)).cloned().collect();
            for package in &gone {
                tracing::info!(package, "The site does not know this demand any more");
                inner.rows.remove(package);
            }
            (!gone.is_empty()).then(|| inner.written(&gone, &[], Vec::new()))
        });
        self.work.notify_one();
    }

    /// Takes back that demands are met where `is_met` says that they are not. Gives whether all are.
    pub(crate) fn unsettle(&self, is_met: impl Fn(&DesiredPackage) -> bool) -> bool {
        let mut are_all_met = true;
        self.change(|inner| {
            let mut changed = Vec::new();
            for (package, row) in inner.rows.iter_mut().filter(|(_, row)| row.settled) {
                if !is_met(&row.desired) {
                    row.begin_anew(false);
                    changed.push(package.clone());
                }
            }
            are_all_met = changed.is_empty();
            (!are_all_met).then(|| inner.written(&changed, &[], Vec::new()))
        });
        are_all_met
    }

    /// An attempt begins: the site is told once, however often it is taken up again.
    pub(crate) fn begin(
        &self,
        package: &str,
        generation: i64,
        version: u32,
        fact: impl FnOnce(Event) -> Fact,
    ) {
        self.change(|inner| {
            let row = inner.row(package, generation)?;
            let attempt = row.attempts.saturating_add(1);
            if row.started >= attempt {
                return None;
            }
            row.started = attempt;
            Some(inner.push(package, vec![fact(Event::Started { version, attempt })]))
        });
        self.facts.notify_one();
    }

    /// Bytes that came for a demand so far, over all attempts. Written with the next change of the row.
    pub(crate) fn received(&self, package: &str, generation: i64, bytes: u64) {
        if let Some(row) = self.lock().row(package, generation) {
            row.received_bytes = row.received_bytes.max(bytes);
        }
    }

    /// Writes a row down as it is.
    pub(crate) fn keep(&self, package: &str) {
        self.change(|inner| Some(inner.written(&[package.to_owned()], &[], Vec::new())));
    }

    /// The demand is met: remembers it together with the facts that say so.
    pub(crate) fn settle(&self, package: &str, generation: i64, facts: Vec<Fact>) {
        self.change(|inner| {
            if let Some(row) = inner.row(package, generation) {
                row.begin_anew(true);
                if row.desired.goal == Goal::Absent {
                    inner.rows.remove(package);
                }
            }
            Some(inner.push(package, facts))
        });
        self.facts.notify_one();
    }

    /// An attempt failed.
    pub(crate) fn fail(&self, package: &str, generation: i64, retry_at: Duration, fact: Fact) {
        self.change(|inner| {
            if let Some(row) = inner.row(package, generation) {
                row.attempts += 1;
                row.retry_at = Some(retry_at);
                if let Event::Failed { fault, .. } = &fact.event {
                    row.fault = Some(fault.code.clone());
                }
            }
            Some(inner.push(package, vec![fact]))
        });
        self.facts.notify_one();
    }

    /// The site sends nothing until then, or until it tells the row again.
    pub(crate) fn pause(&self, package: &str, generation: i64, retry_at: Duration, fact: Fact) {
        self.change(|inner| {
            if let Some(row) = inner.row(package, generation) {
                row.retry_at = Some(retry_at);
                row.paused = true;
                row.fault = None;
            }
            Some(inner.push(package, vec![fact]))
        });
        self.facts.notify_one();
    }

    /// Nothing to report, and nothing to do until then, or until the reason `code` is over.
    pub(crate) fn wait(&self, package: &str, generation: i64, retry_at: Duration, code: &str) {
        if let Some(row) = self.lock().row(package, generation) {
            (row.retry_at, row.fault) = (Some(retry_at), Some(code.to_owned()));
        }
    }

    /// The site tells these rows out of turn: what waits for it may go on now.
    pub(crate) fn resume(&self, reply: &DesiredReply) {
        let mut inner = self.lock();
        for desired in &reply.packages {
            if let Some(row) = inner.rows.get_mut(&desired.package_id).filter(|row| row.paused) {
                (row.paused, row.retry_at) = (false, None);
            }
        }
        drop(inner);
        self.work.notify_one();
    }

    /// Something happened that the site must hear of.
    pub(crate) fn push(&self, fact: Fact) {
        self.change(|inner| Some(inner.push(&fact.package_id.clone(), vec![fact])));
        self.facts.notify_one();
    }

    /// How far a pull is; only the latest counts, and none after a kill.
    pub(crate) fn progress(&self, fact: Fact) {
        self.lock().outbox.progress(fact);
        self.facts.notify_one();
    }

    /// Lets a package that waits after a failure try now.
    pub(crate) fn retry_now(&self, package: &str) {
        if let Some(row) = self.lock().rows.get_mut(package) {
            row.retry_at = None;
        }
        self.work.notify_one();
    }

    /// Lets everything that waits for the reason `code` try now: it is over.
    pub(crate) fn is_over(&self, code: &str) {
        let mut inner = self.lock();
        for row in inner.rows.values_mut().filter(|row| row.fault.as_deref() == Some(code)) {
            row.retry_at = None;
        }
        drop(inner);
        self.work.notify_one();
    }

    /// The oldest facts, at most `facts_max`; progress goes along where there is room.
    pub(crate) fn batch(&self, facts_max: usize) -> Batch {
        self.lock().outbox.batch(facts_max)
    }

    /// The site has the batch, or will never take it.
    pub(crate) fn delivered(&self, batch: &Batch) {
        self.change(|inner| {
            let removed = inner.outbox.delivered(batch);
            (!removed.is_empty()).then(|| inner.written(&[], &[], removed))
        });
    }

    /// Changes the memory, then the file; after a failed write, the whole file.
    fn change(&self, act: impl FnOnce(&mut Inner) -> Option<Change>) {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(change) = act(&mut self.lock()) else { return };
        let result = match database.take() {
            Some(open) => change.write(&open).map(|()| open),
            None => file::open(&self.path).and_then(|open| {
                let all = self.lock().everything();
                all.write_anew(&open).map(|()| open)
            }),
        };
        match result {
            Ok(open) => *database = Some(open),
            Err(error) => {
                tracing::warn!(%error, "The agent's memory cannot be written; it is kept in mind until it can");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The row of a demand; none if another has replaced it.
    fn row(&mut self, package: &str, generation: i64) -> Option<&mut Row> {
        self.rows.get_mut(package).filter(|row| row.desired.generation == generation)
    }

    /// Adds facts about a package, making room where they replace others.
    fn push(&mut self, package: &str, facts: Vec<Fact>) -> Change {
        let (added, removed) = self.outbox.push(package, facts);
        self.written(&[package.to_owned()], &added, removed)
    }

    /// The change that brings the file up to date for these rows and facts.
    fn written(&self, rows: &[String], added: &[u64], removed: Vec<u64>) -> Change {
        let row = |package: &String| (package.clone(), self.rows.get(package).map(file::json));
        let fact = |number: &u64| Some((*number, file::json(self.outbox.get(*number)?)));
        Change {
            rows: rows.iter().map(row).collect(),
            added: added.iter().filter_map(fact).collect(),
            removed,
        }
    }

    fn everything(&self) -> Change {
        let rows: Vec<String> = self.rows.keys().cloned().collect();
        self.written(&rows, &self.outbox.numbers(), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::{FACTS_MAX, Fault};

    fn reply(revision: i64, rows: &[(&str, i64, Goal)]) -> DesiredReply {
        let package = |(id, generation, goal): &(&str, i64, Goal)| DesiredPackage {
            package_id: (*id).to_owned(),
            generation: *generation,
            priority: 2,
            cancelled: false,
            correlation: None,
            goal: goal.clone(),
        };
        DesiredReply { revision, packages: rows.iter().map(package).collect(), ..DesiredReply::default() }
    }

    fn hold(version: u32) -> Goal {
        Goal::Hold { version, manifest: "aa".to_owned(), verify: false, signature: None }
    }

    fn fact(package: &str, generation: i64, event: Event) -> Fact {
        Fact {
            package_id: package.to_owned(),
            generation,
            at: "2026-11-22T00:00:00Z".to_owned(),
            serial: None,
            event,
        }
    }

    fn failed(attempt: u32) -> Event {
        let fault = Fault { code: "disk_full".to_owned(), message: String::new(), file: None };
        Event::Failed { fault, attempt, next_attempt_at: String::new() }
    }

    /// What waits for the site, as `package event`.
    fn waiting(state: &State) -> Vec<String> {
        let name = |fact: &Fact| match &fact.event {
            Event::Started { attempt, .. } => format!("started {attempt}"),
            Event::Failed { attempt, .. } => format!("failed {attempt}"),
            Event::Removed => "removed".to_owned(),
            Event::Progress { bytes_done, .. } => format!("progress {bytes_done}"),
            other => format!("{other:?}"),
        };
        state
            .batch(FACTS_MAX)
            .facts
            .iter()
            .map(|fact| format!("{} {}", fact.package_id, name(fact)))
            .collect()
    }

    #[test]
    fn demands_attempts_and_facts_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let state = State::open(&path);
        state.apply(&reply(7, &[("A", 1, hold(1)), ("B", 2, Goal::Absent)]), Timestamp::UNIX_EPOCH);
        let later = Duration::from_secs(99);
        state.fail("A", 1, later, fact("A", 1, failed(1)));
        state.settle("B", 2, vec![fact("B", 2, Event::Removed)]);
        assert_eq!(state.rows()[0].retry_at, Some(later));
        drop(state);
        let state = State::open(&path);
        let rows = state.rows();
        assert_eq!(rows.len(), 1, "a removed package needs no row");
        assert_eq!((rows[0].attempts, rows[0].fault.as_deref()), (1, Some("disk_full")));
        assert_eq!(rows[0].retry_at, None, "a restart tries at once");
        assert_eq!(waiting(&state), ["A failed 1", "B removed"]);
        state.delivered(&state.batch(FACTS_MAX));
        drop(state);
        assert_eq!(waiting(&State::open(&path)), [""; 0]);
    }

    #[test]
    fn a_newer_demand_starts_over_and_a_late_end_of_the_older_settles_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.redb"));
        state.apply(&reply(1, &[("A", 1, hold(1))]), Timestamp::UNIX_EPOCH);
        state.fail("A", 1, Duration::ZERO, fact("A", 1, failed(1)));
        state.apply(&reply(2, &[("A", 2, hold(2))]), Timestamp::UNIX_EPOCH);
        state.settle("A", 1, vec![]);
        let row = &state.rows()[0];
        assert_eq!((row.desired.generation, row.attempts, row.settled), (2, 0, false));
        // The same demand again, as a full listing brings it, changes nothing.
        state.settle("A", 2, vec![]);
        state.apply(&reply(2, &[("A", 2, hold(2))]), Timestamp::UNIX_EPOCH);
        assert!(state.rows()[0].settled);
    }

    #[test]
    fn a_demand_told_in_other_words_stays_met() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.redb"));
        let goal =
            |version, verify| Goal::Hold { version, manifest: "aa".to_owned(), verify, signature: None };
        let tell = |generation, goal, priority| {
            let mut told = reply(1, &[("A", generation, goal)]);
            told.packages[0].priority = priority;
            state.apply(&told, Timestamp::UNIX_EPOCH);
            state.rows().remove(0)
        };
        tell(1, goal(1, true), 2);
        state.settle("A", 1, vec![]);
        // Generation, version, whether to verify, and whether the demand is met still.
        for (generation, version, verify, priority, expect) in
            [(1, 1, false, 2, true), (1, 1, false, 1, true), (1, 1, true, 1, false), (2, 1, true, 1, false)]
        {
            let row = tell(generation, goal(version, verify), priority);
            assert_eq!(row.settled, expect, "{row:?}");
            assert_eq!((row.desired.priority, row.desired.goal), (priority, goal(version, verify)));
        }
        // One that failed for want of a signature tries again with it.
        state.fail("A", 2, Duration::from_secs(99), fact("A", 2, failed(1)));
        assert!(tell(2, goal(1, true), 3).retry_at.is_some());
        let row = tell(2, goal(1, false), 3);
        assert_eq!((row.retry_at, row.attempts), (None, 1));
    }

    #[test]
    fn an_attempt_is_told_once_and_its_bytes_are_counted_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let state = State::open(&path);
        state.apply(&reply(1, &[("A", 1, hold(1))]), Timestamp::UNIX_EPOCH);
        let begin = |state: &State| state.begin("A", 1, 1, |event| fact("A", 1, event));
        begin(&state);
        state.received("A", 1, 900);
        state.pause(
            "A",
            1,
            Duration::ZERO,
            fact("A", 1, Event::Paused { code: String::new(), reason: String::new(), until: None }),
        );
        state.delivered(&state.batch(FACTS_MAX));
        drop(state);
        let state = State::open(&path);
        begin(&state);
        assert_eq!(waiting(&state), [""; 0], "the same attempt, taken up again");
        assert_eq!(state.rows()[0].received_bytes, 900);
        state.received("A", 1, 100);
        assert_eq!(state.rows()[0].received_bytes, 900);
        state.fail("A", 1, Duration::ZERO, fact("A", 1, failed(1)));
        state.delivered(&state.batch(FACTS_MAX));
        begin(&state);
        assert_eq!(waiting(&state), ["A started 2"]);
        state.settle("A", 1, vec![]);
        state.delivered(&state.batch(FACTS_MAX));
        begin(&state);
        assert_eq!(waiting(&state), ["A started 1"], "what it repairs by itself is told anew");
        assert_eq!(state.rows()[0].received_bytes, 0);
    }

    #[test]
    fn attempts_do_not_pile_up_while_the_site_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.redb"));
        state.apply(&reply(1, &[("A", 1, hold(1))]), Timestamp::UNIX_EPOCH);
        for attempt in 1..=50 {
            state.push(fact("A", 1, Event::Started { version: 1, attempt }));
            state.progress(fact(
                "A",
                1,
                Event::Progress {
                    version: 1,
                    bytes_done: 5,
                    bytes_total: 9,
                    bytes_received: 5,
                    files_done: None,
                    files_total: None,
                },
            ));
            state.fail("A", 1, Duration::ZERO, fact("A", 1, failed(attempt)));
        }
        assert_eq!(waiting(&state), ["A started 1", "A failed 50"]);
        // What is being posted stays as it is.
        let batch = state.batch(FACTS_MAX);
        state.push(fact("A", 1, Event::Started { version: 1, attempt: 51 }));
        state.delivered(&batch);
        assert_eq!(waiting(&state), ["A started 51"]);
        state.progress(fact(
            "A",
            1,
            Event::Progress {
                version: 1,
                bytes_done: 6,
                bytes_total: 9,
                bytes_received: 6,
                files_done: None,
                files_total: None,
            },
        ));
        assert_eq!(waiting(&state), ["A started 51", "A progress 6"]);
    }

    #[test]
    fn a_damaged_file_costs_a_reconcile_and_no_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        std::fs::write(&path, b"this is no database").unwrap();
        let state = State::open(&path);
        state.apply(&reply(1, &[("A", 1, hold(1))]), Timestamp::UNIX_EPOCH);
        drop(state);
        assert!(path.with_extension("redb.damaged").exists());
        assert_eq!(State::open(&path).rows().len(), 1);
    }
}
