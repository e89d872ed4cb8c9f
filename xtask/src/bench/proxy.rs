//! Counts bytes on the wire between a distribution point and its site: a TCP relay on loopback that knows nothing of
//! what it carries, so the count is what a network would see, headers and polling included.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const BUFFER_BYTES: usize = 64 << 10;

/// A relay; its threads end with the process.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    carried: Arc<AtomicU64>,
}

impl Proxy {
    /// Relays everything that connects to it to `target`.
    pub(crate) fn start(target: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Proxy { address: listener.local_addr()?, carried: Arc::default() };
        let carried = Arc::clone(&proxy.carried);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(target) else { continue };
                relay_both_ways(client, server, &carried);
            }
        });
        Ok(proxy)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes carried so far, both ways together.
    pub(crate) fn carried_bytes(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

fn relay_both_ways(client: TcpStream, server: TcpStream, carried: &Arc<AtomicU64>) {
    // Without a copy of each end the connection just closes, as a network's would.
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
    for (from, to) in [(from_client, server), (from_server, client)] {
        let carried = Arc::clone(carried);
        thread::spawn(move || relay(from, to, &carried));
    }
}

/// Until one side ends or breaks; the other side is told.
fn relay(mut from: TcpStream, mut to: TcpStream, carried: &AtomicU64) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        carried.fetch_add(count as u64, Ordering::Relaxed);
    }
    // Both may be closed already; then there is nothing to tell.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_and_counts() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap()).unwrap();
        let answer = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut question = String::new();
            stream.read_to_string(&mut question).unwrap();
            stream.write_all(question.repeat(2).as_bytes()).unwrap();
        });
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        answer.join().unwrap();
        assert_eq!((reply.as_str(), proxy.carried_bytes()), ("hellohello", 15));
    }
}
