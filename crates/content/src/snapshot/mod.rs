//! A snapshot: what a source folder holds now, as an immutable version in the library.
//!
//! The source is walked; files that are not known to be unchanged are read; then it is walked again, until a
//! walk finds exactly what was read. Only then is the manifest written: packs first, then the root object,
//! then the index. A snapshot that fails publishes nothing.

mod bases;
mod cache;
mod case;
mod error;
mod read;
mod session;
mod similarity;
pub(crate) mod walk;

use std::collections::HashMap;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use cache::SourceCache;
pub use error::SnapshotError;

use crate::error::Error;
use crate::format::{Compressor, Entry, FileEntry, Manifest, ManifestRoot, cut_manifest};
use crate::ids::{ManifestId, PackId};
use crate::library::Library;
use crate::monitor::{Counter, Monitor};
use crate::path::ContentPath;
use crate::refs::{ManifestRecord, RefState};
use crate::store::ObjectKey;
use crate::writer::FinishedPack;
use bases::{Previous, nearest};
use cache::{Cached, RACY_NS};
use read::{Job, Outcome, Reading};
use session::{Session, Written};
use walk::{Seen, Source, Stamp, Walk};

/// How often the source is looked at before it counts as changing for ever.
const ROUNDS_MAX: u32 = 5;

/// What to take a snapshot of.
#[derive(Debug)]
pub struct SnapshotRequest<'a> {
    /// The source folder.
    pub source: &'a Path,
    /// The version before, whose chunks are the first choice as bases of patches.
    pub previous: Option<ManifestId>,
    /// Set it to stop the snapshot at the next chunk.
    pub cancel: &'a AtomicBool,
}

/// A version in the library. Nobody has retained it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub manifest: ManifestId,
    /// The original's content hash, upper-case hex.
    pub content_hash: String,
    /// Files in it.
    pub files: u64,
    /// Folders in it, the source itself not counted.
    pub folders: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Raw bytes of chunks that the library did not have.
    pub new_chunk_bytes: u64,
    /// Bytes written to packs for them, patches included.
    pub stored_new_bytes: u64,
    /// Files that were opened and read.
    pub files_read: u64,
    /// What an administrator should know.
    pub warnings: Vec<SnapshotWarning>,
}

/// Something odd that does not stop a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotWarning {
    /// What is odd.
    pub kind: WarningKind,
    /// The entry concerned, relative to the source.
    pub first: String,
    /// The other entry concerned.
    pub second: String,
}

/// What is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// Two names that are one to a Windows client: folders, which are merged there, or files of equal content.
    NamesDifferOnlyInCase,
}

impl std::fmt::Display for SnapshotWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SnapshotWarning { kind: WarningKind::NamesDifferOnlyInCase, first, second } = self;
        write!(f, "`{first}` and `{second}` differ only in case; clients see one")
    }
}

