use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{Clock, Sleep};

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    elapsed: Mutex<Duration>,
    moved: Notify,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Arc<Self> {
        Arc::new(Self { start, elapsed: Mutex::default(), moved: Notify::new() })
    }

    /// Moves the clock forward and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += by;
        self.moved.notify_waiters();
    }

    async fn reach(&self, due: Duration) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the check, so that an advance in between is not lost.
            moved.as_mut().enable();
            if self.monotonic() >= due {
                return;
            }
            moved.await;
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(self.reach(self.monotonic() + duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_only_when_their_time_has_come() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        // The sleeper may have started after the first advance, so give it its full time from here.
        clock.advance(Duration::from_secs(10));
        sleeper.await.expect("the sleeper ends");
        assert_eq!(clock.now(), Timestamp::from_second(19).expect("in range"));
    }
}
