//! Why a folder cannot be looked at, or an INF file is no usable driver.

use std::io;

use thiserror::Error;

use crate::Diagnostic;

/// Why a folder cannot be looked at.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("the folder cannot be read: {source}; check that it exists and that the service may read it")]
    Unreadable {
        /// What the system says.
        source: io::Error,
    },
    /// The path names something else.
    #[error("the path names no folder")]
    NotAFolder,
    /// More files and folders than are looked at.
    #[error("the folder holds more than {limit} files and folders; import its parts one by one")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
}

impl FolderError {
    /// A stable code in lower snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "folder_unreadable",
            Self::NotAFolder => "folder_not_a_folder",
            Self::TooManyEntries { .. } => "folder_too_many_entries",
        }
    }
}

/// Why an INF file is no usable driver.
#[derive(Debug, Error)]
pub enum AnalysisError {
    /// A file is not there or cannot be read.
    #[error("{file} cannot be read: {source}")]
    Unreadable {
        /// Relative to the folder.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// It is no INF file of Windows, or one that nobody could install.
    #[error("the driver is invalid: {}", first_error(.diagnostics))]
    Invalid {
        /// Why, at least one of severity error.
        diagnostics: Vec<Diagnostic>,
    },
    /// It is an INF file of Windows, and for no platform that is known.
    #[error("the driver is valid, but it is for no supported platform")]
    NoSupportedPlatform {
        /// What was found on the way.
        diagnostics: Vec<Diagnostic>,
    },
}

fn first_error(diagnostics: &[Diagnostic]) -> &str {
    let error = diagnostics.iter().find(|finding| finding.severity == crate::Severity::Error);
    error.map_or("it cannot be used", |finding| &finding.text)
}

impl AnalysisError {
    /// The Win32 error code by which SMS_Driver.CreateFromINF tells of it.
    #[must_use]
    pub fn win32(&self) -> u32 {
        match self {
            Self::Unreadable { .. } => 2,
            Self::Invalid { .. } => 13,
            Self::NoSupportedPlatform { .. } => 1633,
        }
    }

    /// A stable code in lower snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "driver_unreadable",
            Self::Invalid { .. } => "driver_invalid",
            Self::NoSupportedPlatform { .. } => "driver_no_platform",
        }
    }

    /// Everything found before it failed.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Invalid { diagnostics } | Self::NoSupportedPlatform { diagnostics } => diagnostics,
        }
    }
}
