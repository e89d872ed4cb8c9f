use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// A CIM `datetime`: a point in time, or an interval.
///
/// The text form has 25 characters: `yyyymmddHHMMSS.mmmmmm+UUU` or `ddddddddHHMMSS.mmmmmm:000`. The offset
/// `+***` means that no zone is stated; the provider's own values use it, and its clients read it as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateTime {
    /// A point in time.
    Point {
        /// Date and time as written, with whole microseconds.
        local: civil::DateTime,
        /// Minutes east of UTC, where stated.
        offset_min: Option<i16>,
    },
    /// A length of time.
    Interval {
        /// Whole days, at most 99,999,999.
        days: u32,
        /// The rest, below one day, with whole microseconds.
        rest_us: u64,
    },
}

/// Why a text is no datetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a CIM datetime: {reason}")]
pub struct DateTimeError {
    reason: &'static str,
}

const TEXT_CHARS: usize = 25;
const DAY_US: u64 = 86_400_000_000;

impl DateTime {
    /// A point in time without a stated zone, in UTC; below a microsecond is cut off.
    #[must_use]
    pub fn from_timestamp(at: Timestamp) -> Self {
        let local = Offset::UTC.to_datetime(at);
        let micros = local.subsec_nanosecond() / 1_000 * 1_000;
        let local = local.with().subsec_nanosecond(micros).build().expect("fewer nanoseconds stay in range");
        Self::Point { local, offset_min: None }
    }

    /// The point in time, an unstated zone read as UTC; `None` for an interval.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Interval { .. } => None,
            Self::Point { local, offset_min } => {
                let utc = Offset::UTC.to_timestamp(*local).ok()?;
                let offset = SignedDuration::from_mins(i64::from(offset_min.unwrap_or(0)));
                utc.checked_sub(offset).ok()
            }
        }
    }

    /// Reads the CIM form or ISO 8601 (`2024-08-30T20:55:06Z`, with an offset, or without a zone).
    pub fn parse_any(text: &str) -> Result<Self, DateTimeError> {
        let iso = text.as_bytes().get(4) == Some(&b'-');
        if !iso {
            return text.parse();
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::from_timestamp(at));
        }
        let local: civil::DateTime =
            text.parse().map_err(|_| DateTimeError { reason: "no ISO 8601 date" })?;
        let at = Offset::UTC
            .to_timestamp(local)
            .map_err(|_| DateTimeError { reason: "the date is out of range" })?;
        Ok(Self::from_timestamp(at))
    }
}

impl FromStr for DateTime {
    type Err = DateTimeError;

    fn from_str(text: &str) -> Result<Self, DateTimeError> {
        if text.len() != TEXT_CHARS || !text.is_ascii() {
            return Err(DateTimeError {
                reason: "it must have 25 characters, as in 20240830205506.000000+***",
            });
        }
        if text.as_bytes()[14] != b'.' {
            return Err(DateTimeError { reason: "the 15th character must be a point" });
        }
        let (main, zone) = text.split_at(21);
        let micros = digits(&main[15..21])?;
        match zone.as_bytes()[0] {
            b':' => interval(main, micros, zone),
            b'+' | b'-' => point(main, micros, zone),
            _ => Err(DateTimeError { reason: "the 22nd character must be +, - or :" }),
        }
    }
}

fn point(main: &str, micros: u32, zone: &str) -> Result<DateTime, DateTimeError> {
    let offset_min = match &zone[1..] {
        "***" => None,
        minutes => {
            let minutes = i16::try_from(digits(minutes)?).expect("three digits fit");
            Some(if zone.starts_with('-') { -minutes } else { minutes })
        }
    };
    let part = |from: usize, to: usize| digits(&main[from..to]).and_then(narrow);
    let year = i16::try_from(digits(&main[..4])?).expect("four digits fit");
    let nanoseconds = i32::try_from(micros * 1_000).expect("below one second");
    let local = civil::DateTime::new(
        year,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
        nanoseconds,
    )
    .map_err(|_| DateTimeError { reason: "there is no such date or time of day" })?;
    Ok(DateTime::Point { local, offset_min })
}

