//! One-time tokens: a secret and, where the site speaks TLS, its CA's fingerprint.
//!
//! Form: `hdp1.<secret>` or `hdp1.<secret>.<ca fingerprint>`, both parts lower-case hex of 32 bytes; `hst1` where a
//! child site joins. The fingerprint lets who joins trust the right site before it holds that site's certificate.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

const PART_CHARS: usize = 64;

/// What a token is for.
pub trait Purpose {
    /// What the text begins with; tells kinds of tokens and their versions apart.
    const PREFIX: &'static str;
    /// What an administrator does to get one.
    const MADE_BY: &'static str;
}

/// A distribution point enrols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfDp;

impl Purpose for OfDp {
    const PREFIX: &'static str = "hdp1";
    const MADE_BY: &'static str = "haulier dp token NAME --data DATA";
}

/// A child site joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfSite;

impl Purpose for OfSite {
    const PREFIX: &'static str = "hst1";
    const MADE_BY: &'static str = "haulier site token CODE --data DATA";
}

/// The token by which a distribution point enrols.
pub type EnrolToken = OneTimeToken<OfDp>;
/// The token by which a child site joins its parent.
pub type SiteToken = OneTimeToken<OfSite>;

/// A one-time token.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeToken<P> {
    secret: String,
    ca_fingerprint: Option<String>,
    purpose: PhantomData<P>,
}

/// The text is not a token of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the token that is needed here; make one with `{made_by}` and pass it whole")]
pub struct NotAToken {
    /// The command that makes one.
    pub made_by: &'static str,
}

impl<P: Purpose> OneTimeToken<P> {
    /// Puts a token together from its parts, each 64 hex digits.
    pub fn new(secret: &str, ca_fingerprint: Option<&str>) -> Result<Self, NotAToken> {
        let part = |text: &str| -> Result<String, NotAToken> {
            let hex = text.len() == PART_CHARS
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            hex.then(|| text.to_owned()).ok_or(Self::wrong())
        };
        Ok(Self {
            secret: part(secret)?,
            ca_fingerprint: ca_fingerprint.map(part).transpose()?,
            purpose: PhantomData,
        })
    }

    /// The one-time secret, hex.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// SHA-256 of the CA certificate's DER, hex; absent where the site serves plain loopback HTTP.
    #[must_use]
    pub fn ca_fingerprint(&self) -> Option<&str> {
        self.ca_fingerprint.as_deref()
    }

    const fn wrong() -> NotAToken {
        NotAToken { made_by: P::MADE_BY }
    }
}

impl<P: Purpose> FromStr for OneTimeToken<P> {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let mut parts = text.trim().split('.');
        let (prefix, secret, fingerprint, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (prefix, secret, rest) {
            (Some(prefix), Some(secret), None) if prefix == P::PREFIX => Self::new(secret, fingerprint),
            _ => Err(Self::wrong()),
        }
    }
}

impl<P: Purpose> fmt::Display for OneTimeToken<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", P::PREFIX, self.secret)?;
        match &self.ca_fingerprint {
            Some(fingerprint) => write!(f, ".{fingerprint}"),
            None => Ok(()),
        }
    }
}

impl<P: Purpose> fmt::Debug for OneTimeToken<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(P::PREFIX).field("ca_fingerprint", &self.ca_fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round<P: Purpose + PartialEq + Clone>() {
        let (secret, fingerprint) = ("0a".repeat(32), "ff".repeat(32));
        for fingerprint in [None, Some(fingerprint.as_str())] {
            let token = OneTimeToken::<P>::new(&secret, fingerprint).expect("valid parts");
            assert!(token.to_string().parse() == Ok(token.clone()), "{token}");
            assert!(!format!("{token:?}").contains(&secret));
        }
    }

    #[test]
    fn tokens_survive_printing_and_reading() {
        check_round::<OfDp>();
        check_round::<OfSite>();
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let secret = "0a".repeat(32);
        for text in [
            "",
            "hdp1",
            "hdp1.",
            &format!("hdp2.{secret}"),
            &format!("hst1.{secret}"),
            &format!("hdp1.{secret}.zz"),
            &format!("hdp1.{secret}.{secret}.{secret}"),
            &format!("hdp1.{}", secret.to_uppercase().replace('0', "A")),
        ] {
            assert_eq!(
                text.parse::<EnrolToken>().unwrap_err().made_by,
                "haulier dp token NAME --data DATA",
                "{text}"
            );
        }
        let dp_token = format!("hdp1.{secret}");
        assert_eq!(dp_token.parse::<SiteToken>().unwrap_err().made_by, "haulier site token CODE --data DATA");
    }
}
