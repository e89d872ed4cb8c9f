//! A folder of files, looked at once: names without regard to case, digests that are computed once and remembered.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::beneath::Root;
use super::{AnalysisError, FolderError, walk};
use crate::catalog::{CATALOG_BYTES_MAX, Catalog};
use crate::digest::{self, FileDigests, Wanted};
use crate::{ContentFacts, Diagnostic, Severity, content_hash};

/// How much of a folder is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderLimits {
    /// Files and folders together.
    pub entries_max: usize,
    /// Folders within folders.
    pub depth_max: usize,
    /// Bytes of a path relative to the folder; Windows itself stops at 32767 characters.
    pub path_bytes_max: usize,
}

impl Default for FolderLimits {
    fn default() -> Self {
        Self { entries_max: 1_000_000, depth_max: 64, path_bytes_max: 4096 }
    }
}

/// A folder as it was when it was looked at. Symbolic links and special files in it are left out. Cheap to clone; a
/// sub-folder shares the digests. Several threads may ask at once.
#[derive(Debug, Clone)]
pub struct Folder {
    tree: Arc<Tree>,
    /// As on disk, with `/` at its end unless it is empty.
    prefix: String,
    /// Its files; sorted by folded path, they stand together.
    files: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    held: Root,
    /// Sorted by folded path, then path.
    files: Vec<FileEntry>,
    diagnostics: Vec<Diagnostic>,
    /// By folded path: what lies in the folder and is not among its files.
    left_out: Vec<(String, Diagnostic)>,
    /// Which hashes the catalogs of a folder and those above it list, by folded prefix.
    wanted: Mutex<HashMap<String, Wanted>>,
    /// By folded prefix.
    contents: Mutex<HashMap<String, ContentFacts>>,
    bytes_hashed: AtomicU64,
}

/// A file of the tree.
#[derive(Debug)]
pub(super) struct FileEntry {
    /// Relative to the root, as on disk, with `/`.
    path: Box<str>,
    /// The path in lower case, if it is another.
    folded: Option<Box<str>>,
    digests: OnceLock<FileDigests>,
}

impl FileEntry {
    pub(super) fn new(path: String) -> Self {
        let folded = path.to_lowercase();
        let folded = (folded != path).then(|| folded.into_boxed_str());
        Self { path: path.into_boxed_str(), folded, digests: OnceLock::new() }
    }

    fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.path)
    }
}

/// Bytes of a file that is read as a whole: INF files and catalogs.
const WHOLE_BYTES_MAX: u64 = CATALOG_BYTES_MAX as u64 + 1;

impl Folder {
    /// Looks at a folder and everything in it. No file is read. A sub-folder that cannot be read or is beyond the
    /// limits is left out, and [`Folder::left_out`] tells of it.
    ///
    /// # Errors
    /// [`FolderError`]: it cannot be read itself, or holds too much.
    pub fn scan(root: &Path, limits: &FolderLimits) -> Result<Self, FolderError> {
        let held = Root::open(root).map_err(|source| FolderError::Unreadable { source })?;
        let walk::Found { mut files, findings: mut diagnostics, left_out } = walk::walk(root, &held, limits)?;
        let mut left_out: Vec<(String, Diagnostic)> =
            left_out.into_iter().map(|finding| (finding.file.to_lowercase(), finding)).collect();
        left_out.sort_unstable_by(|a, b| (&a.0, &a.1.file).cmp(&(&b.0, &b.1.file)));
        files.sort_unstable_by(|a, b| (a.folded(), &a.path).cmp(&(b.folded(), &b.path)));
        let twice = files.windows(2).filter(|pair| pair[0].folded() == pair[1].folded());
        for pair in twice.take(walk::FINDINGS_MAX) {
            let text = format!("differs from {} only by case; on Windows they are one file", pair[0].path);
            diagnostics.push(Diagnostic::new(Severity::Warning, "name_twice", text).in_file(&*pair[1].path));
        }
        let range = 0..files.len();
        let tree = Tree {
            root: root.to_owned(),
            held,
            files,
            diagnostics,
            left_out,
            wanted: Mutex::default(),
            contents: Mutex::default(),
            bytes_hashed: AtomicU64::new(0),
        };
        Ok(Self { tree: Arc::new(tree), prefix: String::new(), files: range })
    }

