//! `GET /agent/v1/packages/{id}/versions/{version}/route`: where a version's bytes are now.

use agent::Route;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use site::{Destination, Neighbor};

use crate::AgentService;
use crate::auth::Member;
use crate::error::ServiceError;
use crate::path::{self, PackageId};

/// For a distribution point that shall hold the package, and for a child site with one below it.
pub(crate) async fn route(
    State(service): State<AgentService>,
    Member(to): Member,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Route>, ServiceError> {
    let Path((package_id, version)) = path.map_err(|e| ServiceError::BadPackageId(e.body_text()))?;
    let package_id: PackageId = package_id.parse()?;
    let version = path::version(&version)?;
    let (site, id) = (&service.0.site, package_id.as_str());
    Ok(Json(match to {
        Destination::Dp(dp) => site.route_for_dp(dp, id, version).await?,
        Destination::Site(code) => site.route_for_child(&Neighbor::Child(code), id, version).await?,
    }))
}
