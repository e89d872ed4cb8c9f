//! Visits to source folders, on threads that can be left behind.
//!
//! A dead network mount never answers, and a call to it cannot be ended. So nothing waits for a source without
//! a limit: a visit that takes too long is abandoned, its thread stays until the mount answers after all, and
//! how many such threads there may be is bounded, so that one dead mount does not stop the others.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::error::SiteError;
use crate::library::{detached, error_chain};
use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;

/// How long a source folder may take to be found.
pub(crate) const LOCATE_LIMIT: Duration = Duration::from_secs(60);
/// Abandoned visits at once; then no source is visited until one ends.
const ABANDONED_MAX: usize = 64;
/// Abandoned visits to one share at once; then the share is not visited until one ends.
const ABANDONED_PER_PLACE_MAX: usize = 4;

/// The visits that did not answer in time.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    abandoned: Mutex<Vec<Abandoned>>,
    /// Lets visits to a source hang until the sender of the next gate is dropped.
    #[cfg(test)]
    pub(crate) gates: Mutex<Vec<(SourcePath, std::sync::mpsc::Receiver<()>)>>,
    /// Each visit's thread holds it.
    #[cfg(test)]
    running: Arc<()>,
}

#[derive(Debug)]
struct Abandoned {
    source: SourcePath,
    purpose: Purpose,
    /// Gone when the visit's thread has ended.
    thread: Weak<()>,
}

/// What a visit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To find the folder.
    Locate,
    /// To read drivers. The library is not used.
    Examine,
    /// To take a snapshot, or to repair from it. Repairs of the library wait until it has ended.
    Read,
    /// To copy into it or from it, or to compare it.
    Change,
}

/// The source did not answer in time, or did not the last time and still has not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer;

impl Sources {
    /// Does `work` on a thread of its own, until `patience` ends.
    pub(crate) async fn visit<T: Send + 'static>(
        &self,
        source: &SourcePath,
        purpose: Purpose,
        patience: impl Future<Output = ()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        self.visit_two([source, source], || 0, purpose, patience, work).await.map_err(|_| NoAnswer)
    }

    /// Does work that needs two sources; the error is which of them does not answer. `hung_at` tells which of them the
    /// work was busy with, 0 or 1.
    pub(crate) async fn visit_two<T: Send + 'static>(
        &self,
        sources: [&SourcePath; 2],
        hung_at: impl FnOnce() -> usize,
        purpose: Purpose,
        patience: impl Future<Output = ()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, usize> {
        if let Some(at) = sources.iter().position(|source| self.is_dead(source)) {
            return Err(at);
        }
        #[cfg(test)]
        let work = self.behind_gate(sources[0], work);
        #[cfg(test)]
        let work = {
            let running = Arc::clone(&self.running);
            move || (work(), drop(running)).0
        };
        let alive = Arc::new(());
        let thread = Arc::downgrade(&alive);
        let run = move || (work(), drop(alive)).0;
        let answered = detached(run).map_err(|error| {
            tracing::error!(error = error_chain(&error), "source");
            0usize
        })?;
        match select(std::pin::pin!(answered), std::pin::pin!(patience)).await {
            Either::Left((answered, _)) => answered.map_err(|_| 0),
            Either::Right(((), _)) => {
                let at = hung_at();
                self.lock().push(Abandoned { source: sources[at].clone(), purpose, thread });
                Err(at)
            }
        }
    }

    /// Refuses what needs the library alone while a reading that was left behind still uses it: it would wait
    /// for the dead mount, and every snapshot behind it.
    pub(crate) fn check_library_free(&self) -> Result<(), SiteError> {
        if self.lock().iter().any(|visit| visit.purpose == Purpose::Read) {
            return Err(SiteError::Busy {
                what: "the snapshot of a source that does not answer has not ended",
            });
        }
        Ok(())
    }

    /// Whether the thread of any visit is at work, waited for or not.
    #[cfg(test)]
    pub(crate) fn any_running(&self) -> bool {
        Arc::strong_count(&self.running) > 1
    }

    #[cfg(test)]
    pub(crate) fn any_left(&self) -> bool {
        !self.lock().is_empty()
    }

    fn is_dead(&self, source: &SourcePath) -> bool {
        let abandoned = self.lock();
        let at_place = abandoned.iter().filter(|visit| visit.source.place() == source.place()).count();
        abandoned.len() >= ABANDONED_MAX
            || at_place >= ABANDONED_PER_PLACE_MAX
            || abandoned.iter().any(|visit| visit.source == *source)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Abandoned>> {
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(|visit| visit.thread.strong_count() > 0);
        abandoned
    }

    #[cfg(test)]
    fn behind_gate<T>(
        &self,
        source: &SourcePath,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T + Send + 'static {
        let mut gates = self.gates.lock().unwrap();
        let gate = gates.iter().position(|(gated, _)| gated == source).map(|at| gates.remove(at).1);
        move || {
            let _ = gate.map(|gate| gate.recv());
            work()
        }
    }
}

