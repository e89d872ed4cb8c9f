//! Long lists: in pieces, in little memory, whole or broken off.

use std::net::SocketAddr;
use std::time::Duration;

use adminservice::router;
use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use clock::{ManualClock, SharedClock};
use futures_util::StreamExt;
use http::Request;
use http::header::AUTHORIZATION;
use net::Peer;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::harness::{HOST, Service};

/// Far more than is read ahead of a reader and what sockets hold.
const ROWS: usize = 30_000;
/// Rows where the reader takes all of them.
const SOME_ROWS: usize = 3_000;
/// What a piece may be, in bytes: 64 KiB and an instance.
const PIECE_BYTES_MAX: usize = 66 * 1024;
const LIST: &str = "/AdminService/wmi/SMS_StatMsg";

/// A service whose status messages are these many, and its clock.
async fn filled(rows: usize) -> (Service, std::sync::Arc<ManualClock>) {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    service.fill_status_messages(rows).await;
    (service, clock)
}

/// Calls the service without a connection, so that nothing is buffered that the service does not buffer itself.
async fn call(service: &Service, clock: &SharedClock, method: &str, target: &str) -> Response {
    let credentials = Service::credentials("admin");
    let (_, credentials) = credentials.trim_end().split_once(": ").unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("Host", HOST)
        .header(AUTHORIZATION, credentials)
        .body(Body::empty())
        .unwrap();
    let addr: SocketAddr = "127.0.0.1:1".parse().unwrap();
    request.extensions_mut().insert(Peer {
        addr,
        secure: false,
        certificate: None,
        server_certificate: None,
    });
    let router = router(service.provider.clone(), service.sign_in.clone(), clock.clone());
    router.oneshot(request).await.unwrap()
}

async fn pieces(service: &Service, clock: &SharedClock, target: &str) -> BodyDataStream {
    let response = call(service, clock, "GET", target).await;
    assert_eq!(response.status(), 200);
    response.into_body().into_data_stream()
}

async fn waiting(service: &Service, wanted: usize) {
    while service.site.streams_waiting() != wanted {
        tokio::task::yield_now().await;
    }
}

/// Everything that still comes, the sizes of its pieces, and whether it came to an end.
async fn rest(mut pieces: BodyDataStream) -> (String, Vec<usize>, bool) {
    let (mut text, mut sizes) = (String::new(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return (text, sizes, false) };
        sizes.push(piece.len());
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    (text, sizes, true)
}

#[tokio::test]
pub(crate) async fn every_piece_of_a_list_is_small_and_all_of_them_are_the_list() {
    let (service, clock) = filled(SOME_ROWS).await;
    let clock: SharedClock = clock;
    let (text, sizes, ended) = rest(pieces(&service, &clock, LIST).await).await;
    assert!(ended);
    let list: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(list["value"].as_array().unwrap().len(), SOME_ROWS);
    assert!(sizes.len() > 10, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= PIECE_BYTES_MAX), "{sizes:?}");
}

