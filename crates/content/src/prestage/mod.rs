//! Prestaged content: one file that carries one version to where the network does not reach.
//!
//! It holds ordinary packs, with full copies only and every chunk once, so that whoever receives it plans, proves
//! and keeps what it carries as if it came from a site. `docs/format.md` describes the bytes.

mod export;
mod import;
mod inbox;
mod layout;
mod open;

pub use export::{Exported, StoreReader};
pub use import::Imported;
pub use inbox::{Answer, Inbox, Ticket};
pub use open::Prestaged;

use crate::error::Error;
use crate::format::FormatError;
use crate::holder::HolderError;
use crate::ids::{FileHash, ManifestId};

/// How a prestaged file's name ends.
pub const EXTENSION: &str = "hcp";

/// What a prestaged file says of the version that it carries. Whoever imports it checks the signature before
/// believing any of it but manifest and content hash, which the file proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// For example `PS100001`: letters and digits, at most 16.
    pub package_id: String,
    /// The package's name, at most 1,024 bytes.
    pub name: String,
    /// The package version, 1 or more.
    pub version: u32,
    /// The manifest's id.
    pub manifest: ManifestId,
    /// The original's content hash, as the manifest's root has it.
    pub content_hash: FileHash,
    /// The code of the site that owned the package: letters and digits, at most 16.
    pub source_site: String,
    /// How often the package changed its owner before.
    pub ownership_epoch: u64,
    /// The source site's `VersionSignature` (`docs/agent-protocol.md`) as JSON, at most 8 KiB; empty if it was not signed.
    pub signature: String,
}

/// Why a prestaged file could not be written or taken in.
#[derive(Debug, thiserror::Error)]
pub enum PrestageError {
    /// The file cannot be read.
    #[error("the prestaged file cannot be read: {0}")]
    Read(std::io::Error),
    /// The file cannot be written.
    #[error("the prestaged file cannot be written: {0}")]
    Write(std::io::Error),
    /// The file is none, or altered, or cut short.
    #[error("the prestaged file is refused: {0}; export it again, or copy it again")]
    Malformed(#[from] FormatError),
    /// The label cannot be written: a field is longer than a reader takes, or not the version's.
    #[error("the prestaged file cannot be labelled: {0}")]
    Label(&'static str),
    /// What is carried is not all of the version.
    #[error("the prestaged file does not carry all of its version; export it again")]
    Incomplete,
    /// The same version of the package is held with other content.
    #[error("version {version} of {package} is held with other content than the prestaged file's")]
    Conflict {
        /// The package ID.
        package: String,
        /// The package version.
        version: u32,
    },
    /// The content library failed.
    #[error(transparent)]
    Library(#[from] Error),
    /// The distribution point's store failed.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// Stopped because the monitor asked for it.
    #[error("the work on the prestaged file was cancelled")]
    Cancelled,
}

impl PrestageError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            PrestageError::Read(_) => "prestaged_read",
            PrestageError::Write(_) => "prestaged_write",
            PrestageError::Malformed(error) => error.code(),
            PrestageError::Label(_) => "prestaged_label",
            PrestageError::Incomplete => "prestaged_incomplete",
            PrestageError::Conflict { .. } => "version_conflict",
            PrestageError::Library(error) => error.code(),
            PrestageError::Holder(error) => error.code(),
            PrestageError::Cancelled => "cancelled",
        }
    }
}
