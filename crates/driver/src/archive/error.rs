//! Why an archive was not unpacked.

use std::io;

use super::ForeignFormat;

/// Why an archive was not unpacked. The texts name entries of the archive, never paths of this machine.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive itself cannot be opened or read.
    #[error("the archive cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// No known archive.
    #[error("the file is neither a cabinet nor a zip archive; give a .cab, a .zip or a folder")]
    Unknown,
    /// A known format that is not read here.
    #[error("the file is {0}, which is not read here; {advice}", advice = .0.advice())]
    Foreign(ForeignFormat),
    /// An entry is encrypted.
    #[error("`{entry}` in the archive is encrypted; pack it again without a password")]
    Encrypted {
        /// The entry.
        entry: String,
    },
    /// The archive is one part of several.
    #[error("the archive is one part of a set; unpack the set and give the folder")]
    MultiPart,
    /// An entry is compressed by a method that is not read here.
    #[error("`{entry}` in the archive is compressed by {method}; pack it again with deflate, MSZIP or LZX")]
    Method {
        /// The entry, or the cabinet's folder.
        entry: String,
        /// The method's name or number.
        method: String,
    },
    /// The bytes contradict the format or their checksums.
    #[error("the archive is damaged: {0}; fetch it again and compare its hash with the vendor's")]
    Damaged(String),
    /// An entry's name is refused.
    #[error("the name `{name}` in the archive is refused: {reason}")]
    Name {
        /// The name, shortened and escaped.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two entries would be one file on Windows.
    #[error("`{name}` and `{other}` in the archive would be one file on Windows; remove one of them")]
    Duplicate {
        /// The later entry.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// An entry is a link or a device.
    #[error("`{entry}` in the archive is a link or a device, not a file; pack the file itself")]
    Link {
        /// The entry.
        entry: String,
    },
    /// A limit is exceeded.
    #[error(
        "the archive exceeds the limit of {limit} {what}; unpack it by hand and give the folder if it is sound"
    )]
    Limit {
        /// What is limited, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The folder to unpack into holds something.
    #[error("the folder to unpack into is not empty")]
    FolderInUse,
    /// The disk is full.
    #[error("the disk is full; free space and try again")]
    NoSpace,
    /// The files cannot be written.
    #[error("the unpacked files cannot be written: {0}")]
    Unwritable(#[source] io::Error),
    /// The caller has asked to stop.
    #[error("canceled")]
    Canceled,
}

impl ArchiveError {
    /// A stable code for logs, databases and clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "archive_unreadable",
            Self::Unknown => "archive_unknown",
            Self::Foreign(_) => "archive_foreign",
            Self::Encrypted { .. } => "archive_encrypted",
            Self::MultiPart => "archive_multi_part",
            Self::Method { .. } => "archive_method",
            Self::Damaged(_) => "archive_damaged",
            Self::Name { .. } => "archive_name",
            Self::Duplicate { .. } => "archive_duplicate",
            Self::Link { .. } => "archive_link",
            Self::Limit { .. } => "archive_limit",
            Self::FolderInUse => "archive_folder_in_use",
            Self::NoSpace => "archive_no_space",
            Self::Unwritable(_) => "archive_unwritable",
            Self::Canceled => "archive_canceled",
        }
    }

    /// What a failed write means.
    pub(super) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Unwritable(error),
        }
    }

    /// What a failed read of the archive's content means: a reader that decodes says `InvalidData` and the like
    /// where the bytes are wrong, and everything else comes from the disk.
    pub(super) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                Self::Damaged(error.to_string())
            }
            _ if error.raw_os_error().is_some() => Self::Unreadable(error),
            _ => Self::Damaged(error.to_string()),
        }
    }
}
