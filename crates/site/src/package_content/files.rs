//! The work on folders: copying a content with every byte hashed, comparing, renaming, cleaning up.
//!
//! Blocking parts run as visits to the folders concerned, so that a mount that does not answer holds up nobody.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use content::tree::{HashedFile, STAGING_PREFIX, SourceRoot, Tree, TreeError, TreeFile, check_case};
use content::{ContentPath, Counter, Entry, FileEntry, Library, Manifest, Monitor};

use super::hold::{HEARTBEAT, Hold};
use crate::error::{Result, SiteError};
use crate::package::source::{SourcePath, SourcePathError};
use crate::server::Site;
use crate::sources::{LOCATE_LIMIT, Purpose};

/// How long a visit may show no progress. Long, since making a large copy durable is one step.
const STALL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// What a visit and whoever waits for it tell each other.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    steps: AtomicU64,
    /// Whether the other folder is being read, not the package's own.
    elsewhere: AtomicBool,
}

impl Watch {
    /// Ends the work at its next step.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asked before each change of a name: whoever was given up on has no right to the folder any more.
    pub(super) fn check(&self) -> Result<(), TreeError> {
        if self.cancelled() { Err(TreeError::Cancelled) } else { Ok(()) }
    }

    /// Says that the other folder is used meanwhile.
    fn elsewhere<T>(&self, work: impl FnOnce() -> T) -> T {
        self.elsewhere.store(true, Ordering::Relaxed);
        let done = work();
        self.elsewhere.store(false, Ordering::Relaxed);
        done
    }
}

impl Monitor for Watch {
    fn count(&self, _: Counter, _: u64) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, message: &str) {
        tracing::warn!(message, "package contents");
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Ends a visit whose waiter is gone.
struct StopOnDrop(Arc<Watch>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A folder that was found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) source: SourcePath,
    pub(crate) folder: PathBuf,
    /// As the client or the driver names it.
    pub(crate) shown: String,
}

/// Where the files of a content are taken from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Folder(Place),
    /// A subfolder of a version in the content library.
    Library {
        library: Arc<Library>,
        manifest: Arc<Manifest>,
        sub_folder: String,
    },
}

/// Why a content was not staged.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// The files are others than those that were imported.
    #[error("{0}")]
    Different(String),
    /// The place that they are taken from.
    #[error(transparent)]
    Origin(TreeError),
    /// The package's source.
    #[error(transparent)]
    Target(TreeError),
}

impl Site {
    /// Finds a folder with drivers, which may be an archive that the site unpacked.
    pub(crate) async fn place(&self, shown: &str) -> Result<Place, SourcePathError> {
        let source = SourcePath::parse(shown, &self.options().shares)?;
        let (path, options) = (source.clone(), self.options().clone());
        let limit = self.clock().sleep(LOCATE_LIMIT);
        let found = self
            .sources()
            .visit(&source, Purpose::Locate, limit, move || path.locate_drivers(&options))
            .await
            .unwrap_or(Err(SourcePathError::NoAnswer));
        Ok(Place { folder: found?, source, shown: shown.to_owned() })
    }

    /// The package's own source.
    pub(super) async fn own_place(&self, hold: &Hold) -> Result<Place> {
        let folder = self.locate(&hold.source, std::future::pending()).await;
        let shown = hold.shown_source().to_owned();
        match folder {
            Ok(folder) => Ok(Place { source: hold.source.clone(), folder, shown }),
            Err(error) => Err(SiteError::SourceUnusable { path: shown, reason: error.to_string() }),
        }
    }

