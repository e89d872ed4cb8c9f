//! What request bodies may hold in memory at once. A body is bounded, and so are connections; their product is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, held: AtomicUsize::new(0) }
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|&held| held <= self.max);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The budgets that a connection's bodies are taken from: its address's, then everybody's.
#[derive(Debug, Clone)]
pub(crate) struct Share(Arc<[Arc<Budget>; 2]>);

impl Share {
    pub(crate) fn new(budgets: [Arc<Budget>; 2]) -> Self {
        Self(Arc::new(budgets))
    }

    /// Nothing yet, for a request that begins.
    pub(crate) fn begin(&self) -> Arc<Charge> {
        Arc::new(Charge { share: self.clone(), bytes: AtomicUsize::new(0) })
    }
}

/// What one request's body holds; given back when the request ends.
#[derive(Debug)]
pub(crate) struct Charge {
    share: Share,
    bytes: AtomicUsize,
}

impl Charge {
    /// Holds more; false where that is too much.
    pub(crate) fn grow(&self, bytes: usize) -> bool {
        let [of_peer, of_all] = &*self.share.0;
        if !of_peer.take(bytes) {
            return false;
        }
        if !of_all.take(bytes) {
            of_peer.give_back(bytes);
            return false;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.share.0.iter().for_each(|budget| budget.give_back(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let all = Arc::new(Budget::new(10));
        let [one, other] = [6, 6].map(|max| Share::new([Arc::new(Budget::new(max)), Arc::clone(&all)]));
        let (first, second, third) = (one.begin(), one.begin(), other.begin());
        assert!(first.grow(4) && second.grow(2));
        assert!(!second.grow(1), "too much of one address");
        assert!(third.grow(4));
        assert!(!third.grow(1), "too much of all");
        assert!(!first.grow(usize::MAX));
        drop(first);
        assert!(third.grow(2) && second.grow(2));
        drop((second, third));
        let held = [&one, &other].map(|share| share.0[0].held.load(Ordering::Relaxed));
        assert_eq!((held, all.held.load(Ordering::Relaxed)), ([0, 0], 0));
    }
}