impl Site {
    /// Finds a source's folder, within [`LOCATE_LIMIT`] and as long as `patience` lasts.
    pub(crate) async fn locate(
        &self,
        source: &SourcePath,
        patience: impl Future<Output = ()>,
    ) -> Result<PathBuf, SourcePathError> {
        let (path, options) = (source.clone(), self.options().clone());
        let limit = async {
            tokio::select! {
                () = self.clock().sleep(LOCATE_LIMIT) => {}
                () = patience => {}
            }
        };
        let located =
            self.sources().visit(source, Purpose::Locate, limit, move || path.locate(&options)).await;
        located.unwrap_or(Err(SourcePathError::NoAnswer))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::{pending, ready};
    use std::sync::mpsc;

    use super::*;

    fn source(path: &str) -> SourcePath {
        let shares = BTreeMap::from([(r"\\srv\a".to_owned(), PathBuf::from("/srv/a"))]);
        SourcePath::parse(path, &shares).unwrap()
    }

    /// A visit that is abandoned at once. The sender lets it end.
    async fn abandon(sources: &Sources, path: &str) -> mpsc::Sender<()> {
        let (open, gate) = mpsc::channel();
        let hang = move || gate.recv().is_ok();
        assert_eq!(
            sources.visit(&source(path), Purpose::Read, ready(()), hang).await,
            Err(NoAnswer),
            "{path}"
        );
        open
    }

    async fn answers(sources: &Sources, path: &str) -> bool {
        sources.visit(&source(path), Purpose::Locate, pending(), || ()).await.is_ok()
    }

    #[tokio::test]
    async fn a_dead_source_is_not_visited_again_until_it_answers() {
        let sources = Sources::default();
        let hung = abandon(&sources, r"\\srv\a\one").await;
        assert!(sources.check_library_free().is_err());
        assert!(!answers(&sources, r"\\srv\a\one").await);
        assert!(answers(&sources, r"\\srv\a\two").await, "another package of the share");
        drop(hung);
        while sources.any_left() {
            std::thread::yield_now();
        }
        assert!(answers(&sources, r"\\srv\a\one").await);
    }

    #[tokio::test]
    async fn a_dead_share_takes_few_threads_and_stops_no_other() {
        let sources = Sources::default();
        let mut hung = Vec::new();
        for number in 0..ABANDONED_PER_PLACE_MAX {
            hung.push(abandon(&sources, &format!(r"\\srv\a\{number}")).await);
        }
        assert!(!answers(&sources, r"\\srv\a\next").await);
        assert!(answers(&sources, "/mnt/b/one").await);
        for number in 0..ABANDONED_PER_PLACE_MAX {
            hung.push(abandon(&sources, &format!("/mnt/c/{number}")).await);
        }
        assert!(!answers(&sources, "/mnt/c/next").await);
        assert!(answers(&sources, "/mnt/b/one").await);
        for number in hung.len()..ABANDONED_MAX {
            hung.push(abandon(&sources, &format!("/mnt/{number}/x")).await);
        }
        assert!(!answers(&sources, "/mnt/b/one").await);
        assert_eq!(hung.len(), ABANDONED_MAX);
    }
}
