//! How many requests of a kind each caller has under way: what one of them floods the site with must not be in the way of
//! the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// A count for each agent or child site that has any.
#[derive(Debug)]
pub(crate) struct AtOnce<K>(Mutex<HashMap<K, usize>>);

impl<K> Default for AtOnce<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> AtOnce<K> {
    /// One more, unless there are `max` already; one less when the place is dropped.
    pub(crate) fn begin(&self, who: K, max: usize) -> Option<Place<'_, K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(who.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { counts: &self.0, who })
    }
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Place<'c, K: Eq + Hash> {
    counts: &'c Mutex<HashMap<K, usize>>,
    who: K,
}

impl<K: Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_places_and_leaves_nothing_behind() {
        let at_once = AtOnce::default();
        let first = at_once.begin(1, 2);
        let second = at_once.begin(1, 2);
        assert!(first.is_some() && second.is_some());
        assert!(at_once.begin(1, 2).is_none());
        assert!(at_once.begin(2, 2).is_some(), "another one");
        drop(first);
        assert!(at_once.begin(1, 2).is_some());
        drop(second);
        assert!(at_once.0.lock().unwrap().is_empty());
    }
}
