//! References, the collector, and the rebuild of a lost index.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::fs;
use std::time::Duration;

use content::{Error, ManifestId, RefState, VoidMonitor};
use support::{Bench, code, noise, objects, restore, tree, write};

const GRACE: Duration = Duration::from_secs(3600);

#[test]
fn a_version_lives_as_long_as_someone_wants_it() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &noise(1, 50_000))]);
    let id = bench.snapshot(None).manifest;
    assert!(matches!(bench.library.ref_state(id).unwrap(), Some(RefState::Deletable(_))));
    bench.library.retain(id).unwrap();
    bench.library.retain(id).unwrap();
    bench.library.release(id).unwrap();
    bench.clock.advance(2 * GRACE);
    assert_eq!(bench.library.collect(GRACE, &VoidMonitor).unwrap().manifests_removed, 0);
    bench.library.release(id).unwrap();
    assert!(matches!(bench.library.release(id), Err(Error::NotRetained { .. })));

    assert_eq!(bench.library.collect(GRACE, &VoidMonitor).unwrap().manifests_removed, 0, "within the grace");
    bench.clock.advance(GRACE);
    let report = bench.library.collect(GRACE, &VoidMonitor).unwrap();
    assert_eq!((report.manifests_removed, report.packs_removed), (1, 1));
    assert_eq!(bench.library.ref_state(id).unwrap(), None);
    assert!(matches!(bench.library.manifest(id), Err(Error::UnknownManifest { .. })));
    assert_eq!(objects(&bench.objects()).len(), 0);
    // The source cache went with it: the next snapshot stores everything again.
    let again = bench.snapshot(None);
    assert_eq!((again.manifest, again.files_read), (id, 1));
    assert_eq!(restore(&bench.library, id).unwrap(), tree(&bench.source()));
}

#[test]
fn an_unchanged_snapshot_renews_the_grace() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", b"x")]);
    let id = bench.snapshot(None).manifest;
    bench.clock.advance(GRACE - Duration::from_secs(1));
    bench.snapshot(None);
    bench.clock.advance(GRACE - Duration::from_secs(1));
    assert_eq!(bench.library.collect(GRACE, &VoidMonitor).unwrap().manifests_removed, 0);
    assert!(bench.library.ref_state(id).unwrap().is_some());
}

#[test]
fn a_sparse_pack_is_rewritten_and_kept_for_transfers_under_way() {
    let bench = Bench::new();
    write(&bench.source(), &[("keep", &noise(1, 50_000)), ("go", &noise(2, 900_000))]);
    let first = bench.snapshot(None).manifest;
    fs::remove_file(bench.source().join("go")).unwrap();
    let second = bench.snapshot(Some(first)).manifest;
    bench.library.retain(second).unwrap();
    let route = bench.library.route(second).unwrap();
    bench.clock.advance(GRACE);
    let report = bench.library.collect(GRACE, &VoidMonitor).unwrap();
    assert_eq!((report.manifests_removed, report.packs_rewritten), (1, 1), "{report:?}");
    let stats = bench.library.stats().unwrap();
    assert_eq!(stats.retired_packs, 1);
    let old = &route.packs.iter().max_by_key(|pack| pack.index_offset).unwrap().id;
    assert!(
        bench.library.store().size(content::ObjectKey::Pack(*old)).unwrap().is_some(),
        "old routes still work"
    );
    assert!(
        bench.library.route(second).unwrap().packs.iter().all(|pack| pack.id != *old),
        "new ones avoid it"
    );
    assert_eq!(restore(&bench.library, second).unwrap(), tree(&bench.source()));

    bench.clock.advance(GRACE);
    bench.library.collect(GRACE, &VoidMonitor).unwrap();
    assert_eq!(bench.library.stats().unwrap().retired_packs, 0);
    assert_eq!(bench.library.store().size(content::ObjectKey::Pack(*old)).unwrap(), None);
    assert_eq!(restore(&bench.library, second).unwrap(), tree(&bench.source()));
    let settled = bench.library.collect(GRACE, &VoidMonitor).unwrap();
    assert_eq!((settled.packs_rewritten, settled.packs_removed), (0, 0), "it comes to rest");
}

#[test]
fn a_recount_repairs_and_reports() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", b"1")]);
    let first = bench.snapshot(None).manifest;
    write(&bench.source(), &[("a", b"22")]);
    let second = bench.snapshot(None).manifest;
    bench.library.retain(first).unwrap();
    let unknown = ManifestId::of(b"unknown");
    let report = bench.library.recount(&[second, second, unknown]).unwrap();
    assert_eq!(report.missing, [unknown]);
    assert_eq!(report.repaired.len(), 2);
    assert!(matches!(bench.library.ref_state(first).unwrap(), Some(RefState::Deletable(_))));
    assert_eq!(bench.library.ref_state(second).unwrap(), Some(RefState::Present(2)));
    let index = fs::read(bench.index()).unwrap();
    assert_eq!(bench.library.recount(&[second, second]).unwrap().repaired, []);
    assert!(fs::read(bench.index()).unwrap() == index, "what is right already is not written again");
}

#[test]
fn the_index_is_rebuilt_from_packs_and_manifests_alone() {
    let bench = Bench::new();
    write(&bench.source(), &[("a", &code(1, 100_000)), ("b/c", &noise(2, 5 << 20))]);
    let first = bench.snapshot(None);
    write(&bench.source(), &[("a", &code(1, 99_000))]);
    let second = bench.snapshot(Some(first.manifest));
    let stats = bench.library.stats().unwrap();
    let route = bench.library.route(second.manifest).unwrap();
    let files = tree(&bench.source());
    let bench = bench.reopen_after(|folder| fs::remove_dir_all(folder.join("work")).unwrap());
    let rebuilt = bench.library.stats().unwrap();
    assert_eq!(
        (rebuilt.packs, rebuilt.pack_bytes, rebuilt.chunks),
        (stats.packs, stats.pack_bytes, stats.chunks)
    );
    let sorted = |route: content::Route| {
        let mut packs = route.packs;
        packs.sort();
        packs
    };
    assert_eq!(sorted(bench.library.route(second.manifest).unwrap()), sorted(route));
    assert_eq!(restore(&bench.library, second.manifest).unwrap(), files);
    assert_eq!(
        bench.library.ref_state(first.manifest).unwrap(),
        Some(RefState::Present(1)),
        "wanted until recounted"
    );
    let again = bench.snapshot(Some(second.manifest));
    assert_eq!((again.manifest, again.new_chunk_bytes, again.files_read), (second.manifest, 0, 2));
}
