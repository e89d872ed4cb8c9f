//! Dates in queries. Times are stored as microseconds since 1970, so all but years, quarters and months is plain
//! arithmetic and the same on both back ends; those three ask the back end's calendar. What no row changes is
//! computed here instead ([`add_now`]).

use cim::query::DateUnit;
use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use sea_query::{Expr, ExprTrait, Func};

use super::limits::invalid;
use super::text::{big, constant};
use crate::db::Dialect;
use crate::error::Result;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// Weeks begin on Sunday; 1970 began on Thursday.
const WEEK_OFFSET: i64 = 4 * DAY;
/// No query reaches further than this from a stored time, in microseconds: about a thousand years.
const REACH_MAX: i64 = 1_000 * 366 * DAY;
/// The same in months.
const REACH_MONTHS_MAX: i64 = 1_000 * 12;

/// What a unit is made of.
enum Length {
    Microseconds(i64),
    Months(i64),
}

fn length(unit: DateUnit) -> Length {
    Length::Microseconds(match unit {
        DateUnit::Year => return Length::Months(12),
        DateUnit::Quarter => return Length::Months(3),
        DateUnit::Month => return Length::Months(1),
        DateUnit::Week => WEEK,
        DateUnit::DayOfYear | DateUnit::Day | DateUnit::Weekday => DAY,
        DateUnit::Hour => HOUR,
        DateUnit::Minute => MINUTE,
        DateUnit::Second => SECOND,
        DateUnit::Millisecond => 1_000,
    })
}

/// A time so many units later. The last day of a month stays the last one: a month after 31 August is 30 September.
pub(super) fn add(dialect: Dialect, unit: DateUnit, count: i64, at: Expr) -> Result<Expr> {
    Ok(match length(unit) {
        Length::Microseconds(length) => at.add(constant(reach(count, length, REACH_MAX)?)),
        Length::Months(length) => add_months(dialect, reach(count, length, REACH_MONTHS_MAX)?, at),
    })
}

/// [`add`] for a time that is the same in every row.
pub(super) fn add_now(unit: DateUnit, count: i64, at: Timestamp) -> Result<Timestamp> {
    let moved = match length(unit) {
        Length::Microseconds(length) => {
            let micros = reach(count, length, REACH_MAX)?;
            at.as_microsecond()
                .checked_add(micros)
                .and_then(|micros| Timestamp::from_microsecond(micros).ok())
        }
        Length::Months(length) => {
            let months = Span::new().months(reach(count, length, REACH_MONTHS_MAX)?);
            at.to_zoned(TimeZone::UTC).checked_add(months).ok().map(|moved| moved.timestamp())
        }
    };
    moved.ok_or_else(too_far)
}

fn reach(count: i64, length: i64, most: i64) -> Result<i64> {
    count.checked_mul(length).filter(|moved| moved.unsigned_abs() <= most.unsigned_abs()).ok_or_else(too_far)
}

fn too_far() -> crate::error::SiteError {
    invalid("DATEADD goes a thousand years at most")
}

/// How many borders of the unit lie between two times.
pub(super) fn between(dialect: Dialect, unit: DateUnit, from: Expr, to: Expr) -> Expr {
    let index = |at: Expr| match (length(unit), unit) {
        (Length::Months(length), _) => floor(months(dialect, at), length),
        (Length::Microseconds(length), DateUnit::Week) => floor(at.add(constant(WEEK_OFFSET)), length),
        (Length::Microseconds(length), _) => floor(at, length),
    };
    index(to).sub(index(from))
}

/// One number of a time.
pub(super) fn part(dialect: Dialect, unit: DateUnit, at: Expr) -> Expr {
    let within = |length: i64, whole: i64| rest(at.clone(), whole).div(constant(length));
    match unit {
        DateUnit::Year => year(dialect, at),
        DateUnit::Quarter => calendar(dialect, "%m", "MONTH", at).add(constant(2)).div(constant(3)),
        DateUnit::Month => calendar(dialect, "%m", "MONTH", at),
        DateUnit::DayOfYear => calendar(dialect, "%j", "DOY", at),
        DateUnit::Day => calendar(dialect, "%d", "DAY", at),
        // The week of 1 January is the first, however short.
        DateUnit::Week => {
            let day = calendar(dialect, "%j", "DOY", at.clone());
            day.sub(weekday(at)).add(constant(12)).div(constant(7))
        }
        DateUnit::Weekday => weekday(at).add(constant(1)),
        DateUnit::Hour => within(HOUR, DAY),
        DateUnit::Minute => within(MINUTE, HOUR),
        DateUnit::Second => within(SECOND, MINUTE),
        DateUnit::Millisecond => within(1_000, SECOND),
    }
}

