//! What broken and hostile clients send.

use std::time::Duration;

use cimxml::{BODY_BYTES_MAX, PATH};
use stage::{PACKAGE, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    SITE, Service, class, escaped, extrinsic, instance, intrinsic, package, parameter, text,
};

#[tokio::test]
pub(crate) async fn what_is_no_message_is_refused_by_http() {
    let service = Service::start().await;
    let good = intrinsic(SITE, "EnumerateInstanceNames", &class("SMS_Site"));
    service.post("admin", &[], good.clone()).await.good();
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let wide = format!("<CIM{}/>", (0..1_000).map(|n| format!(" a{n}=''")).collect::<String>());
    for (headers, body, status, token) in [
        (&[][..], String::new(), 400, "request-not-well-formed"),
        (&[], "x".to_owned(), 400, "request-not-well-formed"),
        (&[], good[..good.len() - 5].to_owned(), 400, "request-not-well-formed"),
        (&[], deep, 400, "request-not-well-formed"),
        (&[], wide, 400, "request-not-well-formed"),
        (
            &[],
            format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{}", good.split_once('\n').unwrap().1),
            400,
            "request-not-well-formed",
        ),
        (&[], good.replace("SMS_Site", "&xxe;"), 400, "request-not-well-formed"),
        (&[], "<CIM/>".to_owned(), 400, "request-not-valid"),
        (&[], good.replace("<CIM ", "<CIM xmlns=\"http://www.dmtf.org\" "), 400, "request-not-valid"),
        (&[], good.replace("CIMVERSION=\"2.0\"", "CIMVERSION=\"3.0\""), 501, "unsupported-cim-version"),
        (&[], good.replace("SIMPLEREQ", "MULTIREQ"), 501, "multiple-requests-unsupported"),
        (&[("cimmethod", "GetInstance")], good.clone(), 400, "header-mismatch"),
        (&[("cimobject", "root/other")], good.clone(), 400, "header-mismatch"),
        (&[("cimoperation", "Other")], good.clone(), 501, "unsupported-operation"),
        (&[("content-type", "text/plain")], good.clone(), 415, ""),
        (
            &[("content-type", "application/xml; charset=ebcdic")],
            good.clone(),
            400,
            "request-not-well-formed",
        ),
        (&[("sec-fetch-site", "cross-site")], good.clone(), 403, ""),
        (&[("origin", "https://evil.example.test")], good.clone(), 403, ""),
    ] {
        let answer = service.post("admin", headers, body).await;
        assert_eq!(
            (answer.status, answer.header("cimerror")),
            (status, token),
            "{headers:?} {}",
            answer.body
        );
    }
    let bytes = service.post("admin", &[], b"<CIM>\xff</CIM>".to_vec()).await;
    assert_eq!((bytes.status, bytes.header("cimerror")), (400, "request-not-well-formed"));
    let units: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    service.post("admin", &[("content-type", "application/xml; charset=utf-16")], units).await.good();
}

#[tokio::test]
pub(crate) async fn other_methods_and_paths_are_refused() {
    let service = Service::start().await;
    for (method, path, status) in [
        ("GET", "/cimom", 405),
        ("PUT", "/cimom", 405),
        ("OPTIONS", "/cimom", 405),
        ("M-POST", "/cimom", 501),
        ("M-POST", "/", 501),
        ("POST", "/other", 404),
    ] {
        let answer = service.request("admin", method, path, &[], Vec::new()).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), if status == 405 { "POST" } else { "" }, "{method} {path}");
    }
    let body = intrinsic(SITE, "EnumerateInstanceNames", &class("SMS_Site"));
    service.request("admin", "POST", "/", &[], body.clone()).await.good();
    service.request("admin", "POST", PATH, &[], body.clone()).await.good();
    let nobody = service.request("", "POST", "/cimom", &[], body).await;
    assert_eq!(nobody.status, 401);
    let lines: Vec<_> =
        nobody.headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(lines.iter().any(|line| line.starts_with("Basic ")), "{lines:?}");
}

