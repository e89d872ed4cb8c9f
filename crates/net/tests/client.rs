//! The client against servers that answer wrongly: it gives exactly what was asked for, or an error.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use net::{Client, ClientOptions, NetError};
use serde_json::{Value, json};

mod rig;

use rig::Rig;

/// Answers `status` with `Content-Range: range` and `body`.
fn answer(status: u16, range: &'static str, body: &'static str) -> axum::routing::MethodRouter {
    get(move || async move {
        let mut response = Response::builder().status(status);
        if !range.is_empty() {
            response = response.header("content-range", range);
        }
        // A stream has no length, so a short body is a clean end for HTTP.
        let chunks = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        response.body(Body::from_stream(chunks)).unwrap()
    })
}

#[tokio::test]
async fn a_range_is_exact_or_an_error() {
    let cases: [(u16, &str, &str, Result<&str, &str>); 9] = [
        (206, "bytes 2-5/10", "cdef", Ok("cdef")),
        (200, "", "abcdefghij", Err("bad_answer")),
        (206, "", "cdef", Err("bad_answer")),
        (206, "bytes 2-6/10", "cdefg", Err("bad_answer")),
        (206, "bytes 0-3/10", "abcd", Err("bad_answer")),
        (206, "bytes 2-5/4", "cdef", Err("bad_answer")),
        (206, "bytes 2-5/10", "cde", Err("bad_answer")),
        (206, "bytes 2-5/10", "cdefg", Err("bad_answer")),
        (416, "bytes */3", "", Err("refused")),
    ];
    for (status, range, body, expect) in cases {
        let rig = Rig::start(Router::new().route("/o", answer(status, range, body)), |_| ()).await;
        let client = rig.client();
        let result = match client.get_range("/o", 2..6).await {
            Ok(stream) => stream.read_all().await,
            Err(e) => Err(e),
        };
        match (&result, expect) {
            (Ok(bytes), Ok(expect)) => assert_eq!(bytes, expect.as_bytes()),
            (Err(e), Err(code)) => assert_eq!(e.code(), code, "{e}"),
            _ => panic!("{status} {range} {body}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn received_bytes_are_counted_over_all_clones_and_answers() {
    let router = Router::new()
        .route("/o", answer(206, "bytes 2-5/10", "cdef"))
        .route("/json", get(|| async { Json(json!({})) }))
        .route("/gone", get(|| async { (StatusCode::NOT_FOUND, "12345") }));
    let rig = Rig::start(router, |_| ()).await;
    let client = rig.client();
    let clone = client.clone();
    let mut stream = clone.get_range("/o", 2..6).await.unwrap();
    assert_eq!(stream.object_bytes(), 10);
    while stream.next().await.unwrap().is_some() {}
    assert_eq!(client.received_bytes(), 4);
    clone.get_json::<Value>("/json").await.unwrap();
    assert_eq!(client.received_bytes(), 6);
    clone.get_json::<Value>("/gone").await.unwrap_err();
    assert_eq!(client.received_bytes(), 11);
    assert!(rig.stats.wire_bytes_out() > 11);
    assert!(client.get_range("/o", 6..6).await.is_err(), "an empty range is nobody's");
}

#[tokio::test]
async fn refusals_keep_their_code() {
    let router = Router::new()
        .route(
            "/ours",
            get(|| async { (StatusCode::FORBIDDEN, Json(json!({ "code": "token_used", "message": "m" }))) }),
        )
        .route("/other", get(|| async { (StatusCode::BAD_GATEWAY, "<html>") }))
        .route("/away", get(|| async { (StatusCode::FOUND, [("location", "/ours")], "") }))
        .route("/huge", get(|| async { vec![b' '; 9 * 1024 * 1024] }))
        .route("/text", get(|| async { "not json" }));
    let rig = Rig::start(router, |_| ()).await;
    let client = rig.client();
    for (path, code, refusal) in [
        ("/ours", "refused", Some((403, "token_used"))),
        ("/other", "refused", Some((502, "http_502"))),
        ("/away", "refused", Some((302, "http_302"))),
        ("/none", "refused", Some((404, "http_404"))),
        ("/huge", "bad_answer", None),
        ("/text", "bad_answer", None),
    ] {
        let error = client.get_json::<Value>(path).await.unwrap_err();
        assert_eq!(error.code(), code, "{path}");
        assert_eq!(error.refusal().map(|r| (r.status, r.code.as_str())), refusal, "{path}");
    }
}

#[tokio::test]
async fn a_secret_goes_where_it_may_and_nowhere_else() {
    let who = |headers: HeaderMap| async move { Json(json!(headers["authorization"].to_str().unwrap())) };
    let rig = Rig::start(Router::new().route("/", get(who)), |_| ()).await;
    let with_secret = |url: &str| {
        let mut options = ClientOptions::new(url.parse().unwrap());
        options.bearer = Some("secret-1".to_owned());
        Client::new(options)
    };
    let seen: Value = with_secret(&rig.url).unwrap().get_json("/").await.unwrap();
    assert_eq!(seen, "Bearer secret-1");
    let error = with_secret("http://ps1.example.test:8530").unwrap_err();
    assert!(matches!(error, NetError::PlainNotLoopback(_)), "{error}");
    assert_eq!(with_secret("https://ps1.example.test").unwrap_err().code(), "no_authority");
    assert!(!format!("{:?}", with_secret(&rig.url).unwrap()).contains("secret-1"));
}

#[tokio::test]
async fn a_server_that_says_nothing_or_is_not_there_is_unreachable() {
    let rig = Rig::start(Router::new().route("/", get(std::future::pending::<()>)), |_| ()).await;
    let mut options = ClientOptions::new(rig.url.parse().unwrap());
    options.read_timeout = Duration::from_millis(20);
    let error = Client::new(options.clone()).unwrap().get_json::<Value>("/").await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
    assert_eq!(rig.stats.requests(), 1, "the server had it");
    rig.stop.cancel();
    let url = rig.url.clone();
    drop(Arc::clone(&rig.stats));
    rig.clock.advance(Duration::from_secs(3600));
    rig.stopped().await;
    let error = Client::new(options).unwrap().get_json::<Value>("/").await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}
