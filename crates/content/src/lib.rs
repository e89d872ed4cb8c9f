//! The content library: snapshots of source folders as chunks, packs and manifests, and what a distribution
//! point needs to hold them.
//!
//! Knows no network and no database of the site. All of it blocks; a caller on an async runtime uses its
//! blocking threads. `docs/format.md` describes the bytes.
//!
//! * [`mod@format`]: the stored formats, pure functions.
//! * [`store`]: where objects live, one small trait.
//! * [`holder`]: the receiving side.
//! * [`tree`]: subfolders of a source, put there whole or not at all.

mod collect;
mod content_hash;
mod error;
pub mod format;
pub mod holder;
mod ids;
mod index;
mod library;
mod monitor;
pub mod path;
mod rebuild;
mod refs;
mod snapshot;
pub mod store;
pub mod tree;
mod verify;
mod writer;

pub use collect::{CollectReport, RecountReport};
pub use error::Error;
pub use format::{
    ChunkRef, Encoding, Entry, FileEntry, FormatError, Manifest, ManifestRoot, PackEntry, PackIndex,
};
pub use ids::{ChunkId, FileHash, FileHasher, ID_BYTES, ManifestId, PackId, ParseIdError};
pub use library::{Library, LibraryOptions, PackLocation, Route, Stats};
pub use monitor::{Counter, CountingMonitor, Monitor, VoidMonitor};
pub use path::{ContentPath, PathError, fold};
pub use refs::RefState;
pub use snapshot::{Snapshot, SnapshotError, SnapshotRequest, SnapshotWarning, WarningKind};
pub use store::{LocalStore, MemoryStore, ObjectInfo, ObjectKey, ObjectKind, ObjectStore, StoreError};
pub use verify::{Lost, VerifyReport};