#[tokio::test]
pub(crate) async fn a_list_that_nobody_reads_is_not_read_on() {
    let (service, clock) = filled(ROWS).await;
    let shared: SharedClock = clock.clone();
    let list = pieces(&service, &shared, LIST).await;
    waiting(&service, 1).await;
    // It may wait for its reader already or be about to read one batch more, and only from then on does time count. Once
    // the reader's time is up, what comes is all that was ever in memory.
    while service.site.streams_waiting() > 0 {
        clock.advance(Duration::from_secs(1));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    let (text, sizes, ended) = rest(list).await;
    assert!(!ended, "a list that was cut is not ended");
    assert!(serde_json::from_str::<Json>(&text).is_err());
    let rows = text.matches("\"@odata.etag\"").count();
    assert!((1..1_000).contains(&rows), "{rows} of {ROWS} rows, {} bytes", text.len());
    assert!(sizes.iter().all(|size| *size <= PIECE_BYTES_MAX), "{sizes:?}");
}

#[tokio::test]
pub(crate) async fn a_row_that_cannot_be_read_breaks_the_list_off() {
    // Of a class whose rows are instances, and of one whose instances are completed as they pass.
    for list in [LIST, "/AdminService/wmi/Haulier_StatusMessage"] {
        let (service, _) = filled(SOME_ROWS).await;
        // No time is so far away.
        let spoil = |id: usize| format!("UPDATE status_message SET at = 9223372036854775807 WHERE id = {id}");
        service.write_beside(&spoil(SOME_ROWS - 10)).await;
        let answer = service.get(&format!("{list}?$orderby=RecordID")).await;
        assert_eq!(answer.status, 200, "it began well");
        assert!(answer.head.contains("transfer-encoding: chunked"), "{}", answer.head);
        assert!(answer.body.len() > SOME_ROWS / 2 * 500, "{} bytes", answer.body.len());
        assert!(!answer.body.ends_with("\r\n0\r\n\r\n"), "the connection says that the list ended");
        assert!(!answer.body.contains("]}\r\n"), "the list is closed");
        let client = reqwest::Client::new();
        let url = format!("http://{}{list}?$orderby=RecordID", service.at.addr);
        let broken =
            client.get(url).basic_auth("admin", Some(crate::harness::PASSWORD)).send().await.unwrap();
        assert!(broken.text().await.is_err(), "a client takes half of a list for a whole one");
        // In the first piece there is still time to say so.
        service.write_beside(&spoil(1)).await;
        assert_eq!(service.get(&format!("{list}?$orderby=RecordID")).await.status, 500);
        waiting(&service, 0).await;
    }
}

#[tokio::test]
pub(crate) async fn a_client_that_leaves_frees_its_place() {
    let (service, _) = filled(ROWS).await;
    let mut clients = Vec::new();
    for number in 1..=2 {
        let mut client = TcpStream::connect(service.at.addr).await.unwrap();
        let credentials = Service::credentials("admin");
        let request = format!("GET {LIST} HTTP/1.1\r\nHost: {HOST}\r\n{credentials}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client.read_exact(&mut [0; 64]).await.unwrap();
        clients.push(client);
        waiting(&service, number).await;
    }
    for left in [1, 0] {
        drop(clients.pop());
        waiting(&service, left).await;
    }
}

#[tokio::test]
pub(crate) async fn heads_and_counts_read_no_rows() {
    let (service, clock) = filled(SOME_ROWS).await;
    let clock: SharedClock = clock;
    // Whoever reads a row fails.
    service.write_beside("UPDATE status_message SET at = 9223372036854775807").await;
    assert_eq!(call(&service, &clock, "GET", LIST).await.status(), 500);
    for (method, target, says) in [
        ("HEAD", LIST.to_owned(), String::new()),
        ("HEAD", format!("{LIST}?$filter=RecordID+gt+5&$top=9"), String::new()),
        ("HEAD", format!("{LIST}/$count"), String::new()),
        ("GET", format!("{LIST}/$count"), SOME_ROWS.to_string()),
    ] {
        let response = call(&service, &clock, method, &target).await;
        assert_eq!(response.status(), 200, "{method} {target}");
        let has_length = response.headers().contains_key("content-length");
        assert!(
            target.ends_with("$count") || !has_length,
            "{target}: the length of a list that was not read: {:?}",
            response.headers()
        );
        let (text, _, ended) = rest(response.into_body().into_data_stream()).await;
        assert_eq!((text, ended), (says, true), "{method} {target}");
    }
    assert_eq!(service.site.streams_waiting(), 0);
    // What is wrong with a question, HEAD says as GET does.
    for target in ["/AdminService/wmi/Nothing".to_owned(), format!("{LIST}?$filter=Nothing+eq+1")] {
        let (get, head) =
            (call(&service, &clock, "GET", &target).await, call(&service, &clock, "HEAD", &target).await);
        assert_eq!(get.status(), head.status(), "{target}");
        assert!(!head.status().is_success(), "{target}");
    }
}
