//! One version on its way in: which bytes are still to be fetched, what to do with those that came, and
//! the step that makes the whole durable.
//!
//! The caller fetches; the pull proves every byte before it counts. A pull that is dropped at any point
//! leaves what is in place, and the next pull of the package takes it up.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Shared;
use super::assembly::{Assembly, Missing, REFUSALS_MAX, Source, Target, part_path, scan};
use super::error::HolderError;
use super::index::Place;
use super::layout::{parse_version_name, read_chunk, remove_folder, unless_damaged, version_name};
use super::version_file;
use crate::format::decode_entry;
use crate::plan::{self, Fed, FetchRange, Offers, Plan, Progress, Refusal};
use crate::{ChunkId, Encoding, FileHash, Manifest, ManifestId, ManifestRoot, PackEntry, PackId, PackIndex};

mod finish;

pub(super) use finish::new_version;

/// Room that a pull leaves free on the data folder's disk, for the index and for others.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// Times that copying starts over because a held file turned out damaged.
const COPY_RETRIES_MAX: usize = 16;

/// A version on its way in.
#[derive(Debug)]
pub struct Pull {
    shared: Arc<Shared>,
    package: String,
    version: u32,
    id: ManifestId,
    root_bytes: Vec<u8>,
    root: ManifestRoot,
    folder: PathBuf,
    number: u64,
    /// Failed syncs of the holder when this began.
    failed_syncs: u64,
    stop: Arc<AtomicBool>,
    route: Mutex<Vec<PackId>>,
    stream: OnceLock<Assembly>,
    content: OnceLock<Content>,
}

#[derive(Debug)]
struct Content {
    manifest: Manifest,
    assembly: Assembly,
}

/// A version whose files are all durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// Files in the version.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files whose hash was checked in this pull.
    pub files_verified: u64,
}

