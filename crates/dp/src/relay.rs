//! Lending: what this distribution point fetched, others of its site may fetch from it.
//!
//! A range that is asked for comes from the cache or, read through, from this one's own source, and then lies in the
//! cache. What is fetched for its own pulls goes the same way, so the site sends each byte once however many ask, at once
//! or later. Chains need nothing more: the source of a source is asked in the same way.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use agent::Puller;
use content::ObjectKey;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::fault::JobError;
use crate::upstream::{Asking, Origin, Transfer, Upstream};

mod cache;
mod roots;
mod serve;

pub(crate) use cache::{Cache, Cached};
use roots::Roots;
pub(crate) use serve::{answer, is_object};

/// Ranges that are fetched at once, for whomever.
const FETCHES_MAX: usize = 8;
/// Ranges that are fetched or wait for it; more are refused, and those that asked try their next source.
const FETCHES_WAITING_MAX: usize = 256;
/// Bytes that are written to the cache at once.
const WRITE_BYTES: usize = 512 * 1024;
/// Times that one piece is looked for: the cache may be so small that it goes before it is read.
const LOOKS_MAX: usize = 8;

/// What is lent, and to whom.
#[derive(Debug)]
pub(crate) struct Relay {
    /// This distribution point's name, by which it knows a request that went in a circle.
    name: String,
    upstream: Arc<Upstream>,
    cache: Arc<Cache>,
    pullers: RwLock<Vec<Puller>>,
    fetches: Semaphore,
    flights: Mutex<HashMap<ObjectKey, Vec<Arc<Flight>>>>,
    /// Whether nothing is lent now.
    closed: AtomicBool,
    holder: content::holder::Holder,
    roots: Roots,
}

/// Why a range is not lent.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("too much is being fetched already")]
    Busy,
    #[error("the request has come here before, or has passed too many distribution points")]
    Loop,
    #[error("there is no such object")]
    NotFound,
    #[error("no source has it now: {0}")]
    NoSource(String),
    /// Whom this one asks sends nothing now: no failure.
    #[error("paused: {reason}")]
    Closed {
        reason: String,
        /// When the window opens, by the site's clock; absent where nothing is known to open.
        until: Option<Timestamp>,
        /// When to ask again.
        wait: Duration,
    },
}

/// A range that is being fetched.
#[derive(Debug)]
struct Flight {
    range: Range<u64>,
    /// What it was begun for.
    package: Option<Arc<str>>,
    state: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    /// Up to here it lies in the cache.
    done_to: u64,
    ended: Option<Result<(), RelayError>>,
}

impl Relay {
    pub(crate) fn new(
        name: &str,
        upstream: Arc<Upstream>,
        cache: Cache,
        holder: content::holder::Holder,
    ) -> Self {
        Self {
            name: name.to_owned(),
            upstream,
            cache: Arc::new(cache),
            pullers: RwLock::default(),
            fetches: Semaphore::new(FETCHES_MAX),
            flights: Mutex::default(),
            closed: AtomicBool::new(false),
            holder,
            roots: Roots::default(),
        }
    }

    /// The site said who may fetch here.
    pub(crate) fn lend_to(&self, pullers: Vec<Puller>) {
        *self.pullers.write().unwrap_or_else(PoisonError::into_inner) = pullers;
    }

