//! Ranges and small objects for one pull: from the sources in their order, through what is lent to others where
//! anybody is lent to, going on in mid-range after a break.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use content::{ManifestId, ObjectKey, PackId};
use net::{Client, Way};

use super::pull::Wanted;
use crate::context::{Context, Stop};
use crate::fault::JobError;
use crate::relay::without;
use crate::site::{manifest_path, pack_path};
use crate::upstream::{Asking, Origin, Transfer};

/// Fetches for one pull and counts its bytes.
#[derive(Debug)]
pub(crate) struct Fetcher {
    context: Arc<Context>,
    package: Arc<str>,
    lanes: Vec<Client>,
    next: AtomicUsize,
    stop: Stop,
    /// Content bytes received for the demand, those of earlier attempts included.
    received_bytes: Arc<AtomicU64>,
    /// Sources that sent wrong bytes; they are asked for nothing more in this pull.
    blamed: Mutex<BTreeSet<String>>,
}

/// Bytes as they came, unproven.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// The sources that sent them; none: the site alone.
    pub(crate) sources: BTreeSet<Arc<str>>,
}

impl Fetcher {
    /// The site is told that it is for the package: its priority counts there.
    pub(crate) fn new(context: Arc<Context>, wanted: &Wanted, stop: Stop) -> Result<Self, JobError> {
        let lanes = context.upstream.lanes(&wanted.package)?;
        let package = Arc::from(wanted.package.as_str());
        let (next, received_bytes) = (AtomicUsize::new(0), Arc::clone(&wanted.received));
        Ok(Self { context, package, lanes, next, stop, received_bytes, blamed: Mutex::default() })
    }

    /// Content bytes received for the demand so far, from wherever they came.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// A manifest's root object, whole.
    pub(crate) async fn root(&self, id: ManifestId, bytes_max: usize) -> Result<Fetched, JobError> {
        self.stop.or(self.root_from_anywhere(id, bytes_max)).await
    }

    /// Adds exactly the bytes of a range of a pack, unproven. However it ends, what came stays in `fetched`.
    pub(crate) async fn range(
        &self,
        pack: PackId,
        range: Range<u64>,
        fetched: &mut Fetched,
    ) -> Result<(), JobError> {
        let ended = self.stop.or(async {
            let ranges = &self.context.ranges;
            let _permit = ranges.acquire().await.map_err(|e| JobError::Interrupted(e.to_string()))?;
            self.range_from_anywhere(pack, range, fetched).await
        });
        let ended = ended.await;
        self.count(fetched);
        ended
    }

    /// What came was wrong: whoever sent it is asked for nothing more in this pull, and the object is asked for past all
    /// caches. Gives the name of a source that had part in it.
    pub(crate) fn blame(
        &self,
        fetched: &BTreeSet<Arc<str>>,
        key: ObjectKey,
        range: Range<u64>,
    ) -> Option<String> {
        self.context.relay.forget(key, range);
        self.context.upstream.distrust(&key.id());
        let mut blamed = self.blamed.lock().unwrap_or_else(PoisonError::into_inner);
        for source in fetched {
            self.context.upstream.pass_over(source);
            blamed.insert(source.to_string());
        }
        fetched.first().map(ToString::to_string)
    }

    async fn root_from_anywhere(&self, id: ManifestId, bytes_max: usize) -> Result<Fetched, JobError> {
        let path = manifest_path(&id.to_string());
        let asking = self.asking(&path);
        if self.may_share(&asking.way) {
            let lent = self.context.relay.root(ObjectKey::Manifest(id), bytes_max, &asking).await;
            if let Ok(root) = lent {
                let fetched =
                    Fetched { bytes: root.bytes.into(), sources: root.source.into_iter().collect() };
                self.count(&fetched);
                return Ok(fetched);
            }
        }
        let upstream = &self.context.upstream;
        let (bytes, source) = upstream.object(self.lane(), self.order(), &path, bytes_max, &asking).await?;
        let fetched = Fetched { bytes, sources: source.into_iter().collect() };
        self.count(&fetched);
        Ok(fetched)
    }

    async fn range_from_anywhere(
        &self,
        pack: PackId,
        range: Range<u64>,
        fetched: &mut Fetched,
    ) -> Result<(), JobError> {
        let path = pack_path(&pack.to_string());
        let asking = self.asking(&path);
        let mut at = range.start;
        if self.may_share(&asking.way) {
            // Whatever ends this early, the way around it is tried next, and tells why if it ends too.
            let (relay, key) = (&self.context.relay, ObjectKey::Pack(pack));
            while at < range.end
                && let Ok(piece) = relay.piece(key, &(at..range.end), &asking).await
            {
                at += piece.bytes.len() as u64;
                fetched.bytes.extend_from_slice(&piece.bytes);
                fetched.sources.extend(piece.source);
            }
        }
        let upstream = &self.context.upstream;
        let mut transfer = Transfer::begin(upstream, self.lane(), self.order(), &path, at..range.end, asking);
        while let Some(chunk) = transfer.next().await? {
            fetched.bytes.extend_from_slice(&chunk.bytes);
            fetched.sources.extend(chunk.source);
        }
        Ok(())
    }

    fn count(&self, fetched: &Fetched) {
        self.received_bytes.fetch_add(fetched.bytes.len() as u64, Ordering::Relaxed);
    }

    /// Whether what is fetched is worth keeping for others, and what was kept may be used.
    fn may_share(&self, way: &Way) -> bool {
        !way.fresh && self.context.relay.is_lending()
    }

    fn asking(&self, path: &str) -> Asking {
        let way = Way { passed: Vec::new(), fresh: self.context.upstream.is_distrusted(path) };
        Asking { way, package: Some(Arc::clone(&self.package)) }
    }

    fn order(&self) -> Vec<Origin> {
        without(self.context.upstream.order(), &self.blamed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Each request takes the next connection.
    fn lane(&self) -> &Client {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        &self.lanes[n % self.lanes.len()]
    }
}
