//! Who sends a request, as far as its headers tell: a program by its name, or a page of another site. Browsers remember Basic
//! credentials and add them by themselves, so a form on any page could act in its reader's name.

use http::HeaderMap;
use http::header::{HOST, ORIGIN, USER_AGENT};
use http::request::Parts;

/// Where browsers say by themselves whose page sends a request; pages cannot write it.
const FETCH_SITE: &str = "sec-fetch-site";

/// A program's own name in `User-Agent` is cut to this many characters; longer ones name the parts of a browser.
const AGENT_CHARS_MAX: usize = 128;

/// What a client calls itself, for logs and audit messages: at most 128 characters, none of them a control.
#[must_use]
pub fn agent(headers: &HeaderMap) -> Option<String> {
    let named = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok())?;
    Some(named.chars().take(AGENT_CHARS_MAX).filter(|c| !c.is_control()).collect())
}

/// Whether a browser says that a page of another site sent the request. Scripts say nothing of the kind.
#[must_use]
pub fn is_cross_site(parts: &Parts) -> bool {
    if let Some(site) = parts.headers.get(FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = parts.headers.get(ORIGIN) else { return false };
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(header);
    !named.zip(host).is_some_and(|((_, named), host)| named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_is_cut_and_has_no_control_characters() {
        let named = |name: Option<&str>| {
            let mut headers = HeaderMap::new();
            name.map(|name| headers.insert(USER_AGENT, name.parse().unwrap()));
            agent(&headers)
        };
        assert_eq!(named(None), None);
        assert_eq!(named(Some("a\tscript")).as_deref(), Some("ascript"));
        assert_eq!(named(Some(&"x".repeat(AGENT_CHARS_MAX + 1))), Some("x".repeat(AGENT_CHARS_MAX)));
    }

    #[test]
    fn pages_of_other_sites_are_told_from_own_ones_and_scripts() {
        for (lines, expect) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "https://srv.example.test:8530")], false),
            (&[("origin", "https://SRV.example.test:8530")], false),
            (&[("origin", "https://srv.example.test")], true),
            (&[("origin", "https://evil.example.test")], true),
            (&[("origin", "null")], true),
            // A proxy in front may pass on another host.
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://proxy.example.test")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://srv.example.test:8530")], true),
        ] {
            let mut request = http::Request::builder().header("host", "srv.example.test:8530");
            for (name, value) in lines {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(is_cross_site(&parts), expect, "{lines:?}");
        }
    }
}
