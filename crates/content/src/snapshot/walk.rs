//! What is in a source folder: names, sizes, times. One `lstat` for each file, none for a folder.
//!
//! Everything goes by folder descriptors and refuses symbolic links, so that nothing outside the source is
//! ever looked at, whatever is renamed meanwhile.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::error::SnapshotError;
use crate::format::MANIFEST_ENTRIES_MAX;
use crate::path::{ContentPath, PathError};
use crate::tree::STAGING_PREFIX;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// Never wait for the other end of a pipe that took a file's place.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// All by which a file is recognised as unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Nanoseconds since 1970; no program sets it at will.
    pub(crate) changed: i64,
    pub(crate) inode: u64,
    pub(crate) device: u64,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Stamp {
        let nanoseconds = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            changed: nanoseconds(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
            inode: stat.st_ino,
            device: stat.st_dev,
        }
    }
}

/// An entry of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: ContentPath,
    /// `None` for a folder.
    pub(crate) file: Option<Stamp>,
}

/// What a walk came to.
pub(crate) enum Walk {
    /// All entries, by path.
    Complete(Vec<Seen>),
    /// A folder went away or turned into something else on the way.
    Changed(String),
}

/// The open source folder.
#[derive(Debug)]
pub(crate) struct Source {
    root: Arc<OwnedFd>,
}

impl Source {
    /// Opens the folder. The path itself may be a symbolic link: the administrator chose it.
    pub(crate) fn open(path: &Path) -> Result<Source, SnapshotError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(root) => Ok(Source { root: Arc::new(root) }),
            Err(Errno::NOENT) => Err(SnapshotError::SourceMissing),
            Err(Errno::NOTDIR) => Err(SnapshotError::SourceNotFolder),
            Err(error) => Err(unreadable(".", error)),
        }
    }

    /// Opens a file below the source.
    pub(crate) fn open_file(&self, path: &ContentPath) -> rustix::io::Result<OwnedFd> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&*self.root, path.as_str(), FILE, Mode::empty(), beneath) {
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(path),
            other => other,
        }
    }

    /// A folder below the source; `None` if there is nothing of that name, or something else.
    pub(crate) fn subfolder(&self, path: &ContentPath) -> Result<Option<Source>, SnapshotError> {
        let mut folder = self.root.clone();
        for part in path.as_str().split('/') {
            folder = match rustix::fs::openat(&*folder, part, FOLDER, Mode::empty()) {
                Ok(folder) => Arc::new(folder),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(error) => return Err(unreadable(path.as_str(), error)),
            };
        }
        Ok(Some(Source { root: folder }))
    }

    /// For kernels and sandboxes without `openat2`.
    fn open_step_by_step(&self, path: &ContentPath) -> rustix::io::Result<OwnedFd> {
        let mut folder = self.root.clone();
        for part in path.parent().into_iter().flat_map(|parent| parent.split('/')) {
            folder = Arc::new(rustix::fs::openat(&*folder, part, FOLDER, Mode::empty())?);
        }
        rustix::fs::openat(&*folder, path.name(), FILE, Mode::empty())
    }

    /// Lists everything, with `threads` threads.
    pub(crate) fn walk(&self, threads: usize) -> Result<Walk, SnapshotError> {
        let queue = Queue::new(Folder { parent: self.root.clone(), path: None });
        let lists = std::thread::scope(|scope| {
            let workers: Vec<_> = (1..threads).map(|_| scope.spawn(|| queue.work())).collect();
            let mut lists = vec![queue.work()];
            lists.extend(workers.into_iter().map(|worker| worker.join().expect("a walker does not panic")));
            lists
        });
        if let Some(stop) = queue.into_stop() {
            return match stop {
                Stop::Changed(path) => Ok(Walk::Changed(path)),
                Stop::Error(error) => Err(error),
            };
        }
        let mut seen = lists.concat();
        // Stable, because it makes use of the sorted runs.
        seen.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Walk::Complete(seen))
    }
}

/// A folder that waits to be listed. Its parent stays open until then.
struct Folder {
    parent: Arc<OwnedFd>,
    path: Option<ContentPath>,
}

enum Stop {
    Changed(String),
    Error(SnapshotError),
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Stop {
        Stop::Error(error)
    }
}

struct State {
    folders: Vec<Folder>,
    /// Workers that list a folder now and may find more.
    active: usize,
    entries: usize,
    stop: Option<Stop>,
}

struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

impl Queue {
    fn new(root: Folder) -> Queue {
        let state = State { folders: vec![root], active: 0, entries: 0, stop: None };
        Queue { state: Mutex::new(state), more: Condvar::new() }
    }

