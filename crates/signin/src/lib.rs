//! Who calls: Basic or Bearer, over TLS or from this machine. Every front end that people and their scripts use
//! asks here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use net::Peer;
use site::{Actor, Site, SiteError};

/// The longest credentials that are read, in bytes; password hashing must not be fed megabytes.
const CREDENTIALS_BYTES_MAX: usize = 4 * 1024;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No credentials, or none that are understood.
    #[error("sign in with Basic or Bearer authentication")]
    Unauthenticated,
    /// Credentials over an open connection.
    #[error("credentials over plain HTTP are accepted from this machine only; use https")]
    OpenConnection,
    /// The site did not accept the credentials, or could not check them.
    #[error(transparent)]
    Refused(#[from] SiteError),
}

/// The two challenges of an answer with status 401, for its WWW-Authenticate headers.
pub const CHALLENGES: [&str; 2] = ["Basic realm=\"Haulier\", charset=\"UTF-8\"", "Bearer realm=\"Haulier\""];

/// What a request says about who calls.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    Basic { user: String, password: String },
    Bearer(String),
}

/// The user behind a request. `peer` is what `net` set as the request's extension; without it nobody is signed in.
pub async fn authenticate(
    site: &Site,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Actor, SignInError> {
    let header = headers.get(AUTHORIZATION).ok_or(SignInError::Unauthenticated)?;
    let credentials = header.to_str().ok().and_then(read).ok_or(SignInError::Unauthenticated)?;
    // Checked before the password, so that an open connection learns nothing about it.
    let Some(peer) = peer.filter(|peer| peer.secure || peer.is_loopback()) else {
        return Err(SignInError::OpenConnection);
    };
    let from = Some(peer.addr.ip());
    Ok(match credentials {
        Credentials::Basic { user, password } => site.authenticate_password(&user, &password, from).await?,
        Credentials::Bearer(token) => site.authenticate_token(&token, from).await?,
    })
}

fn read(header: &str) -> Option<Credentials> {
    if header.len() > CREDENTIALS_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = header.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("Bearer") {
        return (!rest.is_empty()).then(|| Credentials::Bearer(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    // No name has a null character, and not every database takes one in a question.
    if user.contains('\0') {
        return None;
    }
    // Windows clients write `DOMAIN\user`; users of the site have no domain, and their names no backslash.
    let user = user.rsplit('\\').next().unwrap_or(user);
    Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_or_refused() {
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        let check = |header: &str, expect: Option<Credentials>| assert_eq!(read(header), expect, "{header}");
        let user = |password: &str| {
            Some(Credentials::Basic { user: "admin".to_owned(), password: password.to_owned() })
        };
        check(&basic("admin:secret"), user("secret"));
        check(&basic("admin:a:b"), user("a:b"));
        check(&basic("PS1\\admin:ü"), user("ü"));
        check(&basic("admin:").replace("Basic", "BASIC"), user(""));
        check("bearer abc", Some(Credentials::Bearer("abc".to_owned())));
        check("Bearer", None);
        check("Bearer  ", None);
        check("Basic %%%", None);
        check(&basic("admin"), None);
        check(&basic("ad\0min:x"), None);
        check("Negotiate YII=", None);
        check(&format!("Bearer {}", "x".repeat(CREDENTIALS_BYTES_MAX)), None);
    }
}
