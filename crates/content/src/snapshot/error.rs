//! Why a snapshot published nothing. Names are relative to the source; the texts go into status messages.

use crate::error::Error;
use crate::path::PathError;
use crate::store::StoreError;

/// Why a snapshot published nothing.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is nothing at the source path.
    #[error("the source path does not exist; check the package's source path and that its share is mounted")]
    SourceMissing,
    /// The source path is a file or something else.
    #[error("the source path is not a folder")]
    SourceNotFolder,
    /// A folder or file that cannot be read.
    #[error("cannot read `{path}` in the source: {source}; check the permissions and the disk")]
    SourceUnreadable {
        /// Relative to the source; `.` is the source itself.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// No file anywhere in the source.
    #[error("the source folder has no files; a package needs at least one")]
    SourceEmpty,
    /// A name that a Windows client cannot hold.
    #[error("the name `{name}` in folder `{folder}` cannot be distributed: {why}; rename it")]
    Name {
        /// Relative to the source; `.` is the source itself.
        folder: String,
        /// The name, with replacement characters for what is not UTF-8.
        name: String,
        /// What is wrong with it.
        why: PathError,
    },
    /// A symbolic link, device, socket or pipe.
    #[error("`{path}` in the source is a {kind}; only files and folders can be distributed")]
    NotAFile {
        /// Relative to the source.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Two names that are one to a Windows client, with different content.
    #[error(
        "`{first}` and `{second}` in the source differ only in case and have different content; rename one"
    )]
    CaseConflict {
        /// Relative to the source.
        first: String,
        /// Relative to the source.
        second: String,
    },
    /// More entries than a manifest may have.
    #[error("the source has more than {max} files and folders")]
    TooManyEntries {
        /// The limit.
        max: usize,
    },
    /// The source did not stand still.
    #[error(
        "the source kept changing while it was read, last at `{path}`; refresh again when copying has finished"
    )]
    SourceChanging {
        /// Relative to the source.
        path: String,
    },
    /// The site's disk is full.
    #[error("the disk with the content library is full; nothing was published; make room and refresh again")]
    NoSpace,
    /// The caller asked to stop.
    #[error("the snapshot was cancelled")]
    Cancelled,
    /// The library failed.
    #[error(transparent)]
    Library(Error),
}

impl SnapshotError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SnapshotError::SourceMissing => "source_missing",
            SnapshotError::SourceNotFolder => "source_not_folder",
            SnapshotError::SourceUnreadable { .. } => "source_unreadable",
            SnapshotError::SourceEmpty => "source_empty",
            SnapshotError::Name { .. } => "source_name",
            SnapshotError::NotAFile { .. } => "source_not_a_file",
            SnapshotError::CaseConflict { .. } => "source_case_conflict",
            SnapshotError::TooManyEntries { .. } => "source_too_many_entries",
            SnapshotError::SourceChanging { .. } => "source_changing",
            SnapshotError::NoSpace => "disk_full",
            SnapshotError::Cancelled => "cancelled",
            SnapshotError::Library(error) => error.code(),
        }
    }

    /// The entry of the source concerned, relative to it.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        match self {
            SnapshotError::SourceUnreadable { path, .. }
            | SnapshotError::NotAFile { path, .. }
            | SnapshotError::SourceChanging { path } => Some(path.clone()),
            SnapshotError::Name { folder, name, .. } if folder == "." => Some(name.clone()),
            SnapshotError::Name { folder, name, .. } => Some(format!("{folder}/{name}")),
            SnapshotError::CaseConflict { second, .. } => Some(second.clone()),
            _ => None,
        }
    }
}

impl From<Error> for SnapshotError {
    fn from(error: Error) -> SnapshotError {
        match error {
            Error::NoSpace | Error::Store(StoreError::NoSpace) => SnapshotError::NoSpace,
            Error::Cancelled => SnapshotError::Cancelled,
            other => SnapshotError::Library(other),
        }
    }
}
