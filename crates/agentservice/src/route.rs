//! `GET /agent/v1/packages/{id}/versions/{version}/route`: where a version's bytes are now.

use agent::Route;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use crate::AgentService;
use crate::auth::Member;
use crate::error::ServiceError;
use crate::path::{self, PackageId};

/// Any enrolled agent may ask for any package: what it should hold is decided by the site, not by secrecy.
pub(crate) async fn route(
    State(service): State<AgentService>,
    _: Member,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Route>, ServiceError> {
    let Path((package_id, version)) = path.map_err(|e| ServiceError::BadPackageId(e.body_text()))?;
    let package_id: PackageId = package_id.parse()?;
    let version = path::version(&version)?;
    Ok(Json(service.0.site.route(package_id.as_str(), version).await?))
}