    /// The sub-folder of a relative path, in any case, with `/` or `\`; `None` if no file lies in it. The empty path is
    /// the folder itself.
    #[must_use]
    pub fn folder(&self, path: &str) -> Option<Self> {
        let path = path.replace('\\', "/");
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Some(self.clone());
        }
        let prefix = format!("{}{path}/", self.prefix).to_lowercase();
        let files = &self.tree.files[self.files.clone()];
        let start = self.files.start + files.partition_point(|file| file.folded() < prefix.as_str());
        let within = |file: &FileEntry| file.folded().starts_with(&prefix);
        let end = start + self.tree.files[start..self.files.end].partition_point(within);
        let first = self.tree.files[start..end].first()?;
        // Lower case may be longer than what it was made from, so the prefix is counted in names.
        let names = prefix.matches('/').count();
        let length = first.path.match_indices('/').nth(names - 1)?.0 + 1;
        Some(Self {
            tree: Arc::clone(&self.tree),
            prefix: first.path[..length].to_owned(),
            files: start..end,
        })
    }

    /// The folder in which a file lies, and the file's name in it.
    #[must_use]
    pub fn around(&self, file: &str) -> Option<(Self, String)> {
        let file = self.path(self.find(file)?);
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        Some((self.folder(folder)?, name.to_owned()))
    }

    /// The paths of its files, relative to it, as on disk, with `/`; sorted without regard to case.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.clone().map(|index| self.path(index))
    }

    /// Whether it has a file of this path, in any case, with `/` or `\`; then the path as on disk.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<&str> {
        self.find(path).map(|index| self.path(index))
    }

    /// Where it lies.
    #[must_use]
    pub fn location(&self) -> PathBuf {
        self.tree.root.join(&self.prefix)
    }

    /// What was odd about the names and kinds of what lies in it.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let own = |finding: &Diagnostic| {
            let file = finding.file.strip_prefix(&self.prefix)?.to_owned();
            Some(Diagnostic { file, ..finding.clone() })
        };
        self.tree.diagnostics.iter().filter_map(own).collect()
    }

    /// What lies in it and is not among its files, each a finding of severity error; folders end with `/`. Without it
    /// the files are not the whole content: nobody can say what a package of them would hold.
    #[must_use]
    pub fn left_out(&self) -> Vec<Diagnostic> {
        let prefix = self.prefix.to_lowercase();
        let all = &self.tree.left_out;
        let start = all.partition_point(|(folded, _)| *folded < prefix);
        let within = all[start..].iter().take_while(|(folded, _)| folded.starts_with(&prefix));
        within
            .map(|(_, finding)| Diagnostic { file: self.below(&finding.file).to_owned(), ..finding.clone() })
            .collect()
    }

    /// How many bytes were hashed so far, in this folder and all that share its digests. Each file counts once.
    #[must_use]
    pub fn bytes_hashed(&self) -> u64 {
        self.tree.bytes_hashed.load(Ordering::Relaxed)
    }

    /// The digests of a file. Computed when they are first asked for.
    ///
    /// # Errors
    /// [`AnalysisError::Unreadable`].
    pub fn digests(&self, path: &str) -> Result<FileDigests, AnalysisError> {
        let index = self.find(path).ok_or_else(|| missing(path))?;
        self.digests_of(index).cloned()
    }

    /// The folder's hash, files and bytes. Reads every file that was not hashed before.
    ///
    /// # Errors
    /// [`AnalysisError::Unreadable`]; [`AnalysisError::Invalid`] if something is left out.
    pub fn content(&self) -> Result<ContentFacts, AnalysisError> {
        let key = self.prefix.to_lowercase();
        let known = lock(&self.tree.contents).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let left_out = self.left_out();
        if !left_out.is_empty() {
            return Err(AnalysisError::Invalid { diagnostics: left_out });
        }
        let mut files = Vec::with_capacity(self.files.len());
        for index in self.files.clone() {
            let digests = self.digests_of(index)?;
            files.push((self.path(index), digests.size_bytes, digests.sha256));
        }
        let bytes = files.iter().map(|(_, size, _)| size).sum();
        let count = files.len() as u64;
        let facts = ContentFacts { hash: content_hash(files), files: count, bytes };
        lock(&self.tree.contents).insert(key, facts.clone());
        Ok(facts)
    }

    /// The bytes of a file that is small by nature, and its digests from the same reading.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, AnalysisError> {
        let index = self.find(path).ok_or_else(|| missing(path))?;
        let mut bytes = Vec::new();
        let read = self.open(index).and_then(|file| file.take(WHOLE_BYTES_MAX).read_to_end(&mut bytes));
        let read = read.map_err(|source| self.unreadable(index, source))?;
        if (read as u64) < WHOLE_BYTES_MAX {
            self.remember(index, || digest::read(bytes.as_slice(), Wanted::ALL))?;
        }
        Ok(bytes)
    }

    /// Opens a file for somebody who reads only parts of it.
    pub(super) fn open_at(&self, path: &str) -> Result<File, AnalysisError> {
        let index = self.find(path).ok_or_else(|| missing(path))?;
        self.open(index).map_err(|source| self.unreadable(index, source))
    }

    fn find(&self, path: &str) -> Option<usize> {
        let exact = format!("{}{}", self.prefix, path.replace('\\', "/"));
        let wanted = exact.to_lowercase();
        let files = &self.tree.files[self.files.clone()];
        let start = files.partition_point(|file| file.folded() < wanted.as_str());
        // Of names that differ only by case, the one that was said.
        let mut same = files[start..].iter().take_while(|file| file.folded() == wanted);
        let at = same.position(|file| *file.path == *exact).unwrap_or(0);
        (files.get(start)?.folded() == wanted).then_some(self.files.start + start + at)
    }

    fn path(&self, index: usize) -> &str {
        self.below(&self.tree.files[index].path)
    }

    /// A path of the tree, relative to this folder.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        let names = self.prefix.matches('/').count();
        let skipped = names.checked_sub(1).and_then(|last| path.match_indices('/').nth(last));
        skipped.map_or(path, |(at, _)| &path[at + 1..])
    }

    fn digests_of(&self, index: usize) -> Result<&FileDigests, AnalysisError> {
        if let Some(known) = self.tree.files[index].digests.get() {
            return Ok(known);
        }
        let path = &self.tree.files[index].path;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let wanted = self.root().wanted(folder);
        self.remember(index, || digest::read(self.open(index)?, wanted))
    }

    /// Two threads that ask for the same file at once may both read it; the first result counts.
    fn remember(
        &self,
        index: usize,
        hash: impl FnOnce() -> io::Result<FileDigests>,
    ) -> Result<&FileDigests, AnalysisError> {
        let known = &self.tree.files[index].digests;
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let digests = hash().map_err(|source| self.unreadable(index, source))?;
        self.tree.bytes_hashed.fetch_add(digests.size_bytes, Ordering::Relaxed);
        Ok(known.get_or_init(|| digests))
    }

    fn root(&self) -> Self {
        Self { tree: Arc::clone(&self.tree), prefix: String::new(), files: 0..self.tree.files.len() }
    }

    /// Which hashes a catalog may list of the files in `folder` (of the root): payload lies beside or below its catalog.
    fn wanted(&self, folder: &str) -> Wanted {
        let key = folder.to_lowercase();
        if let Some(known) = lock(&self.tree.wanted).get(&key) {
            return *known;
        }
        let above = match folder.rsplit_once('/') {
            Some((above, _)) => self.wanted(above),
            None if folder.is_empty() => Wanted::CONTENT,
            None => self.wanted(""),
        };
        let own = self.folder(folder);
        let catalogs = own.iter().flat_map(|own| own.paths().filter(|path| is_catalog_beside(path)));
        let wanted = catalogs.fold(above, |wanted, path| {
            let bytes = own.as_ref().and_then(|own| own.read(path).ok());
            let catalog = bytes.and_then(|bytes| Catalog::parse(&bytes).ok());
            catalog.map_or(wanted, |catalog| wanted | catalog.wanted())
        });
        lock(&self.tree.wanted).insert(key, wanted);
        wanted
    }

    /// Opens the file that the scan found: no link that took its place or that of a folder on the way.
    fn open(&self, index: usize) -> io::Result<File> {
        self.tree.held.file(&self.tree.files[index].path)
    }

    fn unreadable(&self, index: usize, source: io::Error) -> AnalysisError {
        AnalysisError::Unreadable { file: self.path(index).to_owned(), source }
    }
}

/// Whether a path names a catalog in the folder itself.
fn is_catalog_beside(path: &str) -> bool {
    !path.contains('/') && has_extension(path, ".cat")
}

/// Whether a path ends so, in any case.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    let start = path.len().checked_sub(extension.len());
    start.and_then(|start| path.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(extension))
}

fn missing(path: &str) -> AnalysisError {
    AnalysisError::Unreadable { file: path.to_owned(), source: io::ErrorKind::NotFound.into() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
