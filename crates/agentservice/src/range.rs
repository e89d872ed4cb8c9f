//! `Range` on an immutable object: one range of bytes, or the whole.

use std::ops::Range;

use axum::http::{HeaderMap, header};

use crate::error::ServiceError;

/// What an answer carries of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Range(Range<u64>),
}

/// The part that `headers` ask for. `If-Range` with another tag means the whole: the caller holds bytes of
/// something else. Several ranges are refused: agents coalesce, and a multipart answer costs more than it saves.
pub(crate) fn part(headers: &HeaderMap, etag: &str, object_bytes: u64) -> Result<Part, ServiceError> {
    let Some(value) = headers.get(header::RANGE) else { return Ok(Part::Whole) };
    if headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != etag.as_bytes()) {
        return Ok(Part::Whole);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    let range = parse(&text).ok_or_else(|| ServiceError::BadRange(crate::path::shown(&text)))?;
    range.within(object_bytes).map(Part::Range).ok_or(ServiceError::RangeBeyondEnd { object_bytes })
}

/// One range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// `first-last`, both included.
    Between(u64, u64),
    /// `first-`.
    From(u64),
    /// `-count`.
    Last(u64),
}

impl Asked {
    fn within(self, object_bytes: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..object_bytes.min(last.saturating_add(1)),
            Self::From(first) => first..object_bytes,
            Self::Last(count) => object_bytes.saturating_sub(count)..object_bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

fn parse(text: &str) -> Option<Asked> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", count) => number(count).map(Asked::Last),
        (first, "") => number(first).map(Asked::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"abc\"";

    fn asked(range: &str, if_range: Option<&str>, object_bytes: u64) -> Result<Part, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        part(&headers, ETAG, object_bytes).map_err(|e| e.code())
    }

    #[test]
    fn one_range_or_a_clear_refusal() {
        for (range, expect) in [
            ("bytes=0-0", Ok(0..1)),
            ("bytes=2-5", Ok(2..6)),
            ("bytes=5-99", Ok(5..10)),
            ("bytes=0-18446744073709551615", Ok(0..10)),
            ("bytes=3-", Ok(3..10)),
            ("bytes=-4", Ok(6..10)),
            ("bytes=-99", Ok(0..10)),
            ("bytes=10-", Err("range_beyond_end")),
            ("bytes=10-12", Err("range_beyond_end")),
            ("bytes=-0", Err("range_beyond_end")),
            ("bytes=5-2", Err("bad_range")),
            ("bytes=0-1,3-4", Err("bad_range")),
            ("bytes=", Err("bad_range")),
            ("bytes=-", Err("bad_range")),
            ("bytes=+1-2", Err("bad_range")),
            ("bytes=a-b", Err("bad_range")),
            ("bytes 0-1", Err("bad_range")),
            ("items=0-1", Err("bad_range")),
            ("bytes=18446744073709551616-", Err("bad_range")),
        ] {
            assert_eq!(asked(range, None, 10), expect.map(Part::Range), "{range}");
        }
        assert_eq!(asked("bytes=0-", None, 0), Err("range_beyond_end"), "an empty object has no range");
    }

    #[test]
    fn another_objects_tag_gets_the_whole() {
        assert_eq!(asked("bytes=0-1", Some(ETAG), 10), Ok(Part::Range(0..2)));
        assert_eq!(asked("bytes=0-1", Some("\"xyz\""), 10), Ok(Part::Whole));
        assert_eq!(asked("bytes=0-1", Some("W/\"abc\""), 10), Ok(Part::Whole), "a weak tag never matches");
        assert_eq!(part(&HeaderMap::new(), ETAG, 10).unwrap(), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_range_lies_within_its_object(text in "bytes=[0-9]{0,20}-[0-9]{0,20}", object_bytes: u64) {
            if let Ok(Part::Range(range)) = asked(&text, None, object_bytes) {
                prop_assert!(range.start < range.end && range.end <= object_bytes);
            }
        }

        #[test]
        fn no_text_panics(text in "[ -~]{0,40}") {
            let _ = asked(&text, None, 10);
        }
    }
}
