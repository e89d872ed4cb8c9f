//! The listener: accepts connections, admits as many as it can bear, and drains them when told to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::SharedClock;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::NetError;

mod activity;
mod admission;
mod body;
mod budget;
mod connection;
mod limits;
mod peer;
mod service;
mod slots;
mod socket;
mod stats;
mod timer;
mod tls;

pub use body::{BodyFault, bodies_are_full, discard, read_body};
pub use limits::Limits;
pub use peer::{Peer, PeerCertificate, Shutdown};
pub use service::limit_body;
pub use slots::Connection;
pub use stats::ListenerStats;
pub use tls::ServerTls;

use admission::{Admission, Denied};
use connection::Shared;

/// The pause after a refused accept: long enough for a file descriptor to come free, and no longer.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// The address; port 0 picks a free port.
    pub addr: SocketAddr,
    /// TLS; without it the listener speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// What clients are granted.
    pub limits: Limits,
}

/// A bound listener. Connections wait in the system's queue until [`Listener::serve`] runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    tls: Option<ServerTls>,
    limits: Arc<Limits>,
    admission: Arc<Admission>,
    stats: Arc<ListenerStats>,
    clock: SharedClock,
}

/// How a listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open when the stop came and ended by themselves.
    pub finished: usize,
    /// Connections that were cut because they outlived [`Limits::drain_time`].
    pub cut: usize,
}

impl Listener {
    /// Binds the address. Must run inside a tokio runtime.
    pub async fn bind(options: ListenerOptions, clock: SharedClock) -> Result<Self, NetError> {
        let ListenerOptions { addr, tls, limits } = options;
        let bind = |source| NetError::Bind { addr, source };
        let socket = TcpListener::bind(addr).await.map_err(bind)?;
        let addr = socket.local_addr().map_err(bind)?;
        let (admission, limits) = (Admission::new(&limits), Arc::new(limits));
        Ok(Self { socket, addr, tls, limits, admission, stats: Arc::default(), clock })
    }

    /// The bound address, with the port that port 0 became.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same listener with TLS, for who learns its own certificate only after it is bound.
    #[must_use]
    pub fn with_tls(self, tls: ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same listener, whose connections and bodies count together with those of another one: who is limited on one is
    /// not given as much again on the next.
    #[must_use]
    pub fn together_with(self, other: &Self) -> Self {
        Self { admission: Arc::clone(&other.admission), ..self }
    }

    /// `http://` or `https://` and the bound address; `http://` where both are taken.
    #[must_use]
    pub fn url(&self) -> String {
        let only_tls = self.tls.as_ref().is_some_and(|tls| !tls.takes_plain());
        let scheme = if only_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// The counters; they live on while the listener serves.
    #[must_use]
    pub fn stats(&self) -> Arc<ListenerStats> {
        Arc::clone(&self.stats)
    }

    /// Serves `router` until `stop` fires, then refuses new connections, lets running requests finish for at
    /// most [`Limits::drain_time`], and cuts the rest.
    pub async fn serve(self, router: Router, stop: CancellationToken) -> Drained {
        let Self { socket, tls, limits, admission, stats, clock, .. } = self;
        let shared = Shared {
            router,
            tls,
            http: Arc::new(connection::http_builder(&limits, SharedClock::clone(&clock))),
            limits,
            stats,
            clock,
            shutdown: Shutdown::new(stop.clone()),
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, addr)) => admit(&shared, &admission, &mut connections, stream, addr),
                    Err(e) => pause(&shared, &e, &stop).await,
                },
            }
        }
        drop(socket);
        drain(&shared, connections).await
    }
}

fn admit(
    shared: &Shared,
    admission: &Arc<Admission>,
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    addr: SocketAddr,
) {
    shared.stats.accepted.inc();
    match admission.admit(IpAddr::to_canonical(&addr.ip())) {
        Ok(admitted) => {
            connections.spawn(shared.clone().connection(stream, addr, admitted));
        }
        Err(denied) => {
            let counter = match denied {
                Denied::Total => &shared.stats.refused_total,
                Denied::PerPeer => &shared.stats.refused_per_peer,
            };
            counter.inc();
            tracing::warn!(peer = %addr, ?denied, "Refused a connection: too many are open");
        }
    }
}

/// A peer that left before it was accepted is no reason to wait; everything else would make the loop spin.
async fn pause(shared: &Shared, error: &std::io::Error, stop: &CancellationToken) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    shared.stats.accept_errors.inc();
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(error = %error, "Cannot accept connections; trying again");
    tokio::select! {
        () = shared.clock.sleep(ACCEPT_PAUSE) => {}
        () = stop.cancelled() => {}
    }
}

async fn drain(shared: &Shared, mut connections: JoinSet<()>) -> Drained {
    let mut finished = 0;
    let all = async {
        while connections.join_next().await.is_some() {
            finished += 1;
        }
    };
    tokio::select! {
        biased;
        () = all => {}
        () = shared.clock.sleep(shared.limits.drain_time) => {}
    }
    let cut = connections.len();
    shared.stats.drain_cut.add(cut as u64);
    connections.shutdown().await;
    Drained { finished, cut }
}
