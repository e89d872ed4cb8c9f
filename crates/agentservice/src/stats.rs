//! What the agent API counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the service was made.
        #[derive(Debug, Default)]
        pub struct AgentServiceStats { $(pub(crate) $name: Counter,)* }

        impl AgentServiceStats {
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> u64 { self.$name.get() })*

            /// Every counter with its name, for an exporter.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
            }
        }
    };
}

counters! {
    /// Agents enrolled.
    enrolled,
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
    /// Answers begun with content in them.
    content_responses,
    /// Bytes of content handed to the network.
    content_bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn inc(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