impl Pull {
    pub(super) fn begin(
        shared: Arc<Shared>,
        package: String,
        version: u32,
        id: ManifestId,
        root_bytes: &[u8],
        stop: Arc<AtomicBool>,
    ) -> Result<Self, HolderError> {
        let root = ManifestRoot::decode(root_bytes, id).map_err(|e| refused_manifest(&id, &e))?;
        let folder = shared.layout.staging().join(version_name(&package, version));
        // Before anything is written or taken up.
        let failed_syncs = shared.layout.failed_syncs();
        start_folder(&folder, id, root_bytes)?;
        let number = shared.next_pull.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            shared,
            package,
            version,
            id,
            root_bytes: root_bytes.to_vec(),
            root,
            folder,
            number,
            failed_syncs,
            stop,
            route: Mutex::default(),
            stream: OnceLock::new(),
            content: OnceLock::new(),
        })
    }

    /// Sets the packs to fetch from; gives those whose index is still to be fetched.
    pub fn set_route(&self, packs: &[PackId]) -> Result<Vec<PackId>, HolderError> {
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = packs.to_vec();
        let mut lacking = Vec::new();
        for pack in packs {
            if !self.shared.index.has_pack_index(pack)? {
                lacking.push(*pack);
            }
        }
        Ok(lacking)
    }

    /// Takes a pack's index; wrong bytes are refused.
    pub fn add_pack_index(&self, pack: &PackId, bytes: &[u8]) -> Result<(), HolderError> {
        PackIndex::decode(bytes, *pack)
            .map_err(|e| HolderError::Refused { object: format!("pack {pack}"), reason: e.to_string() })?;
        self.shared.index.put_pack_index(pack, bytes)
    }

    /// What to fetch of the manifest's own stream; empty when it is whole.
    pub fn plan_manifest(&self) -> Result<Plan, HolderError> {
        if self.stream.get().is_none() {
            let stream = self.take_up_stream()?;
            self.stream.get_or_init(|| stream);
        }
        self.plan_for(self.stream.get().expect("set above"))
    }

    /// What to fetch of the content; empty when every file is whole. Chunks that any held file has are
    /// copied first. Ask again after feeding: what was refused is planned anew.
    pub fn plan_content(&self) -> Result<Plan, HolderError> {
        if self.content.get().is_none() {
            let content = self.take_up_content()?;
            self.content.get_or_init(|| content);
        }
        let assembly = &self.content.get().expect("set above").assembly;
        let plan = self.plan_for(assembly)?;
        let (needed, free) = (assembly.bytes_lacking(), self.shared.layout.free_bytes()?);
        if needed > 0 && free < needed + RESERVE_BYTES {
            return Err(HolderError::DiskFull {
                needed_bytes: Some(needed),
                free_bytes: Some(free.saturating_sub(RESERVE_BYTES)),
            });
        }
        Ok(plan)
    }

    /// Takes the bytes of a range: decodes, proves and places its chunks. May run for several ranges of
    /// one round at the same time.
    pub fn feed(&self, range: &FetchRange, bytes: &[u8]) -> Result<Fed, HolderError> {
        let assembly = self.active();
        let mut fed = Fed::default();
        for entry in &range.entries {
            self.go_on()?;
            match range.stored(entry, bytes) {
                Some(stored) => self.take_entry(assembly, range, entry, stored, &mut fed)?,
                None => {
                    assembly.refuse(&entry.chunk, false);
                    fed.refused.push(Refusal::of(&range.pack, "it is shorter than its index says"));
                }
            }
        }
        Ok(fed)
    }

    /// The first files of the version that were not held when the pull began, by name.
    #[must_use]
    pub fn lacked(&self) -> Vec<String> {
        self.content.get().map(|content| content.assembly.lacked().to_vec()).unwrap_or_default()
    }

    /// How far the pull is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let bytes_done = self.content.get().map_or(0, |content| content.assembly.bytes_done());
        Progress { bytes_done, bytes_total: self.root.bytes }
    }

    /// Files that are whole, of the files of the version.
    #[must_use]
    pub fn files(&self) -> (u64, u64) {
        let all = self.root.files;
        let lacking = self.content.get().map_or(all, |content| content.assembly.copies_lacking());
        (all.saturating_sub(lacking), all)
    }

    /// Makes every running and later step end with [`HolderError::Canceled`].
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn go_on(&self) -> Result<(), HolderError> {
        if self.stop.load(Ordering::Relaxed) { Err(HolderError::Canceled) } else { Ok(()) }
    }

    fn active(&self) -> &Assembly {
        match (self.content.get(), self.stream.get()) {
            (Some(content), _) => &content.assembly,
            (None, Some(stream)) => stream,
            (None, None) => unreachable!("ranges come from a plan, and a plan sets the assembly"),
        }
    }

    fn take_up_stream(&self) -> Result<Assembly, HolderError> {
        let mut sources = HashMap::new();
        let versions = self.shared.layout.versions();
        for version in self.shared.index.versions(&self.package)? {
            let path = Arc::new(versions.join(version_name(&self.package, version)));
            for (id, offset, len) in version_file::manifest_chunks(&path)? {
                sources.entry(id).or_insert_with(|| Source::At(Arc::clone(&path), offset, len));
            }
        }
        let target = Target {
            name: "the manifest".to_owned(),
            hash: None,
            size: self.root.stream_bytes(),
            chunks: self.root.chunks.clone(),
            copies: 1,
        };
        Assembly::take_up(&self.shared.layout, &self.folder, vec![target], &HashSet::new(), sources, &|| {
            self.go_on()
        })
    }

    fn take_up_content(&self) -> Result<Content, HolderError> {
        let stream = self.read_stream()?;
        let manifest =
            version_file::check(self.id, &self.root_bytes, &stream).ok_or_else(|| HolderError::Refused {
                object: format!("manifest {}", self.id),
                reason: "its stream cannot be read".to_owned(),
            })?;
        let targets = targets(&manifest);
        self.shared.pin(self.number, targets.iter().filter_map(|target| target.hash).collect());
        let held = self.shared.index.files_held(targets.iter().filter_map(|target| target.hash))?;
        let sources = self.superseded(&targets)?;
        let assembly =
            Assembly::take_up(&self.shared.layout, &self.folder, targets, &held, sources, &|| self.go_on())?;
        Ok(Content { manifest, assembly })
    }

    /// What an earlier pull of another version left half done: whole parts move over, right chunks count
    /// as held.
    fn superseded(&self, targets: &[Target]) -> Result<HashMap<ChunkId, Source>, HolderError> {
        let wanted: HashSet<&FileHash> = targets.iter().filter_map(|target| target.hash.as_ref()).collect();
        let mut sources = HashMap::new();
        for (folder, version) in staging_folders(&self.shared.layout.staging(), &self.package)? {
            let Some(manifest) = (version != self.version).then(|| staged_manifest(&folder)).flatten() else {
                continue;
            };
            for file in manifest.files().filter(|file| file.chunks.len() > 1) {
                let (path, here) =
                    (part_path(&folder, Some(&file.hash)), part_path(&self.folder, Some(&file.hash)));
                if wanted.contains(&file.hash) && path.exists() && !here.exists() {
                    fs::rename(&path, &here).map_err(HolderError::io("moving a partial file"))?;
                    continue;
                }
                let path = Arc::new(path);
                for (id, offset, len) in scan(&path, &file.chunks, &|| self.go_on())? {
                    sources.entry(id).or_insert_with(|| Source::At(Arc::clone(&path), offset, len));
                }
            }
        }
        Ok(sources)
    }

    fn plan_for(&self, assembly: &Assembly) -> Result<Plan, HolderError> {
        let missing = self.copy_held(assembly)?;
        if missing.is_empty() {
            return Ok(Plan::default());
        }
        let offers = self.offers(assembly, &missing)?;
        let in_files = self.shared.index.places(offers.bases().copied())?;
        let held = |id: &ChunkId| in_files.contains_key(id) || assembly.holds(id);
        plan::plan(&offers, &held).map_err(|chunk| not_offered(assembly, &chunk))
    }

    /// Copies what some held file has; gives what is then still missing.
    fn copy_held(&self, assembly: &Assembly) -> Result<Vec<Missing>, HolderError> {
        for _ in 0..COPY_RETRIES_MAX {
            let missing = assembly.missing();
            let places = self.shared.index.places(missing.iter().map(|chunk| chunk.id))?;
            let mut damaged = HashSet::new();
            for chunk in &missing {
                self.go_on()?;
                if let Some(bytes) =
                    self.read_held(assembly, &chunk.id, chunk.len, places.get(&chunk.id), &mut damaged)?
                {
                    assembly.place(&self.shared.layout, &chunk.id, &bytes)?;
                }
            }
            if damaged.is_empty() {
                break;
            }
            self.shared.drop_damaged(&damaged.into_iter().collect::<Vec<_>>())?;
        }
        Ok(assembly.missing())
    }

    /// A chunk from wherever it is held, proven; names the file that should have had it and did not.
    fn read_held(
        &self,
        assembly: &Assembly,
        id: &ChunkId,
        len: u32,
        place: Option<&Place>,
        damaged: &mut HashSet<FileHash>,
    ) -> Result<Option<Vec<u8>>, HolderError> {
        if assembly.holds(id) {
            if let Some(bytes) = assembly.read(&self.shared.layout, id, len)? {
                return Ok(Some(bytes));
            }
            assembly.forget_source(id);
        }
        let Some(place) = place else { return Ok(None) };
        let read = fs::File::open(self.shared.layout.file(&place.file))
            .and_then(|file| read_chunk(&file, place.offset, place.len, id));
        let bytes = unless_damaged(read, "reading a held file")?;
        if bytes.is_none() {
            damaged.insert(place.file);
        }
        Ok(bytes)
    }

    /// Every usable entry of the route's packs for the missing chunks.
    fn offers(&self, assembly: &Assembly, missing: &[Missing]) -> Result<Offers, HolderError> {
        let wanted: HashMap<ChunkId, &Missing> = missing.iter().map(|chunk| (chunk.id, chunk)).collect();
        if let Some(chunk) = missing.iter().find(|chunk| chunk.refusals >= REFUSALS_MAX) {
            return Err(HolderError::Refused {
                object: format!("chunk {}", chunk.id),
                reason: format!(
                    "it came wrong {} times, for {}",
                    chunk.refusals,
                    assembly.name_of(&chunk.id)
                ),
            });
        }
        let mut offers = Offers::of(missing.iter().map(|chunk| chunk.id));
        let route = self.route.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for pack in route {
            self.go_on()?;
            let Some(bytes) = self.shared.index.pack_index(&pack)? else { continue };
            let index = PackIndex::decode(&bytes, pack).map_err(|_| {
                HolderError::Index("a cached pack index is not the one that was stored".to_owned())
            })?;
            for entry in index.entries {
                let whole_only = match wanted.get(&entry.chunk) {
                    Some(chunk) => chunk.whole_only,
                    None => continue,
                };
                if !(whole_only && matches!(entry.encoding, Encoding::Patch { .. })) {
                    offers.add(pack, entry);
                }
            }
        }
        Ok(offers)
    }

    fn take_entry(
        &self,
        assembly: &Assembly,
        range: &FetchRange,
        entry: &PackEntry,
        stored: &[u8],
        fed: &mut Fed,
    ) -> Result<(), HolderError> {
        if assembly.is_placed(&entry.chunk) {
            return Ok(());
        }
        let Some(bases) = self.read_bases(assembly, entry.encoding.bases())? else {
            assembly.want_whole(&entry.chunk);
            return Ok(());
        };
        let bases: Vec<&[u8]> = bases.iter().map(Vec::as_slice).collect();
        match decode_entry(entry, stored, &bases) {
            Ok(raw) => {
                assembly.place(&self.shared.layout, &entry.chunk, &raw)?;
                fed.placed += 1;
            }
            Err(error) => {
                assembly.refuse(&entry.chunk, !bases.is_empty());
                fed.refused.push(Refusal::of(&range.pack, &error.to_string()));
            }
        }
        Ok(())
    }

    /// The raw bases of a patch, each proven; `None` if one is not to be had any more.
    fn read_bases(&self, assembly: &Assembly, ids: &[ChunkId]) -> Result<Option<Vec<Vec<u8>>>, HolderError> {
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let places = self.shared.index.places(ids.iter().copied())?;
        let (mut bases, mut damaged) = (Vec::new(), HashSet::new());
        for id in ids {
            let place = places.get(id);
            let len = place.map(|place| place.len).or_else(|| assembly.len_of(id));
            if let Some(len) = len {
                bases.extend(self.read_held(assembly, id, len, place, &mut damaged)?);
            }
        }
        if !damaged.is_empty() {
            self.shared.drop_damaged(&damaged.into_iter().collect::<Vec<_>>())?;
        }
        Ok((bases.len() == ids.len()).then_some(bases))
    }

    fn read_stream(&self) -> Result<Vec<u8>, HolderError> {
        fs::read(part_path(&self.folder, None)).map_err(HolderError::io("reading the manifest"))
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        // Not finished, or the sync failed: nothing may take up what the disk may have lost.
        if self.is_overtaken() {
            self.discard();
        }
        self.shared.unpin(self.number);
    }
}

