//! A relay between a distribution point, or a child site, and its site that does to the site's bytes what bad equipment does.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What happens to what the site sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mischief {
    /// Nothing.
    None,
    /// Each piece comes so much later.
    Delay(Duration),
    /// Every connection ends after so many bytes.
    Truncate(usize),
    /// One bit of every so many bytes is wrong; the first of a connection are left, so that there is a connection.
    Corrupt(usize),
    /// Nothing more comes after so many bytes, and the connection stays open.
    Stall(usize),
}

/// A running relay. Dropped, it ends with its connections.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

struct Shared {
    mischief: Mutex<Mischief>,
    done: AtomicU64,
    carried_bytes: AtomicU64,
    cut: Notify,
}

impl Relay {
    pub(crate) async fn start(site: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mischief: Mutex::new(Mischief::None),
            done: AtomicU64::new(0),
            carried_bytes: AtomicU64::new(0),
            cut: Notify::new(),
        });
        let mut accepting = JoinSet::new();
        let of_connections = Arc::clone(&shared);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connection(client, site, Arc::clone(&of_connections)));
            }
        });
        Self { address, shared, _accepting: accepting }
    }

    /// From now on, for connections that are there too.
    pub(crate) fn does(&self, mischief: Mischief) {
        *self.shared.mischief.lock().unwrap() = mischief;
    }

    /// Ends every connection that there is; new ones are as good as what the relay does.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// How often mischief was done.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }

    /// What the distribution point got, whole or wrong.
    pub(crate) fn carried_bytes(&self) -> u64 {
        self.shared.carried_bytes.load(Ordering::SeqCst)
    }
}

async fn connection(client: TcpStream, site: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(site).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let up = async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    // A connection ends when either side does.
    tokio::select! {
        () = up => {}
        () = down(from_server, to_client, &shared) => {}
        () = shared.cut.notified() => {}
    }
}

async fn down(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    shared: &Shared,
) {
    const PIECE_BYTES: usize = 16 * 1024;
    let (mut piece, mut sent) = (vec![0; PIECE_BYTES], 0);
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let mischief = *shared.mischief.lock().unwrap();
        let fires = |after: usize| sent + count > after;
        let mut passed = count;
        match mischief {
            Mischief::None => {}
            Mischief::Delay(time) => {
                shared.done.fetch_add(1, Ordering::SeqCst);
                SystemClock.sleep(time).await;
            }
            Mischief::Truncate(after) if fires(after) => {
                shared.done.fetch_add(1, Ordering::SeqCst);
                passed = after.saturating_sub(sent);
            }
            Mischief::Corrupt(every) if sent / every != (sent + count) / every => {
                shared.done.fetch_add(1, Ordering::SeqCst);
                piece[count / 2] ^= 1;
            }
            Mischief::Stall(after) if fires(after) => {
                shared.done.fetch_add(1, Ordering::SeqCst);
                // Until the client gives up and the other half ends.
                std::future::pending::<()>().await;
            }
            Mischief::Truncate(_) | Mischief::Corrupt(_) | Mischief::Stall(_) => {}
        }
        if to.write_all(&piece[..passed]).await.is_err() || passed < count {
            return;
        }
        sent += passed;
        shared.carried_bytes.fetch_add(passed as u64, Ordering::SeqCst);
    }
}
