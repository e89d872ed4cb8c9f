//! Lets hyper sleep by the injected clock, so that tests move its timeouts by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use clock::SharedClock;
use hyper::rt::{Sleep, Timer};

/// hyper speaks in `Instant`s; they count from an origin that stands for the clock's zero.
#[derive(Debug, Clone)]
pub(crate) struct ClockTimer {
    clock: SharedClock,
    origin: Instant,
}

impl ClockTimer {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin; only the clock moves it")]
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { clock, origin: Instant::now() }
    }
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let clock = SharedClock::clone(&self.clock);
        Box::pin(ClockSleep(Mutex::new(Box::pin(async move { clock.sleep(duration).await }))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.origin + self.clock.monotonic()
    }
}

/// The mutex is never locked; it makes the future `Sync`, as hyper asks.
struct ClockSleep(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Sleep for ClockSleep {}

impl Future for ClockSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.get_mut() {
            Ok(sleep) => sleep.as_mut().poll(cx),
            Err(poisoned) => poisoned.into_inner().as_mut().poll(cx),
        }
    }
}
