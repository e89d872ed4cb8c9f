//! A listener on a free port under a clock that the test moves, and raw sockets to misbehave with.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::{Clock, ManualClock, SystemClock};
use net::{Client, ClientOptions, Drained, Limits, Listener, ListenerOptions, ListenerStats, ServerTls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A test that hangs is a failure, not a wait.
const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) addr: SocketAddr,
    pub(crate) url: String,
    pub(crate) stats: Arc<ListenerStats>,
    pub(crate) stop: CancellationToken,
    served: JoinHandle<Drained>,
}

impl Rig {
    pub(crate) async fn start(router: Router, change: impl FnOnce(&mut Limits)) -> Self {
        Self::start_with(manual_clock(), None, router, change).await
    }

    pub(crate) async fn start_with(
        clock: Arc<ManualClock>,
        tls: Option<ServerTls>,
        router: Router,
        change: impl FnOnce(&mut Limits),
    ) -> Self {
        // Pings would be overtaken by a clock that is moved faster than the network.
        let mut limits = Limits { ping_interval: Duration::from_secs(1 << 30), ..Limits::default() };
        change(&mut limits);
        let options = ListenerOptions { addr: "127.0.0.1:0".parse().unwrap(), tls, limits };
        let listener = Listener::bind(options, Arc::clone(&clock) as _).await.unwrap();
        let (addr, url, stats) = (listener.local_addr(), listener.url(), listener.stats());
        assert_ne!(addr.port(), 0);
        let stop = CancellationToken::new();
        let served = tokio::spawn(listener.serve(router, stop.clone()));
        Self { clock, addr, url, stats, stop, served }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(ClientOptions::new(self.url.parse().unwrap())).unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends `bytes` on a new connection.
    pub(crate) async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Moves the clock until `future` ends; returns what it gave and how much time passed.
    pub(crate) async fn while_time_passes<T>(&self, future: impl Future<Output = T>) -> (T, Duration) {
        let before = self.clock.monotonic();
        let mut future = pin!(future);
        let moved = async {
            loop {
                tokio::select! {
                    biased;
                    value = &mut future => return value,
                    () = tokio::task::yield_now() => self.clock.advance(Duration::from_millis(50)),
                }
            }
        };
        let value = not_hanging(moved).await;
        (value, self.clock.monotonic() - before)
    }

    /// Waits until the listener has counted what the test expects, with the clock standing still.
    pub(crate) async fn until(&self, condition: impl Fn(&ListenerStats) -> bool) {
        not_hanging(async {
            while !condition(&self.stats) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Stops the listener and waits for its end.
    pub(crate) async fn stopped(self) -> Drained {
        self.stop.cancel();
        not_hanging(self.served).await.unwrap()
    }
}

pub(crate) fn manual_clock() -> Arc<ManualClock> {
    ManualClock::new(SystemClock.now())
}

pub(crate) async fn not_hanging<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

/// Everything that comes until the other end closes or resets the connection.
pub(crate) async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).await {
            Ok(0) | Err(_) => return all,
            Ok(count) => all.extend_from_slice(&buf[..count]),
        }
    }
}

/// Reads one HTTP/1.1 answer with a body of known length and returns its head.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut byte = [0; 1];
    while !all.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        all.push(byte[0]);
    }
    let head = String::from_utf8(all).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head
}
