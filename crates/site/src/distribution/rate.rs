//! How fast a transfer is, over the last seconds that were reported.

use jiff::Timestamp;
use sea_query::UpdateStatement;

use crate::db::Row;
use crate::error::Result;

/// The rate is that of at least half of this time, once so much has passed, and of at most all of it.
const WINDOW_MICROS: i64 = 20_000_000;

/// The columns of a window.
pub(super) const COLUMNS: [&str; 6] = [
    "window_at",
    "window_done",
    "window_received",
    "next_window_at",
    "next_window_done",
    "next_window_received",
];

/// How far a transfer was at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Microseconds since 1970 by the agent's clock.
    pub(super) at: i64,
    pub(super) bytes_done: i64,
    pub(super) bytes_received: i64,
}

/// Where the measuring begins, and where it will begin when that is too long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    from: Option<Sample>,
    next: Option<Sample>,
}

/// Bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// Content put in place.
    pub(super) done: i64,
    /// Received.
    pub(super) received: i64,
}

impl Window {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let sample = |[at, done, received]: [&str; 3]| -> Result<Option<Sample>> {
            let Some(at) = row.get::<Option<i64>>(at)? else { return Ok(None) };
            let (bytes_done, bytes_received) = (row.get(done)?, row.get(received)?);
            Ok(Some(Sample { at, bytes_done, bytes_received }))
        };
        let [at, done, received, next_at, next_done, next_received] = COLUMNS;
        Ok(Self { from: sample([at, done, received])?, next: sample([next_at, next_done, next_received])? })
    }

    /// The window with one more sample, and the rate now. What goes back, in time or in bytes, begins anew.
    pub(super) fn add(self, sample: Sample) -> (Self, Rate) {
        let anew = (Self { from: Some(sample), next: None }, Rate::default());
        let Some(from) = self.from else { return anew };
        let micros = sample.at.saturating_sub(from.at);
        let (done, received) =
            (sample.bytes_done - from.bytes_done, sample.bytes_received - from.bytes_received);
        if micros <= 0 || done < 0 || received < 0 {
            return anew;
        }
        let in_a_second = |bytes: i64| {
            let rate = i128::from(bytes) * 1_000_000 / i128::from(micros);
            i64::try_from(rate).unwrap_or(i64::MAX)
        };
        let rate = Rate { done: in_a_second(done), received: in_a_second(received) };
        let is_half = |since: Sample| sample.at.saturating_sub(since.at) >= WINDOW_MICROS / 2;
        let window = match self.next {
            Some(next) if is_half(next) => Self { from: Some(next), next: Some(sample) },
            None if is_half(from) => Self { from: self.from, next: Some(sample) },
            _ => self,
        };
        (window, rate)
    }

    pub(super) fn store(self, rate: Rate, update: &mut UpdateStatement) {
        let [at, done, received, next_at, next_done, next_received] = COLUMNS;
        let points = [(self.from, [at, done, received]), (self.next, [next_at, next_done, next_received])];
        for (sample, [at, done, received]) in points {
            update
                .value(at, sample.map(|sample| sample.at))
                .value(done, sample.map_or(0, |sample| sample.bytes_done))
                .value(received, sample.map_or(0, |sample| sample.bytes_received));
        }
        update.value("rate_done", rate.done).value("rate_received", rate.received);
    }
}

impl Sample {
    pub(super) fn new(at: Timestamp, bytes_done: i64, bytes_received: i64) -> Self {
        Self { at: at.as_microsecond(), bytes_done, bytes_received }
    }
}

/// Nothing is transferred now.
pub(super) fn stop(update: &mut UpdateStatement) {
    Window::default().store(Rate::default(), update);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_rate_follows_the_last_seconds() {
        let mut window = Window::default();
        let mut rates = Vec::new();
        let (mut done, mut received) = (0, 0);
        for second in 0..60 {
            let rate;
            (window, rate) =
                window.add(Sample { at: second * SECOND, bytes_done: done, bytes_received: received });
            rates.push((rate.done, rate.received));
            // Ten times as fast from the 30th second on.
            let speed = if second < 30 { 100 } else { 1000 };
            done += speed;
            received += speed / 10;
        }
        assert_eq!(rates[0], (0, 0), "one sample is no rate");
        assert_eq!((rates[1], rates[29]), ((100, 10), (100, 10)));
        assert!((300..800).contains(&rates[36].0), "{}", rates[36].0);
        // No sample from before the change counts any more.
        assert_eq!(rates[52..].iter().filter(|rate| **rate != (1000, 100)).count(), 0, "{rates:?}");
    }

    #[test]
    fn what_goes_back_begins_anew() {
        let at = |second: i64, done, received| Sample {
            at: second * SECOND,
            bytes_done: done,
            bytes_received: received,
        };
        for again in [at(3, 0, 900), at(3, 900, 0), at(1, 900, 900), at(2, 900, 900)] {
            let (window, _) = Window::default().add(at(1, 100, 100));
            let (window, rate) = window.add(at(2, 500, 500));
            assert_eq!(rate, Rate { done: 400, received: 400 });
            let (window, rate) = window.add(again);
            if again.at == 2 * SECOND {
                assert_eq!(rate.done, 800, "twice at the same time is measured from the begin");
                continue;
            }
            assert_eq!(rate, Rate::default(), "{again:?}");
            assert_eq!(window.from, Some(again));
        }
        let (window, _) = Window::default().add(at(0, 0, 0));
        assert_eq!(window.add(Sample { at: 1, bytes_done: i64::MAX, bytes_received: 0 }).1.done, i64::MAX);
    }
}
