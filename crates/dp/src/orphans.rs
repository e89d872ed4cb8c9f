//! What is on the disk and wanted by nobody: its assignment ended while this distribution point was away, or the site
//! that knew of it lost its memory, or an import was never finished.
//!
//! Only a full list of what the site wants can tell, and only after it said the same for a day: a site that was restored
//! in part and repaired an hour later shall find its content where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent::Event;
use jiff::Timestamp;

use crate::context::{Context, blocking};
use crate::fault::JobError;

/// How long every full list must agree before something goes.
pub(crate) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
const FILE_NAME: &str = "orphans.json";

/// Since when each package is wanted by nobody, over restarts.
#[derive(Debug)]
pub(crate) struct Orphans {
    path: PathBuf,
    /// In Unix milliseconds.
    since: Mutex<BTreeMap<String, i64>>,
}

impl Orphans {
    /// A file that cannot be read costs a day.
    pub(crate) fn load(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE_NAME);
        let since = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, since: Mutex::new(since.unwrap_or_default()) }
    }

    /// Takes a full list: what is held and not `wanted`. Gives what is due to go.
    fn note(&self, held: &BTreeSet<String>, wanted: &BTreeSet<String>, now: Timestamp) -> Vec<String> {
        let now_ms = now.as_millisecond();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeMap::new();
        for package in held.difference(wanted) {
            // A clock that was set back begins the grace anew.
            let first = since.get(package).copied().filter(|at| *at <= now_ms).unwrap_or(now_ms);
            if first == now_ms {
                tracing::warn!(package, "Nobody wants this package here; it goes if that stays so for a day");
            }
            found.insert(package.clone(), first);
        }
        if *since != found {
            *since = found;
            if let Err(error) = save(&self.path, &since) {
                tracing::warn!(%error, "Cannot note what nobody wants; a restart begins its grace anew");
            }
        }
        let grace_ms = i64::try_from(GRACE.as_millis()).expect("a day");
        since.iter().filter(|(_, at)| now_ms - **at >= grace_ms).map(|(package, _)| package.clone()).collect()
    }
}

fn save(path: &Path, since: &BTreeMap<String, i64>) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(since).expect("names and numbers"))?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Takes the site's full list: forgets what it does not name, and removes what has been an orphan for long enough.
pub(crate) async fn reconcile(context: &Arc<Context>, wanted: BTreeSet<String>) {
    let known = wanted.clone();
    context.remember(move |state| state.keep_only(&known)).await;
    let (shared, now) = (Arc::clone(context), context.clock.now());
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

async fn remove(context: &Arc<Context>, package: String) {
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

    #[test]
    fn what_no_list_of_a_day_names_is_due_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |hours: u64| start + Duration::from_secs(hours * 3600);
        let orphans = Orphans::load(folder.path());
        assert!(orphans.note(&set(&["A", "B"]), &set(&["B"]), at(0)).is_empty());
        assert!(orphans.note(&set(&["A", "B"]), &set(&["B"]), at(23)).is_empty());
        let orphans = Orphans::load(folder.path());
        assert_eq!(orphans.note(&set(&["A", "B"]), &set(&["B"]), at(24)), ["A"]);
        // Wanted again in between: a new day begins.
        assert!(orphans.note(&set(&["A", "B"]), &set(&["A"]), at(25)).is_empty());
        assert!(orphans.note(&set(&["A"]), &set(&[]), at(30)).is_empty());
        assert!(orphans.note(&set(&["A"]), &set(&[]), at(49)).is_empty());
        // A clock that was set back does not shorten it.
        assert!(orphans.note(&set(&["A"]), &set(&[]), at(10)).is_empty());
        assert!(orphans.note(&set(&["A"]), &set(&[]), at(33)).is_empty());
        assert_eq!(orphans.note(&set(&["A"]), &set(&[]), at(34)), ["A"]);
        assert!(orphans.note(&set(&[]), &set(&[]), at(35)).is_empty());
    }
}
