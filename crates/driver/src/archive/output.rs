//! The folder that an archive is unpacked into: written aside, counted, made durable, renamed at the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::name::{self, Names};
use super::{ArchiveError, Limits, Progress};

/// Takes the entries of an archive, in the archive's order. `file` starts a file, `data` continues it, `end` ends
/// it.
pub(super) trait Sink {
    /// Starts the file `name`; `false` if its data is not wanted.
    fn file(&mut self, name: &str) -> Result<bool, ArchiveError>;
    /// More of the current file.
    fn data(&mut self, data: &[u8]) -> Result<(), ArchiveError>;
    /// The current file is complete.
    fn end(&mut self) -> Result<(), ArchiveError>;
    /// A folder, perhaps empty.
    fn folder(&mut self, name: &str) -> Result<(), ArchiveError>;
    /// Bytes that were unpacked only to get past them.
    fn skipped(&mut self, bytes: u64) -> Result<(), ArchiveError>;
    /// What the archive declares: how many entries and how many bytes.
    fn declared(&mut self, entries: u64, bytes: u64) -> Result<(), ArchiveError>;
    /// The limits on names.
    fn limits(&self) -> &Limits;
}

/// Counts what an archive has asked for.
pub(super) struct Budget<'a> {
    limits: Limits,
    total_bytes_max: u64,
    entries: u64,
    file_bytes: u64,
    /// Written and skipped.
    unpacked_bytes: u64,
    done: Progress,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl<'a> Budget<'a> {
    pub(super) fn new(
        limits: Limits,
        archive_bytes: u64,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Self {
        let by_ratio = archive_bytes.saturating_mul(limits.ratio_max).max(limits.ratio_free_bytes);
        Self {
            limits,
            total_bytes_max: limits.total_bytes_max.min(by_ratio),
            entries: 0,
            file_bytes: 0,
            unpacked_bytes: 0,
            done: Progress::default(),
            progress,
        }
    }

    fn entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        self.file_bytes = 0;
        self.check_entries(self.entries)
    }

    fn check_entries(&self, entries: u64) -> Result<(), ArchiveError> {
        let limit = self.limits.entries_max;
        if entries > limit { Err(ArchiveError::Limit { what: "entries", limit }) } else { Ok(()) }
    }

    fn unpacked(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(bytes);
        self.check_bytes(self.unpacked_bytes)
    }

    fn check_bytes(&self, bytes: u64) -> Result<(), ArchiveError> {
        if bytes > self.limits.total_bytes_max {
            return Err(ArchiveError::Limit { what: "unpacked bytes", limit: self.limits.total_bytes_max });
        }
        if bytes > self.total_bytes_max {
            let limit = self.limits.ratio_max;
            return Err(ArchiveError::Limit { what: "unpacked bytes for each byte of the archive", limit });
        }
        Ok(())
    }

    fn data(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.file_bytes += bytes;
        if self.file_bytes > self.limits.file_bytes_max {
            let limit = self.limits.file_bytes_max;
            return Err(ArchiveError::Limit { what: "bytes in one file", limit });
        }
        self.unpacked(bytes)?;
        self.done.bytes += bytes;
        self.report()
    }

    fn report(&mut self) -> Result<(), ArchiveError> {
        match (self.progress)(self.done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ArchiveError::Canceled),
        }
    }
}

/// The folder being written. Dropped without [`Output::commit`], it removes what it has written.
pub(super) struct Output<'a> {
    into: PathBuf,
    partial: PathBuf,
    names: Names,
    budget: Budget<'a>,
    current: Option<File>,
    /// Relative paths, for the sync at the end.
    files: Vec<String>,
    folders: Vec<String>,
    committed: bool,
}

impl<'a> Output<'a> {
    /// Makes the partial folder beside `into`.
    pub(super) fn create(into: &Path, budget: Budget<'a>) -> Result<Self, ArchiveError> {
        match fs::read_dir(into) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(ArchiveError::FolderInUse);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(ArchiveError::FolderInUse),
        }
        let mut partial = into.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        remove(&partial).and_then(|()| fs::create_dir(&partial)).map_err(ArchiveError::writing)?;
        Ok(Self {
            into: into.to_owned(),
            partial,
            names: Names::default(),
            budget,
            current: None,
            files: Vec::new(),
            folders: Vec::new(),
            committed: false,
        })
    }

    /// Makes everything durable and the folder visible; the files and bytes that it holds.
    pub(super) fn commit(mut self) -> Result<(u64, u64), ArchiveError> {
        // All files are written before the first is synced: the disk sees one long write, not thousands of short ones.
        for path in &self.files {
            File::open(self.partial.join(path))
                .and_then(|file| file.sync_all())
                .map_err(ArchiveError::writing)?;
            self.budget.report()?;
        }
        for path in self.folders.iter().map(String::as_str).chain([""]) {
            sync_folder(&self.partial.join(path))?;
        }
        fs::rename(&self.partial, &self.into).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => ArchiveError::FolderInUse,
            _ => ArchiveError::writing(error),
        })?;
        let parent = self.into.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Err(error) = sync_folder(parent.unwrap_or(Path::new("."))) {
            let _ = remove(&self.into);
            return Err(error);
        }
        self.committed = true;
        Ok((self.files.len() as u64, self.budget.done.bytes))
    }

    fn make_folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        let mut missing = Vec::new();
        let mut folder = path;
        while !folder.is_empty() && !self.partial.join(folder).is_dir() {
            missing.push(folder);
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for folder in missing.into_iter().rev() {
            // Folders that entries imply count too: a name may imply dozens.
            self.budget.entry()?;
            fs::create_dir(self.partial.join(folder)).map_err(ArchiveError::writing)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Sink for Output<'_> {
    fn file(&mut self, name: &str) -> Result<bool, ArchiveError> {
        self.budget.entry()?;
        let path = self.names.file(&name::components(name, &self.budget.limits)?)?;
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.make_folder(folder)?;
        }
        self.current = Some(File::create_new(self.partial.join(&path)).map_err(ArchiveError::writing)?);
        self.files.push(path);
        self.budget.done.files += 1;
        Ok(true)
    }

    fn data(&mut self, data: &[u8]) -> Result<(), ArchiveError> {
        self.budget.data(data.len() as u64)?;
        let file = self.current.as_mut().expect("a file was started");
        file.write_all(data).map_err(ArchiveError::writing)
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        self.current = None;
        self.budget.report()
    }

    fn folder(&mut self, name: &str) -> Result<(), ArchiveError> {
        self.budget.entry()?;
        let path = self.names.folder_path(&name::components(name, &self.budget.limits)?)?;
        self.make_folder(&path)
    }

    fn skipped(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.budget.unpacked(bytes)?;
        self.budget.report()
    }

    fn declared(&mut self, entries: u64, bytes: u64) -> Result<(), ArchiveError> {
        self.budget.done.bytes_declared = bytes;
        self.budget.check_entries(entries)?;
        self.budget.check_bytes(bytes)
    }

    fn limits(&self) -> &Limits {
        &self.budget.limits
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.current = None;
            // Nothing to add to the error that is on its way; the next call for this folder removes it again.
            let _ = remove(&self.partial);
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::writing)
}
