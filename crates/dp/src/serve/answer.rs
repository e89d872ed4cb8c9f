//! From a request's head and a file's facts to the answer's status, headers and byte range. Pure, so that
//! every rule of RFC 9110 that clients lean on is a line in a test.

use std::ops::Range;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// How long a cache may keep a file of a numbered version: its bytes never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The current version changes at any time, so each use asks again; the ETag makes that cheap.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// What the answer depends on.
#[derive(Debug, Clone)]
pub(crate) struct FileFacts {
    /// SHA-256, hex.
    pub(crate) hash: String,
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
    /// Whether the address names a version.
    pub(crate) numbered: bool,
}

/// The answer, but for the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The bytes to send; empty for answers without a body.
    pub(crate) body: Range<u64>,
}

/// Answers a request for a file. Methods other than `GET` and `HEAD` never come here.
pub(crate) fn answer(method: &Method, request: &HeaderMap, file: &FileFacts) -> Answer {
    let etag = format!("\"{}\"", file.hash);
    let modified = Timestamp::from_second(file.modified_ns.div_euclid(1_000_000_000)).ok();
    let (status, range) = match precondition(request, &etag, modified) {
        Some(status) => (status, 0..0),
        None => select(request, &etag, modified, file.size),
    };
    let mut headers = HeaderMap::new();
    set(&mut headers, header::ETAG, &etag);
    if let Some(text) = modified.and_then(|at| DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()) {
        set(&mut headers, header::LAST_MODIFIED, &text);
    }
    headers.insert(header::CACHE_CONTROL, if file.numbered { IMMUTABLE } else { REVALIDATE });
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            set(&mut headers, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            set(&mut headers, header::CONTENT_RANGE, &format!("bytes */{}", file.size));
        }
        _ => {}
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(
            &mut headers,
            header::CONTENT_RANGE,
            &format!("bytes {}-{}/{}", range.start, range.end - 1, file.size),
        );
    }
    let has_body = method == Method::GET && matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    Answer { status, headers, body: if has_body { range } else { 0..0 } }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("digits, hex and dates only"));
}

/// The order of RFC 9110, 13.2.2.
fn precondition(request: &HeaderMap, etag: &str, modified: Option<Timestamp>) -> Option<StatusCode> {
    if let Some(tags) = text(request, &header::IF_MATCH) {
        if !lists(tags, etag, false) {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
    } else if let (Some(since), Some(modified)) = (date(request, &header::IF_UNMODIFIED_SINCE), modified)
        && modified > since
    {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    if let Some(tags) = text(request, &header::IF_NONE_MATCH) {
        return lists(tags, etag, true).then_some(StatusCode::NOT_MODIFIED);
    }
    match (date(request, &header::IF_MODIFIED_SINCE), modified) {
        (Some(since), Some(modified)) if modified <= since => Some(StatusCode::NOT_MODIFIED),
        _ => None,
    }
}

/// Several ranges at once are answered whole, as the RFC allows: no client of ours asks for them.
fn select(
    request: &HeaderMap,
    etag: &str,
    modified: Option<Timestamp>,
    size: u64,
) -> (StatusCode, Range<u64>) {
    let whole = (StatusCode::OK, 0..size);
    let Some(ranges) = text(request, &header::RANGE) else { return whole };
    if let Some(validator) = text(request, &header::IF_RANGE) {
        let dated = || modified.is_some() && date(request, &header::IF_RANGE) == modified;
        if validator != etag && !dated() {
            return whole;
        }
    }
    match parse_range(ranges, size) {
        Asked::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        Asked::Ignored => whole,
    }
}

enum Asked {
    Range(Range<u64>),
    Unsatisfiable,
    Ignored,
}

fn parse_range(text: &str, size: u64) -> Asked {
    let spec = text.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
        return Asked::Ignored;
    };
    match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(first), Some(last), ..) if first > last => Asked::Ignored,
        (Some(first), ..) if first >= size && !last.contains(',') => Asked::Unsatisfiable,
        (Some(first), Some(last), ..) => Asked::Range(first..last.saturating_add(1).min(size)),
        (Some(first), None, _, true) => Asked::Range(first..size),
        (None, Some(0), true, _) => Asked::Unsatisfiable,
        (None, Some(_), true, _) if size == 0 => Asked::Unsatisfiable,
        (None, Some(tail), true, _) => Asked::Range(size.saturating_sub(tail)..size),
        _ => Asked::Ignored,
    }
}

/// Digits only; a number that is too large means the end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether a list of entity tags has ours. Ours is strong; a weak one equals it only in weak comparison.
fn lists(tags: &str, etag: &str, weak: bool) -> bool {
    let equals = |tag: &str| tag == etag || (weak && tag.strip_prefix("W/") == Some(etag));
    tags.trim() == "*" || tags.split(',').any(|tag| equals(tag.trim()))
}

fn text<'a>(request: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    request.get(name)?.to_str().ok()
}

