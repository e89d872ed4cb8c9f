//! The workers: a few imports at once, of each one source after the other, a source on all processors.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::claim::{Claim, Hold};
use super::read::{self, Event, READ_AHEAD_MAX, Reading, Refusal, Watch};
use super::request::{ImportSource, by_id};
use crate::error::Result;
use crate::library::error_chain;
use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;
use crate::snapshot::claim::HEARTBEAT;
use crate::sources::{NoAnswer, Purpose};

/// Imports at once: one whose share is slow or dead must not hold up the others.
pub(crate) const IMPORTS_MAX: usize = 2;
/// How often an idle worker looks for imports that another process asked for.
const IMPORT_POLL: Duration = Duration::from_secs(2);
/// How often progress is written besides with what was imported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a source may show no progress. Long, since finding the files of a large share is one step.
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long a stopping site waits for an import to come to its next step.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Drivers of one transaction.
const BATCH_DRIVERS_MAX: usize = 64;
/// Device ids of one transaction, beyond which no more drivers are added.
const BATCH_IDS_MAX: usize = 20_000;

/// How the work on an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All sources are done.
    Done,
    /// Asked to stop before.
    Stopped,
    /// Somebody else has the import.
    Lost,
}

/// Where a source is.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// As drivers name it.
    pub(super) name: String,
    /// What may die with it.
    pub(super) source: SourcePath,
}

impl Site {
    /// Works off imports in this task until none is due; returns how many it took up.
    ///
    /// [`Site::run_workers`](crate::Site::run_workers) does this all the time; this is for doing it once.
    pub async fn run_due_imports(&self) -> Result<usize> {
        let cancel = CancellationToken::new();
        let mut taken_up = 0;
        while self.import_once(&cancel).await? {
            taken_up += 1;
        }
        Ok(taken_up)
    }

