//! Two libraries and the wire between them.

use std::collections::HashMap;
use std::sync::Arc;

use clock::ManualClock;
use content::{
    Error, FetchRange, Library, LibraryOptions, LocalStore, ManifestId, ObjectKey, ObjectStore, PackId, Plan,
    Replica, Replicated,
};

use crate::support::{Bench, snapshot};

/// A library that receives, in a folder of its own.
pub(crate) struct Child {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) library: Arc<Library>,
}

impl Child {
    pub(crate) fn new() -> Child {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
        let library = Arc::new(crate::support::open(folder.path(), &clock));
        Child { folder, clock, library }
    }

    /// On a store of the test's own.
    pub(crate) fn on(store: impl FnOnce(LocalStore) -> Arc<dyn ObjectStore>) -> Child {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
        let store = store(LocalStore::open(&folder.path().join("library")).unwrap());
        let (work, options) = (folder.path().join("work"), LibraryOptions { threads: 1 });
        let library = Arc::new(Library::open(store, &work, options, clock.clone()).unwrap());
        Child { folder, clock, library }
    }

    /// As after a kill: nothing is ended in order.
    pub(crate) fn reopen(self) -> Child {
        let Child { folder, clock, library } = self;
        drop(Arc::into_inner(library).expect("nobody else has the library"));
        let library = Arc::new(crate::support::open(folder.path(), &clock));
        Child { folder, clock, library }
    }

    /// The whole way, without faults.
    pub(crate) fn replicate(&self, parent: &Library, id: ManifestId) -> Moved {
        let replica = self.library.begin_replica(id, &root(parent, id)).unwrap();
        let mut moved = Moved::default();
        route(parent, &replica, id, &mut moved);
        feed_all(parent, &replica, &mut moved).unwrap();
        assert_eq!(replica.missing().chunks, 0);
        moved.replicated = Some(replica.finish().unwrap());
        moved
    }
}

/// What a replica moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) indexes: usize,
    pub(crate) ranges: usize,
    pub(crate) bytes: u64,
    pub(crate) refused: usize,
    pub(crate) replicated: Option<Replicated>,
}

pub(crate) fn root(parent: &Library, id: ManifestId) -> Vec<u8> {
    let key = ObjectKey::Manifest(id);
    parent.store().read(key, 0..parent.store().size(key).unwrap().unwrap()).unwrap()
}

pub(crate) fn bytes(parent: &Library, range: &FetchRange) -> Vec<u8> {
    parent.store().read(ObjectKey::Pack(range.pack), range.offset..range.offset + range.len).unwrap()
}

/// Gives the replica the route, and the indexes that it lacks.
pub(crate) fn route(parent: &Library, replica: &Replica, id: ManifestId, moved: &mut Moved) {
    let packs: HashMap<PackId, _> =
        parent.route(id).unwrap().packs.into_iter().map(|pack| (pack.id, pack)).collect();
    for id in replica.set_route(&packs.keys().copied().collect::<Vec<_>>()).unwrap() {
        let pack = packs[&id];
        let range = pack.index_offset..pack.index_offset + pack.index_bytes;
        let index = parent.store().read(ObjectKey::Pack(id), range).unwrap();
        replica.add_pack_index(&id, &index).unwrap();
        moved.indexes += 1;
    }
}

pub(crate) fn feed_all(parent: &Library, replica: &Replica, moved: &mut Moved) -> Result<(), Error> {
    feed_part(parent, replica, Replica::plan_manifest, moved)?;
    feed_part(parent, replica, Replica::plan_content, moved)
}

pub(crate) fn feed_part(
    parent: &Library,
    replica: &Replica,
    plan: impl Fn(&Replica) -> Result<Plan, Error>,
    moved: &mut Moved,
) -> Result<(), Error> {
    loop {
        let next = plan(replica)?;
        if next.is_empty() {
            return Ok(());
        }
        for range in next.rounds.iter().flatten() {
            moved.ranges += 1;
            moved.bytes += range.len;
            moved.refused += replica.feed(range, &bytes(parent, range))?.refused.len();
        }
    }
}

/// The next version of the bench's source, retained.
pub(crate) fn publish(bench: &Bench, previous: Option<ManifestId>) -> ManifestId {
    let id = snapshot(&bench.library, &bench.source(), previous).unwrap().manifest;
    bench.library.retain(id).unwrap();
    id
}