/// The distinct files of a manifest.
fn targets(manifest: &Manifest) -> Vec<Target> {
    let mut number: HashMap<FileHash, usize> = HashMap::new();
    let mut targets: Vec<Target> = Vec::new();
    for file in manifest.files() {
        let n = *number.entry(file.hash).or_insert(targets.len());
        match targets.get_mut(n) {
            Some(target) => target.copies += 1,
            None => targets.push(Target {
                name: file.path.as_str().to_owned(),
                hash: Some(file.hash),
                size: file.size,
                chunks: file.chunks.clone(),
                copies: 1,
            }),
        }
    }
    targets
}

/// Makes the staging folder; one that was begun for another manifest is started over.
fn start_folder(folder: &Path, id: ManifestId, root: &[u8]) -> Result<(), HolderError> {
    let path = folder.join("root");
    let same = fs::read(&path).is_ok_and(|found| ManifestId::of(&found) == id);
    if !same {
        remove_folder(folder)?;
        fs::create_dir_all(folder).map_err(HolderError::io("making a staging folder"))?;
        fs::write(&path, root).map_err(HolderError::io("writing the manifest's root"))?;
    }
    Ok(())
}

/// The package's staging folders with their versions.
pub(super) fn staging_folders(staging: &Path, package: &str) -> Result<Vec<(PathBuf, u32)>, HolderError> {
    let entries = fs::read_dir(staging).map_err(HolderError::io("listing the staging folder"))?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(HolderError::io("listing the staging folder"))?;
        let parsed = entry.file_name().to_str().and_then(parse_version_name);
        folders.extend(parsed.filter(|(p, _)| p == package).map(|(_, version)| (entry.path(), version)));
    }
    Ok(folders)
}

/// The packages of pulls that were not finished.
pub(super) fn staged_packages(staging: &Path) -> Result<Vec<String>, HolderError> {
    let entries = fs::read_dir(staging).map_err(HolderError::io("listing the staging folder"))?;
    let mut packages = Vec::new();
    for entry in entries {
        let entry = entry.map_err(HolderError::io("listing the staging folder"))?;
        packages.extend(entry.file_name().to_str().and_then(parse_version_name).map(|(package, _)| package));
    }
    Ok(packages)
}

/// The manifest of a pull that was not finished, if its stream was whole.
pub(super) fn staged_manifest(folder: &Path) -> Option<Manifest> {
    let root = fs::read(folder.join("root")).ok()?;
    let stream = fs::read(part_path(folder, None)).ok()?;
    version_file::check(ManifestId::of(&root), &root, &stream)
}

fn refused_manifest(id: &ManifestId, error: &crate::FormatError) -> HolderError {
    HolderError::Refused { object: format!("manifest {id}"), reason: error.to_string() }
}

fn not_offered(assembly: &Assembly, chunk: &ChunkId) -> HolderError {
    HolderError::NotOffered { chunk: chunk.to_string(), file: assembly.name_of(chunk).to_owned() }
}
