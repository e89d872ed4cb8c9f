//! The content library: snapshots of source folders as chunks, packs and manifests, and what a distribution
//! point needs to hold them.
//!
//! Knows no network and no database of the site. All of it blocks; a caller on an async runtime uses its
//! blocking threads. `docs/format.md` describes the bytes.
//!
//! * [`mod@format`]: the stored formats, pure functions.
//! * [`store`]: where objects live, one small trait.
//! * [`holder`]: the receiving side at a distribution point.
//! * [`replica`]: the receiving side at another site.
//! * [`prestage`]: a version in one file, for where the network does not reach.
//! * [`tree`]: subfolders of a source, put there whole or not at all.

mod background;
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
mod plan;
pub mod prestage;
mod rebuild;
mod refs;
mod repair;
pub mod replica;
mod snapshot;
pub mod store;
pub mod tree;
mod verify;
mod writer;

pub use background::at_lowest_priority;
pub use collect::{CollectReport, RecountReport};
pub use error::Error;
pub use format::{
    ChunkRef, Encoding, Entry, FileEntry, FormatError, Manifest, ManifestRoot, PackEntry, PackIndex,
};
pub use ids::{ChunkId, FileHash, FileHasher, ID_BYTES, ManifestId, PackId, ParseIdError};
pub use library::{Library, LibraryOptions, PackLocation, Route, Stats};
pub use monitor::{Counter, CountingMonitor, Monitor, VoidMonitor};
pub use path::{ContentPath, PathError, fold};
pub use plan::{Fed, FetchRange, GAP_BYTES_MAX, Plan, Progress, RANGE_BYTES_MAX, ROUNDS_MAX, Refusal};
pub use refs::RefState;
pub use repair::{Adopted, LOST_CHUNKS_MAX, LostChunk, LostPlace};
pub use replica::{Replica, Replicated};
pub use snapshot::{Snapshot, SnapshotError, SnapshotRequest, SnapshotWarning, WarningKind};
pub use store::{LocalStore, MemoryStore, ObjectInfo, ObjectKey, ObjectKind, ObjectStore, StoreError};
pub use verify::{Lost, VerifyReport};