/// From 0, Sunday.
fn weekday(at: Expr) -> Expr {
    rest(at.add(constant(WEEK_OFFSET)), WEEK).div(constant(DAY))
}

fn year(dialect: Dialect, at: Expr) -> Expr {
    calendar(dialect, "%Y", "YEAR", at)
}

/// Months since January of the year 0.
fn months(dialect: Dialect, at: Expr) -> Expr {
    year(dialect, at.clone()).mul(constant(12)).add(calendar(dialect, "%m", "MONTH", at)).sub(constant(1))
}

fn calendar(dialect: Dialect, sqlite: &'static str, postgres: &'static str, at: Expr) -> Expr {
    match dialect {
        Dialect::Sqlite => big(strftime(sqlite, at, [])),
        Dialect::Postgres => {
            let text =
                format!("CAST(EXTRACT({postgres} FROM TO_TIMESTAMP($1) AT TIME ZONE 'UTC') AS BIGINT)");
            Expr::cust_with_expr(text, floor(at, SECOND))
        }
    }
}

fn strftime<const N: usize>(format: &'static str, at: Expr, modifiers: [Expr; N]) -> Expr {
    let arguments = [quoted(format), floor(at, SECOND), quoted("unixepoch")].into_iter().chain(modifiers);
    Expr::from(Func::cust("STRFTIME").args(arguments))
}

/// A text of ours, without quotes in it; see [`constant`].
fn quoted(text: &str) -> Expr {
    Expr::cust(format!("'{text}'"))
}

fn add_months(dialect: Dialect, months: i64, at: Expr) -> Expr {
    match dialect {
        Dialect::Sqlite => {
            let first = || [quoted("start of month"), quoted(&format!("{months:+} months"))];
            let [start, moved] = first();
            let last = [start, moved, quoted("+1 month"), quoted("-1 day")];
            let last_day = big(strftime("%d", at.clone(), last));
            let day = calendar(dialect, "%d", "DAY", at.clone());
            let day = Expr::from(Func::cust("MIN").args([day, last_day])).sub(constant(1));
            let month = big(strftime("%s", at.clone(), first())).mul(constant(SECOND));
            month.add(day.mul(constant(DAY))).add(rest(at, DAY))
        }
        Dialect::Postgres => {
            // Seconds with microseconds as they are stored: the calendar sees only the day.
            let text = "CAST(EXTRACT(EPOCH FROM TO_TIMESTAMP($1) AT TIME ZONE 'UTC' + \
                MAKE_INTERVAL(months => CAST($2 AS INTEGER))) AS BIGINT)";
            let day = floor(at.clone(), DAY).mul(constant(DAY / SECOND));
            Expr::cust_with_exprs(text, [day, constant(months)]).mul(constant(SECOND)).add(rest(at, DAY))
        }
    }
}

/// The whole part of a quotient, downwards: both back ends cut towards zero, so the number is lifted above it first.
fn floor(number: Expr, length: i64) -> Expr {
    let (lift, lifted) = lift(length);
    number.add(constant(lift)).div(constant(length)).sub(constant(lifted))
}

/// What is left of [`floor`], never negative.
fn rest(number: Expr, length: i64) -> Expr {
    let (lift, _) = lift(length);
    number.add(constant(lift)).modulo(constant(length))
}

/// A multiple of a length, above every time that a query can reach, and how many lengths that is.
fn lift(length: i64) -> (i64, i64) {
    const ABOVE: i64 = 16 * REACH_MAX;
    let lifted = ABOVE / length;
    (lifted * length, lifted)
}

/// A point in time as clients write it: a CIM datetime or one of ISO 8601, without a zone read as UTC.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let cim = text.parse::<cim::DateTime>().ok().and_then(|at| at.timestamp());
    let zoned = || text.parse::<Timestamp>().ok();
    let plain = || {
        let plain: civil::DateTime = text.parse().ok()?;
        jiff::tz::Offset::UTC.to_timestamp(plain).ok()
    };
    cim.or_else(zoned).or_else(plain)
}
