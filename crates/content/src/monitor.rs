//! Progress as a trait: the console, the tests and nobody at all watch the same counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Files found in the source.
    FilesSeen,
    /// Files whose bytes were read.
    FilesRead,
    /// Bytes read from the source.
    BytesRead,
    /// Raw bytes of chunks that the library did not have.
    NewChunkBytes,
    /// Bytes written to packs.
    StoredBytes,
    /// Packs looked at.
    Packs,
    /// Pack entries checked.
    Entries,
}

/// Watches a long task. Called from several threads.
pub trait Monitor: Send + Sync {
    /// `counter` rose by `by`.
    fn count(&self, counter: Counter, by: u64);

    /// Something went wrong that does not stop the task.
    fn error(&self, message: &str);

    /// Asked now and then; `true` stops the task at the next safe point.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoidMonitor;

impl Monitor for VoidMonitor {
    fn count(&self, _counter: Counter, _by: u64) {}

    fn error(&self, _message: &str) {}
}

/// Keeps the counters, for progress bars and for tests that count instead of timing.
#[derive(Debug, Default)]
pub struct CountingMonitor {
    counts: [AtomicU64; 7],
    errors: std::sync::Mutex<Vec<String>>,
}

/// The most messages that a [`CountingMonitor`] keeps.
const ERRORS_KEPT_MAX: usize = 1000;

impl CountingMonitor {
    /// All zero.
    #[must_use]
    pub fn new() -> CountingMonitor {
        CountingMonitor::default()
    }

    /// The counter's value.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    /// The messages so far, the first thousand.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().expect("no one panics while holding the messages").clone()
    }
}

impl Monitor for CountingMonitor {
    fn count(&self, counter: Counter, by: u64) {
        self.counts[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    fn error(&self, message: &str) {
        let mut errors = self.errors.lock().expect("no one panics while holding the messages");
        if errors.len() < ERRORS_KEPT_MAX {
            errors.push(message.to_owned());
        }
    }
}
