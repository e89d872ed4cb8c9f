//! What is on the disk and wanted by nobody: its assignment ended while this distribution point was away, or the site
//! that knew of it lost its memory, or an import was never finished.
//!
//! Only a full list of what the site wants can tell, and only after many said the same for a day: a site that was restored
//! in part and repaired an hour later shall find its content where it was. The day is counted between the lists by a clock
//! that nobody sets: the other may be years off until the network is there. What came by hand waits longer for its package
//! to be targeted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::Event;
use serde::{Deserialize, Serialize};

use crate::context::{Context, blocking};
use crate::fault::JobError;

/// How long every full list must agree before something goes.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// The same of what was taken in by hand and that no list has named since.
const IMPORT_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most that counts between two lists: nobody knows what the site wanted while it did not answer. So a day is 24 lists
/// at least.
const BETWEEN_LISTS_MAX: Duration = Duration::from_secs(60 * 60);
/// Packages that are remembered as taken in by hand.
const IMPORTED_MAX: usize = 10_000;
const FILE_NAME: &str = "orphans.json";

/// What is wanted by nobody, over restarts.
#[derive(Debug)]
pub(crate) struct Orphans {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// By package: for how long the lists did not name it, in milliseconds of the time that this program ran.
    unwanted_ms: BTreeMap<String, u64>,
    /// What was taken in by hand and that no list has named since.
    imported: BTreeSet<String>,
    /// When the last list of this run came, by the monotonic clock.
    #[serde(skip)]
    listed_at: Option<Duration>,
}

