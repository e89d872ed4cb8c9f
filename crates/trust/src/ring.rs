//! The keys that a holder believes, and how it comes to believe others.

use std::collections::BTreeMap;

use agent::trust::{ENDORSEMENTS_MAX, KEYS_MAX, SiteKey, VersionSignature};
use serde::{Deserialize, Serialize};

use crate::error::TrustError;
use crate::key::PublicKey;
use crate::statement::{KeyStatement, VersionStatement};

/// Signatures that one list of keys may cost to check: 16 for each site of the largest hierarchy.
const CHECKS_MAX: usize = 16 * KEYS_MAX;
/// The epoch of a package that never changed its source site.
const FIRST_EPOCH: i64 = 1;
/// A package's id begins with the code of the site that made it.
const SITE_CODE_CHARS: usize = 3;

/// Which key is whose. Begins with the own site's, which came with the enrolment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyRing {
    /// Site code to public key, hex.
    keys: BTreeMap<String, String>,
}

/// What a holder made of the keys that it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Sites whose key is believed now and was not before.
    pub added: Vec<String>,
    /// Sites that come with another key than the believed one, which the believed one does not vouch for.
    pub contested: Vec<String>,
}

impl KeyRing {
    /// Begins with a site's key, which a token, a certificate or an administrator vouches for.
    pub fn anchored(site_code: &str, key: &str) -> Result<Self, TrustError> {
        let mut ring = Self::default();
        ring.anchor(site_code, key)?;
        Ok(ring)
    }

    /// Believes a key because of where it came from.
    pub fn anchor(&mut self, site_code: &str, key: &str) -> Result<(), TrustError> {
        let key: PublicKey = key.parse()?;
        self.keys.insert(site_code.to_owned(), key.to_string());
        Ok(())
    }

    /// Whether no key is believed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The believed key of a site, hex.
    #[must_use]
    pub fn key(&self, site_code: &str) -> Option<&str> {
        self.keys.get(site_code).map(String::as_str)
    }

    /// Takes over every key that a chain of endorsements leads to. What is believed stays believed, except that a
    /// site's key may be followed by one that itself vouches for.
    pub fn learn(&mut self, told: &[SiteKey]) -> Learned {
        let told = &told[..told.len().min(KEYS_MAX)];
        let mut learned = Learned::default();
        let mut checks_left = CHECKS_MAX;
        // Each round that changes nothing is the last; each other one believes at least one key more.
        for _ in 0..=told.len() {
            let mut changed = false;
            for site in told {
                if self.key(&site.site_code) == Some(site.key.as_str())
                    || !self.may_believe(site, &mut checks_left)
                {
                    continue;
                }
                self.keys.insert(site.site_code.clone(), site.key.clone());
                learned.added.push(site.site_code.clone());
                changed = true;
            }
            if !changed {
                break;
            }
        }
        for site in told {
            if self.key(&site.site_code).is_some_and(|key| key != site.key) {
                learned.contested.push(site.site_code.clone());
            }
        }
        learned
    }

    fn may_believe(&self, site: &SiteKey, checks_left: &mut usize) -> bool {
        if site.key.parse::<PublicKey>().is_err() {
            return false;
        }
        let is_followed = self.key(&site.site_code).is_some();
        site.endorsements.iter().take(ENDORSEMENTS_MAX).any(|endorsement| {
            // Once a site's key is believed, only that key says which one comes next.
            (!is_followed || endorsement.by_site == site.site_code)
                && self.key(&endorsement.by_site) == Some(endorsement.by_key.as_str())
                && std::mem::replace(checks_left, checks_left.saturating_sub(1)) > 0
                && KeyStatement { site_code: &site.site_code, key: &site.key }.is_endorsed(endorsement)
        })
    }

    /// Whether a version is what its source site published.
    ///
    /// Errors: every variant of [`TrustError`]; after [`TrustError::UnknownKey`] it is worth to ask for the keys anew.
    pub fn check(
        &self,
        package_id: &str,
        version: u32,
        manifest: &str,
        signature: Option<&VersionSignature>,
    ) -> Result<(), TrustError> {
        let package_id = package_id.to_ascii_uppercase();
        let Some(signed) = signature else { return Err(TrustError::Unsigned { package_id, version }) };
        let site = signed.source_site.clone();
        if self.key(&site) != Some(signed.key.as_str()) {
            return Err(TrustError::UnknownKey { package_id, version, site });
        }
        if signed.epoch <= FIRST_EPOCH && package_id.get(..SITE_CODE_CHARS) != Some(site.as_str()) {
            return Err(TrustError::NotOwner { package_id, version, site });
        }
        let statement = VersionStatement {
            package_id: &package_id,
            version,
            manifest,
            content_hash: &signed.content_hash,
            source_site: &site,
            epoch: signed.epoch,
        };
        statement.check(signed)
    }
}

#[cfg(test)]
mod tests {
    use agent::trust::Endorsement;

