//! Tokens in words, for people.

use std::fmt;

use jiff::civil::Weekday;

use super::{Length, Recurrence, Token, WeekOrder};

/// `every 2 weeks on Wednesday at 18:00 UTC, from 2025-01-01`
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.start.strftime("%H:%M");
        let date = self.start.strftime("%Y-%m-%d");
        let zone = if self.gmt { " UTC" } else { "" };
        match self.recurrence {
            Recurrence::Once => write!(f, "once, {date} {time}{zone}")?,
            Recurrence::Interval(Length { days: 0, hours: 0, minutes: 0 }) => {
                write!(f, "once, {date} {time}{zone} (an interval of 0 minutes)")?;
            }
            Recurrence::Interval(length) => write!(f, "every {length}, from {date} {time}{zone}")?,
            Recurrence::Weekly { day, weeks } => {
                every(f, weeks, "week")?;
                write!(f, " on {} at {time}{zone}, from {date}", name(day))?;
            }
            Recurrence::MonthlyByWeekday { day, order, months } => {
                every(f, months, "month")?;
                write!(f, " on the {order} {} at {time}{zone}, from {date}", name(day))?;
            }
            Recurrence::MonthlyByDate { day, months } => {
                every(f, months, "month")?;
                match day {
                    0 => f.write_str(" on the last day")?,
                    day => write!(f, " on day {day}")?,
                }
                write!(f, " at {time}{zone}, from {date}")?;
            }
        }
        if self.duration != Length::default() {
            write!(f, ", for {}", self.duration)?;
        }
        Ok(())
    }
}

fn every(f: &mut fmt::Formatter<'_>, count: u8, unit: &str) -> fmt::Result {
    if count == 1 { write!(f, "every {unit}") } else { write!(f, "every {count} {unit}s") }
}

/// `1 day 2 hours 59 minutes`
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.days, "day"), (self.hours, "hour"), (self.minutes, "minute")];
        let mut between = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{between}{count} {unit}{}", if count == 1 { "" } else { "s" })?;
            between = " ";
        }
        if between.is_empty() { f.write_str("0 minutes") } else { Ok(()) }
    }
}

impl fmt::Display for WeekOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
            Self::Fourth => "fourth",
        })
    }
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Sunday => "Sunday",
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
    }
}
