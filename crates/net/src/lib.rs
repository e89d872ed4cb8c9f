//! The network floor: a listener that survives hostile clients, a client that trusts one site, and that
//! site's own certificate authority.
//!
//! Knows HTTP, TLS and limits; knows no route, no package and no site. `axum::serve` is not used, because it
//! installs no timer and so has no header timeout, hides the peer's certificate, and cannot cap connections.

pub mod ca;
pub mod client;
mod counters;
mod error;
mod listener;
pub mod object;
pub mod pace;
mod way;

pub use client::{Client, ClientOptions, Endpoint, Identity, is_untrusted};
pub use counters::Counter;
pub use error::{NetError, Refusal};
pub use listener::{
    BodyFault, Connection, Drained, Limits, Listener, ListenerOptions, ListenerStats, Peer, PeerCertificate,
    ServerTls, Shutdown, bodies_are_full, discard, limit_body, read_body,
};
pub use way::{HOPS_MAX, Way};
