//! Routes: when, how fast and in which order content may go to a distribution point or a child site.
//!
//! Who sends enforces them (`agentservice`), so that every connection of a destination counts together. What holds at a
//! moment follows from the settings and the clock alone ([`Route::now`]); nothing is scheduled, so nothing is missed.

mod book;
mod grid;
mod rate;
mod store;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::distribution::DpId;
use crate::error::{Result, SiteError};

pub(crate) use book::Routes;
pub use grid::{Availability, DAYS, Grid, HOURS};
pub use rate::{RATE_BITS_PER_S_MAX, RATE_BITS_PER_S_MIN, RateLimit};
pub use store::{RouteInfo, RouteTarget};

/// The priority of what names no package, or one that is not meant for the destination: low.
pub const PRIORITY_LOWEST: u8 = 3;
/// How far ahead a change is looked for: two weeks, since an hour that the clocks skip comes again a week later, and a day.
const HORIZON: SignedDuration = SignedDuration::from_hours(15 * 24);
const BITS_PER_BYTE: u64 = 8;

/// Where content goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// One of the site's distribution points.
    Dp(DpId),
    /// A child site, by its code.
    Site(String),
}

/// What an administrator says about a route. By default nothing is limited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteSettings {
    /// Who may pass when.
    pub hours: Grid,
    /// How fast.
    pub rate: RateLimit,
    /// The name of the zone of the hours, for example `Europe/Berlin`; absent for the site's.
    pub time_zone: Option<String>,
}

/// A route as it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    hours: Grid,
    rate: RateLimit,
    zone: TimeZone,
}

/// Whether a package may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may, at this rate until then.
    Open {
        /// For all connections together; none without a limit.
        rate_bits_per_s: Option<u64>,
        /// When to ask again: the window closes then, or the rate changes, or nothing is known to change.
        until: Timestamp,
    },
    /// It must wait.
    Closed {
        /// When the window opens; none if it never does.
        opens_at: Option<Timestamp>,
    },
}

impl Passage {
    /// What may be sent after `now`: bytes a second, none without a limit, and for how long that holds. None when closed.
    #[must_use]
    pub fn terms(self, now: Timestamp) -> Option<(Option<u64>, Duration)> {
        match self {
            Self::Open { rate_bits_per_s, until } => {
                let bytes_per_s = rate_bits_per_s.map(|bits| (bits / BITS_PER_BYTE).max(1));
                Some((bytes_per_s, Duration::try_from(until.duration_since(now)).unwrap_or_default()))
            }
            Self::Closed { .. } => None,
        }
    }
}

impl Route {
    /// The route of these settings; `site_zone` where they name none. Errors: [`SiteError::InvalidField`].
    pub fn new(settings: &RouteSettings, site_zone: &TimeZone) -> Result<Self> {
        settings.rate.check()?;
        let zone = match &settings.time_zone {
            Some(name) => TimeZone::get(name).map_err(|_| {
                let reason = format!("{name} is no time zone such as Europe/Berlin");
                SiteError::invalid("TimeZone", reason)
            })?,
            None => site_zone.clone(),
        };
        Ok(Self { hours: settings.hours, rate: settings.rate.clone(), zone })
    }

    /// Whether the route limits nothing at all.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.hours.is_always_open() && self.rate == RateLimit::Unlimited
    }

    /// Whether a package of this priority (1 high to 3 low) may pass at a moment.
    #[must_use]
    pub fn now(&self, at: Timestamp, priority: u8) -> Passage {
        let horizon = at.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let holds = self.holds(at, priority);
        if self.is_free() || !self.hours.ever_admits(priority) {
            return passage(holds, horizon, None);
        }
        // The next two changes: when it closes it matters only that, when it is closed when it opens.
        let changed = self.hour_starts(at).take_while(|start| *start < horizon);
        let next = changed.map(|start| (start, self.holds(start, priority))).find(|(_, then)| *then != holds);
        passage(holds, next.map_or(horizon, |(start, _)| start), next.map(|(start, _)| start))
    }

    /// The rate in force for the priority; none when closed.
    fn holds(&self, at: Timestamp, priority: u8) -> Option<Option<u64>> {
        let local = self.zone.to_datetime(at);
        let hour = usize::try_from(local.hour()).expect("0 to 23");
        self.hours.at(local.weekday(), hour).admits(priority).then(|| self.rate.at(hour))
    }

    /// When the clock on the wall shows another hour, in order. Where the clocks change the hour does too, or begins anew.
    fn hour_starts(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let transition = move |at| self.zone.following(at).next().map(|change| change.timestamp());
        let mut change = transition(after);
        std::iter::successors(Some(after), move |&at| {
            if change.is_some_and(|change| change <= at) {
                change = transition(at);
            }
            let local = self.zone.to_datetime(at);
            let into_hour =
                SignedDuration::from_secs(i64::from(local.minute()) * 60 + i64::from(local.second()))
                    + SignedDuration::from_nanos(local.subsec_nanosecond().into());
            let next = at.checked_add(SignedDuration::from_hours(1) - into_hour).ok()?;
            Some(change.map_or(next, |change| next.min(change)))
        })
        .skip(1)
    }
}

fn passage(holds: Option<Option<u64>>, until: Timestamp, opens_at: Option<Timestamp>) -> Passage {
    match holds {
        Some(rate_bits_per_s) => Passage::Open { rate_bits_per_s, until },
        None => Passage::Closed { opens_at },
    }
}

#[cfg(test)]
mod tests;
