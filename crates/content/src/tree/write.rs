//! Putting subfolders into a source, and taking them out again.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::{STAGING_PREFIX, TreeError, drain};
use crate::ids::FileHash;
use crate::monitor::Monitor;
use crate::path::{ContentPath, DEPTH_MAX};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);
/// Less what the process's mask takes: other servers read the share too.
const FOLDER_MODE: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);
const FILE_MODE: Mode =
    Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

/// The open root of a package's source, to be changed. Names are single components.
#[derive(Debug)]
pub struct SourceRoot {
    fd: OwnedFd,
}

impl SourceRoot {
    /// Opens the root of a source.
    pub fn open(path: &Path) -> Result<SourceRoot, TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(SourceRoot { fd }),
            Err(Errno::NOENT) => Err(TreeError::Missing),
            Err(Errno::NOTDIR) => Err(TreeError::NotAFolder),
            Err(error) => Err(TreeError::Unreadable { path: ".".to_owned(), source: error.into() }),
        }
    }

    /// Whether a folder has this name.
    pub fn has_folder(&self, name: &ContentPath) -> Result<bool, TreeError> {
        match rustix::fs::statat(&self.fd, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(TreeError::Unreadable { path: name.to_string(), source: error.into() }),
        }
    }

    /// Whether nothing is in it. What is under way does not count.
    pub fn is_empty(&self) -> Result<bool, TreeError> {
        Ok(!self.names()?.iter().any(|name| !name.starts_with(STAGING_PREFIX)))
    }

    /// The names of what is under way, or was when somebody died.
    pub fn staged(&self) -> Result<Vec<String>, TreeError> {
        Ok(self.names()?.into_iter().filter(|name| name.starts_with(STAGING_PREFIX)).collect())
    }

    /// Proves that files can be made, written and deleted here, by doing it.
    pub fn probe(&self) -> Result<(), TreeError> {
        // A name of its own, so that two who look at once do not take each other's file away.
        let name = format!("{STAGING_PREFIX}{}.probe", uuid::Uuid::new_v4());
        let failed = |error: Errno| TreeError::write(".", error);
        let file = rustix::fs::openat(&self.fd, &*name, NEW_FILE, FILE_MODE).map_err(failed)?;
        let written = File::from(file).write_all(b"haulier").map_err(|error| TreeError::write(".", error));
        rustix::fs::unlinkat(&self.fd, &*name, AtFlags::empty()).map_err(failed)?;
        written
    }

    /// Begins a folder of this name; what a crash left under it goes first.
    pub fn stage(&self, name: &str) -> Result<Staged, TreeError> {
        debug_assert!(name.starts_with(STAGING_PREFIX), "a snapshot would see it");
        self.remove(name)?;
        rustix::fs::mkdirat(&self.fd, name, FOLDER_MODE).map_err(|error| TreeError::write(name, error))?;
        let opened = rustix::fs::openat(&self.fd, name, FOLDER, Mode::empty());
        Ok(Staged { fd: opened.map_err(|error| TreeError::write(name, error))? })
    }

    /// Gives a folder another name that nothing has yet, durably. Errors: [`TreeError::Exists`].
    pub fn rename(&self, from: &str, to: &str) -> Result<(), TreeError> {
        let failed = |error: Errno| TreeError::write(to, error);
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            // A network file system without the flag. Only an empty folder could be replaced then.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if rustix::fs::statat(&self.fd, to, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                    return Err(TreeError::Exists { name: to.to_owned() });
                }
                rustix::fs::renameat(&self.fd, from, &self.fd, to).map_err(failed)?;
            }
            renamed => renamed.map_err(failed)?,
        }
        self.sync_names()
    }

    /// Lets two folders have each other's names in one step, durably. False, with nothing done, where the file system
    /// cannot do that.
    pub fn exchange(&self, one: &str, other: &str) -> Result<bool, TreeError> {
        match rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE) {
            Ok(()) => self.sync_names().map(|()| true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(TreeError::write(other, error)),
        }
    }

    /// Makes everything durable that was written so far on the file system of the source.
    pub fn sync(&self) -> Result<(), TreeError> {
        rustix::fs::syncfs(&self.fd).map_err(|error| TreeError::write(".", error))
    }

    /// Deletes whatever has this name, with all that is in it. Nothing is no error.
    pub fn remove(&self, name: &str) -> Result<(), TreeError> {
        remove_entry(&self.fd, name, 0)
    }

    /// Makes the names in the root durable.
    fn sync_names(&self) -> Result<(), TreeError> {
        match rustix::fs::fsync(&self.fd) {
            // Some network file systems keep folders durable by themselves and know no such call.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(TreeError::write(".", error)),
        }
    }

    fn names(&self) -> Result<Vec<String>, TreeError> {
        let unreadable = |error: Errno| TreeError::Unreadable { path: ".".to_owned(), source: error.into() };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if !is_dots(entry.file_name()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }
}

