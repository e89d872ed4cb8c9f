//! The last step of a pull: what is in place becomes durable and is recorded, or goes.
//!
//! After a failed sync the system takes the pages that it could not write for written: they read back
//! right until they are evicted, and the next sync succeeds. So nothing that was written before a failed
//! sync and is not in the index may be taken up again, whichever pull wrote it.

use std::fs;
use std::sync::PoisonError;

use super::super::error::HolderError;
use super::super::index::NewVersion;
use super::super::layout::{remove_folder, version_name};
use super::super::record::{FileRecord, PathRecord, VersionRecord};
use super::super::version_file;
use super::{Assembly, Installed, Pull, staging_folders};
use crate::{FileHash, Manifest, ManifestId, PackId};

impl Pull {
    /// Makes the version durable: one sync for all its files, then one transaction. It is not served
    /// before `Holder::activate`.
    pub fn finish(&self) -> Result<Installed, HolderError> {
        let content = self.content.get().ok_or(HolderError::Incomplete { files_missing: self.root.files })?;
        let files_missing = content.assembly.files_lacking();
        if files_missing > 0 {
            return Err(HolderError::Incomplete { files_missing });
        }
        let new_files = self.new_files(&content.assembly)?;
        let stream = self.read_stream()?;
        let layout = &self.shared.layout;
        let path = layout.versions().join(version_name(&self.package, self.version));
        version_file::write(&path, self.id, &self.root_bytes, &stream)?;
        if let Err(error) = layout.sync() {
            self.discard();
            return Err(error);
        }
        if self.is_overtaken() {
            self.discard();
            return Err(HolderError::Incomplete { files_missing: new_files.len() as u64 });
        }
        let mut packs = self.route.lock().unwrap_or_else(PoisonError::into_inner).clone();
        packs.dedup();
        self.shared.index.add_version(&new_version(
            &self.package,
            self.version,
            self.id,
            packs,
            &content.manifest,
            new_files,
        ))?;
        self.clear_staging()?;
        Ok(Installed {
            files: self.root.files,
            bytes: self.root.bytes,
            files_verified: content.assembly.files_hashed(),
        })
    }

    /// Files that the index does not know yet, with their chunks.
    fn new_files(&self, assembly: &Assembly) -> Result<Vec<(FileHash, FileRecord)>, HolderError> {
        let hashes = || assembly.targets().iter().filter_map(|target| target.hash);
        let held = self.shared.index.files_held(hashes())?;
        let (mut new, mut files_missing) = (Vec::new(), 0);
        for target in assembly.targets() {
            let Some(hash) = target.hash.filter(|hash| !held.contains(hash)) else { continue };
            if fs::metadata(self.shared.layout.file(&hash)).is_ok_and(|found| found.len() == target.size) {
                let chunks = target.chunks.iter().map(|chunk| (chunk.id, chunk.len)).collect();
                new.push((hash, FileRecord { size: target.size, chunks }));
            } else {
                files_missing += 1;
            }
        }
        if files_missing > 0 { Err(HolderError::Incomplete { files_missing }) } else { Ok(new) }
    }

    fn clear_staging(&self) -> Result<(), HolderError> {
        for (folder, version) in staging_folders(&self.shared.layout.staging(), &self.package)? {
            if version <= self.version {
                remove_folder(&folder)?;
            }
        }
        Ok(())
    }

    /// Whether a sync failed since this began, perhaps on files of this pull.
    pub(super) fn is_overtaken(&self) -> bool {
        self.shared.layout.failed_syncs() != self.failed_syncs
    }

    /// Deletes what this pull wrote and nobody recorded. Of pulls that share a file the last one deletes it.
    pub(super) fn discard(&self) {
        self.shared.unpin(self.number);
        let mut result = remove_folder(&self.folder);
        if let Some(content) = self.content.get() {
            for hash in content.assembly.targets().iter().filter_map(|target| target.hash) {
                result = result.and(self.shared.delete_stray(&hash).map(drop));
            }
        }
        if let Err(error) = result {
            tracing::warn!(%error, package = %self.package, "Cannot delete what a failed sync may have lost");
        }
    }
}

