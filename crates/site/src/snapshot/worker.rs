//! The workers: a named number at once, each takes the next due package, none waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use content::{Counter, Library, Monitor, SnapshotError, SnapshotRequest};
use tokio_util::sync::CancellationToken;

use super::claim::{Claim, HEARTBEAT};
use super::failure::Failure;
use super::publish::{Outcome, Taken};
use crate::error::{Result, SiteError};
use crate::library::{error_chain, library_failed, manifest_id};
use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;
use crate::sources::{NoAnswer, Purpose};

/// Snapshots at once: each reads a disk, hashes and compresses on several threads.
pub(crate) const SNAPSHOTS_MAX: usize = 2;

/// How long a snapshot may show no progress. Long, since finding the files of a large folder is one step.
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long a stopping site waits for a snapshot to come to its next step.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How a reading of the source ended.
enum Reading {
    Taken(Taken),
    Failed(Failure),
    Cancelled,
}

impl Site {
    /// Works off due snapshots in this task until none is due; returns how many it took up.
    ///
    /// [`Site::run_workers`](crate::Site::run_workers) does this all the time; this is for doing it once.
    pub async fn run_due_snapshots(&self) -> Result<usize> {
        let cancel = CancellationToken::new();
        let mut taken_up = 0;
        while self.work_once(&cancel).await? {
            taken_up += 1;
        }
        Ok(taken_up)
    }

    /// Takes up one due snapshot. Returns false when none is due.
    pub(crate) async fn work_once(&self, cancel: &CancellationToken) -> Result<bool> {
        let Some(claim) = self.claim_snapshot(self.server_id()).await? else { return Ok(false) };
        // Another worker may find more to do.
        self.snapshot_wake().notify_one();
        self.work_off(&claim, cancel).await?;
        Ok(true)
    }

    /// Reads the claim's source and publishes it, or remembers why not.
    async fn work_off(&self, claim: &Claim, cancel: &CancellationToken) -> Result<()> {
        let begun_at = self.clock().monotonic();
        let reading = self.read_guarded(claim, cancel).await.unwrap_or_else(|error| {
            tracing::error!(error = error_chain(&error), "snapshot");
            Reading::Failed(Failure {
                code: error.code().to_owned(),
                message: error.to_string(),
                source: false,
            })
        });
        match reading {
            Reading::Taken(taken) => {
                self.metrics().snapshot_taken(self.clock().monotonic().saturating_sub(begun_at));
                self.publish_or_release(claim, &taken).await
            }
            Reading::Failed(failure) => self.record_failure(claim, &failure).await,
            Reading::Cancelled => self.give_back(claim).await,
        }
    }

    /// Reads the source while a heartbeat keeps the claim; a lost claim stops the reading.
    async fn read_guarded(&self, claim: &Claim, cancel: &CancellationToken) -> Result<Reading> {
        let watch = Arc::new(Watch::default());
        let reading = self.read_source(claim, &watch);
        tokio::pin!(reading);
        let mut progress = (0, self.clock().monotonic());
        loop {
            let stop = tokio::select! {
                done = &mut reading => return done,
                () = cancel.cancelled() => true,
                () = self.clock().sleep(HEARTBEAT) => match self.extend_claim(claim).await {
                    Ok(held) => !held,
                    // The next heartbeat tries again; publishing checks the claim in any case.
                    Err(error) => {
                        tracing::warn!(error = error_chain(&error), "claim not extended");
                        false
                    }
                },
            };
            if stop {
                watch.stop.store(true, Ordering::Relaxed);
                tokio::select! {
                    done = &mut reading => return done,
                    () = self.clock().sleep(STOP_LIMIT) => watch.give_up.cancel(),
                }
                return reading.await;
            }
            let (steps, now) = (watch.steps.load(Ordering::Relaxed), self.clock().monotonic());
            if steps != progress.0 {
                progress = (steps, now);
            } else if now.saturating_sub(progress.1) >= STALL_LIMIT {
                watch.give_up.cancel();
            }
        }
    }

