//! Parses every INF file below a folder, some times over, and prints how many there were: for `cargo xtask bench`.
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::hint::black_box;
use std::path::Path;

use driver::inf::{Inf, Version, manufacturers, models};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the first argument is a folder");
    let rounds: usize = arguments.next().map_or(1, |rounds| rounds.parse().expect("the second is a number"));
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    let mut lines = 0;
    for _ in 0..rounds {
        lines = files.iter().map(|bytes| parse(bytes)).sum();
    }
    let bytes: usize = files.iter().map(Vec::len).sum();
    println!("{{\"files\":{},\"bytes\":{bytes},\"models_lines\":{lines}}}", files.len());
    Ok(())
}

/// What an import needs of the text; gives the number of models lines.
fn parse(bytes: &[u8]) -> usize {
    let inf = Inf::parse(bytes);
    black_box(Version::read(&inf));
    let lines = manufacturers(&inf);
    lines
        .iter()
        .flat_map(|line| line.sections().collect::<Vec<_>>())
        .map(|section| black_box(models(&inf, &section.name)).len())
        .sum()
}

fn collect(folder: &Path, files: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if name.ends_with(".inf") || name.ends_with(".inx") {
            files.push(std::fs::read(entry.path())?);
        }
    }
    Ok(())
}
