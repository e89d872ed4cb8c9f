//! ISO 8601, as XML Schema and OData write it.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

use super::{DAY_US, DateTime, DateTimeError};

/// The longest text that is read; nanoseconds and an offset are shorter.
const ISO_BYTES_MAX: usize = 40;
/// Units below a day, in the order in which a duration has them.
const UNITS: [(char, u64); 3] = [('H', 3_600_000_000), ('M', 60_000_000), ('S', 1_000_000)];
/// Digits of a fraction of a second that are kept.
const FRACTION_DIGITS: usize = 6;
const DAYS_MAX: u64 = 99_999_999;

/// A point in time; without a zone it is UTC.
pub(super) fn point(text: &str) -> Result<DateTime, DateTimeError> {
    let refused = DateTimeError { reason: "no ISO 8601 date such as 2024-08-30T20:55:06Z" };
    if text.len() > ISO_BYTES_MAX {
        return Err(refused);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(DateTime::from_timestamp(at));
    }
    let local: civil::DateTime = text.parse().map_err(|_| refused)?;
    let at =
        Offset::UTC.to_timestamp(local).map_err(|_| DateTimeError { reason: "the date is out of range" })?;
    Ok(DateTime::from_timestamp(at))
}

/// `P2000DT1H2M3.000004S`: days, hours, minutes and seconds; years and months have no length of their own.
pub(super) fn interval(text: &str) -> Result<DateTime, DateTimeError> {
    read(&text.to_ascii_uppercase()).ok_or(DateTimeError {
        reason: "no ISO 8601 duration of days, hours, minutes and seconds such as P1DT2H30M",
    })
}

fn read(text: &str) -> Option<DateTime> {
    if text.len() > ISO_BYTES_MAX {
        return None;
    }
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    let mut days = match days.strip_suffix('D') {
        Some(days) => whole(days)?,
        None if days.is_empty() && !time.is_empty() => 0,
        None => return None,
    };
    let (mut rest, mut rest_us) = (time, 0_u64);
    for (unit, unit_us) in UNITS {
        let Some((number, after)) = rest.split_once(unit) else { continue };
        let (number, fraction_us) = match number.split_once('.') {
            Some((number, fraction)) if unit == 'S' => (number, fraction_of_second(fraction)?),
            _ => (number, 0),
        };
        rest_us = whole(number)?.checked_mul(unit_us)?.checked_add(rest_us)?.checked_add(fraction_us)?;
        rest = after;
    }
    days = days.checked_add(rest_us / DAY_US).filter(|days| *days <= DAYS_MAX)?;
    let days = u32::try_from(days).expect("eight digits");
    rest.is_empty().then_some(DateTime::Interval { days, rest_us: rest_us % DAY_US })
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn fraction_of_second(digits: &str) -> Option<u64> {
    let padded = format!("{digits:0<FRACTION_DIGITS$}");
    (!digits.is_empty() && padded.len() == FRACTION_DIGITS).then(|| whole(&padded)).flatten()
}

/// The shortest form; `PT0S` for nothing.
pub(super) fn duration(days: u32, rest_us: u64) -> String {
    let mut text = "P".to_owned();
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if rest_us > 0 || days == 0 {
        text.push('T');
    }
    let [(_, hour_us), (_, minute_us), (_, second_us)] = UNITS;
    let (hours, minutes) = (rest_us / hour_us, rest_us / minute_us % 60);
    let (seconds, fraction_us) = (rest_us / second_us % 60, rest_us % second_us);
    for (number, unit) in [(hours, 'H'), (minutes, 'M')] {
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    let fraction = format!(".{fraction_us:0FRACTION_DIGITS$}");
    match fraction.trim_end_matches('0') {
        "." if seconds == 0 && (days > 0 || rest_us > 0) => {}
        "." => text.push_str(&format!("{seconds}S")),
        fraction => text.push_str(&format!("{seconds}{fraction}S")),
    }
    text
}
