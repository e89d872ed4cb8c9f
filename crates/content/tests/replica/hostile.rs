//! Bytes that are not what they say: nothing wrong is kept, nothing panics, and what is right still arrives.

use std::time::Duration;

use content::{ObjectKey, PackId, PackIndex, Replica, VoidMonitor};
use samples::Rng;

use crate::scene::{Child, Moved, bytes, feed_all, feed_part, publish, root, route};
use crate::support::{Bench, code, noise, restore, tree, write};

fn two_versions() -> (Bench, content::ManifestId, content::ManifestId) {
    let parent = Bench::new();
    write(&parent.source(), &[("a.sys", &code(1, 200_000)), ("b.cab", &noise(2, 40_000))]);
    let first = publish(&parent, None);
    write(&parent.source(), &[("a.sys", &code(1, 199_000)), ("c.cab", &noise(3, 40_000))]);
    let second = publish(&parent, Some(first));
    (parent, first, second)
}

/// Wrong bytes of one kind: what they were made of, and whether anything changed.
fn spoil(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = usize::try_from(rng.next_u64() % bytes.len() as u64).unwrap();
    match rng.next_u64() % 4 {
        0 => bytes[at] ^= 0x10,
        1 => bytes.truncate(at),
        2 => bytes.clear(),
        _ => bytes[at..].fill(0xff),
    }
}

#[test]
fn spoiled_ranges_are_refused_named_and_fetched_again() {
    let (parent, first, second) = two_versions();
    for seed in 0..30 {
        let (mut rng, child) = (Rng::new(seed), Child::new());
        child.replicate(&parent.library, first);
        let replica = child.library.begin_replica(second, &root(&parent.library, second)).unwrap();
        let mut moved = Moved::default();
        route(&parent.library, &replica, second, &mut moved);
        let (mut spoiled, mut refused) = (0, 0);
        for plan in [Replica::plan_manifest, Replica::plan_content] {
            let next = plan(&replica).unwrap();
            for range in next.rounds.iter().flatten() {
                let mut bytes = bytes(&parent.library, range);
                let right = bytes.clone();
                spoil(&mut bytes, &mut rng);
                spoiled += usize::from(bytes != right);
                let fed = replica.feed(range, &bytes).unwrap();
                assert!(fed.refused.iter().all(|refusal| refusal.object == range.pack.to_string()));
                refused += fed.refused.len();
            }
            feed_part(&parent.library, &replica, plan, &mut moved).unwrap();
        }
        assert!(spoiled >= 2, "seed {seed}: the fault fired");
        assert!(refused >= 1, "seed {seed}: a gap may take the blow, not all of them");
        replica.finish().unwrap();
        assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()), "seed {seed}");
        assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole(), "seed {seed}");
    }
}

#[test]
fn a_source_that_always_lies_is_given_up() {
    let (parent, _, second) = two_versions();
    let child = Child::new();
    let replica = child.library.begin_replica(second, &root(&parent.library, second)).unwrap();
    route(&parent.library, &replica, second, &mut Moved::default());
    let mut plans = 0;
    let error = loop {
        plans += 1;
        match replica.plan_manifest() {
            Ok(plan) => {
                for range in plan.rounds.iter().flatten() {
                    let wrong = vec![0; usize::try_from(range.len).unwrap()];
                    assert!(!replica.feed(range, &wrong).unwrap().refused.is_empty());
                }
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), plans), ("refused", 4));
    assert_eq!(child.library.stats().unwrap().chunks, 0, "nothing was kept");
}

#[test]
fn indexes_that_lie_are_refused_or_lead_nowhere() {
    let (parent, _, second) = two_versions();
    let child = Child::new();
    let replica = child.library.begin_replica(second, &root(&parent.library, second)).unwrap();
    let packs = parent.library.route(second).unwrap().packs;
    let right: Vec<(PackId, Vec<u8>)> = packs
        .iter()
        .map(|pack| {
            let range = pack.index_offset..pack.index_offset + pack.index_bytes;
            (pack.id, parent.library.store().read(ObjectKey::Pack(pack.id), range).unwrap())
        })
        .collect();
    for (id, bytes) in &right {
        let mut wrong = bytes.clone();
        wrong[20] ^= 1;
        assert_eq!(replica.add_pack_index(id, &wrong).unwrap_err().code(), "refused");
    }
    // Indexes that are what their name says, and whose entries are not what they say.
    let lies = right.iter().map(|(id, bytes)| {
        let mut index = PackIndex::decode(bytes, *id).unwrap();
        for entry in &mut index.entries {
            entry.offset = u64::MAX - (8 << 20) + (entry.offset % (1 << 20));
            entry.stored_check ^= 1;
        }
        index.entries.truncate(1);
        let bytes = index.encode();
        (PackId::of(&bytes), bytes)
    });
    for (id, bytes) in lies {
        assert_eq!(replica.set_route(&[id]).unwrap(), [id]);
        replica.add_pack_index(&id, &bytes).unwrap();
        match replica.plan_manifest() {
            Ok(plan) => {
                for range in plan.rounds.iter().flatten() {
                    let fed = replica.feed(range, &vec![7; usize::try_from(range.len).unwrap()]).unwrap();
                    assert_eq!(fed.placed, 0);
                }
            }
            Err(error) => assert_eq!(error.code(), "not_offered"),
        }
    }
    assert_eq!(child.library.stats().unwrap().chunks, 0, "nothing was kept");
    let too_many = vec![right[0].0; content::replica::ROUTE_PACKS_MAX + 1];
    assert_eq!(replica.set_route(&too_many).unwrap_err().code(), "refused");
}

#[test]
fn a_base_that_rotted_costs_its_patch_and_no_more() {
    let (parent, first, second) = two_versions();
    let child = Child::new();
    child.replicate(&parent.library, first);
    // Every byte of the child's packs, behind its back.
    let packs = child.folder.path().join("library/packs");
    let mut rotten = 0;
    for path in crate::support::objects(&packs).into_keys() {
        let path = packs.join(path);
        let size = std::fs::metadata(&path).unwrap().len();
        std::fs::write(&path, vec![0; usize::try_from(size).unwrap()]).unwrap();
        rotten += 1;
    }
    assert!(rotten >= 1);
    let replica = child.library.begin_replica(second, &root(&parent.library, second)).unwrap();
    let mut moved = Moved::default();
    route(&parent.library, &replica, second, &mut moved);
    feed_all(&parent.library, &replica, &mut moved).unwrap();
    assert!(moved.bytes > 40_000, "{} bytes: the changed file came whole", moved.bytes);
    replica.finish().unwrap();
    // b.cab is in the rotten pack; the rest is new.
    let report = child.library.verify(&VoidMonitor, &[]).unwrap();
    assert!(!report.is_whole());
    child.clock.advance(Duration::from_secs(1));
    child.replicate(&parent.library, second);
    assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()));
}
