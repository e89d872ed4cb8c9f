//! Takes one snapshot and says how long it took, for `cargo xtask bench`: the library alone, without site and
//! database around it.
//!
//! ```text
//! cargo run --release -p content --example snapshot -- LIBRARY SOURCE [PREVIOUS-MANIFEST]
//! ```

#![expect(clippy::print_stdout, reason = "a measuring program prints its figures")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::{Clock, SystemClock};
use content::{Library, LibraryOptions, LocalStore, SnapshotRequest, VoidMonitor};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [library, source] => snapshot(Path::new(library), Path::new(source), None),
        [library, source, previous] => snapshot(Path::new(library), Path::new(source), Some(previous)),
        _ => {
            println!("usage: snapshot LIBRARY SOURCE [PREVIOUS-MANIFEST]");
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

/// Prints one line of JSON.
fn snapshot(library: &Path, source: &Path, previous: Option<&str>) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(LocalStore::open(&library.join("store"))?);
    let library = Library::open(store, library, LibraryOptions::default(), SystemClock::shared())?;
    let previous = previous.map(str::parse).transpose()?;
    let cancel = AtomicBool::new(false);
    let start = SystemClock.monotonic();
    let taken = library.snapshot(&SnapshotRequest { source, previous, cancel: &cancel }, &VoidMonitor)?;
    library.retain(taken.manifest)?;
    let seconds = (SystemClock.monotonic() - start).as_secs_f64();
    println!(
        "{{\"manifest\":\"{}\",\"seconds\":{seconds:.6},\"files\":{},\"bytes\":{},\"files_read\":{},\"stored_new_bytes\":{}}}",
        taken.manifest, taken.files, taken.bytes, taken.files_read, taken.stored_new_bytes
    );
    Ok(())
}
