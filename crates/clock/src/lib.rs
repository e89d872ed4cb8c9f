//! Time as a dependency: the only crate that reads the clock or sleeps.
//!
//! Everything else takes a [`SharedClock`], so that tests decide what time it is and no test waits.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

mod manual;

pub use manual::ManualClock;

/// A clock that can be shared between tasks and threads.
pub type SharedClock = Arc<dyn Clock>;

/// A sleep in progress.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Tells the time and waits.
pub trait Clock: Debug + Send + Sync {
    /// The wall-clock time, UTC.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed start; never goes back. For measuring how long something took.
    fn monotonic(&self) -> Duration;

    /// Waits for at least `duration`.
    fn sleep(&self, duration: Duration) -> Sleep<'_>;
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, ready to be passed around.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(SystemClock)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where time enters the program")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}
