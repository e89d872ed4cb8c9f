//! A replica that ends before its end: killed, without room, on a medium that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use content::{LocalStore, ManifestId, Replica, StoreError, VoidMonitor};

use crate::scene::{Child, Moved, bytes, feed_all, feed_part, publish, root, route};
use crate::support::recording::Recording;
use crate::support::{Bench, code, noise, objects, restore, tree, write};

/// A full pack and a bit.
fn large() -> (Bench, ManifestId) {
    let parent = Bench::new();
    for n in 0..10 {
        write(&parent.source(), &[(format!("{n}.cab").as_str(), &noise(n, 4 << 20))]);
    }
    write(&parent.source(), &[("a.sys", &code(1, 100_000))]);
    let id = publish(&parent, None);
    (parent, id)
}

/// A small version after another one, for patches.
fn small() -> (Bench, ManifestId, ManifestId) {
    let parent = Bench::new();
    write(&parent.source(), &[("a.sys", &code(1, 100_000))]);
    let first = publish(&parent, None);
    write(&parent.source(), &[("a.sys", &code(1, 99_000)), ("b.cab", &noise(90, 50_000))]);
    let second = publish(&parent, Some(first));
    (parent, first, second)
}

/// Feeds that many ranges of the content and lets go; gives what moved.
fn fed_until(parent: &Bench, child: &Child, id: ManifestId, ranges: usize, is_sealed: bool) -> Moved {
    let replica = child.library.begin_replica(id, &root(&parent.library, id)).unwrap();
    let mut moved = Moved::default();
    route(&parent.library, &replica, id, &mut moved);
    feed_part(&parent.library, &replica, Replica::plan_manifest, &mut moved).unwrap();
    let plan = replica.plan_content().unwrap();
    assert!(plan.ranges() > ranges, "{} ranges", plan.ranges());
    for range in plan.rounds.iter().flatten().take(ranges) {
        moved.bytes += range.len;
        replica.feed(range, &bytes(&parent.library, range)).unwrap();
    }
    if is_sealed {
        replica.seal().unwrap();
    }
    moved
}

#[test]
fn a_kill_costs_the_unfinished_pack_and_a_sealed_pause_costs_nothing() {
    let (parent, id) = large();
    let undisturbed = Child::new().replicate(&parent.library, id).bytes;
    for (ranges, is_sealed, again_max) in [(1, false, 33 << 20), (4, true, 200_000)] {
        let child = Child::new();
        let before = fed_until(&parent, &child, id, ranges, is_sealed);
        let child = child.reopen();
        assert_eq!(child.library.ref_state(id).unwrap(), None, "not there before it is whole");
        let after = child.replicate(&parent.library, id);
        assert_eq!(after.indexes, 0, "indexes are kept");
        let again = (before.bytes + after.bytes).saturating_sub(undisturbed);
        assert!(again <= again_max, "{ranges} {is_sealed}: {again} bytes came twice");
        assert_eq!(restore(&child.library, id).unwrap(), tree(&parent.source()));
        assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
        assert_eq!(objects(&child.folder.path().join("work/staging")).len(), 0);
    }
}

/// Fails one put, counted down, as a full disk does.
fn full(inner: LocalStore, puts_left: Arc<AtomicI64>, fired: Arc<AtomicUsize>) -> Recording {
    Recording::on(inner, move |_, call| {
        if call == "put" && puts_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            fired.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::NoSpace);
        }
        Ok(())
    })
}

#[test]
fn without_room_the_same_replica_goes_on_when_there_is_room() {
    let ((large, first), (small, base, second)) = (large(), small());
    // Put 1 is the pack that is full, 2 the last one, then the root; of the small one full copies, patches, root.
    for (parent, base, version, failing) in [
        (&large, None, first, 1),
        (&large, None, first, 2),
        (&small, Some(base), second, 1),
        (&small, Some(base), second, 2),
        (&small, Some(base), second, 3),
    ] {
        let (puts_left, fired) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (left, noted) = (puts_left.clone(), fired.clone());
        let child = Child::on(|inner| Arc::new(full(inner, left, noted)));
        if let Some(base) = base {
            child.replicate(&parent.library, base);
        }
        puts_left.store(failing, Ordering::Relaxed);
        let replica = child.library.begin_replica(version, &root(&parent.library, version)).unwrap();
        let mut moved = Moved::default();
        route(&parent.library, &replica, version, &mut moved);
        let mut tries = 0;
        let replicated = loop {
            tries += 1;
            let tried = feed_all(&parent.library, &replica, &mut moved).and_then(|()| replica.finish());
            match tried {
                Ok(replicated) => break replicated,
                Err(error) if error.is_no_space() && tries < 5 => {
                    assert_eq!(child.library.ref_state(version).unwrap(), None);
                }
                Err(error) => panic!("put {failing}: {error}"),
            }
        };
        assert_eq!((fired.load(Ordering::Relaxed), tries), (1, 2), "put {failing} failed once");
        assert_eq!(replicated.manifest, version);
        assert_eq!(restore(&child.library, version).unwrap(), tree(&parent.source()));
        assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
    }
}
