//! Tokens as the embedded objects of the provider's schema.

use jiff::civil::DateTime as Civil;
use jiff::{SignedDuration, ToSpan};

use super::{
    DAY, DAY_DURATION, DAY_SPAN, Field, HOUR_DURATION, HOUR_SPAN, Length, MINUTE_DURATION, MINUTE_SPAN,
    MONTH_DAY, MONTHS, Recurrence, ScheduleError, TOKENS_MAX, Token, TokenError, WEEK_ORDER, WEEKS,
    day_number,
};
use crate::{DateTime, Instance, Value};

/// The start of a token that says none.
const START: Civil = jiff::civil::date(1970, 2, 1).at(0, 0, 0, 0);

/// The objects of tokens, with all properties in the order of the schema.
///
/// Errors: a token with spare bits, which no property shows. Written back it would be another schedule.
pub fn to_instances(tokens: &[Token]) -> Result<Vec<Instance>, ScheduleError> {
    if let Some(at) = tokens.iter().position(|token| token.spare_bits != 0) {
        return Err(ScheduleError::Token { token: at + 1, reason: TokenError::SpareBits });
    }
    Ok(tokens.iter().map(Token::to_instance).collect())
}

/// The tokens of objects; what an object leaves out has its default.
pub fn from_instances<'a>(
    objects: impl IntoIterator<Item = &'a Instance>,
) -> Result<Vec<Token>, ScheduleError> {
    let mut tokens = Vec::new();
    for object in objects {
        let token = tokens.len() + 1;
        if token > TOKENS_MAX {
            return Err(ScheduleError::TooMany { tokens: token });
        }
        tokens.push(Token::from_instance(object).map_err(|reason| ScheduleError::Token { token, reason })?);
    }
    Ok(tokens)
}

impl Token {
    /// The object of a token. Spare bits have no property.
    #[must_use]
    pub fn to_instance(&self) -> Instance {
        let mut object = Instance::new(self.class());
        let mut number = |field: &Field, value: u8| object.set(field.name, u32::from(value));
        number(&DAY_DURATION, self.duration.days);
        number(&HOUR_DURATION, self.duration.hours);
        object.set("IsGMT", self.gmt);
        object.set(MINUTE_DURATION.name, u32::from(self.duration.minutes));
        object.set("StartTime", DateTime::Point { local: self.start, offset_min: None });
        let mut number = |field: &Field, value: u8| object.set(field.name, u32::from(value));
        match self.recurrence {
            Recurrence::Once => {}
            Recurrence::Interval(Length { days, hours, minutes }) => {
                number(&DAY_SPAN, days);
                number(&HOUR_SPAN, hours);
                number(&MINUTE_SPAN, minutes);
            }
            Recurrence::Weekly { day, weeks } => {
                number(&DAY, day_number(day));
                number(&WEEKS, weeks);
            }
            Recurrence::MonthlyByWeekday { day, order, months } => {
                number(&DAY, day_number(day));
                number(&MONTHS, months);
                number(&WEEK_ORDER, order.number());
            }
            Recurrence::MonthlyByDate { day, months } => {
                number(&MONTHS, months);
                number(&MONTH_DAY, day);
            }
        }
        object
    }

    /// The token of an object; what it leaves out has its default. Seconds of the start are cut off, since no token can
    /// say them. A stated offset turns the start of a UTC token to UTC; other starts are taken as they are written.
    pub fn from_instance(object: &Instance) -> Result<Self, TokenError> {
        let number = |field: &'static Field, preset: u8| number(object, field, preset);
        let class = object.class.to_ascii_lowercase();
        let recurrence = match class.as_str() {
            "sms_st_nonrecurring" => Recurrence::Once,
            "sms_st_recurinterval" => Recurrence::Interval(Length {
                days: number(&DAY_SPAN, 0)?,
                hours: number(&HOUR_SPAN, 0)?,
                minutes: number(&MINUTE_SPAN, 0)?,
            }),
            "sms_st_recurweekly" => {
                Recurrence::Weekly { day: DAY.weekday(number(&DAY, 1)?)?, weeks: number(&WEEKS, 1)? }
            }
            "sms_st_recurmonthlybyweekday" => Recurrence::MonthlyByWeekday {
                day: DAY.weekday(number(&DAY, 1)?)?,
                order: WEEK_ORDER.order(number(&WEEK_ORDER, 0)?)?,
                months: number(&MONTHS, 1)?,
            },
            "sms_st_recurmonthlybydate" => {
                Recurrence::MonthlyByDate { day: number(&MONTH_DAY, 0)?, months: number(&MONTHS, 1)? }
            }
            _ => return Err(TokenError::Class { class: object.class.clone() }),
        };
        let gmt = match object.get("IsGMT") {
            None | Some(Value::Null) => false,
            Some(Value::Boolean(gmt)) => *gmt,
            Some(_) => return Err(TokenError::Type { field: "IsGMT" }),
        };
        let duration = Length {
            days: number(&DAY_DURATION, 0)?,
            hours: number(&HOUR_DURATION, 0)?,
            minutes: number(&MINUTE_DURATION, 0)?,
        };
        let token = Self { start: start(object, gmt)?, gmt, duration, recurrence, spare_bits: 0 };
        token.check().map(|()| token)
    }
}

fn number(object: &Instance, field: &'static Field, preset: u8) -> Result<u8, TokenError> {
    match object.get(field.name) {
        None | Some(Value::Null) => Ok(preset),
        Some(Value::Integer(number)) => field.number(*number),
        Some(_) => Err(TokenError::Type { field: field.name }),
    }
}

fn start(object: &Instance, gmt: bool) -> Result<Civil, TokenError> {
    let (local, offset_min) = match object.get("StartTime") {
        None | Some(Value::Null) => return Ok(START),
        Some(Value::DateTime(DateTime::Point { local, offset_min })) => (*local, *offset_min),
        Some(_) => return Err(TokenError::StartTime),
    };
    let shift = if gmt {
        SignedDuration::from_mins(i64::from(offset_min.unwrap_or(0)))
    } else {
        SignedDuration::ZERO
    };
    let local = local.checked_sub(shift).map_err(|_| TokenError::StartTime)?;
    let below_minute = i64::from(local.second()).seconds().nanoseconds(local.subsec_nanosecond());
    local.checked_sub(below_minute).map_err(|_| TokenError::StartTime)
}
