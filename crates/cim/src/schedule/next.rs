//! When a schedule is due.
//!
//! What the published pages leave open is decided here: an administrator who plans a time of day gets it, and nothing
//! that is planned is left out.
//!
//! - A local time that the clocks skip is taken as late as they were set forward: 02:30 becomes 03:30.
//! - A local time that the clocks show twice is due once, the first time.
//! - An interval of whole days keeps the time of day; one with hours or minutes counts the time that passes.
//! - Day 31 of a month that has fewer days is its last day.
//! - Offset days are not known (see [`Token::spare_bits`]) and not counted.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Length, Recurrence, Token, WeekOrder};

/// How many occurrences are looked at, from shortly before the time asked for.
const STEPS_MAX: i64 = 8;
/// How many occurrences the search begins before the time asked for.
const STEPS_BEFORE: i64 = 2;

/// The first occurrence of any of the tokens after a time; `None` when none is left.
#[must_use]
pub fn next_after(tokens: &[Token], after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    tokens.iter().filter_map(|token| token.next_after(after, local)).min()
}

impl Token {
    /// The first occurrence after a time; `None` when none is left. `local` is the zone of tokens that are not UTC.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = if self.gmt { &TimeZone::UTC } else { local };
        let calendar = match self.recurrence {
            Recurrence::Once => return instant(zone, self.start).filter(|at| *at > after),
            Recurrence::Interval(length) => match length {
                Length { days: 0, hours: 0, minutes: 0 } => {
                    return instant(zone, self.start).filter(|at| *at > after);
                }
                Length { days, hours: 0, minutes: 0 } => {
                    Calendar::Days { first: self.start, step: i64::from(days) }
                }
                length => return elapsed(instant(zone, self.start)?, length, after),
            },
            Recurrence::Weekly { day, weeks } => {
                let ahead = self.start.weekday().until(day);
                let first = self.start.checked_add(SignedDuration::from_hours(i64::from(ahead) * 24)).ok()?;
                Calendar::Days { first, step: i64::from(weeks) * 7 }
            }
            Recurrence::MonthlyByWeekday { months, .. } | Recurrence::MonthlyByDate { months, .. } => {
                Calendar::Months { step: i64::from(months) }
            }
        };
        self.search(&calendar, after, zone)
    }

    fn search(&self, calendar: &Calendar, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let begin = (calendar.passed(self.start, zone.to_datetime(after)) - STEPS_BEFORE).max(0);
        (begin..begin + STEPS_MAX)
            .filter_map(|number| self.occurrence(calendar, number))
            .filter(|local| *local >= self.start)
            .filter_map(|local| instant(zone, local))
            .find(|at| *at > after)
    }

    /// The occurrence of that number; those of months may lie before the start.
    fn occurrence(&self, calendar: &Calendar, number: i64) -> Option<DateTime> {
        match calendar {
            Calendar::Days { first, step } => {
                first.checked_add(SignedDuration::from_hours(number * step * 24)).ok()
            }
            Calendar::Months { step } => {
                let month = month_number(self.start) + number * step;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                let first = Date::new(year, i8::try_from(month.rem_euclid(12) + 1).ok()?, 1).ok()?;
                Some(self.day_of_month(first)?.to_datetime(self.start.time()))
            }
        }
    }

    /// The day on which it occurs in the month of `first`.
    fn day_of_month(&self, first: Date) -> Option<Date> {
        match self.recurrence {
            Recurrence::MonthlyByWeekday { day, order, .. } => {
                let nth = match order {
                    WeekOrder::Last => -1,
                    order => i8::try_from(order.number()).ok()?,
                };
                first.nth_weekday_of_month(nth, day).ok()
            }
            Recurrence::MonthlyByDate { day, .. } => {
                let last = first.days_in_month();
                let day = i8::try_from(day).ok().filter(|day| (1..=last).contains(day)).unwrap_or(last);
                first.with().day(day).build().ok()
            }
            Recurrence::Once | Recurrence::Interval(_) | Recurrence::Weekly { .. } => None,
        }
    }
}

/// Occurrences that are counted in the calendar and keep their time of day.
enum Calendar {
    /// Every so many days from the first one.
    Days { first: DateTime, step: i64 },
    /// Every so many months from that of the start.
    Months { step: i64 },
}

impl Calendar {
    /// About how many occurrences lie before a local time.
    fn passed(&self, start: DateTime, now: DateTime) -> i64 {
        match self {
            Self::Days { first, step } => now.duration_since(*first).as_hours() / 24 / step,
            Self::Months { step } => (month_number(now) - month_number(start)) / step,
        }
    }
}

/// Months since the year 0.
fn month_number(at: DateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month()) - 1
}

fn elapsed(first: Timestamp, length: Length, after: Timestamp) -> Option<Timestamp> {
    if first > after {
        return Some(first);
    }
    let Length { days, hours, minutes } = length;
    let minutes = (i64::from(days) * 24 + i64::from(hours)) * 60 + i64::from(minutes);
    let passed = (after.as_second() - first.as_second()) / (minutes * 60);
    first.checked_add(SignedDuration::from_mins((passed + 1) * minutes)).ok()
}

fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}
