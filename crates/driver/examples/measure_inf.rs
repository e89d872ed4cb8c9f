//! Parses every INF file below a folder again and again on one core, and prints how fast that was.
//!
//! `cargo run --release -p driver --example measure_inf -- FOLDER [ROUNDS]`

#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use driver::inf::{Inf, Version, check_models, manufacturers, models};

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("inf") || end == "inx") {
            files.push(path);
        }
    }
}

/// All that an import asks of the text: the number of device ids, so that nothing is left undone.
fn read(bytes: &[u8]) -> usize {
    let inf = Inf::parse(bytes);
    let (version, findings) = Version::read(&inf);
    let lines = manufacturers(&inf);
    let sections = lines.iter().flat_map(|line| line.sections());
    let ids = sections.flat_map(|section| models(&inf, &section.name));
    let ids: usize = ids.map(|model| 1 + model.compatible_ids.len()).sum();
    ids + version.catalogs.len() + findings.len() + check_models(&inf).len()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("usage: measure_inf FOLDER [ROUNDS]");
    let rounds: u32 = arguments.next().map_or(10, |text| text.parse().expect("ROUNDS is a number"));
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files);
    let files: Vec<Vec<u8>> =
        files.iter().map(|path| std::fs::read(path).expect("a readable file")).collect();
    let bytes: usize = files.iter().map(Vec::len).sum();
    let (start, mut read_sum) = (Instant::now(), 0);
    for _ in 0..rounds {
        read_sum += files.iter().map(|file| read(file)).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(rounds);
    let count = |number: usize| f64::from(u32::try_from(number).expect("a corpus below 4 GiB"));
    println!(
        "{} files, {bytes} bytes, {} ids: {:.0} files/s, {:.1} MB/s on one core",
        files.len(),
        read_sum / rounds as usize,
        count(files.len()) / seconds,
        count(bytes) / seconds / 1e6,
    );
}
