//! Joining the site: the authority that a new agent may ask for, and the trade of a token for an identity.

use agent::{CaReply, EnrolReply, EnrolRequest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use site::SiteError;

use crate::AgentService;
use crate::auth::{peer, private};
use crate::error::ServiceError;
use crate::request;

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
    let (peer, shared) = (peer(&parts), &service.0);
    let addr = peer.addr.ip();
    private(peer)?;
    shared.attempts.check(addr)?;
    let request: EnrolRequest = request::json(body)?;
    if peer.secure && request.csr_pem.is_none() {
        return Err(ServiceError::BadRequest {
            what: "csr_pem",
            reason: "over TLS an agent needs a certificate, so it must send a request for one".to_owned(),
        });
    }
    let _place = shared.enrolments_waiting.try_acquire().map_err(|_| ServiceError::Busy)?;
    let _turn = shared.enrolments.acquire().await.map_err(|_| ServiceError::Busy)?;
    let sign = |csr: &str, name: &str| shared.ca.sign_agent(csr, name).map_err(|e| e.to_string());
    match shared.site.enrol(&request, &sign).await {
        Ok(reply) => {
            shared.stats.enrolled.inc();
            tracing::info!(dp = request.name, "Enrolled an agent");
            Ok(Json(reply))
        }
        Err(error) => {
            shared.stats.enrol_refused.inc();
            if guessed(&error) {
                shared.attempts.failed(addr);
            }
            tracing::warn!(
                dp = crate::path::shown(&request.name),
                code = error.code(),
                "Refused an enrolment"
            );
            Err(error.into())
        }
    }
}

/// Whether the refusal may be somebody trying tokens; a full disk is not.
fn guessed(error: &SiteError) -> bool {
    matches!(
        error,
        SiteError::EnrolTokenUnknown
            | SiteError::EnrolTokenUsed
            | SiteError::EnrolTokenExpired
            | SiteError::CertificateRefused { .. }
    )
}
