//! Points in time and lengths of time, in the forms in which the protocols write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

mod iso;
mod masked;

pub use masked::Masked;

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
    /// A point in time or an interval of which something is not known: asterisks stand for it.
    ///
    /// There is no instant behind it. It is kept so that CIM-XML, whose clients read asterisks, prints what was
    /// given. OData and WS-Management answer null for it, since their clients refuse a whole answer that has one,
    /// and SQL neither stores nor compares it.
    Masked(Masked),
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

    /// The point in time, an unstated zone read as UTC; `None` for an interval and for what is masked.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Interval { .. } | Self::Masked(_) => None,
            Self::Point { local, offset_min } => {
                let utc = Offset::UTC.to_timestamp(*local).ok()?;
                let offset = SignedDuration::from_mins(i64::from(offset_min.unwrap_or(0)));
                utc.checked_sub(offset).ok()
            }
        }
    }

    /// Reads the CIM form or ISO 8601: a point in time (`2024-08-30T20:55:06.5Z`, with an offset, or without a zone,
    /// which means UTC; a date alone is its midnight) or a duration of days and less (`P2DT1H30M`).
    pub fn parse_any(text: &str) -> Result<Self, DateTimeError> {
        match text.as_bytes() {
            [b'P' | b'p', ..] => iso::interval(text),
            [_, _, _, _, b'-', ..] => iso::point(text),
            _ => text.parse(),
        }
    }

    /// ISO 8601, with a fraction only where there is one: a point in time in UTC, an interval as a duration; `None`
    /// for what is masked.
    #[must_use]
    pub fn iso8601(&self) -> Option<String> {
        match self {
            Self::Point { .. } => self.timestamp().map(|at| at.to_string()),
            Self::Interval { days, rest_us } => Some(iso::duration(*days, *rest_us)),
            Self::Masked(_) => None,
        }
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
        if text[..21].contains('*') {
            return Masked::parse(text).map(Self::Masked);
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
    let offset_min = offset(zone)?;
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

/// `+***` and `-***` state none.
fn offset(zone: &str) -> Result<Option<i16>, DateTimeError> {
    match &zone[1..] {
        "***" => Ok(None),
        minutes => {
            let minutes = i16::try_from(digits(minutes)?).expect("three digits fit");
            Ok(Some(if zone.starts_with('-') { -minutes } else { minutes }))
        }
    }
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
        return Err(DateTimeError { reason: "a digit is missing" });
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
            Self::Masked(masked) => f.write_str(masked.as_str()),
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
            "**************.******+***",
            "**************.******-060",
            "****0830205506.000000+***",
            "202408********.******+000",
            "20240830205506.12****+***",
            "********010203.000000:000",
            "00000007010203.******:000",
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
            "2024083020*5**.000000+***",
            "2024**302055**.00**00+***",
            "2024**40205506.000000+***",
            "****1330205506.000000+***",
            "20240830205506.******+*00",
            "20240830205506.******:000x",
            "********240000.000000:000",
            "********230000.000000:***",
            "****0830205506.000000*000",
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

    #[test]
    fn masked_values_are_no_instant_and_tell_what_they_lack() {
        for (text, unknown, interval) in [
            ("**************.******+***", true, false),
            ("**************.******:000", true, true),
            ("2024**********.******+***", false, false),
            ("**************.******+060", true, false),
            ("********010203.000000:000", false, true),
        ] {
            let at: DateTime = text.parse().unwrap();
            assert_eq!((at.timestamp(), at.iso8601()), (None, None), "{text}");
            let DateTime::Masked(masked) = at else { panic!("{text}: {at:?}") };
            assert_eq!((masked.is_unknown(), masked.is_interval()), (unknown, interval), "{text}");
        }
    }

    #[test]
    fn iso_forms_are_read_and_printed() {
        for (text, printed, cim) in [
            ("2024-08-30T20:55:06Z", "2024-08-30T20:55:06Z", "20240830205506.000000+***"),
            ("2024-08-30t20:55:06z", "2024-08-30T20:55:06Z", "20240830205506.000000+***"),
            ("2024-08-30T20:55:06.1234567Z", "2024-08-30T20:55:06.123456Z", "20240830205506.123456+***"),
            ("2024-08-30T22:55:06.5+02:00", "2024-08-30T20:55:06.5Z", "20240830205506.500000+***"),
            ("2024-08-30T20:55:06-00:00", "2024-08-30T20:55:06Z", "20240830205506.000000+***"),
            ("2024-08-30T20:55", "2024-08-30T20:55:00Z", "20240830205500.000000+***"),
            ("2024-08-30 20:55:06", "2024-08-30T20:55:06Z", "20240830205506.000000+***"),
            ("2024-08-30", "2024-08-30T00:00:00Z", "20240830000000.000000+***"),
            ("P2000DT1H2M3.000004S", "P2000DT1H2M3.000004S", "00002000010203.000004:000"),
            ("PT90M", "PT1H30M", "00000000013000.000000:000"),
            ("P1D", "P1D", "00000001000000.000000:000"),
            ("PT0S", "PT0S", "00000000000000.000000:000"),
            ("PT1.5S", "PT1.5S", "00000000000001.500000:000"),
            ("20240830225506.000000+120", "2024-08-30T20:55:06Z", "20240830225506.000000+120"),
        ] {
            let at = DateTime::parse_any(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(at.iso8601().as_deref(), Some(printed), "{text}");
            assert_eq!(at.to_string(), cim, "{text}");
        }
        for text in [
            "2024-13-01",
            "2024-08-30T25:00:00Z",
            "2024-08-30T20:55:06+99:00",
            "2024-08-30T20:55:06Zx",
            "2024-",
            "P",
            "PT",
            "P1",
            "PT1",
            "P1Y",
            "P1M",
            "P1W",
            "PT1S1H",
            "P1DT",
            "P-1D",
            "PT1.S",
            "PT1.5H",
            "P100000000D",
            "PT1.1234567S",
            "P99999999DT25H",
            "P99999999999999999999D",
            &format!("2024-08-30T20:55:06.{}Z", "0".repeat(100)),
        ] {
            assert!(DateTime::parse_any(text).is_err(), "{text}");
        }
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
        fn reading_almost_iso_never_panics(text in "P?[0-9DTHMS.]{0,12}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]?[0-9:.Z+-]{0,20}") {
            if let Ok(at) = DateTime::parse_any(&text) {
                prop_assert_eq!(at.to_string().parse::<DateTime>(), Ok(at));
            }
        }

        #[test]
        fn reading_almost_right_text_never_panics(text in "[0-9*]{14}[.][0-9*]{6}[+:-][0-9*]{3}") {
            if let Ok(at) = text.parse::<DateTime>() {
                let expect = match at {
                    DateTime::Masked(_) => text,
                    _ => text.replace("-000", "+000").replace("-***", "+***"),
                };
                prop_assert_eq!(at.to_string(), expect);
                if let Some(iso) = at.iso8601() {
                    let again = DateTime::parse_any(&iso).unwrap();
                    prop_assert_eq!(again.iso8601(), Some(iso));
                }
            }
        }
    }
}
