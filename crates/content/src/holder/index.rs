//! The holder's index: which files are synced, which chunks they hold, which versions use them.
//!
//! Everything in it can be found again by reading `versions/` and `files/`, so a damaged index costs
//! time, never content.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::error::HolderError;
use super::record::{FileRecord, INDEX_FORMAT, PathRecord, VersionRecord};
use crate::{ChunkId, FileHash, PackId};

/// Memory that the index may use for pages.
const CACHE_BYTES: usize = 24 * 1024 * 1024;

type Hash = [u8; 32];

const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const FILES: TableDefinition<&Hash, &[u8]> = TableDefinition::new("files");
const CHUNKS: TableDefinition<(&Hash, &Hash, u64), u32> = TableDefinition::new("chunks");
const USERS: TableDefinition<(&Hash, &str, u32), ()> = TableDefinition::new("users");
const PACK_INDEXES: TableDefinition<&Hash, &[u8]> = TableDefinition::new("pack_indexes");
const VERSIONS: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("versions");
const CURRENT: TableDefinition<&str, u32> = TableDefinition::new("current");
const PATHS: TableDefinition<(&str, u32, &str), &[u8]> = TableDefinition::new("paths");

/// A place where a chunk lies within a synced file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: FileHash,
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// What `finish` records in one transaction.
pub(super) struct NewVersion<'a> {
    pub(super) package: &'a str,
    pub(super) version: u32,
    pub(super) record: VersionRecord,
    /// Folded path and row, one for each file of the version.
    pub(super) paths: Vec<(String, PathRecord)>,
    /// Files that were not in the index before.
    pub(super) new_files: Vec<(FileHash, FileRecord)>,
}

#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    database: RwLock<Option<Database>>,
}

impl Index {
    /// Opens the index. The flag says that it is new or was damaged, so that it must be rebuilt.
    pub(super) fn open(path: &Path) -> Result<(Self, bool), HolderError> {
        let existed = path.exists();
        let index = |database| Self { path: path.to_owned(), database: RwLock::new(Some(database)) };
        match open_checked(path) {
            Ok((database, usable)) if usable || !existed => Ok((index(database), !usable)),
            Ok(_) | Err(HolderError::Index(_)) => {
                set_aside(path)?;
                Ok((index(open_checked(path)?.0), true))
            }
            Err(error) => Err(error),
        }
    }

    /// Marks the index as complete; until then an open rebuilds it.
    pub(super) fn mark_usable(&self) -> Result<(), HolderError> {
        self.write(Durability::Immediate, |txn| {
            txn.open_table(META)?.insert("format", INDEX_FORMAT)?;
            Ok(())
        })
    }

    pub(super) fn files_held(
        &self,
        wanted: impl Iterator<Item = FileHash>,
    ) -> Result<HashSet<FileHash>, HolderError> {
        self.read(|txn| {
            let files = txn.open_table(FILES)?;
            let mut held = HashSet::new();
            for hash in wanted {
                if files.get(hash.as_bytes())?.is_some() {
                    held.insert(hash);
                }
            }
            Ok(held)
        })
    }

    /// The first place of each chunk that some synced file holds.
    pub(super) fn places(
        &self,
        chunks: impl Iterator<Item = ChunkId>,
    ) -> Result<HashMap<ChunkId, Place>, HolderError> {
        self.read(|txn| {
            let table = txn.open_table(CHUNKS)?;
            let mut places = HashMap::new();
            for id in chunks {
                let from = (id.as_bytes(), &[0; 32], 0);
                if let Some(row) = table.range(from..=(id.as_bytes(), &[0xff; 32], u64::MAX))?.next() {
                    let (key, len) = row?;
                    let (_, file, offset) = key.value();
                    places.insert(id, Place { file: FileHash::from_bytes(*file), offset, len: len.value() });
                }
            }
            Ok(places)
        })
    }

