//! Why a folder could not be read or put into a source. Names are relative to the folder concerned.

use std::io;

use crate::path::{ContentPath, PathError};
use crate::snapshot::SnapshotError;

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is nothing at the path.
    #[error("the folder does not exist")]
    Missing,
    /// Something else is at the path.
    #[error("it is not a folder")]
    NotAFolder,
    /// A folder or file that cannot be read.
    #[error("cannot read `{path}`: {source}; check the permissions and the disk")]
    Unreadable {
        /// Relative; `.` is the folder itself.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A name that a Windows client cannot hold.
    #[error("the name `{name}` in folder `{folder}` cannot be distributed: {why}; rename it")]
    Name {
        /// Relative; `.` is the folder itself.
        folder: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: PathError,
    },
    /// A symbolic link, device, socket or pipe.
    #[error("`{path}` is a {kind}; only files and folders can be distributed")]
    NotAFile {
        /// Relative.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Two names that differ only in case, and not only in name.
    #[error(
        "`{first}` and `{second}` differ only in case, so a Windows client can hold only one of them; rename one"
    )]
    CaseConflict {
        /// Relative.
        first: String,
        /// Relative.
        second: String,
    },
    /// More entries than a package may have.
    #[error("the folder has more than {max} files and folders")]
    TooManyEntries {
        /// The limit.
        max: usize,
    },
    /// The folder did not stand still.
    #[error("the folder kept changing while it was read, last at `{path}`")]
    Changing {
        /// Relative.
        path: String,
    },
    /// The disk behind the folder is full.
    #[error("the disk is full")]
    NoSpace,
    /// The folder is on a read-only file system, or may not be written.
    #[error("`{path}` cannot be written: {source}")]
    ReadOnly {
        /// Relative.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Writing failed otherwise.
    #[error("cannot write `{path}`: {source}")]
    Unwritable {
        /// Relative.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Something has the name already.
    #[error("`{name}` exists already")]
    Exists {
        /// The name.
        name: String,
    },
    /// The caller asked to stop.
    #[error("it was cancelled")]
    Cancelled,
}

impl TreeError {
    pub(super) fn unreadable(path: &ContentPath, source: io::Error) -> TreeError {
        TreeError::Unreadable { path: path.to_string(), source }
    }

    pub(super) fn write(path: &str, source: impl Into<io::Error>) -> TreeError {
        let (path, source) = (path.to_owned(), source.into());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TreeError::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                TreeError::ReadOnly { path, source }
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
                TreeError::Exists { name: path }
            }
            _ => TreeError::Unwritable { path, source },
        }
    }

    /// Whether the fault is the writing side's.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            TreeError::NoSpace
                | TreeError::ReadOnly { .. }
                | TreeError::Unwritable { .. }
                | TreeError::Exists { .. }
        )
    }
}

impl From<SnapshotError> for TreeError {
    fn from(error: SnapshotError) -> TreeError {
        match error {
            SnapshotError::SourceMissing => TreeError::Missing,
            SnapshotError::SourceNotFolder => TreeError::NotAFolder,
            SnapshotError::SourceUnreadable { path, source } => TreeError::Unreadable { path, source },
            SnapshotError::Name { folder, name, why } => TreeError::Name { folder, name, why },
            SnapshotError::NotAFile { path, kind } => TreeError::NotAFile { path, kind },
            SnapshotError::TooManyEntries { max } => TreeError::TooManyEntries { max },
            SnapshotError::SourceChanging { path } => TreeError::Changing { path },
            // A walk yields none of the others; as a name for what it cannot be, this says the most.
            other => TreeError::Unreadable { path: ".".to_owned(), source: io::Error::other(other) },
        }
    }
}
