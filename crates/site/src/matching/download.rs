//! The files of matched drivers, to be sent to a machine: each by name and size, and a reader that proves its bytes.
//!
//! A driver's files come from the stored version of a package that holds them, chunk by chunk, each checked against its
//! id; else from the driver's own folder, where every file must have the bytes that it had when the folder as a whole
//! was proved to be what was imported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use content::tree::{HashedFile, Tree, TreeError};
use content::{FileEntry, FileHash, FileHasher, Library, Manifest};
use sea_query::{Expr, ExprTrait, Query};

use super::relay::Folder;
use crate::access::scope::{self, SecuredType};
use crate::access::{Actor, Scopes};
use crate::error::{Result, SiteError};
use crate::package_content::{Content, Place, StoredFile, Watch, content_hash};
use crate::server::Site;

/// Drivers of one download.
const DRIVERS_MAX: usize = 1024;
/// Files of one download.
const FILES_MAX: usize = 200_000;

/// A file of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadEntry {
    /// Where it goes, with `/`: the content's folder, then the path in it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was modified: nanoseconds since 1970, UTC.
    pub modified: i64,
}

/// The files of drivers, ready to be read one after the other.
#[derive(Debug)]
pub struct DriverDownload {
    entries: Vec<DownloadEntry>,
    files: Vec<Source>,
}

/// Where one file's bytes are.
#[derive(Debug)]
enum Source {
    Stored { library: Arc<Library>, file: FileEntry },
    Folder { folder: Arc<Folder>, file: HashedFile },
}

impl DriverDownload {
    /// The files, by name.
    #[must_use]
    pub fn entries(&self) -> &[DownloadEntry] {
        &self.entries
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// Opens the file of that index in [`DriverDownload::entries`]. Its reader ends with an error, and not as if the file
    /// were complete, if the bytes are not the right ones or a folder no longer answers. Blocks, so not for a thread of the
    /// runtime, and holds a chunk or some pieces in memory.
    pub fn open(&self, index: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let file = self.files.get(index).ok_or(io::ErrorKind::NotFound)?;
        Ok(match file {
            Source::Stored { library, file } => {
                Box::new(Proved::new(StoredFile::new(Arc::clone(library), file), file.size, file.hash))
            }
            Source::Folder { folder, file } => {
                Box::new(Proved::new(folder.read(file.path.clone()), file.size, file.hash))
            }
        })
    }
}

/// Bytes that are counted and hashed on their way, and must be the right ones at their end.
struct Proved<R> {
    inner: R,
    left: u64,
    hash: FileHash,
    hasher: Option<FileHasher>,
}

impl<R> Proved<R> {
    fn new(inner: R, size: u64, hash: FileHash) -> Self {
        Self { inner, left: size, hash, hasher: Some(FileHasher::new()) }
    }
}

impl<R: Read> Read for Proved<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the file changed while it was read");
        let Some(hasher) = &mut self.hasher else { return Ok(0) };
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(changed)?;
        hasher.update(&buffer[..read]);
        // Looked at with the last byte: who knows the size may never ask for more.
        if self.left == 0 || read == 0 {
            let whole = self.hasher.take().expect("looked at above").finish();
            if self.left > 0 || whole != self.hash {
                return Err(changed());
            }
        }
        Ok(read)
    }
}

impl Site {
    /// The files of drivers, each content once. Everybody may read them.
    ///
    /// Errors: [`SiteError::DriverNotFound`], [`SiteError::InvalidField`] for too many drivers or files,
    /// [`SiteError::DriverSourceChanged`] or [`SiteError::SourceUnusable`] for a driver whose files are in no package
    /// and not in its folder.
    pub async fn driver_files(&self, actor: &Actor, ci_ids: &[i64]) -> Result<DriverDownload> {
        let contents = self.contents_of(ci_ids, &actor.scopes).await?;
        let mut stored = self.stored_places(&contents).await?;
        let ids: Vec<i64> = contents.iter().copied().collect();
        let mut files = BTreeMap::new();
        for (id, content) in self.known_contents(&ids, &actor.scopes).await? {
            let found = match stored.remove(&id) {
                Some(place) => self.stored_files(&content, place).await?,
                None => None,
            };
            let found = match found {
                Some(found) => found,
                None => self.folder_files(&content).await?,
            };
            files.extend(found);
            if files.len() > FILES_MAX {
                let reason = format!("these drivers have more than {FILES_MAX} files; ask for fewer");
                return Err(SiteError::invalid("Drivers", reason));
            }
        }
        let (entries, files) = files.into_values().unzip();
        Ok(DriverDownload { entries, files })
    }

    async fn contents_of(&self, ci_ids: &[i64], scopes: &Scopes) -> Result<BTreeSet<i64>> {
        if ci_ids.is_empty() || ci_ids.len() > DRIVERS_MAX {
            return Err(SiteError::invalid("Drivers", format!("1 to {DRIVERS_MAX} drivers are needed")));
        }
        let select = Query::select()
            .columns(["ci_id", "content_id"])
            .from("driver")
            .and_where(Expr::col("ci_id").is_in(ci_ids.iter().copied()))
            .cond_where(scope::restriction(SecuredType::Driver, scopes, Expr::col(("driver", "ci_id"))))
            .to_owned();
        let mut found = BTreeMap::new();
        for row in self.db().all(&select).await? {
            found.insert(row.get::<i64>("ci_id")?, row.get::<i64>("content_id")?);
        }
        match ci_ids.iter().find(|ci_id| !found.contains_key(ci_id)) {
            Some(ci_id) => Err(SiteError::DriverNotFound { ci_id: *ci_id }),
            None => Ok(found.into_values().collect()),
        }
    }

