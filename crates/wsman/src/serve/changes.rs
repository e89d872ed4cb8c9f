//! The changes that are under way. Their callers may be gone already, so nothing else bounds how many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::fault::WsmanFault;

/// The most changes that are under way at once.
const ALL_MAX: usize = 256;
/// The most changes of one user that are under way at once, so that nobody takes everybody's place.
pub(super) const OF_USER_MAX: usize = 32;

/// How many changes are under way, by user.
#[derive(Debug, Default)]
pub(super) struct Changes {
    counts: Mutex<HashMap<String, usize>>,
    /// One has ended.
    ended: Notify,
}

/// A change under way; its place is free again when it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    changes: Arc<Changes>,
    user: String,
}

impl Changes {
    /// A place for a change.
    pub(super) fn start(self: &Arc<Self>, user: &str) -> Result<UnderWay, WsmanFault> {
        let mut counts = self.lock();
        let own = counts.get(user).copied().unwrap_or(0);
        if own >= OF_USER_MAX {
            return Err(too_many(&format!("{OF_USER_MAX} changes of {user}")));
        }
        if counts.values().sum::<usize>() >= ALL_MAX {
            return Err(too_many(&format!("{ALL_MAX} changes")));
        }
        counts.insert(user.to_owned(), own + 1);
        Ok(UnderWay { changes: Arc::clone(self), user: user.to_owned() })
    }

    /// Waits until none is under way.
    pub(super) async fn all_ended(&self) {
        loop {
            // Made before the look, so that no end is missed.
            let ended = self.ended.notified();
            if self.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.changes.lock();
        match counts.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.user);
            }
        }
        drop(counts);
        self.changes.ended.notify_waiters();
    }
}

fn too_many(what: &str) -> WsmanFault {
    WsmanFault::QuotaLimit { reason: format!("{what} are under way; try again later") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_share_and_all_have_a_limit() {
        let changes = Arc::new(Changes::default());
        let start = |user: &str| changes.start(user);
        let mut of_one: Vec<_> = (0..OF_USER_MAX).map(|_| start("one").unwrap()).collect();
        let refused = start("one").unwrap_err();
        assert_eq!(refused.line().subcode, Some("w:QuotaLimit"));
        assert!(refused.to_string().contains("of one"), "{refused}");
        let mut of_others = Vec::new();
        for n in OF_USER_MAX..ALL_MAX {
            of_others.push(start(&format!("user {}", n / OF_USER_MAX)).unwrap());
        }
        assert!(start("another").is_err());
        drop(of_one.pop());
        of_one.push(start("another").unwrap());
        assert!(start("one").is_err());
        drop((of_one, of_others));
        assert!(changes.lock().is_empty(), "who changes nothing any more is forgotten");
    }

    #[tokio::test]
    async fn the_end_of_all_changes_can_be_waited_for() {
        let changes = Arc::new(Changes::default());
        changes.all_ended().await;
        let (one, other) = (changes.start("one").unwrap(), changes.start("other").unwrap());
        let mut ended = std::pin::pin!(changes.all_ended());
        assert!(futures_util::poll!(ended.as_mut()).is_pending());
        drop(one);
        assert!(futures_util::poll!(ended.as_mut()).is_pending());
        drop(other);
        ended.await;
    }
}
