//! Requests one by one, as bytes: waits, ranges, facts, and everything that somebody may try.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use agent::{DesiredReply, ErrorReply, Event, Fact, Facts};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use content::{ObjectKey, PackId};
use http_body_util::BodyExt;
use net::{Peer, Shutdown};
use serde_json::json;
use tower::ServiceExt;

mod rig;

use rig::{Agent, Rig, Transport, not_hanging, refused, until};

const DP: &str = "dp1.example.test";

/// One request straight into the router, from `addr`, and its answer.
async fn ask(rig: &Rig, addr: &str, request: Request) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = request;
    let peer =
        Peer { addr: addr.parse().unwrap(), secure: false, certificate: None, server_certificate: None };
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(Shutdown::new(rig.stop.clone()));
    let (parts, body) = rig.service.router().oneshot(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

fn get(path: &str, agent: &Agent, headers: &[(header::HeaderName, &str)]) -> Request {
    let mut request = Request::builder().uri(path);
    request = request.header(header::AUTHORIZATION, format!("Bearer {}", agent.reply.secret));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn code(body: &Bytes) -> String {
    let reply = serde_json::from_slice::<ErrorReply>(body);
    reply.map_or_else(|_| format!("no ErrorReply: {body:?}"), |reply| reply.code)
}

#[tokio::test]
async fn content_answers_ranges_tags_and_head() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol(DP).await;
    // Several pieces long, and each byte says where it belongs.
    let whole: Vec<u8> = (0..700_001_u32).map(|at| (at % 251) as u8).collect();
    let id = PackId::of(&whole);
    let library = rig.site.library().await.unwrap();
    library.store().put_bytes(ObjectKey::Pack(id), &whole).unwrap();
    let (path, etag, bytes) = (format!("/content/v1/packs/{id}"), format!("\"{id}\""), whole.len());

    let seams = format!("bytes=262143-{}", bytes - 2);
    for (headers, status, part) in [
        (vec![], 200, Some(0..bytes)),
        (vec![(header::RANGE, "bytes=0-9")], 206, Some(0..10)),
        (vec![(header::RANGE, seams.as_str())], 206, Some(262_143..bytes - 1)),
        (vec![(header::RANGE, "bytes=-5")], 206, Some(bytes - 5..bytes)),
        (vec![(header::RANGE, "bytes=0-9"), (header::IF_RANGE, etag.as_str())], 206, Some(0..10)),
        (vec![(header::RANGE, "bytes=0-9"), (header::IF_RANGE, "\"other\"")], 200, Some(0..bytes)),
        (vec![(header::RANGE, "bytes=999999999-")], 416, None),
        (vec![(header::RANGE, "bytes=0-1,5-6")], 400, None),
        (vec![(header::IF_NONE_MATCH, etag.as_str())], 304, None),
        (vec![(header::IF_NONE_MATCH, "\"other\"")], 200, Some(0..bytes)),
    ] {
        let (found, answer, body) = ask(&rig, "127.0.0.1:1", get(&path, &agent, &headers)).await;
        assert_eq!(found.as_u16(), status, "{headers:?}");
        if let Some(part) = part {
            assert!(body == whole[part.clone()], "{headers:?}");
            assert_eq!(answer[header::CONTENT_LENGTH], part.len().to_string());
            assert_eq!(answer[header::ETAG], etag);
            assert_eq!(answer[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(answer[header::ACCEPT_RANGES], "bytes");
            let range = format!("bytes {}-{}/{bytes}", part.start, part.end - 1);
            let expect = (status == 206).then_some(range);
            assert_eq!(answer.get(header::CONTENT_RANGE).map(|v| v.to_str().unwrap().to_owned()), expect);
        }
        if status == 416 {
            assert_eq!(answer[header::CONTENT_RANGE], format!("bytes */{bytes}"));
        }
    }

    let served = rig.stats.dp_content_bytes();
    let mut head = get(&path, &agent, &[]);
    *head.method_mut() = Method::HEAD;
    let (status, answer, body) = ask(&rig, "127.0.0.1:1", head).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(answer[header::CONTENT_LENGTH], bytes.to_string());
    assert_eq!(rig.stats.dp_content_bytes(), served, "nothing is read for a HEAD");
}

#[tokio::test]
async fn tricks_in_a_path_reach_nothing() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol(DP).await;
    let package_id = rig.package(DP).await;
    let (manifest, ..) = agent.until_version(0, 1).await;
    let upper = manifest.to_uppercase();
    let none = "0".repeat(64);
    for (path, status, expect) in [
        (format!("/content/v1/packs/{none}"), 404, "object_not_found"),
        (format!("/content/v1/packs/{manifest}"), 404, "object_not_found"),
        (format!("/content/v1/manifests/{upper}"), 400, "bad_object_id"),
        (format!("/content/v1/manifests/{}", &manifest[1..]), 400, "bad_object_id"),
        (format!("/content/v1/manifests/{manifest}0"), 400, "bad_object_id"),
        (format!("/content/v1/manifests/{manifest}%00"), 400, "bad_object_id"),
        ("/content/v1/packs/..%2f..%2fsite.db".to_owned(), 400, "bad_object_id"),
        ("/content/v1/packs/%2e%2e%2fsite.db".to_owned(), 400, "bad_object_id"),
        ("/content/v1/packs/..%5csite.db".to_owned(), 400, "bad_object_id"),
        ("/content/v1/packs/%ff".to_owned(), 400, "bad_object_id"),
        (format!("/content/v1/packs/{}", "a".repeat(5000)), 400, "bad_object_id"),
        ("/content/v1/packs/../../site.db".to_owned(), 404, "no_such_route"),
        ("/content/v1/packs//etc/passwd".to_owned(), 404, "no_such_route"),
        ("/content/v1/packs".to_owned(), 404, "no_such_route"),
        ("/content/v1/".to_owned(), 404, "no_such_route"),
        ("/agent/v1/nothing".to_owned(), 404, "no_such_route"),
        ("/agent/v1/packages/..%2f..%2f/versions/1/route".to_owned(), 400, "bad_package_id"),
        ("/agent/v1/packages/PS1%00001/versions/1/route".to_owned(), 400, "bad_package_id"),
        (format!("/agent/v1/packages/{package_id}/versions/0/route"), 400, "bad_version"),
        (format!("/agent/v1/packages/{package_id}/versions/-1/route"), 400, "bad_version"),
        (format!("/agent/v1/packages/{package_id}/versions/99/route"), 404, "version_not_found"),
        ("/agent/v1/packages/PS1FFFFF/versions/1/route".to_owned(), 404, "package_not_assigned"),
        ("/agent/v1/desired?after=x".to_owned(), 400, "bad_request"),
        ("/agent/v1/desired?wait=-1".to_owned(), 400, "bad_request"),
    ] {
        let (found, _, body) = ask(&rig, "127.0.0.1:1", get(&path, &agent, &[])).await;
        assert_eq!((found.as_u16(), code(&body).as_str()), (status, expect), "{path}");
    }
    assert_eq!(agent.route(&package_id.to_lowercase(), 1).await.package_id, package_id);
}

#[tokio::test]
async fn methods_and_strangers_are_answered_in_the_protocols_form() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol(DP).await;
    let object = format!("/content/v1/packs/{}", "0".repeat(64));
    for (method, path) in [
        (Method::DELETE, object.as_str()),
        (Method::PUT, object.as_str()),
        (Method::GET, "/agent/v1/enrol"),
        (Method::POST, "/agent/v1/desired"),
    ] {
        let mut request = get(path, &agent, &[]);
        *request.method_mut() = method.clone();
        let (status, _, body) = ask(&rig, "127.0.0.1:1", request).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (405, "method_not_allowed"), "{method} {path}");
    }
    for path in ["/agent/v1/desired", object.as_str()] {
        let (status, _, body) = ask(&rig, "192.0.2.1:1", get(path, &agent, &[])).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (403, "plain_not_loopback"), "{path}");
        let stranger = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (status, headers, body) = ask(&rig, "[::1]:1", stranger).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (401, "secret_required"), "{path}");
        assert!(headers.contains_key(header::WWW_AUTHENTICATE));
    }
    let mut enrol = get("/agent/v1/enrol", &agent, &[]);
    *enrol.method_mut() = Method::POST;
    let (status, _, body) = ask(&rig, "192.0.2.1:1", enrol).await;
    assert_eq!((status.as_u16(), code(&body).as_str()), (403, "plain_not_loopback"), "no token in the clear");
}

