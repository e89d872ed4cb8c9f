//! Windows of routes: what administrators set, and what follows from that, worked out anew from a simpler picture of it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use site::{Availability, Destination, Grid, Passage, RouteSettings, RouteTarget};

use crate::world::{World, admin, now};

/// Priorities, 1 high to 3 low.
pub(crate) const PRIORITIES: std::ops::RangeInclusive<u8> = 1..=3;
const HOURS_OF_WEEK: usize = 168;

/// The hours of one route, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// The same at all hours.
    Always(Availability),
    /// So in every second hour, from midnight on, and open to nobody in the others.
    EverySecondHour(Availability),
}

impl Window {
    fn hours(self) -> Grid {
        let at = |hour: usize| match self {
            Self::Always(availability) => availability,
            Self::EverySecondHour(availability) if hour.is_multiple_of(2) => availability,
            Self::EverySecondHour(_) => Availability::Closed,
        };
        let digits: String = (0..HOURS_OF_WEEK).map(|hour| at(hour).number().to_string()).collect();
        digits.parse().unwrap()
    }

    /// Whether a package of this priority may pass.
    pub(crate) fn admits(self, priority: u8, at: Timestamp) -> bool {
        match self {
            Self::Always(availability) => availability.admits(priority),
            Self::EverySecondHour(availability) => {
                at.to_zoned(TimeZone::UTC).hour() % 2 == 0 && availability.admits(priority)
            }
        }
    }
}

impl World {
    /// A route is set, changed or taken away.
    pub(crate) async fn change_route(&mut self) {
        let Some((_, point)) = self.any_place() else { return };
        let availability = Availability::ALL[self.random.below(Availability::ALL.len())];
        match self.random.below(4) {
            0 => self.clear_route(point).await,
            1 => self.set_route(point, Window::Always(availability)).await,
            _ => self.set_route(point, Window::EverySecondHour(availability)).await,
        }
    }

    async fn set_route(&mut self, point: usize, window: Window) {
        self.tell(format!("dp{point} may be sent to: {window:?}"));
        let settings = RouteSettings {
            hours: window.hours(),
            time_zone: Some("UTC".to_owned()),
            ..RouteSettings::default()
        };
        let target = RouteTarget::DistributionPoint(self.points[point].name.clone());
        self.site.set_route(&admin(), &target, &settings).await.unwrap();
        self.windows.insert(point, window);
    }

    pub(crate) async fn clear_route(&mut self, point: usize) {
        self.tell(format!("dp{point} has no route"));
        let target = RouteTarget::DistributionPoint(self.points[point].name.clone());
        self.site.clear_route(&admin(), &target).await.unwrap();
        self.windows.remove(&point);
    }

    /// Whether a package of this priority may be sent to a distribution point now.
    pub(crate) fn is_open(&self, point: usize, priority: u8) -> bool {
        self.windows.get(&point).is_none_or(|window| window.admits(priority, now(&self.clock)))
    }

    /// What the site lets pass is what administrators said, and it knows when that changes.
    pub(crate) fn check_passages(&self, point: usize) {
        let (to, at) = (Destination::Dp(self.points[point].id), now(&self.clock));
        for priority in PRIORITIES {
            let passage = self.site.passage(&to, priority);
            let is_open = matches!(passage, Passage::Open { .. });
            let changes_at = match passage {
                Passage::Open { until, .. } => Some(until),
                Passage::Closed { opens_at } => opens_at,
            };
            let known = || format!("dp{point}, {:?}, at {at}: {passage:?}", self.windows.get(&point));
            self.must(is_open == self.is_open(point, priority), known);
            self.must(changes_at.is_none_or(|changes_at| changes_at > at), known);
            if let (Passage::Closed { opens_at: Some(opens_at) }, Some(window)) =
                (passage, self.windows.get(&point))
            {
                self.must(window.admits(priority, opens_at), known);
            }
        }
    }
}
