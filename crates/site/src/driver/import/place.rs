//! From a source to a folder: archives are unpacked into the site's own data, packs are fetched first.
//!
//! What an archive held is in `drivers/<SHA-256 of the archive>` and stays as long as a driver is there. Drivers name
//! it by a share of the site's own, so that it may move with the data folder.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use ::driver::archive::{self, Limits, Progress};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::claim::Claim;
use super::fetch::{FetchError, PackFile};
use super::read::Watch;
use super::request::{ImportSource, PackHashes, is_address};
use super::worker::Place;
use crate::library::error_chain;
use crate::package::source::{SourcePath, SourcePathError, UNPACKED_FOLDER};
use crate::server::Site;
use crate::sources::{LOCATE_LIMIT, NoAnswer, Purpose};

/// The share by which drivers from archives name their files.
const UNPACKED_SHARE: &str = "HaulierDrivers$";
/// How often an import that waits for another's archive looks whether it shall stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// The UNC prefix of what was unpacked on this server.
pub(crate) fn unpacked_share(server_name: &str) -> String {
    format!(r"\\{server_name}\{UNPACKED_SHARE}")
}

/// What a path turned out to be.
enum Local {
    Folder(Place),
    /// To be copied before anything of it is used: who may write to it could put another one in its place between
    /// hashing and unpacking, and the hash would vouch for that one in every later import.
    Archive,
}

/// Who uses the folder of unpacked archives.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unpacking {
    /// Imports share it; whoever tidies up has it alone.
    imports: Arc<RwLock<()>>,
    busy: Arc<Busy>,
}

/// The archives that are being unpacked; each by one import at a time.
#[derive(Debug, Default)]
struct Busy {
    hashes: Mutex<HashSet<String>>,
    freed: Condvar,
}

/// The right to unpack one archive.
struct Turn<'a> {
    busy: &'a Busy,
    hash: String,
}

impl Unpacking {
    pub(super) async fn import(&self) -> RwLockReadGuard<'_, ()> {
        self.imports.read().await
    }

    /// None while an import runs.
    pub(super) fn alone(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        self.imports.try_write().ok()
    }
}

impl Busy {
    /// Waits for another import that unpacks the same archive. None if everything shall stop.
    fn turn(&self, hash: &str, watch: &Watch) -> Option<Turn<'_>> {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        while !hashes.insert(hash.to_owned()) {
            let waited = self.freed.wait_timeout(hashes, STOP_CHECK_INTERVAL);
            hashes = waited.unwrap_or_else(PoisonError::into_inner).0;
            if watch.stop.is_cancelled() {
                return None;
            }
        }
        Some(Turn { busy: self, hash: hash.to_owned() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.busy.hashes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
        self.busy.freed.notify_all();
    }
}

impl Site {
    /// Finds a source's folder. Errors: why there is none.
    pub(super) async fn import_place_of(
        &self,
        claim: &Claim,
        index: usize,
        source: &ImportSource,
        watch: &Arc<Watch>,
    ) -> Result<Place, String> {
        let file = self.unpacked_folder().join(format!(".fetch-{}-{index}", claim.import_id));
        let copied = match source {
            ImportSource::Path(path) => match self.local_place(path, watch).await? {
                Local::Folder(place) => return Ok(place),
                Local::Archive => self.copy_proved(path, None, &PackHashes::default(), &file, watch).await,
            },
            ImportSource::Pack { location, size_bytes, hashes } if is_address(location) => {
                self.fetch(location, *size_bytes, hashes, &file, watch).await
            }
            ImportSource::Pack { location, size_bytes, hashes } => {
                self.copy_proved(location, *size_bytes, hashes, &file, watch).await
            }
        };
        let place = match copied {
            Ok(hash) => self.unpacked_place(file.clone(), hash, watch).await,
            Err(error) => Err(error),
        };
        // Whatever became of it, the archive itself is not needed any more.
        drop(std::fs::remove_file(&file));
        place
    }

    pub(crate) fn unpacked_folder(&self) -> PathBuf {
        self.options().data_dir.join(UNPACKED_FOLDER)
    }

    async fn local_place(&self, path: &str, watch: &Arc<Watch>) -> Result<Local, String> {
        let source = SourcePath::parse(path, &self.options().shares).map_err(|error| error.to_string())?;
        let (own, options) = (source.clone(), self.options().clone());
        let limit = async {
            tokio::select! {
                () = self.clock().sleep(LOCATE_LIMIT) => {}
                () = watch.left_behind.notified() => {}
            }
        };
        let found =
            self.sources().visit(&source, Purpose::Locate, limit, move || own.locate_drivers(&options));
        let place =
            found.await.unwrap_or(Err(SourcePathError::NoAnswer)).map_err(|error| error.to_string())?;
        let folder = place.clone();
        let work = move || {
            if place.is_dir() {
                return Ok(true);
            }
            // Before gigabytes of something else are copied.
            archive::recognize(&place).map(|_| false).map_err(|error| error.to_string())
        };
        match self.visit_drivers(&source, watch, work).await? {
            true => Ok(Local::Folder(Place { folder, name: path.to_owned(), source })),
            false => Ok(Local::Archive),
        }
    }

