use std::fmt;

use super::{DateTimeError, TEXT_CHARS, digits, offset};

/// The text of a datetime in which asterisks stand for what is not known: whole fields, or the last digits of the
/// microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Masked([u8; TEXT_CHARS]);

/// Where the fields of a point in time are, and their ranges.
const POINT: [(usize, usize, u32, u32); 6] =
    [(0, 4, 0, 9999), (4, 6, 1, 12), (6, 8, 1, 31), (8, 10, 0, 23), (10, 12, 0, 59), (12, 14, 0, 59)];
/// Where the fields of an interval are, and their ranges.
const INTERVAL: [(usize, usize, u32, u32); 4] =
    [(0, 8, 0, 99_999_999), (8, 10, 0, 23), (10, 12, 0, 59), (12, 14, 0, 59)];

impl Masked {
    /// Reads 25 ASCII characters of which the 15th is a point.
    pub(super) fn parse(text: &str) -> Result<Self, DateTimeError> {
        let (main, zone) = text.split_at(21);
        let fields: &[_] = match zone.as_bytes()[0] {
            b':' if zone == ":000" => &INTERVAL,
            b':' => return Err(DateTimeError { reason: "an interval must end in :000" }),
            b'+' | b'-' => {
                offset(zone)?;
                &POINT
            }
            _ => return Err(DateTimeError { reason: "the 22nd character must be +, - or :" }),
        };
        for &(from, to, least, greatest) in fields {
            let field = &main[from..to];
            if !is_unknown(field) && !(least..=greatest).contains(&digits(field)?) {
                return Err(DateTimeError { reason: "there is no such date or time of day" });
            }
        }
        let micros = main[15..].trim_end_matches('*');
        if !micros.is_empty() {
            digits(micros)?;
        }
        Ok(Self(text.as_bytes().try_into().expect("25 characters")))
    }

    /// The 25 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of ASCII")
    }

    /// Whether nothing at all is known but the zone: WMI's way to write no date.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let text = self.as_str();
        is_unknown(&text[..14]) && is_unknown(&text[15..21])
    }

    /// Whether it is an interval.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        self.0[21] == b':'
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({})", self.as_str())
    }
}

fn is_unknown(field: &str) -> bool {
    field.bytes().all(|byte| byte == b'*')
}
