//! What a library lost comes back from any source that has it: another library by route, or raw bytes of a file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use content::{ChunkId, LostChunk, ManifestId, VoidMonitor};

use crate::scene::{Child, Moved, feed_all, publish, root, route};
use crate::support::{Bench, Received, code, noise, objects, pull, restore, tree, write};

/// A library with two versions.
struct Parent {
    bench: Bench,
    ids: [ManifestId; 2],
}

/// The same, and a copy of it that is damaged.
struct Case<'a> {
    parent: &'a Bench,
    child: Child,
    ids: [ManifestId; 2],
}

fn parent() -> Parent {
    let parent = Bench::new();
    write(
        &parent.source(),
        &[("a.sys", &code(1, 80_000)), ("b.cab", &noise(2, 30_000)), ("disk.img", &noise(3, 5 << 20))],
    );
    let first = publish(&parent, None);
    write(&parent.source(), &[("a.sys", &code(1, 79_000)), ("c/d.inf", b"[Version]")]);
    let second = publish(&parent, Some(first));
    Parent { bench: parent, ids: [first, second] }
}

fn case(parent: &Parent) -> Case<'_> {
    let child = Child::new();
    for id in parent.ids {
        child.replicate(&parent.bench.library, id);
    }
    Case { parent: &parent.bench, child, ids: parent.ids }
}

fn packs(child: &Child) -> Vec<PathBuf> {
    let folder = child.folder.path().join("library/packs");
    objects(&folder).into_keys().map(|path| folder.join(path)).collect()
}

type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 3] = [
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("cut in half", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("middle byte", |path| crate::support::flip(path, fs::read(path).unwrap().len() / 2)),
];

/// Everything is there again: by reading, by verifying, and for a receiver that follows the route.
fn assert_whole(case: &Case<'_>, what: &str) {
    let library = &case.child.library;
    for id in case.ids {
        assert_eq!(library.lost_chunks(id).unwrap(), [], "{what}");
        assert_eq!(restore(library, id).unwrap(), restore(&case.parent.library, id).unwrap(), "{what}");
        let mut received = Received::default();
        pull(library, id, &mut received, &mut HashSet::new());
    }
    let report = library.verify(&VoidMonitor, &[]).unwrap();
    assert!(!report.found_damage(), "{what}: {report:?}");
}

#[test]
fn a_replica_of_a_damaged_version_fetches_what_was_lost_and_nothing_else() {
    let parent = parent();
    let count = packs(&case(&parent).child).len();
    let (mut fired, mut fetched_max) = (0, 0);
    for (name, damage) in DAMAGES {
        for at in 0..count {
            let case = case(&parent);
            let victim = &packs(&case.child)[at];
            let what = format!("{name}: pack {at}");
            damage(victim);
            fired += 1;
            let report = case.child.library.verify(&VoidMonitor, &[]).unwrap();
            assert!(report.found_damage(), "{what}");
            let mut moved = Moved::default();
            for id in case.ids {
                let replica = case.child.library.begin_replica(id, &root(&case.parent.library, id)).unwrap();
                route(&case.parent.library, &replica, id, &mut moved);
                feed_all(&case.parent.library, &replica, &mut moved).unwrap();
                replica.seal().unwrap();
            }
            fetched_max = fetched_max.max(moved.bytes);
            assert!(report.is_whole() == (moved.bytes == 0), "{what}: {report:?}, {} bytes", moved.bytes);
            assert_whole(&case, &what);
        }
    }
    assert!(count >= 3 && fired == DAMAGES.len() * count && fetched_max > 4 << 20);
}

/// The bytes of lost chunks from the files that a distribution point has.
fn from_files(lost: &[LostChunk], source: &Path) -> Vec<(ChunkId, Vec<u8>)> {
    let one = |lost: &LostChunk| {
        let place = lost.place.as_ref()?;
        let bytes = fs::read(source.join(&place.file)).ok()?;
        let start = usize::try_from(place.offset).unwrap();
        Some((lost.chunk.id, bytes.get(start..start + lost.chunk.len as usize)?.to_vec()))
    };
    lost.iter().filter_map(one).collect()
}

#[test]
fn lost_chunks_come_back_from_the_files_of_a_distribution_point() {
    let parent = parent();
    let case = case(&parent);
    let library = &case.child.library;
    let second = case.ids[1];
    let large = packs(&case.child).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    crate::support::flip(&large, 3 << 20);
    assert_eq!(library.lost_chunks(second).unwrap(), [], "nobody has looked yet");
    library.verify(&VoidMonitor, &[]).unwrap();
    let lost = library.lost_chunks(second).unwrap();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].place.as_ref().unwrap().file, "disk.img");
    assert!(restore(library, second).is_err());

    // Wrong bytes and chunks of others are refused, and change nothing.
    let right = from_files(&lost, &case.parent.source());
    let foreign = b"of nobody".to_vec();
    let mut wrong = right[0].1.clone();
    wrong[0] ^= 1;
    let bad = vec![(right[0].0, wrong), (ChunkId::of(&foreign), foreign)];
    let refused = library.adopt(second, bad).unwrap();
    assert_eq!((refused.chunks, refused.refused.len()), (0, 2));
    assert_eq!(library.lost_chunks(second).unwrap(), lost);

    let adopted = library.adopt(second, right.clone()).unwrap();
    assert_eq!((adopted.chunks, adopted.refused.len()), (1, 0));
    assert_whole(&case, "adopted");
    assert_eq!(library.adopt(second, right).unwrap().chunks, 0, "nothing is lost any more");
    assert_eq!(restore(library, second).unwrap(), tree(&case.parent.source()));
}

#[test]
fn a_manifest_that_rotted_unseen_is_noticed_by_the_replica_that_reads_it() {
    let parent = parent();
    let case = case(&parent);
    for path in packs(&case.child) {
        let size = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0; usize::try_from(size).unwrap()]).unwrap();
    }
    let id = case.ids[1];
    let replica = case.child.library.begin_replica(id, &root(&case.parent.library, id)).unwrap();
    let mut moved = Moved::default();
    route(&case.parent.library, &replica, id, &mut moved);
    let plan = replica.plan_manifest().unwrap();
    assert!(!plan.is_empty(), "the index knows the manifest's chunks, and the disk does not");
    feed_all(&case.parent.library, &replica, &mut moved).unwrap();
    replica.seal().unwrap();
    assert!(case.child.library.manifest(id).is_ok());
}