#[tokio::test]
async fn facts_are_taken_whole_or_refused() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol(DP).await;
    let post = async |body: &serde_json::Value| agent.client.post("/agent/v1/facts", body).await;
    let fact = |package_id: &str| Fact {
        package_id: package_id.to_owned(),
        generation: 1,
        at: "2026-11-22T16:05:00Z".to_owned(),
        serial: None,
        event: Event::Started { version: 1, attempt: 1 },
    };
    let facts = |count: usize, package_id: &str| json!(Facts { facts: vec![fact(package_id); count] });

    post(&facts(0, "PS100001")).await.unwrap();
    post(&facts(256, "PS1FFFFF")).await.unwrap();
    assert_eq!(rig.stats.facts(), 256, "facts about what is no longer assigned are taken and pass");
    let mut newer = facts(1, "PS1FFFFF");
    newer["facts"][0]["event"]["mood"] = json!("good");
    post(&newer).await.unwrap();

    let mut unknown = facts(1, "PS100001");
    unknown["facts"][0]["event"]["event"] = json!("vanished");
    let huge = json!({ "facts": [], "padding": "x".repeat(1024 * 1024) });
    for (body, status, expect) in [
        (facts(257, "PS100001"), 413, "too_many_facts"),
        (facts(1, "../../x"), 400, "bad_package_id"),
        (unknown, 400, "bad_request"),
        (json!({}), 400, "bad_request"),
        (huge, 413, "body_too_large"),
    ] {
        assert_eq!(refused(post(&body).await), (status, expect.to_owned()));
    }
    assert_eq!(rig.stats.facts(), 257, "a refused report leaves nothing behind");
}

