//! The time and the size that a request allows, and bodies that do not come.

use std::sync::Arc;
use std::time::Duration;

use stage::{PACKAGE, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Ask, DMTF, SOAP_TYPE, Service};

#[tokio::test]
async fn an_answer_is_no_longer_than_its_client_takes() {
    let service = Service::start().await;
    let size =
        |bytes: usize| format!("<w:MaxEnvelopeSize s:mustUnderstand=\"true\">{bytes}</w:MaxEnvelopeSize>");
    let declaration = Ask::class("Get", "x")
        .uri("http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*")
        .key("ClassName", "SMS_DriverPackage");
    let whole = service.ask(&declaration).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let exact = service.ask(&declaration.clone().header(&size(whole.body.len()))).await;
    assert_eq!(exact.status, 200, "{exact:?}");
    let less = service.ask(&declaration.header(&size(whole.body.len() - 1))).await;
    assert_eq!(less.fault(), ("EncodingLimit".to_owned(), "MaxEnvelopeSizeExceeded".to_owned()));
    assert_eq!(less.code(), 2_150_858_824);
    let mut other = neighbor(&service).await;
    let too_small = service.ask(&Ask::package("Get").header(&size(8191))).await;
    assert_eq!(too_small.fault().1, "MinimumEnvelopeLimit");
    other.is_answered().await;
}

#[tokio::test]
async fn a_change_whose_answer_is_too_long_says_that_it_was_made() {
    let service = Service::start().await;
    // One element for each byte, as Windows writes bytes.
    let icon = "<p:Icon>137</p:Icon>".repeat(500);
    let body =
        format!("<p:SMS_DriverPackage xmlns:p=\"{DMTF}SMS_DriverPackage\">{icon}</p:SMS_DriverPackage>");
    let put = Ask::package("Put").body(&body).header("<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>");
    let answer = service.ask(&put).await;
    assert_eq!(answer.fault(), ("EncodingLimit".to_owned(), "UnreportableSuccess".to_owned()), "{answer:?}");
    let stored = service.ask(&Ask::package("Get")).await;
    assert_eq!(stored.texts("Icon").len(), 500, "{stored:?}");
}

/// No time at all: what is not answered at once is not waited for.
fn hasty(ask: &Ask) -> String {
    ask.envelope().replace("PT60.000S", "PT0S")
}

#[tokio::test]
async fn a_question_ends_with_its_time() {
    let service = Service::start().await;
    let answer = service.send("admin", &hasty(&Ask::package("Get"))).await;
    assert_eq!(answer.fault(), ("TimedOut".to_owned(), String::new()), "{answer:?}");
    assert_eq!(answer.code(), 2_150_858_793);
}

#[tokio::test]
async fn a_change_goes_on_when_its_time_is_over() {
    let service = Service::start().await;
    let answer = service.send("admin", &hasty(&Ask::package("Delete"))).await;
    assert_eq!(answer.fault().0, "TimedOut", "{answer:?}");
    assert!(answer.text("Text").unwrap().contains("goes on"), "{answer:?}");
    // Every question waits in the same line as the change.
    let mut status = 200;
    for _ in 0..1000 {
        status = service.ask(&Ask::package("Get")).await.status;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 500, "{PACKAGE} is still there");
}

/// Another client's connection, which has been used.
async fn neighbor(service: &Service) -> Neighbor {
    let mut neighbor = Neighbor(TcpStream::connect(service.at.addr).await.unwrap());
    neighbor.is_answered().await;
    neighbor
}

struct Neighbor(TcpStream);

impl Neighbor {
    /// Asks once more on the same connection.
    async fn is_answered(&mut self) {
        let envelope = Ask::package("Get").envelope();
        let head = format!(
            "POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: {SOAP_TYPE}\r\nContent-Length: {}\r\n\r\n",
            Stage::basic("reader"),
            envelope.len()
        );
        self.0.write_all(&[head.as_bytes(), envelope.as_bytes()].concat()).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"</s:Envelope>") {
            received.push(self.0.read_u8().await.unwrap());
        }
        assert!(received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&received));
    }
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for() {
    let clock = Stage::fixed_clock();
    let service = Service::start_at(Arc::clone(&clock) as clock::SharedClock).await;
    let mut stream = TcpStream::connect(service.at.addr).await.unwrap();
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: {SOAP_TYPE}\r\nContent-Length: 1000\r\n\r\n<s:Envelope",
        Stage::basic("admin")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let mut reading = tokio::spawn(async move {
        let _ = stream.read_to_end(&mut received).await;
        received
    });
    // Others are answered while it is waited for, and after it.
    let mut other = neighbor(&service).await;
    other.is_answered().await;
    // The listener's own limit for a whole body, told by its clock.
    let received = loop {
        clock.advance(Duration::from_secs(60));
        tokio::select! {
            received = &mut reading => break received.unwrap(),
            () = tokio::task::yield_now() => {}
        }
    };
    let text = String::from_utf8(received).unwrap();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    neighbor(&service).await;
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let service = Service::start().await;
    let mut stream = TcpStream::connect(service.at.addr).await.unwrap();
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: {SOAP_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n",
        Stage::basic("reader")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let (mut receiving, mut sending) = stream.into_split();
    let sender = tokio::spawn(async move { while sending.write_all(chunk.as_bytes()).await.is_ok() {} });
    let mut other = neighbor(&service).await;
    let mut received = vec![0; 12];
    receiving.read_exact(&mut received).await.unwrap();
    assert_eq!(received, b"HTTP/1.1 413");
    other.is_answered().await;
    drop(receiving);
    sender.abort();
    other.is_answered().await;
}
