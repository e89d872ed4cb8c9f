//! Identify: what is here (DSP0226 chapter 11). Somebody unknown learns that it is WS-Management; only who is signed in
//! learns versions.

use http::HeaderMap;
use http::request::Parts;
use net::Peer;
use signin::SignIn;
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
pub(crate) fn signed_in(parts: &Parts, sign_in: &SignIn) -> Writer {
    let secure = parts.extensions.get::<Peer>().is_some_and(|peer| peer.secure);
    let transport = if secure { "https" } else { "http" };
    let offered = sign_in.stranger(parts).challenges();
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

    #[tokio::test]
    async fn versions_and_profiles_are_for_who_is_signed_in() {
        let unknown = unknown().finish();
        assert!(
            unknown.contains(">OS: 0.0.0 SP: 0.0 Stack: 3.0<") && !unknown.contains("Profile"),
            "{unknown}"
        );
        let stage = stage::Stage::new(stage::Stage::fixed_clock()).await;
        let sign_in = stage.sign_in.clone().with_sealing();
        for (from, secure, expect) in [
            ("127.0.0.1:50000", false, &["http/spnego-kerberos", "http/basic"][..]),
            ("192.0.2.7:50000", false, &["http/spnego-kerberos"]),
            ("192.0.2.7:50000", true, &["https/spnego-kerberos", "https/basic"]),
        ] {
            let server_certificate = secure.then(|| std::sync::Arc::from(&b"certificate"[..]));
            let peer = Peer { addr: from.parse().unwrap(), secure, certificate: None, server_certificate };
            let request = http::Request::builder().extension(peer).extension(net::Connection::new());
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let known = signed_in(&parts, &sign_in).finish();
            assert!(known.contains(env!("CARGO_PKG_VERSION")), "{known}");
            let told: Vec<_> =
                known.split("secprofile/").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
            let mut expect = expect.to_vec();
            expect.sort_by_key(|profile| !profile.ends_with("basic"));
            assert_eq!(told, expect, "{from}");
        }
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