    pub(super) fn pack_index(&self, pack: &PackId) -> Result<Option<Vec<u8>>, HolderError> {
        self.read(|txn| {
            Ok(txn.open_table(PACK_INDEXES)?.get(pack.as_bytes())?.map(|row| row.value().to_vec()))
        })
    }

    pub(super) fn has_pack_index(&self, pack: &PackId) -> Result<bool, HolderError> {
        self.read(|txn| Ok(txn.open_table(PACK_INDEXES)?.get(pack.as_bytes())?.is_some()))
    }

    /// Caches a pack index; not durable by itself, because it can be fetched again.
    pub(super) fn put_pack_index(&self, pack: &PackId, bytes: &[u8]) -> Result<(), HolderError> {
        self.write(Durability::None, |txn| {
            txn.open_table(PACK_INDEXES)?.insert(pack.as_bytes(), bytes)?;
            Ok(())
        })
    }

    pub(super) fn version(&self, package: &str, version: u32) -> Result<Option<VersionRecord>, HolderError> {
        self.read(|txn| match txn.open_table(VERSIONS)?.get((package, version))? {
            Some(row) => Ok(Some(VersionRecord::decode(row.value()).ok_or_else(torn)?)),
            None => Ok(None),
        })
    }

    pub(super) fn versions(&self, package: &str) -> Result<Vec<u32>, HolderError> {
        self.read(|txn| {
            let table = txn.open_table(VERSIONS)?;
            table.range((package, 0)..=(package, u32::MAX))?.map(|row| Ok(row?.0.value().1)).collect()
        })
    }

