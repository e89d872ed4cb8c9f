//! What a generated pack must be like for measurements on it to mean something.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, helpers included")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use samples::{PackSpec, Step, apply_step, write_pack};

type Tree = BTreeMap<String, Vec<u8>>;

fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                tree.insert(name, fs::read(path).unwrap());
            }
        }
    }
    tree
}

/// A pack, and the same one after a step.
fn versions(spec: PackSpec, step: Step) -> (Tree, Tree, samples::StepStats) {
    let dir = tempfile::tempdir().unwrap();
    write_pack(dir.path(), &spec).unwrap();
    let before = read(dir.path());
    let stats = apply_step(dir.path(), spec.seed, step).unwrap();
    (before, read(dir.path()), stats)
}

fn bytes(tree: &Tree) -> usize {
    tree.values().map(Vec::len).sum()
}

fn changed<'a>(before: &'a Tree, after: &'a Tree) -> Vec<(&'a str, &'a [u8], &'a [u8])> {
    after
        .iter()
        .filter_map(|(name, new)| before.get(name).map(|old| (name.as_str(), old.as_slice(), new.as_slice())))
        .filter(|(_, old, new)| old != new)
        .collect()
}

/// Size of `new` as a patch against `old`.
fn patch_bytes(old: &[u8], new: &[u8], level: i32) -> usize {
    let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), level, old).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(24).unwrap();
    std::io::Write::write_all(&mut encoder, new).unwrap();
    encoder.finish().unwrap().len()
}

fn is_binary(name: &str) -> bool {
    let name = name.to_lowercase();
    [".sys", ".dll", ".exe"].iter().any(|end| name.ends_with(end))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const PACK: PackSpec = PackSpec { seed: 11, drivers: 20, large_files: 0, large_file_bytes: 0 };

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for step in [Step::Fix, Step::Monthly, Step::Full, Step::Resign] {
        let spec = PackSpec { drivers: 4, large_files: 1, large_file_bytes: 300_000, ..PACK };
        assert!(versions(spec, step) == versions(spec, step), "{step:?}");
    }
    let other = versions(PackSpec { seed: 12, drivers: 4, ..PACK }, Step::Fix);
    assert!(other.0 != versions(PackSpec { drivers: 4, ..PACK }, Step::Fix).0);
}

#[test]
fn a_pack_holds_what_breaks_naive_copies() {
    let dir = tempfile::tempdir().unwrap();
    let spec = PackSpec { large_files: 2, large_file_bytes: 100_001, drivers: 12, ..PACK };
    let stats = write_pack(dir.path(), &spec).unwrap();
    let tree = read(dir.path());
    assert_eq!((stats.files, stats.bytes), (tree.len() as u64, bytes(&tree) as u64));
    assert!(tree.values().any(Vec::is_empty), "an empty file");
    assert!(tree.keys().any(|name| !name.is_ascii()), "a name beyond ASCII");
    assert!(tree.keys().any(|name| name.matches('/').count() >= 6), "a deep path");
    assert!(dir.path().join("Tools & Übersicht/Empty folder").is_dir());
    let distinct: std::collections::BTreeSet<&Vec<u8>> = tree.values().collect();
    assert!(distinct.len() < tree.len(), "identical copies");
    assert_eq!(tree["Large Images/image01.img"].len(), 100_001);
}

#[test]
fn an_empty_pack_is_a_pack() {
    let dir = tempfile::tempdir().unwrap();
    let stats = write_pack(dir.path(), &PackSpec { drivers: 0, ..PACK }).unwrap();
    assert!(stats.files > 0);
    assert!(apply_step(dir.path(), 1, Step::Fix).is_err(), "nothing to release");
}

#[test]
fn binaries_compress_like_drivers() {
    let dir = tempfile::tempdir().unwrap();
    write_pack(dir.path(), &PACK).unwrap();
    let tree = read(dir.path());
    let binaries: Vec<&Vec<u8>> =
        tree.iter().filter(|(name, _)| is_binary(name)).map(|pair| pair.1).collect();
    let raw: usize = binaries.iter().map(|content| content.len()).sum();
    let packed: usize =
        binaries.iter().map(|content| zstd::encode_all(content.as_slice(), 3).unwrap().len()).sum();
    let ratio = packed as f64 / raw as f64;
    assert!((0.36..0.48).contains(&ratio), "zstd -3 leaves {ratio:.3}");
}

