//! Which distribution point or child site is calling: by client certificate on TLS, by secret on plain loopback.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use net::Peer;
use site::{AgentCredential, Destination, DpId, Neighbor, SiteError};

use crate::AgentService;
use crate::error::ServiceError;

/// A known, enrolled agent. A handler that takes it is closed to everybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agent(pub(crate) DpId);

impl FromRequestParts<AgentService> for Agent {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, service: &AgentService) -> Result<Self, ServiceError> {
        authenticate(parts, service).await.inspect_err(|error| service.0.count_unauthenticated(error))
    }
}

/// A child site. A handler that takes it is closed to everybody else.
#[derive(Debug, Clone)]
pub(crate) struct Child(pub(crate) Neighbor);

impl FromRequestParts<AgentService> for Child {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, service: &AgentService) -> Result<Self, ServiceError> {
        let known = async { Ok(service.0.site.authenticate_site(credential(parts)?).await?) }.await;
        known.map(Child).inspect_err(|error| service.0.count_unauthenticated(error))
    }
}

/// A distribution point or a child site: both may read content, by the route that leads to them.
#[derive(Debug, Clone)]
pub(crate) struct Member(pub(crate) Destination);

impl FromRequestParts<AgentService> for Member {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, service: &AgentService) -> Result<Self, ServiceError> {
        member(parts, service).await.map(Member).inspect_err(|error| service.0.count_unauthenticated(error))
    }
}

async fn member(parts: &Parts, service: &AgentService) -> Result<Destination, ServiceError> {
    match authenticate(parts, service).await {
        Err(ServiceError::Site(SiteError::AgentUnknown)) => {
            match service.0.site.authenticate_site(credential(parts)?).await? {
                Neighbor::Child(code) => Ok(Destination::Site(code)),
                // The site above is called; it does not call.
                Neighbor::Parent => Err(ServiceError::Site(SiteError::AgentUnknown)),
            }
        }
        known => known.map(|Agent(dp)| Destination::Dp(dp)),
    }
}

async fn authenticate(parts: &Parts, service: &AgentService) -> Result<Agent, ServiceError> {
    // The site has one answer for "never was", "was removed" and "enrolled again elsewhere".
    Ok(Agent(service.0.site.authenticate_agent(credential(parts)?).await?))
}

/// What the caller shows of itself, not proven yet.
pub(crate) fn credential(parts: &Parts) -> Result<AgentCredential<'_>, ServiceError> {
    let peer = peer(parts);
    private(peer)?;
    match &peer.certificate {
        Some(certificate) => Ok(AgentCredential::CertificateFingerprint(&certificate.fingerprint)),
        None if peer.secure => Err(ServiceError::CertificateRequired),
        None => Ok(AgentCredential::Secret(bearer(parts).ok_or(ServiceError::SecretRequired)?)),
    }
}

/// The caller, as the listener knows it.
pub(crate) fn peer(parts: &Parts) -> &Peer {
    parts.extensions.get().expect("net::Listener puts the peer into every request")
}

/// Secrets cross TLS or this machine only.
pub(crate) fn private(peer: &Peer) -> Result<(), ServiceError> {
    match peer.secure || peer.is_loopback() {
        true => Ok(()),
        false => Err(ServiceError::PlainNotLoopback),
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    const SCHEME: &str = "bearer ";
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let scheme = value.get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| value[SCHEME.len()..].trim())
}
