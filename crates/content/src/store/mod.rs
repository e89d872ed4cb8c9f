//! Where packs and manifest roots live: whole immutable objects by name.
//!
//! The trait asks only for what an S3-compatible service does too: put a whole object, read a range, list,
//! delete. No rename, no append, no lock. Same name means same bytes, so a second put of a name is harmless.

mod local;
mod memory;

use std::fmt::{self, Debug};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use local::LocalStore;
pub use memory::MemoryStore;

use crate::ids::{ManifestId, PackId};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A pack.
    Pack,
    /// A manifest's root.
    Manifest,
}

impl ObjectKind {
    /// The folder, or key prefix, for the kind; also its place in `/content/v1/`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            ObjectKind::Pack => "packs",
            ObjectKind::Manifest => "manifests",
        }
    }
}

/// An object's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A pack.
    Pack(PackId),
    /// A manifest's root.
    Manifest(ManifestId),
}

impl ObjectKey {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match self {
            ObjectKey::Pack(_) => ObjectKind::Pack,
            ObjectKey::Manifest(_) => ObjectKind::Manifest,
        }
    }

    /// The key of this kind with this id, 64 lower-case hexadecimal digits; `None` if it is none.
    #[must_use]
    pub fn parse(kind: ObjectKind, id: &str) -> Option<ObjectKey> {
        match kind {
            ObjectKind::Pack => id.parse().ok().map(ObjectKey::Pack),
            ObjectKind::Manifest => id.parse().ok().map(ObjectKey::Manifest),
        }
    }

    /// The id alone, hex.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            ObjectKey::Pack(id) => id.to_string(),
            ObjectKey::Manifest(id) => id.to_string(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind().folder(), self.id())
    }
}

/// A listed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectInfo {
    /// Its name.
    pub key: ObjectKey,
    /// Its size.
    pub bytes: u64,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("the content library has no object {key}")]
    NotFound {
        /// The object.
        key: ObjectKey,
    },
    /// The range reaches beyond the object: the caller is wrong or the object is cut short.
    #[error("object {key} is shorter than the range asked for")]
    OutOfRange {
        /// The object.
        key: ObjectKey,
    },
    /// The disk or the quota is full.
    #[error("the content library's storage is full; make room and try again")]
    NoSpace,
    /// Anything else.
    #[error("the content library's storage failed on {what}: {source}")]
    Io {
        /// Which object or folder.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl StoreError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::NotFound { .. } => "object_not_found",
            StoreError::OutOfRange { .. } => "object_range",
            StoreError::NoSpace => "disk_full",
            StoreError::Io { .. } => "storage_io",
        }
    }

    /// Sorts out the full disk; every other cause keeps its text.
    pub(crate) fn io(what: &dyn fmt::Display, source: std::io::Error) -> StoreError {
        if is_no_space(&source) {
            return StoreError::NoSpace;
        }
        StoreError::Io { what: what.to_string(), source }
    }
}

/// Whether the cause is a full disk or an exhausted quota.
#[must_use]
pub(crate) fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Whole immutable objects by name.
pub trait ObjectStore: Send + Sync + Debug {
    /// Stores the file's bytes under `key`. Durable when it returns. May take the file away; the caller removes
    /// what is left of it. Replaces an object of that name.
    fn put_file(&self, key: ObjectKey, file: &Path) -> Result<(), StoreError>;

    /// Stores these bytes under `key`. Durable when it returns. Replaces an object of that name.
    fn put_bytes(&self, key: ObjectKey, bytes: &[u8]) -> Result<(), StoreError>;

    /// Exactly the bytes of `range`.
    fn read(&self, key: ObjectKey, range: Range<u64>) -> Result<Vec<u8>, StoreError>;

    /// The object's size; `None` if there is none.
    fn size(&self, key: ObjectKey) -> Result<Option<u64>, StoreError>;

    /// Calls `found` for each object of the kind, in no particular order. Foreign names are passed over.
    fn list(&self, kind: ObjectKind, found: &mut dyn FnMut(ObjectInfo)) -> Result<(), StoreError>;

    /// Removes the object; it is no error if there is none.
    fn delete(&self, key: ObjectKey) -> Result<(), StoreError>;

    /// The object as a local file, where there is one: a front end may serve it without passing through here.
    fn local_path(&self, key: ObjectKey) -> Option<PathBuf>;
}
