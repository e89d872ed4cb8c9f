//! No file descriptor left: the listener waits instead of spinning, and goes on when one is free.
//! Alone in its file, because the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;

mod rig;

use rig::{Rig, not_hanging, read_answer};

#[tokio::test]
async fn a_full_table_of_descriptors_is_waited_out() {
    let rig = Rig::start(Router::new().route("/", get(|| async { "hello" })), |_| ()).await;
    let mut stream = tokio::net::TcpStream::from_std({
        let stream = std::net::TcpStream::connect(rig.addr).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    })
    .unwrap();
    // The connection waits in the system's queue: nothing was awaited yet, so nothing was accepted.
    assert_eq!(rig.stats.accepted(), 0);
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    rig.until(|stats| stats.accept_errors() == 1).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.stats.accept_errors(), 1, "one try, then a pause");
    rig.clock.advance(Duration::from_secs(1));
    rig.until(|stats| stats.accept_errors() == 2).await;
    setrlimit(Resource::Nofile, before).unwrap();
    rig.clock.advance(Duration::from_secs(1));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(not_hanging(read_answer(&mut stream)).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rig.stats.accepted(), 1);
}
