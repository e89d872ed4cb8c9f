//! What can go wrong with the library itself. Snapshots have their own enum: [`crate::SnapshotError`].

use crate::format::FormatError;
use crate::ids::{ChunkId, ManifestId};
use crate::store::StoreError;

/// Why the library could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored bytes were refused.
    #[error("stored content is damaged: {0}; run a verify of the content library")]
    Format(#[from] FormatError),
    /// The index failed; it holds nothing that cannot be rebuilt.
    #[error("the content library's index failed: {reason}; restart to have it rebuilt from the packs")]
    Index {
        /// What the database said.
        reason: String,
    },
    /// The folder for the index and temporary files failed.
    #[error("the content library's work folder failed: {0}")]
    WorkDir(std::io::Error),
    /// The disk with the work folder is full.
    #[error("the disk with the content library's work folder is full; make room and try again")]
    NoSpace,
    /// Another process has the library open.
    #[error("the content library is in use by another process")]
    InUse,
    /// No manifest of that id.
    #[error("the content library has no manifest {id}")]
    UnknownManifest {
        /// The id.
        id: ManifestId,
    },
    /// No copy of the chunk can be read.
    #[error("no good copy of chunk {id} is left; run a verify with repair, or refresh the package")]
    ChunkLost {
        /// The id.
        id: ChunkId,
    },
    /// The manifest has no reference to give back.
    #[error("manifest {id} is released more often than it was retained")]
    NotRetained {
        /// The id.
        id: ManifestId,
    },
    /// Bytes from another library are not what their name says, again and again.
    #[error("{object} came with the wrong bytes: {reason}; the library it comes from needs a verify")]
    Refused {
        /// The pack, chunk or manifest, by id.
        object: String,
        /// What was wrong.
        reason: String,
    },
    /// No pack of the route holds a chunk that the version needs.
    #[error("no pack of the route holds chunk {chunk} of {file}; the library it comes from needs a verify")]
    NotOffered {
        /// The chunk.
        chunk: ChunkId,
        /// The file that needs it.
        file: String,
    },
    /// The version cannot be finished yet.
    #[error("{chunks_missing} chunks of manifest {id} are missing; the next attempt fetches them")]
    Incomplete {
        /// The version.
        id: ManifestId,
        /// How many.
        chunks_missing: u64,
    },
    /// Stopped because the monitor asked for it.
    #[error("the work on the content library was cancelled")]
    Cancelled,
}

impl Error {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Store(error) => error.code(),
            Error::Format(error) => error.code(),
            Error::Index { .. } => "index_failed",
            Error::WorkDir(_) => "work_folder_io",
            Error::NoSpace => "disk_full",
            Error::InUse => "library_in_use",
            Error::UnknownManifest { .. } => "manifest_unknown",
            Error::ChunkLost { .. } => "chunk_lost",
            Error::NotRetained { .. } => "manifest_not_retained",
            Error::Refused { .. } => "refused",
            Error::NotOffered { .. } => "not_offered",
            Error::Incomplete { .. } => "incomplete",
            Error::Cancelled => "cancelled",
        }
    }

    /// Sorts out the full disk.
    pub(crate) fn work_dir(error: std::io::Error) -> Error {
        if crate::store::is_no_space(&error) { Error::NoSpace } else { Error::WorkDir(error) }
    }

    /// Whether room is what is missing.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Error::NoSpace | Error::Store(StoreError::NoSpace))
    }
}

impl From<redb::Error> for Error {
    fn from(error: redb::Error) -> Error {
        match error {
            redb::Error::Io(io) => Error::work_dir(io),
            redb::Error::DatabaseAlreadyOpen => Error::InUse,
            other => Error::Index { reason: other.to_string() },
        }
    }
}

macro_rules! from_redb {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Error {
            fn from(error: $kind) -> Error {
                Error::from(redb::Error::from(error))
            }
        })*
    };
}

from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);
