//! Every limit of the listener fires, is counted, and hits only the connection that earned it.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mod rig;

use rig::{Rig, not_hanging, read_answer, read_to_close};

const HEADER_TIME: Duration = Duration::from_secs(5);

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(large))
        .route("/never", get(std::future::pending::<()>))
}

async fn large() -> Body {
    let chunks = std::iter::repeat_n(Bytes::from(vec![0; 64 * 1024]), 16);
    Body::from_stream(futures_util::stream::iter(chunks.map(Ok::<_, std::convert::Infallible>)))
}

/// The bytes of an HTTP/2 opening: preface, empty SETTINGS, and a HEADERS frame without END_HEADERS whose
/// continuation never comes. h2 has no timeout for this.
fn half_open_http2() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    bytes.extend([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]);
    bytes
}

/// The bytes of an HTTP/2 opening with one whole GET of `path` (HPACK: indexed GET and http, literal path).
fn http2_request(path: &str) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let headers = [&[0x82, 0x86, 0x04, path.len() as u8], path.as_bytes()].concat();
    bytes.extend([0, 0, headers.len() as u8, 1, 5, 0, 0, 0, 1]);
    bytes.extend(headers);
    bytes
}

/// Answers every HTTP/2 ping and nothing else, until the connection ends; how many it answered.
async fn answer_pings(stream: &mut TcpStream) -> usize {
    const PING: u8 = 6;
    let mut answered = 0;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let bytes = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; bytes];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        if head[3] == PING && head[4] == 0 {
            head[4] = 1;
            let _ = stream.write_all(&[head.as_slice(), &payload].concat()).await;
            answered += 1;
        }
    }
    answered
}