    pub(super) fn all_versions(&self) -> Result<Vec<(String, u32, VersionRecord)>, HolderError> {
        self.read(|txn| {
            let table = txn.open_table(VERSIONS)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                let (package, version) = key.value();
                all.push((
                    package.to_owned(),
                    version,
                    VersionRecord::decode(value.value()).ok_or_else(torn)?,
                ));
            }
            Ok(all)
        })
    }

    pub(super) fn current(&self, package: &str) -> Result<Option<u32>, HolderError> {
        self.read(|txn| Ok(txn.open_table(CURRENT)?.get(package)?.map(|row| row.value())))
    }

    pub(super) fn all_current(&self) -> Result<Vec<(String, u32)>, HolderError> {
        self.read(|txn| {
            let table = txn.open_table(CURRENT)?;
            table
                .iter()?
                .map(|row| row.map(|(k, v)| (k.value().to_owned(), v.value())))
                .map(|r| Ok(r?))
                .collect()
        })
    }

    /// One file of one version; `None` for the version means the current one.
    pub(super) fn path(
        &self,
        package: &str,
        version: Option<u32>,
        folded: &str,
    ) -> Result<Option<(u32, PathRecord)>, HolderError> {
        self.read(|txn| {
            let version = match version {
                Some(version) => version,
                None => match txn.open_table(CURRENT)?.get(package)? {
                    Some(row) => row.value(),
                    None => return Ok(None),
                },
            };
            match txn.open_table(PATHS)?.get((package, version, folded))? {
                Some(row) => Ok(Some((version, PathRecord::decode(row.value()).ok_or_else(torn)?))),
                None => Ok(None),
            }
        })
    }

    /// Every file of a version, one call each; stops when `each` says `false`.
    pub(super) fn each_path(
        &self,
        package: &str,
        version: u32,
        mut each: impl FnMut(PathRecord) -> Result<(), HolderError>,
    ) -> Result<(), HolderError> {
        self.read(|txn| {
            let table = txn.open_table(PATHS)?;
            for row in table.range((package, version, "")..(package, version.saturating_add(1), ""))? {
                each(PathRecord::decode(row?.1.value()).ok_or_else(torn)?)?;
            }
            Ok(())
        })
    }

    /// The packages that use a file.
    pub(super) fn users(&self, file: &FileHash) -> Result<BTreeSet<String>, HolderError> {
        self.read(|txn| {
            let table = txn.open_table(USERS)?;
            let rows = table.range((file.as_bytes(), "", 0)..=(file.as_bytes(), "\u{10ffff}", u32::MAX))?;
            rows.map(|row| Ok(row?.0.value().1.to_owned())).collect()
        })
    }

    /// The packages that use a file which is not there.
    pub(super) fn users_of_lost_files(&self) -> Result<BTreeSet<String>, HolderError> {
        self.read(|txn| {
            let (files, users) = (txn.open_table(FILES)?, txn.open_table(USERS)?);
            let (mut lost, mut last) = (BTreeSet::new(), None);
            for row in users.iter()? {
                let key = row?.0;
                let (file, package, _) = key.value();
                let there = match last {
                    Some((same, there)) if same == *file => there,
                    _ => files.get(file)?.is_some(),
                };
                last = Some((*file, there));
                if !there {
                    lost.insert(package.to_owned());
                }
            }
            Ok(lost)
        })
    }

    /// Synced files that no version uses.
    pub(super) fn unused_files(&self) -> Result<Vec<FileHash>, HolderError> {
        self.read(|txn| {
            let (files, users) = (txn.open_table(FILES)?, txn.open_table(USERS)?);
            let mut unused = Vec::new();
            for row in files.iter()? {
                let key = row?.0;
                let from = (key.value(), "", 0);
                if users.range(from..=(key.value(), "\u{10ffff}", u32::MAX))?.next().is_none() {
                    unused.push(FileHash::from_bytes(*key.value()));
                }
            }
            Ok(unused)
        })
    }

    pub(super) fn files_count(&self) -> Result<u64, HolderError> {
        self.read(|txn| Ok(txn.open_table(FILES)?.len()?))
    }

    /// Records synced files without a version: a rebuild found them whole.
    pub(super) fn add_files(&self, files: &[(FileHash, FileRecord)]) -> Result<(), HolderError> {
        self.write(Durability::None, |txn| insert_files(txn, files))
    }

    /// Records a complete version and its new files, durably.
    pub(super) fn add_version(&self, new: &NewVersion<'_>) -> Result<(), HolderError> {
        self.write(Durability::Immediate, |txn| {
            insert_files(txn, &new.new_files)?;
            drop_paths(txn, new.package, new.version)?;
            let (mut paths, mut users) = (txn.open_table(PATHS)?, txn.open_table(USERS)?);
            for (folded, row) in &new.paths {
                paths.insert((new.package, new.version, folded.as_str()), row.encode().as_slice())?;
                users.insert((row.hash.as_bytes(), new.package, new.version), ())?;
            }
            txn.open_table(VERSIONS)?.insert((new.package, new.version), new.record.encode().as_slice())?;
            Ok(())
        })
    }

    /// Switches the served version, durably.
    pub(super) fn set_current(&self, package: &str, version: u32) -> Result<(), HolderError> {
        self.write(Durability::Immediate, |txn| {
            txn.open_table(CURRENT)?.insert(package, version)?;
            Ok(())
        })
    }

    /// Forgets versions, and with `all` that the package was ever served; gives the files that nobody
    /// uses any more and that `pinned` does not hold back. They are out of the index when this returns.
    pub(super) fn drop_versions(
        &self,
        package: &str,
        versions: &[u32],
        all: bool,
        pinned: &dyn Fn(&FileHash) -> bool,
    ) -> Result<Vec<FileHash>, HolderError> {
        self.write(Durability::Immediate, |txn| {
            let mut candidates = BTreeSet::new();
            for &version in versions {
                candidates.extend(drop_paths(txn, package, version)?);
                txn.open_table(VERSIONS)?.remove((package, version))?;
            }
            if all {
                txn.open_table(CURRENT)?.remove(package)?;
            }
            let mut unused = Vec::new();
            for hash in candidates {
                if delete_unused(txn, &hash, pinned)? {
                    unused.push(hash);
                }
            }
            Ok(unused)
        })
    }

    /// Takes those of the files out of the index that still nobody uses and that `pinned` does not hold back.
    pub(super) fn drop_unused(
        &self,
        files: &[FileHash],
        pinned: &dyn Fn(&FileHash) -> bool,
    ) -> Result<(), HolderError> {
        self.write(Durability::Immediate, |txn| {
            files.iter().try_for_each(|hash| delete_unused(txn, hash, pinned).map(drop))
        })
    }

    /// Takes files out of the index: they are damaged or missing.
    pub(super) fn drop_files(&self, files: &[FileHash]) -> Result<(), HolderError> {
        self.write(Durability::Immediate, |txn| files.iter().try_for_each(|hash| delete_file(txn, hash)))
    }

    /// Forgets cached pack indexes that no installed version's route names.
    pub(super) fn retain_pack_indexes(&self, keep: &HashSet<PackId>) -> Result<(), HolderError> {
        self.write(Durability::None, |txn| {
            txn.open_table(PACK_INDEXES)?.retain(|id, _| keep.contains(&PackId::from_bytes(*id)))?;
            Ok(())
        })
    }

    fn read<T>(
        &self,
        act: impl FnOnce(&redb::ReadTransaction) -> Result<T, HolderError>,
    ) -> Result<T, HolderError> {
        self.with(|database| act(&database.begin_read()?))
    }

    fn write<T>(
        &self,
        durability: Durability,
        act: impl FnOnce(&WriteTransaction) -> Result<T, HolderError>,
    ) -> Result<T, HolderError> {
        self.with(|database| {
            let mut txn = database.begin_write()?;
            txn.set_durability(durability)?;
            let value = act(&txn)?;
            txn.commit()?;
            Ok(value)
        })
    }

    /// redb refuses everything after a failed write; reopening it returns to the last durable state.
    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, HolderError>) -> Result<T, HolderError> {
        self.reopen_if_closed()?;
        let result = match self.database.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(database) => act(database),
            None => Err(HolderError::Index("it is closed after a failed write".to_owned())),
        };
        if let Err(HolderError::DiskFull { .. } | HolderError::Io { .. } | HolderError::Index(_)) = &result {
            self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        }
        result
    }

    fn reopen_if_closed(&self) -> Result<(), HolderError> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some(open_checked(&self.path)?.0);
        }
        Ok(())
    }
}

