//! What is signed: lines of text, begun by what they are, so that no signature means something else elsewhere.

use agent::trust::{Endorsement, VersionSignature};

use crate::error::TrustError;
use crate::key::SigningKey;

/// What a site states of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionStatement<'s> {
    /// For example `PS100001`.
    pub package_id: &'s str,
    /// The package version, from 1.
    pub version: u32,
    /// The manifest's id, hex: names every byte of the version.
    pub manifest: &'s str,
    /// The content hash that clients of the original see.
    pub content_hash: &'s str,
    /// The site that published the version.
    pub source_site: &'s str,
    /// The package's ownership epoch then.
    pub epoch: i64,
}

impl VersionStatement<'_> {
    /// What is signed.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let (version, epoch) = (self.version.to_string(), self.epoch.to_string());
        let fields = [self.package_id, &version, self.manifest, self.content_hash, self.source_site, &epoch];
        lines("haulier version 1", &fields)
    }

    /// Signs the statement.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> VersionSignature {
        VersionSignature {
            source_site: self.source_site.to_owned(),
            epoch: self.epoch,
            content_hash: self.content_hash.to_owned(),
            key: key.public().to_string(),
            signature: key.sign(&self.message()),
        }
    }

    /// Whether `signature` was made over this very statement by the key that it names. Whether that key is the
    /// site's is for a [`crate::KeyRing`] to say.
    pub fn check(&self, signature: &VersionSignature) -> Result<(), TrustError> {
        let key: crate::PublicKey = signature.key.parse()?;
        let same = signature.source_site == self.source_site
            && signature.epoch == self.epoch
            && signature.content_hash == self.content_hash;
        match same && key.verifies(&self.message(), &signature.signature) {
            true => Ok(()),
            false => Err(TrustError::Forged {
                package_id: self.package_id.to_owned(),
                version: self.version,
                site: signature.source_site.clone(),
            }),
        }
    }
}

/// What a site states of another site's key, or of its own next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStatement<'s> {
    /// Whose key it is.
    pub site_code: &'s str,
    /// The public key, hex.
    pub key: &'s str,
}

impl KeyStatement<'_> {
    /// What is signed.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        lines("haulier key 1", &[self.site_code, self.key])
    }

    /// Vouches for the key as site `by_site`.
    #[must_use]
    pub fn endorse(&self, by_site: &str, key: &SigningKey) -> Endorsement {
        Endorsement {
            by_site: by_site.to_owned(),
            by_key: key.public().to_string(),
            signature: key.sign(&self.message()),
        }
    }
}

impl KeyStatement<'_> {
    /// Whether the endorsement was made over this very statement by the key that it names.
    #[must_use]
    pub fn is_endorsed(&self, endorsement: &Endorsement) -> bool {
        let key = endorsement.by_key.parse::<crate::PublicKey>();
        key.is_ok_and(|key| key.verifies(&self.message(), &endorsement.signature))
    }
}

/// A line break in a field would let two statements have one text; such a field is written so that it differs.
fn lines(what: &str, fields: &[&str]) -> Vec<u8> {
    let mut text = what.to_owned();
    for field in fields {
        text.push('\n');
        text.push_str(&field.replace('\\', "\\\\").replace('\n', "\\n"));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statement() -> VersionStatement<'static> {
        VersionStatement {
            package_id: "PS100001",
            version: 2,
            manifest: "6f",
            content_hash: "AB",
            source_site: "PS1",
            epoch: 1,
        }
    }

    #[test]
    fn the_message_is_as_documented() {
        assert_eq!(statement().message(), b"haulier version 1\nPS100001\n2\n6f\nAB\nPS1\n1");
        let key = KeyStatement { site_code: "S01", key: "00ff" };
        assert_eq!(key.message(), b"haulier key 1\nS01\n00ff");
    }

    #[test]
    fn each_field_counts() {
        let key = SigningKey::generate().unwrap();
        let signed = statement().sign(&key);
        statement().check(&signed).unwrap();
        for other in [
            VersionStatement { package_id: "PS100002", ..statement() },
            VersionStatement { version: 3, ..statement() },
            VersionStatement { manifest: "70", ..statement() },
            VersionStatement { content_hash: "AC", ..statement() },
            VersionStatement { source_site: "PS2", ..statement() },
            VersionStatement { epoch: 2, ..statement() },
        ] {
            assert_eq!(other.check(&signed).unwrap_err().code(), "signature_wrong", "{other:?}");
            // Somebody who rewrites what the signature says of itself gains nothing.
            let rewritten = VersionSignature {
                source_site: other.source_site.to_owned(),
                epoch: other.epoch,
                content_hash: other.content_hash.to_owned(),
                ..signed.clone()
            };
            assert_eq!(other.check(&rewritten).unwrap_err().code(), "signature_wrong", "{other:?}");
        }
        let other_key = SigningKey::generate().unwrap().public().to_string();
        let claimed = VersionSignature { key: other_key, ..signed };
        assert_eq!(statement().check(&claimed).unwrap_err().code(), "signature_wrong");
    }

    proptest! {
        #[test]
        fn different_fields_never_have_one_text(
            a in proptest::collection::vec("[a\\\\\n]{0,4}", 3),
            b in proptest::collection::vec("[a\\\\\n]{0,4}", 3),
        ) {
            fn text(fields: &[String]) -> Vec<u8> {
                lines("x", &fields.iter().map(String::as_str).collect::<Vec<_>>())
            }
            prop_assert_eq!(text(&a) == text(&b), a == b);
        }
    }
}
