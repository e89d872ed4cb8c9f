//! A site's signing key: made once, kept in the data folder for its owner's eyes, and its public half.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::error::TrustError;

/// The key's file in a site's data folder: PKCS#8.
pub const KEY_FILE: &str = "signing-key.p8";
/// The key that replaces it, until the site's database names it.
const NEXT_FILE: &str = "signing-key.p8.next";
/// Far more than such a key needs.
const FILE_BYTES_MAX: u64 = 4096;
const PUBLIC_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// The key's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot {action} the signing key at {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody else than the owner may read it.
    #[error("the signing key at {} can be read by others; run `chmod 600` on it", .0.display())]
    Exposed(PathBuf),
    /// It holds no such key.
    #[error("the signing key at {} is damaged; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a signing key")]
    NoRandom,
}

/// A site's private key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key that is nowhere kept yet.
    pub fn generate() -> Result<Self, KeyFileError> {
        Ok(Self::of(Ed25519KeyPair::generate().map_err(|_| KeyFileError::NoRandom)?))
    }

    /// Writes the key into a data folder that has none, durable before it returns. Never replaces one.
    pub fn save_new(&self, folder: &Path) -> Result<(), KeyFileError> {
        let path = folder.join(KEY_FILE);
        let temporary = folder.join(format!("{KEY_FILE}.{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            self.write(&temporary)?;
            // A link, unlike a rename, fails if the name is taken.
            fs::hard_link(&temporary, &path)?;
            File::open(folder)?.sync_all()
        };
        let result = write();
        let _ = fs::remove_file(&temporary);
        result.map_err(|source| KeyFileError::File { action: "write", path, source })
    }

    /// Writes the key beside the one of a data folder, durable before it returns; [`SigningKey::promote_next`] puts it
    /// in its place.
    pub fn save_next(&self, folder: &Path) -> Result<(), KeyFileError> {
        let path = folder.join(NEXT_FILE);
        let written = self.write(&path).and_then(|()| File::open(folder)?.sync_all());
        written.map_err(|source| KeyFileError::File { action: "write", path, source })
    }

    /// The key that is to replace that of a data folder; `None` where there is none.
    pub fn load_next(folder: &Path) -> Result<Option<Self>, KeyFileError> {
        Self::load_file(folder.join(NEXT_FILE))
    }

    /// Puts the next key in the place of the present one.
    pub fn promote_next(folder: &Path) -> Result<(), KeyFileError> {
        let path = folder.join(KEY_FILE);
        let renamed = fs::rename(folder.join(NEXT_FILE), &path).and_then(|()| File::open(folder)?.sync_all());
        renamed.map_err(|source| KeyFileError::File { action: "write", path, source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let der = self.pair.to_pkcs8v1().map_err(|_| io::Error::other("the key has no PKCS#8 form"))?;
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(der.as_ref())?;
        file.sync_all()
    }

    /// Reads the key of a data folder; `None` where it has none.
    pub fn load(folder: &Path) -> Result<Option<Self>, KeyFileError> {
        Self::load_file(folder.join(KEY_FILE))
    }

    fn load_file(path: PathBuf) -> Result<Option<Self>, KeyFileError> {
        let fail = |source| KeyFileError::File { action: "read", path: path.clone(), source };
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(fail)?,
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(KeyFileError::Exposed(path));
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(KeyFileError::Damaged(path));
        }
        let bytes = fs::read(&path).map_err(fail)?;
        let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyFileError::Damaged(path))?;
        Ok(Some(Self::of(pair)))
    }

    fn of(pair: Ed25519KeyPair) -> Self {
        let bytes = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        Self { pair, public: PublicKey(bytes) }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature over a message, hex.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        hex::encode(self.pair.sign(message))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public.to_string()).finish_non_exhaustive()
    }
}

/// A site's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; PUBLIC_BYTES]);

impl PublicKey {
    /// Whether `signature` (hex) is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Some(signature) = lower_hex::<SIGNATURE_BYTES>(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature).is_ok()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        lower_hex(text).map(Self).ok_or(TrustError::Malformed("public key"))
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// One text for one value, so that keys may be compared as text.
fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_for_its_owner_only_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(SigningKey::load(folder.path()).unwrap().is_none());
        let key = SigningKey::generate().unwrap();
        key.save_new(folder.path()).unwrap();
        let loaded = SigningKey::load(folder.path()).unwrap().unwrap();
        assert_eq!(loaded.public(), key.public());
        let file = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(SigningKey::generate().unwrap().save_new(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::load(folder.path()), Err(KeyFileError::Exposed(_))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for damaged in [&b""[..], b"junk", &[0x30; 8192]] {
            fs::write(&file, damaged).unwrap();
            assert!(matches!(SigningKey::load(folder.path()), Err(KeyFileError::Damaged(_))));
        }
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let key: PublicKey =
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c".parse().unwrap();
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert!(key.verifies(&[0x72], signature));
        assert!(!key.verifies(&[0x73], signature));
        for wrong in ["", "zz", &signature[..126], &signature.to_uppercase()] {
            assert!(!key.verifies(&[0x72], wrong), "{wrong}");
        }
    }

    #[test]
    fn a_key_has_one_text() {
        let key = SigningKey::generate().unwrap().public();
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "00", &key.to_string().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
