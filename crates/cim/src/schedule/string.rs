//! Interval strings: two words of 32 bits a token, as hexadecimal digits.

use jiff::civil::{Date, Time};

use super::{
    DAY, DAY_DURATION, DAY_SPAN, HOUR_DURATION, HOUR_SPAN, Length, MINUTE_DURATION, MINUTE_SPAN, MONTH_DAY,
    MONTHS, Recurrence, ScheduleError, TOKENS_MAX, Token, TokenError, WEEK_ORDER, WEEKS, YEAR_MIN,
    day_number,
};

/// Characters of one token.
const TOKEN_CHARS: usize = 16;

/// Reads a string of tokens; digits in any case. The empty string is a schedule that never occurs.
pub fn parse(text: &str) -> Result<Vec<Token>, ScheduleError> {
    if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
        return Err(ScheduleError::Digit { at: at + 1 });
    }
    if !text.len().is_multiple_of(TOKEN_CHARS) {
        return Err(ScheduleError::Length { characters: text.len() });
    }
    let tokens = text.len() / TOKEN_CHARS;
    if tokens > TOKENS_MAX {
        return Err(ScheduleError::TooMany { tokens });
    }
    let word = |at: usize| u32::from_str_radix(&text[at..at + 8], 16).expect("eight digits were checked");
    let token = |index: usize| {
        let at = index * TOKEN_CHARS;
        read(word(at), word(at + 8)).map_err(|reason| ScheduleError::InString {
            token: index + 1,
            at: at + 1,
            reason,
        })
    };
    (0..tokens).map(token).collect()
}

/// Prints tokens as one string, upper case; fails where a field of a token is out of its range.
pub fn print(tokens: &[Token]) -> Result<String, ScheduleError> {
    if tokens.len() > TOKENS_MAX {
        return Err(ScheduleError::TooMany { tokens: tokens.len() });
    }
    let mut text = String::with_capacity(tokens.len() * TOKEN_CHARS);
    for (index, token) in tokens.iter().enumerate() {
        token.check().map_err(|reason| ScheduleError::Token { token: index + 1, reason })?;
        let (first, second) = words(token);
        text.push_str(&format!("{first:08X}{second:08X}"));
    }
    Ok(text)
}

/// `width` bits of a word from bit `low` up.
fn bits(word: u32, low: u32, width: u32) -> u32 {
    word >> low & ((1 << width) - 1)
}

fn read(first: u32, second: u32) -> Result<Token, TokenError> {
    let year = bits(first, 6, 6) + u32::from(YEAR_MIN.unsigned_abs());
    let (month, day) = (bits(first, 12, 4), bits(first, 16, 5));
    let (hour, minute) = (bits(first, 21, 5), bits(first, 26, 6));
    let small = |number: u32| i8::try_from(number).expect("six bits at most");
    let date = Date::new(i16::try_from(year).expect("below 2034"), small(month), small(day));
    let start = match (date, Time::new(small(hour), small(minute), 0, 0)) {
        (Ok(date), Ok(time)) => date.to_datetime(time),
        _ => return Err(TokenError::Start { year, month, day, hour, minute }),
    };
    let duration = Length {
        days: DAY_DURATION.number(bits(second, 22, 5))?,
        hours: HOUR_DURATION.number(bits(second, 27, 5))?,
        minutes: MINUTE_DURATION.number(bits(first, 0, 6))?,
    };
    let recurrence = recurrence(second)?;
    let spare_bits = second & spare(&recurrence);
    Ok(Token { start, gmt: second & 1 == 1, duration, recurrence, spare_bits })
}

fn recurrence(word: u32) -> Result<Recurrence, TokenError> {
    Ok(match bits(word, 19, 3) {
        1 => Recurrence::Once,
        2 => Recurrence::Interval(Length {
            days: DAY_SPAN.number(bits(word, 3, 5))?,
            hours: HOUR_SPAN.number(bits(word, 8, 5))?,
            minutes: MINUTE_SPAN.number(bits(word, 13, 6))?,
        }),
        3 => Recurrence::Weekly {
            day: DAY.weekday(bits(word, 16, 3))?,
            weeks: WEEKS.number(bits(word, 13, 3))?,
        },
        4 => Recurrence::MonthlyByWeekday {
            day: DAY.weekday(bits(word, 16, 3))?,
            order: WEEK_ORDER.order(bits(word, 9, 3))?,
            months: MONTHS.number(bits(word, 12, 4))?,
        },
        5 => Recurrence::MonthlyByDate {
            day: MONTH_DAY.number(bits(word, 14, 5))?,
            months: MONTHS.number(bits(word, 10, 4))?,
        },
        kind => return Err(TokenError::Kind { kind }),
    })
}

/// The bits of the second word that no field of the kind uses.
fn spare(recurrence: &Recurrence) -> u32 {
    match recurrence {
        Recurrence::Once => 0x7_FFFE,
        Recurrence::Interval(_) => 0x6,
        Recurrence::Weekly { .. } => 0x1FFE,
        Recurrence::MonthlyByWeekday { .. } => 0x1FE,
        Recurrence::MonthlyByDate { .. } => 0x3FE,
    }
}

/// The words of a checked token.
fn words(token: &Token) -> (u32, u32) {
    let Token { start, gmt, duration, recurrence, spare_bits } = token;
    let small = |number: i8| u32::from(number.unsigned_abs());
    let first = small(start.minute()) << 26
        | small(start.hour()) << 21
        | small(start.day()) << 16
        | small(start.month()) << 12
        | u32::from((start.year() - YEAR_MIN).unsigned_abs()) << 6
        | u32::from(duration.minutes);
    let wide = |number: u8| u32::from(number);
    let (kind, fields) = match *recurrence {
        Recurrence::Once => (1, 0),
        Recurrence::Interval(Length { days, hours, minutes }) => {
            (2, wide(minutes) << 13 | wide(hours) << 8 | wide(days) << 3)
        }
        Recurrence::Weekly { day, weeks } => (3, wide(day_number(day)) << 16 | wide(weeks) << 13),
        Recurrence::MonthlyByWeekday { day, order, months } => {
            (4, wide(day_number(day)) << 16 | wide(months) << 12 | wide(order.number()) << 9)
        }
        Recurrence::MonthlyByDate { day, months } => (5, wide(day) << 14 | wide(months) << 10),
    };
    let second = wide(duration.hours) << 27
        | wide(duration.days) << 22
        | kind << 19
        | fields
        | spare_bits & spare(recurrence)
        | u32::from(*gmt);
    (first, second)
}
