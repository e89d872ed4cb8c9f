//! Folders inside a package's source: read with every byte hashed, and put there whole or not at all.
//!
//! A subfolder is written under a name that begins with [`STAGING_PREFIX`], made durable ([`SourceRoot::sync`], once
//! for any number of them), and then takes its own name in one step. A snapshot passes by whatever has such a name, so that it never sees half a subfolder, and
//! what a crash leaves behind is recognised by it.
//!
//! Everything goes by folder descriptors and refuses symbolic links. Blocking, for ever on a dead mount.

mod case;
mod error;
mod write;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use case::check_case;
pub use error::TreeError;
pub use write::{SourceRoot, Staged};

use crate::ids::{FileHash, FileHasher};
use crate::monitor::{Counter, Monitor};
use crate::path::ContentPath;
use crate::snapshot::walk::{Source, Walk};

/// What the names of folders under way begin with, anywhere in a source. No snapshot has them.
pub const STAGING_PREFIX: &str = ".haulier-staging-";

/// How often a folder is listed before it counts as changing for ever.
const ROUNDS_MAX: u32 = 5;
/// Bytes read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// A file of a folder, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Below the folder.
    pub path: ContentPath,
    /// Bytes.
    pub size: u64,
    /// When it was modified: nanoseconds since 1970, UTC.
    pub modified: i64,
}

/// A file of a folder, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// Below the folder.
    pub path: ContentPath,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub hash: FileHash,
}

/// What a folder has in it, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The folders, empty ones included.
    pub folders: Vec<ContentPath>,
    /// The files.
    pub files: Vec<TreeFile>,
}

/// An open folder, to be read.
#[derive(Debug)]
pub struct Tree {
    source: Source,
}

impl Tree {
    /// Opens a folder. The path itself may be a symbolic link: whoever calls chose it.
    pub fn open(path: &Path) -> Result<Tree, TreeError> {
        Ok(Tree { source: Source::open(path)? })
    }

    /// A folder directly or further below; `None` if there is nothing, or something else.
    pub fn subfolder(&self, path: &ContentPath) -> Result<Option<Tree>, TreeError> {
        Ok(self.source.subfolder(path)?.map(|source| Tree { source }))
    }

    /// Everything in it. What is neither a file nor a folder, and a name that Windows cannot hold, is an error.
    pub fn list(&self) -> Result<Listing, TreeError> {
        let mut changing = String::new();
        for _ in 0..ROUNDS_MAX {
            let seen = match self.source.walk(1)? {
                Walk::Complete(seen) => seen,
                Walk::Changed(path) => {
                    changing = path;
                    continue;
                }
            };
            let mut listing = Listing::default();
            for entry in seen {
                match entry.file {
                    None => listing.folders.push(entry.path),
                    Some(stamp) => listing.files.push(TreeFile {
                        path: entry.path,
                        size: stamp.size,
                        modified: stamp.modified,
                    }),
                }
            }
            return Ok(listing);
        }
        Err(TreeError::Changing { path: changing })
    }

    /// Opens a file.
    pub fn file(&self, path: &ContentPath) -> Result<File, TreeError> {
        let unreadable = |error: rustix::io::Errno| TreeError::unreadable(path, error.into());
        let file = File::from(self.source.open_file(path).map_err(unreadable)?);
        match file.metadata() {
            Ok(found) if found.is_file() => Ok(file),
            Ok(_) => Err(TreeError::Changing { path: path.to_string() }),
            Err(error) => Err(TreeError::unreadable(path, error)),
        }
    }

    /// Reads one file and hashes it; `None` if there is no such file.
    pub fn hash(&self, path: &ContentPath, monitor: &dyn Monitor) -> Result<Option<HashedFile>, TreeError> {
        let mut file = match self.source.open_file(path) {
            Ok(file) => File::from(file),
            Err(error) if is_absent(error) => return Ok(None),
            Err(error) => return Err(TreeError::unreadable(path, error.into())),
        };
        if !file.metadata().map_err(|error| TreeError::unreadable(path, error))?.is_file() {
            return Ok(None);
        }
        let (size, hash) = drain(path, &mut file, monitor, |_| Ok(()))?;
        Ok(Some(HashedFile { path: path.clone(), size, hash }))
    }

    /// Reads and hashes every file, by path.
    pub fn hash_all(&self, monitor: &dyn Monitor) -> Result<Vec<HashedFile>, TreeError> {
        let listing = self.list()?;
        let mut hashed = Vec::with_capacity(listing.files.len());
        for file in listing.files {
            let read = self.hash(&file.path, monitor)?;
            hashed.push(read.ok_or_else(|| TreeError::Changing { path: file.path.to_string() })?);
        }
        Ok(hashed)
    }
}

fn is_absent(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR)
}

/// Reads to the end, hashes, and hands every piece on.
fn drain(
    path: &ContentPath,
    from: &mut dyn Read,
    monitor: &dyn Monitor,
    mut to: impl FnMut(&[u8]) -> Result<(), TreeError>,
) -> Result<(u64, FileHash), TreeError> {
    let mut hasher = FileHasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut size = 0;
    loop {
        if monitor.cancelled() {
            return Err(TreeError::Cancelled);
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(TreeError::unreadable(path, error)),
        };
        hasher.update(&buffer[..read]);
        to(&buffer[..read])?;
        size += read as u64;
        monitor.count(Counter::BytesRead, read as u64);
    }
    monitor.count(Counter::FilesRead, 1);
    Ok((size, hasher.finish()))
}