    /// Does work on the package's source and, where there is one, another folder, as long as it gets on and the
    /// hold lasts.
    pub(crate) async fn visit_held<T: Send + 'static>(
        &self,
        hold: Option<&Hold>,
        own: &Place,
        other: Option<&Place>,
        work: impl FnOnce(&Watch) -> T + Send + 'static,
    ) -> Result<T> {
        let watch = Arc::new(Watch::default());
        let _stop = StopOnDrop(Arc::clone(&watch));
        let worker = Arc::clone(&watch);
        let sources = [&own.source, other.map_or(&own.source, |other| &other.source)];
        let at = || usize::from(watch.elsewhere.load(Ordering::Relaxed));
        let patience = self.patience(hold, &watch);
        let visit = self.sources().visit_two(sources, at, Purpose::Change, patience, move || work(&worker));
        visit.await.map_err(|at| {
            let place = if at == 1 { other.unwrap_or(own) } else { own };
            let reason = SourcePathError::NoAnswer.to_string();
            SiteError::SourceUnusable { path: place.shown.clone(), reason }
        })
    }

    /// Ends when nothing moves any more, or the hold is lost.
    async fn patience(&self, hold: Option<&Hold>, watch: &Watch) {
        let mut progress = (0, self.clock().monotonic());
        loop {
            self.clock().sleep(HEARTBEAT).await;
            if let Some(hold) = hold {
                match self.extend_hold(hold).await {
                    Ok(true) => {}
                    // The work ends at its next step and says so.
                    Ok(false) => watch.stop(),
                    Err(error) => tracing::warn!(%error, "claim not extended"),
                }
            }
            let (steps, now) = (watch.steps.load(Ordering::Relaxed), self.clock().monotonic());
            if steps != progress.0 {
                progress = (steps, now);
            } else if now.saturating_sub(progress.1) >= STALL_LIMIT {
                return;
            }
        }
    }
}

/// The name under which a subfolder is made.
pub(super) fn new_name(sub_folder: &str) -> String {
    format!("{STAGING_PREFIX}{sub_folder}.new")
}

/// The name that a subfolder takes before it is deleted.
pub(super) fn old_name(sub_folder: &str) -> String {
    format!("{STAGING_PREFIX}{sub_folder}.old")
}

/// A subfolder's name, from the database.
pub(super) fn folder_path(sub_folder: &str) -> Result<ContentPath> {
    ContentPath::new(sub_folder).map_err(|_| SiteError::corrupt("package_content.sub_folder"))
}

/// The hash by which a content is known.
pub(crate) fn content_hash(files: &[HashedFile]) -> String {
    ::driver::content_hash(files.iter().map(|file| (file.path.as_str(), file.size, *file.hash.as_bytes())))
}

/// Whether a folder of the source has this content; `None` if there is no such folder.
pub(super) fn compare(
    root: &Path,
    sub_folder: &ContentPath,
    hash: &str,
    watch: &Watch,
) -> Result<Option<bool>, TreeError> {
    let Some(tree) = Tree::open(root)?.subfolder(sub_folder)? else { return Ok(None) };
    match tree.hash_all(watch) {
        Ok(files) => Ok(Some(content_hash(&files) == hash)),
        // Neither is something that this site wrote.
        Err(TreeError::Name { .. } | TreeError::NotAFile { .. }) => Ok(Some(false)),
        Err(error) => Err(error),
    }
}

/// Copies a content to its staging name in the package's source, and proves that it is what was imported. Whoever gives
/// it its name makes it durable first. What fails leaves nothing, as far as the disk allows.
pub(super) fn stage(
    root: &Path,
    sub_folder: &str,
    hash: &str,
    origin: &Origin,
    watch: &Watch,
) -> Result<(), StageError> {
    let root = SourceRoot::open(root).map_err(StageError::Target)?;
    let name = new_name(sub_folder);
    let staged = copy(&root, &name, origin, watch).and_then(|files| {
        if content_hash(&files) == hash {
            return Ok(());
        }
        Err(StageError::Different(format!("{} files, and not all are as they were", files.len())))
    });
    if staged.is_err()
        && let Err(error) = root.remove(&name)
    {
        tracing::warn!(%error, name, "what was begun stays for the next operation to remove");
    }
    staged
}

fn copy(
    root: &SourceRoot,
    name: &str,
    origin: &Origin,
    watch: &Watch,
) -> Result<Vec<HashedFile>, StageError> {
    let target = StageError::Target;
    let reader = watch.elsewhere(|| Files::open(origin)).map_err(StageError::Origin)?;
    let staged = root.stage(name).map_err(target)?;
    for folder in &reader.folders {
        staged.add_folder(folder).map_err(target)?;
    }
    let mut hashed = Vec::with_capacity(reader.files.len());
    for file in &reader.files {
        let bytes = watch.elsewhere(|| reader.read(file)).map_err(StageError::Origin)?;
        let mut marked = Marked { inner: bytes, watch };
        let written = staged.add_file(&file.path, file.modified, &mut marked, watch);
        let (size, hash) = written
            .map_err(|error| if error.is_write() { target(error) } else { StageError::Origin(error) })?;
        hashed.push(HashedFile { path: file.path.clone(), size, hash });
    }
    let files = hashed.iter().map(|file| (&file.path, &file.hash));
    // Every later snapshot of the whole package would fail by it.
    check_case(&reader.folders, files).map_err(StageError::Origin)?;
    Ok(hashed)
}

