//! Which passwords are taken, and hashing and checking them with argon2id, off the async threads.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::error::{Result, SiteError};

/// The shortest password, in characters.
const PASSWORD_CHARS_MIN: usize = 8;
/// Different characters that a password has at least: not one key held down.
const PASSWORD_DISTINCT_MIN: usize = 4;
/// The longest password, in bytes: argon2 would take 4 GB of it.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;

/// The PHC string of a new password of a user. Errors: [`SiteError::InvalidOption`].
pub(crate) async fn hash(user: &str, password: String) -> Result<String> {
    check(user, &password)?;
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

/// Length is what counts; rules about kinds of characters only make passwords guessable in another way.
fn check(user: &str, password: &str) -> Result<()> {
    let refuse = |reason: String| Err(SiteError::InvalidOption { option: "password", reason });
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return refuse(format!(
            "at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes are needed"
        ));
    }
    // HTTP Basic cannot carry them.
    if password.chars().any(char::is_control) {
        return refuse("control characters are not allowed".to_owned());
    }
    let distinct: std::collections::BTreeSet<char> = password.chars().collect();
    if distinct.len() < PASSWORD_DISTINCT_MIN {
        return refuse(format!("at least {PASSWORD_DISTINCT_MIN} different characters are needed"));
    }
    if password.to_lowercase() == user.to_lowercase() {
        return refuse("it must not be the user's name".to_owned());
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_name() {
        let taken = |password: &str| check("operator1", password).is_ok();
        for password in ["correct horse", "passwörd", "abcdabcd", &"abcd".repeat(256)] {
            assert!(taken(password), "{password}");
        }
        for password in [
            "",
            "1234567",
            "aaaaaaaaaaaa",
            "Operator1",
            "with\ttabs in it",
            "a\0bcdefgh",
            &"abcde".repeat(205),
        ] {
            assert!(!taken(password), "{password}");
        }
    }
}
