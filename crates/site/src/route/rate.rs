//! How fast content may go over a route.

use std::fmt;
use std::str::FromStr;

use super::grid::HOURS;
use crate::error::SiteError;

/// The slowest rate in bit/s: a transfer still moves often enough that nobody takes it for dead.
pub const RATE_BITS_PER_S_MIN: u64 = 1_000;
/// The fastest rate in bit/s that can be asked for, a Tbit/s; what is faster needs no limit.
pub const RATE_BITS_PER_S_MAX: u64 = 1_000_000_000_000;
const PROPERTY: &str = "Rate";

/// A limit for all connections to one destination together. Body bytes count; the few per cent that HTTP and TLS add do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RateLimit {
    /// As fast as the network allows.
    #[default]
    Unlimited,
    /// The same at all hours.
    Fixed {
        /// In bit/s.
        bits_per_s: u64,
    },
    /// A rate for each hour of the day.
    ByHour {
        /// In bit/s, from 00:00.
        bits_per_s: [u64; HOURS],
    },
    /// A part of a line for each hour of the day.
    Percent {
        /// The line, in bit/s.
        line_bits_per_s: u64,
        /// 1 to 100, from 00:00.
        percent: [u8; HOURS],
    },
}

impl RateLimit {
    /// The rate at an hour, in bit/s; none without a limit.
    #[must_use]
    pub fn at(&self, hour: usize) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Fixed { bits_per_s } => Some(*bits_per_s),
            Self::ByHour { bits_per_s } => Some(bits_per_s[hour]),
            Self::Percent { line_bits_per_s, percent } => {
                Some((line_bits_per_s * u64::from(percent[hour]) / 100).max(RATE_BITS_PER_S_MIN))
            }
        }
    }

    /// The line that percents are of, in bit/s: the one that was named, or the fastest hour. None without a limit.
    #[must_use]
    pub fn line_bits_per_s(&self) -> Option<u64> {
        match self {
            Self::Percent { line_bits_per_s, .. } => Some(*line_bits_per_s),
            _ => (0..HOURS).filter_map(|hour| self.at(hour)).max(),
        }
    }

    /// What part of the line each hour may use, 1 to 100; all of it without a limit.
    #[must_use]
    pub fn percents(&self) -> [u8; HOURS] {
        let line = self.line_bits_per_s().unwrap_or(0);
        std::array::from_fn(|hour| match (self, self.at(hour)) {
            (Self::Percent { percent, .. }, _) => percent[hour],
            (_, Some(rate)) => u8::try_from((rate * 100).div_ceil(line)).unwrap_or(100).clamp(1, 100),
            (_, None) => 100,
        })
    }

    /// Whether each rate lies within what can be kept.
    pub(super) fn check(&self) -> Result<(), SiteError> {
        let is_kept = |rate: &u64| (RATE_BITS_PER_S_MIN..=RATE_BITS_PER_S_MAX).contains(rate);
        let good = match self {
            Self::Unlimited => true,
            Self::Fixed { bits_per_s } => is_kept(bits_per_s),
            Self::ByHour { bits_per_s } => bits_per_s.iter().all(is_kept),
            Self::Percent { line_bits_per_s, percent } => {
                is_kept(line_bits_per_s) && percent.iter().all(|part| (1..=100).contains(part))
            }
        };
        let reason = || {
            format!(
                "a rate lies between {RATE_BITS_PER_S_MIN} and {RATE_BITS_PER_S_MAX} bit/s, a part of a line between 1 \
                 and 100 %; close the window instead of setting a rate of 0"
            )
        };
        good.then_some(()).ok_or_else(|| SiteError::invalid(PROPERTY, reason()))
    }
}

/// `unlimited`, `20000000`, 24 of such numbers with commas between, or 24 percents and the line: `50,...,100 of 20000000`.
impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(numbers: &[T]) -> String {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Fixed { bits_per_s } => write!(f, "{bits_per_s}"),
            Self::ByHour { bits_per_s } => f.write_str(&list(bits_per_s)),
            Self::Percent { line_bits_per_s, percent } => {
                write!(f, "{} of {line_bits_per_s}", list(percent))
            }
        }
    }
}

impl FromStr for RateLimit {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        let wrong = || {
            let reason = "unlimited, a number of bit/s, 24 of them with commas between, or 24 percents followed by `of` \
                          and the line's bit/s are allowed";
            SiteError::invalid(PROPERTY, reason)
        };
        let rate = match (text.split_once(" of "), text.contains(',')) {
            _ if text.eq_ignore_ascii_case("unlimited") || text.is_empty() => Self::Unlimited,
            (Some((percent, line)), _) => Self::Percent {
                line_bits_per_s: line.parse().map_err(|_| wrong())?,
                percent: hours(percent).ok_or_else(wrong)?,
            },
            (None, true) => Self::ByHour { bits_per_s: hours(text).ok_or_else(wrong)? },
            (None, false) => Self::Fixed { bits_per_s: text.parse().map_err(|_| wrong())? },
        };
        rate.check()?;
        Ok(rate)
    }
}

fn hours<T: FromStr>(text: &str) -> Option<[T; HOURS]> {
    let numbers = text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<T>>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_written_as_they_are_read() {
        let nine = [9_000u64; HOURS].map(|n| n.to_string()).join(",");
        let half = ["50"; HOURS].join(",") + " of 3000";
        for (text, at_noon, line, percent) in [
            ("unlimited", None, None, 100),
            ("20000000", Some(20_000_000), Some(20_000_000), 100),
            (&nine, Some(9_000), Some(9_000), 100),
            (&half, Some(1_500), Some(3_000), 50),
        ] {
            let rate: RateLimit = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(
                (rate.at(12), rate.line_bits_per_s(), rate.percents()[12]),
                (at_noon, line, percent),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let zero = ["0"; HOURS].join(",");
        let over = ["101"; HOURS].join(",") + " of 3000";
        for text in ["0", "999", "1000000000001", "fast", "-5", "1,2", &zero, &over, "50 of 3000", " of "] {
            assert_eq!(text.parse::<RateLimit>().unwrap_err().code(), "invalid_field", "{text}");
        }
    }

    #[test]
    fn hours_of_different_rates_are_parts_of_the_fastest() {
        let mut bits_per_s = [1_000_000; HOURS];
        bits_per_s[3] = 3_000_000;
        let rate = RateLimit::ByHour { bits_per_s };
        assert_eq!(
            (rate.line_bits_per_s(), rate.percents()[3], rate.percents()[4]),
            (Some(3_000_000), 100, 34)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_within_limits(text in "[0-9, of%unlimited]{0,120}") {
            if let Ok(rate) = text.parse::<RateLimit>() {
                prop_assert!(rate.check().is_ok());
                prop_assert_eq!(rate.to_string().parse::<RateLimit>().unwrap(), rate);
            }
        }
    }
}
