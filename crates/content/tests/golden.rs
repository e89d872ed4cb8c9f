//! What is stored for ever: chunk boundaries, and a library as format version 1 wrote it.
//!
//! When a test here fails, the format has changed: every stored chunk would be cut or read differently. Give
//! the new behavior a new chunker number or format version instead.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clock::ManualClock;
use content::format::{FILE_CHUNKS, MANIFEST_CHUNKS, PACK_HEADER, cut_length, cut_manifest};
use content::{ChunkId, ManifestId};
use support::{code, noise, restore};

#[test]
fn file_boundaries_are_frozen() {
    for (name, bytes, expect) in [
        ("noise", noise(42, 12 << 20), NOISE_CUTS),
        ("code", code(42, 12 << 20), CODE_CUTS),
        ("zeros", vec![0; 5 << 20], ZERO_CUTS),
    ] {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            at += cut_length(&bytes[at..bytes.len().min(at + FILE_CHUNKS.max as usize)], FILE_CHUNKS);
            cuts.push(at);
        }
        assert_eq!(cuts, expect, "{name}");
    }
}

#[test]
fn a_window_of_the_largest_chunk_is_enough() {
    let bytes = code(7, 6 << 20);
    let mut at = 0;
    while at < bytes.len() {
        let short = cut_length(&bytes[at..bytes.len().min(at + FILE_CHUNKS.max as usize)], FILE_CHUNKS);
        assert_eq!(short, cut_length(&bytes[at..], FILE_CHUNKS));
        at += short;
    }
}

#[test]
fn manifest_boundaries_are_frozen() {
    let cuts: Vec<usize> = cut_manifest(&noise(43, 200_000)).iter().map(|cut| cut.end).collect();
    assert_eq!(cuts, MANIFEST_CUTS);
}

#[test]
fn sizes_are_frozen() {
    assert_eq!((FILE_CHUNKS.min, FILE_CHUNKS.average, FILE_CHUNKS.max), (1 << 18, 1 << 20, 1 << 21));
    assert_eq!(
        (MANIFEST_CHUNKS.min, MANIFEST_CHUNKS.average, MANIFEST_CHUNKS.max),
        (1 << 13, 1 << 15, 1 << 17)
    );
    assert_eq!(PACK_HEADER, *b"HAULPACK\x01\0\0\0\0\0\0\0");
    assert_eq!(
        ChunkId::of(b"").to_string(),
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    );
}

const NOISE_CUTS: &[usize] =
    &[1419643, 2207527, 4304679, 5316900, 6775869, 7841213, 9597554, 11023492, 12582912];
const CODE_CUTS: &[usize] =
    &[2097152, 3271781, 4669611, 4954671, 6281808, 7388136, 9485288, 10724624, 11512749, 12582912];
const ZERO_CUTS: &[usize] = &[2097152, 4194304, 5242880];
const MANIFEST_CUTS: &[usize] = &[43048, 103188, 112537, 150135, 198380, 200000];

/// The same as in `examples/sample.rs`.
fn files(version: u8) -> BTreeMap<String, Vec<u8>> {
    let text: String =
        (0..400).map(|line| format!("%Device{line}% = Install, PCI\\VEN_1234&DEV_{line:04X}\r\n")).collect();
    let mut noise = vec![0; 3000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise[1500] = version;
    [
        ("Sample.inf".to_owned(), text.replace("VEN_1234", &format!("VEN_000{version}")).into_bytes()),
        ("x64/sample.sys".to_owned(), noise),
    ]
    .into()
}

/// Every format version that was ever released, and its two manifests.
const SAMPLES: &[(&str, [&str; 2])] = &[(
    "v1",
    [
        "2fef6e72cf577624ceade9252e094dde4eff0c6a4e08dac04fb8216d60144913",
        "4d9d8b98edf22a9573583f210178397873519ab746cd7783ae5d39f7056af3ed",
    ],
)];

#[test]
fn libraries_of_every_version_can_be_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (version, manifests) in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("library");
        for (path, _) in support::objects(&data.join(version)) {
            fs::create_dir_all(library.join(&path).parent().unwrap()).unwrap();
            fs::copy(data.join(version).join(&path), library.join(&path)).unwrap();
        }
        let clock = ManualClock::new("2100-01-01T00:00:00Z".parse().unwrap());
        let library = support::open(folder.path(), &clock);
        for (number, id) in (1..).zip(manifests) {
            let id: ManifestId = id.parse().unwrap();
            assert_eq!(restore(&library, id).unwrap(), files(number), "{version}");
            let manifest = library.manifest(id).unwrap();
            assert!(manifest.files().all(|file| file.modified == 1_700_000_000_000_000_000));
            assert_eq!(manifest.counts(), (2, 2), "an empty folder is kept");
        }
        // Both packs of patches and full copies are whole.
        let report = library.verify(&content::VoidMonitor, &[]).unwrap();
        assert!(
            report.is_whole() && report.packs_damaged.is_empty() && report.packs_checked == 3,
            "{report:?}"
        );
    }
}

#[test]
fn no_sample_is_left_out() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut folders: Vec<String> =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    assert_eq!(folders, SAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