    /// Whether anybody may fetch here: only then is it worth the disk.
    pub(crate) fn is_lending(&self) -> bool {
        !self.pullers.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends or begins lending, whoever may.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    /// Bytes in the cache.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// What came was wrong: the next who asks shall have it fetched anew.
    pub(crate) fn forget(&self, key: ObjectKey, range: Range<u64>) {
        self.cache.forget(key, range);
    }

    /// The next bytes of a range, from its start on: from the cache, or from whoever has them.
    pub(crate) async fn piece(
        self: &Arc<Self>,
        key: ObjectKey,
        range: &Range<u64>,
        asking: &Asking,
    ) -> Result<Cached, RelayError> {
        for _ in 0..LOOKS_MAX {
            let (cache, wanted) = (Arc::clone(&self.cache), range.clone());
            let read = tokio::task::spawn_blocking(move || cache.read(key, &wanted)).await;
            if let Ok(Some(cached)) = read {
                return Ok(cached);
            }
            let flight = self.flight(key, range, self.onward(asking)?)?;
            let mut state = flight.state.subscribe();
            let at = range.start;
            let progress = state.wait_for(|now| now.done_to > at || now.ended.is_some()).await;
            let progress =
                progress.map_err(|_| RelayError::NoSource("the fetch was interrupted".to_owned()))?;
            match (progress.done_to <= at, &progress.ended) {
                // The window may be open for what this one is for.
                (true, Some(Err(RelayError::Closed { .. }))) if flight.package != asking.package => {}
                (true, Some(Err(error))) => return Err(error.clone()),
                _ => {}
            }
        }
        Err(RelayError::Busy)
    }

    /// The way of what is fetched for a request, unless it would go in a circle. One that comes from whom this one asks
    /// itself is not even let wait for a fetch that is under way: that may be waiting for it.
    fn onward(&self, asking: &Asking) -> Result<Asking, RelayError> {
        let Asking { way, package } = asking;
        let is_mutual = way.passed.iter().any(|passed| self.upstream.is_source(passed));
        let way = way.through(&self.name).filter(|_| !is_mutual).ok_or(RelayError::Loop)?;
        Ok(Asking { way, package: package.clone() })
    }

    /// The fetch that brings the first byte of the range, begun if there is none.
    fn flight(
        self: &Arc<Self>,
        key: ObjectKey,
        range: &Range<u64>,
        asking: Asking,
    ) -> Result<Arc<Flight>, RelayError> {
        let mut flights = self.flights();
        let under_way = flights.get(&key).into_iter().flatten();
        if let Some(flight) = under_way.clone().find(|flight| flight.range.contains(&range.start)) {
            return Ok(Arc::clone(flight));
        }
        if flights.values().map(Vec::len).sum::<usize>() >= FETCHES_WAITING_MAX {
            return Err(RelayError::Busy);
        }
        let starts =
            under_way.map(|flight| flight.range.start).chain(self.cache.next_start(key, range.start));
        let end = starts.filter(|start| *start > range.start).fold(range.end, u64::min);
        let done = Progress { done_to: range.start, ended: None };
        let (range, package) = (range.start..end, asking.package.clone());
        let flight = Arc::new(Flight { range, package, state: watch::Sender::new(done) });
        flights.entry(key).or_default().push(Arc::clone(&flight));
        drop(flights);
        tokio::spawn(Arc::clone(self).fly(key, Arc::clone(&flight), asking));
        Ok(flight)
    }

    /// Fetches to the end, whoever is still there to see it: it is not much, and the next one asks for the same.
    async fn fly(self: Arc<Self>, key: ObjectKey, flight: Arc<Flight>, asking: Asking) {
        let landing = Landing { relay: &self, key, flight: &flight };
        let ended = self.fetch(key, &flight, asking).await;
        if let Err(error) = &ended {
            tracing::debug!(%error, object = %key, "Cannot fetch what is asked for here");
        }
        // Who is woken finds it gone, and may begin another.
        landing.leave();
        flight.state.send_modify(|state| state.ended = Some(ended));
    }

    async fn fetch(&self, key: ObjectKey, flight: &Flight, asking: Asking) -> Result<(), RelayError> {
        let _turn = self.fetches.acquire().await.map_err(|_| RelayError::Busy)?;
        self.upstream.ask().await.map_err(RelayError::of)?;
        let path = path_of(key);
        let lanes = self.upstream.shared_lanes().map_err(|error| RelayError::of(error.into()))?;
        // Neighbors go over different connections.
        let lane = &lanes[usize::try_from(flight.range.start >> 20).unwrap_or(0) % lanes.len()];
        let order = self.upstream.order();
        let mut transfer = Transfer::begin(&self.upstream, lane, order, &path, flight.range.clone(), asking);
        let (mut buffer, mut at) = (Vec::new(), flight.range.start);
        let mut from: Option<(Option<Arc<str>>, u64)> = None;
        loop {
            let next = transfer.next().await.map_err(RelayError::of);
            let is_more = |origin: &(Option<Arc<str>>, u64)| {
                next.as_ref().is_ok_and(|chunk| {
                    chunk
                        .as_ref()
                        .is_some_and(|chunk| (&chunk.source, chunk.object_bytes) == (&origin.0, origin.1))
                })
            };
            // What came is kept before what follows is judged; bytes of two origins are kept apart.
            if let Some(origin) = from.take_if(|origin| buffer.len() >= WRITE_BYTES || !is_more(origin)) {
                at = self.keep(key, flight, at, std::mem::take(&mut buffer), origin).await?;
            }
            let Some(chunk) = next? else { return Ok(()) };
            from.get_or_insert((chunk.source, chunk.object_bytes));
            buffer.extend_from_slice(&chunk.bytes);
        }
    }

    /// Puts bytes into the cache and lets those who wait read them. Gives where the next begin.
    async fn keep(
        &self,
        key: ObjectKey,
        flight: &Flight,
        at: u64,
        bytes: Vec<u8>,
        (source, object_bytes): (Option<Arc<str>>, u64),
    ) -> Result<u64, RelayError> {
        let end = at + bytes.len() as u64;
        let (cache, holder) = (Arc::clone(&self.cache), self.holder.clone());
        let stored = tokio::task::spawn_blocking(move || {
            cache.store(key, object_bytes, at, &bytes, source, holder.free_bytes().unwrap_or(0))
        });
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(RelayError::NoSource(format!("it cannot be kept for a moment: {error}")));
            }
            Err(error) => return Err(RelayError::NoSource(error.to_string())),
        }
        flight.state.send_modify(|state| state.done_to = end);
        Ok(end)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<ObjectKey, Vec<Arc<Flight>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight leaves the list however it ends, by a panic too; who waits for it is woken.
struct Landing<'f> {
    relay: &'f Relay,
    key: ObjectKey,
    flight: &'f Arc<Flight>,
}

