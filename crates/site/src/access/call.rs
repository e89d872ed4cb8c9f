//! One id for all that a call brings about: made or taken over when the call is accepted, and found again in logs, status
//! messages and at the distribution point.

/// The longest id that is taken over from a caller, in characters.
const TAKEN_CHARS_MAX: usize = 64;

/// A new id.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The id that a caller gives its request: `X-Request-Id`, else the trace of a `traceparent`. One that is not fit for a log
/// line counts as none.
#[must_use]
pub fn taken(request_id: Option<&str>, traceparent: Option<&str>) -> Option<String> {
    request_id.and_then(fit).or_else(|| traceparent.and_then(trace))
}

fn fit(id: &str) -> Option<String> {
    is_fit(id).then(|| id.to_owned())
}

/// Whether an id is short and plain enough for a log line.
pub(crate) fn is_fit(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=TAKEN_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain)
}

/// The trace-id of W3C's `traceparent`: `version-traceid-parentid-flags`, all in lower-case hex.
fn trace(traceparent: &str) -> Option<String> {
    let is_hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = traceparent.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    // Later versions may say more behind the flags; the first may not.
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let is_whole = is_known && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    (is_whole && trace.bytes().any(|b| b != b'0')).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_if_it_is_fit_for_a_log_line() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let sane = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let long = "x".repeat(65);
        for (request_id, traceparent, expect) in [
            (Some("job-17.a_B:9"), None, Some("job-17.a_B:9")),
            (Some("job-17"), Some(sane.as_str()), Some("job-17")),
            (Some(""), Some(sane.as_str()), Some(TRACE)),
            (Some("a b"), None, None),
            (Some("a\nb"), None, None),
            (Some("ä"), None, None),
            (Some(long.as_str()), None, None),
            (None, None, None),
            (None, Some(TRACE), None),
            (None, Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None),
            (None, Some("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), None),
            (None, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"), None),
            (None, Some("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"), Some(TRACE)),
            (None, Some("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), None),
        ] {
            assert_eq!(taken(request_id, traceparent).as_deref(), expect, "{request_id:?} {traceparent:?}");
        }
        assert!(new_id() != new_id() && taken(Some(&new_id()), None).is_some());
    }
}
