//! Driver packs from other servers. The site knows no network: who starts it gives it a [`PackFetcher`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use md5::{Digest as _, Md5};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::request::PackHashes;

/// Bytes of one pack; the largest known have 13 GB.
const PACK_BYTES_MAX: u64 = 32 << 30;

/// Gets the bytes of an address.
pub trait PackFetcher: fmt::Debug + Send + Sync {
    /// Writes what the address gives into the file, piece by piece, and returns when all is written.
    ///
    /// Errors: [`FetchError::Failed`], and what [`PackFile::write`] returns. Dropping the future ends the transfer.
    fn fetch<'a>(&'a self, url: &'a str, into: &'a mut PackFile) -> BoxFuture<'a, Result<(), FetchError>>;
}

/// Why a pack was not fetched. The texts may be shown to clients.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server, or the way to it.
    #[error("{0}")]
    Failed(String),
    /// More bytes came than there may be.
    #[error("it has more than {limit_bytes} bytes")]
    TooLarge {
        /// What was allowed or announced.
        limit_bytes: u64,
    },
    /// Fewer bytes came than were announced.
    #[error("it has {bytes} bytes and not {expected_bytes}")]
    Size {
        /// What came.
        bytes: u64,
        /// What was announced.
        expected_bytes: u64,
    },
    /// The bytes are others than the vendor's.
    #[error("its {kind} is {found} and not {expected}")]
    Hash {
        /// The kind of hash.
        kind: &'static str,
        /// What came.
        found: String,
        /// What the vendor states.
        expected: String,
    },
    /// The site's disk.
    #[error("it cannot be stored; the site's log says why")]
    Store(#[source] std::io::Error),
}

/// A pack that is being written: its size is limited and its hashes are taken as it comes.
#[derive(Debug)]
pub struct PackFile {
    file: File,
    proof: PackProof,
    /// Rises with each piece.
    meter: Arc<AtomicU64>,
}

impl PackFile {
    pub(super) async fn create(
        path: &Path,
        size_bytes: Option<u64>,
        expected: &PackHashes,
        meter: Arc<AtomicU64>,
    ) -> Result<Self, FetchError> {
        let file = File::create(path).await.map_err(FetchError::Store)?;
        Ok(Self { file, proof: PackProof::new(size_bytes, expected), meter })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.proof.bytes
    }

    /// Takes the next piece. Errors: [`FetchError::TooLarge`], [`FetchError::Store`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.proof.take(bytes)?;
        self.meter.fetch_add(1, Ordering::Relaxed);
        self.file.write_all(bytes).await.map_err(FetchError::Store)
    }

    /// Checks the whole and makes it durable; returns its SHA-256, lower hex.
    pub(super) async fn finish(mut self) -> Result<String, FetchError> {
        let sha256 = self.proof.finish()?;
        self.file.flush().await.map_err(FetchError::Store)?;
        self.file.sync_all().await.map_err(FetchError::Store)?;
        Ok(sha256)
    }
}

/// What shows that the bytes that come are those of the vendor's pack.
pub(super) struct PackProof {
    bytes: u64,
    size_bytes: Option<u64>,
    expected: PackHashes,
    sha256: digest::Context,
    sha1: Option<digest::Context>,
    md5: Option<Md5>,
}

impl fmt::Debug for PackProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackProof").field("bytes", &self.bytes).field("expected", &self.expected).finish()
    }
}

impl PackProof {
    pub(super) fn new(size_bytes: Option<u64>, expected: &PackHashes) -> Self {
        let sha1 = expected.sha1.is_some().then(|| digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY));
        Self {
            bytes: 0,
            size_bytes,
            expected: expected.clone(),
            sha256: digest::Context::new(&digest::SHA256),
            sha1,
            md5: expected.md5.is_some().then(Md5::new),
        }
    }

    /// Takes the next piece. Errors: [`FetchError::TooLarge`].
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let limit_bytes = self.size_bytes.unwrap_or(PACK_BYTES_MAX).min(PACK_BYTES_MAX);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > limit_bytes {
            return Err(FetchError::TooLarge { limit_bytes });
        }
        self.sha256.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        Ok(())
    }

    /// Compares size and hashes; returns the SHA-256, lower hex.
    pub(super) fn finish(self) -> Result<String, FetchError> {
        if let Some(expected_bytes) = self.size_bytes.filter(|size| *size != self.bytes) {
            return Err(FetchError::Size { bytes: self.bytes, expected_bytes });
        }
        let sha256 = hex::encode(self.sha256.finish());
        let sha1 = self.sha1.map(|sha1| hex::encode(sha1.finish()));
        let md5 = self.md5.map(|md5| hex::encode(md5.finalize()));
        check("SHA-256", Some(&sha256), self.expected.sha256)?;
        check("SHA-1", sha1.as_ref(), self.expected.sha1)?;
        check("MD5", md5.as_ref(), self.expected.md5)?;
        Ok(sha256)
    }
}

fn check(kind: &'static str, found: Option<&String>, expected: Option<String>) -> Result<(), FetchError> {
    match (found, expected) {
        (Some(found), Some(expected)) if !found.eq_ignore_ascii_case(&expected) => {
            Err(FetchError::Hash { kind, found: found.clone(), expected })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // "abc": FIPS 180-2 and RFC 1321.
    const SHA256: &str = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    async fn check(pieces: &[&str], size_bytes: Option<u64>, hashes: [Option<&str>; 3], expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let [sha256, sha1, md5] = hashes.map(|hash| hash.map(str::to_owned));
        let path = folder.path().join("pack");
        let mut file = PackFile::create(&path, size_bytes, &PackHashes { sha256, sha1, md5 }, Arc::default())
            .await
            .unwrap();
        let mut failed = None;
        for piece in pieces {
            failed = failed.or(file.write(piece.as_bytes()).await.err());
        }
        let got = match failed {
            Some(error) => error.to_string(),
            None => match file.finish().await {
                Ok(hash) => {
                    format!("{} {}", hash.to_uppercase() == SHA256, std::fs::read_to_string(&path).unwrap())
                }
                Err(error) => error.to_string(),
            },
        };
        assert!(got.starts_with(expect), "{pieces:?} {size_bytes:?}: {got}");
    }

    #[tokio::test]
    async fn a_pack_is_what_the_vendor_says_it_is() {
        let none = [None; 3];
        check(&["a", "bc"], None, none, "true abc").await;
        check(&["abc"], Some(3), [Some(SHA256), Some(SHA1), Some(MD5)], "true abc").await;
        check(&["abc", "d"], Some(3), none, "it has more than 3 bytes").await;
        check(&["ab"], Some(3), none, "it has 2 bytes and not 3").await;
        check(&["abd"], None, [Some(SHA256), None, None], "its SHA-256 is ").await;
        check(&["abd"], None, [None, Some(SHA1), None], "its SHA-1 is ").await;
        check(&["abd"], None, [None, None, Some(MD5)], "its MD5 is ").await;
    }
}
