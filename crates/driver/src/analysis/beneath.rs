//! Opening what lies below a folder, and only that: whoever may write there may put a link in the place of any part of
//! a path between two looks at it.

use std::fs::{File, ReadDir};
use std::io;
use std::path::Path;

/// A folder that is held open, so that whatever is put in its place is not taken for it.
#[derive(Debug)]
pub(super) struct Root {
    #[cfg(unix)]
    folder: File,
    #[cfg(not(unix))]
    folder: std::path::PathBuf,
}

/// A folder that is being listed.
pub(super) struct Listing {
    pub(super) entries: ReadDir,
    /// The entries are read through it.
    #[cfg(unix)]
    _folder: File,
}

#[cfg(unix)]
impl Root {
    /// The folder itself may be named by a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { folder: File::open(path)? })
    }

    /// Opens the file of a path with `/`, relative to the folder, if no part of the path is a link.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        use rustix::fs::OFlags;
        // A pipe does not make the reader wait for its writer.
        let file = self.at(path, OFlags::NONBLOCK)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no longer a file")) }
    }

    /// Lists the folder of a path; the empty path is the folder itself.
    pub(super) fn list(&self, path: &str) -> io::Result<Listing> {
        use std::os::fd::AsRawFd as _;
        let path = if path.is_empty() { "." } else { path };
        let folder = self.at(path, rustix::fs::OFlags::DIRECTORY)?;
        let entries = std::fs::read_dir(format!("/dev/fd/{}", folder.as_raw_fd()))?;
        Ok(Listing { entries, _folder: folder })
    }

    fn at(&self, path: &str, last: rustix::fs::OFlags) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut inside = None;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            let above = inside.as_ref().unwrap_or(&self.folder);
            inside = Some(File::from(openat(above, folder, flags | OFlags::DIRECTORY, Mode::empty())?));
        }
        Ok(File::from(openat(inside.as_ref().unwrap_or(&self.folder), name, flags | last, Mode::empty())?))
    }
}

#[cfg(not(unix))]
impl Root {
    /// The folder itself may be named by a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { folder: path.to_owned() })
    }

    /// Opens the file of a path with `/`, relative to the folder, if it is no link.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        let path = self.folder.join(path);
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other("it is no longer a file"));
        }
        File::open(path)
    }

    /// Lists the folder of a path; the empty path is the folder itself.
    pub(super) fn list(&self, path: &str) -> io::Result<Listing> {
        Ok(Listing { entries: std::fs::read_dir(self.folder.join(path))? })
    }
}
