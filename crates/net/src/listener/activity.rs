//! What a connection is doing, and the watchdog that ends one that does nothing.
//!
//! hyper has no timeout for an HTTP/2 header block or for the bytes that tell the versions apart, so the
//! watchdog counts requests, not bytes: dribbling bytes does not keep a connection without a request alive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use tokio::sync::Notify;

use super::Limits;

/// Shared between a connection's socket, its requests and its watchdog.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: SharedClock,
    state: Mutex<State>,
    /// The last request ended, so that another limit counts now.
    quiet: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    in_flight: usize,
    any_request: bool,
    /// When the number of requests in flight last became zero.
    quiet_since: Duration,
    /// When a request last came, or part of a request's or an answer's body last moved.
    moved_at: Duration,
}

/// Why the watchdog ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    NoRequest,
    Idle,
    Stalled,
}

impl Activity {
    pub(crate) fn new(clock: SharedClock) -> Arc<Self> {
        let now = clock.monotonic();
        let state = State { in_flight: 0, any_request: false, quiet_since: now, moved_at: now };
        Arc::new(Self { clock, state: Mutex::new(state), quiet: Notify::new() })
    }

    /// Part of a body moved.
    pub(crate) fn moved(&self) {
        let now = self.clock.monotonic();
        self.update(|state| state.moved_at = now);
    }

    /// A request begins; it is in flight until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        let now = self.clock.monotonic();
        self.update(|state| {
            state.in_flight += 1;
            state.any_request = true;
            state.moved_at = now;
        });
        InFlight(Arc::clone(self))
    }

    /// Returns when the connection has outstayed a limit.
    pub(crate) async fn outstayed(&self, limits: &Limits) -> Cut {
        loop {
            let (deadline, cut) = self.deadline(limits);
            let now = self.clock.monotonic();
            if deadline <= now {
                return cut;
            }
            tokio::select! {
                () = self.clock.sleep(deadline - now) => {}
                () = self.quiet.notified() => {}
            }
        }
    }

    /// Whether a request ever came.
    pub(crate) fn any_request(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).any_request
    }

    fn deadline(&self, limits: &Limits) -> (Duration, Cut) {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.in_flight > 0 {
            return (state.moved_at + limits.stall_time, Cut::Stalled);
        }
        match state.any_request {
            false => (state.quiet_since + limits.header_time, Cut::NoRequest),
            // The end of a large answer may still be on its way when its request has ended here.
            true => (state.quiet_since.max(state.moved_at) + limits.idle_time, Cut::Idle),
        }
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.0.clock.monotonic();
        self.0.update(|state| {
            state.in_flight -= 1;
            state.quiet_since = now;
        });
        self.0.quiet.notify_one();
    }
}
