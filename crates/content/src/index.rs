//! The library's index: where each chunk is, which manifests are wanted, what the sources looked like.
//!
//! A cache and nothing more, but for the reference counts, which the site can recount: it is rebuilt from
//! packs and manifests when it is missing or damaged (`rebuild.rs`).

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::error::Error;
use crate::format::{
    PackEntry, PackFooter, Reader, decode_entry_body, encode_entry_body, put_signed, put_varint,
};
use crate::ids::{ChunkId, ID_BYTES, ManifestId, PackId};
use crate::snapshot::SourceCache;

/// Memory for the index's pages.
const CACHE_BYTES: usize = 24 << 20;
/// The version of the tables below. Another version is rebuilt, not migrated.
const TABLES_VERSION: u64 = 1;
/// How often a transaction is begun: once more after the failure of another one closed the database.
const BEGIN_TRIES_MAX: u32 = 2;

type Id = [u8; ID_BYTES];

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const PACKS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("packs");
const PACK_NUMBERS: TableDefinition<'_, u32, &Id> = TableDefinition::new("pack_numbers");
const CHUNKS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("chunks");
const FEATURES: TableDefinition<'_, u64, &Id> = TableDefinition::new("features");
const NAMES: TableDefinition<'_, u64, &Id> = TableDefinition::new("names");
pub(crate) const MANIFESTS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("manifests");
const SOURCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sources");

/// What is known of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackRecord {
    pub(crate) number: u32,
    /// Unix seconds at which it came into the library.
    pub(crate) added: i64,
    /// Unix seconds since when it is only kept for transfers that began earlier; `None` while it is in use.
    pub(crate) retired: Option<i64>,
    pub(crate) bytes: u64,
    pub(crate) footer: PackFooter,
}

impl PackRecord {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        put_varint(&mut out, u64::from(self.number));
        put_signed(&mut out, self.added);
        put_signed(&mut out, self.retired.unwrap_or(i64::MIN));
        put_varint(&mut out, self.bytes);
        put_varint(&mut out, self.footer.index_offset);
        put_varint(&mut out, self.footer.index_bytes);
        out
    }

    fn decode(bytes: &[u8]) -> Result<PackRecord, Error> {
        let mut reader = Reader::new(bytes, "pack record");
        let record = PackRecord {
            number: reader.varint_u32(u32::MAX)?,
            added: reader.signed()?,
            retired: Some(reader.signed()?).filter(|at| *at != i64::MIN),
            bytes: reader.varint()?,
            footer: PackFooter { index_offset: reader.varint()?, index_bytes: reader.varint()? },
        };
        reader.finish()?;
        Ok(record)
    }
}

/// One stored form of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: u32,
    pub(crate) entry: PackEntry,
}

fn encode_locations(locations: &[Location]) -> Vec<u8> {
    let mut out = Vec::with_capacity(locations.len() * 24);
    for location in locations {
        put_varint(&mut out, u64::from(location.pack));
        encode_entry_body(&mut out, &location.entry, 0);
    }
    out
}

fn decode_locations(chunk: ChunkId, bytes: &[u8]) -> Result<Vec<Location>, Error> {
    let mut reader = Reader::new(bytes, "chunk record");
    let mut locations = Vec::new();
    while !reader.is_empty() {
        let pack = reader.varint_u32(u32::MAX)?;
        locations.push(Location { pack, entry: decode_entry_body(&mut reader, chunk, 0)? });
    }
    Ok(locations)
}

/// The index. The database refuses everything after a failed write or read, so it is closed then, and opened
/// again by whoever needs it next: back at the last durable state, without a restart.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    opened: RwLock<Opening>,
}

#[derive(Debug)]
struct Opening {
    /// `None` after a failure, until someone needs it.
    db: Option<Database>,
    /// Rises with each opening: a failure closes only the database that it came from.
    number: u64,
}

/// What a look into the index file found.
pub(crate) enum Opened {
    /// A sound index.
    Sound(Index),
    /// None, or one that cannot be used: an empty one was made.
    Fresh(Index),
}

