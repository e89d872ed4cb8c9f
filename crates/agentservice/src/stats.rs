//! What the agent API counts, for `/metrics`.

net::counters! {
    /// Counters of the agent API since the service was made.
    pub struct AgentServiceStats;

    /// Agents enrolled.
    enrolled,
    /// Certificates renewed.
    renewed,
    /// Enrolments refused.
    enrol_refused,
    /// Requests refused for want of a known agent's certificate or secret.
    unauthenticated,
    /// Requests that waited for a change.
    waits,
    /// Waits that ended because the agent went away.
    waits_abandoned,
    /// Facts recorded.
    facts,
    /// Rows told to child sites.
    records_told,
    /// Rows heard from child sites.
    records_heard,
    /// Answers begun with content in them.
    content_responses,
    /// Bytes of content handed to the network for distribution points.
    dp_content_bytes,
    /// The same for child sites.
    child_site_content_bytes,
}
