//! Parses and proves every catalog below a folder again and again on one core, hashes generated images, and prints how
//! fast that was.
//!
//! `cargo run --release -p driver --example measure_catalog -- FOLDER [ROOTS.pem] [ROUNDS]`

#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use driver::catalog::{Catalog, Trust};
use driver::digest::{self, Wanted};

const IMAGE_BYTES: usize = 64 << 20;

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("cat")) {
            files.push(path);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("usage: measure_catalog FOLDER [ROOTS.pem] [ROUNDS]");
    let at = "2026-06-01T00:00:00Z".parse().expect("a constant");
    let trust = arguments.next().map_or(Trust::none(at), |path| {
        Trust::from_pem(&std::fs::read(path).expect("a readable file"), at).expect("roots in PEM")
    });
    let rounds: u32 = arguments.next().map_or(20, |text| text.parse().expect("ROUNDS is a number"));
    let mut paths = Vec::new();
    collect(Path::new(&folder), &mut paths);
    let files: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect();
    let start = Instant::now();
    let mut members = 0;
    for _ in 0..rounds {
        members = files.iter().flat_map(|bytes| Catalog::parse(bytes)).map(|one| one.members().len()).sum();
    }
    let parsing = start.elapsed();
    let catalogs: Vec<Catalog> = files.iter().flat_map(|bytes| Catalog::parse(bytes)).collect();
    let start = Instant::now();
    let mut trusted = 0;
    for _ in 0..rounds {
        trusted = catalogs.iter().filter(|catalog| catalog.verify(&trust).is_trusted()).count();
    }
    let proving = start.elapsed();
    let count = f64::from(rounds) * catalogs.len() as f64;
    println!("{} catalogs, {members} members, {trusted} trusted with {} roots", catalogs.len(), trust.len());
    println!(
        "parsed: {:.0}/s, proven: {:.0}/s",
        count / parsing.as_secs_f64(),
        count / proving.as_secs_f64()
    );
    hash();
}

/// An image of nothing but a header and random bytes.
fn hash() {
    let mut image = samples::Rng::new(1).bytes(IMAGE_BYTES);
    image[..2].copy_from_slice(b"MZ");
    image[0x3C..0x40].copy_from_slice(&128_u32.to_le_bytes());
    image[128..132].copy_from_slice(b"PE\0\0");
    image[148..150].copy_from_slice(&240_u16.to_le_bytes());
    image[152..154].copy_from_slice(&0x20B_u16.to_le_bytes());
    image[260..264].copy_from_slice(&16_u32.to_le_bytes());
    image[296..304].fill(0);
    for (name, wanted) in [("flat SHA-256", Wanted::CONTENT), ("all four", Wanted::ALL)] {
        let start = Instant::now();
        let digests = digest::read(image.as_slice(), wanted).expect("bytes in memory can be read");
        let rate = digests.size_bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
        println!("{:?} image, {name}: {rate:.0} MB/s", digests.kind);
    }
}
