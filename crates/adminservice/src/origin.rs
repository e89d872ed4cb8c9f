//! Requests that a page of another site makes its reader's browser send: any content type is read as JSON, so a form on
//! any page could act in its reader's name.

use http::Method;
use http::request::Parts;

use crate::error::ApiError;

/// Refuses what does more than read where a browser says that another site's page sent it. Scripts say nothing of
/// the kind and pass.
pub(crate) fn check(parts: &Parts) -> Result<(), ApiError> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || !signin::is_cross_site(parts) { Ok(()) } else { Err(ApiError::CrossSite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_only_read() {
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::GET, Method::OPTIONS]
        {
            for (site, own) in [("cross-site", false), ("same-origin", true)] {
                let request = http::Request::builder().method(&method).header("sec-fetch-site", site);
                let (parts, ()) = request.body(()).unwrap().into_parts();
                let reads = method == Method::GET || method == Method::OPTIONS;
                assert_eq!(check(&parts).is_ok(), own || reads, "{method} {site}");
            }
        }
    }
}
