//! What a member asks from time to time to stay one: its next certificate, and whose signatures to believe.

use agent::trust::KeysReply;
use agent::{RenewReply, RenewRequest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;

use crate::AgentService;
use crate::auth::{Member, credential};
use crate::error::ServiceError;
use crate::{enrol, request};

/// `POST /agent/v1/renew`: over TLS, by the certificate that is to be followed.
pub(crate) async fn renew(
    State(service): State<AgentService>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RenewReply>, ServiceError> {
    let shared = &service.0;
    let credential = credential(&parts)?;
    let request: RenewRequest = request::json(body)?;
    // Signing costs as much as for an enrolment.
    let _turns = enrol::turn(shared).await?;
    let sign = |csr: &str, name: &str| shared.ca.sign_agent(csr, name).map_err(|e| e.to_string());
    let reply = shared.site.renew(credential, &request, &sign).await?;
    shared.stats.renewed.inc();
    Ok(Json(reply))
}

/// `GET /agent/v1/keys`.
pub(crate) async fn keys(
    State(service): State<AgentService>,
    _: Member,
) -> Result<Json<KeysReply>, ServiceError> {
    Ok(Json(service.0.site.keys().await?))
}
