//! Why bytes are no catalog, or no roots.

use thiserror::Error;

/// Why a file cannot be read as a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// The file has no content.
    #[error("the file is empty; copy the catalog again from the vendor's package")]
    Empty,
    /// A Git LFS pointer stands in the catalog's place.
    #[error(
        "the file is a Git LFS pointer, not the catalog itself; fetch the large files of the repository (git lfs pull)"
    )]
    LfsPointer,
    /// Text stands in the catalog's place.
    #[error("the file is text, not a catalog; a placeholder of whoever collected the package, probably")]
    Text,
    /// It is DER or something like it, but not a signed list of hashes.
    #[error("the file is not a security catalog: {0}")]
    NotACatalog(&'static str),
    /// It begins as a catalog and is damaged.
    #[error("the catalog is damaged: {what} cannot be read")]
    Malformed {
        /// The part.
        what: &'static str,
    },
    /// It has more of something than is ever needed.
    #[error("the catalog has too many {what}: at most {limit} are read")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is read.
        limit: usize,
    },
}

impl CatalogError {
    /// A stable code in lower snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "catalog_empty",
            Self::LfsPointer => "catalog_lfs_pointer",
            Self::Text => "catalog_text",
            Self::NotACatalog(_) => "catalog_not_a_catalog",
            Self::Malformed { .. } => "catalog_malformed",
            Self::TooLarge { .. } => "catalog_too_large",
        }
    }
}

/// Why a file of roots cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustError {
    /// It holds no PEM certificate at all.
    #[error("there is no PEM certificate (-----BEGIN CERTIFICATE-----) in the file")]
    NoCertificate,
    /// One is damaged.
    #[error("certificate {number} of the file cannot be read; remove it or export it again")]
    Unreadable {
        /// Counts from 1.
        number: usize,
    },
    /// More than are ever needed.
    #[error("the file has more than {limit} certificates; keep the roots that sign drivers")]
    TooMany {
        /// How many are read.
        limit: usize,
    },
}

impl TrustError {
    /// A stable code in lower snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "trust_no_certificate",
            Self::Unreadable { .. } => "trust_unreadable",
            Self::TooMany { .. } => "trust_too_many",
        }
    }
}