fn interval(main: &str, micros: u32, zone: &str) -> Result<DateTime, DateTimeError> {
    if zone != ":000" {
        return Err(DateTimeError { reason: "an interval must end in :000" });
    }
    let (hours, minutes, seconds) = (digits(&main[8..10])?, digits(&main[10..12])?, digits(&main[12..14])?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(DateTimeError { reason: "hours, minutes or seconds of the interval are out of range" });
    }
    let rest_us = u64::from(hours * 3_600 + minutes * 60 + seconds) * 1_000_000 + u64::from(micros);
    Ok(DateTime::Interval { days: digits(&main[..8])?, rest_us })
}

fn digits(text: &str) -> Result<u32, DateTimeError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DateTimeError { reason: "a digit is missing; fields of asterisks are not supported" });
    }
    text.parse().map_err(|_| DateTimeError { reason: "a number is out of range" })
}

fn narrow(number: u32) -> Result<i8, DateTimeError> {
    i8::try_from(number).map_err(|_| DateTimeError { reason: "there is no such date or time of day" })
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point { local, offset_min } => {
                let (date, time) = (local.date(), local.time());
                write!(f, "{:04}{:02}{:02}", date.year(), date.month(), date.day())?;
                write!(f, "{:02}{:02}{:02}", time.hour(), time.minute(), time.second())?;
                write!(f, ".{:06}", time.subsec_nanosecond() / 1_000)?;
                match offset_min {
                    None => f.write_str("+***"),
                    Some(minutes) if *minutes < 0 => write!(f, "-{:03}", -minutes),
                    Some(minutes) => write!(f, "+{minutes:03}"),
                }
            }
            Self::Interval { days, rest_us } => {
                let rest_us = rest_us.min(&(DAY_US - 1));
                let seconds = rest_us / 1_000_000;
                write!(f, "{:08}{:02}{:02}{:02}", days, seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
                write!(f, ".{:06}:000", rest_us % 1_000_000)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_and_intervals_print_as_they_were_written() {
        for text in [
            "19900101000000.000000+***",
            "19700201000000.000000+***",
            "20240830205506.123456+000",
            "20240830205506.000001-060",
            "20240229235959.999999+120",
            "00000007010203.000000:000",
            "99999999235959.999999:000",
        ] {
            assert_eq!(text.parse::<DateTime>().map(|at| at.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_datetime_is_refused() {
        for text in [
            "",
            "2024",
            "20240830205506.000000",
            "20240830205506,000000+***",
            "20240830205506.000000*000",
            "2024083020****.000000+***",
            "20240230000000.000000+***",
            "20240830256006.000000+***",
            "20249930205506.000000+***",
            "20240830205506.000000+*00",
            "00000007240000.000000:000",
            "00000007000000.000000:001",
            "2024083020550\u{e9}.00000+***",
        ] {
            assert!(text.parse::<DateTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_accepted_form_names_the_same_instant() {
        let instant: Timestamp = "2024-08-30T20:55:06Z".parse().unwrap();
        for text in [
            "20240830205506.000000+***",
            "20240830205506.000000+000",
            "20240830225506.000000+120",
            "20240830195506.000000-060",
            "2024-08-30T20:55:06Z",
            "2024-08-30T22:55:06+02:00",
            "2024-08-30T20:55:06",
        ] {
            assert_eq!(DateTime::parse_any(text).unwrap().timestamp(), Some(instant), "{text}");
        }
        assert_eq!("00000001000000.000000:000".parse::<DateTime>().unwrap().timestamp(), None);
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(us in 0i64..253_402_207_200_000_000) {
            let at = DateTime::from_timestamp(Timestamp::from_microsecond(us).unwrap());
            prop_assert_eq!(at.to_string().parse::<DateTime>(), Ok(at));
            prop_assert_eq!(at.timestamp().unwrap().as_microsecond(), us);
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,30}") {
            let _ = DateTime::parse_any(&text);
        }

        #[test]
        fn reading_almost_right_text_never_panics(text in "[0-9*]{14}[.][0-9*]{6}[+:-][0-9*]{3}") {
            if let Ok(at) = text.parse::<DateTime>() {
                prop_assert_eq!(at.to_string(), text.replace("-000", "+000"));
                let _ = at.timestamp();
            }
        }
    }
}
