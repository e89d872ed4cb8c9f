//! What can go wrong on a distribution point's disk, one variant for each thing an operator can act on.

use std::io;

/// Why the holder could not do what was asked. Texts name files relative to the data folder only.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// There is no room; everything that is already in place stays and counts when there is room.
    #[error("the disk is full{}: free space on the data folder's disk; the transfer continues where it stopped", room(*.needed_bytes, *.free_bytes))]
    DiskFull {
        /// Bytes that the version still needs, where known.
        needed_bytes: Option<u64>,
        /// Bytes that may be used, where known.
        free_bytes: Option<u64>,
    },
    /// The operating system refused.
    #[error("{doing} failed: {source}; check the disk and the rights on the data folder")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The index cannot be used; it is rebuilt when the holder is opened again.
    #[error("the index is damaged ({0}); restart the distribution point to rebuild it from the stored files")]
    Index(String),
    /// Another process has the data folder open.
    #[error("the data folder is in use by another process; stop it first")]
    InUse,
    /// The data folder was written by a newer program.
    #[error("the data folder has layout {found}, this program knows up to {known}; update the program")]
    Newer {
        /// The layout on disk.
        found: u32,
        /// The newest layout that this program reads.
        known: u32,
    },
    /// An object came with the wrong bytes, again and again.
    #[error(
        "{object} has the wrong bytes: {reason}; the site's content library needs `haulier content verify`"
    )]
    Refused {
        /// The pack or manifest, by id.
        object: String,
        /// What was wrong.
        reason: String,
    },
    /// No pack of the route holds a chunk that the version needs.
    #[error(
        "no pack holds chunk {chunk} of {file}; the site's content library needs `haulier content verify`"
    )]
    NotOffered {
        /// The chunk, by id.
        chunk: String,
        /// The file that needs it.
        file: String,
    },
    /// The text cannot be a package ID.
    #[error("{0:?} is not a package ID: letters and digits only, at most 16")]
    BadPackageId(String),
    /// The version cannot be finished yet.
    #[error("{files_missing} files of the version are not complete; the next attempt fetches them")]
    Incomplete {
        /// How many.
        files_missing: u64,
    },
    /// The version is not held.
    #[error("version {version} of {package} is not installed")]
    NotInstalled {
        /// The package ID.
        package: String,
        /// The package version.
        version: u32,
    },
    /// The pull was told to stop.
    #[error("the transfer was stopped; a newer demand replaces it")]
    Canceled,
}

impl HolderError {
    /// A stable code for status messages and scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::Index(_) => "index_damaged",
            Self::InUse => "in_use",
            Self::Newer { .. } => "newer_layout",
            Self::Refused { .. } => "refused",
            Self::NotOffered { .. } => "not_offered",
            Self::BadPackageId(_) => "bad_package_id",
            Self::Incomplete { .. } => "incomplete",
            Self::NotInstalled { .. } => "not_installed",
            Self::Canceled => "canceled",
        }
    }

    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { needed_bytes: None, free_bytes: None }
            }
            _ => Self::Io { doing, source },
        }
    }
}

fn room(needed: Option<u64>, free: Option<u64>) -> String {
    match (needed, free) {
        (Some(needed), Some(free)) => format!(" (needs {needed} bytes, {free} may be used)"),
        _ => String::new(),
    }
}

impl From<redb::Error> for HolderError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(source) => Self::io("writing the index")(source),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            other => Self::Index(other.to_string()),
        }
    }
}

macro_rules! from_redb {
    ($($kind:ident),+) => {$(
        impl From<redb::$kind> for HolderError {
            fn from(error: redb::$kind) -> Self {
                redb::Error::from(error).into()
            }
        }
    )+};
}

from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError, SetDurabilityError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_refusals() {
        for (kind, code) in [
            (io::ErrorKind::StorageFull, "disk_full"),
            (io::ErrorKind::QuotaExceeded, "disk_full"),
            (io::ErrorKind::PermissionDenied, "io"),
        ] {
            assert_eq!(HolderError::io("writing")(io::Error::from(kind)).code(), code);
            assert_eq!(HolderError::from(redb::Error::Io(io::Error::from(kind))).code(), code);
        }
    }
}
