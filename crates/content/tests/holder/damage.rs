//! The damage matrix: every kind of damage at every place, found by whoever comes first, and repaired by
//! the next pull.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use content::holder::{Holder, Pull};
use content::{ManifestId, fold};

use crate::site::{Moved, PACKAGE, Site, assert_served, open, tree};

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip,
    Truncate,
    Delete,
}

const DAMAGES: [Damage; 3] = [Damage::Flip, Damage::Truncate, Damage::Delete];

impl Damage {
    fn apply(self, path: &Path) {
        let size = fs::metadata(path).unwrap().len();
        match self {
            Damage::Flip => {
                let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
                let (mut byte, at) = ([0], size / 2);
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[!byte[0]], at).unwrap();
            }
            Damage::Truncate => OpenOptions::new().write(true).open(path).unwrap().set_len(size / 2).unwrap(),
            Damage::Delete => fs::remove_file(path).unwrap(),
        }
    }
}

/// Damages the index so that it cannot be overlooked: a flip hits every page, used or not.
fn damage_index(damage: Damage, dir: &Path) {
    let path = dir.join("index.redb");
    match damage {
        Damage::Flip => {
            let mut bytes = fs::read(&path).unwrap();
            bytes.iter_mut().skip(100).step_by(4096).for_each(|byte| *byte ^= 0x55);
            fs::write(&path, bytes).unwrap();
        }
        other => other.apply(&path),
    }
}

/// A site with two versions and a holder of the first.
fn scene() -> (Site, tempfile::TempDir, ManifestId, ManifestId) {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    for n in 0..6 {
        site.write(&format!("net/d{n}.sys"), &samples::Rng::new(n).bytes(60_000));
    }
    site.write("disk.img", &samples::Rng::new(99).bytes(9 << 20));
    let first = site.publish();
    site.install(&open(dir.path()), 1, first).unwrap();
    let mut bytes = samples::Rng::new(3).bytes(60_000);
    bytes[100..140].fill(7);
    site.write("net/d3.sys", &bytes);
    let second = site.publish();
    (site, dir, first, second)
}

fn stored(holder: &Holder, name: &str) -> PathBuf {
    holder.lookup(PACKAGE, None, &fold(name)).unwrap().unwrap().path
}

#[test]
fn verify_finds_each_damage_and_a_pull_repairs_only_it() {
    for damage in DAMAGES {
        for name in ["net/d1.sys", "disk.img"] {
            let (site, dir, first, _) = scene();
            let holder = open(dir.path());
            damage.apply(&stored(&holder, name));
            let report = holder.verify(PACKAGE, 1, &AtomicBool::new(false)).unwrap();
            assert_eq!(report.damaged, [name], "{damage:?}");
            assert_eq!((report.files_damaged, report.files_verified), (1, 7));
            assert!(!stored(&holder, name).exists(), "damaged bytes are served no more");
            assert_eq!(holder.take_suspects(), [PACKAGE]);
            let moved = site.install(&holder, 1, first).unwrap();
            assert_eq!(moved.installed.unwrap().files_verified, 1, "only the damaged file comes again");
            let report = holder.verify(PACKAGE, 1, &AtomicBool::new(false)).unwrap();
            assert_eq!(report.files_damaged, 0, "{damage:?} of {name}");
            holder.collect().unwrap();
            assert_eq!(holder.versions().unwrap().len(), 1);
        }
    }
}

#[test]
fn a_damaged_base_of_a_patch_is_found_and_the_whole_chunk_comes_instead() {
    for damage in DAMAGES {
        let (site, dir, _, second) = scene();
        let holder = open(dir.path());
        damage.apply(&stored(&holder, "net/d3.sys"));
        let moved = site.install(&holder, 2, second).unwrap();
        assert_served(&holder, None, &tree(&site.source));
        assert!(moved.bytes > 50_000, "{damage:?}: the patch was no use, {} bytes", moved.bytes);
        assert_eq!(holder.take_suspects(), [PACKAGE], "version 1 lost its file");
        // The loss is known over a restart as well.
        drop(holder);
        assert_eq!(open(dir.path()).take_suspects(), [PACKAGE]);
    }
}

