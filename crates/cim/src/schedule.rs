//! Schedules: the provider's schedule tokens, the interval strings that stand for them, and when they are due.
//!
//! Some properties hold tokens as embedded objects (`RefreshSchedule`), others as a string of 16 hexadecimal digits
//! a token (`DPMonSchedule`). Both are read into [`Token`], checked the same way, and printed back bit by bit.
//!
//! The clock and the zone come from the caller: [`Token::next_after`] computes, it never looks.

mod instance;
mod next;
mod string;
mod words;

use jiff::civil::{DateTime, Weekday};

pub use instance::{from_instances, to_instances};
pub use next::next_after;
pub use string::{parse, print};

/// The most tokens in one schedule.
pub const TOKENS_MAX: usize = 128;
/// The first year that an interval string can say.
pub const YEAR_MIN: i16 = 1970;
/// The last year that an interval string can say.
pub const YEAR_MAX: i16 = 2033;

/// One schedule token (`SMS_ScheduleToken`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// When it begins; whole minutes. In the site's local time unless `gmt` is set.
    pub start: DateTime,
    /// Whether the times are UTC (`IsGMT`).
    pub gmt: bool,
    /// How long each occurrence lasts; 0 where that has no meaning, or means without end.
    pub duration: Length,
    /// When it occurs again.
    pub recurrence: Recurrence,
    /// Bits of an interval string's second word that no documented field uses, kept where they were found. Tokens of
    /// kind 4 hold the offset days of current versions there, at a place that is not published.
    pub spare_bits: u32,
}

/// A length of time in the fields of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Length {
    /// 0 to 31.
    pub days: u8,
    /// 0 to 23.
    pub hours: u8,
    /// 0 to 59.
    pub minutes: u8,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrence {
    /// `SMS_ST_NonRecurring`: at the start and never again.
    Once,
    /// `SMS_ST_RecurInterval`: again and again after this time. An interval of nothing occurs once.
    Interval(Length),
    /// `SMS_ST_RecurWeekly`
    Weekly {
        /// The day of the week.
        day: Weekday,
        /// Every so many weeks, 1 to 4, counted from the first such day at or after the start.
        weeks: u8,
    },
    /// `SMS_ST_RecurMonthlyByWeekday`
    MonthlyByWeekday {
        /// The day of the week.
        day: Weekday,
        /// Which of them in the month.
        order: WeekOrder,
        /// Every so many months, 1 to 12, counted from the month of the start.
        months: u8,
    },
    /// `SMS_ST_RecurMonthlyByDate`
    MonthlyByDate {
        /// The day of the month, 1 to 31; 0 is the last one. In a month that has no such day it is the last one too.
        day: u8,
        /// Every so many months, 1 to 12, counted from the month of the start.
        months: u8,
    },
}

/// Which week of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeekOrder {
    /// 0
    Last,
    /// 1
    First,
    /// 2
    Second,
    /// 3
    Third,
    /// 4
    Fourth,
}

/// Why a schedule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The string cannot be cut into tokens.
    #[error(
        "a schedule string has 16 hexadecimal digits a token; {characters} characters are no whole tokens"
    )]
    Length {
        /// How many it has.
        characters: usize,
    },
    /// A character is no hexadecimal digit.
    #[error("character {at} of the schedule string is no hexadecimal digit")]
    Digit {
        /// Which one, from 1.
        at: usize,
    },
    /// There are too many tokens.
    #[error("a schedule has at most {TOKENS_MAX} tokens; this one has {tokens}")]
    TooMany {
        /// How many it has.
        tokens: usize,
    },
    /// A token of a string is refused.
    #[error("token {token}, from character {at} of the schedule string: {reason}")]
    InString {
        /// Which token, from 1.
        token: usize,
        /// Its first character, from 1.
        at: usize,
        /// Why.
        reason: TokenError,
    },
    /// A token is refused.
    #[error("token {token}: {reason}")]
    Token {
        /// Which token, from 1.
        token: usize,
        /// Why.
        reason: TokenError,
    },
}

/// Why one token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It says something in bits that no property of an object shows.
    #[error(
        "it has bits that no property shows, such as offset days, and would be another schedule when it is written \
         back; keep the string"
    )]
    SpareBits,
    /// Its kind has no meaning.
    #[error("the recurrence kind {kind} has no meaning; 1 to 5 have")]
    Kind {
        /// Bits 21 to 19 of the second word.
        kind: u32,
    },
    /// Its class is none of a token that occurs.
    #[error("{class} is no class of schedule tokens; use one of the SMS_ST_ classes")]
    Class {
        /// The class.
        class: String,
    },
    /// The start is no date and time.
    #[error("the start {year:04}-{month:02}-{day:02} {hour:02}:{minute:02} is no date and time of day")]
    Start {
        /// As found.
        year: u32,
        /// As found.
        month: u32,
        /// As found.
        day: u32,
        /// As found.
        hour: u32,
        /// As found.
        minute: u32,
    },
    /// The start cannot be said in the fields of a token.
    #[error(
        "StartTime must be a date from {YEAR_MIN} to {YEAR_MAX} with a time of day, as in 20240109020000.000000+***"
    )]
    StartTime,
    /// A field is out of its range.
    #[error("{field} is {value}; it must be from {least} to {greatest}")]
    Range {
        /// The property.
        field: &'static str,
        /// As found.
        value: i128,
        /// The least that is accepted.
        least: u8,
        /// The greatest that is accepted.
        greatest: u8,
    },
    /// A property has a value of another type.
    #[error("{field} has a value of another type")]
    Type {
        /// The property.
        field: &'static str,
    },
}

