//! The file of a spool: made when it is first needed, without a name, gone with whoever holds it.
//!
//! It lies beside the database, which must be able to go on writing: where the volume has little left, nothing waits in
//! files.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio::task;
use uuid::Uuid;

use crate::error::{Result, SiteError};

/// What the names of these files begin with, in the moment in which they have one.
const NAME_PREFIX: &str = "waiting-";

/// Where a batch lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct SpoolFile {
    folder: PathBuf,
    /// What must stay free on the volume, in bytes.
    free_bytes_min: u64,
    file: OnceLock<Arc<File>>,
}

impl SpoolFile {
    pub(super) fn new(folder: PathBuf, free_bytes_min: u64) -> Self {
        Self { folder, free_bytes_min, file: OnceLock::new() }
    }

    /// Errors: [`SiteError::DiskFull`] also where too little would stay free.
    pub(super) async fn write(&self, place: Place, batch: &Arc<Vec<u8>>) -> Result<()> {
        let (known, folder, batch) = (self.file.get().cloned(), self.folder.clone(), Arc::clone(batch));
        let free_bytes_min = self.free_bytes_min;
        let written = blocking(move || {
            let file = known.map_or_else(|| make(&folder), Ok)?;
            if free_bytes(&file)? < free_bytes_min.saturating_add(place.bytes as u64) {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            file.write_all_at(&batch, place.at)?;
            Ok(file)
        });
        let file = written.await?.map_err(SiteError::io(&self.folder))?;
        // The first one made stays; there is one writer.
        let _ = self.file.set(file);
        Ok(())
    }

    pub(super) async fn read(&self, place: Place) -> Result<Arc<Vec<u8>>> {
        let file = self.file.get().cloned().expect("a place is known once it is written");
        let read = blocking(move || {
            let mut batch = vec![0; place.bytes];
            file.read_exact_at(&mut batch, place.at)?;
            Ok(Arc::new(batch))
        });
        read.await?.map_err(SiteError::io(&self.folder))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<std::io::Result<T>> {
    task::spawn_blocking(work).await.map_err(|_| SiteError::Stopped)
}

fn make(folder: &Path) -> std::io::Result<Arc<File>> {
    let path = folder.join(format!("{NAME_PREFIX}{}", Uuid::new_v4().simple()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    match std::fs::remove_file(&path) {
        // Swept by a command that opened the site just now.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(Arc::new(file)),
    }
}

/// What is free on the volume of a file for whoever is not root, in bytes.
fn free_bytes(file: &File) -> std::io::Result<u64> {
    let volume = rustix::fs::fstatvfs(file)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// Removes the files of processes that were killed between making one and taking its name away.
pub(super) fn sweep(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        // A server that has not been here yet, beside a database elsewhere.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME_PREFIX)) {
            std::fs::remove_file(entry.path()).or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
    }
    Ok(())
}
