//! Trading a one-time token for an identity.

use agent::token::{OneTimeToken, Purpose};
use agent::{CaReply, ROOT};
use clock::SharedClock;
use net::ca::AgentKey;
use net::client::fetch_authority;
use net::{Client, ClientOptions, Endpoint, NetError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use trust::KeyRing;

use crate::backoff::{SITE_WAIT_MAX, jittered};
use crate::error::MembershipError;
use crate::file::{Identity, token_hash};
use crate::renewal::renew_at;

/// Tries to reach the site before the start fails.
const TRIES_MAX: u32 = 8;

/// Where and with what to join.
#[derive(Debug)]
pub struct Joining<'j, P: Purpose> {
    /// The site's address.
    pub site_url: &'j str,
    /// The one-time token.
    pub token: &'j OneTimeToken<P>,
    /// The name that the token was made for.
    pub name: &'j str,
    /// The call that takes the token, below [`ROOT`], for example `/enrol`.
    pub call: &'static str,
}

/// What a site gives for a token.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The site's code.
    pub site_code: String,
    /// Authenticates on plain loopback HTTP.
    pub secret: String,
    /// The client certificate, on TLS.
    pub certificate_pem: Option<String>,
    /// The site's public signing key, hex.
    pub signing_key: Option<String>,
}

/// Joins. `request` makes the body of the call, given the certificate request (PEM) if one is needed. The identity is
/// not saved yet; the caller also gets the site's reply.
///
/// Errors: [`MembershipError`], after several tries where the site does not answer.
pub async fn join<P, Q, R>(
    joining: Joining<'_, P>,
    request: impl Fn(Option<String>) -> Q,
    clock: &SharedClock,
) -> Result<(Identity, R), MembershipError>
where
    P: Purpose,
    Q: Serialize + Sync,
    R: DeserializeOwned + Clone + Into<Granted>,
{
    let endpoint: Endpoint = joining.site_url.parse()?;
    match (endpoint.is_secure(), joining.token.ca_fingerprint()) {
        (true, None) => return Err(MembershipError::TokenWithoutAuthority(joining.site_url.to_owned())),
        // On loopback nobody stands between; elsewhere whoever does would get the token, and be believed.
        (false, _) if !endpoint.is_loopback() => {
            return Err(MembershipError::TokenNeedsTls(joining.site_url.to_owned()));
        }
        _ => {}
    }
    let mut failures = 0;
    loop {
        match join_once(&endpoint, &joining, &request, clock).await {
            Err(MembershipError::Net(error)) if will_pass(&error) && failures + 1 < TRIES_MAX => {
                failures += 1;
                tracing::warn!(%error, "Cannot reach the site to join it; trying again");
                clock.sleep(jittered(failures, SITE_WAIT_MAX)).await;
            }
            Err(MembershipError::Net(error)) => return Err(refusal::<P>(error)),
            other => return other,
        }
    }
}

async fn join_once<P, Q, R>(
    endpoint: &Endpoint,
    joining: &Joining<'_, P>,
    request: &impl Fn(Option<String>) -> Q,
    clock: &SharedClock,
) -> Result<(Identity, R), MembershipError>
where
    P: Purpose,
    Q: Serialize + Sync,
    R: DeserializeOwned + Clone + Into<Granted>,
{
    let mut options = ClientOptions::new(endpoint.clone());
    let mut key = None;
    if let Some(fingerprint) = joining.token.ca_fingerprint().filter(|_| endpoint.is_secure()) {
        let path = format!("{ROOT}/ca");
        options.authority_pem =
            Some(fetch_authority(endpoint, &path, fingerprint, |r: CaReply| r.ca_pem).await?);
        key = Some(AgentKey::generate()?);
    }
    let authority_pem = options.authority_pem.clone();
    let body = request(key.as_ref().map(|key| key.csr_pem.clone()));
    let reply: R = Client::new(options)?.post_json(&format!("{ROOT}{}", joining.call), &body).await?;
    let granted: Granted = reply.clone().into();
    let keys = match &granted.signing_key {
        Some(key) => KeyRing::anchored(&granted.site_code, key)
            .map_err(|error| MembershipError::BadAnswer(error.to_string()))?,
        None => KeyRing::default(),
    };
    let identity = Identity {
        site_url: endpoint.to_string(),
        site_code: granted.site_code,
        name: joining.name.to_owned(),
        secret: granted.secret,
        authority_pem,
        renew_at: granted.certificate_pem.as_deref().map(|pem| renew_at(pem, clock)).transpose()?,
        certificate_pem: granted.certificate_pem,
        key_pem: key.map(|key| key.key_pem),
        token_hash: Some(token_hash(&joining.token.to_string())),
        keys,
    };
    Ok((identity, reply))
}

/// Whether the site may answer otherwise in a moment: it is not there, or has too much to do.
fn will_pass(error: &NetError) -> bool {
    matches!(error, NetError::Unreachable { .. })
        || error.refusal().is_some_and(|refusal| matches!(refusal.status, 429 | 503))
}

fn refusal<P: Purpose>(error: NetError) -> MembershipError {
    match error.refusal() {
        Some(refusal) if refusal.code == "token_used" => MembershipError::TokenUsed { made_by: P::MADE_BY },
        Some(refusal) => MembershipError::Refused(refusal.to_string()),
        None => MembershipError::Net(error),
    }
}

impl From<agent::EnrolReply> for Granted {
    fn from(reply: agent::EnrolReply) -> Self {
        let agent::EnrolReply { site_code, secret, certificate_pem, signing_key } = reply;
        Self { site_code, secret, certificate_pem, signing_key }
    }
}

impl From<agent::join::JoinReply> for Granted {
    fn from(reply: agent::join::JoinReply) -> Self {
        let agent::join::JoinReply { site_code, secret, certificate_pem, signing_key, .. } = reply;
        Self { site_code, secret, certificate_pem, signing_key: Some(signing_key) }
    }
}
