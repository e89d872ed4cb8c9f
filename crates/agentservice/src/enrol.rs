//! Joining the site: the authority that a new agent may ask for, and the trade of a token for an identity.

use agent::{Announcement, CaReply, EnrolReply, EnrolRequest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use site::SiteError;
use tokio::sync::SemaphorePermit;

use crate::auth::{Agent, peer, private};
use crate::error::ServiceError;
use crate::request;
use crate::{AgentService, Shared};

/// `GET /agent/v1/ca`: open to everybody, because an authority's certificate is no secret. The caller must
/// compare its fingerprint with the token's.
pub(crate) async fn authority(State(service): State<AgentService>, parts: Parts) -> Json<CaReply> {
    let ca_pem = peer(&parts).secure.then(|| service.0.ca.certificate_pem().to_owned());
    Json(CaReply { ca_pem })
}

/// `POST /agent/v1/enrol`.
pub(crate) async fn enrol(
    State(service): State<AgentService>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<EnrolReply>, ServiceError> {
    let request: EnrolRequest = admit(&service, &parts, body)?;
    certificate_needed(&parts, request.csr_pem.as_deref())?;
    let shared = &service.0;
    let _turns = turn(shared).await?;
    let sign = |csr: &str, name: &str| shared.ca.sign_agent(csr, name).map_err(|e| e.to_string());
    let result = shared.site.enrol(&request, &sign).await;
    count(shared, &parts, &request.name, result).map(Json)
}

/// `POST /agent/v1/announce`.
pub(crate) async fn announce(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ServiceError> {
    let announcement: Announcement = request::json(body)?;
    service.0.site.announce(dp, &announcement).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The request of whoever comes with a token, unless too many wrong ones came from there.
pub(crate) fn admit<T: DeserializeOwned>(
    service: &AgentService,
    parts: &Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, ServiceError> {
    let peer = peer(parts);
    private(peer)?;
    service.0.attempts.check(peer.addr.ip())?;
    request::json(body)
}

pub(crate) fn certificate_needed(parts: &Parts, csr_pem: Option<&str>) -> Result<(), ServiceError> {
    match peer(parts).secure && csr_pem.is_none() {
        false => Ok(()),
        true => Err(ServiceError::BadRequest {
            what: "csr_pem",
            reason: "over TLS a certificate is needed, so a request for one must be sent".to_owned(),
        }),
    }
}

/// Waits for a turn to sign, in a queue that has an end.
pub(crate) async fn turn(
    shared: &Shared,
) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), ServiceError> {
    let place = shared.enrolments_waiting.try_acquire().map_err(|_| ServiceError::Busy)?;
    let turn = shared.enrolments.acquire().await.map_err(|_| ServiceError::Busy)?;
    Ok((place, turn))
}

/// Counts and logs how a trade of a token ended.
pub(crate) fn count<T>(
    shared: &Shared,
    parts: &Parts,
    name: &str,
    result: Result<T, SiteError>,
) -> Result<T, ServiceError> {
    let name = crate::path::shown(name);
    match result {
        Ok(reply) => {
            shared.stats.enrolled.inc();
            tracing::info!(name, "Enrolled");
            Ok(reply)
        }
        Err(error) => {
            shared.stats.enrol_refused.inc();
            if guessed(&error) {
                shared.attempts.failed(peer(parts).addr.ip());
            }
            tracing::warn!(name, code = error.code(), "Refused an enrolment");
            Err(error.into())
        }
    }
}

/// Whether the refusal may be somebody trying tokens; a full disk is not.
fn guessed(error: &SiteError) -> bool {
    matches!(
        error,
        SiteError::EnrolTokenUnknown { .. }
            | SiteError::EnrolTokenUsed { .. }
            | SiteError::EnrolTokenExpired { .. }
            | SiteError::CertificateRefused { .. }
    )
}
