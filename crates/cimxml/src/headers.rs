//! What a request's headers say. Only little depends on them: the message counts, and headers that contradict it are
//! refused (DSP0200, 7.2).

use http::header::{CONTENT_TYPE, HeaderMap, USER_AGENT};
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use provider::Context;

use crate::message::Message;
use crate::refusal::Refusal;
use crate::space::normalized;

/// A program's own name in `User-Agent` is cut to this many characters.
const AGENT_CHARS_MAX: usize = 128;
/// The message id that wbemcli sends.
const WBEMCLI_MESSAGE: &str = "4711";

/// Checks what can be checked before the body is read.
pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    match method.as_str() {
        "POST" => {}
        "M-POST" => return Err(Refusal::Extension),
        _ => return Err(Refusal::Method),
    }
    if !headers.get(CONTENT_TYPE).is_none_or(is_xml) {
        return Err(Refusal::MediaType);
    }
    if headers.contains_key("cimbatch") {
        return Err(Refusal::Unsupported {
            token: "multiple-requests-unsupported",
            what: "a batch of requests",
            instead: "send one request in each message",
        });
    }
    let operation = text(headers, "cimoperation");
    if operation.is_some_and(|operation| !operation.trim().eq_ignore_ascii_case("MethodCall")) {
        return Err(Refusal::Unsupported {
            token: "unsupported-operation",
            what: "this CIMOperation",
            instead: "MethodCall is",
        });
    }
    if text(headers, "cimprotocolversion").is_some_and(|version| !version.trim().starts_with("1.")) {
        return Err(UNSUPPORTED_PROTOCOL);
    }
    Ok(())
}

/// The refusal of another major version of the protocol.
pub(crate) const UNSUPPORTED_PROTOCOL: Refusal = Refusal::Unsupported {
    token: "unsupported-protocol-version",
    what: "this version of the protocol",
    instead: "versions 1.0 to 1.4 are",
};

/// Checks that the headers mean the same operation on the same object as the message.
pub(crate) fn agree(headers: &HeaderMap, message: &Message) -> Result<(), Refusal> {
    if let Some(method) = decoded(headers, "cimmethod")
        && !method.trim().eq_ignore_ascii_case(message.name())
    {
        return Err(Refusal::HeaderMismatch { header: "CIMMethod" });
    }
    let Some(object) = decoded(headers, "cimobject") else { return Ok(()) };
    // The class and its keys follow the first colon; a namespace has none.
    let (namespace, class) = match object.split_once(':') {
        Some((namespace, rest)) => (namespace, Some(rest.split(['.', '=']).next().unwrap_or(rest))),
        None => (object.as_str(), None),
    };
    let is_namespace = normalized(namespace).eq_ignore_ascii_case(&normalized(message.namespace()));
    let is_class = match (class, message.called_class()) {
        (Some(named), Some(called)) => named.trim().eq_ignore_ascii_case(called),
        _ => true,
    };
    if is_namespace && is_class { Ok(()) } else { Err(Refusal::HeaderMismatch { header: "CIMObject" }) }
}

/// Whether the request looks like one of wbemcli, whose parser does not know every attribute.
pub(crate) fn is_wbemcli(headers: &HeaderMap, message: &Message) -> bool {
    message.id == WBEMCLI_MESSAGE
        && !headers.contains_key(USER_AGENT)
        && text(headers, "cimprotocolversion").is_some_and(|version| version.trim() == "1.0")
}

/// What the call says of its program.
pub(crate) fn context(headers: &HeaderMap) -> Context {
    let agent = text(headers, USER_AGENT.as_str());
    let plain = |agent: &str| agent.chars().take(AGENT_CHARS_MAX).filter(|c| !c.is_control()).collect();
    Context { agent: agent.map(plain), ..Context::default() }
}

fn is_xml(value: &HeaderValue) -> bool {
    let kind = value.to_str().ok().and_then(|value| value.split(';').next()).unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/xml") || kind.eq_ignore_ascii_case("text/xml")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // A header that is no text says nothing that could be compared.
    headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or(""))
}

/// Some clients write slashes and colons as they are, others encode them.
fn decoded(headers: &HeaderMap, name: &str) -> Option<String> {
    text(headers, name).map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{extrinsic, intrinsic};

    fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect()
    }

    #[test]
    fn requests_that_are_none_are_refused_by_their_headers() {
        let check = |method: &str, lines: &[(&'static str, &str)], expect: &str| {
            let found = check(&method.parse().unwrap(), &map(lines)).map_err(|refused| refused.to_string());
            match expect {
                "" => assert_eq!(found, Ok(()), "{method} {lines:?}"),
                expect => assert!(found.unwrap_err().contains(expect), "{method} {lines:?}"),
            }
        };
        check("POST", &[], "");
        check(
            "POST",
            &[("content-type", "application/xml; charset=\"utf-8\""), ("cimoperation", "MethodCall")],
            "",
        );
        check("POST", &[("content-type", "Text/XML"), ("cimprotocolversion", "1.0")], "");
        check("POST", &[("content-type", "text/plain")], "application/xml");
        check("POST", &[("content-type", "application/x-www-form-urlencoded")], "application/xml");
        check("POST", &[("cimoperation", "ExportMethodCall")], "this CIMOperation");
        check("POST", &[("cimprotocolversion", "2.0")], "versions 1.0");
        check("POST", &[("cimbatch", "")], "one request");
        check("M-POST", &[], "send POST");
        check("GET", &[], "with POST");
    }

    #[test]
    fn headers_are_compared_loosely() {
        let intrinsic = intrinsic("GetInstance", "root/sms/site_PS1");
        let extrinsic = extrinsic("Run", "root/sms/site_PS1", "SMS_Package");
        let check = |message: &Message, lines: &[(&'static str, &str)], expect: bool| {
            assert_eq!(agree(&map(lines), message).is_ok(), expect, "{lines:?}");
        };
        check(&intrinsic, &[], true);
        check(&intrinsic, &[("cimmethod", "GetInstance"), ("cimobject", "root/sms/site_PS1")], true);
        check(&intrinsic, &[("cimmethod", "getinstance"), ("cimobject", "root%2Fsms%2FSITE_ps1")], true);
        check(&intrinsic, &[("cimobject", "/root/sms/site_PS1/")], true);
        check(&intrinsic, &[("cimobject", "root%2Fsms%2Fsite_PS1%3ASMS_Package")], true);
        check(&intrinsic, &[("cimobject", "root/sms")], false);
        check(&intrinsic, &[("cimmethod", "DeleteInstance")], false);
        check(
            &extrinsic,
            &[("cimobject", "root%2Fsms%2Fsite_PS1%3ASMS_Package.PackageID=\"PS1:00012\"")],
            true,
        );
        check(&extrinsic, &[("cimobject", "root/sms/site_PS1:sms_package")], true);
        check(&extrinsic, &[("cimobject", "root/sms/site_PS1:SMS_Other.A=1")], false);
        check(&extrinsic, &[("cimobject", "root/sms/site_PS2:SMS_Package")], false);
        check(&intrinsic, &[("cimobject", "\u{fc}")], false);
    }
}