    /// Works off imports until `cancel`.
    pub(crate) async fn take_imports(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            match self.import_once(cancel).await {
                Ok(true) => continue,
                Ok(false) => {}
                // The lease ends with time, and the import goes on where it stood.
                Err(error) => tracing::error!(error = error_chain(&error), "import worker"),
            }
            tokio::select! {
                () = self.import_wake().notified() => {}
                () = self.clock().sleep(IMPORT_POLL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// Takes up one due import. Returns false when none is due.
    async fn import_once(&self, cancel: &CancellationToken) -> Result<bool> {
        let Some(claim) = self.claim_import(self.server_id()).await? else { return Ok(false) };
        // Another worker may find more to do.
        self.import_wake().notify_one();
        let _unpacking = self.unpacking().import().await;
        let watch = Arc::new(Watch::default());
        let (end, cancelled) = self.import_guarded(&claim, &watch, cancel).await?;
        match end {
            End::Done => self.finish_import(&claim, false).await?,
            End::Stopped if cancelled => self.finish_import(&claim, true).await?,
            End::Stopped => self.give_import_back(&claim).await?,
            End::Lost => tracing::warn!(import = claim.import_id, "somebody else goes on with the import"),
        }
        Ok(true)
    }

    /// Works off the sources while a heartbeat keeps the claim. Also says whether the import was cancelled.
    async fn import_guarded(
        &self,
        claim: &Claim,
        watch: &Arc<Watch>,
        cancel: &CancellationToken,
    ) -> Result<(End, bool)> {
        let work = self.import_sources(claim, watch);
        tokio::pin!(work);
        let now = self.clock().monotonic();
        let mut guard = Guard { told: 0, told_at: now, steps: 0, moved_at: now };
        // Both are polled all the time: the work may have the only writing connection while the guard waits for it.
        let why = tokio::select! {
            end = &mut work => {
                self.tell_progress(claim, watch, &mut guard).await?;
                return Ok((end?, false));
            }
            () = cancel.cancelled() => Hold::Held,
            why = self.keep_claim(claim, watch, &mut guard) => why,
        };
        let end = self.stop_import(work, watch).await?;
        Ok(match why {
            Hold::Held => (end, false),
            Hold::Cancelled => (end, true),
            Hold::Lost => (End::Lost, false),
        })
    }

    /// Extends the claim and tells progress until somebody cancels the import or takes it; returns which.
    async fn keep_claim(&self, claim: &Claim, watch: &Watch, guard: &mut Guard) -> Hold {
        let mut cancels = self.import_cancels().subscribe();
        loop {
            tokio::select! {
                changed = cancels.changed() => changed.expect("the site holds the sender"),
                () = self.clock().sleep(PROGRESS_INTERVAL) => {
                    if !guard.is_due(watch, self.clock().monotonic()) {
                        continue;
                    }
                }
            }
            match self.tell_progress(claim, watch, guard).await {
                Ok(Hold::Held) => {}
                Ok(end) => return end,
                // The next sign of life tries again; whatever is written checks the claim in any case.
                Err(error) => tracing::warn!(error = error_chain(&error), "claim not extended"),
            }
            if guard.stalled(watch, self.clock().monotonic()) {
                watch.left_behind.notify_waiters();
            }
        }
    }

    async fn stop_import(
        &self,
        mut work: std::pin::Pin<&mut impl Future<Output = Result<End>>>,
        watch: &Watch,
    ) -> Result<End> {
        watch.stop.cancel();
        loop {
            tokio::select! {
                end = &mut work => return end,
                () = self.clock().sleep(STOP_LIMIT) => watch.left_behind.notify_waiters(),
            }
        }
    }

    async fn tell_progress(&self, claim: &Claim, watch: &Watch, guard: &mut Guard) -> Result<Hold> {
        let bytes = watch.bytes.load(Ordering::Relaxed);
        let hold = self.extend_import(claim, bytes - guard.told).await?;
        (guard.told, guard.told_at) = (bytes, self.clock().monotonic());
        Ok(hold)
    }

    async fn import_sources(&self, claim: &Claim, watch: &Arc<Watch>) -> Result<End> {
        for (index, source) in claim.sources.iter().enumerate().skip(claim.sources_done) {
            let end = match self.import_place_of(claim, index, source, watch).await {
                Ok(place) => self.import_place(claim, index, &place, watch).await?,
                Err(_) if watch.stop.is_cancelled() => End::Stopped,
                Err(reason) => self.refuse_source(claim, index, source, reason).await?,
            };
            if end != End::Done {
                return Ok(end);
            }
        }
        Ok(End::Done)
    }

    async fn refuse_source(
        &self,
        claim: &Claim,
        index: usize,
        source: &ImportSource,
        reason: String,
    ) -> Result<End> {
        let refusal = Refusal::source(format!("{}: {reason}", source.name()));
        let held = self.finish_source(claim, index, Some(refusal)).await?;
        Ok(if held { End::Done } else { End::Lost })
    }

    /// Reads a folder on threads, and writes what they found as it comes.
    async fn import_place(
        &self,
        claim: &Claim,
        index: usize,
        place: &Place,
        watch: &Arc<Watch>,
    ) -> Result<End> {
        let (events, found) = mpsc::channel(READ_AHEAD_MAX);
        let reading = Reading {
            folder: place.folder.clone(),
            name: place.name.clone(),
            done: self.done_of(claim, index).await?,
            trust: self.trust(),
            scope: self.scope_id(),
            bytes_before: watch.bytes.load(Ordering::Relaxed),
            watch: Arc::clone(watch),
        };
        let (left_behind, gone) = (watch.left_behind.notified(), CancellationToken::new());
        let work = move || read::read(&reading, &events);
        let visit = async {
            let read = self.sources().visit(&place.source, Purpose::Examine, left_behind, work).await;
            if read.is_err() {
                gone.cancel();
            }
            read
        };
        let write = self.write_events(claim, index, found, &gone);
        let (read, held) = tokio::join!(visit, write);
        if !held? {
            return Ok(End::Lost);
        }
        if watch.stop.is_cancelled() {
            return Ok(End::Stopped);
        }
        let refusal = match read {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(NoAnswer) => Some(SourcePathError::NoAnswer.to_string()),
        };
        match refusal {
            Some(reason) => self.refuse_source(claim, index, &claim.sources[index], reason).await,
            None if self.finish_source(claim, index, None).await? => Ok(End::Done),
            None => Ok(End::Lost),
        }
    }

    /// Writes what the threads of a source find. Returns false if the claim is lost.
    ///
    /// The channel closes with the last thread; threads that are left behind may keep it open for ever. If the
    /// writing ends first, the threads hear it from the channel.
    async fn write_events(
        &self,
        claim: &Claim,
        index: usize,
        mut found: mpsc::Receiver<Event>,
        gone: &CancellationToken,
    ) -> Result<bool> {
        while let Some(first) = gone.run_until_cancelled(found.recv()).await.flatten() {
            if !self.take_events(claim, index, first, &mut found).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes an event and what else is ready, in one transaction as far as it fits.
    async fn take_events(
        &self,
        claim: &Claim,
        index: usize,
        first: Event,
        found: &mut mpsc::Receiver<Event>,
    ) -> Result<bool> {
        let (mut items, mut ids, mut next) = (Vec::new(), 0, Some(first));
        while let Some(event) = next {
            match event {
                Event::Found { files, infs } => {
                    if !self.record_found(claim, files, infs).await? {
                        return Ok(false);
                    }
                }
                Event::Item(item) => {
                    ids += item.ids();
                    items.push(*item);
                }
            }
            let full = items.len() >= BATCH_DRIVERS_MAX || ids >= BATCH_IDS_MAX;
            next = if full { None } else { found.try_recv().ok() };
        }
        if items.is_empty() { Ok(true) } else { self.record(claim, index, items).await }
    }

    /// The INF files of a source that have an outcome.
    async fn done_of(&self, claim: &Claim, index: usize) -> Result<HashSet<String>> {
        let select = Query::select()
            .column("path")
            .from("driver_import_item")
            .and_where(by_id(claim.import_id))
            .and_where(Expr::col("source_index").eq(i64::try_from(index).unwrap_or(i64::MAX)))
            .to_owned();
        self.db().all(&select).await?.iter().map(|row| row.get("path")).collect()
    }
}

/// What the guard of an import remembers.
struct Guard {
    /// Bytes that were written down.
    told: u64,
    /// By the monotonic clock.
    told_at: Duration,
    steps: u64,
    /// By the monotonic clock.
    moved_at: Duration,
}

impl Guard {
    /// Whether there is something to tell, or nothing was told for long.
    fn is_due(&self, watch: &Watch, now: Duration) -> bool {
        self.told != watch.bytes.load(Ordering::Relaxed) || now.saturating_sub(self.told_at) >= HEARTBEAT
    }

    fn stalled(&mut self, watch: &Watch, now: Duration) -> bool {
        let steps = watch.steps.load(Ordering::Relaxed);
        if steps != self.steps {
            (self.steps, self.moved_at) = (steps, now);
        }
        let stalled = now.saturating_sub(self.moved_at) >= STALL_LIMIT;
        if stalled {
            // The next source has its own time.
            self.moved_at = now;
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as gate;

    use super::*;
    use crate::driver::import::{ImportProgress, ImportRequest, ImportState};
    use crate::error::SiteError;
    use crate::inf::{driver_folder, unc};
    use crate::snapshot::claim::LEASE;
    use crate::stage::{Stage, admin};

    async fn start(stage: &Stage, names: &[&str]) -> i64 {
        for name in names {
            driver_folder(stage, name, &format!("VEN_{name}"));
        }
        let sources = names.iter().map(|name| ImportSource::Path(unc(name))).collect();
        let request = ImportRequest { sources, ..ImportRequest::default() };
        stage.site.start_import(&admin(), request).await.unwrap()
    }

    async fn progress(stage: &Stage, id: i64) -> ImportProgress {
        stage.site.import_progress(id).await.unwrap()
    }

    /// Lets the reading of a source hang, after it was found, until the sender is dropped.
    fn hang(stage: &Stage, name: &str) -> gate::Sender<()> {
        let source = SourcePath::parse(&unc(name), &stage.options.shares).unwrap();
        let mut gates = stage.site.sources().gates.lock().unwrap();
        gates.extend((0..2).map(|_| (source.clone(), gate::channel().1)));
        let (open, closed) = gate::channel();
        gates.push((source, closed));
        open
    }

    /// Lets time pass once the reading hangs.
    async fn pass(stage: &Stage, time: Duration) {
        while !stage.site.sources().gates.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        stage.clock.advance(time);
    }

    on_both! {
        async fn a_dead_source_is_left_behind_and_the_others_are_imported(stage: &Stage) {
            let id = start(stage, &["dead", "alive"]).await;
            let hung = hang(stage, "dead");
            let (ran, ()) = tokio::join!(stage.site.run_due_imports(), pass(stage, STALL_LIMIT));
            assert_eq!(ran.unwrap(), 1);
            let done = progress(stage, id).await;
            assert_eq!((done.state, done.imported, done.failed), (ImportState::Done, 1, 1));
            // If it answers after all, nobody listens.
            drop(hung);
            while stage.site.sources().any_left() {
                std::thread::yield_now();
            }
            assert_eq!(progress(stage, id).await, done);
        }

        async fn an_import_of_a_dead_share_holds_up_no_other(stage: &Stage) {
            let dead = start(stage, &["dead"]).await;
            let alive = start(stage, &["alive"]).await;
            let _hung = hang(stage, "dead");
            let stop = CancellationToken::new();
            let watching = async {
                // The clock stands still: the dead one is not given up meanwhile.
                while progress(stage, alive).await.state != ImportState::Done {
                    tokio::task::yield_now().await;
                }
                assert_eq!(progress(stage, dead).await.state, ImportState::Running);
                pass(stage, STALL_LIMIT).await;
                while progress(stage, dead).await.state != ImportState::Failed {
                    stage.clock.advance(PROGRESS_INTERVAL);
                    tokio::task::yield_now().await;
                }
                stop.cancel();
            };
            let (ran, ()) = tokio::join!(Box::pin(stage.site.run_workers(stop.clone())), watching);
            ran.unwrap();
            assert_eq!(progress(stage, alive).await.imported, 1);
        }

        async fn a_running_import_can_be_cancelled(stage: &Stage) {
            let id = start(stage, &["first", "slow", "last"]).await;
            let _hung = hang(stage, "slow");
            let cancel = async {
                pass(stage, Duration::ZERO).await;
                stage.site.cancel_import(&admin(), id).await.unwrap();
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                while progress(stage, id).await.state == ImportState::Running {
                    stage.clock.advance(STOP_LIMIT);
                    tokio::task::yield_now().await;
                }
            };
            let (ran, ()) = tokio::join!(stage.site.run_due_imports(), cancel);
            ran.unwrap();
            let ended = progress(stage, id).await;
            assert_eq!((ended.state, ended.imported, ended.failed), (ImportState::Cancelled, 1, 0));
            assert_eq!(stage.message_ids().await, [39008, 39009, 39010]);
        }

        async fn a_stopping_site_gives_its_import_back(stage: &Stage) {
            let id = start(stage, &["first", "slow"]).await;
            let hung = hang(stage, "slow");
            let stop = CancellationToken::new();
            let stopping = async {
                pass(stage, Duration::ZERO).await;
                stop.cancel();
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                stage.clock.advance(STOP_LIMIT);
            };
            let (ran, ()) = tokio::join!(stage.site.run_workers(stop.clone()), stopping);
            ran.unwrap();
            let halted = progress(stage, id).await;
            assert_eq!((halted.state, halted.imported), (ImportState::Running, 1));
            drop(hung);
            while stage.site.sources().any_left() {
                std::thread::yield_now();
            }
            // Somebody else may go on at once, and does so where it stood.
            assert_eq!(stage.site.run_due_imports().await.unwrap(), 1);
            let done = progress(stage, id).await;
            assert_eq!((done.state, done.imported, done.already_imported), (ImportState::Done, 2, 0));
        }

        async fn a_late_worker_writes_nothing(stage: &Stage) {
            let id = start(stage, &["one"]).await;
            let late = stage.site.claim_import("a").await.unwrap().unwrap();
            assert_eq!(stage.site.claim_import("b").await.unwrap().map(|claim| claim.import_id), None);
            stage.clock.advance(LEASE + Duration::from_secs(1));
            let next = stage.site.claim_import("b").await.unwrap().unwrap();
            let watch = Arc::new(Watch::default());
            assert_eq!(stage.site.import_sources(&late, &watch).await.unwrap(), End::Lost);
            stage.site.finish_import(&late, false).await.unwrap();
            assert_eq!(stage.site.extend_import(&late, 5).await.unwrap(), Hold::Lost);
            let untouched = progress(stage, id).await;
            assert_eq!((untouched.state, untouched.infs_done, untouched.bytes_read), (ImportState::Running, 0, 0));
            assert_eq!(stage.site.import_sources(&next, &watch).await.unwrap(), End::Done);
            stage.site.finish_import(&next, false).await.unwrap();
            assert_eq!(progress(stage, id).await.imported, 1);
        }

        async fn a_driver_that_the_database_refuses_stops_no_other(stage: &Stage) {
            // Every sample names this compatible id; now only one of them can be stored.
            stage.raw_sql("CREATE UNIQUE INDEX refuse ON driver_device (id_key)".to_owned()).await;
            for number in 0..3 {
                driver_folder(stage, &format!("pack/{number}"), &format!("VEN_{number}"));
            }
            let sources = vec![ImportSource::Path(unc("pack"))];
            let request = ImportRequest { sources, ..ImportRequest::default() };
            let id = stage.site.start_import(&admin(), request).await.unwrap();
            stage.site.run_due_imports().await.unwrap();
            let done = progress(stage, id).await;
            assert_eq!((done.state, done.infs_done, done.imported, done.failed), (ImportState::Done, 3, 1, 2));
        }

        async fn a_database_in_trouble_spoils_no_driver(stage: &Stage) {
            let id = start(stage, &["one"]).await;
            stage.raw_sql("ALTER TABLE driver_device RENAME TO elsewhere".to_owned()).await;
            let failed = stage.site.run_due_imports().await;
            assert!(matches!(failed, Err(SiteError::Database(_))), "{failed:?}");
            let open = progress(stage, id).await;
            assert_eq!((open.state, open.infs_done, open.failed), (ImportState::Running, 0, 0));
            stage.raw_sql("ALTER TABLE elsewhere RENAME TO driver_device".to_owned()).await;
            stage.clock.advance(LEASE + Duration::from_secs(1));
            assert_eq!(stage.site.run_due_imports().await.unwrap(), 1);
            let done = progress(stage, id).await;
            assert_eq!((done.state, done.imported, done.failed), (ImportState::Done, 1, 0));
        }

        async fn many_drivers_take_few_transactions(stage: &Stage) {
            const DRIVERS: usize = 200;
            for number in 0..DRIVERS {
                driver_folder(stage, &format!("pack/{number}"), &format!("VEN_{number}"));
            }
            let sources = vec![ImportSource::Path(unc("pack"))];
            let request = ImportRequest { sources, ..ImportRequest::default() };
            stage.site.start_import(&admin(), request).await.unwrap();
            let claim = stage.site.claim_import("a").await.unwrap().unwrap();
            let watch = Arc::new(Watch::default());
            let place = stage.site.import_place_of(&claim, 0, &claim.sources[0], &watch).await.unwrap();
            // Everything is read before anything is written, so that the batches are as large as they get.
            let (events, mut found) = mpsc::channel(DRIVERS + 1);
            let reading = Reading {
                folder: place.folder,
                name: place.name,
                done: HashSet::new(),
                trust: stage.site.trust(),
                scope: stage.site.scope_id(),
                bytes_before: 0,
                watch,
            };
            tokio::task::spawn_blocking(move || read::read(&reading, &events)).await.unwrap().unwrap();
            let mut transactions = 0;
            while let Some(first) = found.recv().await {
                assert!(stage.site.take_events(&claim, 0, first, &mut found).await.unwrap());
                transactions += 1;
            }
            assert_eq!(transactions, DRIVERS.div_ceil(BATCH_DRIVERS_MAX));
            assert_eq!(progress(stage, claim.import_id).await.imported, DRIVERS as u64);
        }
    }
}
