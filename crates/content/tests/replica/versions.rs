//! Versions that come undisturbed: the bytes are right, few, and ready for this library's own receivers.

use std::collections::HashSet;

use content::{RefState, VoidMonitor};

use crate::scene::{Child, publish, root};
use crate::support::{Bench, Received, code, noise, pull, restore, tree, write};

#[test]
fn a_version_comes_whole_and_the_next_one_as_patches_that_serve_on() {
    let (parent, child) = (Bench::new(), Child::new());
    write(
        &parent.source(),
        &[
            ("net/a.sys", &code(1, 400_000)),
            ("net/b.cab", &noise(2, 90_000)),
            ("copy/b.cab", &noise(2, 90_000)),
            ("disk.img", &noise(3, 9 << 20)),
            ("empty.txt", b""),
        ],
    );
    let first = publish(&parent, None);
    let moved = child.replicate(&parent.library, first);
    let old = tree(&parent.source());
    assert_eq!(restore(&child.library, first).unwrap(), old);
    let replicated = moved.replicated.unwrap();
    let taken = parent.library.root(first).unwrap();
    assert_eq!((replicated.files, replicated.bytes), (taken.files, taken.bytes));
    assert_eq!(replicated.content_hash, taken.content_hash.to_string().to_uppercase());
    assert_eq!(child.library.ref_state(first).unwrap(), Some(RefState::Present(1)));
    assert!(moved.bytes <= parent.library.stats().unwrap().pack_bytes);

    let mut changed = code(1, 400_000);
    changed[1000..1040].fill(7);
    write(&parent.source(), &[("net/a.sys", &changed)]);
    let second = publish(&parent, Some(first));
    let moved = child.replicate(&parent.library, second);
    assert!(moved.bytes < 20_000, "{} bytes for 40 changed ones", moved.bytes);
    assert!(moved.indexes <= 2, "{} indexes, although most packs were on the route before", moved.indexes);
    assert_eq!(restore(&child.library, second).unwrap(), tree(&parent.source()));

    // The child's own receivers: one with the first version gets patches, one with nothing gets all.
    let (mut held, mut seen) = (Received::default(), HashSet::new());
    pull(&child.library, first, &mut held, &mut seen);
    let before = held.payload_bytes;
    pull(&child.library, second, &mut held, &mut seen);
    assert!(held.patches >= 1 && held.payload_bytes - before < 20_000, "{} patches", held.patches);
    let mut bare = Received::default();
    pull(&child.library, second, &mut bare, &mut HashSet::new());
    assert_eq!(bare.patches, 0);
    assert!(child.library.verify(&VoidMonitor, &[]).unwrap().is_whole());
    assert_eq!(restore(&child.library, first).unwrap(), old);
}

#[test]
fn what_the_library_holds_already_is_not_fetched_and_a_version_may_come_twice() {
    let (parent, child) = (Bench::new(), Child::new());
    write(&parent.source(), &[("a.sys", &code(1, 300_000)), ("b.inf", b"[Version]")]);
    let id = publish(&parent, None);
    child.replicate(&parent.library, id);
    let again = child.replicate(&parent.library, id);
    assert_eq!((again.ranges, again.indexes), (0, 0));
    assert_eq!(child.library.ref_state(id).unwrap(), Some(RefState::Present(2)), "retained by each");
    // Another package's version with the same file.
    std::fs::remove_file(parent.source().join("b.inf")).unwrap();
    write(&parent.source(), &[("x/a.sys", &code(1, 300_000))]);
    let other = publish(&parent, None);
    let moved = child.replicate(&parent.library, other);
    assert!(moved.bytes < 2_000, "{} bytes for a manifest", moved.bytes);
    assert_eq!(restore(&child.library, other).unwrap(), tree(&parent.source()));
}

#[test]
fn a_replica_is_no_version_before_it_is_finished() {
    let (parent, child) = (Bench::new(), Child::new());
    write(&parent.source(), &[("a.sys", &code(1, 300_000))]);
    let id = publish(&parent, None);
    let root = root(&parent.library, id);
    let replica = child.library.begin_replica(id, &root).unwrap();
    assert_eq!(replica.finish().unwrap_err().code(), "incomplete");
    assert_eq!(replica.plan_content().unwrap_err().code(), "incomplete");
    assert_eq!(replica.plan_manifest().unwrap_err().code(), "not_offered");
    assert_eq!(replica.progress().bytes_done, 0);
    let mut moved = crate::scene::Moved::default();
    crate::scene::route(&parent.library, &replica, id, &mut moved);
    crate::scene::feed_part(&parent.library, &replica, content::Replica::plan_manifest, &mut moved).unwrap();
    let plan = replica.plan_content().unwrap();
    assert!(!plan.is_empty());
    assert_eq!((replica.missing().chunks, replica.missing().bytes), (1, 300_000));
    assert_eq!(replica.finish().unwrap_err().code(), "incomplete");
    assert_eq!(child.library.ref_state(id).unwrap(), None);
    assert!(child.library.root(id).is_err());
    replica.cancel();
    assert_eq!(replica.plan_content().unwrap_err().code(), "cancelled");
    for bad in [&root[1..], &[], &root[..root.len() - 1]] {
        assert_eq!(child.library.begin_replica(id, bad).unwrap_err().code(), "refused");
    }
}
