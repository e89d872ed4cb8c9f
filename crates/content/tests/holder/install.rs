//! Installing versions one after the other.

use std::collections::BTreeSet;

use content::Entry;
use content::holder::HolderError;
use samples::Step;

use crate::site::{PACKAGE, Site, assert_served, open, tree, write_sample};

#[test]
fn each_version_is_the_source_and_the_one_before_stays() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    write_sample(&site, 1);
    let first = site.publish();
    let expect_first = tree(&site.source);
    let moved = site.install(&holder, 1, first).unwrap();
    assert_eq!(moved.installed.unwrap().files, expect_first.len() as u64);
    assert_served(&holder, None, &expect_first);

    let mut before = expect_first;
    for (version, step) in [(2, Step::Fix), (3, Step::Full), (4, Step::Resign)] {
        samples::apply_step(&site.source, u64::from(version), step).unwrap();
        let id = site.publish();
        let moved = site.install(&holder, version, id).unwrap();
        let now = tree(&site.source);
        assert_served(&holder, None, &now);
        assert_served(&holder, Some(version), &now);
        assert_served(&holder, Some(version - 1), &before);
        let total: usize = now.values().map(Vec::len).sum();
        assert!(moved.bytes < total as u64 / 3, "{step:?} moved {} of {total}", moved.bytes);
        before = now;
    }
    assert_eq!(holder.versions().unwrap().iter().map(|held| held.version).collect::<Vec<_>>(), [3, 4]);
    assert!(holder.lookup(PACKAGE, Some(2), "empty.txt").unwrap().is_none(), "version 2 is gone");
    // Exactly the files of the two versions are left on disk.
    let left: BTreeSet<String> = tree(&dir.path().join("files")).into_keys().collect();
    assert_eq!(left.len() as u64, holder.files_count().unwrap());
    assert_eq!(tree(&dir.path().join("staging")).len(), 0);
}

#[test]
fn the_same_bytes_under_other_names_cost_nothing() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    write_sample(&site, 2);
    let first = site.publish();
    site.install(&holder, 1, first).unwrap();
    std::fs::rename(site.source.join("twice"), site.source.join("moved")).unwrap();
    let second = site.publish();
    let moved = site.install(&holder, 2, second).unwrap();
    assert_eq!(moved.chunks, [], "nothing but the manifest moves");
    assert_served(&holder, None, &tree(&site.source));
}

#[test]
fn an_insertion_into_a_large_file_moves_only_its_surroundings() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    let mut bytes = samples::Rng::new(7).bytes(24 << 20);
    site.write("disk.img", &bytes);
    let first = site.publish();
    site.install(&holder, 1, first).unwrap();
    bytes.splice(12 << 20..12 << 20, *b"inserted");
    site.write("disk.img", &bytes);
    let second = site.publish();
    let moved = site.install(&holder, 2, second).unwrap();
    assert!(moved.bytes < 24 << 14, "{} bytes, more than a 64th of the file", moved.bytes);
    assert_served(&holder, None, &tree(&site.source));
}

#[test]
fn a_package_without_files_is_a_version_too() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    std::fs::create_dir_all(site.source.join("a/b")).unwrap();
    site.write("a/none.txt", b"");
    let id = site.publish();
    assert!(site.library.manifest(id).unwrap().entries.iter().any(|entry| matches!(entry, Entry::Folder(_))));
    site.install(&holder, 1, id).unwrap();
    assert_served(&holder, Some(1), &tree(&site.source));
}

#[test]
fn removing_a_package_keeps_what_others_use() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    site.write("shared.sys", &samples::Rng::new(1).bytes(50_000));
    site.write("own.sys", &samples::Rng::new(2).bytes(50_000));
    let id = site.publish();
    site.install(&holder, 1, id).unwrap();
    let expect = tree(&site.source);

    // Another package with one of the files: nothing to fetch but its manifest.
    std::fs::remove_file(site.source.join("own.sys")).unwrap();
    let other = site.publish();
    let pull = holder.begin("PS100002", 1, other, &site.root(other), std::sync::Arc::default()).unwrap();
    let packs: Vec<_> = site.library.route(other).unwrap().packs.iter().map(|pack| pack.id).collect();
    for lacking in pull.set_route(&packs).unwrap() {
        let pack = *site.library.route(other).unwrap().packs.iter().find(|pack| pack.id == lacking).unwrap();
        let range = pack.index_offset..pack.index_offset + pack.index_bytes;
        let key = content::ObjectKey::Pack(lacking);
        pull.add_pack_index(&lacking, &site.store.read(key, range).unwrap()).unwrap();
    }
    let mut moved = crate::site::Moved::default();
    site.feed_all(&pull, content::holder::Pull::plan_manifest, &mut moved).unwrap();
    assert!(pull.plan_content().unwrap().is_empty());
    pull.finish().unwrap();
    drop(pull);
    holder.activate("PS100002", 1).unwrap();

    holder.remove(PACKAGE).unwrap();
    assert_eq!(holder.current(PACKAGE).unwrap(), None);
    assert!(holder.lookup(PACKAGE, None, "shared.sys").unwrap().is_none());
    let served = holder.lookup("ps100002", None, "shared.sys").unwrap().unwrap();
    assert!(std::fs::read(served.path).unwrap() == expect["shared.sys"]);
    assert_eq!(holder.files_count().unwrap(), 1);
    // Removing what is not there is no error: the demand is met.
    holder.remove(PACKAGE).unwrap();
}

#[test]
fn what_cannot_be_served_says_why() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let holder = open(dir.path());
    site.write("a.inf", b"x");
    let id = site.publish();
    let root = site.root(id);
    let code =
        |result: Result<_, HolderError>| result.map(|_: content::holder::Pull| ()).map_err(|e| e.code());
    let begin = |package, root: &[u8]| code(holder.begin(package, 1, id, root, std::sync::Arc::default()));
    assert_eq!(begin("../x", &root), Err("bad_package_id"));
    assert_eq!(begin(PACKAGE, &root[1..]), Err("refused"));
    assert_eq!(begin(PACKAGE, &[]), Err("refused"));
    assert_eq!(holder.activate(PACKAGE, 1).map_err(|e| e.code()), Err("not_installed"));
    // A route without the packs.
    let pull = holder.begin(PACKAGE, 1, id, &root, std::sync::Arc::default()).unwrap();
    assert_eq!(pull.plan_manifest().map(|_| ()).map_err(|e| e.code()), Err("not_offered"));
    assert_eq!(pull.finish().map(|_| ()).map_err(|e| e.code()), Err("incomplete"));
    pull.cancel();
    assert_eq!(pull.plan_manifest().map(|_| ()).map_err(|e| e.code()), Err("canceled"));
}
