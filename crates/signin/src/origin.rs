//! Requests that a page of another site makes its reader's browser send. Browsers remember Basic credentials and add them
//! by themselves, so a form on any page could act in its reader's name.

use http::header::{HOST, ORIGIN};
use http::request::Parts;

/// Where browsers say by themselves whose page sends a request; pages cannot write it.
const FETCH_SITE: &str = "sec-fetch-site";

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