    use super::*;
    use crate::key::SigningKey;

    /// A site with its key, and what it states.
    struct Site {
        code: &'static str,
        key: SigningKey,
    }

    impl Site {
        fn new(code: &'static str) -> Self {
            Self { code, key: SigningKey::generate().unwrap() }
        }

        fn public(&self) -> String {
            self.key.public().to_string()
        }

        fn known(&self, by: &[&Site]) -> SiteKey {
            let key = self.public();
            let statement = KeyStatement { site_code: self.code, key: &key };
            let endorsements = by.iter().map(|site| statement.endorse(site.code, &site.key)).collect();
            SiteKey { site_code: self.code.to_owned(), key: self.public(), endorsements }
        }

        fn signs(&self, package_id: &str, manifest: &str, epoch: i64) -> VersionSignature {
            let statement = VersionStatement {
                package_id,
                version: 1,
                manifest,
                content_hash: "CH",
                source_site: self.code,
                epoch,
            };
            statement.sign(&self.key)
        }
    }

    #[test]
    fn keys_are_believed_along_the_tree_and_from_nowhere_else() {
        let [own, parent, far, stranger] = ["S01", "PS1", "S02", "XXX"].map(Site::new);
        let mut ring = KeyRing::anchored("S01", &own.public()).unwrap();
        // In the order in which no round can do more than one step.
        let told = [far.known(&[&parent]), stranger.known(&[&stranger]), parent.known(&[&own])];
        let learned = ring.learn(&told);
        assert_eq!(learned, Learned { added: vec!["PS1".to_owned(), "S02".to_owned()], contested: vec![] });
        assert_eq!(ring.key("XXX"), None);
        assert_eq!(ring.learn(&told), Learned::default(), "nothing is new");
    }

    #[test]
    fn a_believed_key_is_followed_only_by_one_that_it_vouches_for() {
        let [own, parent, far] = ["S01", "PS1", "S02"].map(Site::new);
        let mut ring = KeyRing::anchored("S01", &own.public()).unwrap();
        ring.learn(&[parent.known(&[&own]), far.known(&[&parent])]);
        // The parent turns hostile and vouches for a key of its own as that of the far site.
        let forged = Site::new("S02");
        let learned = ring.learn(&[parent.known(&[&own]), forged.known(&[&parent])]);
        assert_eq!(learned.contested, ["S02"]);
        assert_eq!(ring.key("S02"), Some(far.public().as_str()));
        let next = Site::new("S02");
        let learned = ring.learn(&[next.known(&[&parent, &far])]);
        assert_eq!((learned.added, learned.contested), (vec!["S02".to_owned()], vec![]));
        assert_eq!(ring.key("S02"), Some(next.public().as_str()));
    }

    #[test]
    fn a_version_is_believed_from_its_owner_as_it_signed_it() {
        let [own, parent, stranger] = ["S01", "PS1", "XXX"].map(Site::new);
        let mut ring = KeyRing::anchored("S01", &own.public()).unwrap();
        ring.learn(&[parent.known(&[&own])]);
        let check = |package: &str, signed: Option<VersionSignature>| {
            ring.check(package, 1, "aa", signed.as_ref()).map_err(|error| error.code())
        };
        assert_eq!(check("PS100001", Some(parent.signs("PS100001", "aa", 1))), Ok(()));
        assert_eq!(check("ps100001", Some(parent.signs("PS100001", "aa", 1))), Ok(()));
        assert_eq!(check("PS100001", None), Err("version_unsigned"));
        assert_eq!(check("PS100001", Some(parent.signs("PS100001", "bb", 1))), Err("signature_wrong"));
        assert_eq!(check("PS100001", Some(stranger.signs("PS100001", "aa", 1))), Err("signer_unknown"));
        // A trusted site that signs what it does not own.
        assert_eq!(check("PS100001", Some(own.signs("PS100001", "aa", 1))), Err("signer_not_owner"));
        assert_eq!(check("PS100001", Some(own.signs("PS100001", "aa", 2))), Ok(()), "it was moved");
    }

    #[test]
    fn what_is_told_cannot_cost_without_limit() {
        let own = Site::new("S01");
        let mut ring = KeyRing::anchored("S01", &own.public()).unwrap();
        let mut told: Vec<SiteKey> = Vec::new();
        let mut flooded = Site::new("PS1").known(&[&own]);
        let endorsement = Endorsement { signature: "00".repeat(64), ..flooded.endorsements[0].clone() };
        flooded.endorsements = vec![endorsement; ENDORSEMENTS_MAX];
        flooded.endorsements.push(own.known(&[&own]).endorsements[0].clone());
        told.extend(std::iter::repeat_n(flooded, KEYS_MAX / 64));
        assert_eq!(ring.learn(&told), Learned::default());
        assert!(KeyRing::anchored("S01", "junk").is_err());
    }
}
