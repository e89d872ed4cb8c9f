//! Content objects that a distribution point refused: the site checks and mends them by itself.
//!
//! The list lives in memory only. A distribution point that still gets wrong bytes refuses them again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::{Event, Fact};
use content::{ManifestId, ObjectKey, PackId, VoidMonitor};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::{Result, SiteError};
use crate::library::{detached, error_chain, library_failed};
use crate::server::Site;
use crate::status::{self, Message};

/// The most objects that wait to be checked; later ones are refused again and come again.
const SUSPECTS_MAX: usize = 1024;

/// An object that was checked is not checked again for so long, however often it is refused.
const CHECK_PAUSE: Duration = Duration::from_secs(10 * 60);

/// What waits to be checked.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    known: Mutex<Known>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Known {
    waiting: BTreeSet<ObjectKey>,
    /// And when, by the monotonic clock.
    checked: BTreeMap<ObjectKey, Duration>,
}

impl Suspects {
    /// Takes down what these facts refuse.
    pub(crate) fn note(&self, facts: &[Fact], now: Duration) {
        let refused = facts.iter().filter_map(|fact| match &fact.event {
            // What came from elsewhere says nothing of the site's own content.
            Event::Refused { object, source: None, .. } => Some(object),
            _ => None,
        });
        let mut known = self.lock();
        known.checked.retain(|_, at| now.saturating_sub(*at) < CHECK_PAUSE);
        for id in refused {
            // The fact does not say what kind of object it was; an id is of one kind only.
            let pack = id.parse::<PackId>().map(ObjectKey::Pack);
            let manifest = id.parse::<ManifestId>().map(ObjectKey::Manifest);
            for key in pack.into_iter().chain(manifest) {
                if known.waiting.len() < SUSPECTS_MAX && !known.checked.contains_key(&key) {
                    known.waiting.insert(key);
                }
            }
        }
        if !known.waiting.is_empty() {
            self.added.notify_one();
        }
    }

    fn take(&self, now: Duration) -> Vec<ObjectKey> {
        let mut known = self.lock();
        let keys: Vec<ObjectKey> = std::mem::take(&mut known.waiting).into_iter().collect();
        if known.checked.len() < SUSPECTS_MAX {
            known.checked.extend(keys.iter().map(|key| (*key, now)));
        }
        keys
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Checks and mends what distribution points refuse, until `cancel`.
    pub(crate) async fn mend_suspects(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let keys = self.suspects().take(self.clock().monotonic());
            if keys.is_empty() {
                tokio::select! {
                    () = self.suspects().added.notified() => {}
                    () = cancel.cancelled() => {}
                }
                continue;
            }
            let mended = tokio::select! {
                mended = self.mend(keys) => mended,
                () = cancel.cancelled() => return,
            };
            if let Err(error) = mended {
                tracing::error!(error = error_chain(&error), "checking refused content");
            }
        }
    }

    async fn mend(&self, keys: Vec<ObjectKey>) -> Result<()> {
        self.sources().check_library_free()?;
        let library = self.library().await?;
        // First without any source: most often nothing is damaged, or another copy is left.
        let check = move || library.verify_objects(&keys, &VoidMonitor, &[]).map_err(library_failed);
        let report = detached(check)?.await.unwrap_or(Err(SiteError::Stopped))?;
        let report = self.mend_from_sources(report).await?;
        if !report.found_damage() {
            return Ok(());
        }
        tracing::warn!(?report, "refused content was damaged");
        self.note_damage(&report).await?;
        let mut tx = self.db().write().await?;
        let repaired = report.chunks_repaired + report.manifests_repaired.len() as u64;
        let message = Message::content_mended(report.packs_damaged.len(), repaired, report.lost.len());
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;

    use super::*;
    use crate::package::source::SourcePath;

    fn files_below(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    on_both! {
        async fn damage_is_mended_without_asking_the_source_of_another_package(stage: &Stage) {
            stage.package("dead").await;
            let package = stage.package("dell").await;
            let site = &stage.site;
            let library = site.library().await.unwrap();
            let manifest = site.package_history(&package.package_id).await.unwrap()[0].manifest.parse().unwrap();
            let packs: Vec<_> = library.route(manifest).unwrap().packs.iter().map(|pack| pack.id).collect();
            let is_pack = |file: &PathBuf| packs.iter().any(|id| file.to_string_lossy().contains(&id.to_string()));
            let files: Vec<_> = files_below(&stage.options.data_dir.join("content")).into_iter().filter(is_pack).collect();
            assert_eq!(files.len(), packs.len());
            let mut hit = 0;
            for file in files {
                let mut bytes = std::fs::read(&file).unwrap();
                // The driver's content, stored as it is; the manifest stays whole.
                if let Some(at) = bytes.windows(4).position(|window| window == b"dell") {
                    bytes[at] = b'D';
                    hit += 1;
                }
                std::fs::write(&file, bytes).unwrap();
            }
            assert_eq!(hit, 1);
            let dead = SourcePath::parse(r"\\srv\src\dead", &stage.options.shares).unwrap();
            let (_hung, gate) = mpsc::channel();
            site.sources().gates.lock().unwrap().push((dead, gate));
            let keys = |packs: &[PackId]| packs.iter().map(|id| ObjectKey::Pack(*id)).collect();
            site.mend(keys(&packs)).await.unwrap();
            assert_eq!(site.sources().gates.lock().unwrap().len(), 1, "nobody asked the dead source");
            assert_eq!(stage.message_ids().await.last(), Some(&39006));
            assert!(library.verify(&VoidMonitor, &[]).unwrap().is_whole());
        }
    }

    #[test]
    fn an_object_that_is_refused_again_and_again_is_checked_now_and_then() {
        let refused = |object: &str| Fact {
            package_id: "PS100001".to_owned(),
            generation: 1,
            at: String::new(),
            serial: None,
            event: Event::Refused {
                object: object.to_owned(),
                reason: "its hash is another".to_owned(),
                source: None,
            },
        };
        let (one, two) = (refused(&"1".repeat(64)), refused(&"2".repeat(64)));
        let suspects = Suspects::default();
        let check = |facts: &[Fact], at_s: u64, expect: usize| {
            suspects.note(facts, Duration::from_secs(at_s));
            let taken = suspects.take(Duration::from_secs(at_s));
            // Each id may be a pack's or a manifest's.
            assert_eq!(taken.len(), 2 * expect, "{at_s}");
        };
        check(&[one.clone(), refused("no id")], 0, 1);
        check(std::slice::from_ref(&one), 599, 0);
        check(&[one.clone(), two], 599, 1);
        check(&[one], 600, 1);
    }
}
