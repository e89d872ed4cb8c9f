//! Small objects, whole: the roots of manifests.
//!
//! Several that ask for the same one wait for one fetch. Those that ask for different ones do not wait for each other, so a
//! source that does not answer holds up nobody but those who ask for what it was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::ObjectKey;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::{Cached, Relay, RelayError, path_of};
use crate::upstream::Asking;

/// Roots that are fetched at once.
const FETCHES_MAX: usize = 32;
/// Requests that wait for a root at once; more are refused, and those that asked try their next source.
const WAITING_MAX: usize = 256;

type Landing = watch::Receiver<Option<Result<Cached, RelayError>>>;

/// The roots that are being fetched.
#[derive(Debug)]
pub(super) struct Roots {
    flights: Mutex<HashMap<ObjectKey, Landing>>,
    fetches: Semaphore,
    waiting: Semaphore,
}

impl Default for Roots {
    fn default() -> Self {
        let (fetches, waiting) = (Semaphore::new(FETCHES_MAX), Semaphore::new(WAITING_MAX));
        Self { flights: Mutex::default(), fetches, waiting }
    }
}

impl Relay {
    /// A whole small object: from the cache, or from whoever has it.
    pub(crate) async fn root(
        self: &Arc<Self>,
        key: ObjectKey,
        bytes_max: usize,
        asking: &Asking,
    ) -> Result<Cached, RelayError> {
        let asking = self.onward(asking)?;
        let _place = self.roots.waiting.try_acquire().map_err(|_| RelayError::Busy)?;
        let relay = Arc::clone(self);
        if let Ok(Some(cached)) = spawn_blocking(move || relay.whole(key)).await {
            return Ok(cached);
        }
        let mut landing = self.root_flight(key, bytes_max, asking);
        let interrupted = || RelayError::NoSource("the fetch was interrupted".to_owned());
        let landed = landing.wait_for(Option::is_some).await.map_err(|_| interrupted())?;
        landed.clone().unwrap_or_else(|| Err(interrupted()))
    }

    /// The fetch of a root, begun if there is none.
    fn root_flight(self: &Arc<Self>, key: ObjectKey, bytes_max: usize, asking: Asking) -> Landing {
        let mut flights = self.roots.flights();
        // One that broke down has nobody any more who would end it.
        if let Some(landing) = flights.get(&key).filter(|landing| landing.has_changed().is_ok()) {
            return landing.clone();
        }
        let (ended, landing) = watch::channel(None);
        flights.insert(key, landing.clone());
        drop(flights);
        let relay = Arc::clone(self);
        // To its end, whoever is still there to see it.
        tokio::spawn(async move {
            let fetched = relay.fetch_root(key, bytes_max, &asking).await;
            relay.roots.flights().remove(&key);
            ended.send_replace(Some(fetched));
        });
        landing
    }

    async fn fetch_root(
        self: &Arc<Self>,
        key: ObjectKey,
        bytes_max: usize,
        asking: &Asking,
    ) -> Result<Cached, RelayError> {
        let _turn = self.roots.fetches.acquire().await.map_err(|_| RelayError::Busy)?;
        self.upstream.ask().await.map_err(RelayError::of)?;
        let order = self.upstream.order();
        let lanes = self.upstream.shared_lanes().map_err(|error| RelayError::of(error.into()))?;
        let fetched = self.upstream.object(&lanes[0], order, &path_of(key), bytes_max, asking).await;
        let (bytes, source) = fetched.map_err(RelayError::of)?;
        let bytes = bytes::Bytes::from(bytes);
        let (relay, kept, from) = (Arc::clone(self), bytes.clone(), source.clone());
        let stored = spawn_blocking(move || {
            let free = relay.holder.free_bytes().unwrap_or(0);
            relay.cache.store(key, kept.len() as u64, 0, &kept, from, free)
        });
        if let Ok(Err(error)) = stored.await {
            tracing::debug!(%error, "An object is not cached");
        }
        Ok(Cached { bytes, source })
    }

    /// A whole object from the cache. Blocks.
    fn whole(&self, key: ObjectKey) -> Option<Cached> {
        let bytes = self.cache.object_bytes(key)?;
        let mut all = Vec::new();
        let mut source = None;
        while (all.len() as u64) < bytes {
            let cached = self.cache.read(key, &(all.len() as u64..bytes))?;
            all.extend_from_slice(&cached.bytes);
            source = cached.source;
        }
        Some(Cached { bytes: all.into(), source })
    }
}

impl Roots {
    fn flights(&self) -> MutexGuard<'_, HashMap<ObjectKey, Landing>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agent::Sources;
    use content::ObjectKind;
    use futures_util::future::join_all;

    use super::*;
    use crate::context::Context;

    fn key(byte: u8) -> ObjectKey {
        ObjectKey::parse(ObjectKind::Manifest, &format!("{byte:02x}").repeat(32)).unwrap()
    }

    #[tokio::test]
    async fn a_source_that_never_answers_holds_up_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let context = Context::for_test(folder.path(), &url, clock::SystemClock::shared());
        context.upstream.told(Sources::default());
        let relay = Arc::clone(&context.relay);
        let ask = |byte| {
            let relay = Arc::clone(&relay);
            async move { relay.root(key(byte), 1000, &Asking::default()).await }
        };
        let waiting: Vec<_> = (1..WAITING_MAX).map(|_| tokio::spawn(ask(1))).collect();
        let _connection = silent.accept().await.unwrap();
        relay.cache.store(key(2), 4, 0, b"root", None, u64::MAX).unwrap();
        let other = tokio::time::timeout(Duration::from_secs(10), ask(2)).await;
        assert_eq!(other.expect("it waits for nobody").unwrap().bytes, &b"root"[..]);
        assert_eq!(relay.roots.flights().len(), 1, "all wait for one fetch");
        // One more may wait, and no more than that.
        let more =
            join_all([ask(1), ask(1)].map(|ask| tokio::time::timeout(Duration::from_millis(500), ask)));
        let refused = more.await.into_iter().filter(|end| matches!(end, Ok(Err(RelayError::Busy)))).count();
        assert_eq!(refused, 1);
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
