//! Archives at a path that the site may read: copied into its own data while they are hashed and proved, so that
//! what is unpacked afterwards is what was hashed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::fetch::{FetchError, PackProof};
use super::read::Watch;
use super::request::PackHashes;
use crate::library::error_chain;
use crate::package::source::SourcePath;
use crate::server::Site;

/// How much of a pack is read at once.
const READ_BYTES: usize = 256 << 10;

impl Site {
    /// Copies a pack from where the site may read; returns its SHA-256. Errors: why not, for the report.
    pub(super) async fn copy_proved(
        &self,
        path: &str,
        size_bytes: Option<u64>,
        hashes: &PackHashes,
        into: &Path,
        watch: &Arc<Watch>,
    ) -> Result<String, String> {
        let source = SourcePath::parse(path, &self.options().shares).map_err(|error| error.to_string())?;
        let (own, options) = (source.clone(), self.options().clone());
        let (into, reader) = (into.to_owned(), Arc::clone(watch));
        let mut proof = PackProof::new(size_bytes, hashes);
        let work = move || {
            let pack = own.locate_drivers(&options).map_err(|error| error.to_string())?;
            if pack.is_dir() {
                return Err("it is a folder, and only a file can be compared with hashes".to_owned());
            }
            let mut from =
                File::open(pack).map_err(|error| format!("it cannot be read: {}", error.kind()))?;
            copy(&mut from, &into, &mut proof, &reader)?;
            proof.finish().map_err(|error| error.to_string())
        };
        self.visit_drivers(&source, watch, work).await
    }
}

fn copy(from: &mut File, into: &Path, proof: &mut PackProof, watch: &Watch) -> Result<(), String> {
    let not_stored = |error: std::io::Error| {
        let error = FetchError::Store(error);
        tracing::warn!(error = error_chain(&error), "pack not copied");
        error.to_string()
    };
    if let Some(folder) = into.parent() {
        std::fs::create_dir_all(folder).map_err(not_stored)?;
    }
    let mut to = File::create(into).map_err(not_stored)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = from.read(&mut buffer).map_err(|error| format!("it cannot be read: {}", error.kind()))?;
        if read == 0 {
            return to.sync_all().map_err(not_stored);
        }
        proof.take(&buffer[..read]).map_err(|error| error.to_string())?;
        to.write_all(&buffer[..read]).map_err(not_stored)?;
        watch.bytes.fetch_add(read as u64, Ordering::Relaxed);
        watch.step();
        if watch.stop.is_cancelled() {
            return Err("the import was stopped".to_owned());
        }
    }
}
