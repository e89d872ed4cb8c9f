//! The hour grid of a route: who may pass in each hour of the week.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;

use crate::error::SiteError;

/// Days of a week.
pub const DAYS: usize = 7;
/// Hours of a day.
pub const HOURS: usize = 24;

/// Which packages may pass in an hour. The numbers are those of `SMS_SiteControlDaySchedule.HourUsage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// 1: all priorities.
    #[default]
    All,
    /// 2: medium and high.
    MediumAndHigh,
    /// 3: high only.
    HighOnly,
    /// 4: none.
    Closed,
}

impl Availability {
    /// Every availability, by number.
    pub const ALL: [Self; 4] = [Self::All, Self::MediumAndHigh, Self::HighOnly, Self::Closed];

    /// Whether a package of this priority (1 high, 2 medium, 3 low) may pass.
    #[must_use]
    pub fn admits(self, priority: u8) -> bool {
        match self {
            Self::All => true,
            Self::MediumAndHigh => priority <= 2,
            Self::HighOnly => priority <= 1,
            Self::Closed => false,
        }
    }

    /// 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::All => 1,
            Self::MediumAndHigh => 2,
            Self::HighOnly => 3,
            Self::Closed => 4,
        }
    }

    /// The availability with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|availability| availability.number() == number)
    }
}

/// An availability for each hour of each weekday, in the wall-clock time of a route's zone. By default always open to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grid([[Availability; HOURS]; DAYS]);

impl Grid {
    /// The availability at an hour, 0 to 23.
    #[must_use]
    pub fn at(&self, day: Weekday, hour: usize) -> Availability {
        self.0[index(day)][hour]
    }

    /// Sets one hour.
    pub fn set(&mut self, day: Weekday, hour: usize, availability: Availability) {
        self.0[index(day)][hour] = availability;
    }

    /// The 24 hours of a day.
    #[must_use]
    pub fn day(&self, day: Weekday) -> &[Availability; HOURS] {
        &self.0[index(day)]
    }

    /// Whether all priorities may pass at any time.
    #[must_use]
    pub fn is_always_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a priority may ever pass.
    pub(super) fn ever_admits(&self, priority: u8) -> bool {
        self.0.iter().flatten().any(|availability| availability.admits(priority))
    }
}

/// Sunday first, as `UsageSchedule` counts.
fn index(day: Weekday) -> usize {
    usize::try_from(day.to_sunday_zero_offset()).expect("0 to 6")
}

/// 168 digits from Sunday 00:00.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().flatten().try_for_each(|availability| write!(f, "{}", availability.number()))
    }
}

impl FromStr for Grid {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        let wrong = || {
            SiteError::invalid("Hours", "7 days of 24 digits from 1 to 4 are needed, Sunday first".to_owned())
        };
        let digits = text.as_bytes();
        if digits.len() != DAYS * HOURS {
            return Err(wrong());
        }
        let mut grid = Self::default();
        for (place, digit) in grid.0.iter_mut().flatten().zip(digits) {
            *place = Availability::from_number(digit.wrapping_sub(b'0')).ok_or_else(wrong)?;
        }
        Ok(grid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_availability_lets_its_priorities_pass() {
        for (availability, number, admits) in [
            (Availability::All, 1, [true, true, true]),
            (Availability::MediumAndHigh, 2, [true, true, false]),
            (Availability::HighOnly, 3, [true, false, false]),
            (Availability::Closed, 4, [false, false, false]),
        ] {
            assert_eq!([1, 2, 3].map(|priority| availability.admits(priority)), admits, "{availability:?}");
            assert_eq!(availability.number(), number);
            assert_eq!(Availability::from_number(number), Some(availability));
        }
        assert_eq!([0, 5, 255].map(Availability::from_number), [None; 3]);
    }

    #[test]
    fn the_first_digit_is_sunday_midnight() {
        let mut grid = Grid::default();
        grid.set(Weekday::Sunday, 0, Availability::Closed);
        grid.set(Weekday::Saturday, 23, Availability::HighOnly);
        let text = grid.to_string();
        assert_eq!((&text[..2], &text[166..]), ("41", "13"));
        assert_eq!(text.parse::<Grid>().unwrap(), grid);
    }

    proptest! {
        #[test]
        fn grids_are_written_as_they_are_read(digits in "[1-4]{168}") {
            prop_assert_eq!(digits.parse::<Grid>().unwrap().to_string(), digits);
        }

        #[test]
        fn nothing_else_is_a_grid(text in ".{0,200}") {
            let is_grid = text.len() == 168 && text.bytes().all(|b| (b'1'..=b'4').contains(&b));
            prop_assert_eq!(text.parse::<Grid>().is_ok(), is_grid);
        }
    }
}
