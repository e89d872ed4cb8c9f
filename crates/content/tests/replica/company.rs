//! Replicas beside each other, beside snapshots, and beside the collector.

use std::thread;
use std::time::Duration;

use content::{ChunkId, RefState, Replica, VoidMonitor};

use crate::scene::{Child, Moved, bytes, feed_all, feed_part, publish, root, route};
use crate::support::{Bench, code, noise, restore, snapshot, tree, write};

#[test]
fn the_collector_leaves_what_a_replica_needs() {
    let (parent, child) = (Bench::new(), Child::new());
    write(&parent.source(), &[("a.sys", &code(1, 300_000)), ("b.cab", &noise(2, 100_000))]);
    let first = publish(&parent, None);
    child.replicate(&parent.library, first);
    write(&parent.source(), &[("a.sys", &code(1, 299_000)), ("c.cab", &noise(3, 100_000))]);
    let second = publish(&parent, Some(first));

    let replica = child.library.begin_replica(second, &root(&parent.library, second)).unwrap();
    let mut moved = Moved::default();
    route(&parent.library, &replica, second, &mut moved);
    feed_part(&parent.library, &replica, Replica::plan_manifest, &mut moved).unwrap();
    let plan = replica.plan_content().unwrap();
    // Now the first version goes: b.cab belongs to the replica alone, and a base of its patch is gone.
    child.library.release(first).unwrap();
    replica.seal().unwrap();
    child.clock.advance(Duration::from_secs(100));
    for _ in 0..2 {
        let report = child.library.collect(Duration::from_secs(10), &VoidMonitor).unwrap();
        assert!(!report.more || report.packs_rewritten > 0, "nobody is in the collector's way: {report:?}");
        child.clock.advance(Duration::from_secs(100));
    }
    assert_eq!(child.library.ref_state(first).unwrap(), None, "the collector did its work");
    for range in plan.rounds.iter().flatten() {
        replica.feed(range, &bytes(&parent.library, range)).unwrap();
    }
    let rest: Vec<ChunkId> =
        replica.plan_content().unwrap().rounds.iter().flatten().flat_map(|range| range.chunks()).collect();
    let mut held = code(1, 299_000);
    assert_eq!(rest, [ChunkId::of(&held)], "it comes whole, because the base of its patch went");
    held = noise(2, 100_000);
    assert!(child.library.chunk(ChunkId::of(&held)).is_ok(), "b.cab did not go");
    feed_all(&parent.library, &replica, &mut moved).unwrap();
    replica.finish().unwrap();
    assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()));
    drop(replica);
    // Without the replica what only it needed goes like anything else.
    child.library.release(second).unwrap();
    child.clock.advance(Duration::from_secs(100));
    for _ in 0..2 {
        child.library.collect(Duration::from_secs(10), &VoidMonitor).unwrap();
        child.clock.advance(Duration::from_secs(100));
    }
    let stats = child.library.stats().unwrap();
    assert_eq!((stats.chunks, stats.packs, stats.retired_packs), (0, 0, 0));
}

#[test]
fn replicas_snapshots_and_the_collector_run_side_by_side() {
    let child = Child::new();
    let parents: Vec<Bench> = (0..3)
        .map(|n| {
            let parent = Bench::new();
            write(
                &parent.source(),
                &[
                    ("shared.sys", &code(1, 400_000)),
                    ("own.sys", &code(20 + n, 400_000)),
                    ("own.cab", &noise(n, 1 << 20)),
                ],
            );
            parent
        })
        .collect();
    let ids: Vec<_> = parents.iter().map(|parent| publish(parent, None)).collect();
    let local = child.folder.path().join("source");
    write(&local, &[("shared.sys", &code(1, 400_000)), ("mine.cab", &noise(77, 1 << 20))]);
    let mine = thread::scope(|scope| {
        for (parent, id) in parents.iter().zip(&ids) {
            scope.spawn(|| child.replicate(&parent.library, *id));
            // The same version twice at the same time.
            scope.spawn(|| child.replicate(&parent.library, *id));
        }
        let collector = scope.spawn(|| {
            for _ in 0..20 {
                child.library.collect(Duration::from_secs(3600), &VoidMonitor).unwrap();
            }
        });
        let mine = snapshot(&child.library, &local, None).unwrap().manifest;
        collector.join().unwrap();
        mine
    });
    for (parent, id) in parents.iter().zip(&ids) {
        assert_eq!(restore(&child.library, *id).unwrap(), tree(&parent.source()));
        assert_eq!(child.library.ref_state(*id).unwrap(), Some(RefState::Present(2)));
    }
    assert_eq!(restore(&child.library, mine).unwrap(), tree(&local));
    assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
}

#[test]
fn ranges_of_a_round_may_be_fed_at_the_same_time() {
    let (parent, child) = (Bench::new(), Child::new());
    for n in 0..24 {
        write(&parent.source(), &[(format!("{n}.cab").as_str(), &noise(n, 2 << 20))]);
    }
    let id = publish(&parent, None);
    let replica = child.library.begin_replica(id, &root(&parent.library, id)).unwrap();
    let mut moved = Moved::default();
    route(&parent.library, &replica, id, &mut moved);
    feed_part(&parent.library, &replica, Replica::plan_manifest, &mut moved).unwrap();
    for round in replica.plan_content().unwrap().rounds {
        assert!(round.len() > 3);
        thread::scope(|scope| {
            for range in &round {
                scope.spawn(|| replica.feed(range, &bytes(&parent.library, range)).unwrap());
            }
        });
    }
    assert!(replica.plan_content().unwrap().is_empty());
    assert_eq!(replica.progress().bytes_done, replica.progress().bytes_total);
    replica.finish().unwrap();
    assert_eq!(restore(&child.library, id).unwrap(), tree(&parent.source()));
}
