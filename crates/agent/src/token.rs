//! Enrolment tokens: a one-time secret and, where the site speaks TLS, its CA's fingerprint.
//!
//! Form: `hdp1.<secret>` or `hdp1.<secret>.<ca fingerprint>`, both parts lower-case hex of 32 bytes. The
//! fingerprint lets a new agent trust the right site before it holds that site's certificate.

use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "hdp1";
const PART_CHARS: usize = 64;

/// An enrolment token.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolToken {
    secret: String,
    ca_fingerprint: Option<String>,
}

/// The text is not an enrolment token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an enrolment token; make one with `haulier dp token NAME` and pass it whole")]
pub struct NotAToken;

impl EnrolToken {
    /// Puts a token together from its parts, each 64 hex digits.
    pub fn new(secret: &str, ca_fingerprint: Option<&str>) -> Result<Self, NotAToken> {
        let part = |text: &str| -> Result<String, NotAToken> {
            let hex = text.len() == PART_CHARS
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            hex.then(|| text.to_owned()).ok_or(NotAToken)
        };
        Ok(Self { secret: part(secret)?, ca_fingerprint: ca_fingerprint.map(part).transpose()? })
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
}

impl FromStr for EnrolToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let mut parts = text.trim().split('.');
        let (prefix, secret, fingerprint, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (prefix, secret, rest) {
            (Some(PREFIX), Some(secret), None) => Self::new(secret, fingerprint),
            _ => Err(NotAToken),
        }
    }
}

impl fmt::Display for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}", self.secret)?;
        match &self.ca_fingerprint {
            Some(fingerprint) => write!(f, ".{fingerprint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolToken").field("ca_fingerprint", &self.ca_fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_printing_and_reading() {
        let (secret, fingerprint) = ("0a".repeat(32), "ff".repeat(32));
        for fingerprint in [None, Some(fingerprint.as_str())] {
            let token = EnrolToken::new(&secret, fingerprint).expect("valid parts");
            assert_eq!(token.to_string().parse(), Ok(token));
        }
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let secret = "0a".repeat(32);
        for text in [
            "",
            "hdp1",
            "hdp1.",
            &format!("hdp2.{secret}"),
            &format!("hdp1.{secret}.zz"),
            &format!("hdp1.{secret}.{secret}.{secret}"),
            &format!("hdp1.{}", secret.to_uppercase().replace('0', "A")),
        ] {
            assert_eq!(text.parse::<EnrolToken>(), Err(NotAToken), "{text}");
        }
    }
}
