//! `haulier schedule`.

use cim::schedule::{Length, Recurrence, WeekOrder};
use clap::{Args, Subcommand};
use jiff::civil::{DateTime, Weekday};

/// `haulier schedule`. Runs here, without a site.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Print the string that stands for a schedule in the provider's properties.
    Encode(ScheduleEncode),
    /// Say what such a string means; as JSON, the objects that `RefreshSchedule` takes.
    #[command(after_help = "Example: haulier schedule decode 00011700001F2000")]
    Decode {
        /// 16 hexadecimal digits for each token.
        schedule: String,
    },
    /// Say when a schedule is due next.
    Next(ScheduleNext),
}

/// `haulier schedule encode`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier schedule encode --start 2024-01-09T02:00 --monthly second-tuesday \
                        --duration 3h")]
pub(crate) struct ScheduleEncode {
    /// When it begins: date and time of day, in the site's time zone unless --utc is there.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1970-02-01T00:00",
        required_unless_present_any = ["every", "weekly", "monthly"]
    )]
    pub(crate) start: DateTime,

    /// The times are UTC.
    #[arg(long)]
    pub(crate) utc: bool,

    /// How long each occurrence lasts, such as 3h or 1d2h30m.
    #[arg(long, value_name = "LENGTH", value_parser = length, default_value = "0m")]
    pub(crate) duration: Length,

    /// Again and again after this time, such as 7d, 15m or 1d12h. Without --every, --weekly or --monthly: once.
    #[arg(long, value_name = "LENGTH", value_parser = length, conflicts_with_all = ["weekly", "monthly"])]
    pub(crate) every: Option<Length>,

    /// On these days of the week, such as monday,friday.
    #[arg(
        long,
        value_name = "DAYS",
        value_parser = weekday,
        value_delimiter = ',',
        conflicts_with = "monthly"
    )]
    pub(crate) weekly: Vec<Weekday>,

    /// Every so many weeks, 1 to 4.
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "weekly")]
    pub(crate) weeks: u8,

    /// In the month: a day (15), the last day (last), or a day of the week (second-tuesday, last-sunday).
    #[arg(long, value_name = "WHEN", value_parser = month_day)]
    pub(crate) monthly: Option<MonthDay>,

    /// Every so many months, 1 to 12.
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "monthly")]
    pub(crate) months: u8,
}

/// `haulier schedule next`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier schedule next 00491D8018231400 --count 3 --zone Europe/Berlin")]
pub(crate) struct ScheduleNext {
    /// 16 hexadecimal digits for each token.
    pub(crate) schedule: String,

    /// After this time instead of now: 2024-01-09T02:00 in the zone, or 2024-01-09T02:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) after: Option<String>,

    /// How many occurrences.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: u16,

    /// The site's time zone, by its IANA name; without it that of this machine.
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
}

/// When in the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MonthDay {
    /// The day of that number; 0 is the last one.
    Date(u8),
    /// Which day of the week.
    Weekday(WeekOrder, Weekday),
}

impl ScheduleEncode {
    /// One for each token.
    pub(crate) fn recurrences(&self) -> Vec<Recurrence> {
        let months = self.months;
        match (self.every, self.monthly) {
            (Some(length), _) => vec![Recurrence::Interval(length)],
            (_, Some(MonthDay::Date(day))) => vec![Recurrence::MonthlyByDate { day, months }],
            (_, Some(MonthDay::Weekday(order, day))) => {
                vec![Recurrence::MonthlyByWeekday { day, order, months }]
            }
            (None, None) if self.weekly.is_empty() => vec![Recurrence::Once],
            (None, None) => {
                let weekly = |day: &Weekday| Recurrence::Weekly { day: *day, weeks: self.weeks };
                self.weekly.iter().map(weekly).collect()
            }
        }
    }
}

/// `1d2h30m`, in this order, each part once.
fn length(text: &str) -> Result<Length, String> {
    let wrong = || format!("{text:?} is no length such as 7d, 3h, 15m or 1d2h30m");
    let mut rest = text;
    let mut part = |unit: char| match rest.split_once(unit) {
        None => Ok(0),
        Some((number, after)) => {
            rest = after;
            number.parse().map_err(|_| wrong())
        }
    };
    let length = Length { days: part('d')?, hours: part('h')?, minutes: part('m')? };
    if text.is_empty() || !rest.is_empty() { Err(wrong()) } else { Ok(length) }
}

fn weekday(text: &str) -> Result<Weekday, String> {
    const LETTERS_MIN: usize = 2;
    let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let text = text.trim().to_ascii_lowercase();
    let known = |day: &&str| text.len() >= LETTERS_MIN && day.starts_with(&text);
    let number = days.iter().position(known).and_then(|index| i8::try_from(index).ok());
    let day = number.and_then(|number| Weekday::from_sunday_zero_offset(number).ok());
    day.ok_or_else(|| format!("{text:?} is no day of the week"))
}

fn month_day(text: &str) -> Result<MonthDay, String> {
    let wrong = || format!("{text:?} is no day of a month such as 15, last, second-tuesday or last-sunday");
    if text.eq_ignore_ascii_case("last") {
        return Ok(MonthDay::Date(0));
    }
    if let Ok(day) = text.parse() {
        return if (1..=31).contains(&day) { Ok(MonthDay::Date(day)) } else { Err(wrong()) };
    }
    let (order, day) = text.split_once(['-', ' ']).ok_or_else(wrong)?;
    let order = match order.to_ascii_lowercase().as_str() {
        "first" => WeekOrder::First,
        "second" => WeekOrder::Second,
        "third" => WeekOrder::Third,
        "fourth" => WeekOrder::Fourth,
        "last" => WeekOrder::Last,
        _ => return Err(wrong()),
    };
    Ok(MonthDay::Weekday(order, weekday(day)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_days_are_read_as_people_write_them() {
        let some = |days, hours, minutes| Some(Length { days, hours, minutes });
        for (text, expect) in [
            ("7d", some(7, 0, 0)),
            ("1d2h30m", some(1, 2, 30)),
            ("15m", some(0, 0, 15)),
            ("", None),
            ("7", None),
            ("2h1d", None),
            ("1d1d", None),
            ("-1h", None),
            ("300m", None),
        ] {
            assert_eq!(length(text).ok(), expect, "{text}");
        }
        for (text, expect) in [
            ("15", Some(MonthDay::Date(15))),
            ("last", Some(MonthDay::Date(0))),
            ("second-tuesday", Some(MonthDay::Weekday(WeekOrder::Second, Weekday::Tuesday))),
            ("Last Sun", Some(MonthDay::Weekday(WeekOrder::Last, Weekday::Sunday))),
            ("0", None),
            ("32", None),
            ("fifth-monday", None),
            ("last-s", None),
            ("", None),
        ] {
            assert_eq!(month_day(text).ok(), expect, "{text}");
        }
    }
}
