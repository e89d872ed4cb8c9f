//! Counters that say what a part of the server did: one struct with one number for each thing.
//!
//! A test reads the struct that the part hands out; `/metrics` walks [`all`](crate::ListenerStats::all). There is no
//! registry and no global state.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares a struct of [`Counter`]s: its own crate counts, everybody reads.
#[macro_export]
macro_rules! counters {
    ($(#[$doc:meta])* pub struct $stats:ident; $($(#[$counter_doc:meta])* $counter:ident,)+) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $stats { $(pub(crate) $counter: $crate::Counter,)+ }

        impl $stats {
            $($(#[$counter_doc])* #[must_use] pub fn $counter(&self) -> u64 { self.$counter.get() })+

            /// Every counter with its name, for an exporter.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($counter), self.$counter.get()),)+]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::ListenerStats;

    #[test]
    fn counters_are_read_one_by_one_and_all_together() {
        let stats = ListenerStats::default();
        stats.requests.inc();
        stats.requests.add(2);
        assert_eq!((stats.requests(), stats.accepted()), (3, 0));
        let other = stats.all().into_iter().filter(|&(name, count)| count != 0 && name != "requests");
        assert_eq!(other.count(), 0);
        assert!(stats.all().contains(&("requests", 3)));
    }
}