    async fn unpacked_place(&self, file: PathBuf, hash: String, watch: &Arc<Watch>) -> Result<Place, String> {
        let place = self.place_of(&hash)?;
        let (into, busy, reader) = (self.unpacked_folder(), self.unpacking().clone(), Arc::clone(watch));
        let work = move || unpack(&file, &into, &hash, &busy.busy, &reader);
        self.visit_drivers(&place.source, watch, work).await?;
        Ok(place)
    }

    /// Where the archive with this hash is, or will be, unpacked.
    fn place_of(&self, hash: &str) -> Result<Place, String> {
        let name = format!("{}\\{hash}", unpacked_share(&self.identity().server_name));
        let source = SourcePath::parse(&name, &self.options().shares).map_err(|error| error.to_string())?;
        Ok(Place { folder: self.unpacked_folder().join(hash), name, source })
    }

    pub(super) async fn visit_drivers<T: Send + 'static>(
        &self,
        source: &SourcePath,
        watch: &Watch,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let left_behind = watch.left_behind.notified();
        let visit = self.sources().visit(source, Purpose::Examine, left_behind, work).await;
        visit.unwrap_or_else(|NoAnswer| Err(SourcePathError::NoAnswer.to_string()))
    }

    async fn fetch(
        &self,
        url: &str,
        size_bytes: Option<u64>,
        hashes: &PackHashes,
        into: &Path,
        watch: &Watch,
    ) -> Result<String, String> {
        let fetcher = self.options().pack_fetcher.clone();
        let fetcher = fetcher.ok_or("this site fetches nothing from other servers")?;
        let fetched = async {
            tokio::fs::create_dir_all(self.unpacked_folder()).await.map_err(FetchError::Store)?;
            let mut file = PackFile::create(into, size_bytes, hashes, watch.meter()).await?;
            fetcher.fetch(url, &mut file).await?;
            file.finish().await
        };
        let fetched = tokio::select! {
            fetched = fetched => fetched,
            () = watch.stop.cancelled() => return Err("the import was stopped".to_owned()),
            () = watch.left_behind.notified() => {
                return Err("the server sends nothing any more".to_owned());
            }
        };
        fetched.map_err(|error| {
            tracing::warn!(error = error_chain(&error), url, "pack not fetched");
            error.to_string()
        })
    }
}

/// Unpacks an archive, unless that was done before.
fn unpack(file: &Path, folder: &Path, hash: &str, busy: &Busy, watch: &Watch) -> Result<(), String> {
    let _turn = busy.turn(hash, watch).ok_or("the import was stopped")?;
    let into = folder.join(hash);
    if into.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|error| {
        tracing::error!(%error, "folder for unpacked drivers");
        "the site's data folder cannot be used; the site's log says why".to_owned()
    })?;
    let mut progress = |_: Progress| {
        watch.step();
        if watch.stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match archive::unpack(file, &into, &Limits::default(), &mut progress) {
        Ok(unpacked) => {
            tracing::info!(files = unpacked.files, bytes = unpacked.bytes, "archive unpacked");
            Ok(())
        }
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "archive not unpacked");
            Err(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ::driver::archive::ZipWriter;
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;
    use crate::driver::import::{ImportRequest, ImportState};
    use crate::inf::{inf, unc};
    use crate::stage::admin;

    fn pack(id: &str) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in [("nic.inf", inf(id).as_str()), ("nic.sys", id)] {
            zip.add(name, text.len() as u64, &mut text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    on_both! {
        async fn an_archive_that_is_replaced_meanwhile_is_not_taken_for_the_first(stage: &Stage) {
            let path = stage.source("packs", &[]).join("pack.zip");
            let first = pack("VEN_first");
            std::fs::write(&path, &first).unwrap();
            let hash = hex::encode(digest(&SHA256, &first));
            let place = stage.site.place_of(&hash).unwrap();
            // The unpacking waits until the other one is there.
            let (open, closed) = std::sync::mpsc::channel::<()>();
            stage.site.sources().gates.lock().unwrap().push((place.source.clone(), closed));
            let sources = vec![ImportSource::Path(unc("packs/pack.zip"))];
            let request = ImportRequest { sources, ..ImportRequest::default() };
            let id = stage.site.start_import(&admin(), request).await.unwrap();
            let replace = async {
                let waits = || stage.site.sources().gates.lock().unwrap().is_empty();
                let ended = async || stage.site.import_progress(id).await.unwrap().state == ImportState::Done;
                while !waits() && !ended().await {
                    tokio::task::yield_now().await;
                }
                assert!(waits(), "the unpacking is a step of its own");
                std::fs::write(&path, pack("VEN_other")).unwrap();
                drop(open);
            };
            let (ran, ()) = tokio::join!(stage.site.run_due_imports(), replace);
            ran.unwrap();
            assert_eq!(stage.site.import_progress(id).await.unwrap().imported, 1);
            let unpacked = stage.site.unpacked_folder().join(&hash);
            assert_eq!(std::fs::read_to_string(unpacked.join("nic.sys")).unwrap(), "VEN_first");
            assert_eq!(std::fs::read_dir(stage.site.unpacked_folder()).unwrap().count(), 1);
        }
    }
}