#[tokio::test]
async fn a_wait_ends_when_its_agent_goes_away() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol(DP).await;
    let wait = || {
        let client = agent.client.clone();
        tokio::spawn(
            async move { client.get_json::<DesiredReply>("/agent/v1/desired?after=0&wait=60").await },
        )
    };
    let waiting = [wait(), wait()];
    until(|| rig.stats.waits() == 2).await;
    assert_eq!(refused(agent.desired(0, 60).await), (429, "too_many_waits".to_owned()));
    assert!(agent.desired(0, 0).await.unwrap().packages.is_empty(), "to ask without waiting is free");
    for request in &waiting {
        request.abort();
    }
    until(|| rig.stats.waits_abandoned() == 2).await;

    let last = wait();
    until(|| rig.stats.waits() == 3).await;
    rig.stop.cancel();
    let reply = not_hanging(last).await.unwrap().unwrap();
    assert!(reply.packages.is_empty(), "a stop ends the wait with an answer");
    assert_eq!(rig.stats.waits_abandoned(), 2);
    assert_eq!(rig.stopped().await.cut, 0);
}

#[tokio::test]
async fn a_wait_that_hears_nothing_ends_with_the_same_revision() {
    let clock = clock::ManualClock::new(clock::Clock::now(&clock::SystemClock));
    let rig = Rig::start_at(Transport::Plain, std::sync::Arc::clone(&clock) as _).await;
    let agent = rig.enrol(DP).await;
    let asked = agent.desired(0, 3600);
    let move_clock = async {
        until(|| rig.stats.waits() == 1).await;
        for _ in 0..61 {
            clock.advance(std::time::Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let (reply, ()) = not_hanging(async { tokio::join!(asked, move_clock) }).await;
    assert_eq!(reply.unwrap(), DesiredReply::default());
    assert_eq!(rig.stats.waits_abandoned(), 0);
}
