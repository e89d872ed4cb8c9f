//! Routes in the database: made, changed and taken away by administrators.

use sea_query::{Expr, ExprTrait, Query};

use super::{Destination, Route, RouteSettings};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx, counter};
use crate::distribution::DpId;
use crate::distribution::demand::{at, tell_waiting};
use crate::distribution::point::{self, name_key};
use crate::distribution::pull;
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::server::Site;
use crate::status::{self, Message};

/// As audit messages name it.
const CLASS: &str = "Haulier_Route";
/// Routes to sites; a site has far fewer children.
const SITE_ROUTES_MAX: i64 = 10_000;
const COLUMNS: [&str; 6] = ["destination", "dp_id", "site_code", "hours", "rate", "time_zone"];

/// What an administrator calls the destination of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// A distribution point, by its name.
    DistributionPoint(String),
    /// A child site, by its code. The route may be made before the site joins.
    Site(String),
}

/// A route as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// Where it leads.
    pub destination: Destination,
    /// What holds for it.
    pub settings: RouteSettings,
}

impl Site {
    /// What is said about a route; the default, which limits nothing, where nothing is.
    ///
    /// Errors: [`SiteError::DpNotFound`], [`SiteError::InvalidField`] for what is no site code.
    pub async fn route_settings(&self, target: &RouteTarget) -> Result<RouteSettings> {
        let mut tx = self.db().read().await?;
        let place = self.route_place(&mut tx, target).await?;
        let select = Query::select().columns(COLUMNS).from("route").and_where(by_key(&place.key)).to_owned();
        let row = tx.optional(&select).await?;
        tx.commit().await?;
        row.map_or_else(|| Ok(RouteSettings::default()), |row| Ok(RouteInfo::read(&row)?.settings))
    }

    /// Whether somebody may change routes at all, before what they say of one is looked at.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::AllScopesNeeded`].
    pub fn require_may_route(&self, actor: &Actor) -> Result<()> {
        actor.may(Action::ManageDps)
    }

    /// Says when and how fast content goes to a destination. Transfers follow at once: what runs slows down or ends, and
    /// what waits for a window that is open now goes on.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::DpNotFound`], [`SiteError::Conflict`] for a distribution point of
    /// another site, [`SiteError::InvalidField`].
    pub async fn set_route(
        &self,
        actor: &Actor,
        target: &RouteTarget,
        settings: &RouteSettings,
    ) -> Result<()> {
        actor.may(Action::ManageDps)?;
        Route::new(settings, self.time_zone())?;
        let mut tx = self.db().write().await?;
        let place = self.route_place(&mut tx, target).await?;
        delete(&mut tx, &place).await?;
        insert(&mut tx, &place, settings).await?;
        let written = ["Hours", "Rate", "TimeZone"];
        self.end_route_change(tx, &place, Message::changed(actor, CLASS, &place.name, &written)).await
    }

    /// Takes every limit away. Errors: as [`Site::set_route`]; a route that is not there is no error.
    pub async fn clear_route(&self, actor: &Actor, target: &RouteTarget) -> Result<()> {
        actor.may(Action::ManageDps)?;
        let mut tx = self.db().write().await?;
        let place = self.route_place(&mut tx, target).await?;
        match delete(&mut tx, &place).await? {
            0 => Ok(()),
            _ => self.end_route_change(tx, &place, Message::deleted(actor, CLASS, &place.name)).await,
        }
    }

    /// Ends a change: audited, durable, and known to whom it concerns.
    async fn end_route_change(&self, mut tx: Tx, place: &Place, message: Message) -> Result<()> {
        let message = match place.destination {
            Destination::Dp(_) => message.at_dp(&place.name),
            Destination::Site(_) => message,
        };
        status::add(&mut tx, self.now(), message).await?;
        counter::next(&mut tx, "route").await?;
        let touched = match place.destination {
            Destination::Dp(dp) => {
                let mut touched = Vec::new();
                // What waits for it through others waits for the same window.
                for dp in pull::fetching_from(&mut tx, dp).await?.into_iter().chain([dp]) {
                    if tell_waiting(&mut tx, dp).await? {
                        touched.push(dp);
                    }
                }
                touched
            }
            // Only so that other servers of this site look.
            Destination::Site(_) => {
                counter::next(&mut tx, "revision").await?;
                Vec::new()
            }
        };
        tx.commit().await?;
        if let Err(error) = self.follow_routes().await {
            // It is stored; the watcher reads it again.
            tracing::error!(error = error_chain(&error), "reading routes");
        }
        self.changes().notify(&touched);
        Ok(())
    }