impl Orphans {
    /// A file that cannot be read costs a day.
    pub(crate) fn load(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE_NAME);
        let known = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, known: Mutex::new(known.unwrap_or_default()) }
    }

    /// A version of the package is taken in by hand. Blocks.
    pub(crate) fn imported(&self, package: &str) {
        let mut known = self.lock();
        if known.imported.len() < IMPORTED_MAX && known.imported.insert(package.to_owned()) {
            self.save(&known);
        }
    }

    /// Takes a full list: what is held and not `wanted`. Gives what is due to go.
    fn note(&self, held: &BTreeSet<String>, wanted: &BTreeSet<String>, now: Duration) -> Vec<String> {
        let mut known = self.lock();
        let since = known.listed_at.replace(now).map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let since_ms = millis(since.min(BETWEEN_LISTS_MAX));
        let mut unwanted_ms = BTreeMap::new();
        for package in held.difference(wanted) {
            let before = known.unwanted_ms.get(package);
            if before.is_none() {
                tracing::warn!(package, "Nobody wants this package here; it goes if that stays so");
            }
            unwanted_ms.insert(package.clone(), before.map_or(0, |before| before.saturating_add(since_ms)));
        }
        let is_changed = known.unwanted_ms != unwanted_ms || !known.imported.is_disjoint(wanted);
        known.unwanted_ms = unwanted_ms;
        known.imported.retain(|package| !wanted.contains(package));
        if is_changed {
            self.save(&known);
        }
        let is_due = |(package, unwanted_ms): &(&String, &u64)| {
            **unwanted_ms >= millis(if known.imported.contains(*package) { IMPORT_GRACE } else { GRACE })
        };
        known.unwanted_ms.iter().filter(is_due).map(|(package, _)| package.clone()).collect()
    }

    fn save(&self, known: &Known) {
        if let Err(error) = save(&self.path, known) {
            tracing::warn!(%error, "Cannot note what nobody wants; a restart begins its grace anew");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn save(path: &Path, known: &Known) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(known).expect("names and numbers"))?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Takes the site's full list: forgets what it does not name, and removes what has been an orphan for long enough.
pub(crate) async fn reconcile(context: &Arc<Context>, wanted: BTreeSet<String>) {
    let known = wanted.clone();
    context.remember(move |state| state.keep_only(&known)).await;
    let (shared, now) = (Arc::clone(context), context.clock.monotonic());
    let found = blocking(move || {
        let held = shared.holder.packages()?;
        Ok::<_, JobError>(shared.orphans.note(&held, &wanted, now))
    });
    match found.await {
        Ok(due) => {
            for package in due {
                remove(context, package).await;
            }
        }
        Err(error) => tracing::warn!(%error, "Cannot look for content that nobody wants"),
    }
}

/// Removes a package, unless a version of it is just being taken in.
async fn remove(context: &Arc<Context>, package: String) {
    let _alone = context.imports.removals.lock().await;
    if context.imports.packages().contains(&package) {
        return;
    }
    let (holder, name) = (context.holder.clone(), package.clone());
    let removed = blocking(move || {
        let held: Vec<_> = holder.versions()?.into_iter().filter(|held| held.package == name).collect();
        holder.remove(&name)?;
        Ok::<_, JobError>(held)
    });
    match removed.await {
        Ok(held) => {
            let bytes = held.iter().map(|held| held.bytes).sum();
            let versions = held.iter().map(|held| held.version).collect();
            tracing::warn!(package, bytes, ?versions, "Removed a package that nobody wants here");
            let fact = context.fact(&package, 0, Event::Collected { versions, bytes });
            context.remember(move |state| state.push(fact)).await;
        }
        Err(error) => tracing::warn!(%error, package, "Cannot remove a package that nobody wants here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// Takes a list each half hour for so long. Gives whether "A", which it does not name, was due before the end and at it.
    fn lists(orphans: &Orphans, from: Duration, time: Duration) -> (bool, bool) {
        let (mut before, mut at) = (false, Duration::ZERO);
        loop {
            let due = !orphans.note(&set(&["A", "B"]), &set(&["B"]), from + at).is_empty();
            if at >= time {
                return (before, due);
            }
            before |= due;
            at += HOUR / 2;
        }
    }

    #[test]
    fn what_no_list_of_a_day_names_is_due_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let orphans = Orphans::load(folder.path());
        assert_eq!(lists(&orphans, HOUR * 1_000, HOUR * 20), (false, false));
        // After a restart the clock begins anew, and the time between counts for nothing.
        let orphans = Orphans::load(folder.path());
        assert_eq!(lists(&orphans, HOUR, HOUR * 4), (false, true));
        // Wanted again in between: a new day begins.
        assert!(orphans.note(&set(&["A", "B"]), &set(&["A", "B"]), HOUR * 6).is_empty());
        assert_eq!(lists(&orphans, HOUR * 6, HOUR * 24), (false, true));
    }

    #[test]
    fn a_leap_of_time_between_two_lists_is_no_day() {
        let folder = tempfile::tempdir().unwrap();
        let orphans = Orphans::load(folder.path());
        for n in 0..24 {
            let due = orphans.note(&set(&["A"]), &set(&[]), HOUR * 10_000 * n);
            assert!(due.is_empty(), "{n} lists say so little");
        }
        assert_eq!(orphans.note(&set(&["A"]), &set(&[]), HOUR * 240_000), ["A"]);
    }

    #[test]
    fn what_came_by_hand_waits_a_month_for_its_package() {
        let folder = tempfile::tempdir().unwrap();
        Orphans::load(folder.path()).imported("A");
        let orphans = Orphans::load(folder.path());
        assert_eq!(lists(&orphans, HOUR, HOUR * 25), (false, false));
        orphans.lock().unwanted_ms.insert("A".to_owned(), millis(IMPORT_GRACE - HOUR));
        assert_eq!(lists(&orphans, HOUR * 26, HOUR), (false, true));
        // Once it was wanted it is content like any other.
        orphans.imported("A");
        assert!(orphans.note(&set(&["A", "B"]), &set(&["A", "B"]), HOUR * 999).is_empty());
        assert_eq!(lists(&Orphans::load(folder.path()), HOUR, HOUR * 24), (false, true));
    }
}
