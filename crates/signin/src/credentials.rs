//! The header `Authorization`, read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest credentials that are read, in bytes; password hashing must not be fed megabytes.
const CREDENTIALS_BYTES_MAX: usize = 4 * 1024;
/// The longest token of a negotiation, in bytes of base64; tickets of users in many groups are long.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// What a request says about who calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
    /// A token of SPNEGO, NTLM or Kerberos.
    Negotiate(Scheme, Vec<u8>),
}

/// What a client calls its negotiation; the answers are called the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Negotiate,
    /// Clients that are told to use nothing else.
    Kerberos,
}

impl Scheme {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Negotiate, Self::Kerberos].into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

impl Credentials {
    pub(crate) fn read(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        // NTLM under its own name is not offered: what it could do more is to be older.
        if let Some(scheme) = Scheme::read(scheme) {
            let token = Some(rest).filter(|rest| !rest.is_empty() && rest.len() <= TOKEN_BYTES_MAX)?;
            return STANDARD.decode(token).ok().map(|token| Self::Negotiate(scheme, token));
        }
        if header.len() > CREDENTIALS_BYTES_MAX {
            return None;
        }
        if scheme.eq_ignore_ascii_case("Bearer") {
            return (!rest.is_empty()).then(|| Self::Bearer(rest.to_owned()));
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
        Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_or_refused() {
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        let check = |header: &str, expect: Option<Credentials>| {
            assert_eq!(Credentials::read(header), expect, "{header}");
        };
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
        let token = |scheme| Some(Credentials::Negotiate(scheme, vec![0x60, 0x82]));
        check("Negotiate YII=", token(Scheme::Negotiate));
        check("negotiate  YII=", token(Scheme::Negotiate));
        check("KERBEROS YII=", token(Scheme::Kerberos));
        check("Kerberos", None);
        check("Negotiate", None);
        check("Negotiate !", None);
        check("NTLM YII=", None);
        check(&format!("Negotiate {}", "A".repeat(TOKEN_BYTES_MAX + 4)), None);
        check(&format!("Bearer {}", "x".repeat(CREDENTIALS_BYTES_MAX)), None);
    }
}
