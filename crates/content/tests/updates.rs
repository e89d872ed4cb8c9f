//! Updates as vendors ship them: what a distribution point that holds the previous version must fetch.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use content::ManifestId;
use samples::{PackSpec, Step, apply_step, write_pack};
use support::{Bench, Received, pull, restore, tree};

/// Bytes of an update, and what the same files cost compressed alone.
struct Update {
    fetched: u64,
    alone: u64,
}

fn update(
    bench: &Bench,
    source: &Path,
    previous: Option<ManifestId>,
    held: &mut Received,
) -> (ManifestId, Update) {
    let snapshot = support::snapshot(&bench.library, source, previous).unwrap();
    let mut chunks = std::mem::take(&mut held.chunks);
    let mut alone = 0;
    for file in bench.library.manifest(snapshot.manifest).unwrap().files() {
        for chunk in file.chunks.iter().filter(|chunk| !chunks.contains_key(&chunk.id)) {
            alone += zstd::bulk::compress(&bench.library.chunk(chunk.id).unwrap(), 3).unwrap().len() as u64;
        }
    }
    let mut now = Received { chunks: std::mem::take(&mut chunks), ..Received::default() };
    pull(&bench.library, snapshot.manifest, &mut now, &mut HashSet::new());
    assert_eq!(restore(&bench.library, snapshot.manifest).unwrap(), tree(source));
    let fetched = now.payload_bytes;
    *held = now;
    (snapshot.manifest, Update { fetched, alone })
}

#[test]
fn steps_of_a_generated_pack() {
    let bench = Bench::new();
    let source = bench.source();
    let spec = PackSpec { seed: 7, drivers: 8, large_files: 1, large_file_bytes: 5 << 20 };
    write_pack(&source, &spec).unwrap();
    let mut held = Received::default();
    let (mut id, _) = update(&bench, &source, None, &mut held);
    for (seed, step, percent_max) in
        [(1, Step::Fix, 60), (2, Step::Monthly, 80), (3, Step::Full, 70), (4, Step::Resign, 95)]
    {
        let name = format!("{step:?}");
        apply_step(&source, seed, step).unwrap();
        let (next, cost) = update(&bench, &source, Some(id), &mut held);
        assert_ne!(next, id, "{name} changed something");
        assert!(
            cost.fetched * 100 < cost.alone.max(20_000) * percent_max,
            "{name}: {} of {}",
            cost.fetched,
            cost.alone
        );
        id = next;
    }
}

#[test]
fn a_file_only_signed_anew_costs_its_signature_at_most() {
    let bench = Bench::new();
    let code = support::code(3, 600_000);
    let certificate =
        |seed| [b"CERTIFICATE".to_vec(), support::code(99, 3500), support::noise(seed, 500)].concat();
    let path = bench.source().join("driver.sys");
    fs::write(&path, [code.clone(), certificate(1)].concat()).unwrap();
    let mut held = Received::default();
    let (id, _) = update(&bench, &bench.source(), None, &mut held);
    fs::write(&path, [code, certificate(2)].concat()).unwrap();
    let (_, cost) = update(&bench, &bench.source(), Some(id), &mut held);
    let size = fs::metadata(&path).unwrap().len();
    // The manifest's own patch, with its two new hashes, is in it.
    assert!(cost.fetched * 100 < size, "{} bytes for a file of {size}", cost.fetched);
}

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("HAULIER_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from);
    Some(folder.join("packages")).filter(|packages| packages.is_dir())
}

/// Every driver's versions, oldest first.
fn versions(packages: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let list = |folder: &Path| {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        entries.sort();
        entries
    };
    list(packages)
        .into_iter()
        .map(|driver| (driver.file_name().unwrap().to_string_lossy().into_owned(), list(&driver)))
        .collect()
}

#[test]
fn corpus_updates_of_real_drivers() {
    let Some(packages) = corpus() else {
        eprintln!("NOT RUN: corpus_updates_of_real_drivers: no driver corpus");
        return;
    };
    let mut total = Update { fetched: 0, alone: 0 };
    for (driver, versions) in versions(&packages) {
        let bench = Bench::new();
        let mut held = Received::default();
        let mut previous = None;
        for version in &versions {
            let (id, cost) = update(&bench, version, previous, &mut held);
            if previous.is_some() {
                eprintln!("{driver}: {} bytes fetched, {} compressed alone", cost.fetched, cost.alone);
                total.fetched += cost.fetched;
                total.alone += cost.alone;
            }
            previous = Some(id);
        }
    }
    assert!(total.alone > 0, "the corpus has drivers with several versions");
    assert!(total.fetched * 100 < total.alone * 65, "{} of {}", total.fetched, total.alone);
}

#[test]
fn corpus_whole_folder_round_trips() {
    let Some(packages) = corpus() else {
        eprintln!("NOT RUN: corpus_whole_folder_round_trips: no driver corpus");
        return;
    };
    let bench = Bench::new();
    let first = support::snapshot(&bench.library, &packages, None).unwrap();
    assert_eq!(restore(&bench.library, first.manifest).unwrap(), tree(&packages));
    let again = support::snapshot(&bench.library, &packages, Some(first.manifest)).unwrap();
    assert_eq!((again.manifest, again.files_read), (first.manifest, 0));
}
