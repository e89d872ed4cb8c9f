//! A kill at any step. The data folder is copied while everything is open, which is what a kill leaves
//! behind. (Loss of power differs only in what the index says, and the index is written after the sync.)

use std::path::Path;

use content::holder::{Holder, Pull};

use crate::site::{Moved, PACKAGE, Site, assert_served, open, tree, write_sample};

/// The last step before the run ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Begun,
    ManifestWhole,
    RangesFed(usize),
    ContentWhole,
    Finished,
    Activated,
}

#[test]
fn a_kill_at_any_step_costs_no_byte_twice() {
    let ends = [End::Begun, End::ManifestWhole, End::ContentWhole, End::Finished, End::Activated];
    let ends = ends.into_iter().chain((1..5).map(End::RangesFed));
    let mut site = Site::new();
    write_sample(&site, 3);
    let first = site.publish();
    let expect_first = tree(&site.source);
    samples::apply_step(&site.source, 9, samples::Step::Full).unwrap();
    let second = site.publish();
    let expect_second = tree(&site.source);
    let undisturbed = {
        let dir = tempfile::tempdir().unwrap();
        let holder = open(dir.path());
        site.install(&holder, 1, first).unwrap();
        site.install(&holder, 2, second).unwrap()
    };
    for end in ends {
        let dir = tempfile::tempdir().unwrap();
        site.install(&open(dir.path()), 1, first).unwrap();
        let (before, killed) = run_until(&site, dir.path(), second, end);
        let holder = open(killed.path());
        assert!(
            !killed.path().join("index.redb.damaged").exists(),
            "{end:?}: a kill does not damage the index"
        );
        let served = if matches!(end, End::Activated) { &expect_second } else { &expect_first };
        assert_served(&holder, None, served);
        holder.collect().unwrap();
        let after = site.install(&holder, 2, second).unwrap();
        // The gaps between wanted entries may be cut differently.
        let slack = undisturbed.bytes / 50;
        assert!(
            before.bytes + after.bytes <= undisturbed.bytes + slack,
            "{end:?}: {} before and {} after the kill, {} without",
            before.bytes,
            after.bytes,
            undisturbed.bytes
        );
        assert_served(&holder, None, &expect_second);
        assert_served(&holder, Some(1), &expect_first);
    }
}

/// Runs up to a step and gives the folder that a kill there leaves.
fn run_until(site: &Site, dir: &Path, id: content::ManifestId, end: End) -> (Moved, tempfile::TempDir) {
    let (holder, mut moved) = (open(dir), Moved::default());
    let pull = site.begin(&holder, 2, id).unwrap();
    steps(site, &holder, &pull, end, &mut moved);
    let killed = tempfile::tempdir().unwrap();
    copy_tree(dir, killed.path());
    (moved, killed)
}

fn steps(site: &Site, holder: &Holder, pull: &Pull, end: End, moved: &mut Moved) {
    if matches!(end, End::Begun) {
        return;
    }
    site.feed_all(pull, Pull::plan_manifest, moved).unwrap();
    match end {
        End::ManifestWhole => return,
        End::RangesFed(count) => {
            let plan = pull.plan_content().unwrap();
            for range in plan.rounds.iter().flatten().take(count) {
                moved.bytes += range.len;
                pull.feed(range, &site.bytes(range)).unwrap();
            }
            return;
        }
        _ => site.feed_all(pull, Pull::plan_content, moved).unwrap(),
    }
    if matches!(end, End::ContentWhole) {
        return;
    }
    pull.finish().unwrap();
    if matches!(end, End::Activated) {
        holder.activate(PACKAGE, 2).unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_newer_version_takes_over_what_an_abandoned_pull_fetched() {
    let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let mut large = samples::Rng::new(5).bytes(30 << 20);
    site.write("disk.img", &large);
    site.write("small.sys", &samples::Rng::new(6).bytes(300_000));
    let first = site.publish();
    let holder = open(dir.path());
    let mut moved = Moved::default();
    let pull = site.begin(&holder, 1, first).unwrap();
    site.feed_all(&pull, Pull::plan_manifest, &mut moved).unwrap();
    let plan = pull.plan_content().unwrap();
    let ranges: Vec<_> = plan.rounds.iter().flatten().collect();
    assert!(ranges.len() > 2, "the plan has several ranges");
    for range in &ranges[..ranges.len() - 1] {
        pull.feed(range, &site.bytes(range)).unwrap();
    }
    drop(pull);

    large[1 << 20] ^= 1;
    site.write("disk.img", &large);
    let second = site.publish();
    let moved = site.install(&holder, 2, second).unwrap();
    let last = ranges[ranges.len() - 1].len;
    assert!(moved.bytes < last + (5 << 20), "{} bytes, although all but {last} were there", moved.bytes);
    assert_served(&holder, None, &tree(&site.source));
    assert_eq!(tree(&dir.path().join("staging")).len(), 0, "the older staging folder went too");
}
