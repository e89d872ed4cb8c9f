//! A disk that is really full: a small tmpfs, where the tests run as root.

use std::path::Path;
use std::process::Command;

use content::holder::Pull;

use crate::site::{Moved, Site, assert_served, open, tree};

/// A mounted tmpfs; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={mib}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|out| out.status.success()).then(|| Self(folder))
    }

    fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().unwrap().success());
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_pull_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(90) else {
        eprintln!(
            "NOT RUN: a_full_disk_loses_nothing_and_the_pull_goes_on_when_there_is_room: mounting needs root"
        );
        return;
    };
    let mut site = Site::new();
    site.write("small.sys", &samples::Rng::new(1).bytes(100_000));
    let first = site.publish();
    let holder = open(disk.path());
    site.install(&holder, 1, first).unwrap();
    let before = tree(&site.source);

    // Told beforehand, with figures, while a reserve is still free.
    site.write("disk.img", &samples::Rng::new(2).bytes(60 << 20));
    let second = site.publish();
    let pull = site.begin(&holder, 2, second).unwrap();
    site.feed_all(&pull, Pull::plan_manifest, &mut Moved::default()).unwrap();
    let error = pull.plan_content().unwrap_err();
    assert_eq!(error.code(), "disk_full");
    assert!(error.to_string().contains("needs 62914560 bytes"), "{error}");
    drop(pull);

    // Met in the middle, because somebody else filled the disk.
    disk.grow(200);
    let pull = site.begin(&holder, 2, second).unwrap();
    let plan = {
        assert!(pull.plan_manifest().unwrap().is_empty(), "the manifest is still there");
        pull.plan_content().unwrap()
    };
    let ranges: Vec<_> = plan.rounds.iter().flatten().collect();
    pull.feed(ranges[0], &site.bytes(ranges[0])).unwrap();
    disk.grow(u32::try_from(used_mib(&disk)).unwrap() + 1);
    let code =
        ranges[1..].iter().find_map(|range| pull.feed(range, &site.bytes(range)).err()).map(|e| e.code());
    assert_eq!(code, Some("disk_full"));
    drop(pull);
    assert_served(&holder, None, &before);

    disk.grow(300);
    let moved = site.install(&holder, 2, second).unwrap();
    assert!(moved.bytes < 60 << 20, "what was in place stayed: {} bytes", moved.bytes);
    assert_served(&holder, None, &tree(&site.source));
}

fn used_mib(disk: &SmallDisk) -> u64 {
    let stat = rustix::fs::statvfs(disk.path()).unwrap();
    ((stat.f_blocks - stat.f_bfree) * stat.f_frsize).div_ceil(1 << 20)
}
