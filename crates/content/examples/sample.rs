//! Writes the kept sample of the stored formats, from which `tests/golden.rs` reads.
//!
//! Run it once for each new format version, into a folder of its own, and commit the result; samples of older
//! versions stay as they are.
//!
//! ```text
//! cargo run -p content --example sample -- crates/content/tests/data/v1
//! ```

#![expect(clippy::print_stdout, reason = "it tells the ids to put into the test")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use clock::SystemClock;
use content::{Library, LibraryOptions, LocalStore, SnapshotRequest, VoidMonitor};

fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::args().nth(1).ok_or("usage: sample FOLDER")?;
    let target = Path::new(&target);
    let (work, source) = (target.join("work"), target.join("source"));
    let store = Arc::new(LocalStore::open(target)?);
    let library = Library::open(store, &work, LibraryOptions::default(), SystemClock::shared())?;
    let cancel = AtomicBool::new(false);
    let mut previous = None;
    for version in [1, 2] {
        for (path, bytes) in files(version) {
            let path = source.join(path);
            fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
            fs::write(&path, bytes)?;
            let file = fs::File::options().write(true).open(&path)?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
        }
        fs::create_dir_all(source.join("empty"))?;
        let request = SnapshotRequest { source: &source, previous, cancel: &cancel };
        let snapshot = library.snapshot(&request, &VoidMonitor)?;
        println!("version {version}: {} {}", snapshot.manifest, snapshot.content_hash);
        previous = Some(snapshot.manifest);
    }
    drop(library);
    for folder in [work, source, target.join("incoming")] {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The same as in `tests/golden.rs`.
fn files(version: u8) -> Vec<(&'static str, Vec<u8>)> {
    let text: String =
        (0..400).map(|line| format!("%Device{line}% = Install, PCI\\VEN_1234&DEV_{line:04X}\r\n")).collect();
    let mut noise = vec![0; 3000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise[1500] = version;
    vec![
        ("Sample.inf", text.replace("VEN_1234", &format!("VEN_000{version}")).into_bytes()),
        ("x64/sample.sys", noise),
    ]
}
