//! One connection, from its first byte to its last.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::SharedClock;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, Cut};
use super::admission::Admitted;
use super::budget::Share;
use super::service::RequestService;
use super::socket::Socket;
use super::timer::ClockTimer;
use super::{Connection, Limits, ListenerStats, Peer, PeerCertificate, ServerTls, Shutdown};

/// The first byte of a TLS record that begins a handshake (RFC 8446, 5.1); no HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long an idle connection gets to say goodbye.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// What every connection of a listener shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) stats: Arc<ListenerStats>,
    pub(crate) http: Arc<auto::Builder<TokioExecutor>>,
    pub(crate) clock: SharedClock,
    pub(crate) shutdown: Shutdown,
}

impl Shared {
    /// Serves `stream` until it ends, outstays a limit or has drained.
    pub(crate) async fn connection(self, stream: TcpStream, addr: SocketAddr, admitted: Admitted) {
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!(peer = %addr, error = %e, "Cannot switch off Nagle's algorithm");
        }
        let tls = match self.tls.clone() {
            Some(tls) if tls.takes_plain() => match self.speaks_tls(&stream, addr).await {
                Some(speaks_tls) => speaks_tls.then_some(tls),
                None => return,
            },
            tls => tls,
        };
        let activity = Activity::new(SharedClock::clone(&self.clock));
        let socket = Socket::new(stream, Arc::clone(&self.stats), Arc::clone(&activity));
        match tls {
            None => {
                let peer = Peer { addr, secure: false, certificate: None, server_certificate: None };
                self.http(socket, peer, activity, admitted.bodies()).await;
            }
            Some(tls) => {
                let (acceptor, shown) = tls.acceptor();
                if let Some(stream) = self.handshake(&acceptor, socket, addr).await {
                    let (certificate, server_certificate) = (certificate(&stream), shown.der());
                    let peer = Peer { addr, secure: true, certificate, server_certificate };
                    self.http(stream, peer, activity, admitted.bodies()).await;
                }
            }
        }
        drop(admitted);
    }

    /// Whether the client begins with a TLS handshake; `None` if it says nothing in time.
    async fn speaks_tls(&self, stream: &TcpStream, addr: SocketAddr) -> Option<bool> {
        let mut first = [0];
        tokio::select! {
            peeked = stream.peek(&mut first) => match peeked {
                Ok(1) => Some(first == [TLS_HANDSHAKE]),
                _ => None,
            },
            () = self.clock.sleep(self.limits.header_time) => {
                self.stats.headers_timed_out.inc();
                tracing::debug!(peer = %addr, "The connection said nothing");
                None
            }
            () = self.shutdown.requested() => None,
        }
    }

    async fn handshake(
        &self,
        acceptor: &TlsAcceptor,
        socket: Socket,
        addr: SocketAddr,
    ) -> Option<Box<TlsStream<Socket>>> {
        let handshake = acceptor.accept(socket);
        tokio::select! {
            result = handshake => match result {
                // It is a kilobyte, and each of the futures that it passes through would keep room for it.
                Ok(stream) => Some(Box::new(stream)),
                Err(e) => {
                    self.stats.handshakes_failed.inc();
                    tracing::debug!(peer = %addr, error = %e, "The TLS handshake failed");
                    None
                }
            },
            () = self.clock.sleep(self.limits.handshake_time) => {
                self.stats.handshakes_timed_out.inc();
                tracing::debug!(peer = %addr, "The TLS handshake took too long");
                None
            }
            () = self.shutdown.requested() => None,
        }
    }

    async fn http<S>(self, stream: S, peer: Peer, activity: Arc<Activity>, bodies: Share)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let addr = peer.addr;
        let Self { router, limits, stats, http, clock, shutdown, .. } = self;
        let service = RequestService {
            router,
            peer,
            connection: Connection::new(),
            shutdown: shutdown.clone(),
            limits: Arc::clone(&limits),
            stats: Arc::clone(&stats),
            activity: Arc::clone(&activity),
            bodies,
            clock: SharedClock::clone(&clock),
        };
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut draining = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(e) = result {
                        ended(&stats, &activity, addr, e.as_ref());
                    }
                    return;
                }
                cut = activity.outstayed(&limits) => {
                    cut_off(&stats, addr, cut);
                    if cut == Cut::Idle {
                        // Says goodbye, so that a request that crosses on the way is sent again elsewhere.
                        connection.as_mut().graceful_shutdown();
                        tokio::select! { _ = connection => {}, () = clock.sleep(GOODBYE_TIME) => {} }
                    }
                    return;
                }
                () = shutdown.requested(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// hyper, set up with every limit that it knows.
pub(crate) fn http_builder(limits: &Limits, clock: SharedClock) -> auto::Builder<TokioExecutor> {
    const HTTP1_BUFFER_BYTES_MIN: usize = 8192;
    const SEND_BUFFER_BYTES: usize = 128 * 1024;
    let timer = ClockTimer::new(clock);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(timer.clone())
        .header_read_timeout(limits.header_time)
        .max_buf_size((limits.header_bytes as usize).max(HTTP1_BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(timer)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}

fn certificate(stream: &TlsStream<Socket>) -> Option<PeerCertificate> {
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().map(PeerCertificate::of)
}

fn ended(stats: &ListenerStats, activity: &Activity, addr: SocketAddr, error: &(dyn Error + 'static)) {
    if let Some(error) = error.downcast_ref::<hyper::Error>().filter(|error| error.is_timeout()) {
        // An unanswered ping has a cause. A header that did not come has none, and hyper counts the idle time
        // before a next header too.
        let counter = match error.source() {
            Some(_) => &stats.pings_unanswered,
            None if activity.any_request() => &stats.idle_closed,
            None => &stats.headers_timed_out,
        };
        counter.inc();
    }
    tracing::debug!(peer = %addr, error = %error, "The connection ended early");
}

fn cut_off(stats: &ListenerStats, addr: SocketAddr, cut: Cut) {
    let counter = match cut {
        Cut::NoRequest => &stats.headers_timed_out,
        Cut::Idle => &stats.idle_closed,
        Cut::Stalled => &stats.stalled,
    };
    counter.inc();
    tracing::debug!(peer = %addr, ?cut, "The connection was cut");
}
