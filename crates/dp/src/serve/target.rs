//! From a request's path to the file that it means.
//!
//! Names are decoded once, segment by segment, and then pass the same gate as every name in a manifest, so
//! that no spelling of `..`, of a device or of an alternate stream means anything. What remains is a key for
//! the index, never a path on disk.

use content::{ContentPath, fold};
use percent_encoding::percent_decode_str;

/// The virtual directories under which the original serves the same content.
const ROOTS: [&str; 3] = ["sms_dp_smspkg$", "nocert_sms_dp_smspkg$", "ccmtokenauth_sms_dp_smspkg$"];
/// The piece that moves the file's name into the query, past a web server's name filter.
const QUERY_FORM: &str = "sccm";

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it was written; the holder checks it.
    pub(crate) package: String,
    /// The version asked for; `None` for the current one.
    pub(crate) version: Option<u32>,
    /// The folded path within the package.
    pub(crate) path: String,
}

/// Reads the raw path and query of a request; `None` for everything that cannot be a file.
pub(crate) fn parse(path: &str, query: Option<&str>) -> Option<Target> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let root = fold(&decode(segments.next()?)?);
    if !ROOTS.contains(&root.as_str()) {
        return None;
    }
    let content_id = decode(segments.next()?)?;
    let mut names: Vec<String> = segments.map(decode).collect::<Option<_>>()?;
    if let ([only], Some(query)) = (names.as_slice(), query)
        && fold(only) == QUERY_FORM
    {
        names = query.strip_prefix('/')?.split('/').map(decode).collect::<Option<_>>()?;
    }
    let path = ContentPath::new(&names.join("/")).ok()?.fold();
    let (package, version) = split_content_id(&content_id)?;
    Some(Target { package, version, path })
}

/// One decoding, into text that cannot bring a new separator.
fn decode(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (!text.contains(['/', '\\', '\0'])).then(|| text.into_owned())
}

/// `PS100001.3` or `PS100001`.
fn split_content_id(id: &str) -> Option<(String, Option<u32>)> {
    let Some((package, number)) = id.split_once('.') else { return Some((id.to_owned(), None)) };
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    let version = plain.then(|| number.parse().ok()).flatten()?;
    Some((package.to_owned(), Some(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expect: Option<(&str, Option<u32>, &str)>) {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        let found = parse(path, query);
        let found = found.as_ref().map(|t| (t.package.as_str(), t.version, t.path.as_str()));
        assert_eq!(found, expect, "{uri}");
    }

    #[test]
    fn both_forms_of_a_content_id_and_any_case_are_read() {
        check("/SMS_DP_SMSPKG$/PS100001.3/net/E1D.sys", Some(("PS100001", Some(3), "net/e1d.sys")));
        check("/sms_dp_smspkg%24/ps100001/NET/e1d.sys", Some(("ps100001", None, "net/e1d.sys")));
        check("/NOCERT_SMS_DP_SMSPKG$/PS100001.3/a.inf", Some(("PS100001", Some(3), "a.inf")));
        check("/SMS_DP_SMSPKG$/PS100001.3/a.inf?x=1", Some(("PS100001", Some(3), "a.inf")));
        check("/SMS_DP_SMSPKG$/PS100001.3/sccm?/net/a%20b.inf", Some(("PS100001", Some(3), "net/a b.inf")));
        check("/SMS_DP_SMSPKG$/PS100001/%C3%84.inf", Some(("PS100001", None, "ä.inf")));
        check("/SMS_DP_SMSPKG$/PS100001/100%25.inf", Some(("PS100001", None, "100%.inf")));
    }

    #[test]
    fn folders_and_other_addresses_are_no_files() {
        for uri in [
            "",
            "/",
            "//",
            "/SMS_DP_SMSPKG$",
            "/SMS_DP_SMSPKG$/",
            "/SMS_DP_SMSPKG$/PS100001.3",
            "/SMS_DP_SMSPKG$/PS100001.3/",
            "/SMS_DP_SMSPKG$/PS100001.3/net/",
            "/SMS_DP_SMSPKG$//a.inf/",
            "/SMS_DP_SMSPKG$/PS100001.0/a.inf",
            "/SMS_DP_SMSPKG$/PS100001.03/a.inf",
            "/SMS_DP_SMSPKG$/PS100001.+3/a.inf",
            "/SMS_DP_SMSPKG$/PS100001./a.inf",
            "/SMS_DP_SMSPKG$/PS100001.4294967296/a.inf",
            "/SMS_DP_SMSPKG$/PS100001.1.2/a.inf",
            "/other/PS100001.3/a.inf",
        ] {
            check(uri, None);
        }
    }

    #[test]
    fn no_spelling_leads_out_of_the_package() {
        for name in [
            "../a",
            "..%2fa",
            "%2e%2e/a",
            "net/../../a",
            "net/%2e%2e/%2e%2e/a",
            "..%5ca",
            "..\\a",
            "./a",
            "%2fetc/passwd",
            "net//a",
            "C:/a",
            "c%3a/a",
            "a.inf:stream",
            "a.inf::$DATA",
            "a.inf%3a%3a$DATA",
            "con",
            "NUL.txt",
            "net/com1",
            "aux.inf",
            "a.inf.",
            "a.inf%20",
            "a%00.inf",
            "a%0d%0ab",
            "%ff.inf",
            "%c0%ae%c0%ae/a",
        ] {
            check(&format!("/SMS_DP_SMSPKG$/PS100001.3/{name}"), None);
            check(&format!("/SMS_DP_SMSPKG$/PS100001.3/sccm?/{name}"), None);
        }
        // Decoded once: what looks encoded afterwards is a plain name that no package has.
        check("/SMS_DP_SMSPKG$/PS100001/%252e%252e/a", Some(("PS100001", None, "%2e%2e/a")));
    }
}
