//! The changes that are under way.
//!
//! A change runs beside the request that asks for it, so that it ends as the site means it, whole or not at all, when its
//! caller leaves or its time is over. Nothing of the listener bounds or waits for what its callers have left; this does, for
//! every front end of a site together.

use std::collections::HashMap;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use site::{Actor, SiteError};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::error::Fault;

/// The most changes that are under way at once.
pub const CHANGES_MAX: usize = 256;
/// The most changes of one user that are under way at once, so that nobody takes everybody's place.
pub const CHANGES_OF_USER_MAX: usize = 32;
/// How long the end of a site waits for changes that are under way.
pub const CHANGES_END_MAX: Duration = Duration::from_secs(30);

/// How many changes are under way, by user. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<State>);

#[derive(Debug, Default)]
struct State {
    counts: Mutex<HashMap<String, usize>>,
    /// One has ended.
    ended: Notify,
}

/// A change under way; its place is free again when it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    changes: Changes,
    user: String,
}

impl Changes {
    /// A place for a change of a user.
    ///
    /// Errors: [`Fault::TooManyChanges`] at [`CHANGES_MAX`] or [`CHANGES_OF_USER_MAX`].
    pub fn start(&self, user: &str) -> Result<UnderWay, Fault> {
        let mut counts = self.lock();
        let own = counts.get(user).copied().unwrap_or(0);
        if own >= CHANGES_OF_USER_MAX {
            return Err(Fault::TooManyChanges { what: format!("{own} changes of {user}") });
        }
        let all: usize = counts.values().sum();
        if all >= CHANGES_MAX {
            return Err(Fault::TooManyChanges { what: format!("{all} changes") });
        }
        counts.insert(user.to_owned(), own + 1);
        Ok(UnderWay { changes: self.clone(), user: user.to_owned() })
    }

    /// Makes a change to its end, whatever becomes of who waits for it here.
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        by: &Actor,
        change: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let under_way = self.start(&by.name)?;
        let change = async move {
            let outcome = change.await;
            drop(under_way);
            outcome
        };
        match tokio::spawn(change.in_current_span()).await {
            Ok(outcome) => outcome,
            // The listener's net for panics is around whoever waits here.
            Err(broken) if broken.is_panic() => resume_unwind(broken.into_panic()),
            Err(_) => Err(Fault::Site(SiteError::Stopped)),
        }
    }

    /// How many are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().values().sum()
    }

    /// Waits until none is under way, once no front end begins any, but not longer than [`CHANGES_END_MAX`].
    pub async fn finish(&self, clock: &dyn Clock) {
        tokio::select! {
            biased;
            () = self.all_ended() => {}
            () = clock.sleep(CHANGES_END_MAX) => {
                tracing::warn!(count = self.count(), "changes are cut off that have gone on for long");
            }
        }
    }

    async fn all_ended(&self) {
        loop {
            // Made before the look, so that no end is missed.
            let ended = self.0.ended.notified();
            if self.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.changes.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use clock::ManualClock;
    use tokio::sync::oneshot;

    use super::*;

    fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    #[test]
    fn each_user_has_a_share_and_all_have_a_limit() {
        let changes = Changes::default();
        let start = |user: &str| changes.start(user);
        let mut of_one: Vec<_> = (0..CHANGES_OF_USER_MAX).map(|_| start("one").unwrap()).collect();
        let refused = start("one").unwrap_err();
        assert_eq!(refused.hresult(), 0x8004_106C);
        assert!(refused.to_string().contains("32 changes of one"), "{refused}");
        let mut of_others = Vec::new();
        for n in CHANGES_OF_USER_MAX..CHANGES_MAX {
            of_others.push(start(&format!("user {}", n / CHANGES_OF_USER_MAX)).unwrap());
        }
        assert!(start("another").unwrap_err().to_string().contains("256 changes"));
        drop(of_one.pop());
        of_one.push(start("another").unwrap());
        assert!(start("one").is_err());
        drop((of_one, of_others));
        assert!(changes.lock().is_empty(), "who changes nothing any more is forgotten");
    }

    #[tokio::test]
    async fn a_change_outlives_its_caller_and_is_waited_for() {
        let (changes, clock) =
            (Changes::default(), ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
        changes.finish(&*clock).await;
        let (go, told) = oneshot::channel();
        let (done, mut outcome) = oneshot::channel();
        let change = async {
            told.await.unwrap();
            done.send("made").unwrap();
            Ok(())
        };
        let one = Actor::local();
        {
            let mut caller = pin!(changes.make(&one, change));
            assert!(is_pending(caller.as_mut()));
        }
        let mut end = pin!(changes.finish(&*clock));
        assert!(is_pending(end.as_mut()));
        assert_eq!((changes.count(), outcome.try_recv().is_err()), (1, true));
        go.send(()).unwrap();
        end.await;
        assert_eq!((changes.count(), outcome.try_recv()), (0, Ok("made")));
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_ever() {
        let (changes, clock) =
            (Changes::default(), ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
        let _endless = changes.start("one").unwrap();
        let mut end = pin!(changes.finish(&*clock));
        assert!(is_pending(end.as_mut()));
        clock.advance(CHANGES_END_MAX);
        end.await;
        assert_eq!(changes.count(), 1);
    }
}
