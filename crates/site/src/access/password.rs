//! Hashing and checking passwords with argon2id, off the async threads and only so many at once.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::error::{Result, SiteError};

/// The longest password, in bytes: argon2 would take 4 GB of it.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;

/// The PHC string of a new password.
pub(crate) async fn hash(password: String) -> Result<String> {
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(SiteError::InvalidOption {
            option: "password",
            reason: format!("1 to {PASSWORD_BYTES_MAX} bytes are needed"),
        });
    }
    let mut salt = [0u8; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| SiteError::Stopped)?;
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map(|hash| hash.to_string())
    });
    match hashed.await {
        Ok(Ok(hash)) => Ok(hash),
        // The parameters are argon2's own defaults and the salt has its recommended length.
        Ok(Err(_)) | Err(_) => Err(SiteError::Stopped),
    }
}

/// Whether the password belongs to the stored PHC string.
pub(crate) async fn verify(password: String, stored: String) -> Result<bool> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    tokio::task::spawn_blocking(move || {
        Argon2::default().verify_password(password.as_bytes(), &*stored).is_ok()
    })
    .await
    .map_err(|_| SiteError::Stopped)
}
