//! Every limit of the listener, in one place, with the reason for its default.

use std::time::Duration;

/// What one listener grants to its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in total; more are closed at once. A thousand distribution points need about three each.
    pub connections: usize,
    /// Open connections of one address (an IPv6 /64 counts as one); fleets behind one NAT share an address.
    pub connections_per_peer: usize,
    /// Time for the TLS handshake.
    pub handshake_time: Duration,
    /// Time for the first request to be complete, and in HTTP/1.1 for each next header to arrive.
    pub header_time: Duration,
    /// Time that a connection may stay open with no request in flight; in HTTP/1.1 `header_time` if that is less.
    pub idle_time: Duration,
    /// Time that a connection with requests in flight may move no part of them; longer than any long poll.
    pub stall_time: Duration,
    /// Time for a whole request body to arrive.
    pub body_time: Duration,
    /// Time that running requests get to finish when the listener stops.
    pub drain_time: Duration,
    /// Bytes of request headers; in HTTP/1.1 also the read buffer of a connection (8 KiB at least).
    pub header_bytes: u32,
    /// Bytes of a request body, unless the route allows less.
    pub body_bytes: usize,
    /// Bytes that the bodies of running requests may hold in memory together. Reports of thousands of distribution points
    /// are kilobytes each.
    pub bodies_bytes: usize,
    /// The same of one address: a few of the largest bodies, which child sites send.
    pub bodies_bytes_per_peer: usize,
    /// HTTP/2 requests in flight on one connection.
    pub streams: u32,
    /// HTTP/2: how often a quiet peer is asked whether it lives, which also keeps NAT entries open.
    pub ping_interval: Duration,
    /// HTTP/2: how long it may take to answer.
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_peer: 2048,
            handshake_time: Duration::from_secs(10),
            header_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(120),
            stall_time: Duration::from_secs(150),
            body_time: Duration::from_secs(120),
            drain_time: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            body_bytes: 16 * 1024 * 1024,
            bodies_bytes: 512 * 1024 * 1024,
            bodies_bytes_per_peer: 128 * 1024 * 1024,
            streams: 128,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
        }
    }
}
