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
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Facts that wait for the site; beyond it the oldest that say nothing lasting go.
const FACTS_WAITING_MAX: usize = 20_000;
/// Memory that the file may use for pages.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

const ROWS: TableDefinition<&str, &[u8]> = TableDefinition::new("packages");
const FACTS: TableDefinition<u64, &[u8]> = TableDefinition::new("facts");

/// One package as the site wants it, and how far the agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) desired: DesiredPackage,
    /// When this demand came, in Unix milliseconds: older demands go first.
    pub(crate) since_ms: i64,
    /// Whether the demand is met and the fact of it is on its way.
    pub(crate) settled: bool,
    /// Attempts for this demand so far.
    pub(crate) attempts: u32,
    /// When to try again after a failure, by the monotonic clock: the other one may be set. Whoever restarts the agent wants
    /// it to try now.
    #[serde(skip)]
    pub(crate) retry_at: Option<Duration>,
    /// Whether it waits until the site sends again, and for no failure.
    #[serde(skip)]
    pub(crate) paused: bool,
    /// The code of the last failure.
    pub(crate) fault: Option<String>,
}

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

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<String, Row>,
    facts: BTreeMap<u64, Fact>,
    next_fact: u64,
    /// The latest progress of each package; never written.
    progress: BTreeMap<String, Fact>,
    /// Facts up to here are being posted and must stay as they are.
    posting: u64,
}

/// What a change does to the file.
#[derive(Debug, Default)]
struct Change {
    rows: Vec<(String, Option<Vec<u8>>)>,
    added: Vec<(u64, Vec<u8>)>,
    removed: Vec<u64>,
}

/// Facts to post.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Fact>,
    /// The numbers of those that are on disk.
    numbers: Vec<u64>,
}

impl State {
    /// Reads the file, or starts anew where it is missing or damaged.
    pub(crate) fn open(path: &Path) -> Self {
        let (database, mut inner) = match read(path) {
            Ok((database, inner)) => (Some(database), inner),
            Err(error) => {
                tracing::warn!(%error, "The agent's memory cannot be read; starting anew");
                if let Err(error) = std::fs::rename(path, path.with_extension("redb.damaged")) {
                    tracing::warn!(%error, "The damaged memory cannot be set aside");
                }
                (None, Inner::default())
            }
        };
        inner.next_fact = inner.facts.last_key_value().map_or(1, |(number, _)| number + 1);
        Self {
            path: path.to_owned(),
            database: Mutex::new(database),
            inner: Mutex::new(inner),
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
        self.lock().facts.len()
    }

    /// Takes a page of what the site wants.
    pub(crate) fn apply(&self, reply: &DesiredReply, now: Timestamp) {
        let mut is_changed = false;
        self.change(|inner| {
            let mut changed = Vec::new();
            for desired in &reply.packages {
                if inner.rows.get(&desired.package_id).is_none_or(|row| row.desired != *desired) {
                    let call = desired.correlation.as_deref();
                    tracing::info!(call, package = %desired.package_id, goal = ?desired.goal, "Wanted");
                    inner.rows.insert(desired.package_id.clone(), Row::new(desired.clone(), now));
                    changed.push(desired.package_id.clone());
                }
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
                    row.settled = false;
                    changed.push(package.clone());
                }
            }
            are_all_met = changed.is_empty();
            (!are_all_met).then(|| inner.written(&changed, &[], Vec::new()))
        });
        are_all_met
    }

