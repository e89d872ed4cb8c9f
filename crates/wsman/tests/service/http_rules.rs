//! What HTTP says before there is an envelope: methods, paths, types, credentials, Identify.

use stage::Stage;

use crate::harness::{Answer, Ask, SOAP_TYPE, Service};

const IDENTIFY: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>"#;

fn signed_in(more: &str) -> String {
    format!("Authorization: {}\r\n{more}", Stage::basic("admin"))
}

fn soap() -> String {
    signed_in(&format!("Content-Type: {SOAP_TYPE}\r\n"))
}

#[tokio::test]
async fn only_post_on_two_paths_is_served() {
    let service = Service::start().await;
    let body = IDENTIFY.as_bytes();
    for (line, expect) in [
        ("POST /wsman", 200),
        ("POST /wsman/", 200),
        ("POST /wsman?PSVersion=5.1", 200),
        ("GET /wsman", 405),
        ("PUT /wsman/", 405),
        ("POST /wsman/SMS_Site", 404),
        ("POST /", 404),
    ] {
        let answer = service.raw(line, &soap(), body).await;
        assert_eq!(answer.status, expect, "{line}: {answer:?}");
        assert_eq!(answer.head.contains("\r\nallow: post"), expect == 405, "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn answers_state_their_type_and_length() {
    let service = Service::start().await;
    let missing = Ask::class("Get", "SMS_Nothing");
    for answer in [
        service.raw("POST /wsman", &soap(), IDENTIFY.as_bytes()).await,
        service.send("admin", &missing.envelope()).await,
    ] {
        assert!(answer.head.contains("\r\ncontent-type: application/soap+xml;charset=utf-8"), "{answer:?}");
        let length = format!("\r\ncontent-length: {}", answer.body.len());
        assert!(answer.head.contains(&length) && !answer.head.contains("transfer-encoding"), "{answer:?}");
    }
}

#[tokio::test]
async fn types_that_forms_can_send_are_refused() {
    let service = Service::start().await;
    for (lines, expect) in [
        ("Content-Type: application/soap+xml\r\n", 200),
        ("Content-Type: application/soap+xml;charset=utf-8\r\n", 200),
        ("Content-Type: text/xml\r\n", 200),
        // Some clients name none.
        ("", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: multipart/form-data; boundary=x\r\n", 415),
        // Nothing seals on this connection.
        ("Content-Type: multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\"\r\n", 415),
        ("Content-Type: text/xml\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Content-Type: text/xml\r\nOrigin: https://evil.example.test\r\n", 403),
    ] {
        let answer = service.raw("POST /wsman", &signed_in(lines), IDENTIFY.as_bytes()).await;
        assert_eq!(answer.status, expect, "{lines}: {answer:?}");
    }
}

#[tokio::test]
async fn bodies_may_be_utf_16() {
    let service = Service::start().await;
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(IDENTIFY.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let headers = signed_in("Content-Type: application/soap+xml;charset=UTF-16\r\n");
    let answer = service.raw("POST /wsman", &headers, &utf16).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("charset=utf-8"), "{answer:?}");
}

#[tokio::test]
async fn everybody_else_signs_in() {
    let service = Service::start().await;
    let typed = format!("Content-Type: {SOAP_TYPE}\r\n");
    let wrong = format!("Authorization: Basic YWRtaW46d3Jvbmc=\r\n{typed}");
    for headers in [&typed, &wrong] {
        let answer = service.raw("POST /wsman", headers, IDENTIFY.as_bytes()).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.head.contains("\r\nwww-authenticate: basic realm="), "{answer:?}");
    }
    let empty = service.raw("POST /wsman", &soap(), b"").await;
    assert_eq!(empty.status, 400, "{empty:?}");
}

#[tokio::test]
async fn identify_tells_versions_to_who_is_signed_in() {
    let service = Service::start().await;
    let unknown = format!("WSMANIDENTIFY: unauthenticated\r\nContent-Type: {SOAP_TYPE}\r\n");
    let version = |answer: &Answer| answer.text("ProductVersion");
    let told = service.raw("POST /wsman", &unknown, IDENTIFY.as_bytes()).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(version(&told).as_deref(), Some("OS: 0.0.0 SP: 0.0 Stack: 3.0"));
    assert!(!told.body.contains("SecurityProfile") && !told.body.contains("Action"), "{told:?}");
    let known = service.raw("POST /wsman", &soap(), IDENTIFY.as_bytes()).await;
    let expect = format!("OS: {} SP: 0.0 Stack: 3.0", env!("CARGO_PKG_VERSION"));
    assert_eq!(version(&known), Some(expect));
    let misprint = IDENTIFY.replace("/identity/1/", "/identify/1/");
    assert_eq!(service.raw("POST /wsman", &soap(), misprint.as_bytes()).await.status, 200);
    // The header opens Identify and nothing else.
    let get = Ask::package("Get").envelope();
    let refused = service.raw("POST /wsman", &unknown, get.as_bytes()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
}
