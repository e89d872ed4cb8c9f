//! A child site joins, and vouches for the key of the site that it joined.

use agent::join::{JoinReply, JoinRequest};
use agent::trust::Endorsement;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::auth::Child;
use crate::enrol::{admit, certificate_needed, count, turn};
use crate::error::ServiceError;
use crate::{AgentService, request};

/// `POST /agent/v1/site/join`.
pub(crate) async fn join(
    State(service): State<AgentService>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<JoinReply>, ServiceError> {
    let request: JoinRequest = admit(&service, &parts, body)?;
    certificate_needed(&parts, request.csr_pem.as_deref())?;
    let shared = &service.0;
    let _turns = turn(shared).await?;
    let sign = |csr: &str, name: &str| shared.ca.sign_agent(csr, name).map_err(|e| e.to_string());
    let result = shared.site.join_child(&request, &sign).await;
    count(shared, &parts, &request.site_code, result).map(Json)
}

/// `POST /agent/v1/site/endorse`: the child's word for this site's key, for others to see. The same again changes nothing.
pub(crate) async fn endorse(
    State(service): State<AgentService>,
    Child(child): Child,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ServiceError> {
    let endorsement: Endorsement = request::json(body)?;
    service.0.site.take_endorsement(&child, &endorsement).await?;
    Ok(StatusCode::NO_CONTENT)
}