    /// The demand is met: remembers it together with the facts that say so.
    pub(crate) fn settle(&self, package: &str, generation: i64, facts: Vec<Fact>) {
        self.change(|inner| {
            let matching = inner.rows.get_mut(package).filter(|row| row.desired.generation == generation);
            if let Some(row) = matching {
                row.settled = true;
                row.attempts = 0;
                row.retry_at = None;
                row.fault = None;
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
            if let Some(row) = inner.rows.get_mut(package).filter(|row| row.desired.generation == generation)
            {
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
            if let Some(row) = inner.rows.get_mut(package).filter(|row| row.desired.generation == generation)
            {
                row.retry_at = Some(retry_at);
                row.paused = true;
                row.fault = None;
            }
            Some(inner.push(package, vec![fact]))
        });
        self.facts.notify_one();
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
        self.lock().progress.insert(fact.package_id.clone(), fact);
        self.facts.notify_one();
    }

    /// Lets a package that waits after a failure try now.
    pub(crate) fn retry_now(&self, package: &str) {
        if let Some(row) = self.lock().rows.get_mut(package) {
            row.retry_at = None;
        }
        self.work.notify_one();
    }

    /// Lets everything that waits for an unreachable site try now.
    pub(crate) fn site_is_back(&self, code: &str) {
        let mut inner = self.lock();
        for row in inner.rows.values_mut().filter(|row| row.fault.as_deref() == Some(code)) {
            row.retry_at = None;
        }
        drop(inner);
        self.work.notify_one();
    }

    /// The oldest facts, at most `facts_max`; progress goes along where there is room.
    pub(crate) fn batch(&self, facts_max: usize) -> Batch {
        let mut inner = self.lock();
        let numbers: Vec<u64> = inner.facts.keys().copied().take(facts_max).collect();
        let mut facts: Vec<Fact> = numbers.iter().map(|number| inner.facts[number].clone()).collect();
        while let Some((_, fact)) = (facts.len() < facts_max).then(|| inner.progress.pop_first()).flatten() {
            facts.push(fact);
        }
        inner.posting = numbers.last().copied().unwrap_or(inner.posting);
        Batch { facts, numbers }
    }

    /// The site has the batch, or will never take it.
    pub(crate) fn delivered(&self, batch: &Batch) {
        self.change(|inner| {
            for number in &batch.numbers {
                inner.facts.remove(number);
            }
            let is_any = !batch.numbers.is_empty();
            is_any.then(|| inner.written(&[], &[], batch.numbers.clone()))
        });
    }

    /// Changes the memory, then the file; after a failed write, the whole file.
    fn change(&self, act: impl FnOnce(&mut Inner) -> Option<Change>) {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(change) = act(&mut self.lock()) else { return };
        let result = match database.take() {
            Some(open) => change.write(&open).map(|()| open),
            None => open(&self.path).and_then(|open| {
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
    /// Earlier attempts of the same demand that a later one makes pointless.
    fn replaced_by(&self, fact: &Fact) -> Vec<u64> {
        let passing = self.facts.range(self.posting + 1..).filter(|(_, old)| {
            old.package_id == fact.package_id
                && matches!(old.event, Event::Started { .. } | Event::Failed { .. } | Event::Paused { .. })
        });
        // The first start stays: it is the one that the site announces.
        passing
            .filter(|(_, old)| {
                !matches!(old.event, Event::Started { attempt: 1, .. }) || old.generation != fact.generation
            })
            .map(|(number, _)| *number)
            .collect()
    }

    fn oldest_passing(&self) -> Option<u64> {
        let passing = self.facts.range(self.posting + 1..).find(|(_, old)| {
            matches!(
                old.event,
                Event::Started { .. } | Event::Failed { .. } | Event::Paused { .. } | Event::Refused { .. }
            )
        });
        passing.map(|(number, _)| *number)
    }

    /// Adds facts about a package, making room where they replace others.
    fn push(&mut self, package: &str, facts: Vec<Fact>) -> Change {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for fact in facts {
            if matches!(fact.event, Event::Started { .. } | Event::Failed { .. } | Event::Paused { .. }) {
                removed.extend(self.replaced_by(&fact));
            }
            let number = self.next_fact;
            self.next_fact += 1;
            self.facts.insert(number, fact);
            added.push(number);
        }
        if self.facts.len() > FACTS_WAITING_MAX {
            removed.extend(self.oldest_passing());
        }
        for number in &removed {
            self.facts.remove(number);
        }
        self.progress.remove(package);
        self.written(&[package.to_owned()], &added, removed)
    }

    /// The change that brings the file up to date for these rows and facts.
    fn written(&self, rows: &[String], added: &[u64], removed: Vec<u64>) -> Change {
        let row = |package: &String| (package.clone(), self.rows.get(package).map(json));
        let fact = |number: &u64| Some((*number, json(self.facts.get(number)?)));
        Change {
            rows: rows.iter().map(row).collect(),
            added: added.iter().filter_map(fact).collect(),
            removed,
        }
    }

    fn everything(&self) -> Change {
        let rows: Vec<String> = self.rows.keys().cloned().collect();
        let facts: Vec<u64> = self.facts.keys().copied().collect();
        self.written(&rows, &facts, Vec::new())
    }
}

impl Row {
    fn new(desired: DesiredPackage, now: Timestamp) -> Self {
        let since_ms = now.as_millisecond();
        Self { desired, since_ms, settled: false, attempts: 0, retry_at: None, paused: false, fault: None }
    }
}

impl Change {
    fn write(&self, database: &Database) -> Result<(), redb::Error> {
        let txn = database.begin_write()?;
        self.write_in(&txn)?;
        txn.commit()?;
        Ok(())
    }

    fn write_anew(&self, database: &Database) -> Result<(), redb::Error> {
        let txn = database.begin_write()?;
        txn.delete_table(ROWS)?;
        txn.delete_table(FACTS)?;
        self.write_in(&txn)?;
        txn.commit()?;
        Ok(())
    }

    fn write_in(&self, txn: &redb::WriteTransaction) -> Result<(), redb::Error> {
        let (mut rows, mut facts) = (txn.open_table(ROWS)?, txn.open_table(FACTS)?);
        for (package, row) in &self.rows {
            match row {
                Some(row) => drop(rows.insert(package.as_str(), row.as_slice())?),
                None => drop(rows.remove(package.as_str())?),
            }
        }
        for (number, fact) in &self.added {
            facts.insert(number, fact.as_slice())?;
        }
        for number in &self.removed {
            facts.remove(number)?;
        }
        Ok(())
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows and facts are plain data")
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    Ok(builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?)
}

/// Rows and facts that a newer or older program wrote differently are left out; the site says them again.
fn read(path: &Path) -> Result<(Database, Inner), redb::Error> {
    let database = open(path)?;
    let txn = database.begin_write()?;
    txn.open_table(ROWS)?;
    txn.open_table(FACTS)?;
    txn.commit()?;
    let mut inner = Inner::default();
    let txn = database.begin_read()?;
    for entry in txn.open_table(ROWS)?.iter()? {
        let (package, bytes) = entry?;
        inner
            .rows
            .extend(serde_json::from_slice(bytes.value()).ok().map(|row| (package.value().to_owned(), row)));
    }
    for entry in txn.open_table(FACTS)?.iter()? {
        let (number, bytes) = entry?;
        inner.facts.extend(serde_json::from_slice(bytes.value()).ok().map(|fact| (number.value(), fact)));
    }
    drop(txn);
    Ok((database, inner))
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
        Fact { package_id: package.to_owned(), generation, at: "2026-11-22T00:00:00Z".to_owned(), event }
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
