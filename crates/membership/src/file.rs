//! The identity on disk: one file, for its owner only, there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clock::SharedClock;
use jiff::Timestamp;
use net::{ClientOptions, Endpoint, NetError};
use serde::{Deserialize, Serialize};
use trust::KeyRing;

use crate::error::MembershipError;

/// The file in the data folder of whoever joined.
pub(crate) const FILE_NAME: &str = "identity.json";

/// A lasting identity at one site.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The site's address.
    pub site_url: String,
    /// The site's code.
    pub site_code: String,
    /// The name that the token was made for: of the distribution point, or the child's site code.
    pub name: String,
    pub(crate) secret: String,
    pub(crate) authority_pem: Option<String>,
    pub(crate) certificate_pem: Option<String>,
    pub(crate) key_pem: Option<String>,
    /// When to ask for the next certificate; absent where an earlier program saved the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renew_at: Option<Timestamp>,
    /// SHA-256 of the token that made it, so that a new token is told from the same one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_hash: Option<String>,
    /// Whose signatures are believed.
    #[serde(default, skip_serializing_if = "KeyRing::is_empty")]
    pub(crate) keys: KeyRing,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("site_url", &self.site_url)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The saved identity, if there is one.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, MembershipError> {
        match fs::read(data_dir.join(FILE_NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| MembershipError::Damaged { file: FILE_NAME, reason: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(MembershipError::file("reading the identity")(error)),
        }
    }

    /// Saves durably, readable by the owner only.
    pub fn save(&self, data_dir: &Path) -> Result<(), MembershipError> {
        let text = serde_json::to_vec_pretty(self).expect("an identity is plain text");
        let temporary = data_dir.join("identity.tmp");
        let result = (|| {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, data_dir.join(FILE_NAME))?;
            File::open(data_dir)?.sync_all()
        })();
        result.map_err(MembershipError::file("saving the identity"))
    }

    /// How to talk to the site as this member.
    pub fn client_options(&self) -> Result<ClientOptions, NetError> {
        let endpoint: Endpoint = self.site_url.parse()?;
        let secure = endpoint.is_secure();
        let mut options = ClientOptions::new(endpoint);
        options.authority_pem = self.authority_pem.clone();
        options.identity = match (&self.certificate_pem, &self.key_pem) {
            (Some(certificate), Some(key)) if secure => {
                Some(net::Identity { certificate_pem: certificate.clone(), key_pem: key.clone() })
            }
            _ => None,
        };
        options.bearer = (!secure).then(|| self.secret.clone());
        Ok(options)
    }

    /// Follows the site to a new address; whether it is one.
    pub fn moved_to(&mut self, site_url: &str) -> Result<bool, NetError> {
        let endpoint: Endpoint = site_url.parse()?;
        let is_new = endpoint.to_string() != self.site_url;
        self.site_url = endpoint.to_string();
        Ok(is_new)
    }

    /// When the certificate ended, if it has; TLS lets nobody in with it, and only a new token helps.
    #[must_use]
    pub fn ended_at(&self, clock: &SharedClock) -> Option<Timestamp> {
        let pem = self.certificate_pem.as_deref()?;
        net::ca::ends_at(pem).ok().filter(|end| *end <= clock.now())
    }

    /// The keys of sites that were believed so far.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Whether `token` is a new one, given to make another identity. The token that made this one is not; where an
    /// earlier program did not keep which that was, any counts once the certificate ended.
    #[must_use]
    pub fn is_ended_by(&self, token: &str, clock: &SharedClock) -> bool {
        match &self.token_hash {
            Some(hash) => *hash != token_hash(token),
            None => self.ended_at(clock).is_some(),
        }
    }

    /// Enrolled at a plain site; for tests.
    #[must_use]
    pub fn plain(site_url: &str, name: &str, secret: &str) -> Self {
        Self {
            site_url: site_url.to_owned(),
            site_code: "PS1".to_owned(),
            name: name.to_owned(),
            secret: secret.to_owned(),
            authority_pem: None,
            certificate_pem: None,
            key_pem: None,
            renew_at: None,
            token_hash: None,
            keys: KeyRing::default(),
        }
    }
}

pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_saved_for_its_owner_only_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Identity::load(folder.path()).unwrap().is_none());
        let identity = Identity::plain("http://127.0.0.1:8530", "dp1.example.test", "s");
        identity.save(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Identity::load(folder.path()).unwrap().unwrap();
        assert_eq!((loaded.name.as_str(), loaded.secret.as_str()), ("dp1.example.test", "s"));
        assert!(!format!("{loaded:?}").contains("secret"));
        fs::write(&path, "{").unwrap();
        assert_eq!(Identity::load(folder.path()).unwrap_err().code(), "identity_damaged");
    }

    #[test]
    fn the_same_token_again_is_no_new_one() {
        let mut identity = Identity::plain("http://127.0.0.1:8530", "dp1", "s");
        let clock = clock::SystemClock::shared();
        assert!(!identity.is_ended_by("hdp1.a", &clock), "who knows");
        identity.token_hash = Some(token_hash("hdp1.a"));
        assert!(!identity.is_ended_by("hdp1.a\n", &clock));
        assert!(identity.is_ended_by("hdp1.b", &clock));
    }

    #[test]
    fn identities_of_earlier_programs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = r#"{"site_url":"http://127.0.0.1:8530","site_code":"PS1","name":"dp1","secret":"s",
            "authority_pem":null,"certificate_pem":null,"key_pem":null}"#;
        fs::write(folder.path().join(FILE_NAME), old).unwrap();
        let identity = Identity::load(folder.path()).unwrap().unwrap();
        assert!(identity.keys.is_empty() && identity.renew_at.is_none());
    }
}
