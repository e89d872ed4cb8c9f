//! Content objects that a distribution point refused: the site checks and mends them by itself.
//!
//! The list lives in memory only. A distribution point that still gets wrong bytes refuses them again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use agent::{Event, Fact};
use content::{ManifestId, ObjectKey, PackId, VoidMonitor};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::library::{blocking, error_chain, library_failed};
use crate::server::Site;
use crate::status::{self, Message};

/// The most objects that wait to be checked; later ones are refused again and come again.
const SUSPECTS_MAX: usize = 1024;

/// What waits to be checked.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    keys: Mutex<BTreeSet<ObjectKey>>,
    added: Notify,
}

impl Suspects {
    /// Takes down what these facts refuse.
    pub(crate) fn note(&self, facts: &[Fact]) {
        let refused = facts.iter().filter_map(|fact| match &fact.event {
            Event::Refused { object, .. } => Some(object),
            _ => None,
        });
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for id in refused {
            // The fact does not say what kind of object it was; an id is of one kind only.
            let pack = id.parse::<PackId>().map(ObjectKey::Pack);
            let manifest = id.parse::<ManifestId>().map(ObjectKey::Manifest);
            for key in pack.into_iter().chain(manifest) {
                if keys.len() < SUSPECTS_MAX {
                    keys.insert(key);
                }
            }
        }
        if !keys.is_empty() {
            self.added.notify_one();
        }
    }

    fn take(&self) -> Vec<ObjectKey> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

impl Site {
    /// Checks and mends what distribution points refuse, until `cancel`.
    pub(crate) async fn mend_suspects(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let keys = self.suspects().take();
            if keys.is_empty() {
                tokio::select! {
                    () = self.suspects().added.notified() => {}
                    () = cancel.cancelled() => {}
                }
                continue;
            }
            if let Err(error) = self.mend(keys).await {
                tracing::error!(error = error_chain(&error), "checking refused content");
            }
        }
    }

    async fn mend(&self, keys: Vec<ObjectKey>) -> Result<()> {
        let library = self.library().await?;
        let sources = self.sources_of_kept_versions().await?;
        let check = move || library.verify_objects(&keys, &VoidMonitor, &sources).map_err(library_failed);
        let report = blocking(check).await?;
        if !report.found_damage() {
            return Ok(());
        }
        tracing::warn!(?report, "refused content was damaged");
        let mut tx = self.db().write().await?;
        let repaired = report.chunks_repaired + report.manifests_repaired.len() as u64;
        let message = Message::content_mended(report.packs_damaged.len(), repaired, report.lost.len());
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }
}
