//! `POST /agent/v1/facts`: what happened at a distribution point.

use agent::{FACTS_MAX, Facts};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;

use crate::AgentService;
use crate::auth::Agent;
use crate::error::ServiceError;
use crate::path::PackageId;
use crate::request;

/// Answers 204 when all facts are durable. An agent that got no answer sends the same facts again.
pub(crate) async fn facts(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ServiceError> {
    let Facts { mut facts } = request::json(body)?;
    if facts.len() > FACTS_MAX {
        return Err(ServiceError::TooManyFacts { count: facts.len() });
    }
    for fact in &mut facts {
        fact.package_id = fact.package_id.parse::<PackageId>()?.to_string();
    }
    service.0.site.record_facts(dp, &facts).await?;
    service.0.stats.facts.add(facts.len() as u64);
    Ok(StatusCode::NO_CONTENT)
}
