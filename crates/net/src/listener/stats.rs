//! What a listener counts, for `/metrics` and for tests that must see a limit fire.

crate::counters! {
    /// Counters of one listener since it was bound.
    pub struct ListenerStats;

    /// Connections accepted.
    accepted,
    /// Connections closed at once because the listener held its maximum.
    refused_total,
    /// Connections closed at once because their address held its maximum.
    refused_per_peer,
    /// Times that the system refused to accept a connection, for example for want of file descriptors.
    accept_errors,
    /// TLS handshakes that failed: no TLS, an unknown certificate, a broken connection.
    handshakes_failed,
    /// TLS handshakes that took too long.
    handshakes_timed_out,
    /// Connections cut because no complete request came in time.
    headers_timed_out,
    /// HTTP/2 connections cut because the peer did not answer a ping.
    pings_unanswered,
    /// Connections closed because they were idle.
    idle_closed,
    /// Connections cut because requests were in flight and none moved.
    stalled,
    /// Connections cut because they outlived the drain.
    drain_cut,
    /// Requests begun.
    requests,
    /// Requests whose handler panicked.
    panics,
    /// Request bodies that took too long.
    bodies_timed_out,
    /// Request bodies refused because those of their address, or of everybody, held too much memory already.
    bodies_refused,
    /// Bytes read from sockets, TLS and HTTP framing included.
    wire_bytes_in,
    /// Bytes written to sockets, TLS and HTTP framing included.
    wire_bytes_out,
}