    fn into_stop(self) -> Option<Stop> {
        self.state.into_inner().expect("a walker does not panic").stop
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a walker does not panic")
    }

    /// Lists folders until there are none; what this worker saw, sorted.
    fn work(&self) -> Vec<Seen> {
        let _panic = StopOnPanic(self);
        let mut seen = Vec::new();
        while let Some(folder) = self.next() {
            let from = seen.len();
            let listed = list(&folder, &mut seen);
            self.done(listed, seen.len() - from);
        }
        seen.sort_by(|a, b| a.path.cmp(&b.path));
        seen
    }

    fn next(&self) -> Option<Folder> {
        let mut state = self.state();
        loop {
            if state.stop.is_some() {
                return None;
            }
            // The newest first: deep before wide keeps few folders open.
            if let Some(folder) = state.folders.pop() {
                state.active += 1;
                return Some(folder);
            }
            if state.active == 0 {
                self.more.notify_all();
                return None;
            }
            state = self.more.wait(state).expect("a walker does not panic");
        }
    }

    fn done(&self, listed: Result<Vec<Folder>, Stop>, entries: usize) {
        let mut state = self.state();
        state.active -= 1;
        state.entries += entries;
        match listed {
            Ok(folders) => state.folders.extend(folders),
            Err(stop) => state.stop = Some(stop),
        }
        if state.entries > MANIFEST_ENTRIES_MAX {
            state.stop = Some(SnapshotError::TooManyEntries { max: MANIFEST_ENTRIES_MAX }.into());
        }
        self.more.notify_all();
    }
}

/// A walker that panics ends the others, which would wait for it for ever; the scope passes the panic on.
struct StopOnPanic<'a>(&'a Queue);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.stop.get_or_insert(Stop::Error(SnapshotError::Cancelled));
            self.0.more.notify_all();
        }
    }
}

/// Lists one folder: its files with their stamps into `seen`, its folders also to be listed next.
fn list(folder: &Folder, seen: &mut Vec<Seen>) -> Result<Vec<Folder>, Stop> {
    let shown = folder.path.as_ref().map_or(".", ContentPath::as_str);
    let fd = match &folder.path {
        None => rustix::fs::openat(&*folder.parent, c".", FOLDER, Mode::empty()),
        Some(path) => rustix::fs::openat(&*folder.parent, path.name(), FOLDER, Mode::empty()),
    };
    let fd = match fd {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if folder.path.is_some() => {
            return Err(Stop::Changed(shown.to_owned()));
        }
        other => Arc::new(other.map_err(|error| unreadable(shown, error))?),
    };
    let mut folders = Vec::new();
    for entry in Dir::read_from(&*fd).map_err(|error| unreadable(shown, error))? {
        let entry = entry.map_err(|error| unreadable(shown, error))?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || name.to_bytes().starts_with(STAGING_PREFIX.as_bytes()) {
            continue;
        }
        let path = child(folder.path.as_ref(), name)?;
        let Some(one) = look(&fd, name, entry.file_type(), path)? else { continue };
        if one.file.is_none() {
            folders.push(Folder { parent: fd.clone(), path: Some(one.path.clone()) });
        }
        seen.push(one);
    }
    Ok(folders)
}

/// The entry's kind and stamp; `None` if it is gone again.
fn look(fd: &OwnedFd, name: &CStr, hint: FileType, path: ContentPath) -> Result<Option<Seen>, Stop> {
    if hint == FileType::Directory {
        return Ok(Some(Seen { path, file: None }));
    }
    let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(|error| unreadable(path.as_str(), error))?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some(Seen { path, file: Some(Stamp::of(&stat)) })),
        FileType::Directory => Ok(Some(Seen { path, file: None })),
        other => Err(SnapshotError::NotAFile { path: path.to_string(), kind: kind_name(other) }.into()),
    }
}

fn child(folder: Option<&ContentPath>, name: &CStr) -> Result<ContentPath, SnapshotError> {
    let joined = match folder {
        None => ContentPath::from_utf8(name.to_bytes()),
        Some(folder) => folder.join(name.to_bytes()),
    };
    joined.map_err(|why: PathError| SnapshotError::Name {
        folder: folder.map_or(".", ContentPath::as_str).to_owned(),
        name: name.to_string_lossy().into_owned(),
        why,
    })
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "special file",
    }
}

/// An unreadable entry, by name.
pub(crate) fn unreadable(path: &str, error: Errno) -> SnapshotError {
    SnapshotError::SourceUnreadable { path: path.to_owned(), source: error.into() }
}
