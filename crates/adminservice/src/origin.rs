//! Requests that a page of another site makes its reader's browser send. Browsers remember Basic credentials and add them
//! by themselves, and any content type is read as JSON, so a form on any page could act in its reader's name.

use http::Method;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::error::ApiError;

/// Where browsers say by themselves whose page sends a request; pages cannot write it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what does more than read where a browser says that another site's page sent it. Scripts say nothing of
/// the kind and pass.
pub(crate) fn check(parts: &Parts) -> Result<(), ApiError> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || is_own(parts) { Ok(()) } else { Err(ApiError::CrossSite) }
}

fn is_own(parts: &Parts) -> bool {
    if let Some(site) = parts.headers.get(FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = parts.headers.get(ORIGIN) else { return true };
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(header);
    named.zip(host).is_some_and(|((_, named), host)| named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_and_scripts_act() {
        for (lines, expect) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://srv.example.test:8530")], true),
            (&[("origin", "https://SRV.example.test:8530")], true),
            (&[("origin", "https://srv.example.test")], false),
            (&[("origin", "https://evil.example.test")], false),
            (&[("origin", "null")], false),
            // A proxy in front may pass on another host.
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://proxy.example.test")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://srv.example.test:8530")], false),
        ] {
            for method in
                [Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::GET, Method::OPTIONS]
            {
                let mut request =
                    http::Request::builder().method(&method).header("host", "srv.example.test:8530");
                for (name, value) in lines {
                    request = request.header(*name, *value);
                }
                let (parts, ()) = request.body(()).unwrap().into_parts();
                let reads = method == Method::GET || method == Method::OPTIONS;
                assert_eq!(check(&parts).is_ok(), expect || reads, "{method} {lines:?}");
            }
        }
    }
}
