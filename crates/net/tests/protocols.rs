//! HTTP/1.1 and HTTP/2, plain and TLS, through one listener; who is calling; panics.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::get;
use axum::{Extension, Json, Router};
use net::ca::{AgentKey, SiteCa};
use net::{Client, ClientOptions, Identity, Peer};
use serde_json::{Value, json};

mod rig;

use rig::{Rig, manual_clock, not_hanging, read_answer};

/// Tells the caller what the server knows about it.
async fn who(Extension(peer): Extension<Peer>, request: Request) -> Json<Value> {
    Json(json!({
        "version": format!("{:?}", request.version()),
        "secure": peer.secure,
        "loopback": peer.is_loopback(),
        "cn": peer.certificate.as_ref().map(|c| c.subject_cn.clone()),
        "fingerprint": peer.certificate.map(|c| c.fingerprint),
    }))
}

fn router() -> Router {
    Router::new().route("/who", get(who)).route("/panic", get(panic))
}

async fn panic() {
    panic!("as the test asked");
}

#[tokio::test]
async fn plain_http1_and_http2_are_told_apart() {
    let rig = Rig::start(router(), |_| ()).await;
    assert!(rig.url.starts_with("http://127.0.0.1:"));
    let seen: Value = rig.client().get_json("/who").await.unwrap();
    assert_eq!(
        (&seen["version"], &seen["secure"], &seen["loopback"]),
        (&json!("HTTP/2.0"), &json!(false), &json!(true))
    );
    let mut stream = rig.send(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(not_hanging(read_answer(&mut stream)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_certificate_is_seen_by_the_handler_over_http2() {
    let dir = tempfile::tempdir().unwrap();
    let clock = manual_clock();
    let ca = SiteCa::create(dir.path(), "PS1", Arc::clone(&clock) as _).unwrap();
    let tls = ca.issue_server(&["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let rig = Rig::start_with(clock, Some(tls), router(), |_| ()).await;
    assert!(rig.url.starts_with("https://"));

    let mut options = ClientOptions::new(rig.url.parse().unwrap());
    options.authority_pem = Some(ca.certificate_pem().to_owned());
    let anonymous: Value = Client::new(options.clone()).unwrap().get_json("/who").await.unwrap();
    let expect =
        json!({ "version": "HTTP/2.0", "secure": true, "loopback": true, "cn": null, "fingerprint": null });
    assert_eq!(anonymous, expect);

    let key = AgentKey::generate().unwrap();
    let certificate_pem = ca.sign_agent(&key.csr_pem, "dp1.example.test").unwrap();
    let fingerprint = net::ca::fingerprint_of_pem(&certificate_pem).unwrap();
    options.identity = Some(Identity { certificate_pem, key_pem: key.key_pem });
    let known: Value = Client::new(options).unwrap().get_json("/who").await.unwrap();
    assert_eq!(known["cn"], "dp1.example.test");
    assert_eq!(known["fingerprint"], fingerprint.as_str());
    assert_eq!(known["version"], "HTTP/2.0");
}

/// Where connections are signed in, nobody is led to a protocol whose connections are not.
#[tokio::test]
async fn http2_is_not_offered_where_it_is_not_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = manual_clock();
    let ca = SiteCa::create(dir.path(), "PS1", Arc::clone(&clock) as _).unwrap();
    let tls = ca.issue_server(&["127.0.0.1".to_owned()]).unwrap().http1_only();
    let rig = Rig::start_with(clock, Some(tls), router(), |_| ()).await;
    let mut options = ClientOptions::new(rig.url.parse().unwrap());
    options.authority_pem = Some(ca.certificate_pem().to_owned());
    let seen: Value = Client::new(options).unwrap().get_json("/who").await.unwrap();
    assert_eq!((&seen["version"], &seen["secure"]), (&json!("HTTP/1.1"), &json!(true)));
}

#[tokio::test]
async fn a_panic_ends_its_request_and_nothing_else() {
    let rig = Rig::start(router(), |_| ()).await;
    let client = rig.client();
    let error = client.get_json::<Value>("/panic").await.unwrap_err();
    let refusal = error.refusal().expect("an answer");
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "internal"));
    assert!(!refusal.message.contains("as the test asked"), "the reason stays in the log");
    assert_eq!(rig.stats.panics(), 1);
    client.get_json::<Value>("/who").await.unwrap();
    assert_eq!(rig.stats.accepted(), 1, "even the connection lives on");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_its_name() {
    let rig = Rig::start(router(), |_| ()).await;
    let options = net::ListenerOptions { addr: rig.addr, tls: None, limits: net::Limits::default() };
    let error = net::Listener::bind(options, Arc::clone(&rig.clock) as _).await.unwrap_err();
    assert_eq!(error.code(), "bind_failed");
    assert!(error.to_string().contains(&rig.addr.to_string()), "{error}");
}
