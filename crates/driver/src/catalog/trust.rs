//! What signatures are proven against.

use std::sync::Arc;

use jiff::Timestamp;
use x509_parser::pem::Pem;

use super::TrustError;
use super::certificate::Certificate;

/// Roots in one file; all of Microsoft's program are about 500.
pub const ROOTS_MAX: usize = 4096;

/// The roots that count, and the time at which signatures without a time stamp must be valid. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) roots: Arc<[Certificate]>,
    pub(super) at: Timestamp,
}

impl Trust {
    /// No roots: every good signature is one by an untrusted signer.
    #[must_use]
    pub fn none(at: Timestamp) -> Self {
        Self { roots: Arc::new([]), at }
    }

    /// The certificates of a PEM file; what stands between them is ignored. A signer's own certificate may be a root.
    ///
    /// # Errors
    /// There is none, one cannot be read, or there are more than [`ROOTS_MAX`].
    pub fn from_pem(pem: &[u8], at: Timestamp) -> Result<Self, TrustError> {
        Self::none(at).with_pem(pem)
    }

    /// The same with the roots of one more file.
    ///
    /// # Errors
    /// As [`Trust::from_pem`].
    pub fn with_pem(&self, pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = self.roots.to_vec();
        for (number, block) in (1..).zip(Pem::iter_from_buffer(pem)) {
            if roots.len() == ROOTS_MAX {
                return Err(TrustError::TooMany { limit: ROOTS_MAX });
            }
            let unreadable = TrustError::Unreadable { number };
            let block = block.map_err(|_| unreadable.clone())?;
            if block.label == "CERTIFICATE" {
                roots.push(Certificate::parse(&block.contents).ok_or(unreadable)?);
            }
        }
        if roots.len() == self.roots.len() {
            return Err(TrustError::NoCertificate);
        }
        Ok(Self { roots: roots.into(), at: self.at })
    }

    /// The same roots at another time.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Self {
        Self { roots: Arc::clone(&self.roots), at }
    }

    /// How many roots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }
}
