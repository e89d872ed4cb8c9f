//! The routes in memory: asked about at each request for content and each piece of a long answer, which must not wait for
//! the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sea_query::{Expr, ExprTrait, JoinType, Query};
use tokio::sync::watch;

use super::{Destination, PRIORITY_LOWEST, Passage, Route, RouteInfo, RouteSettings};
use crate::distribution::pull;
use crate::error::Result;
use crate::hierarchy::Neighbor;
use crate::hierarchy::topology::Topology;
use crate::server::Site;

/// What is known of the routes, and who hears of changes.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    known: RwLock<Known>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default, PartialEq)]
struct Known {
    /// How often routes had changed when they were read.
    changes: i64,
    routes: HashMap<Destination, Arc<Route>>,
}

impl Site {
    /// Whether a package of this priority may go there now.
    #[must_use]
    pub fn passage(&self, to: &Destination, priority: u8) -> Passage {
        let route = self.route_to(to);
        route.unwrap_or_else(|| Arc::new(self.free_route())).now(self.now(), priority)
    }

    /// Hears when a route changes. Subscribe first, then ask for the passage.
    #[must_use]
    pub fn route_changes(&self) -> watch::Receiver<()> {
        self.routes().changed.subscribe()
    }

    /// The priority with which the package counts for the destination: 1 high, 2 medium, 3 low. What is not meant for a
    /// distribution point or for one that fetches from it, or for any that lies towards a site, counts as low, whatever it is
    /// asked for as.
    pub async fn priority_towards(&self, to: &Destination, package_id: Option<&str>) -> Result<u8> {
        let Some(package_id) = package_id else { return Ok(PRIORITY_LOWEST) };
        let mut tx = self.db().read().await?;
        let mut select = Query::select();
        select
            .distinct()
            .columns([("p", "priority"), ("x", "site_code")])
            .from_as("package", "p")
            .join_as(JoinType::InnerJoin, "distribution", "d", same(("d", "package_id"), ("p", "package_id")))
            .join_as(JoinType::InnerJoin, "dp", "x", same(("x", "id"), ("d", "dp_id")))
            .and_where(Expr::col(("p", "package_id")).eq(package_id))
            .and_where(Expr::col(("d", "absent")).eq(0i64))
            .and_where(Expr::col(("d", "cancelled")).eq(0i64));
        let of_dps =
            |dps: Vec<i64>| select.clone().and_where(Expr::col(("d", "dp_id")).is_in(dps)).to_owned();
        let rows = match to {
            Destination::Site(_) => tx.all(&select).await?,
            Destination::Dp(dp) => {
                let mut rows = tx.all(&of_dps(vec![dp.0])).await?;
                if rows.is_empty() {
                    let pullers = pull::fetching_from(&mut tx, *dp).await?;
                    rows = tx.all(&of_dps(pullers.into_iter().map(|dp| dp.0).collect())).await?;
                }
                rows
            }
        };
        let neighbor = match to {
            Destination::Dp(_) => None,
            Destination::Site(code) => {
                let topology = Topology::load(&mut tx, self).await?;
                let neighbor =
                    topology.neighbors().into_iter().find(|n| topology.code_of(n) == Some(code.as_str()));
                // Nothing is meant for a site that is no neighbor.
                let Some(neighbor) = neighbor else { return Ok(PRIORITY_LOWEST) };
                Some((topology, neighbor))
            }
        };
        tx.commit().await?;
        for row in rows {
            let dp_site: String = row.get("site_code")?;
            let lies_there =
                |(topology, neighbor): &(Topology, Neighbor)| topology.lies_towards(&dp_site, neighbor);
            if neighbor.as_ref().is_none_or(lies_there) {
                return row.unsigned("priority");
            }
        }
        Ok(PRIORITY_LOWEST)
    }

    /// The route, where one is set that limits something.
    #[must_use]
    pub fn route_to(&self, to: &Destination) -> Option<Arc<Route>> {
        let known = self.routes().known.read().unwrap_or_else(PoisonError::into_inner);
        known.routes.get(to).filter(|route| !route.is_free()).cloned()
    }

    /// Reads the routes if they changed since; whoever sends hears of it.
    pub(crate) async fn follow_routes(&self) -> Result<()> {
        let seen = self.routes().known.read().unwrap_or_else(PoisonError::into_inner).changes;
        if self.route_changes_stored().await? != seen {
            self.read_routes().await?;
        }
        Ok(())
    }

    /// Reads the routes.
    pub(crate) async fn read_routes(&self) -> Result<()> {
        let (changes, stored) = self.stored_routes().await?;
        let routes = stored.into_iter().map(|info| self.followed(info)).collect();
        let mut known = self.routes().known.write().unwrap_or_else(PoisonError::into_inner);
        // A slow reader must not put back what a later one found.
        if changes >= known.changes {
            *known = Known { changes, routes };
        }
        drop(known);
        self.routes().changed.send_replace(());
        Ok(())
    }

    fn followed(&self, info: RouteInfo) -> (Destination, Arc<Route>) {
        let RouteInfo { destination, settings } = info;
        let route = Route::new(&settings, self.time_zone()).unwrap_or_else(|error| {
            // This machine knows fewer zones than the one where it was set.
            tracing::error!(%error, ?destination, "A route is followed in the site's time zone");
            let settings = RouteSettings { time_zone: None, ..settings };
            Route::new(&settings, self.time_zone()).unwrap_or_else(|_| self.free_route())
        });
        (destination, Arc::new(route))
    }

    fn free_route(&self) -> Route {
        Route::new(&RouteSettings::default(), self.time_zone())
            .expect("the default names no zone and no rate")
    }
}

fn same(one: (&'static str, &'static str), other: (&'static str, &'static str)) -> Expr {
    Expr::col(one).equals(other)
}