impl Library {
    /// Takes a snapshot of a source folder.
    ///
    /// The version stays in the library for the collector's grace; retain it within that time. Snapshots of
    /// different sources may run at once.
    pub fn snapshot(
        &self,
        request: &SnapshotRequest<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot, SnapshotError> {
        let _shared = self.use_of_chunks.read().unwrap_or_else(PoisonError::into_inner);
        let source = Source::open(request.source)?;
        let Walk::Complete(seen) = source.walk(self.options.threads)? else {
            return self.take(request, monitor, &source, None);
        };
        monitor.count(Counter::FilesSeen, seen.iter().filter(|seen| seen.file.is_some()).count() as u64);
        let cache = self.source_cache(request.source);
        if let Some(cache) = &cache
            && cache.matches(&seen)
            && let Some(unchanged) = self.unchanged(cache)?
        {
            return Ok(unchanged);
        }
        self.take(request, monitor, &source, cache.map(|cache| (cache, seen)))
    }

    fn source_cache(&self, source: &Path) -> Option<SourceCache> {
        let read =
            || SourceCache::decode(&self.index.read()?.source(&source_key(source))?.unwrap_or_default());
        // A cache that cannot be read costs time, nothing else.
        read().ok().flatten()
    }

    /// The same version again, without reading or writing anything but its reference state.
    fn unchanged(&self, cache: &SourceCache) -> Result<Option<Snapshot>, SnapshotError> {
        let id = cache.manifest;
        let Some(bytes) = self.index.read()?.manifest(id)? else { return Ok(None) };
        let record = ManifestRecord::decode(&bytes)?;
        let root = record.root(id)?;
        if matches!(record.state, RefState::Deletable(_)) {
            let now = self.now_s();
            // Looked at again where it is changed: someone may have retained it since.
            self.index.write(|tables| {
                let Some(bytes) = tables.manifest(id)? else { return Ok(()) };
                let mut record = ManifestRecord::decode(&bytes)?;
                record.state = record.state.renewed(now);
                tables.set_manifest(id, &record.encode())
            })?;
        }
        Ok(Some(Snapshot {
            manifest: cache.manifest,
            content_hash: root.content_hash.to_string().to_uppercase(),
            files: root.files,
            folders: root.folders,
            bytes: root.bytes,
            new_chunk_bytes: 0,
            stored_new_bytes: 0,
            files_read: 0,
            warnings: cache.warnings.clone(),
        }))
    }

    fn take(
        &self,
        request: &SnapshotRequest<'_>,
        monitor: &dyn Monitor,
        source: &Source,
        cached: Option<(SourceCache, Vec<Seen>)>,
    ) -> Result<Snapshot, SnapshotError> {
        let (known, seen) = match cached {
            Some((cache, seen)) => (self.known_files(cache), Some(seen)),
            None => (HashMap::new(), None),
        };
        let (previous, bases) = match request.previous.and_then(|id| self.previous(id, monitor)) {
            Some((root, manifest)) => (Some(root), Previous::new(manifest)),
            None => (None, Previous::default()),
        };
        let session = Session::new(self, monitor, bases);
        let result =
            Taking { library: self, request, monitor, source, session: &session, known, files_read: 0 }
                .run(seen);
        let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let prepared = result.and_then(|taken| {
            let prepared = self.prepare(&session, taken, previous.as_ref())?;
            Ok((prepared, counted(&session.new_chunk_bytes), counted(&session.stored_new_bytes)))
        });
        match prepared {
            Ok((prepared, new_chunk_bytes, stored_new_bytes)) => {
                let published = self.publish(request.source, session, &prepared)?;
                Ok(Snapshot { new_chunk_bytes, stored_new_bytes, ..published })
            }
            Err(error) => {
                self.clean_up(&session.abandon(), matches!(error, SnapshotError::NoSpace));
                Err(error)
            }
        }
    }

    /// The files that the last snapshot of the source read, by path.
    fn known_files(&self, cache: SourceCache) -> HashMap<ContentPath, Known> {
        let Ok(manifest) = self.manifest(cache.manifest) else { return HashMap::new() };
        if manifest.entries.len() != cache.entries.len() {
            return HashMap::new();
        }
        let pairs = cache.entries.into_iter().zip(manifest.entries);
        pairs
            .filter_map(|(cached, entry)| match (cached.seen.file, entry) {
                (Some(stamp), Entry::File(entry)) if cached.trusted && entry.path == cached.seen.path => {
                    Some((cached.seen.path, Known { stamp, entry, trusted: true }))
                }
                _ => None,
            })
            .collect()
    }

    fn previous(&self, id: ManifestId, monitor: &dyn Monitor) -> Option<(ManifestRoot, Manifest)> {
        let read = || Ok::<_, Error>((self.root(id)?, self.manifest(id)?));
        read()
            .inspect_err(|error| monitor.error(&format!("The previous version gives no bases: {error}")))
            .ok()
    }

    /// Makes the manifest and stores its chunks.
    fn prepare(
        &self,
        session: &Session<'_>,
        taken: Taken,
        previous: Option<&ManifestRoot>,
    ) -> Result<Prepared, SnapshotError> {
        let manifest = Manifest { entries: taken.entries };
        let warnings = case::check(&manifest)?;
        let stream = manifest.encode();
        let root = ManifestRoot::new(&manifest, &stream);
        let mut compressor = Compressor::new();
        for (cut, chunk) in cut_manifest(&stream).into_iter().zip(&root.chunks) {
            let bases = previous.map_or_else(Vec::new, |previous| {
                nearest(
                    &previous.chunks,
                    previous.stream_bytes(),
                    cut.start as u64,
                    chunk.len,
                    stream.len() as u64,
                )
            });
            session.store_manifest_chunk(&mut compressor, chunk.id, &stream[cut], bases)?;
        }
        let root_bytes = root.encode();
        let cache = SourceCache { manifest: ManifestId::of(&root_bytes), warnings, entries: taken.cached };
        Ok(Prepared { root, root_bytes, cache, files_read: taken.files_read })
    }

    /// Packs, then the root, then the index: a crash between any two loses nothing and shows nothing partial.
    fn publish(
        &self,
        source: &Path,
        session: Session<'_>,
        prepared: &Prepared,
    ) -> Result<Snapshot, SnapshotError> {
        let Prepared { root, root_bytes, cache, files_read } = prepared;
        let id = cache.manifest;
        let Written { packs, features, names } = session.finish().map_err(|failed| {
            self.clean_up(&failed.packs, failed.error.is_no_space());
            SnapshotError::from(failed.error)
        })?;
        let put = || -> Result<(), Error> {
            let known = self.index.read()?.manifest(id)?;
            if known.is_none() {
                self.store.put_bytes(ObjectKey::Manifest(id), root_bytes)?;
            }
            let now = self.now_s();
            self.index.write(|tables| {
                for pack in &packs {
                    tables.add_pack(pack.id, now, pack.bytes, pack.footer, &pack.entries)?;
                }
                tables.set_features(&features)?;
                tables.set_names(&names)?;
                let state = match tables.manifest(id)? {
                    Some(bytes) => ManifestRecord::decode(&bytes)?.state.renewed(now),
                    None => RefState::Deletable(now),
                };
                tables.set_manifest(id, &ManifestRecord { state, root: root_bytes.clone() }.encode())?;
                tables.set_source(&source_key(source), &cache.encode())
            })
        };
        if let Err(error) = put() {
            self.clean_up(&packs, error.is_no_space());
            return Err(error.into());
        }
        Ok(Snapshot {
            manifest: id,
            content_hash: root.content_hash.to_string().to_uppercase(),
            files: root.files,
            folders: root.folders,
            bytes: root.bytes,
            new_chunk_bytes: 0,
            stored_new_bytes: 0,
            files_read: *files_read,
            warnings: cache.warnings.clone(),
        })
    }

    fn give_back(&self, id: PackId) -> Result<(), Error> {
        self.staging.delete_unless_shared(id, 1, || {
            // An equal pack that the index knows belongs to others too.
            if self.index.read()?.pack(id)?.is_none() {
                self.store.delete(ObjectKey::Pack(id))?;
            }
            Ok(())
        })
    }

    /// After a failure: whole packs are kept, so that the next attempt goes on from there; but when the disk is
    /// full, what it takes is given back. Failing to do either is no new error: the next open sorts it out.
    fn clean_up(&self, packs: &[FinishedPack], give_back: bool) {
        let now = self.now_s();
        let done = if give_back {
            packs.iter().try_for_each(|pack| self.give_back(pack.id))
        } else {
            self.index.write(|tables| {
                packs.iter().try_for_each(|pack| {
                    tables.add_pack(pack.id, now, pack.bytes, pack.footer, &pack.entries)
                })
            })
        };
        if let Err(error) = done {
            tracing::warn!(%error, "Packs of a failed snapshot are left for the next start to sort out");
        }
    }
}

/// Opens a file of a source for repair; `None` if it cannot be.
pub(crate) fn open_in_source(source: &Path, path: &ContentPath) -> Option<std::fs::File> {
    Source::open(source).ok()?.open_file(path).ok().map(std::fs::File::from)
}

/// The index's key for a source.
fn source_key(source: &Path) -> String {
    source.to_string_lossy().into_owned()
}

/// A file whose content is known for this stamp.
struct Known {
    stamp: Stamp,
    entry: FileEntry,
    trusted: bool,
}

/// A source that stood still: its entries for the manifest and for the cache, both by path.
struct Taken {
    entries: Vec<Entry>,
    cached: Vec<Cached>,
    files_read: u64,
}

struct Prepared {
    root: ManifestRoot,
    root_bytes: Vec<u8>,
    cache: SourceCache,
    files_read: u64,
}

/// A snapshot under way.
struct Taking<'a> {
    library: &'a Library,
    request: &'a SnapshotRequest<'a>,
    monitor: &'a dyn Monitor,
    source: &'a Source,
    session: &'a Session<'a>,
    known: HashMap<ContentPath, Known>,
    files_read: u64,
}

