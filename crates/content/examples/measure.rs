//! Measures chunk sizes and compression levels on real files, for the numbers in `docs/format.md`.
//!
//! ```text
//! cargo run --release -p content --example measure -- levels FOLDER       # whole files: ratio and MB/s by level
//! cargo run --release -p content --example measure -- patch OLD NEW       # one large file: sizes x levels
//! cargo run --release -p content --example measure -- library WORK V1 V2  # snapshots of folders: time, bytes, memory
//! ```

#![expect(clippy::print_stdout, reason = "a measuring program prints its table")]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::{Clock, SystemClock};
use content::format::{ChunkerParameters, Compressor, cut_length};
use content::{
    ChunkId, Library, LibraryOptions, LocalStore, ManifestId, ObjectKey, PackEntry, PackId, PackIndex,
    SnapshotRequest, VoidMonitor,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["levels", folder] => levels(Path::new(folder)),
        ["patch", old, new] => patch(Path::new(old), Path::new(new)),
        ["library", work, ref versions @ ..] if !versions.is_empty() => library(Path::new(work), versions),
        _ => {
            println!("usage: measure levels FOLDER | measure patch OLD NEW | measure library WORK V1 V2...");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = SystemClock.monotonic();
    let result = work();
    (result, (SystemClock.monotonic() - start).as_secs_f64())
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files_below(&entry.path(), found)?;
        } else if entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Each file compressed alone, by size class and level.
fn levels(folder: &Path) -> std::io::Result<()> {
    let mut paths = Vec::new();
    files_below(folder, &mut paths)?;
    let mut compressor = Compressor::new();
    println!("| size class | files | MB | level | ratio | MB/s |\n|---|---|---|---|---|---|");
    for (name, range) in
        [("< 64 KiB", 1..64 << 10), ("64 KiB to 1 MiB", 64 << 10..1 << 20), ("1 to 4 MiB", 1 << 20..4 << 20)]
    {
        let mut contents = Vec::new();
        for path in &paths {
            let size = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(usize::MAX);
            if range.contains(&size) && contents.len() < 4000 {
                contents.push(std::fs::read(path)?);
            }
        }
        let raw: usize = contents.iter().map(Vec::len).sum();
        for level in [1, 3, 6, 9, 12, 15, 19] {
            let (stored, time) = seconds(|| {
                contents
                    .iter()
                    .map(|bytes| compressor.compress(bytes, level).map_or(bytes.len(), |s| s.len()))
                    .sum::<usize>()
            });
            let (mb, ratio) = (megabytes(raw), stored as f64 / raw as f64);
            println!("| {name} | {} | {mb:.1} | {level} | {ratio:.3} | {:.0} |", contents.len(), mb / time);
        }
    }
    Ok(())
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

struct Cut {
    start: usize,
    end: usize,
    id: ChunkId,
}

fn cut(bytes: &[u8], sizes: ChunkerParameters) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let end = start + cut_length(&bytes[start..], sizes);
        cuts.push(Cut { start, end, id: ChunkId::of(&bytes[start..end]) });
        start = end;
    }
    cuts
}

/// The old chunks that lie around the same relative place, at most four, in order.
fn region<'a>(old: &'a [Cut], old_len: usize, new: &Cut, new_len: usize) -> Vec<&'a Cut> {
    let middle = (new.start + new.end) / 2;
    let scaled = (middle as f64 * old_len as f64 / new_len as f64) as usize;
    let mut near: Vec<&Cut> = old.iter().collect();
    near.sort_by_key(|cut| ((cut.start + cut.end) / 2).abs_diff(scaled));
    near.truncate(4);
    near.sort_by_key(|cut| cut.start);
    near
}