/// Tells where a reading hangs, if it hangs.
struct Marked<'a> {
    inner: Box<dyn Read + 'a>,
    watch: &'a Watch,
}

impl Read for Marked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let inner = &mut self.inner;
        self.watch.elsewhere(|| inner.read(buffer))
    }
}

/// The files of an origin.
struct Files<'a> {
    from: From<'a>,
    folders: Vec<ContentPath>,
    files: Vec<TreeFile>,
}

enum From<'a> {
    Tree(Tree),
    Library(&'a Library, Vec<&'a FileEntry>),
}

impl<'a> Files<'a> {
    fn open(origin: &'a Origin) -> Result<Self, TreeError> {
        match origin {
            Origin::Folder(place) => {
                let tree = Tree::open(&place.folder)?;
                let listing = tree.list()?;
                Ok(Self { from: From::Tree(tree), folders: listing.folders, files: listing.files })
            }
            Origin::Library { library, manifest, sub_folder } => {
                Ok(Self::of_version(library, manifest, sub_folder))
            }
        }
    }

    fn of_version(library: &'a Library, manifest: &'a Manifest, sub_folder: &str) -> Self {
        let prefix = format!("{sub_folder}/");
        let below = |path: &ContentPath| {
            let rest = path.as_str().strip_prefix(&prefix)?;
            ContentPath::new(rest).ok()
        };
        let (mut folders, mut files, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &manifest.entries {
            let Some(path) = below(entry.path()) else { continue };
            match entry {
                Entry::Folder(_) => folders.push(path),
                Entry::File(file) => {
                    files.push(TreeFile { path, size: file.size, modified: file.modified });
                    entries.push(file);
                }
            }
        }
        Self { from: From::Library(library, entries), folders, files }
    }

    fn read(&self, file: &TreeFile) -> Result<Box<dyn Read + '_>, TreeError> {
        match &self.from {
            From::Tree(tree) => Ok(Box::new(tree.file(&file.path)?)),
            From::Library(library, entries) => {
                let at = self.files.binary_search_by(|known| known.path.cmp(&file.path));
                let entry = entries[at.expect("a file is one of the listed, which are by path")];
                Ok(Box::new(StoredFile::new(*library, entry)))
            }
        }
    }
}

/// The bytes of a file of a stored version, chunk by chunk, each checked against its id.
pub(crate) struct StoredFile<L> {
    library: L,
    chunks: std::vec::IntoIter<content::ChunkRef>,
    current: std::io::Cursor<Vec<u8>>,
}

impl<L: std::ops::Deref<Target = Library>> StoredFile<L> {
    pub(crate) fn new(library: L, file: &FileEntry) -> Self {
        Self { library, chunks: file.chunks.clone().into_iter(), current: std::io::Cursor::default() }
    }
}

impl<L: std::ops::Deref<Target = Library>> Read for StoredFile<L> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(chunk) = self.chunks.next() else { return Ok(0) };
            let raw = self.library.chunk(chunk.id).map_err(std::io::Error::other)?;
            self.current = std::io::Cursor::new(raw);
        }
    }
}

/// A fault of the package's own source, as the caller hears it.
pub(super) fn own_fault(own: &Place, error: &TreeError) -> SiteError {
    let path = own.shown.clone();
    match error {
        TreeError::NoSpace => SiteError::SourceFull { path },
        TreeError::ReadOnly { source, .. } => {
            SiteError::SourceReadOnly { path, reason: source.kind().to_string() }
        }
        TreeError::Cancelled => SiteError::Busy { what: "the contents of this package are being changed" },
        other => SiteError::SourceUnusable { path, reason: other.to_string() },
    }
}
