//! Random trees through random changes always arrive as they are, and what is held is never fetched.

use std::collections::{BTreeMap, BTreeSet};

use content::ChunkId;
use content::holder::Holder;
use proptest::prelude::*;

use crate::site::{PACKAGE, Site, assert_served, open, tree};

/// A change to the source.
#[derive(Debug, Clone)]
enum Change {
    Write { file: u8, seed: u64, bytes: usize },
    Patch { file: u8, at: u16, value: u8 },
    Copy { from: u8, to: u8 },
    Remove { file: u8 },
}

fn change() -> impl Strategy<Value = Change> {
    let size = prop_oneof![Just(0), 1..2000_usize, 20_000..60_000_usize];
    prop_oneof![
        4 => (0..12_u8, 0..6_u64, size).prop_map(|(file, seed, bytes)| Change::Write { file, seed, bytes }),
        3 => (0..12_u8, any::<u16>(), any::<u8>()).prop_map(|(file, at, value)| Change::Patch { file, at, value }),
        2 => (0..12_u8, 0..12_u8).prop_map(|(from, to)| Change::Copy { from, to }),
        1 => (0..12_u8).prop_map(|file| Change::Remove { file }),
    ]
}

fn name(file: u8) -> String {
    format!("Folder {}/Driver{file}.sys", file % 3)
}

fn apply(site: &Site, change: &Change) {
    match *change {
        Change::Write { file, seed, bytes } => site.write(&name(file), &samples::Rng::new(seed).bytes(bytes)),
        Change::Patch { file, at, value } => {
            if let Ok(mut bytes) = std::fs::read(site.source.join(name(file))) {
                let at = usize::from(at) % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
                site.write(&name(file), &bytes);
            }
        }
        Change::Copy { from, to } => {
            if let Ok(bytes) = std::fs::read(site.source.join(name(from))) {
                site.write(&name(to), &bytes);
            }
        }
        Change::Remove { file } => drop(std::fs::remove_file(site.source.join(name(file)))),
    }
}

/// The chunks of everything that the holder has installed.
fn held_chunks(site: &Site, holder: &Holder) -> BTreeSet<ChunkId> {
    let held = holder.versions().unwrap();
    let manifests = held.iter().map(|held| site.library.manifest(held.manifest).unwrap());
    manifests
        .flat_map(|m| m.files().flat_map(|f| f.chunks.clone()).collect::<Vec<_>>())
        .map(|c| c.id)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_versions_arrive_and_held_chunks_stay_home(
        versions in prop::collection::vec((prop::collection::vec(change(), 1..8), any::<bool>()), 1..6),
    ) {
        let (mut site, dir) = (Site::new(), tempfile::tempdir().unwrap());
        let mut holder = open(dir.path());
        site.write("always.inf", b"[Version]");
        let mut before: Option<BTreeMap<String, Vec<u8>>> = None;
        for (number, (changes, reopen)) in (1..).zip(&versions) {
            changes.iter().for_each(|change| apply(&site, change));
            let id = site.publish();
            let held = held_chunks(&site, &holder);
            let moved = site.install(&holder, number, id).unwrap();
            let distinct: BTreeSet<ChunkId> = moved.chunks.iter().copied().collect();
            prop_assert_eq!(distinct.len(), moved.chunks.len(), "no chunk comes twice");
            prop_assert!(distinct.is_disjoint(&held), "no held chunk comes again");
            prop_assert_eq!(moved.refused, 0);
            if *reopen {
                drop(holder);
                holder = open(dir.path());
            }
            let now = tree(&site.source);
            assert_served(&holder, None, &now);
            if let Some(before) = &before {
                assert_served(&holder, Some(number - 1), before);
            }
            before = Some(now);
        }
        holder.remove(PACKAGE).unwrap();
        holder.collect().unwrap();
        prop_assert_eq!(tree(&dir.path().join("files")).len(), 0);
    }
}
