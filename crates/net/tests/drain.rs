//! A stop: running requests finish, new connections are refused, what does not end is cut.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use net::{Drained, Shutdown};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

mod rig;

use rig::{Rig, not_hanging, read_answer, read_to_close};

fn router(release: Arc<Notify>) -> Router {
    Router::new()
        .route("/slow", get(move || async move { release.notified().await }))
        .route("/poll", get(|Extension(stop): Extension<Shutdown>| async move { stop.requested().await }))
        .route("/never", get(std::future::pending::<()>))
        .route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_running_request_finishes_and_new_connections_are_refused() {
    let release = Arc::new(Notify::new());
    let rig = Rig::start(router(Arc::clone(&release)), |_| ()).await;
    let client = rig.client();
    let http2 = tokio::spawn(async move { client.get_object("/slow", 10).await });
    rig.until(|stats| stats.requests() == 1).await;
    let mut http1 = rig.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    rig.until(|stats| stats.requests() == 2).await;
    let mut idle = rig.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_answer(&mut idle).await;

    rig.stop.cancel();
    // The idle connection closes at once, which also shows that the drain has begun.
    assert!(not_hanging(read_to_close(&mut idle)).await.is_empty());
    let addr = rig.addr;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
    release.notify_waiters();
    assert!(not_hanging(read_answer(&mut http1)).await.starts_with("HTTP/1.1 200"));
    not_hanging(http2).await.unwrap().unwrap();
    drop(http1);
    let Drained { finished, cut } = rig.stopped().await;
    assert_eq!(cut, 0);
    assert!(finished >= 1, "{finished}");
}

#[tokio::test]
async fn a_waiting_handler_is_told() {
    let rig = Rig::start(router(Arc::default()), |_| ()).await;
    let client = rig.client();
    let poll = tokio::spawn(async move { client.get_object("/poll", 10).await });
    rig.until(|stats| stats.requests() == 1).await;
    assert_eq!(rig.stopped().await.cut, 0, "with the clock standing still, so no limit helped");
    poll.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_outlives_the_drain_is_cut() {
    let drain_time = Duration::from_secs(7);
    let rig = Rig::start(router(Arc::default()), |limits| limits.drain_time = drain_time).await;
    let mut stream = rig.send(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    rig.until(|stats| stats.requests() == 1).await;
    rig.stop.cancel();
    let (_, passed) = rig.while_time_passes(read_to_close(&mut stream)).await;
    assert!(passed >= drain_time, "cut after {passed:?}");
    assert_eq!(rig.stats.drain_cut(), 1);
    assert_eq!(rig.stopped().await, Drained { finished: 0, cut: 1 });
}

#[tokio::test]
async fn a_request_that_comes_on_an_open_connection_during_the_drain_still_counts_as_running() {
    let release = Arc::new(Notify::new());
    let rig = Rig::start(router(Arc::clone(&release)), |_| ()).await;
    let mut stream = rig.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    rig.until(|stats| stats.requests() == 1).await;
    rig.stop.cancel();
    // Pipelined behind the running request: refused by closing, not answered with half a reply.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    release.notify_waiters();
    let all = not_hanging(read_to_close(&mut stream)).await;
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert_eq!(rig.stopped().await.cut, 0);
}