#[test]
fn an_error_that_says_nothing_about_the_bytes_fails_the_work_and_drops_nothing() {
    let (site, dir, first, second) = scene();
    let holder = open(dir.path());
    // ELOOP stands for all of them: it also meets root, whom no missing right stops.
    let base = stored(&holder, "net/d3.sys");
    let aside = dir.path().join("aside");
    fs::rename(&base, &aside).unwrap();
    std::os::unix::fs::symlink(&base, &base).unwrap();
    assert_eq!(site.install(&holder, 2, second).unwrap_err().code(), "io");
    assert_eq!(holder.verify(PACKAGE, 1, &AtomicBool::new(false)).unwrap_err().code(), "io");
    assert_eq!(holder.take_suspects(), [""; 0]);
    fs::rename(&aside, &base).unwrap();
    assert_eq!(site.install(&holder, 1, first).unwrap().bytes, 0, "the file is still known");
    let moved = site.install(&holder, 2, second).unwrap();
    assert!(moved.bytes < 50_000, "its patch served: {} bytes", moved.bytes);
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt_without_fetching() {
    for damage in DAMAGES {
        let (site, dir, first, second) = scene();
        site.install(&open(dir.path()), 2, second).unwrap();
        damage_index(damage, dir.path());
        let holder = open(dir.path());
        let is_aside = dir.path().join("index.redb.damaged").exists();
        assert_eq!(is_aside, !matches!(damage, Damage::Delete), "{damage:?} was noticed");
        assert_eq!(holder.current(PACKAGE).unwrap(), Some(2), "{damage:?}");
        assert_served(&holder, None, &tree(&site.source));
        assert_eq!(holder.version(PACKAGE, 1).unwrap().unwrap().manifest, first);
        let moved = site.install(&holder, 2, second).unwrap();
        assert_eq!((moved.bytes, moved.ranges), (0, 0), "{damage:?}");
    }
}

#[test]
fn a_rebuild_keeps_what_is_right_of_a_version_that_lost_files() {
    let (site, dir, first, _) = scene();
    let holder = open(dir.path());
    Damage::Flip.apply(&stored(&holder, "net/d1.sys"));
    drop(holder);
    Damage::Delete.apply(&dir.path().join("index.redb"));
    let holder = open(dir.path());
    assert_eq!(holder.current(PACKAGE).unwrap(), None, "a version that lacks a file is not served");
    assert_eq!(holder.take_suspects(), [PACKAGE], "somebody is told to pull it again");
    let moved = site.install(&holder, 1, first).unwrap();
    assert!(moved.bytes < 100_000, "{} bytes for one file of 60,000", moved.bytes);
    let report = holder.verify(PACKAGE, 1, &AtomicBool::new(false)).unwrap();
    assert_eq!(report.files_damaged, 0);
}

#[test]
fn damaged_staging_is_fetched_again() {
    for damage in DAMAGES {
        let mut site = Site::new();
        site.write("disk.img", &samples::Rng::new(1).bytes(30 << 20));
        let id = site.publish();
        let dir = tempfile::tempdir().unwrap();
        let holder = open(dir.path());
        let pull = site.begin(&holder, 1, id).unwrap();
        site.feed_all(&pull, Pull::plan_manifest, &mut Moved::default()).unwrap();
        let plan = pull.plan_content().unwrap();
        let range = plan.rounds.iter().flatten().next().unwrap();
        pull.feed(range, &site.bytes(range)).unwrap();
        drop((pull, holder));
        let parts = fs::read_dir(dir.path().join("staging/PS100001.1")).unwrap();
        let mut count = 0;
        for part in parts {
            damage.apply(&part.unwrap().path());
            count += 1;
        }
        assert_eq!(count, 3, "root, manifest and one part");
        let holder = open(dir.path());
        site.install(&holder, 1, id).unwrap();
        assert_served(&holder, None, &tree(&site.source));
    }
}

#[test]
fn altered_bytes_on_the_way_are_refused_and_asked_for_again() {
    let (site, dir, _, second) = scene();
    let holder = open(dir.path());
    let pull = site.begin(&holder, 2, second).unwrap();
    site.feed_all(&pull, Pull::plan_manifest, &mut Moved::default()).unwrap();
    // First the patch comes altered, then the whole chunk truncated, then all is right.
    let mut lens = Vec::new();
    for spoil in [|bytes: &mut Vec<u8>| bytes[0] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(9)] {
        let plan = pull.plan_content().unwrap();
        let range = &plan.rounds[0][0];
        let mut bytes = site.bytes(range);
        spoil(&mut bytes);
        let fed = pull.feed(range, &bytes).unwrap();
        assert_eq!((fed.placed, fed.refused.len()), (0, 1));
        assert_eq!(fed.refused[0].object, range.pack.to_string());
        lens.push(range.len);
    }
    assert!(lens[0] < lens[1], "a patch first, then the whole chunk: {lens:?}");
    site.feed_all(&pull, Pull::plan_content, &mut Moved::default()).unwrap();
    pull.finish().unwrap();
    holder.activate(PACKAGE, 2).unwrap();
    assert_served(&holder, None, &tree(&site.source));
}

#[test]
fn bytes_that_stay_wrong_end_the_pull() {
    let (site, dir, _, second) = scene();
    let holder = open(dir.path());
    let pull = site.begin(&holder, 2, second).unwrap();
    site.feed_all(&pull, Pull::plan_manifest, &mut Moved::default()).unwrap();
    let mut refused = 0;
    let error = loop {
        match pull.plan_content() {
            Ok(plan) => {
                let range = &plan.rounds[0][0];
                refused += pull.feed(range, &vec![0; range.len as usize]).unwrap().refused.len();
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), refused), ("refused", 3));
    assert_eq!(holder.current(PACKAGE).unwrap(), Some(1), "the old version is served on");
}

#[test]
fn a_file_met_damaged_while_served_is_reported_until_its_repair_is_under_way() {
    let (site, dir, first, _) = scene();
    let holder = open(dir.path());
    let served = holder.lookup(PACKAGE, None, "disk.img").unwrap().unwrap();
    Damage::Truncate.apply(&served.path);
    holder.report_damaged(served.hash).unwrap();
    assert_eq!(holder.take_suspects(), [PACKAGE]);
    holder.report_damaged(served.hash).unwrap();
    assert_eq!(holder.take_suspects(), [PACKAGE], "nothing brings it back yet");
    let pull = site.begin(&holder, 1, first).unwrap();
    site.feed_all(&pull, Pull::plan_manifest, &mut Moved::default()).unwrap();
    pull.plan_content().unwrap();
    holder.report_damaged(served.hash).unwrap();
    assert_eq!(holder.take_suspects(), [""; 0], "its repair is under way");
    drop(pull);
    site.install(&holder, 1, first).unwrap();
    assert!(holder.lookup(PACKAGE, None, "disk.img").unwrap().unwrap().path.exists());
}
