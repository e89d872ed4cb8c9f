//! Who may open one more connection: a cap in total and a cap for each address. What the bodies of their requests hold in
//! memory is capped in the same way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;
use super::budget::{Budget, Share};

/// Counts open connections.
#[derive(Debug)]
pub(crate) struct Admission {
    total_max: usize,
    per_peer_max: usize,
    bodies_per_peer_max: usize,
    bodies: Arc<Budget>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_peer: HashMap<IpAddr, OfPeer>,
}

#[derive(Debug)]
struct OfPeer {
    connections: usize,
    bodies: Arc<Budget>,
}

/// Why a connection may not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    Total,
    PerPeer,
}

/// One admitted connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    peer: IpAddr,
    bodies: Share,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            total_max: limits.connections,
            per_peer_max: limits.connections_per_peer,
            bodies_per_peer_max: limits.bodies_bytes_per_peer,
            bodies: Arc::new(Budget::new(limits.bodies_bytes)),
            open: Mutex::default(),
        })
    }

    pub(crate) fn admit(self: &Arc<Self>, addr: IpAddr) -> Result<Admitted, Denied> {
        let peer = group(addr);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.total_max {
            return Err(Denied::Total);
        }
        if open.by_peer.get(&peer).is_some_and(|of_peer| of_peer.connections >= self.per_peer_max) {
            return Err(Denied::PerPeer);
        }
        open.total += 1;
        let new = || OfPeer { connections: 0, bodies: Arc::new(Budget::new(self.bodies_per_peer_max)) };
        let of_peer = open.by_peer.entry(peer).or_insert_with(new);
        of_peer.connections += 1;
        let bodies = Share::new([Arc::clone(&of_peer.bodies), Arc::clone(&self.bodies)]);
        Ok(Admitted { admission: Arc::clone(self), peer, bodies })
    }
}

impl Admitted {
    /// What the bodies of this connection's requests may hold, together with those of its address and of everybody.
    pub(crate) fn bodies(&self) -> Share {
        self.bodies.clone()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(of_peer) = open.by_peer.get_mut(&self.peer) {
            of_peer.connections -= 1;
            if of_peer.connections == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}

/// One subscriber owns a whole IPv6 /64, so single addresses would be no cap at all.
fn group(addr: IpAddr) -> IpAddr {
    const PREFIX_64: u128 = !(u64::MAX as u128);
    match addr.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & PREFIX_64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn both_caps_hold_and_leaving_makes_room() {
        let limits = Limits { connections: 3, connections_per_peer: 2, ..Limits::default() };
        let admission = Admission::new(&limits);
        let first = admission.admit(addr("10.0.0.1")).expect("room");
        let second = admission.admit(addr("10.0.0.1")).expect("room");
        assert_eq!(admission.admit(addr("10.0.0.1")).unwrap_err(), Denied::PerPeer);
        let third = admission.admit(addr("10.0.0.2")).expect("room for another");
        assert_eq!(admission.admit(addr("10.0.0.3")).unwrap_err(), Denied::Total);
        drop(first);
        let fourth = admission.admit(addr("10.0.0.1")).expect("room again");
        drop((second, third, fourth));
        let open = admission.open.lock().unwrap();
        assert_eq!((open.total, open.by_peer.len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn addresses_are_grouped_by_who_can_own_them() {
        for (left, right, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(group(addr(left)) == group(addr(right)), same, "{left} {right}");
        }
    }
}