impl Index {
    /// Opens the index, or makes an empty one if there is none or it is damaged. Every page is checked: a plain
    /// open may panic later on a file that was altered.
    pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
        if path.exists() {
            match Index::open_checked(path) {
                Ok(db) => return Ok(Opened::Sound(Index::of(path, db))),
                Err(error @ (Error::InUse | Error::NoSpace | Error::WorkDir(_))) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "The index is damaged and will be rebuilt");
                    std::fs::remove_file(path).map_err(Error::work_dir)?;
                }
            }
        }
        let index = Index::of(path, builder().create(path)?);
        index.write(|tables| tables.set_version())?;
        Ok(Opened::Fresh(index))
    }

    fn of(path: &Path, db: Database) -> Index {
        Index { path: path.to_owned(), opened: RwLock::new(Opening { db: Some(db), number: 0 }) }
    }

    fn open_checked(path: &Path) -> Result<Database, Error> {
        let damaged = |reason: &str| Error::Index { reason: reason.to_owned() };
        // The database asserts on some kinds of damage; here that is one more answer, not a crash.
        let opened = std::panic::catch_unwind(|| builder().set_check_integrity_on_open(true).open(path));
        let db = match opened.map_err(|_| damaged("the database refused it"))? {
            Ok(db) => db,
            // Any complaint about the content of the file, however it is put.
            Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))
                if error.kind() != std::io::ErrorKind::InvalidData
                    && error.kind() != std::io::ErrorKind::UnexpectedEof =>
            {
                return Err(Error::work_dir(error));
            }
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(Error::InUse),
            Err(error) => return Err(damaged(&error.to_string())),
        };
        let version = {
            let read = db.begin_read()?;
            let meta = read.open_table(META)?;
            meta.get("tables")?.map(|version| version.value())
        };
        if version == Some(TABLES_VERSION) { Ok(db) } else { Err(damaged("it is of another version")) }
    }

    /// Reads a consistent state.
    pub(crate) fn read(&self) -> Result<View<'_>, Error> {
        let (read, opening) = self.begin(|db| Ok(db.begin_read()?))?;
        Ok(View { index: self, opening: opening.number, read })
    }

    /// Changes the index, all or nothing, durably. `change` must not begin another transaction.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&Tables<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let (write, opening) = self.begin(|db| Ok(db.begin_write()?))?;
        let changed = change(&Tables { write: &write }).and_then(|value| {
            write.commit()?;
            Ok(value)
        });
        // Held until here: a database is not closed under a change.
        let number = opening.number;
        drop(opening);
        self.noting_failure(number, changed)
    }

    fn begin<T>(
        &self,
        begin: impl Fn(&Database) -> Result<T, Error>,
    ) -> Result<(T, RwLockReadGuard<'_, Opening>), Error> {
        let mut tries = 0;
        loop {
            let opening = self.opened.read().unwrap_or_else(PoisonError::into_inner);
            let Some(db) = &opening.db else {
                drop(opening);
                self.reopen()?;
                continue;
            };
            let begun = begin(db);
            tries += 1;
            match begun {
                Ok(begun) => return Ok((begun, opening)),
                failed => {
                    let number = opening.number;
                    drop(opening);
                    let failed = self.noting_failure(number, failed.map(|_| ()));
                    if tries == BEGIN_TRIES_MAX
                        && let Err(error) = failed
                    {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn reopen(&self) -> Result<(), Error> {
        let mut opening = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opening.db.is_none() {
            opening.db = Some(Index::open_checked(&self.path)?);
            opening.number += 1;
            tracing::info!("Opened the index again after a failure");
        }
        Ok(())
    }

    /// Closes the database if it is the one that failed.
    fn noting_failure<T>(&self, number: u64, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Index { .. } | Error::WorkDir(_) | Error::NoSpace) = &result {
            let mut opening = self.opened.write().unwrap_or_else(PoisonError::into_inner);
            if opening.number == number {
                opening.db = None;
            }
        }
        result
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// A consistent state of the index.
pub(crate) struct View<'i> {
    index: &'i Index,
    opening: u64,
    read: ReadTransaction,
}

impl View<'_> {
    fn look<T>(&self, look: impl FnOnce(&ReadTransaction) -> Result<T, Error>) -> Result<T, Error> {
        self.index.noting_failure(self.opening, look(&self.read))
    }

    /// All stored forms of a chunk in packs that are in use.
    pub(crate) fn locations(&self, chunk: ChunkId) -> Result<Vec<Location>, Error> {
        self.look(|read| {
            let table = read.open_table(CHUNKS)?;
            let found = table.get(chunk.as_bytes())?;
            found.map_or(Ok(Vec::new()), |bytes| decode_locations(chunk, bytes.value()))
        })
    }

    /// Whether a full copy is stored.
    pub(crate) fn has_full(&self, chunk: ChunkId) -> Result<bool, Error> {
        Ok(self.locations(chunk)?.iter().any(|location| location.entry.encoding.is_full()))
    }

    /// How many chunks have a location.
    pub(crate) fn chunk_count(&self) -> Result<u64, Error> {
        self.look(|read| {
            use redb::ReadableTableMetadata;
            Ok(read.open_table(CHUNKS)?.len()?)
        })
    }

    pub(crate) fn pack(&self, id: PackId) -> Result<Option<PackRecord>, Error> {
        self.look(|read| {
            let table = read.open_table(PACKS)?;
            table.get(id.as_bytes())?.map(|bytes| PackRecord::decode(bytes.value())).transpose()
        })
    }

    pub(crate) fn pack_id(&self, number: u32) -> Result<Option<PackId>, Error> {
        self.look(|read| {
            let table = read.open_table(PACK_NUMBERS)?;
            Ok(table.get(number)?.map(|id| PackId::from_bytes(*id.value())))
        })
    }

    pub(crate) fn packs(&self) -> Result<Vec<(PackId, PackRecord)>, Error> {
        self.look(|read| {
            let table = read.open_table(PACKS)?;
            let mut packs = Vec::new();
            for row in table.iter()? {
                let (id, bytes) = row?;
                packs.push((PackId::from_bytes(*id.value()), PackRecord::decode(bytes.value())?));
            }
            Ok(packs)
        })
    }

    /// The pieces of a pack whose own index cannot be read, by offset. Looks at every chunk.
    pub(crate) fn entries_in(&self, pack: u32) -> Result<Vec<PackEntry>, Error> {
        self.look(|read| {
            let mut entries = Vec::new();
            for row in read.open_table(CHUNKS)?.iter()? {
                let (chunk, bytes) = row?;
                let locations = decode_locations(ChunkId::from_bytes(*chunk.value()), bytes.value())?;
                entries.extend(locations.into_iter().filter(|at| at.pack == pack).map(|at| at.entry));
            }
            entries.sort_by_key(|entry| entry.offset);
            Ok(entries)
        })
    }

    /// The last chunk that had this similarity feature.
    pub(crate) fn feature(&self, feature: u64) -> Result<Option<ChunkId>, Error> {
        self.look(|read| {
            let table = read.open_table(FEATURES)?;
            Ok(table.get(feature)?.map(|id| ChunkId::from_bytes(*id.value())))
        })
    }

    /// The first chunk of the last file that had this name.
    pub(crate) fn name(&self, name: u64) -> Result<Option<ChunkId>, Error> {
        self.look(|read| {
            let table = read.open_table(NAMES)?;
            Ok(table.get(name)?.map(|id| ChunkId::from_bytes(*id.value())))
        })
    }

    pub(crate) fn manifest(&self, id: ManifestId) -> Result<Option<Vec<u8>>, Error> {
        self.look(|read| {
            let table = read.open_table(MANIFESTS)?;
            Ok(table.get(id.as_bytes())?.map(|bytes| bytes.value().to_vec()))
        })
    }

    pub(crate) fn manifests(&self) -> Result<Vec<(ManifestId, Vec<u8>)>, Error> {
        self.look(|read| {
            let table = read.open_table(MANIFESTS)?;
            let mut manifests = Vec::new();
            for row in table.iter()? {
                let (id, bytes) = row?;
                manifests.push((ManifestId::from_bytes(*id.value()), bytes.value().to_vec()));
            }
            Ok(manifests)
        })
    }

    pub(crate) fn source(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.look(|read| {
            let table = read.open_table(SOURCES)?;
            Ok(table.get(key)?.map(|bytes| bytes.value().to_vec()))
        })
    }
}

/// The tables inside a change.
pub(crate) struct Tables<'t> {
    write: &'t WriteTransaction,
}

impl Tables<'_> {
    fn set_version(&self) -> Result<(), Error> {
        self.write.open_table(PACKS)?;
        self.write.open_table(PACK_NUMBERS)?;
        self.write.open_table(CHUNKS)?;
        self.write.open_table(FEATURES)?;
        self.write.open_table(NAMES)?;
        self.write.open_table(MANIFESTS)?;
        self.write.open_table(SOURCES)?;
        self.write.open_table(META)?.insert("tables", TABLES_VERSION)?;
        Ok(())
    }

    /// Takes a pack and all its entries in; a pack already known stays as it is.
    pub(crate) fn add_pack(
        &self,
        id: PackId,
        added: i64,
        bytes: u64,
        footer: PackFooter,
        entries: &[PackEntry],
    ) -> Result<(), Error> {
        let mut packs = self.write.open_table(PACKS)?;
        let known = packs.get(id.as_bytes())?.map(|value| PackRecord::decode(value.value())).transpose()?;
        let number = match known {
            Some(PackRecord { retired: None, .. }) => return Ok(()),
            // Written again while it waited to go: it serves again, under its old number.
            Some(retired) => retired.number,
            None => {
                let mut numbers = self.write.open_table(PACK_NUMBERS)?;
                let number = numbers.last()?.map_or(0, |(last, _)| last.value() + 1);
                numbers.insert(number, id.as_bytes())?;
                number
            }
        };
        let record = PackRecord { number, added, retired: None, bytes, footer };
        packs.insert(id.as_bytes(), &record.encode()[..])?;
        let mut chunks = self.write.open_table(CHUNKS)?;
        for entry in entries {
            let mut locations = match chunks.get(entry.chunk.as_bytes())? {
                Some(bytes) => decode_locations(entry.chunk, bytes.value())?,
                None => Vec::new(),
            };
            locations.retain(|location| location.pack != number || location.entry != *entry);
            locations.push(Location { pack: number, entry: entry.clone() });
            chunks.insert(entry.chunk.as_bytes(), &encode_locations(&locations)[..])?;
        }
        Ok(())
    }

    /// Takes the pack's entries out: nothing finds chunks in it any more. `chunks` are those of its entries; if
    /// they are unknown because its index is unreadable, every chunk is looked at.
    pub(crate) fn drop_locations(&self, number: u32, chunks: Option<&[ChunkId]>) -> Result<(), Error> {
        let mut table = self.write.open_table(CHUNKS)?;
        let all: Vec<ChunkId>;
        let chunks = match chunks {
            Some(chunks) => chunks,
            None => {
                let keys = table.iter()?.map(|row| Ok(ChunkId::from_bytes(*row?.0.value())));
                all = keys.collect::<Result<_, redb::StorageError>>()?;
                &all
            }
        };
        for chunk in chunks {
            let mut locations = match table.get(chunk.as_bytes())? {
                Some(bytes) => decode_locations(*chunk, bytes.value())?,
                None => continue,
            };
            let before = locations.len();
            locations.retain(|location| location.pack != number);
            if locations.is_empty() {
                table.remove(chunk.as_bytes())?;
            } else if locations.len() < before {
                table.insert(chunk.as_bytes(), &encode_locations(&locations)[..])?;
            }
        }
        Ok(())
    }

    /// Keeps the pack for transfers that began earlier, and for nothing else.
    pub(crate) fn retire_pack(&self, id: PackId, record: PackRecord, now: i64) -> Result<(), Error> {
        let record = PackRecord { retired: Some(now), ..record };
        self.write.open_table(PACKS)?.insert(id.as_bytes(), &record.encode()[..])?;
        Ok(())
    }

    /// Forgets the pack.
    pub(crate) fn remove_pack(&self, id: PackId, record: PackRecord) -> Result<(), Error> {
        self.write.open_table(PACKS)?.remove(id.as_bytes())?;
        self.write.open_table(PACK_NUMBERS)?.remove(record.number)?;
        Ok(())
    }

    pub(crate) fn set_features(&self, features: &[(u64, ChunkId)]) -> Result<(), Error> {
        let mut table = self.write.open_table(FEATURES)?;
        for (feature, chunk) in features {
            table.insert(feature, chunk.as_bytes())?;
        }
        Ok(())
    }

    pub(crate) fn set_names(&self, names: &[(u64, ChunkId)]) -> Result<(), Error> {
        let mut table = self.write.open_table(NAMES)?;
        for (name, chunk) in names {
            table.insert(name, chunk.as_bytes())?;
        }
        Ok(())
    }

    /// Drops hints that point to chunks which are gone.
    pub(crate) fn sweep_hints(&self) -> Result<(), Error> {
        let chunks = self.write.open_table(CHUNKS)?;
        for definition in [FEATURES, NAMES] {
            let mut table = self.write.open_table(definition)?;
            let mut stale = Vec::new();
            for row in table.iter()? {
                let (key, chunk) = row?;
                if chunks.get(chunk.value())?.is_none() {
                    stale.push(key.value());
                }
            }
            for key in stale {
                table.remove(key)?;
            }
        }
        Ok(())
    }

    pub(crate) fn manifest(&self, id: ManifestId) -> Result<Option<Vec<u8>>, Error> {
        let table = self.write.open_table(MANIFESTS)?;
        Ok(table.get(id.as_bytes())?.map(|bytes| bytes.value().to_vec()))
    }

    pub(crate) fn set_manifest(&self, id: ManifestId, record: &[u8]) -> Result<(), Error> {
        self.write.open_table(MANIFESTS)?.insert(id.as_bytes(), record)?;
        Ok(())
    }

    pub(crate) fn remove_manifest(&self, id: ManifestId) -> Result<(), Error> {
        self.write.open_table(MANIFESTS)?.remove(id.as_bytes())?;
        Ok(())
    }

    pub(crate) fn set_source(&self, key: &str, blob: &[u8]) -> Result<(), Error> {
        self.write.open_table(SOURCES)?.insert(key, blob)?;
        Ok(())
    }

    /// Forgets what the sources of these manifests looked like: the next snapshot reads them again.
    pub(crate) fn forget_sources(&self, is_of: impl Fn(ManifestId) -> bool) -> Result<(), Error> {
        let mut sources = self.write.open_table(SOURCES)?;
        sources.retain(|_, blob| SourceCache::manifest_of(blob).is_some_and(|id| !is_of(id)))?;
        Ok(())
    }
}
