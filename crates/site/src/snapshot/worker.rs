//! The workers: a named number at once, each takes the next due package, none waits for another.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use content::{SnapshotError, SnapshotRequest, VoidMonitor};
use tokio_util::sync::CancellationToken;

use super::claim::{Claim, HEARTBEAT};
use super::failure::Failure;
use super::publish::{Outcome, Taken};
use crate::error::Result;
use crate::library::{blocking, error_chain, library_failed, manifest_id};
use crate::package::source::SourcePath;
use crate::site::Site;

/// Snapshots at once: each reads a disk, hashes and compresses on several threads.
pub(crate) const SNAPSHOTS_MAX: usize = 2;

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
        match self.read_guarded(&claim, cancel).await? {
            Reading::Taken(taken) => self.publish_or_release(&claim, &taken).await?,
            Reading::Failed(failure) => {
                tracing::warn!(package = claim.package_id, failure.code, failure.message, "snapshot failed");
                self.record_failure(&claim, &failure).await?;
            }
            Reading::Cancelled => self.give_back(&claim).await?,
        }
        Ok(true)
    }

    /// Reads the source while a heartbeat keeps the claim; a lost claim stops the reading.
    async fn read_guarded(&self, claim: &Claim, cancel: &CancellationToken) -> Result<Reading> {
        let stop = Arc::new(AtomicBool::new(false));
        let reading = self.read_source(claim, Arc::clone(&stop));
        tokio::pin!(reading);
        loop {
            tokio::select! {
                done = &mut reading => return done,
                () = self.clock().sleep(HEARTBEAT) => {
                    if !self.extend_claim(claim).await? {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                () = cancel.cancelled() => stop.store(true, Ordering::Relaxed),
            }
            if stop.load(Ordering::Relaxed) {
                return reading.await;
            }
        }
    }

    async fn read_source(&self, claim: &Claim, stop: Arc<AtomicBool>) -> Result<Reading> {
        let source = match self.locate_source(&claim.source_path).await? {
            Ok(source) => source,
            Err(failure) => return Ok(Reading::Failed(failure)),
        };
        let previous = claim.previous_manifest.as_deref().map(manifest_id).transpose()?;
        let library = self.library().await?;
        blocking(move || {
            let request = SnapshotRequest { source: &source, previous, cancel: &stop };
            Ok(match library.snapshot(&request, &VoidMonitor) {
                Ok(snapshot) => {
                    for warning in &snapshot.warnings {
                        tracing::warn!(%warning, "source");
                    }
                    // Counted before it is published: a crash between the two costs a recount, not content.
                    library.retain(snapshot.manifest).map_err(library_failed)?;
                    Reading::Taken(Taken {
                        manifest: snapshot.manifest.to_string(),
                        content_hash: snapshot.content_hash,
                        files: snapshot.files,
                        folders: snapshot.folders,
                        bytes: snapshot.bytes,
                        stored_new_bytes: snapshot.stored_new_bytes,
                    })
                }
                Err(SnapshotError::Cancelled) => Reading::Cancelled,
                Err(error) => Reading::Failed(failure(&error)),
            })
        })
        .await
    }

    async fn locate_source(&self, path: &str) -> Result<Result<PathBuf, Failure>> {
        let (path, options) = (path.to_owned(), self.options().clone());
        blocking(move || {
            let located =
                SourcePath::parse(&path, &options.shares).and_then(|source| source.locate(&options));
            let unusable = |e: crate::package::source::SourcePathError| Failure {
                code: "source_unusable".to_owned(),
                message: e.to_string(),
                source: true,
            };
            Ok(located.map_err(unusable))
        })
        .await
    }

    async fn publish_or_release(&self, claim: &Claim, taken: &Taken) -> Result<()> {
        let published = self.publish(claim, taken).await;
        match &published {
            Ok(Outcome::Published { version, outdated }) => {
                tracing::info!(package = claim.package_id, version, "version published");
                self.release(outdated).await;
            }
            Ok(Outcome::Unchanged | Outcome::ClaimLost) | Err(_) => {
                self.release(std::slice::from_ref(&taken.manifest)).await;
            }
        }
        published.map(|_| ())
    }
}

fn failure(error: &SnapshotError) -> Failure {
    let source = !matches!(error, SnapshotError::Library(_) | SnapshotError::NoSpace);
    tracing::warn!(error = error_chain(error), "snapshot");
    Failure { code: error.code().to_owned(), message: error.to_string(), source }
}