#[tokio::test]
async fn a_connection_without_a_whole_request_is_cut() {
    for (what, bytes) in [
        ("silence", Vec::new()),
        ("half a version", b"PRI * HT".to_vec()),
        ("half a header", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: 1".to_vec()),
        ("half an HTTP/2 header block", half_open_http2()),
    ] {
        let rig = Rig::start(router(), |limits| limits.header_time = HEADER_TIME).await;
        let mut stream = rig.send(&bytes).await;
        rig.until(|stats| stats.wire_bytes_in() == bytes.len() as u64 && stats.accepted() == 1).await;
        let (_, passed) = rig.while_time_passes(read_to_close(&mut stream)).await;
        assert!(passed >= HEADER_TIME, "{what}: cut after {passed:?}");
        rig.until(|stats| stats.headers_timed_out() == 1).await;
        assert_eq!(rig.stats.requests(), 0, "{what}");
    }
}

#[tokio::test]
async fn dribbling_header_bytes_do_not_buy_time() {
    let rig = Rig::start(router(), |limits| limits.header_time = HEADER_TIME).await;
    let stream = rig.send(b"GET / HTTP/1.1\r\n").await;
    let (mut read, mut write) = stream.into_split();
    let dribble = async {
        // Ends when the socket is closed; one byte comes each time the clock has moved.
        while write.write_all(b"a").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    rig.while_time_passes(async {
        tokio::select! { _ = read_to_close(&mut read) => {}, () = dribble => {} }
    })
    .await;
    rig.until(|stats| stats.headers_timed_out() == 1).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    // Whichever of the two is shorter ends an idle HTTP/1.1 connection.
    for (idle_time, header_time) in
        [(3, 30), (120, 5)].map(|(a, b)| (Duration::from_secs(a), Duration::from_secs(b)))
    {
        let rig = Rig::start(router(), |limits| {
            limits.idle_time = idle_time;
            limits.header_time = header_time;
        })
        .await;
        let mut stream = rig.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        let (rest, passed) = rig.while_time_passes(read_to_close(&mut stream)).await;
        assert!(rest.is_empty() && passed >= idle_time.min(header_time), "closed after {passed:?}");
        rig.until(|stats| stats.idle_closed() == 1).await;
        assert_eq!(rig.stats.headers_timed_out(), 0);
    }
}

#[tokio::test]
async fn a_request_that_does_not_move_is_cut_but_not_before_its_time() {
    let stall_time = Duration::from_secs(150);
    let rig = Rig::start(router(), |limits| limits.stall_time = stall_time).await;
    let mut stream = rig.send(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    rig.until(|stats| stats.requests() == 1).await;
    let (_, passed) = rig.while_time_passes(read_to_close(&mut stream)).await;
    assert!(passed >= stall_time, "cut after {passed:?}");
    assert_eq!((rig.stats.stalled(), rig.stats.idle_closed()), (1, 0));
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up() {
    let rig = Rig::start(router(), |limits| limits.body_time = Duration::from_secs(4)).await;
    let mut stream = rig.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc").await;
    rig.until(|stats| stats.requests() == 1).await;
    let (head, _) = rig.while_time_passes(read_answer(&mut stream)).await;
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    assert_eq!(rig.stats.bodies_timed_out(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let chunked = |bytes: usize| {
        let head = "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes))
    };
    let sized = |bytes: usize| {
        format!("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    for (listener_max, route_max, request, expect) in [
        (100, None, sized(100), "200"),
        (100, None, sized(101), "413"),
        (100, None, chunked(100), "200"),
        (100, None, chunked(101), "413"),
        (100, Some(10), sized(11), "413"),
        (100, Some(10), chunked(11), "413"),
        (100, Some(10), sized(10), "200"),
        (100, Some(1000), sized(101), "413"),
    ] {
        let router = match route_max {
            Some(bytes) => net::limit_body(router(), bytes),
            None => router(),
        };
        let rig = Rig::start(router, |limits| limits.body_bytes = listener_max).await;
        let mut stream = rig.send(request.as_bytes()).await;
        let head = not_hanging(read_answer(&mut stream)).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expect}")), "{listener_max} {route_max:?}: {head}");
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let rig = Rig::start(router(), |limits| limits.header_bytes = 8192).await;
    let mut stream =
        rig.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(20_000)).as_bytes()).await;
    let answer = not_hanging(read_to_close(&mut stream)).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(rig.stats.requests(), 0);
}

#[tokio::test]
async fn listeners_that_count_together_share_their_caps() {
    let limits = || net::Limits { connections_per_peer: 2, ..net::Limits::default() };
    let bind = async || {
        let options =
            net::ListenerOptions { addr: "127.0.0.1:0".parse().unwrap(), tls: None, limits: limits() };
        net::Listener::bind(options, rig::manual_clock() as _).await.unwrap()
    };
    let first = bind().await;
    let (second, alone) = (bind().await.together_with(&first), bind().await);
    let addrs = [first.local_addr(), second.local_addr(), alone.local_addr()];
    let stop = tokio_util::sync::CancellationToken::new();
    for listener in [first, second, alone] {
        tokio::spawn(listener.serve(router(), stop.clone()));
    }
    let ask = async |addr: std::net::SocketAddr| {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut byte = [0; 1];
        (matches!(not_hanging(stream.read(&mut byte)).await, Ok(1)), stream)
    };
    let (one, _held) = ask(addrs[0]).await;
    let (two, _held_too) = ask(addrs[1]).await;
    assert!(one && two);
    for addr in &addrs[..2] {
        assert!(!ask(*addr).await.0, "{addr}");
    }
    assert!(ask(addrs[2]).await.0, "one that counts alone");
    stop.cancel();
}

#[tokio::test]
async fn connections_are_capped_in_total_and_for_each_address() {
    type Count = fn(&net::ListenerStats) -> u64;
    for (total, per_peer, counter) in [
        (2, 100, net::ListenerStats::refused_total as Count),
        (100, 2, net::ListenerStats::refused_per_peer as Count),
    ] {
        let rig = Rig::start(router(), |limits| {
            limits.connections = total;
            limits.connections_per_peer = per_peer;
        })
        .await;
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut stream = rig.send(request).await;
            read_answer(&mut stream).await;
            kept.push(stream);
        }
        let mut third = rig.connect().await;
        assert!(not_hanging(read_to_close(&mut third)).await.is_empty(), "closed without an answer");
        assert_eq!(counter(&rig.stats), 1);
        // The connections that were admitted are not disturbed, and leaving makes room.
        kept[0].write_all(request).await.unwrap();
        read_answer(&mut kept[0]).await;
        drop(kept.pop());
        not_hanging(async {
            loop {
                let mut stream = rig.connect().await;
                let _ = stream.write_all(request).await;
                if stream.read(&mut [0; 16]).await.is_ok_and(|count| count > 0) {
                    break;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn one_connection_carries_only_so_many_streams() {
    let rig = Rig::start(router(), |limits| limits.streams = 2).await;
    let client = rig.client();
    let never = |client: net::Client| tokio::spawn(async move { client.get_object("/never", 10).await });
    let waiting = [never(client.clone()), never(client.clone()), never(client.clone())];
    rig.until(|stats| stats.requests() == 2).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.stats.requests(), 2, "the third request waits at the client");
    waiting[0].abort();
    rig.until(|stats| stats.requests() == 3).await;
}

#[tokio::test]
async fn an_http2_peer_that_does_not_answer_pings_is_cut() {
    let (interval, timeout) = (Duration::from_secs(20), Duration::from_secs(10));
    let rig = Rig::start(router(), |limits| {
        limits.ping_interval = interval;
        limits.ping_timeout = timeout;
    })
    .await;
    let mut stream = rig.send(&http2_request("/never")).await;
    rig.until(|stats| stats.requests() == 1).await;
    let (_, passed) = rig.while_time_passes(read_to_close(&mut stream)).await;
    assert!(passed >= interval + timeout, "cut after {passed:?}");
    rig.until(|stats| stats.pings_unanswered() == 1).await;
    assert_eq!((rig.stats.stalled(), rig.stats.headers_timed_out()), (0, 0));
}

#[tokio::test]
async fn answering_pings_is_not_taking_the_answer() {
    let stall_time = Duration::from_secs(150);
    let rig = Rig::start(router(), |limits| {
        limits.stall_time = stall_time;
        limits.ping_interval = Duration::from_secs(20);
        limits.ping_timeout = Duration::from_secs(1 << 30);
    })
    .await;
    // The window is the initial one, 64 KiB, and is never opened, so most of the megabyte stays behind.
    let mut stream = rig.send(&http2_request("/large")).await;
    rig.until(|stats| stats.wire_bytes_out() > 60_000).await;
    let (answered, passed) = rig.while_time_passes(answer_pings(&mut stream)).await;
    assert!(answered >= 1, "the peer was alive all the time");
    assert!(passed >= stall_time, "cut after {passed:?}");
    assert_eq!((rig.stats.stalled(), rig.stats.pings_unanswered()), (1, 0));
}
