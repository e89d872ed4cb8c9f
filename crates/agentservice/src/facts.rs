//! `POST /agent/v1/facts`: what happened at a distribution point.

use agent::{FACTS_MAX, Facts};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;

use crate::AgentService;
use crate::auth::Agent;
use crate::error::ServiceError;
use crate::path::PackageId;
use crate::request;

/// Reports of one agent at once: the one that it posts, and one whose connection it lost unnoticed. Each waits for the
/// database's writer, and whoever posts many would be in the way of everybody else.
const REPORTS_PER_AGENT_MAX: usize = 2;

/// Answers 204 when all facts are durable. An agent that got no answer sends the same facts again.
pub(crate) async fn facts(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    request: Request,
) -> Result<StatusCode, ServiceError> {
    let place = service.0.reports.begin(dp, REPORTS_PER_AGENT_MAX);
    let _place = place.ok_or(ServiceError::TooManyReports(REPORTS_PER_AGENT_MAX))?;
    let Facts { mut facts } = request::json(Bytes::from_request(request, &()).await)?;
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
