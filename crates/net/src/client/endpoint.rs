//! The address of a site or a distribution point.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use crate::NetError;

/// A server's base address: scheme, host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Whether requests go over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is this machine, by address or as `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|addr| addr.to_canonical().is_loopback())
    }

    /// The host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().expect("checked when parsed").trim_matches(['[', ']'])
    }

    /// The same scheme and port at another host.
    pub(crate) fn with_host(&self, host: &str) -> Result<Self, NetError> {
        let mut url = self.0.clone();
        url.set_host(Some(host)).map_err(|_| NetError::Endpoint(host.to_owned()))?;
        Ok(Self(url))
    }

    /// The URL of `path_and_query`, which begins with `/` and is percent-encoded where needed.
    pub fn url(&self, path_and_query: &str) -> Result<Url, NetError> {
        let bad = || NetError::Endpoint(format!("{self}{path_and_query}"));
        let one_slash = path_and_query.starts_with('/') && !path_and_query.starts_with("//");
        // The URL parser takes a backslash for a slash and resolves dots, so that a name could change the host.
        let plain = one_slash && !path_and_query.contains(['\\', '#']) && !has_dot_segment(path_and_query);
        if !plain {
            return Err(bad());
        }
        self.0.join(path_and_query).map_err(|_| bad())
    }
}

fn has_dot_segment(path_and_query: &str) -> bool {
    let path = path_and_query.split('?').next().unwrap_or_default();
    path.split('/').any(|part| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

impl FromStr for Endpoint {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let bad = || NetError::Endpoint(text.to_owned());
        let url = Url::parse(text.trim()).map_err(|_| bad())?;
        let web =
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.port() != Some(0);
        if web && bare { Ok(Self(url)) } else { Err(bad()) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_or_refused_whole() {
        for (text, expect) in [
            ("http://127.0.0.1:8530", Some(("http://127.0.0.1:8530", false, true))),
            (" https://PS1.example.test:8530/ ", Some(("https://ps1.example.test:8530", true, false))),
            ("http://[::1]:8530", Some(("http://[::1]:8530", false, true))),
            ("http://localhost:1", Some(("http://localhost:1", false, true))),
            ("http://127.9.9.9", Some(("http://127.9.9.9", false, true))),
            ("https://127.0.0.1.example.test", Some(("https://127.0.0.1.example.test", true, false))),
            ("", None),
            ("127.0.0.1:8530", None),
            ("ftp://host", None),
            ("http://host/path", None),
            ("http://host/?q", None),
            ("http://user:pw@host", None),
            ("http://host:0", None),
            ("http://host:99999", None),
            ("file:///etc", None),
        ] {
            let found = text.parse::<Endpoint>().ok();
            let found = found.map(|e| (e.to_string(), e.is_secure(), e.is_loopback()));
            assert_eq!(
                found,
                expect.map(|(url, secure, loopback)| (url.to_owned(), secure, loopback)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_never_changes_the_host() {
        let endpoint: Endpoint = "https://ps1.example.test:8530".parse().unwrap();
        assert_eq!(endpoint.url("/a/b?c=1").unwrap().as_str(), "https://ps1.example.test:8530/a/b?c=1");
        for path in [
            "",
            "a",
            "//evil.test/a",
            "/\\evil.test",
            "https://evil.test/",
            "/a/../b",
            "/a/%2E%2e/b",
            "/./a",
            "/a#b",
        ] {
            assert!(endpoint.url(path).is_err(), "{path}");
        }
    }
}