fn torn() -> HolderError {
    HolderError::Index("a row cannot be read".to_owned())
}

/// Opens with every page checked; the flag says that it is complete and of our format.
fn open_checked(path: &Path) -> Result<(Database, bool), HolderError> {
    let database =
        Database::builder().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?;
    let txn = database.begin_write()?;
    txn.open_table(FILES)?;
    txn.open_table(CHUNKS)?;
    txn.open_table(USERS)?;
    txn.open_table(PACK_INDEXES)?;
    txn.open_table(VERSIONS)?;
    txn.open_table(CURRENT)?;
    txn.open_table(PATHS)?;
    let format = txn.open_table(META)?.get("format")?.map(|row| row.value());
    txn.commit()?;
    match format {
        Some(found) if found > INDEX_FORMAT => Err(HolderError::Newer { found, known: INDEX_FORMAT }),
        format => Ok((database, format == Some(INDEX_FORMAT))),
    }
}

/// Keeps the last damaged index for whoever wants to look at it.
fn set_aside(path: &Path) -> Result<(), HolderError> {
    fs::rename(path, path.with_extension("redb.damaged")).map_err(HolderError::io("setting the index aside"))
}

fn insert_files(txn: &WriteTransaction, files: &[(FileHash, FileRecord)]) -> Result<(), HolderError> {
    let (mut table, mut chunks) = (txn.open_table(FILES)?, txn.open_table(CHUNKS)?);
    for (hash, record) in files {
        table.insert(hash.as_bytes(), record.encode().as_slice())?;
        let mut offset = 0;
        for (id, len) in &record.chunks {
            chunks.insert((id.as_bytes(), hash.as_bytes(), offset), *len)?;
            offset += u64::from(*len);
        }
    }
    Ok(())
}