    /// A package and subfolder for each content that any stored version has.
    async fn stored_places(&self, contents: &BTreeSet<i64>) -> Result<BTreeMap<i64, Stored>> {
        let mut manifests: BTreeMap<String, Option<Arc<Manifest>>> = BTreeMap::new();
        let mut places = BTreeMap::new();
        // The same bytes whoever's package they are taken from, and nobody hears whose.
        for held in self.held_in_packages(contents, &Scopes::All).await? {
            let (content_id, place) = (held.content_id, held.place);
            if places.contains_key(&content_id) {
                continue;
            }
            if !manifests.contains_key(&place.package_id) {
                let version = self.package(&place.package_id).await?.stored_version;
                let manifest = self.stored_manifest(&place.package_id, version).await.ok();
                manifests.insert(place.package_id.clone(), manifest);
            }
            if let Some(manifest) = &manifests[&place.package_id] {
                let stored = Stored { manifest: Arc::clone(manifest), sub_folder: place.sub_folder };
                places.insert(content_id, stored);
            }
        }
        Ok(places)
    }

    /// `None` if the version does not have the content as it was imported.
    async fn stored_files(&self, content: &Content, place: Stored) -> Result<Option<Found>> {
        let library = self.library().await?;
        let prefix = format!("{}/", place.sub_folder);
        let below = place.manifest.files().filter(|file| file.path.as_str().starts_with(&prefix));
        let files: Vec<&FileEntry> = below.collect();
        let hash = ::driver::content_hash(
            files.iter().map(|file| (&file.path.as_str()[prefix.len()..], file.size, *file.hash.as_bytes())),
        );
        if hash != content.content_hash {
            return Ok(None);
        }
        let found = files.into_iter().map(|file| {
            let name = file.path.to_string();
            let entry = DownloadEntry { name: name.clone(), size: file.size, modified: file.modified };
            (name, (entry, Source::Stored { library: Arc::clone(&library), file: file.clone() }))
        });
        Ok(Some(found.collect()))
    }

    /// The files of the first driver's folder that has them.
    async fn folder_files(&self, content: &Content) -> Result<Found> {
        let mut fault = None;
        for driver in &content.drivers {
            let path = driver.content_source_path.clone();
            let unusable = |path: String, reason: String| SiteError::SourceUnusable { path, reason };
            let place = match self.place(&path).await {
                Ok(place) => place,
                Err(error) => {
                    fault.get_or_insert(unusable(path, error.to_string()));
                    continue;
                }
            };
            match self.read_folder(&place).await? {
                Ok((tree, files, times)) if content_hash(&files) == content.content_hash => {
                    let folder = Arc::new(Folder::new(self, place.source, tree));
                    return Ok(of_folder(&content.sub_folder(), &folder, files, &times));
                }
                Ok(_) => {
                    let driver = driver.name.clone();
                    let reason = "not all files are as they were".to_owned();
                    fault.get_or_insert(SiteError::DriverSourceChanged { driver, path, reason });
                }
                Err(error) => drop(fault.get_or_insert(unusable(path, error.to_string()))),
            }
        }
        Err(fault.unwrap_or(SiteError::ContentNotFound { content_id: content.content_id }))
    }

    async fn read_folder(
        &self,
        place: &Place,
    ) -> Result<Result<(Tree, Vec<HashedFile>, Vec<i64>), TreeError>> {
        let folder = place.folder.clone();
        let read = move |watch: &Watch| {
            let tree = Tree::open(&folder)?;
            let times = tree.list()?.files.iter().map(|file| file.modified).collect();
            let files = tree.hash_all(watch)?;
            Ok((tree, files, times))
        };
        self.visit_held(None, place, None, read).await
    }
}

/// What a content has in a stored version.
struct Stored {
    manifest: Arc<Manifest>,
    sub_folder: String,
}

type Found = BTreeMap<String, (DownloadEntry, Source)>;

fn of_folder(sub_folder: &str, folder: &Arc<Folder>, files: Vec<HashedFile>, times: &[i64]) -> Found {
    let times = times.iter().copied().chain(std::iter::repeat(0));
    let entry = |(file, modified): (HashedFile, i64)| {
        let name = format!("{sub_folder}/{}", file.path);
        let entry = DownloadEntry { name: name.clone(), size: file.size, modified };
        (name, (entry, Source::Folder { folder: Arc::clone(folder), file }))
    };
    files.into_iter().zip(times).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], size: u64, hashed: &[u8], expect: bool) {
        let mut read = Vec::new();
        let done = Proved::new(bytes, size, FileHash::of(hashed)).read_to_end(&mut read);
        assert_eq!(done.is_ok(), expect, "{bytes:?} {size} {hashed:?}");
        if expect {
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn only_the_right_bytes_come_to_an_end() {
        check(b"", 0, b"", true);
        check(b"abc", 3, b"abc", true);
        check(b"abd", 3, b"abc", false);
        check(b"ab", 3, b"abc", false);
        check(b"abcd", 3, b"abc", false);
        check(b"", 3, b"abc", false);
        check(b"abc", 0, b"", false);
    }
}
