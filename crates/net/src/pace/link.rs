use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use tokio::sync::Notify;

/// What a link may make up for: sleeps that end late, and no more than that after a rest. 2 % of ten seconds.
const CATCH_UP: Duration = Duration::from_millis(200);
/// The largest slice; a faster link takes more turns.
const SLICE_BYTES_MAX: u64 = 64 * 1024;
/// The smallest slice: at a thousand bit/s an eighth of a second.
const SLICE_BYTES_MIN: u64 = 16;
/// Slices of a second of the link, so that those who share it wait little for each other.
const SLICES_PER_S: u64 = 100;
/// A body that has waited so long goes before the urgent ones once. It is little, but it keeps a connection from being taken
/// for dead.
const STARVED_AFTER: Duration = Duration::from_secs(10);

/// Everything that goes to one destination.
#[derive(Debug)]
pub struct Link {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes_per_s: Option<u64>,
    /// When what was granted so far has passed, by the monotonic clock.
    free_at: Duration,
    next_ticket: u64,
    waiting: BTreeMap<Ticket, Waiter>,
}

/// The urgent first, then who came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    priority: u8,
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    since: Duration,
    call: Arc<Notify>,
}

/// Whether a body may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many bytes.
    Granted(u64),
    /// It is the next, when the link is free again.
    In(Duration),
    /// Others are before it; it is called.
    Later,
}

/// A body's place among those that wait for the link. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Seat {
    link: Arc<Link>,
    ticket: Ticket,
    call: Arc<Notify>,
}

impl Link {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Sets the rate from now on; wakes who waits by the old one.
    pub(super) fn set_rate(&self, bytes_per_s: Option<u64>) {
        let mut state = self.lock();
        if state.bytes_per_s != bytes_per_s {
            state.bytes_per_s = bytes_per_s;
            state.waiting.values().for_each(|waiter| waiter.call.notify_one());
        }
    }

    /// Whether what was granted has not passed yet.
    pub(super) fn is_in_debt(&self) -> bool {
        let now = self.clock.monotonic();
        self.lock().free_at > now
    }

    /// Takes back what was granted and is not needed; the next one may go so much sooner.
    pub(super) fn give_back(&self, bytes: u64) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let (Some(rate), 1..) = (state.bytes_per_s, bytes) {
            state.free_at = state.free_at.saturating_sub(lasts(bytes, rate));
            state.call_next(now);
        }
    }

    /// Takes a place behind those of the same priority.
    pub(super) fn wait(self: &Arc<Self>, priority: u8) -> Seat {
        let (now, call) = (self.clock.monotonic(), Arc::new(Notify::new()));
        let mut state = self.lock();
        let ticket = Ticket { priority, number: state.next_ticket };
        state.next_ticket += 1;
        state.waiting.insert(ticket, Waiter { since: now, call: Arc::clone(&call) });
        drop(state);
        Seat { link: Arc::clone(self), ticket, call }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&self, now: Duration) -> Option<Ticket> {
        let starved =
            self.waiting.iter().filter(|(_, waiter)| now.saturating_sub(waiter.since) >= STARVED_AFTER);
        let starved = starved.min_by_key(|(_, waiter)| waiter.since).map(|(ticket, _)| *ticket);
        starved.or_else(|| self.waiting.keys().next().copied())
    }

    /// Frees a place and calls whose turn it is now.
    fn leave(&mut self, ticket: Ticket, now: Duration) {
        if self.waiting.remove(&ticket).is_some() {
            self.call_next(now);
        }
    }

    fn call_next(&self, now: Duration) {
        if let Some(next) = self.next(now) {
            self.waiting[&next].call.notify_one();
        }
    }
}

/// How long so many bytes take.
fn lasts(bytes: u64, bytes_per_s: u64) -> Duration {
    let ns = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_s.max(1));
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

impl Seat {
    /// Takes the turn, if it has come; the place is free then. It is for a slice, whatever the size of the pieces, so that a
    /// body of tiny ones has the same share as one of huge ones, or for `piece_bytes` where there is no limit.
    pub(super) fn take(&self, piece_bytes: u64) -> Turn {
        let now = self.link.clock.monotonic();
        let mut state = self.link.lock();
        let Some(rate) = state.bytes_per_s else {
            state.leave(self.ticket, now);
            return Turn::Granted(piece_bytes);
        };
        if state.next(now) != Some(self.ticket) {
            // It may be the next only since it has waited for so long.
            state.call_next(now);
            return Turn::Later;
        }
        if now < state.free_at {
            return Turn::In(state.free_at - now);
        }
        let granted = (rate / SLICES_PER_S).clamp(SLICE_BYTES_MIN, SLICE_BYTES_MAX);
        let free_at = state.free_at.max(now.saturating_sub(CATCH_UP));
        state.free_at = free_at.saturating_add(lasts(granted, rate));
        state.leave(self.ticket, now);
        Turn::Granted(granted)
    }

    /// Ends when it is worth asking again.
    pub(super) async fn called(&self) {
        self.call.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.link.clock.monotonic();
        self.link.lock().leave(self.ticket, now);
    }
}
