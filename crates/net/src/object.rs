//! Answers about an immutable object: one range of it, the whole, or nothing new.
//!
//! An object's name is its content, so its tag is its name and an answer may be kept for ever by whoever is on the way.
//! Several ranges at once are refused: agents coalesce, and a multipart answer costs more than it saves.

use std::ops::Range;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};

const CACHE_FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What a refusal quotes of a header.
const QUOTED_CHARS_MAX: usize = 80;

/// Why a range is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not one range of bytes: 400.
    #[error("the range {0:?} is not one range of bytes")]
    Bad(String),
    /// Nothing of it is in the object: 416.
    #[error("the range lies beyond the object's {object_bytes} bytes")]
    BeyondEnd {
        /// The object's size.
        object_bytes: u64,
    },
}

/// The answer to a request for an object, but for its bytes.
#[derive(Debug)]
pub struct ObjectAnswer {
    /// With every header; the body is still empty.
    pub response: Response,
    /// What the body is to be; empty for an answer without one.
    pub body: Range<u64>,
}

/// The answer to `method` (GET or HEAD) with these `headers` for the object `id` of `object_bytes` bytes.
pub fn answer(
    method: &Method,
    headers: &HeaderMap,
    id: &str,
    object_bytes: u64,
) -> Result<ObjectAnswer, RangeError> {
    let etag = format!("\"{id}\"");
    if headers.get(header::IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags.as_bytes(), &etag)) {
        let response = (StatusCode::NOT_MODIFIED, fixed(&etag)).into_response();
        return Ok(ObjectAnswer { response, body: 0..0 });
    }
    if method == Method::HEAD {
        let length = [(header::CONTENT_LENGTH, object_bytes.to_string())];
        let response = (StatusCode::OK, fixed(&etag), length).into_response();
        return Ok(ObjectAnswer { response, body: 0..0 });
    }
    let (status, body) = match part(headers, &etag, object_bytes)? {
        Part::Whole => (StatusCode::OK, 0..object_bytes),
        Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let mut response = (status, fixed(&etag)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_LENGTH, (body.end - body.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{object_bytes}", body.start, body.end - 1);
        answer.insert(header::CONTENT_RANGE, text.parse().expect("digits are a valid header"));
    }
    Ok(ObjectAnswer { response, body })
}

/// The bytes `first..last + 1` that `headers` ask for, where they name both ends: all that can be said before the
/// object's size is known.
#[must_use]
pub fn asked_range(headers: &HeaderMap) -> Option<Range<u64>> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    match parse(text)? {
        Asked::Between(first, last) => Some(first..last.checked_add(1)?),
        Asked::From(_) | Asked::Last(_) => None,
    }
}

/// What every answer about an object says.
fn fixed(etag: &str) -> [(header::HeaderName, String); 4] {
    [
        (header::ETAG, etag.to_owned()),
        (header::CACHE_CONTROL, CACHE_FOR_EVER.to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
    ]
}

/// Whether a list of tags names this one; weak tags count here, as HTTP says of `If-None-Match`.
fn matches_tag(tags: &[u8], etag: &str) -> bool {
    let Ok(tags) = std::str::from_utf8(tags) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What an answer carries of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Whole,
    Range(Range<u64>),
}

/// The part that `headers` ask for. `If-Range` with another tag means the whole: the caller holds bytes of
/// something else.
fn part(headers: &HeaderMap, etag: &str, object_bytes: u64) -> Result<Part, RangeError> {
    let Some(value) = headers.get(header::RANGE) else { return Ok(Part::Whole) };
    if headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != etag.as_bytes()) {
        return Ok(Part::Whole);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    let range = parse(&text).ok_or_else(|| RangeError::Bad(text.chars().take(QUOTED_CHARS_MAX).collect()))?;
    range.within(object_bytes).map(Part::Range).ok_or(RangeError::BeyondEnd { object_bytes })
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
    use super::*;

    const ETAG: &str = "\"abc\"";

    fn asked(range: &str, if_range: Option<&str>, object_bytes: u64) -> Result<Part, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        part(&headers, ETAG, object_bytes).map_err(|error| match error {
            RangeError::Bad(_) => "bad_range",
            RangeError::BeyondEnd { .. } => "range_beyond_end",
        })
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

    #[test]
    fn tags_are_compared_as_http_says() {
        for (tags, expect) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(matches_tag(tags.as_bytes(), "\"a\""), expect, "{tags}");
        }
        assert!(!matches_tag(b"\xff", "\"a\""));
    }

    #[test]
    fn both_ends_of_a_range_are_known_before_the_object_is() {
        for (range, expect) in [
            ("bytes=2-5", Some(2..6)),
            ("bytes=2-", None),
            ("bytes=-5", None),
            ("bytes=0-18446744073709551615", None),
            ("x", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            assert_eq!(asked_range(&headers), expect, "{range}");
        }
    }

    #[test]
    fn a_range_lies_within_its_object() {
        let edges =
            ["", "0", "1", "9", "10", "11", "18446744073709551615", "18446744073709551616", "x", "-1"];
        for first in edges {
            for last in edges {
                for object_bytes in [0, 1, 10, u64::MAX] {
                    let text = format!("bytes={first}-{last}");
                    if let Ok(Part::Range(range)) = asked(&text, None, object_bytes) {
                        assert!(
                            range.start < range.end && range.end <= object_bytes,
                            "{text} of {object_bytes}"
                        );
                    }
                }
            }
        }
    }
}
