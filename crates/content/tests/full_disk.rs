//! A disk that is really full under the index: a small tmpfs, where the tests run as root.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clock::ManualClock;
use content::{LocalStore, ObjectKind, SnapshotError};
use support::recording::Recording;
use support::{code, objects, open_on, restore, snapshot, tree, write};

/// A mounted tmpfs; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={mib}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|out| out.status.success()).then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A store elsewhere that fills the index's disk when a manifest comes: the next thing to be written is the index.
fn filling(root: &Path, filler: PathBuf, to_fill: Arc<AtomicU64>) -> Arc<Recording> {
    let store = Recording::on(LocalStore::open(root).unwrap(), |_, _| Ok(()));
    Arc::new(store.after_put(move |kind| {
        if kind == ObjectKind::Manifest && to_fill.swap(0, Ordering::Relaxed) > 0 {
            let mut filler = File::create(&filler).unwrap();
            let full = std::iter::repeat_with(|| filler.write_all(&[0; 4096])).find_map(Result::err).unwrap();
            assert_eq!(full.kind(), ErrorKind::StorageFull, "the fault fired");
        }
    }))
}

#[test]
fn an_index_that_met_a_full_disk_works_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(16) else {
        eprintln!(
            "NOT RUN: an_index_that_met_a_full_disk_works_again_when_there_is_room: mounting needs root"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let filler = disk.0.path().join("filler");
    let to_fill = Arc::new(AtomicU64::new(0));
    let store = filling(&folder.path().join("library"), filler.clone(), Arc::clone(&to_fill));
    let clock = ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
    let library = open_on(store, disk.0.path(), &clock);
    write(&source, &[("kept.sys", &code(1, 50_000))]);
    let first = snapshot(&library, &source, None).unwrap().manifest;
    let kept = tree(&source);

    for i in 0..200 {
        write(&source, &[(format!("f{i}.sys").as_str(), &code(i, 300))]);
    }
    let packs = objects(&folder.path().join("library/packs"));
    to_fill.store(1, Ordering::Relaxed);
    let error = snapshot(&library, &source, Some(first)).unwrap_err();
    assert!(matches!(error, SnapshotError::NoSpace), "{error:?}");
    assert_eq!(objects(&folder.path().join("library/packs")), packs, "what it took is given back");

    fs::remove_file(filler).unwrap();
    assert_eq!(restore(&library, first).unwrap(), kept, "what was published is there, without a restart");
    library.route(first).unwrap();
    library.retain(first).unwrap();
    let second = snapshot(&library, &source, Some(first)).unwrap().manifest;
    assert_eq!(restore(&library, second).unwrap(), tree(&source));
    assert!(library.verify(&content::VoidMonitor, &[]).unwrap().is_whole());
}
