//! Byte rates for response bodies: everything that goes to one destination shares one bucket.
//!
//! A limit counts all bodies of a destination together, so it costs no concurrency: they take turns in small slices, the
//! urgent ones first, equals in equal parts. The rate and whether anything may pass at all come from a [`Gate`], which is
//! asked again whenever its answer may have changed; a body under way then slows down, speeds up or ends between slices.

mod body;
mod link;

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use tokio::sync::watch;

pub use body::{Closed, paced};
pub use link::Link;

/// Destinations at once; one that nothing goes to is forgotten before another is refused.
const DESTINATIONS_MAX: usize = 65_536;
/// Destinations below which nothing is swept.
const SWEEP_FROM: usize = 1_024;

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Body bytes a second for all bodies of the destination; none without a limit.
    pub bytes_per_s: Option<u64>,
    /// How long this holds.
    pub holds_for: Duration,
}

/// Says what may be sent to a destination.
pub trait Gate: Send + 'static {
    /// The terms now; none when nothing may pass.
    fn terms(&mut self) -> Option<Terms>;

    /// Ends when the terms may have changed before their time. May be dropped and called again.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// A gate that asks a function, and asks it anew when a channel says so.
pub struct Following<F> {
    terms: F,
    changed: watch::Receiver<()>,
}

impl<F: FnMut() -> Option<Terms> + Send + 'static> Following<F> {
    /// The gate of these terms. `changed` was subscribed before anything was decided by them.
    pub fn new(changed: watch::Receiver<()>, terms: F) -> Self {
        Self { terms, changed }
    }
}

impl<F: FnMut() -> Option<Terms> + Send + 'static> Gate for Following<F> {
    fn terms(&mut self) -> Option<Terms> {
        self.changed.mark_unchanged();
        (self.terms)()
    }

    async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // Who could change it is gone.
            std::future::pending::<()>().await;
        }
    }
}

/// The links of a server, by destination.
#[derive(Debug)]
pub struct Pacer<K> {
    clock: SharedClock,
    links: Mutex<Links<K>>,
}

#[derive(Debug)]
struct Links<K> {
    by_destination: HashMap<K, Arc<Link>>,
    /// How many there are when the idle ones are looked for next.
    sweep_at: usize,
}

impl<K: Eq + Hash> Pacer<K> {
    /// A pacer without any destination yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        let links = Links { by_destination: HashMap::new(), sweep_at: SWEEP_FROM };
        Self { clock, links: Mutex::new(links) }
    }

    /// The link that all bodies of a destination share; none when too many destinations are being sent to.
    #[must_use]
    pub fn link(&self, to: K) -> Option<Arc<Link>> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.by_destination.get(&to) {
            return Some(Arc::clone(link));
        }
        if links.by_destination.len() >= links.sweep_at {
            links.by_destination.retain(|_, link| Arc::strong_count(link) > 1 || link.is_in_debt());
            links.sweep_at = (links.by_destination.len() * 2).clamp(SWEEP_FROM, DESTINATIONS_MAX);
        }
        if links.by_destination.len() >= DESTINATIONS_MAX {
            return None;
        }
        let link = Arc::new(Link::new(SharedClock::clone(&self.clock)));
        links.by_destination.insert(to, Arc::clone(&link));
        Some(link)
    }
}

#[cfg(test)]
mod tests;
