//! Who this distribution point is: enrolled once with a one-time token, then known by certificate or secret.
//!
//! The identity is on disk before it is used. A kill between the site's reply and the save leaves a token
//! that is spent and an identity that nobody has: the next start says so and asks for a new token.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use agent::token::EnrolToken;
use agent::{CaReply, EnrolReply, EnrolRequest, ROOT};
use clock::SharedClock;
use net::ca::AgentKey;
use net::client::fetch_authority;
use net::{Client, ClientOptions, Endpoint, NetError};
use serde::{Deserialize, Serialize};

use crate::backoff::{SITE_WAIT_MAX, jittered};
use crate::error::DpError;

/// Tries to reach the site for an enrolment before the start fails.
const ENROL_TRIES_MAX: u32 = 8;
const FILE_NAME: &str = "identity.json";

/// A lasting identity.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) site_url: String,
    pub(crate) site_code: String,
    pub(crate) name: String,
    secret: String,
    authority_pem: Option<String>,
    certificate_pem: Option<String>,
    key_pem: Option<String>,
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
    pub(crate) fn load(data_dir: &Path) -> Result<Option<Self>, DpError> {
        match fs::read(data_dir.join(FILE_NAME)) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|e| DpError::IdentityDamaged(e.to_string()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DpError::file("reading the identity")(e)),
        }
    }

    /// Saves durably, readable by the owner only.
    pub(crate) fn save(&self, data_dir: &Path) -> Result<(), DpError> {
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
        result.map_err(DpError::file("saving the identity"))
    }

    /// How to talk to the site as this agent.
    pub(crate) fn client_options(&self) -> Result<ClientOptions, NetError> {
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
}

/// Trades a one-time token for an identity.
pub(crate) async fn enrol(
    site_url: &str,
    token: &EnrolToken,
    name: &str,
    content_url: &str,
    clock: &SharedClock,
) -> Result<Identity, DpError> {
    let endpoint: Endpoint = site_url.parse()?;
    match (endpoint.is_secure(), token.ca_fingerprint()) {
        (true, None) => return Err(DpError::TokenWithoutAuthority(site_url.to_owned())),
        // On loopback nobody stands between; elsewhere whoever does would get the token, and be believed.
        (false, _) if !endpoint.is_loopback() => {
            return Err(DpError::TokenNeedsTls(site_url.to_owned()));
        }
        _ => {}
    }
    let mut failures = 0;
    loop {
        match enrol_once(&endpoint, token, name, content_url).await {
            Err(DpError::Net(error)) if will_pass(&error) && failures + 1 < ENROL_TRIES_MAX => {
                failures += 1;
                tracing::warn!(%error, "Cannot reach the site to enrol; trying again");
                clock.sleep(jittered(failures, SITE_WAIT_MAX)).await;
            }
            Err(DpError::Net(error)) => return Err(refusal(error)),
            other => return other,
        }
    }
}

async fn enrol_once(
    endpoint: &Endpoint,
    token: &EnrolToken,
    name: &str,
    content_url: &str,
) -> Result<Identity, DpError> {
    let mut options = ClientOptions::new(endpoint.clone());
    let mut key = None;
    if let Some(fingerprint) = token.ca_fingerprint().filter(|_| endpoint.is_secure()) {
        let path = format!("{ROOT}/ca");
        options.authority_pem =
            Some(fetch_authority(endpoint, &path, fingerprint, |r: CaReply| r.ca_pem).await?);
        key = Some(AgentKey::generate()?);
    }
    let authority_pem = options.authority_pem.clone();
    let request = EnrolRequest {
        token: token.to_string(),
        name: name.to_owned(),
        content_url: content_url.to_owned(),
        csr_pem: key.as_ref().map(|key| key.csr_pem.clone()),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let reply: EnrolReply = Client::new(options)?.post_json(&format!("{ROOT}/enrol"), &request).await?;
    Ok(Identity {
        site_url: endpoint.to_string(),
        site_code: reply.site_code,
        name: name.to_owned(),
        secret: reply.secret,
        authority_pem,
        certificate_pem: reply.certificate_pem,
        key_pem: key.map(|key| key.key_pem),
    })
}

/// Whether the site may answer otherwise in a moment: it is not there, or has too much to do.
fn will_pass(error: &NetError) -> bool {
    matches!(error, NetError::Unreachable { .. })
        || error.refusal().is_some_and(|refusal| matches!(refusal.status, 429 | 503))
}

fn refusal(error: NetError) -> DpError {
    match error.refusal() {
        Some(refusal) if refusal.code == "token_used" => DpError::TokenUsed,
        Some(refusal) => DpError::EnrolmentRefused(refusal.to_string()),
        None => DpError::Net(error),
    }
}

#[cfg(test)]
impl Identity {
    /// Enrolled at a plain site.
    pub(crate) fn for_test(site_url: &str) -> Self {
        Self {
            site_url: site_url.to_owned(),
            site_code: "PS1".to_owned(),
            name: "dp1.example.test".to_owned(),
            secret: "s".to_owned(),
            authority_pem: None,
            certificate_pem: None,
            key_pem: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_saved_for_its_owner_only_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Identity::load(folder.path()).unwrap().is_none());
        let identity = Identity::for_test("http://127.0.0.1:8530");
        identity.save(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Identity::load(folder.path()).unwrap().unwrap();
        assert_eq!((loaded.name.as_str(), loaded.secret.as_str()), ("dp1.example.test", "s"));
        assert!(!format!("{loaded:?}").contains("secret"));
        fs::write(&path, "{").unwrap();
        assert_eq!(Identity::load(folder.path()).unwrap_err().code(), "identity_damaged");
    }
}