impl Token {
    /// A token without duration, in the site's local time.
    #[must_use]
    pub fn new(start: DateTime, recurrence: Recurrence) -> Self {
        Self { start, gmt: false, duration: Length::default(), recurrence, spare_bits: 0 }
    }

    /// The class of its objects.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self.recurrence {
            Recurrence::Once => "SMS_ST_NonRecurring",
            Recurrence::Interval(_) => "SMS_ST_RecurInterval",
            Recurrence::Weekly { .. } => "SMS_ST_RecurWeekly",
            Recurrence::MonthlyByWeekday { .. } => "SMS_ST_RecurMonthlyByWeekday",
            Recurrence::MonthlyByDate { .. } => "SMS_ST_RecurMonthlyByDate",
        }
    }

    /// Whether every field is in its range; readers check it, whoever fills the fields by hand should.
    pub fn check(&self) -> Result<(), TokenError> {
        if !(YEAR_MIN..=YEAR_MAX).contains(&self.start.year()) {
            return Err(TokenError::StartTime);
        }
        let Length { days, hours, minutes } = self.duration;
        DAY_DURATION.number(days)?;
        HOUR_DURATION.number(hours)?;
        MINUTE_DURATION.number(minutes)?;
        match self.recurrence {
            Recurrence::Once => {}
            Recurrence::Interval(Length { days, hours, minutes }) => {
                DAY_SPAN.number(days)?;
                HOUR_SPAN.number(hours)?;
                MINUTE_SPAN.number(minutes)?;
            }
            Recurrence::Weekly { weeks, .. } => {
                WEEKS.number(weeks)?;
            }
            Recurrence::MonthlyByWeekday { months, .. } => {
                MONTHS.number(months)?;
            }
            Recurrence::MonthlyByDate { day, months } => {
                MONTH_DAY.number(day)?;
                MONTHS.number(months)?;
            }
        }
        Ok(())
    }
}

impl WeekOrder {
    const ALL: [Self; 5] = [Self::Last, Self::First, Self::Second, Self::Third, Self::Fourth];

    /// From its number; `None` above 4.
    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    fn number(self) -> u8 {
        match self {
            Self::Last => 0,
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
            Self::Fourth => 4,
        }
    }
}

/// A numeric property of the token classes and its range.
struct Field {
    name: &'static str,
    least: u8,
    greatest: u8,
}

const fn field(name: &'static str, least: u8, greatest: u8) -> Field {
    Field { name, least, greatest }
}

const DAY_DURATION: Field = field("DayDuration", 0, 31);
const HOUR_DURATION: Field = field("HourDuration", 0, 23);
const MINUTE_DURATION: Field = field("MinuteDuration", 0, 59);
const DAY_SPAN: Field = field("DaySpan", 0, 31);
const HOUR_SPAN: Field = field("HourSpan", 0, 23);
const MINUTE_SPAN: Field = field("MinuteSpan", 0, 59);
const DAY: Field = field("Day", 1, 7);
const WEEKS: Field = field("ForNumberOfWeeks", 1, 4);
const MONTHS: Field = field("ForNumberOfMonths", 1, 12);
const WEEK_ORDER: Field = field("WeekOrder", 0, 4);
const MONTH_DAY: Field = field("MonthDay", 0, 31);

impl Field {
    /// The number, if it is in range.
    fn number(&self, value: impl Into<i128>) -> Result<u8, TokenError> {
        let value = value.into();
        let Self { name: field, least, greatest } = *self;
        u8::try_from(value)
            .ok()
            .filter(|number| (least..=greatest).contains(number))
            .ok_or(TokenError::Range { field, value, least, greatest })
    }

    /// The number as a day of the week: 1 is Sunday.
    fn weekday(&self, value: impl Into<i128>) -> Result<Weekday, TokenError> {
        let number = self.number(value)?;
        let day = i8::try_from(number).ok().and_then(|day| Weekday::from_sunday_one_offset(day).ok());
        Ok(day.expect("1 to 7 are days of the week"))
    }

    /// The number as a week of the month.
    fn order(&self, value: impl Into<i128>) -> Result<WeekOrder, TokenError> {
        Ok(WeekOrder::from_number(self.number(value)?).expect("0 to 4 are orders"))
    }
}

/// 1 is Sunday.
fn day_number(day: Weekday) -> u8 {
    u8::try_from(day.to_sunday_one_offset()).expect("1 to 7")
}
