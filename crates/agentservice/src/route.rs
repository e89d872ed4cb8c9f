//! `GET /agent/v1/packages/{id}/versions/{version}/route`: where a version's bytes are now.

use agent::{Route, Sources};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use net::Peer;
use site::{Destination, Neighbor, SiteError};

use crate::AgentService;
use crate::auth::{Agent, Member};
use crate::error::ServiceError;
use crate::pace;
use crate::path::{self, PackageId};

/// For a distribution point that shall hold the package, and for a child site with one below it.
pub(crate) async fn route(
    State(service): State<AgentService>,
    Member(to): Member,
    Extension(peer): Extension<Peer>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Route>, ServiceError> {
    let Path((package_id, version)) = path.map_err(|e| ServiceError::BadPackageId(e.body_text()))?;
    let package_id: PackageId = package_id.parse()?;
    let version = path::version(&version)?;
    let (site, id) = (&service.0.site, package_id.as_str());
    let dp = match to {
        Destination::Dp(dp) => dp,
        Destination::Site(code) => {
            let route = site.route_for_child(&Neighbor::Child(code.clone()), id, version).await;
            return match route {
                Err(error @ SiteError::VersionNotFound { .. }) => {
                    let to = Destination::Site(code);
                    Err(pace::not_here(&service, &to, id, error.into()).await)
                }
                route => Ok(Json(route?)),
            };
        }
    };
    // Every transfer begins here, so that none begins, whatever the agent believes.
    if site.is_in_maintenance(dp).await? {
        return Err(ServiceError::Maintenance);
    }
    Ok(Json(site.route_for_dp(dp, id, version, peer.secure).await?))
}

/// `GET /agent/v1/sources`: whom the agent fetches from, for what it fetches in the name of others.
pub(crate) async fn sources(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Sources>, ServiceError> {
    Ok(Json(service.0.site.pull_sources(dp, peer.secure).await?))
}
