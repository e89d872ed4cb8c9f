//! What a request's headers say to the provider: WMI's context qualifiers, as `SMS-Context-ApplicationName` and its
//! like, `If-Match` and `Prefer`.

use cim::Value;
use http::HeaderMap;
use http::header::IF_MATCH;
use provider::{Context, Fault};

/// Before the qualifier's name. Names that the provider does not know mean nothing, as in WMI.
const PREFIX: &str = "sms-context-";
/// The qualifier that holds a list; here its elements are separated by commas.
const LIST: &str = "limittocollectionids";

/// The context qualifiers of a request. Who names no program is known by its `User-Agent`.
///
/// Errors: a value that is no text, or not of its qualifier's form.
pub(crate) fn context(headers: &HeaderMap) -> Result<Context, Fault> {
    let mut values = Vec::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else { continue };
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| Fault::InvalidContext {
            name: name.to_owned(),
            reason: "the header is not UTF-8".to_owned(),
        })?;
        let value = match name {
            LIST => Value::Array(text.split(',').map(|one| Value::text(one.trim())).collect()),
            _ => Value::text(text.trim()),
        };
        values.push((name.to_owned(), value));
    }
    Ok(Context { agent: signin::agent(headers), ..Context::from_values(values)? })
}

/// The value of `If-Match`, where one was sent.
pub(crate) fn if_match(headers: &HeaderMap) -> Option<&str> {
    // A value that is no text matches nothing.
    headers.get(IF_MATCH).map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or(""))
}

/// Whether an entity with this etag is meant. Etags of this route are key values and no HTTP etags; clients send them
/// back as they read them, or in quotes.
pub(crate) fn is_matched(if_match: &str, etag: &str) -> bool {
    let sent = if_match.trim();
    let bare = sent.strip_prefix("W/").unwrap_or(sent);
    let unquoted = bare.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    sent == "*" || [Some(bare), unquoted].into_iter().flatten().any(|one| one.eq_ignore_ascii_case(etag))
}

/// Whether the client wants no entity after a write.
pub(crate) fn prefers_minimal(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences
        .flat_map(|line| line.split([',', ';']))
        .any(|one| one.trim().eq_ignore_ascii_case("return=minimal"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn headers_become_context() {
        let agent = ("User-Agent", "tool/1.0");
        let named = |name: &str| Some(name.to_owned());
        for (lines, expect) in [
            (&[agent][..], Context { agent: named("tool/1.0"), ..Context::default() }),
            (
                &[agent, ("SMS-Context-ApplicationName", "Import"), ("sms-context-machinename", "ADMIN1")],
                Context {
                    application_name: named("Import"),
                    agent: named("tool/1.0"),
                    machine_name: named("ADMIN1"),
                    ..Context::default()
                },
            ),
            (
                &[("SMS-Context-LocaleID", "MS\\0x0407"), ("SMS-Context-QueryQualifiers", "true")],
                Context { locale_id: Some(0x407), query_qualifiers: true, ..Context::default() },
            ),
            (
                &[("SMS-Context-InstanceCount", " 10 "), ("SMS-Context-ObjectLockContext", "{a}")],
                Context { instance_count: Some(10), object_lock_context: named("{a}"), ..Context::default() },
            ),
            (
                &[("SMS-Context-LimitToCollectionIDs", "SMS00001, SMS00002"), ("SMS-Context-Nothing", "1")],
                Context {
                    limit_to_collection_ids: vec!["SMS00001".to_owned(), "SMS00002".to_owned()],
                    ..Context::default()
                },
            ),
        ] {
            assert_eq!(context(&headers(lines)).unwrap(), expect, "{lines:?}");
        }
        let named = context(&headers(&[("User-Agent", "a script")])).unwrap();
        assert_eq!(named.agent.as_deref(), Some("a script"));
        for line in [("SMS-Context-LocaleID", "1033"), ("SMS-Context-InstanceCount", "many")] {
            assert_eq!(context(&headers(&[line])).unwrap_err().hresult(), 0x8004_1008, "{line:?}");
        }
        let mut broken = HeaderMap::new();
        broken.insert("sms-context-machinename", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(context(&broken).unwrap_err().hresult(), 0x8004_1008);
    }

    #[test]
    fn an_etag_is_matched_in_the_forms_that_clients_send() {
        let nal = r#"PS100001;["Display=\\srv\"]MSWNET:["SMS_SITE=PS1"]\\srv\;PS1"#;
        for (sent, etag, expect) in [
            ("*", "PS100001", true),
            ("PS100001", "PS100001", true),
            ("\"ps100001\"", "PS100001", true),
            ("W/\"PS100001\"", "PS100001", true),
            (nal, nal, true),
            ("\"PS100002\"", "PS100001", false),
            ("", "PS100001", false),
            ("\"", "PS100001", false),
        ] {
            assert_eq!(is_matched(sent, etag), expect, "{sent}");
        }
    }

    #[test]
    fn a_minimal_answer_is_asked_for() {
        for (value, expect) in [
            ("return=minimal", true),
            ("respond-async, Return=Minimal", true),
            ("return=representation", false),
        ] {
            assert_eq!(prefers_minimal(&headers(&[("Prefer", value)])), expect, "{value}");
        }
    }
}