    async fn read_source(&self, claim: &Claim, watch: &Arc<Watch>) -> Result<Reading> {
        let source = match SourcePath::parse(&claim.source_path, &self.options().shares) {
            Ok(source) => source,
            Err(error) => return Ok(Reading::Failed(unusable(&error))),
        };
        let folder = match self.locate(&source, watch.give_up.cancelled()).await {
            Ok(folder) => folder,
            Err(error) => return Ok(watch.failed(&error)),
        };
        let settled = tokio::select! {
            settled = Box::pin(self.settle_before_snapshot(&claim.package_id)) => settled,
            () = watch.give_up.cancelled() => return Ok(watch.failed(&SourcePathError::NoAnswer)),
        };
        if let Err(error) = settled {
            return Ok(Reading::Failed(unsettled(&error)));
        }
        let previous = claim.previous_manifest.as_deref().map(manifest_id).transpose()?;
        let library = self.library().await?;
        let reader = Arc::clone(watch);
        let work = move || {
            let request = SnapshotRequest { source: &folder, previous, cancel: &reader.stop };
            take(&library, &request, &reader)
        };
        match self.sources().visit(&source, Purpose::Read, watch.give_up.cancelled(), work).await {
            Ok(reading) => reading,
            Err(NoAnswer) => {
                let failed = watch.failed(&SourcePathError::NoAnswer);
                // If the folder answers after all, the reading ends at its next step.
                watch.stop.store(true, Ordering::Relaxed);
                Ok(failed)
            }
        }
    }

    async fn publish_or_release(&self, claim: &Claim, taken: &Taken) -> Result<()> {
        if let Err(error) = self.refuse_replacing(&claim.package_id).await {
            self.release(std::slice::from_ref(&taken.manifest)).await;
            return self.record_failure(claim, &unsettled(&error)).await;
        }
        let folders = self.content_folders(&claim.package_id, &taken.manifest).await?;
        let published = self.publish(claim, taken, folders.as_ref()).await;
        match &published {
            Ok(Outcome::Published { version, outdated }) => {
                tracing::info!(call = claim.call, package = claim.package_id, version, "version published");
                self.release(outdated).await;
            }
            Ok(Outcome::Unchanged | Outcome::ClaimLost) => {
                self.release(std::slice::from_ref(&taken.manifest)).await;
            }
            // The commit may have succeeded although its answer was lost. The collector recounts.
            Err(_) => {}
        }
        published.map(|_| ())
    }
}

/// What the guard of a reading and its thread tell each other.
#[derive(Default)]
struct Watch {
    /// The reading shall end at its next step.
    stop: AtomicBool,
    /// Rises as long as the reading gets on.
    steps: AtomicU64,
    /// The reading is left behind.
    give_up: CancellationToken,
}

impl Watch {
    fn failed(&self, error: &SourcePathError) -> Reading {
        if self.stop.load(Ordering::Relaxed) {
            return Reading::Cancelled;
        }
        Reading::Failed(unusable(error))
    }
}

impl Monitor for Watch {
    fn count(&self, _: Counter, _: u64) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, message: &str) {
        tracing::warn!(message, "snapshot");
    }

    fn cancelled(&self) -> bool {
        // Asked at each step.
        self.steps.fetch_add(1, Ordering::Relaxed);
        false
    }
}

/// Takes the snapshot and retains it. Blocking.
fn take(library: &Library, request: &SnapshotRequest<'_>, watch: &Watch) -> Result<Reading> {
    Ok(match library.snapshot(request, watch) {
        Ok(snapshot) => {
            // Counted before it is published: a crash between the two costs a recount, not content.
            library.retain(snapshot.manifest).map_err(library_failed)?;
            Reading::Taken(Taken {
                manifest: snapshot.manifest.to_string(),
                content_hash: snapshot.content_hash,
                files: snapshot.files,
                folders: snapshot.folders,
                bytes: snapshot.bytes,
                stored_new_bytes: snapshot.stored_new_bytes,
                warnings: snapshot.warnings.iter().map(ToString::to_string).collect(),
            })
        }
        Err(SnapshotError::Cancelled) => Reading::Cancelled,
        Err(error) => Reading::Failed(failure(&error)),
    })
}

