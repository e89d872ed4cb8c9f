//! Deadlines that are written down by the wall clock, which may be set back: then what was given for a minute must not hold
//! for a year.

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait};

/// Whether the deadline in this column is over, or further away than one that was given for `longest` can be. Servers of
/// one site may differ by as much again.
pub(crate) fn is_over(column: &'static str, now: Timestamp, longest: Duration) -> Cond {
    let farthest = now.saturating_add(longest.saturating_mul(2)).unwrap_or(Timestamp::MAX);
    Cond::any()
        .add(Expr::col(column).lte(now.as_microsecond()))
        .add(Expr::col(column).gt(farthest.as_microsecond()))
}
