//! What the links count, for `/metrics`.

net::counters! {
    /// Counters of a site's links since they were made.
    pub struct SiteLinkStats;

    /// Records that the parent told.
    records_heard,
    /// Records told to the parent.
    records_told,
    /// Wants of the parent that were answered with bytes.
    wants_answered,
    /// Wants of the parent that were refused.
    wants_refused,
    /// Bytes of content sent to the parent.
    sent_bytes,
    /// Steps of a link that failed and are tried again.
    failures,
    /// Versions brought in from a neighbor.
    versions_arrived,
    /// Attempts to bring in a version that failed and are tried again.
    pulls_failed,
    /// Times that a version began to wait for the window of a neighbor's route.
    pulls_paused,
    /// Versions that were refused because their signature does not hold.
    versions_refused,
    /// Bytes of content received from neighbors.
    received_bytes,
    /// Objects that came with wrong bytes.
    objects_refused,
}
