//! Requests that no client means well, and what they cost: nothing but a refusal.

use stage::Stage;

use crate::harness::{Ask, SOAP_TYPE, Service};

fn headers(user: &str) -> String {
    format!("Authorization: {}\r\nContent-Type: {SOAP_TYPE}\r\n", Stage::basic(user))
}

#[tokio::test]
async fn what_is_no_envelope_is_a_bad_request() {
    let service = Service::start().await;
    let good = Ask::package("Get").envelope();
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let bomb = format!(
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>{}",
        good.replace("<s:Body>", "<s:Body>&b;")
    );
    let external = format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>{good}");
    for (what, text) in [
        ("no XML", "hello".to_owned()),
        ("cut off", good[..good.len() - 20].to_owned()),
        ("another document", "<html/>".to_owned()),
        ("another namespace", good.replace("http://www.w3.org/2003/05/soap-envelope", "urn:x")),
        ("another case", good.replace("s:Envelope", "s:envelope")),
        ("deep", deep),
        ("entities", bomb),
        ("external entities", external),
        ("unknown entities", good.replace("<s:Body>", "<s:Body>&unknown;")),
        ("unbound prefix", good.replace("<s:Body>", "<s:Body><q:x/>")),
        ("an attribute twice", good.replace("<s:Body>", "<s:Body a='1' a='2'>")),
        ("a forbidden character", good.replace("<s:Body>", "<s:Body>&#0;")),
    ] {
        let answer = service.raw("POST /wsman", &headers("admin"), text.as_bytes()).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert!(!answer.body.contains("passwd") && answer.body.len() < 1024, "{what}: {answer:?}");
    }
    let broken = service.raw("POST /wsman", &headers("admin"), b"<s:Envelope \xff\xfe\xfd/>").await;
    assert_eq!(broken.status, 400, "{broken:?}");
}

#[tokio::test]
async fn bodies_are_bounded_by_what_their_sender_may_do() {
    let service = Service::start().await;
    for (user, bytes) in [("admin", wsman::REQUEST_BYTES_MAX), ("reader", 512 * 1024)] {
        let fits = service.raw("POST /wsman", &headers(user), &vec![b' '; bytes]).await;
        assert_eq!(fits.status, 400, "{user}: {fits:?}");
        let longer = service.raw("POST /wsman", &headers(user), &vec![b' '; bytes + 1]).await;
        assert_eq!(longer.status, 413, "{user}: {longer:?}");
    }
    let unknown = format!("WSMANIDENTIFY: unauthenticated\r\nContent-Type: {SOAP_TYPE}\r\n");
    let longer = service.raw("POST /wsman", &unknown, &vec![b' '; 16 * 1024 + 1]).await;
    assert_eq!(longer.status, 413, "{longer:?}");
}

#[tokio::test]
async fn soap_1_1_is_another_version() {
    let service = Service::start().await;
    let old = Ask::package("Get")
        .envelope()
        .replace("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/");
    let answer = service.send("admin", &old).await;
    assert_eq!(answer.fault(), ("VersionMismatch".to_owned(), String::new()));
    assert_eq!(answer.code(), 2_150_858_765);
}

#[tokio::test]
async fn what_must_be_understood_is_named() {
    let service = Service::start().await;
    let ask = Ask::package("Get").header("<q:Strange xmlns:q='urn:q' s:mustUnderstand='1'>x</q:Strange>");
    let answer = service.ask(&ask).await;
    assert_eq!(answer.fault().0, "MustUnderstand");
    assert_eq!(answer.code(), 2_150_858_768);
    let named = "<s:NotUnderstood qname=\"q:Strange\" xmlns:q=\"urn:q\"/>";
    assert!(answer.body.contains(named), "{answer:?}");
    assert!(!answer.body.contains("Subcode"), "{answer:?}");
}

#[tokio::test]
async fn headers_that_lie_are_faults() {
    let service = Service::start().await;
    let whole = Ask::package("Get").envelope();
    let evil = "http://evil.example.test/";
    let role = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
    for (what, text, subcode) in [
        ("another place", whole.replace(role, evil), "UnsupportedFeature"),
        ("no timeout", whole.replace("PT60.000S", "soon"), "UnsupportedFeature"),
        (
            "two actions",
            whole.replace("<a:To>", "<a:Action>x</a:Action><a:To>"),
            "InvalidMessageInformationHeader",
        ),
        ("no headers", whole.replace("s:Header", "s:Head"), "MessageInformationHeaderRequired"),
        ("an empty id", whole.replace(crate::harness::MESSAGE_ID, " "), "InvalidMessageInformationHeader"),
    ] {
        let answer = service.send("admin", &text).await;
        assert_eq!(answer.fault().0, subcode, "{what}: {answer:?}");
    }
}