fn unusable(error: &SourcePathError) -> Failure {
    Failure { code: "source_unusable".to_owned(), message: error.to_string(), source: true }
}

/// The package's drivers are half changed, so that its source is not what it should be.
fn unsettled(error: &SiteError) -> Failure {
    let (code, source) = match error {
        SiteError::ContentLost { .. }
        | SiteError::SourceUnusable { .. }
        | SiteError::SourceReadOnly { .. }
        | SiteError::SourceFull { .. } => (error.code(), true),
        _ => ("source_busy", false),
    };
    Failure { code: code.to_owned(), message: error.to_string(), source }
}

fn failure(error: &SnapshotError) -> Failure {
    let source = !matches!(error, SnapshotError::Library(_) | SnapshotError::NoSpace);
    // What the library says is for the log; it may name folders of this machine.
    let message = match error {
        SnapshotError::Library(_) => "the content library failed; the site's log says why".to_owned(),
        other => other.to_string(),
    };
    if !source {
        tracing::warn!(error = error_chain(error), "snapshot");
    }
    Failure { code: error.code().to_owned(), message, source }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::snapshot::claim::LEASE;
    use crate::stage::{Stage, admin, with_source, write};

    async fn claim(stage: &Stage, server: &str) -> Claim {
        stage.site.claim_snapshot(server).await.unwrap().expect("a snapshot is due")
    }

    async fn versions(stage: &Stage, id: &str) -> (u32, bool) {
        let package = stage.site.package(id).await.unwrap();
        (package.stored_version, package.refresh_pending)
    }

    /// A package of this name with a refresh to do.
    async fn refreshed(stage: &Stage, name: &str) -> String {
        let id = stage.package(name).await.package_id;
        stage.site.refresh_package(&admin(), &id).await.unwrap();
        id
    }

    /// Lets a visit to the source hang, after so many that do not, until the sender is dropped.
    fn hang(stage: &Stage, name: &str, after: usize) -> mpsc::Sender<()> {
        let source = SourcePath::parse(&format!(r"\\srv\src\{name}"), &stage.options.shares).unwrap();
        let mut gates = stage.site.sources().gates.lock().unwrap();
        gates.extend((0..after).map(|_| (source.clone(), mpsc::channel().1)));
        let (open, gate) = mpsc::channel();
        gates.push((source, gate));
        open
    }

    async fn gates_taken(stage: &Stage) {
        while !stage.site.sources().gates.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    on_both! {
        async fn a_refresh_during_a_snapshot_publishes_only_what_changed(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let go = CancellationToken::new();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            assert!(stage.site.claim_snapshot("b").await.unwrap().is_none(), "one snapshot of a package at once");
            stage.site.work_off(&running, &go).await.unwrap();
            assert_eq!(versions(stage, &id).await, (2, true));
            let touched = std::fs::File::options().append(true).open(stage.source("dell", &[]).join("driver.inf")).unwrap();
            touched.set_modified(std::time::UNIX_EPOCH).unwrap();
            // Nothing but a time changed since: looked at once more, and that is the answer.
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
            assert_eq!(versions(stage, &id).await, (2, false));
            // The same with a change in between.
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&running, &go).await.unwrap();
            write(&stage.source("dell", &[]).join("late.inf"), "late");
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
            assert_eq!(versions(stage, &id).await, (4, false));
            // Idle again, so the next one publishes in any case.
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.run_due_snapshots().await.unwrap();
            assert_eq!(versions(stage, &id).await, (5, false));
        }

        async fn a_refresh_during_a_second_look_publishes_even_an_unchanged_source(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let go = CancellationToken::new();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&running, &go).await.unwrap();
            let second_look = claim(stage, "a").await;
            assert!(!second_look.forced);
            // Whoever sees version 2 now and refreshes waits for version 3.
            assert_eq!(versions(stage, &id).await, (2, true));
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&second_look, &go).await.unwrap();
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
            assert_eq!(versions(stage, &id).await, (3, false));
        }

        async fn a_refresh_during_the_first_snapshot_counts_from_version_1(stage: &Stage) {
            let go = CancellationToken::new();
            stage.source("dell", &[("a.inf", "a")]);
            let id = stage.site.create_package(&admin(), with_source("dell")).await.unwrap().package_id;
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&running, &go).await.unwrap();
            stage.site.run_due_snapshots().await.unwrap();
            assert_eq!(versions(stage, &id).await, (2, false));
            // The first snapshot fails while somebody refreshes: version 1, and nothing needless after it.
            let id = stage.site.create_package(&admin(), with_source("late")).await.unwrap().package_id;
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&running, &go).await.unwrap();
            stage.source("late", &[("a.inf", "a")]);
            let retry = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&retry, &go).await.unwrap();
            stage.site.run_due_snapshots().await.unwrap();
            assert_eq!(versions(stage, &id).await, (1, false));
        }

        async fn a_forced_request_stays_forced_over_a_failure(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let source = stage.source("dell", &[]);
            let aside = source.with_extension("aside");
            std::fs::rename(&source, &aside).unwrap();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            stage.site.work_off(&running, &CancellationToken::new()).await.unwrap();
            std::fs::rename(&aside, &source).unwrap();
            // The request that came during the attempt does not wait for the delay.
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
            assert_eq!(versions(stage, &id).await, (2, false));
        }

        async fn a_late_worker_is_fenced_off(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let go = CancellationToken::new();
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let late = claim(stage, "a").await;
            stage.clock.advance(LEASE / 2);
            assert!(stage.site.extend_claim(&late).await.unwrap());
            stage.clock.advance(LEASE + Duration::from_secs(1));
            let next = claim(stage, "b").await;
            assert!(!stage.site.extend_claim(&late).await.unwrap());
            stage.site.work_off(&late, &go).await.unwrap();
            assert_eq!(versions(stage, &id).await, (1, true));
            stage.site.work_off(&next, &go).await.unwrap();
            assert_eq!(versions(stage, &id).await, (2, false));
            let stats = stage.site.library().await.unwrap().stats().unwrap();
            assert_eq!(stats.manifests, 1, "what the late worker retained is let go");
        }

        async fn a_deleted_package_is_not_published(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.delete_package(&admin(), &id).await.unwrap();
            assert!(!stage.site.extend_claim(&running).await.unwrap());
            stage.site.work_off(&running, &CancellationToken::new()).await.unwrap();
            assert_eq!(stage.site.library().await.unwrap().stats().unwrap().manifests, 0);
            assert_eq!(stage.site.packages().await.unwrap(), []);
        }

        async fn an_unclear_commit_keeps_the_content_until_the_database_says(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let library = stage.site.library().await.unwrap();
            write(&stage.source("dell", &[]).join("new.inf"), "new");
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            let rename = |from: &str, to: &str| stage.raw_sql(format!("ALTER TABLE {from} RENAME TO {to}"));
            rename("package_version", "aside").await;
            let failed = stage.site.work_off(&running, &CancellationToken::new()).await;
            assert_eq!(failed.unwrap_err().code(), "database_failed");
            assert_eq!(library.stats().unwrap().manifests, 2, "nobody knows yet whether version 2 is there");
            rename("aside", "package_version").await;
            stage.site.collect().await.unwrap();
            assert_eq!(library.stats().unwrap().manifests, 1, "it is not");
            // And the other way: what the database wants is wanted, whatever the library counted.
            library.release(manifest_id(running.previous_manifest.as_ref().unwrap()).unwrap()).unwrap();
            assert_eq!(library.stats().unwrap().manifests, 0);
            stage.clock.advance(crate::housekeeping::COLLECT_GRACE * 2);
            stage.site.collect().await.unwrap();
            assert_eq!(library.stats().unwrap().manifests, 1);
        }

        async fn a_source_that_cannot_be_found_in_time_delays_no_other(stage: &Stage) {
            let mut ids = Vec::new();
            for name in ["one", "two", "three"] {
                ids.push(stage.package(name).await.package_id);
            }
            for id in &ids {
                stage.site.refresh_package(&admin(), id).await.unwrap();
            }
            let (dead, alive) = ([&ids[0], &ids[1]], &ids[2]);
            let hung = [hang(stage, "one", 0), hang(stage, "two", 0)];
            let go = CancellationToken::new();
            let advance = async {
                gates_taken(stage).await;
                stage.clock.advance(crate::sources::LOCATE_LIMIT);
            };
            let (one, two, ()) = tokio::join!(stage.site.work_once(&go), stage.site.work_once(&go), advance);
            assert!(one.unwrap() && two.unwrap());
            for id in dead {
                let fault = stage.site.package(id).await.unwrap().source_fault.unwrap();
                assert_eq!((fault.code.as_str(), fault.attempts), ("source_unusable", 1));
                assert!(fault.message.contains("does not answer"), "{}", fault.message);
            }
            stage.site.run_due_snapshots().await.unwrap();
            assert_eq!(versions(stage, alive).await, (2, false));
            // Still dead: no thread waits once more. Alive again: read.
            stage.clock.advance(Duration::from_secs(30));
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 2);
            assert_eq!(stage.site.package(dead[0]).await.unwrap().source_fault.unwrap().attempts, 2);
            drop(hung);
            while stage.site.sources().any_left() {
                std::thread::yield_now();
            }
            stage.clock.advance(Duration::from_secs(60));
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 2);
            assert_eq!(versions(stage, dead[0]).await, (2, false));
        }

        async fn a_snapshot_without_progress_is_left_behind(stage: &Stage) {
            let id = refreshed(stage, "dell").await;
            let _hung = hang(stage, "dell", 1);
            let go = CancellationToken::new();
            let advance = async {
                gates_taken(stage).await;
                stage.clock.advance(STALL_LIMIT);
            };
            let (worked, ()) = tokio::join!(stage.site.work_once(&go), advance);
            assert!(worked.unwrap());
            let fault = stage.site.package(&id).await.unwrap().source_fault.unwrap();
            assert!(fault.message.contains("does not answer"), "{}", fault.message);
            assert!(stage.site.sources().check_library_free().is_err());
        }

        async fn a_stopping_site_waits_a_limited_time_for_a_source(stage: &Stage) {
            let id = refreshed(stage, "dell").await;
            let _hung = hang(stage, "dell", 1);
            let stop = CancellationToken::new();
            let stopping = async {
                gates_taken(stage).await;
                stop.cancel();
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                stage.clock.advance(STOP_LIMIT);
            };
            let (ran, ()) = tokio::join!(stage.site.run_workers(stop.clone()), stopping);
            ran.unwrap();
            // Given back: somebody else may take it at once.
            assert_eq!(versions(stage, &id).await, (1, true));
            assert!(stage.site.claim_snapshot("b").await.unwrap().is_some());
        }

        async fn a_stopped_snapshot_is_given_back(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            stage.site.refresh_package(&admin(), &id).await.unwrap();
            let running = claim(stage, "a").await;
            stage.site.give_back(&running).await.unwrap();
            assert_eq!(versions(stage, &id).await, (1, true));
            assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
            assert_eq!(versions(stage, &id).await, (2, false));
        }

        async fn a_restarted_server_ends_its_own_leases_only(stage: &Stage) {
            let ids = [stage.package("one").await.package_id, stage.package("two").await.package_id];
            for id in &ids {
                stage.site.refresh_package(&admin(), id).await.unwrap();
            }
            let (own, other) = (claim(stage, "a").await, claim(stage, "ab").await);
            stage.site.end_leases_of("a").await.unwrap();
            assert!(!stage.site.extend_claim(&own).await.unwrap());
            assert!(stage.site.extend_claim(&other).await.unwrap());
        }
    }
}