/// What `finish` and a rebuild record of a version.
pub(in crate::holder) fn new_version<'a>(
    package: &'a str,
    version: u32,
    id: ManifestId,
    packs: Vec<PackId>,
    manifest: &Manifest,
    new_files: Vec<(FileHash, FileRecord)>,
) -> NewVersion<'a> {
    let row = |file: &crate::FileEntry| PathRecord {
        hash: file.hash,
        size: file.size,
        modified_ns: file.modified,
        path: file.path.as_str().to_owned(),
    };
    let (files, _) = manifest.counts();
    NewVersion {
        package,
        version,
        record: VersionRecord { manifest: id, files, bytes: manifest.bytes(), packs },
        paths: manifest.files().map(|file| (file.path.fold(), row(file))).collect(),
        new_files,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use clock::SystemClock;

    use super::super::super::Holder;
    use super::*;
    use crate::{
        Library, LibraryOptions, MemoryStore, ObjectKey, ObjectStore, SnapshotRequest, VoidMonitor, fold,
    };

    /// A pull of a one-file version with everything in place, ready to finish.
    fn ready(holder: &Holder, package: &str, text: &[u8]) -> Pull {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("a.sys"), text).unwrap();
        fs::write(source.join("shared.sys"), b"in both").unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
        let options = LibraryOptions { threads: 1 };
        let library = Library::open(store.clone(), folder.path(), options, SystemClock::shared()).unwrap();
        let request = SnapshotRequest { source: &source, previous: None, cancel: &AtomicBool::new(false) };
        let id = library.snapshot(&request, &VoidMonitor).unwrap().manifest;
        let all = |key| store.read(key, 0..store.size(key).unwrap().unwrap()).unwrap();
        let pull = holder.begin(package, 1, id, &all(ObjectKey::Manifest(id)), Arc::default()).unwrap();
        let route = library.route(id).unwrap();
        pull.set_route(&route.packs.iter().map(|pack| pack.id).collect::<Vec<_>>()).unwrap();
        for pack in &route.packs {
            let range = pack.index_offset..pack.index_offset + pack.index_bytes;
            pull.add_pack_index(&pack.id, &store.read(ObjectKey::Pack(pack.id), range).unwrap()).unwrap();
        }
        for plan in [Pull::plan_manifest, Pull::plan_content] {
            for range in plan(&pull).unwrap().rounds.iter().flatten() {
                let span = range.offset..range.offset + range.len;
                pull.feed(range, &store.read(ObjectKey::Pack(range.pack), span).unwrap()).unwrap();
            }
        }
        assert!(pull.plan_content().unwrap().is_empty());
        pull
    }

    /// Names in the store and in the staging folder.
    fn on_disk(holder: &Holder) -> usize {
        let layout = &holder.shared.layout;
        let folders = layout.file_folders().chain([layout.staging()]);
        folders.map(|folder| fs::read_dir(folder).unwrap().count()).sum()
    }

    #[test]
    fn nothing_that_was_written_before_a_failed_sync_is_taken_up_again() {
        let dir = tempfile::tempdir().unwrap();
        let holder = Holder::open(dir.path(), SystemClock::shared()).unwrap();
        let layout = &holder.shared.layout;
        ready(&holder, "OLD1", b"durable").finish().unwrap();
        let durable = on_disk(&holder);
        let (first, other, dropped) = (
            ready(&holder, "NEW1", b"one"),
            ready(&holder, "NEW2", b"two"),
            ready(&holder, "NEW3", b"three"),
        );
        assert_eq!(on_disk(&holder), durable + 6, "three files and three staging folders");
        layout.break_sync();
        assert_eq!(first.finish().unwrap_err().code(), "io");
        layout.mend_sync();
        // The other's sync succeeds, because the first one took the error away.
        assert_eq!(other.finish().unwrap_err().code(), "incomplete");
        drop((first, other, dropped));
        assert_eq!(on_disk(&holder), durable, "what the index had stays, and nothing else");
        assert_eq!(holder.versions().unwrap().len(), 1);
        ready(&holder, "NEW1", b"one").finish().unwrap();
        let served = holder.lookup("NEW1", Some(1), &fold("a.sys")).unwrap().unwrap();
        assert_eq!(fs::read(served.path).unwrap(), b"one");
    }
}