/// One large file: what a patch of its new chunks costs, by chunk size and level.
fn patch(old: &Path, new: &Path) -> std::io::Result<()> {
    let (old, new) = (std::fs::read(old)?, std::fs::read(new)?);
    println!("| average | chunks | new MB | level | patch ratio of file | MB/s |\n|---|---|---|---|---|---|");
    for average in [256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20] {
        let sizes = ChunkerParameters { min: average / 4, average, max: average * 2 };
        let (old_cuts, new_cuts) = (cut(&old, sizes), cut(&new, sizes));
        let held: HashSet<ChunkId> = old_cuts.iter().map(|cut| cut.id).collect();
        let fresh: Vec<&Cut> = new_cuts.iter().filter(|cut| !held.contains(&cut.id)).collect();
        let raw: usize = fresh.iter().map(|cut| cut.end - cut.start).sum();
        for level in [3, 9, 12, 15, 17, 19] {
            let (stored, time) = seconds(|| {
                fresh
                    .iter()
                    .map(|cut| {
                        let bases = region(&old_cuts, old.len(), cut, new.len());
                        let prefix: Vec<u8> =
                            bases.iter().flat_map(|base| &old[base.start..base.end]).copied().collect();
                        let raw = &new[cut.start..cut.end];
                        Compressor::new().patch(raw, &prefix, level).map_or(raw.len(), |stored| stored.len())
                    })
                    .sum::<usize>()
            });
            let ratio = stored as f64 / new.len() as f64;
            println!(
                "| {} KiB | {} | {:.1} | {level} | {ratio:.4} | {:.1} |",
                average >> 10,
                new_cuts.len(),
                megabytes(raw),
                megabytes(raw) / time
            );
        }
    }
    Ok(())
}

/// Snapshots of the folders, one after the other as versions of one package, each also unchanged once more.
fn library(work: &Path, versions: &[&str]) -> std::io::Result<()> {
    let store = LocalStore::open(&work.join("library")).map_err(std::io::Error::other)?;
    let library =
        Library::open(Arc::new(store), &work.join("work"), LibraryOptions::default(), SystemClock::shared())
            .map_err(std::io::Error::other)?;
    println!("| source | files | MB | s | MB/s | new MB | stored MB | fetched MB | unchanged ms | peak MB |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let cancel = AtomicBool::new(false);
    let mut previous = None;
    let mut held = HashSet::new();
    for source in versions {
        let request = SnapshotRequest { source: Path::new(source), previous, cancel: &cancel };
        let (snapshot, time) = seconds(|| library.snapshot(&request, &VoidMonitor));
        let snapshot = snapshot.map_err(std::io::Error::other)?;
        let fetched = fetch(&library, snapshot.manifest, &mut held).map_err(std::io::Error::other)?;
        let (again, unchanged) = seconds(|| library.snapshot(&request, &VoidMonitor));
        assert_eq!(again.map_err(std::io::Error::other)?.manifest, snapshot.manifest);
        println!(
            "| {source} | {} | {:.1} | {time:.1} | {:.0} | {:.2} | {:.2} | {:.3} | {:.1} | {} |",
            snapshot.files,
            snapshot.bytes as f64 / 1e6,
            snapshot.bytes as f64 / 1e6 / time,
            snapshot.new_chunk_bytes as f64 / 1e6,
            snapshot.stored_new_bytes as f64 / 1e6,
            fetched as f64 / 1e6,
            unchanged * 1e3,
            peak_mb()
        );
        previous = Some(snapshot.manifest);
    }
    Ok(())
}

/// The bytes that a holder of `held` fetches for a version: the cheapest usable form of each missing chunk, and
/// the indexes of the packs of patches and of those full copies that it needs.
fn fetch(library: &Library, id: ManifestId, held: &mut HashSet<ChunkId>) -> Result<u64, content::Error> {
    let mut forms: HashMap<ChunkId, Vec<(PackId, PackEntry)>> = HashMap::new();
    let mut index_bytes: HashMap<PackId, u64> = HashMap::new();
    for pack in library.route(id)?.packs {
        let bytes = library
            .store()
            .read(ObjectKey::Pack(pack.id), pack.index_offset..pack.index_offset + pack.index_bytes)?;
        index_bytes.insert(pack.id, pack.index_bytes);
        for entry in PackIndex::decode(&bytes, pack.id)?.entries {
            forms.entry(entry.chunk).or_default().push((pack.id, entry));
        }
    }
    let (root, manifest) = (library.root(id)?, library.manifest(id)?);
    let mut used = HashSet::new();
    let mut bytes = root.encode().len() as u64;
    for chunk in root.chunks.iter().chain(manifest.files().flat_map(|file| &file.chunks)) {
        if held.contains(&chunk.id) {
            continue;
        }
        let usable = forms[&chunk.id]
            .iter()
            .filter(|(_, e)| e.encoding.bases().iter().all(|base| held.contains(base)));
        let Some((pack, entry)) = usable.min_by_key(|(_, entry)| entry.stored_bytes) else { continue };
        bytes += u64::from(entry.stored_bytes);
        used.insert(*pack);
        held.insert(chunk.id);
    }
    Ok(bytes + used.iter().map(|pack| index_bytes[pack]).sum::<u64>())
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1000
}