    /// Every route, with how often routes have changed so far.
    pub(super) async fn stored_routes(&self) -> Result<(i64, Vec<RouteInfo>)> {
        let changes = self.route_changes_stored().await?;
        let rows = self.db().all(Query::select().columns(COLUMNS).from("route")).await?;
        Ok((changes, rows.iter().map(RouteInfo::read).collect::<Result<_>>()?))
    }

    /// How often routes have changed so far.
    pub(super) async fn route_changes_stored(&self) -> Result<i64> {
        let select = Query::select()
            .column("value")
            .from("counter")
            .and_where(Expr::col("name").eq("route"))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or_else(|| SiteError::corrupt("counter"))?;
        row.get("value")
    }

    async fn route_place(&self, tx: &mut Tx, target: &RouteTarget) -> Result<Place> {
        match target {
            RouteTarget::DistributionPoint(name) => {
                let instead = |code: &str| {
                    format!(
                        "set its route there, or limit the whole site with a route to it: `haulier site route {code} set`"
                    )
                };
                let (dp, name) = point::own(self, tx, name, instead).await?;
                let destination = Destination::Dp(dp);
                Ok(Place { destination, key: format!("dp:{}", name_key(&name)), name })
            }
            RouteTarget::Site(code) => {
                let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphanumeric());
                let name = code.to_ascii_uppercase();
                if !is_code || name == self.identity().site_code {
                    let reason = "the code of another site is needed, three letters or digits";
                    return Err(SiteError::invalid("Destination", reason));
                }
                let key = format!("site:{name}");
                require_room(tx).await?;
                Ok(Place { destination: Destination::Site(name.clone()), key, name })
            }
        }
    }
}

/// Where a route is stored.
struct Place {
    destination: Destination,
    key: String,
    /// For people.
    name: String,
}

impl RouteInfo {
    fn read(row: &Row) -> Result<Self> {
        let corrupt = |_| SiteError::corrupt("route");
        let destination = match (row.get::<Option<i64>>("dp_id")?, row.get::<Option<String>>("site_code")?) {
            (Some(dp), _) => Destination::Dp(DpId(dp)),
            (None, Some(code)) => Destination::Site(code),
            (None, None) => return Err(SiteError::corrupt("route.destination")),
        };
        let settings = RouteSettings {
            hours: row.get::<String>("hours")?.parse().map_err(corrupt)?,
            rate: row.get::<String>("rate")?.parse().map_err(corrupt)?,
            time_zone: Some(row.get::<String>("time_zone")?).filter(|zone| !zone.is_empty()),
        };
        Ok(Self { destination, settings })
    }
}

async fn require_room(tx: &mut Tx) -> Result<()> {
    let count = Expr::col("destination").count();
    let select = Query::select()
        .expr_as(count, "count")
        .from("route")
        .and_where(Expr::col("site_code").is_not_null())
        .to_owned();
    let stored = tx.optional(&select).await?.map_or(Ok(0), |row| row.get::<i64>("count"))?;
    if stored >= SITE_ROUTES_MAX {
        return Err(SiteError::Busy { what: "there are as many routes to sites as there can be" });
    }
    Ok(())
}

async fn delete(tx: &mut Tx, place: &Place) -> Result<u64> {
    let delete = match place.destination {
        // Its name may have been written otherwise once.
        Destination::Dp(dp) => Query::delete().from_table("route").and_where(at(dp)).to_owned(),
        Destination::Site(_) => Query::delete().from_table("route").and_where(by_key(&place.key)).to_owned(),
    };
    tx.execute(&delete).await
}

async fn insert(tx: &mut Tx, place: &Place, settings: &RouteSettings) -> Result<()> {
    let (dp, code) = match &place.destination {
        Destination::Dp(dp) => (Some(dp.0), None),
        Destination::Site(code) => (None, Some(code.as_str())),
    };
    let kbit = |bits: Option<u64>| i64::try_from(bits.unwrap_or(0) / 1000).unwrap_or(i64::MAX);
    let rate = &settings.rate;
    let fastest = (0..super::HOURS).filter_map(|hour| rate.at(hour)).max();
    let percents = rate.percents().map(|percent| percent.to_string()).join(",");
    let insert = Query::insert()
        .into_table("route")
        .columns(COLUMNS.into_iter().chain(["line_kbit_per_s", "rate_kbit_per_s", "percents"]))
        .values_panic([
            place.key.as_str().into(),
            dp.into(),
            code.into(),
            settings.hours.to_string().into(),
            rate.to_string().into(),
            settings.time_zone.clone().unwrap_or_default().into(),
            kbit(rate.line_bits_per_s()).into(),
            kbit(fastest).into(),
            percents.into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

fn by_key(key: &str) -> Expr {
    Expr::col("destination").eq(key)
}