/// Deletes the row of a file that no version uses and no pull counts on; gives whether it did. The pin comes
/// first: a pull that has let go of the file has recorded its use before.
fn delete_unused(
    txn: &WriteTransaction,
    hash: &FileHash,
    pinned: &dyn Fn(&FileHash) -> bool,
) -> Result<bool, HolderError> {
    if pinned(hash) {
        return Ok(false);
    }
    let is_used = {
        let users = txn.open_table(USERS)?;
        let from = (hash.as_bytes(), "", 0);
        users.range(from..=(hash.as_bytes(), "\u{10ffff}", u32::MAX))?.next().is_some()
    };
    if !is_used {
        delete_file(txn, hash)?;
    }
    Ok(!is_used)
}

fn delete_file(txn: &WriteTransaction, hash: &FileHash) -> Result<(), HolderError> {
    let mut files = txn.open_table(FILES)?;
    let Some(record) = files.remove(hash.as_bytes())?.map(|row| FileRecord::decode(row.value())) else {
        return Ok(());
    };
    let mut chunks = txn.open_table(CHUNKS)?;
    let mut offset = 0;
    for (id, len) in record.ok_or_else(torn)?.chunks {
        chunks.remove((id.as_bytes(), hash.as_bytes(), offset))?;
        offset += u64::from(len);
    }
    Ok(())
}

/// Forgets a version's paths; gives the files that they named.
fn drop_paths(
    txn: &WriteTransaction,
    package: &str,
    version: u32,
) -> Result<BTreeSet<FileHash>, HolderError> {
    let (mut paths, mut users) = (txn.open_table(PATHS)?, txn.open_table(USERS)?);
    let mut files = BTreeSet::new();
    let range = (package, version, "")..(package, version.saturating_add(1), "");
    for row in paths.range(range.clone())? {
        files.insert(PathRecord::decode(row?.1.value()).ok_or_else(torn)?.hash);
    }
    paths.retain_in(range, |_, _| false)?;
    for hash in &files {
        users.remove((hash.as_bytes(), package, version))?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version<'a>(package: &'a str, hash: FileHash, record: &FileRecord) -> NewVersion<'a> {
        let path = PathRecord { hash, size: record.size, modified_ns: 0, path: "a".to_owned() };
        let manifest = crate::ManifestId::from_bytes([1; 32]);
        NewVersion {
            package,
            version: 1,
            record: VersionRecord { manifest, files: 1, bytes: record.size, packs: Vec::new() },
            paths: vec![("a".to_owned(), path)],
            new_files: vec![(hash, record.clone())],
        }
    }

    #[test]
    fn what_was_unused_when_it_was_listed_stays_if_somebody_uses_it_now() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index.redb")).unwrap().0;
        let [used, pinned, free] = [1, 2, 3].map(|n| FileHash::from_bytes([n; 32]));
        let record = FileRecord { size: 5, chunks: vec![(ChunkId::from_bytes([9; 32]), 5)] };
        index.add_files(&[used, pinned, free].map(|hash| (hash, record.clone()))).unwrap();
        let listed = index.unused_files().unwrap();
        assert_eq!(listed, [used, pinned, free]);
        // Between the list and the deletion a pull ends, and another one begins.
        index.add_version(&version("PS1", used, &record)).unwrap();
        index.drop_unused(&listed, &|file| *file == pinned).unwrap();
        let held = index.files_held(listed.into_iter()).unwrap();
        assert_eq!(held, HashSet::from([used, pinned]));
    }
}