#[tokio::test]
pub(crate) async fn long_bodies_are_refused_whoever_sends_them() {
    let service = Service::start().await;
    let long = |bytes: usize| intrinsic(SITE, "ExecQuery", &text("Query", &"x".repeat(bytes)));
    assert_eq!(service.post("admin", &[], long(BODY_BYTES_MAX)).await.status, 413);
    assert_eq!(service.post("reader", &[], long(2 * 1024 * 1024)).await.status, 413);
    // As long as may be, and full of elements: bounded before anything is built of it.
    let brackets = "<a/>".repeat(BODY_BYTES_MAX / 4 - 1_000);
    let refused = service.post("admin", &[], format!("<CIM>{brackets}</CIM>")).await;
    assert_eq!((refused.status, refused.header("cimerror")), (400, "request-not-well-formed"));
    let signs = format!("<CIM>{}</CIM>", "=".repeat(BODY_BYTES_MAX - 100));
    assert_eq!(service.post("admin", &[], signs).await.status, 400);
}

#[tokio::test]
pub(crate) async fn wrong_content_is_an_error_of_the_operation() {
    let service = Service::start().await;
    let holder = |text: &str| {
        let array = format!(
            "<PROPERTY.ARRAY NAME=\"RefreshSchedule\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE.ARRAY><VALUE>{}</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>",
            escaped(text)
        );
        format!("<INSTANCE CLASSNAME=\"SMS_DriverPackage\">{array}</INSTANCE>")
    };
    let bomb = (0..12).fold("<INSTANCE CLASSNAME=\"X\"/>".to_owned(), |inner, _| {
        format!("<INSTANCE CLASSNAME=\"X\"><PROPERTY NAME=\"p\" TYPE=\"string\" EmbeddedObject=\"object\"><VALUE>{}</VALUE></PROPERTY></INSTANCE>", escaped(&inner))
    });
    for (instance, expect) in [
        (holder("<INSTANCE"), 4),
        (holder("<!DOCTYPE a><INSTANCE CLASSNAME=\"X\"/>"), 4),
        (holder("plain text"), 4),
        (holder(&bomb), 4),
        (holder("<INSTANCE CLASSNAME=\"SMS_Nothing\"/>"), 4),
        (instance("SMS_DriverPackage", &[("Name", "a"), ("name", "b")]), 4),
        (instance("SMS_Nothing", &[]), 5),
        ("<INSTANCE/>".to_owned(), 4),
        ("<VALUE>x</VALUE>".to_owned(), 4),
        ("<INSTANCE CLASSNAME=\"SMS_DriverPackage\"><PROPERTY NAME=\"Priority\" TYPE=\"uint32\"><VALUE>1e3</VALUE></PROPERTY></INSTANCE>".to_owned(), 4),
    ] {
        let answer = service.call("CreateInstance", &parameter("NewInstance", &instance)).await;
        assert_eq!(answer.code(), expect, "{instance:.200}: {}", answer.body);
    }
    let twice = class("SMS_Site").repeat(2);
    assert_eq!(service.call("EnumerateInstances", &twice).await.code(), 4);
    assert_eq!(service.call("EnumerateInstances", "<PARAMVALUE NAME=\"ClassName\"/>").await.code(), 4);
    let given = "<PARAMVALUE NAME=\"a\"/>".repeat(2);
    assert_eq!(
        service.post("admin", &[], extrinsic(&package(PACKAGE), "RefreshPkgSource", &given)).await.code(),
        4
    );
    assert_eq!(
        service.call("EnumerateInstances", &class("SMS_DriverPackage")).await.good().count("INSTANCE"),
        1
    );
}

/// A body that does not come is given up by the listener's clock; another connection is answered meanwhile.
#[tokio::test]
pub(crate) async fn slow_bodies_are_given_up_and_hold_nobody_up() {
    let clock = Stage::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    let mut slow = TcpStream::connect(service.at.addr).await.unwrap();
    let head = format!(
        "POST /cimom HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<CIM",
        Stage::basic("admin")
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    service.call("EnumerateInstanceNames", &class("SMS_Site")).await.good();
    let mut answer = Vec::new();
    let reading = slow.read_to_end(&mut answer);
    tokio::pin!(reading);
    // The request is read while the clock stands; the time that it may take comes from the listener's limits.
    loop {
        tokio::select! {
            biased;
            _ = &mut reading => break,
            () = tokio::task::yield_now() => clock.advance(Duration::from_secs(1)),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    service.call("EnumerateInstanceNames", &class("SMS_Site")).await.good();
}