#[test]
fn texts_compress_tenfold() {
    let (tree, _, _) = versions(PACK, Step::Fix);
    let infs: Vec<&Vec<u8>> =
        tree.iter().filter(|(name, _)| name.ends_with(".inf")).map(|pair| pair.1).collect();
    let raw: usize = infs.iter().map(|content| content.len()).sum();
    let packed: usize =
        infs.iter().map(|content| zstd::encode_all(content.as_slice(), 3).unwrap().len()).sum();
    let ratio = packed as f64 / raw as f64;
    assert!(ratio < 0.25, "zstd -3 leaves {ratio:.3}");
    assert!(
        infs.iter().any(|inf| inf.starts_with(&[0xFF, 0xFE])) && infs.iter().any(|inf| inf.starts_with(b";"))
    );
}

#[test]
fn rebuilt_binaries_need_patches_and_not_chunks() {
    let (before, after, _) = versions(PackSpec { drivers: 40, ..PACK }, Step::Full);
    let (mut patches, mut chunks) = (Vec::new(), Vec::new());
    for (_, old, new) in changed(&before, &after).into_iter().filter(|(name, ..)| is_binary(name)) {
        patches.push(patch_bytes(old, new, 9) as f64 / new.len() as f64);
        let cut = |data: &[u8]| -> Vec<Vec<u8>> {
            fastcdc::v2020::FastCDC::new(data, 4096, 16_384, 65_536)
                .map(|chunk| data[chunk.offset..chunk.offset + chunk.length].to_vec())
                .collect()
        };
        let known: std::collections::BTreeSet<Vec<u8>> = cut(old).into_iter().collect();
        let sent: usize = cut(new).iter().filter(|chunk| !known.contains(*chunk)).map(Vec::len).sum();
        chunks.push(sent as f64 / new.len() as f64);
    }
    assert!(patches.len() > 20, "{} binaries", patches.len());

    let (patch, chunk) = (median(patches), median(chunks));
    assert!((0.06..0.18).contains(&patch), "a patch is {patch:.3} of the file at the median");
    assert!(chunk > 0.8, "chunks leave {chunk:.3} of the file at the median");
}

#[test]
fn signing_again_touches_every_driver_and_few_bytes() {
    let (before, after, stats) = versions(PACK, Step::Resign);
    assert_eq!(stats.drivers_changed, 20);
    let share = changed(&before, &after).len() as f64 / before.len() as f64;
    assert!(share > 0.4, "{share:.2} of the files changed");
    let (mut sent, mut whole) = (0, 0);
    for (name, old, new) in changed(&before, &after) {
        if is_binary(name) {
            assert_eq!(old.len(), new.len(), "{name}: sizes stay");
            sent += patch_bytes(old, new, 9);
            whole += new.len();
        }
    }
    let ratio = sent as f64 / whole as f64;
    assert!(ratio < 0.02, "patches are {ratio:.4} of the signed files");
}

#[test]
fn steps_touch_their_share() {
    let spec = PackSpec { drivers: 40, ..PACK };
    for (step, drivers) in
        [(Step::Fix, 1..=2), (Step::Monthly, 5..=10), (Step::Full, 16..=24), (Step::Resign, 40..=40)]
    {
        let (before, after, stats) = versions(spec, step);
        assert!(drivers.contains(&stats.drivers_changed), "{step:?}: {stats:?}");
        let changed = changed(&before, &after);
        // A changed driver may be among the removed ones.
        assert!(changed.len() as u64 <= stats.files_changed && !changed.is_empty(), "{step:?}");
        assert_eq!(after.keys().filter(|name| !before.contains_key(*name)).count() as u64, stats.files_added);
        assert_eq!(
            before.keys().filter(|name| !after.contains_key(*name)).count() as u64,
            stats.files_removed
        );
        assert_eq!(stats.files_added > 0, matches!(step, Step::Monthly | Step::Full), "{step:?}");
    }
}

#[test]
fn large_files_shift() {
    let spec = PackSpec { drivers: 1, large_files: 1, large_file_bytes: 3 << 20, ..PACK };
    let (before, after, _) = versions(spec, Step::Full);
    let (old, new) = (&before["Large Images/image00.img"], &after["Large Images/image00.img"]);
    assert!(new.len() > old.len());
    assert!(patch_bytes(old, new, 3) < new.len() / 10);
}
