//! How many long answers each user lets wait, so that one who reads many slowly leaves turns to others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::stream::STREAMS_MAX;

/// Long answers of one user that wait for their reader at once.
pub(crate) const STREAMS_OF_USER_MAX: usize = STREAMS_MAX - 1;

/// The users with long answers, and how many each has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<String, usize>>>);

/// One long answer of a user, until dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Shares,
    user: String,
}

impl Shares {
    /// None where the user has as many as may be.
    pub(super) fn take(&self, user: &str) -> Option<Share> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user.to_owned()).or_default();
        if *count >= STREAMS_OF_USER_MAX {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_share_and_gives_it_back() {
        let shares = Shares::default();
        let mut held: Vec<Share> = (0..STREAMS_OF_USER_MAX).map(|_| shares.take("ada").unwrap()).collect();
        assert!(shares.take("ada").is_none());
        assert!(shares.take("ben").is_some(), "of others there is one left");
        held.pop();
        assert!(shares.take("ada").is_some());
        held.clear();
        assert!(shares.0.lock().unwrap().is_empty(), "who has none is forgotten");
    }
}
