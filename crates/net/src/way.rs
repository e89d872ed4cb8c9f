//! How a request for an object came here: through whom, and whether caches may answer.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Relays that a request may pass; one more is a loop or a mistake.
pub const HOPS_MAX: usize = 8;

/// What a request says of its way; what it asks of the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// The relays that it passed, the first of them first (`Via`).
    pub passed: Vec<String>,
    /// Whether bytes from a cache will not do (`Cache-Control: no-cache`).
    pub fresh: bool,
}

impl Way {
    /// The way of a request that came with these headers. Of a way that is too long as much is kept as shows it.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let texts = |name: HeaderName| {
            headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|text| text.split(','))
        };
        // `2.0 dp1.example.test`: the protocol, then who.
        let relay = |hop: &str| hop.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self {
            passed: texts(header::VIA).take(HOPS_MAX + 1).map(relay).collect(),
            fresh: texts(header::CACHE_CONTROL)
                .any(|directive| directive.trim().eq_ignore_ascii_case("no-cache")),
        }
    }

    /// The way through one more relay; `None` if it has passed that one already, or too many.
    #[must_use]
    pub fn through(&self, relay: &str) -> Option<Self> {
        let again = self.passed.iter().any(|passed| passed.eq_ignore_ascii_case(relay));
        if again || self.passed.len() >= HOPS_MAX {
            return None;
        }
        let mut way = self.clone();
        way.passed.push(relay.to_owned());
        Some(way)
    }

    /// The headers that say it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let hops: Vec<String> = self.passed.iter().map(|relay| format!("2.0 {relay}")).collect();
        if let Some(via) = HeaderValue::from_str(&hops.join(", ")).ok().filter(|_| !hops.is_empty()) {
            headers.insert(header::VIA, via);
        }
        if self.fresh {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_read_as_it_was_said() {
        for (passed, fresh) in
            [(&[][..], false), (&["dp1"][..], true), (&["dp1", "dp2.example.test"][..], false)]
        {
            let way = Way { passed: passed.iter().map(|relay| (*relay).to_owned()).collect(), fresh };
            assert_eq!(Way::of(&way.headers()), way);
        }
        let odd = HeaderMap::from_iter([
            (header::VIA, HeaderValue::from_static("1.1 a (comment), 2.0 b,c")),
            (header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, No-Cache")),
        ]);
        let way = Way::of(&odd);
        assert_eq!((way.passed.len(), way.fresh), (3, true));
        assert_eq!(way.passed[1..], ["b", "c"]);
    }

    #[test]
    fn a_loop_and_an_endless_way_end() {
        let mut way = Way::default().through("dp1").unwrap();
        assert_eq!(way.through("DP1"), None);
        for number in 2..=HOPS_MAX {
            way = way.through(&format!("dp{number}")).unwrap();
        }
        assert_eq!(way.through("dp9"), None);
    }
}
