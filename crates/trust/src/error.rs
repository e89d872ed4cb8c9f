//! Why a version is not believed, as an administrator reads it.

/// A version's signature does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The version came without a signature.
    #[error(
        "version {version} of {package_id} came without a signature; update the program of the site that sent it"
    )]
    Unsigned {
        /// The package.
        package_id: String,
        /// The version.
        version: u32,
    },
    /// No chain of endorsements leads to the signer's key.
    #[error(
        "version {version} of {package_id} is signed by site {site} with a key that no trusted site vouches for; if \
         the site got a new key, enrol again with a new token, otherwise look for who altered the package"
    )]
    UnknownKey {
        /// The package.
        package_id: String,
        /// The version.
        version: u32,
        /// The site that is said to have signed.
        site: String,
    },
    /// The signature is not of what was sent.
    #[error(
        "version {version} of {package_id} is not what site {site} signed: it was altered after it was published; \
         nothing of it is used. Look for who altered it, and refresh the package at its source site"
    )]
    Forged {
        /// The package.
        package_id: String,
        /// The version.
        version: u32,
        /// The site that is said to have signed.
        site: String,
    },
    /// The signer is not the owner of the package.
    #[error(
        "version {version} of {package_id} is signed by site {site}, which did not own the package then; nothing of \
         it is used. Look for who altered the package"
    )]
    NotOwner {
        /// The package.
        package_id: String,
        /// The version.
        version: u32,
        /// The site that signed.
        site: String,
    },
    /// A key or a signature is not one.
    #[error("this is not a {0}")]
    Malformed(&'static str),
}

impl TrustError {
    /// A stable code for facts, status messages and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "version_unsigned",
            Self::UnknownKey { .. } => "signer_unknown",
            Self::Forged { .. } => "signature_wrong",
            Self::NotOwner { .. } => "signer_not_owner",
            Self::Malformed(_) => "signature_malformed",
        }
    }
}