impl Landing<'_> {
    fn leave(&self) {
        let mut flights = self.relay.flights();
        if let Some(list) = flights.get_mut(&self.key) {
            list.retain(|flight| !Arc::ptr_eq(flight, self.flight));
            if list.is_empty() {
                flights.remove(&self.key);
            }
        }
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.leave();
        self.flight.state.send_modify(|state| {
            state
                .ended
                .get_or_insert_with(|| Err(RelayError::NoSource("the fetch was interrupted".to_owned())));
        });
    }
}

impl RelayError {
    fn of(error: JobError) -> Self {
        match error {
            JobError::SiteRefused(inner) if inner.refusal().is_some_and(|refusal| refusal.status == 404) => {
                Self::NotFound
            }
            JobError::Paused { reason, until, wait, .. } => Self::Closed { reason, until, wait },
            error => Self::NoSource(error.to_string()),
        }
    }
}

fn path_of(key: ObjectKey) -> String {
    match key {
        ObjectKey::Pack(id) => crate::site::pack_path(&id.to_string()),
        ObjectKey::Manifest(id) => crate::site::manifest_path(&id.to_string()),
    }
}

/// The origins of one fetch, with those left out that were found out in it.
pub(crate) fn without(order: Vec<Origin>, blamed: &std::collections::BTreeSet<String>) -> Vec<Origin> {
    order.into_iter().filter(|origin| origin.source().is_none_or(|name| !blamed.contains(&*name))).collect()
}
