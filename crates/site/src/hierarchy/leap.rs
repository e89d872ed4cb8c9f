//! How far another site's numbers may lead this one's.
//!
//! Revisions and generations come from one counter that only rises. After a backup was restored it goes on from beyond what
//! the neighbors have seen, and who takes a package over goes on from beyond what its former owner demanded; so others say
//! how far it rises, and one that lies would use it up, after which nothing could be written any more. What a site really
//! counts in years is far below these limits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Result, SiteError};

/// No revision, stamp, generation or epoch of another site is beyond this.
pub(crate) const NUMBER_MAX: i64 = 1 << 60;
/// How far one neighbor may lead the counter within [`LEAP_INTERVAL`]: a site that writes a thousand rows a second counts so
/// many in 34 years, and a neighbor that lies all the time needs longer than that to reach [`NUMBER_MAX`].
pub(crate) const LEAP_MAX: i64 = 1 << 40;
/// How long what a neighbor led to counts.
pub(crate) const LEAP_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How often one neighbor may say within [`LEAP_INTERVAL`] that this site was restored; each time all rows are told anew.
pub(crate) const RESTORES_MAX: usize = 3;

/// What each neighbor led to lately.
#[derive(Debug, Default)]
pub(crate) struct Leaps(Mutex<HashMap<String, Lately>>);

#[derive(Debug, Default)]
struct Lately {
    /// When the interval began, by the monotonic clock.
    since: Duration,
    by: i64,
    restores: usize,
}

impl Leaps {
    /// Whether a neighbor may lead the counter so much further.
    pub(crate) fn may_lead(&self, neighbor: &str, by: i64, now: Duration) -> bool {
        let mut all = self.lock();
        let lately = Lately::of(&mut all, neighbor, now);
        let sum = lately.by.saturating_add(by);
        if sum <= LEAP_MAX {
            lately.by = sum;
        }
        sum <= LEAP_MAX
    }

    /// A neighbor has seen a revision that is so far beyond this site's newest.
    pub(crate) fn restored(&self, neighbor: &str, ahead: i64, now: Duration) -> Result<()> {
        if !self.may_lead(neighbor, ahead, now) {
            let reason = format!(
                "site {neighbor} says that it knows {ahead} revisions that this site never gave, which no site gives in \
                 years; if its database is damaged, restore it, or remove site {neighbor} and let it join anew"
            );
            return Err(SiteError::invalid("after", reason));
        }
        let mut all = self.lock();
        let lately = Lately::of(&mut all, neighbor, now);
        lately.restores += 1;
        if lately.restores > RESTORES_MAX {
            let what = "a neighbor says again and again that this site was restored from a backup";
            return Err(SiteError::Busy { what });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Lately>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lately {
    fn of<'a>(all: &'a mut HashMap<String, Self>, neighbor: &str, now: Duration) -> &'a mut Self {
        let lately = all.entry(neighbor.to_owned()).or_default();
        if now.saturating_sub(lately.since) >= LEAP_INTERVAL {
            *lately = Self { since: now, ..Self::default() };
        }
        lately
    }
}
