//! The file of a spool: made when it is first needed, without a name, gone with whoever holds it.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::task;
use uuid::Uuid;

use crate::error::{Result, SiteError};

/// Where a batch lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct SpoolFile {
    folder: PathBuf,
    file: OnceLock<Arc<File>>,
}

impl SpoolFile {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, file: OnceLock::new() }
    }

    pub(super) async fn write(&self, place: Place, batch: &Arc<Vec<u8>>) -> Result<()> {
        let (known, folder, batch) = (self.file.get().cloned(), self.folder.clone(), Arc::clone(batch));
        let written = blocking(move || {
            let file = known.map_or_else(|| make(&folder), Ok)?;
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

fn make(folder: &std::path::Path) -> std::io::Result<Arc<File>> {
    let path = folder.join(format!("waiting-{}", Uuid::new_v4().simple()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(Arc::new(file))
}
