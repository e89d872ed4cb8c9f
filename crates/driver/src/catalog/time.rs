//! The two forms of time in DER.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

use super::der::{GENERALIZED_TIME, UTC_TIME, Value};

/// `YYMMDDhhmm[ss]Z` or `YYYYMMDDhhmm[ss[.f]]Z`; fractions of a second are dropped.
pub(super) fn timestamp(value: Value<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.content).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match value.tag {
        UTC_TIME => {
            let year: i16 = whole.get(..2)?.parse().ok()?;
            // X.509: two digits are the years 1950 to 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, &whole[2..])
        }
        GENERALIZED_TIME => (whole.get(..4)?.parse().ok()?, &whole[4..]),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(|digits| digits.parse::<i8>().ok());
    let second = match rest.len() {
        8 => 0,
        10 => part(8)?,
        _ => return None,
    };
    let civil = civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, second, 0).ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: u8, text: &str, expect: Option<&str>) {
        let value = Value { tag, content: text.as_bytes(), whole: text.as_bytes() };
        assert_eq!(timestamp(value).map(|time| time.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn times() {
        check(UTC_TIME, "260301120005Z", Some("2026-03-01T12:00:05Z"));
        check(UTC_TIME, "9603011200Z", Some("1996-03-01T12:00:00Z"));
        check(GENERALIZED_TIME, "20260301120005.123Z", Some("2026-03-01T12:00:05Z"));
        for bad in
            ["", "Z", "26Z", "2603011200", "261301120005Z", "26030112000Z", "26é301120005Z", "-60301120005Z"]
        {
            check(UTC_TIME, bad, None);
        }
        check(0x04, "260301120005Z", None);
    }
}