impl Taking<'_> {
    /// Reads until a walk finds nothing that is not known.
    fn run(mut self, mut walked: Option<Vec<Seen>>) -> Result<Taken, SnapshotError> {
        let mut changing = ".".to_owned();
        for _ in 0..ROUNDS_MAX {
            let seen = match walked.take() {
                Some(seen) => seen,
                None => match self.source.walk(self.library.options.threads)? {
                    Walk::Complete(seen) => seen,
                    Walk::Changed(path) => {
                        changing = path;
                        continue;
                    }
                },
            };
            if seen.iter().all(|seen| seen.file.is_none()) {
                return Err(SnapshotError::SourceEmpty);
            }
            let jobs: Vec<Job> = seen.iter().filter_map(|seen| self.job(seen)).collect();
            if jobs.is_empty() {
                return Ok(self.into_taken(seen));
            }
            jobs[0].path.as_str().clone_into(&mut changing);
            self.read(jobs, &mut changing)?;
        }
        Err(SnapshotError::SourceChanging { path: changing })
    }

    /// What is to be read of an entry, if anything.
    fn job(&self, seen: &Seen) -> Option<Job> {
        let stamp = seen.file?;
        let is_known = self.known.get(&seen.path).is_some_and(|known| known.stamp == stamp);
        (!is_known).then(|| Job { path: seen.path.clone(), stamp })
    }

    fn read(&mut self, jobs: Vec<Job>, changing: &mut String) -> Result<(), SnapshotError> {
        let started = self.library.clock.now().as_nanosecond();
        let racy_from = i64::try_from(started).unwrap_or(i64::MAX).saturating_sub(RACY_NS);
        let reading = Reading {
            source: self.source,
            session: self.session,
            monitor: self.monitor,
            cancel: self.request.cancel,
            threads: self.library.options.threads,
        };
        for outcome in reading.run(jobs)? {
            match outcome {
                Outcome::Read(entry, stamp) => {
                    self.files_read += 1;
                    let trusted = stamp.modified < racy_from && stamp.changed < racy_from;
                    self.known.insert(entry.path.clone(), Known { stamp, entry, trusted });
                }
                Outcome::Changed(path) => *changing = path.to_string(),
            }
        }
        Ok(())
    }

    fn into_taken(mut self, seen: Vec<Seen>) -> Taken {
        let mut entries = Vec::with_capacity(seen.len());
        let mut cached = Vec::with_capacity(seen.len());
        for seen in seen {
            let mut trusted = true;
            entries.push(if seen.file.is_some() {
                let known = self.known.remove(&seen.path).expect("a file without a job is known");
                trusted = known.trusted;
                Entry::File(known.entry)
            } else {
                Entry::Folder(seen.path.clone())
            });
            cached.push(Cached { seen, trusted });
        }
        Taken { entries, cached, files_read: self.files_read }
    }
}