/// A folder that is being written. Dropped, it stays as it is; whoever began it removes it by its name.
#[derive(Debug)]
pub struct Staged {
    fd: OwnedFd,
}

impl Staged {
    /// Makes a folder; its parent must have been made.
    pub fn add_folder(&self, path: &ContentPath) -> Result<(), TreeError> {
        let failed = |error: Errno| TreeError::write(path.as_str(), error);
        let parent = self.parent(path).map_err(failed)?;
        rustix::fs::mkdirat(parent.as_ref().unwrap_or(&self.fd), path.name(), FOLDER_MODE).map_err(failed)
    }

    /// Writes a file with the bytes that `from` yields; their number and hash. Its folder must have been made.
    pub fn add_file(
        &self,
        path: &ContentPath,
        modified: i64,
        from: &mut dyn Read,
        monitor: &dyn Monitor,
    ) -> Result<(u64, FileHash), TreeError> {
        let failed = |error: Errno| TreeError::write(path.as_str(), error);
        let parent = self.parent(path).map_err(failed)?;
        let parent = parent.as_ref().unwrap_or(&self.fd);
        let mut file =
            File::from(rustix::fs::openat(parent, path.name(), NEW_FILE, FILE_MODE).map_err(failed)?);
        let written = drain(path, from, monitor, |piece| {
            file.write_all(piece).map_err(|error| TreeError::write(path.as_str(), error))
        })?;
        rustix::fs::futimens(&file, &times(modified)).map_err(failed)?;
        Ok(written)
    }

    /// The open folder that the path is in; `None` for the top.
    fn parent(&self, path: &ContentPath) -> rustix::io::Result<Option<OwnedFd>> {
        let Some(parent) = path.parent() else { return Ok(None) };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.fd, parent, FOLDER, Mode::empty(), beneath) {
            Err(Errno::NOSYS | Errno::PERM) => {}
            other => return other.map(Some),
        }
        // For kernels and sandboxes without `openat2`.
        let mut parts = parent.split('/');
        let first = parts.next().expect("a path has at least one component");
        let mut folder = rustix::fs::openat(&self.fd, first, FOLDER, Mode::empty())?;
        for part in parts {
            folder = rustix::fs::openat(&folder, part, FOLDER, Mode::empty())?;
        }
        Ok(Some(folder))
    }
}

fn times(modified: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: modified.div_euclid(1_000_000_000),
        tv_nsec: modified.rem_euclid(1_000_000_000) as _,
    };
    Timestamps { last_access: time, last_modification: time }
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// Deletes an entry of a folder and what is below it, never through a link.
fn remove_entry(
    folder: &OwnedFd,
    name: impl rustix::path::Arg + Copy,
    depth: usize,
) -> Result<(), TreeError> {
    let failed = |error: Errno| TreeError::write(&name.to_string_lossy(), error);
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) if depth <= DEPTH_MAX => {}
        Err(error) => return Err(failed(error)),
    }
    let inner = rustix::fs::openat(folder, name, FOLDER, Mode::empty()).map_err(failed)?;
    for entry in Dir::read_from(&inner).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_dots(entry.file_name()) {
            remove_entry(&inner, entry.file_name(), depth + 1)?;
        }
    }
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