fn date(request: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text(request, name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"aa11\"";

    /// Header lines in; status, `Content-Range` or else body range out.
    fn check(lines: &[&str], size: u64, expect: &str) {
        let mut request = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            request.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let file =
            FileFacts { hash: "aa11".to_owned(), size, modified_ns: 784_111_777_900_000_000, numbered: true };
        let got = answer(&Method::GET, &request, &file);
        let range = got.headers.get(header::CONTENT_RANGE).map(|v| format!(" {}", v.to_str().unwrap()));
        let found = format!("{}{} {:?}", got.status.as_u16(), range.unwrap_or_default(), got.body);
        assert_eq!(found, expect, "{lines:?} of {size}");
        assert_eq!(got.headers[header::ETAG], TAG);
        let head = answer(&Method::HEAD, &request, &file);
        assert_eq!(
            (head.status, &head.headers, head.body),
            (got.status, &got.headers, 0..0),
            "HEAD {lines:?}"
        );
        if got.status.is_success() {
            let length = (got.body.end - got.body.start).to_string();
            assert_eq!(got.headers[header::CONTENT_LENGTH], length.as_str());
        }
    }

    #[test]
    fn ranges() {
        check(&[], 100, "200 0..100");
        check(&["range: bytes=0-9"], 100, "206 bytes 0-9/100 0..10");
        check(&["range: bytes=90-"], 100, "206 bytes 90-99/100 90..100");
        check(&["range: bytes=-5"], 100, "206 bytes 95-99/100 95..100");
        check(&["range: bytes=-500"], 100, "206 bytes 0-99/100 0..100");
        check(&["range: bytes=99-99999999999999999999999"], 100, "206 bytes 99-99/100 99..100");
        check(&["range: Bytes = 0-0"], 100, "206 bytes 0-0/100 0..1");
        check(&["range: bytes=100-"], 100, "416 bytes */100 0..0");
        check(&["range: bytes=100-200"], 100, "416 bytes */100 0..0");
        check(&["range: bytes=-0"], 100, "416 bytes */100 0..0");
        check(&["range: bytes=0-"], 0, "416 bytes */0 0..0");
        check(&[], 0, "200 0..0");
        // Malformed, foreign and multiple ranges are answered whole.
        for odd in [
            "bytes=5-2",
            "bytes=a-b",
            "bytes=",
            "bytes=-",
            "bytes",
            "items=0-5",
            "bytes=+1-5",
            "bytes=0-1,5-6",
            "bytes=-5,0-1",
        ] {
            check(&[&format!("range: {odd}")], 100, "200 0..100");
        }
    }

    #[test]
    fn conditions() {
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        for (lines, expect) in [
            (vec![format!("if-none-match: {TAG}")], "304 0..0"),
            (vec![format!("if-none-match: W/{TAG}")], "304 0..0"),
            (vec![format!("if-none-match: \"x\", {TAG}")], "304 0..0"),
            (vec!["if-none-match: *".to_owned()], "304 0..0"),
            (vec!["if-none-match: \"x\"".to_owned()], "200 0..100"),
            (vec![format!("if-modified-since: {same}")], "304 0..0"),
            (vec![format!("if-modified-since: {before}")], "200 0..100"),
            (vec!["if-modified-since: yesterday".to_owned()], "200 0..100"),
            // A tag outranks a date.
            (vec!["if-none-match: \"x\"".to_owned(), format!("if-modified-since: {same}")], "200 0..100"),
            (vec![format!("if-match: {TAG}")], "200 0..100"),
            (vec![format!("if-match: W/{TAG}")], "412 0..0"),
            (vec!["if-match: \"x\"".to_owned()], "412 0..0"),
            (vec![format!("if-unmodified-since: {same}")], "200 0..100"),
            (vec![format!("if-unmodified-since: {before}")], "412 0..0"),
            (vec!["range: bytes=0-9".to_owned(), format!("if-range: {TAG}")], "206 bytes 0-9/100 0..10"),
            (vec!["range: bytes=0-9".to_owned(), format!("if-range: {same}")], "206 bytes 0-9/100 0..10"),
            (vec!["range: bytes=0-9".to_owned(), "if-range: \"x\"".to_owned()], "200 0..100"),
            (vec!["range: bytes=0-9".to_owned(), format!("if-range: W/{TAG}")], "200 0..100"),
            (vec!["range: bytes=0-9".to_owned(), format!("if-range: {before}")], "200 0..100"),
            (vec!["range: bytes=0-9".to_owned(), format!("if-none-match: {TAG}")], "304 0..0"),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            check(&lines, 100, expect);
        }
    }

    #[test]
    fn dates_and_caching_are_told() {
        let mut file = FileFacts {
            hash: "aa11".to_owned(),
            size: 1,
            modified_ns: 784_111_777_900_000_000,
            numbered: true,
        };
        let headers = answer(&Method::GET, &HeaderMap::new(), &file).headers;
        assert_eq!(headers[header::LAST_MODIFIED], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(headers[header::CACHE_CONTROL], IMMUTABLE);
        file.numbered = false;
        assert_eq!(answer(&Method::GET, &HeaderMap::new(), &file).headers[header::CACHE_CONTROL], REVALIDATE);
    }
}
