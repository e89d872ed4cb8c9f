//! A kill at any step: dropping every handle and opening anew stands for it, because nothing is flushed
//! by a drop. (Loss of power differs only in what the index says, and the index is written after the sync.)

use content::holder::Pull;

use crate::site::{Moved, PACKAGE, Site, assert_served, open, tree, write_sample};

/// Where the run ends.
#[derive(Debug, Clone, Copy)]
enum End {
    AfterBegin,
    AfterManifest,
    AfterRanges(usize),
    AfterContent,
    AfterFinish,
    AfterActivate,
}

#[test]
fn a_kill_at_any_step_costs_no_byte_twice() {
    let ends = [End::AfterBegin, End::AfterManifest, End::AfterContent, End::AfterFinish, End::AfterActivate];
    let ends = ends.into_iter().chain((1..5).map(End::AfterRanges));
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
        let before = run_until(&site, dir.path(), second, end);
        let holder = open(dir.path());
        let served = if matches!(end, End::AfterActivate) { &expect_second } else { &expect_first };
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

fn run_until(site: &Site, dir: &std::path::Path, id: content::ManifestId, end: End) -> Moved {
    let (holder, mut moved) = (open(dir), Moved::default());
    let pull = site.begin(&holder, 2, id).unwrap();
    if matches!(end, End::AfterBegin) {
        return moved;
    }
    site.feed_all(&pull, Pull::plan_manifest, &mut moved).unwrap();
    match end {
        End::AfterManifest => return moved,
        End::AfterRanges(count) => {
            let plan = pull.plan_content().unwrap();
            for range in plan.rounds.iter().flatten().take(count) {
                moved.bytes += range.len;
                pull.feed(range, &site.bytes(range)).unwrap();
            }
            return moved;
        }
        _ => site.feed_all(&pull, Pull::plan_content, &mut moved).unwrap(),
    }
    if matches!(end, End::AfterContent) {
        return moved;
    }
    pull.finish().unwrap();
    if matches!(end, End::AfterActivate) {
        holder.activate(PACKAGE, 2).unwrap();
    }
    moved
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
