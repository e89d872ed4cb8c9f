//! Identify: what is here (DSP0226 chapter 11). Somebody unknown learns that it is WS-Management; only who is signed in
//! learns versions.

use http::HeaderMap;
use http::request::Parts;
use net::Peer;
use signin::SignInError;
use xml::Writer;

use crate::names::{IDENTITY, WSMAN};

/// The header by which a client asks for the answer without credentials (MS-WSMV 2.2.1).
const UNAUTHENTICATED: &str = "wsmanidentify";
/// What the names of security profiles begin with.
const PROFILES: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/";
/// The version of WS-Management that tools look for: PowerShell's cmdlets speak this one.
const STACK: &str = "3.0";

/// Whether the answer is asked for without credentials.
pub(crate) fn is_unauthenticated(headers: &HeaderMap) -> bool {
    headers
        .get(UNAUTHENTICATED)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"unauthenticated"))
}

/// The body of the answer to somebody unknown.
pub(crate) fn unknown() -> Writer {
    identity(&format!("OS: 0.0.0 SP: 0.0 Stack: {STACK}"), &[])
}

/// The body of the answer to who is signed in. Where Windows names its own version, this is Haulier's.
pub(crate) fn signed_in(parts: &Parts) -> Writer {
    let secure = parts.extensions.get::<Peer>().is_some_and(|peer| peer.secure);
    let transport = if secure { "https" } else { "http" };
    let offered = SignInError::Unauthenticated.challenges();
    let is_offered = |scheme: &str| offered.iter().any(|one| one.as_bytes().starts_with(scheme.as_bytes()));
    let schemes = [("Basic", "basic"), ("Negotiate", "spnego-kerberos")];
    let offered = schemes.into_iter().filter(|(scheme, _)| is_offered(scheme));
    let profiles: Vec<_> = offered.map(|(_, profile)| format!("{PROFILES}{transport}/{profile}")).collect();
    identity(&format!("OS: {} SP: 0.0 Stack: {STACK}", env!("CARGO_PKG_VERSION")), &profiles)
}

fn identity(version: &str, profiles: &[String]) -> Writer {
    let mut body = Writer::new();
    body.open("wsmid:IdentifyResponse", &[("xmlns:wsmid", IDENTITY)]);
    body.leaf("wsmid:ProtocolVersion", &[], WSMAN);
    body.leaf("wsmid:ProductVendor", &[], "Haulier");
    body.leaf("wsmid:ProductVersion", &[], version);
    if !profiles.is_empty() {
        body.open("wsmid:SecurityProfiles", &[]);
        for profile in profiles {
            body.leaf("wsmid:SecurityProfileName", &[], profile);
        }
        body.close();
    }
    body.close();
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_for_who_is_signed_in() {
        let (parts, ()) = http::Request::new(()).into_parts();
        let (unknown, known) = (unknown().finish(), signed_in(&parts).finish());
        assert!(
            unknown.contains(">OS: 0.0.0 SP: 0.0 Stack: 3.0<") && !unknown.contains("Profile"),
            "{unknown}"
        );
        assert!(known.contains(env!("CARGO_PKG_VERSION")) && known.contains("http/basic<"), "{known}");
    }

    #[test]
    fn the_header_that_asks_for_it_has_one_value() {
        for (value, expect) in
            [("unauthenticated", true), ("Unauthenticated", true), ("authenticated", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("WSMANIDENTIFY", value.parse().unwrap());
            assert_eq!(is_unauthenticated(&headers), expect, "{value}");
        }
        assert!(!is_unauthenticated(&HeaderMap::new()));
    }
}
