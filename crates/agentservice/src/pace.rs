//! Content goes by the route to whoever asks: in its windows, at its rate, the urgent first.

use std::sync::Arc;
use std::time::Duration;

use agent::PACKAGE_HEADER;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures_util::{Stream, TryStreamExt};
use jiff::Timestamp;
use net::pace::{Following, Terms, paced};
use site::{Destination, Neighbor, OnItsWay, PRIORITY_LOWEST, Passage};
use tokio::sync::watch;

use crate::AgentService;
use crate::error::ServiceError;
use crate::path::{PackageId, shown};

/// When to ask again where no window is known to open.
const NEVER_OPEN_RETRY_S: u64 = 3600;

/// When to ask again what waits for the window of another site: this one is not told at once when it opens it.
const OF_ANOTHER_RETRY_S_MAX: u64 = 60;

/// A request that may be answered with content now.
pub(crate) struct Admitted {
    to: Destination,
    priority: u8,
    changed: watch::Receiver<()>,
}

/// Lets a request for content pass, or tells when to come again.
///
/// The package that the caller names counts with the priority that this site gives it, and only if the caller should hold it:
/// nobody opens a window by what it says.
pub(crate) async fn admit(
    service: &AgentService,
    to: Destination,
    headers: &HeaderMap,
) -> Result<Admitted, ServiceError> {
    let site = &service.0.site;
    let package = package(headers)?;
    let changed = site.route_changes();
    // Without a route nothing depends on the priority. If one is set meanwhile, the caller asks again.
    let priority = match site.route_to(&to) {
        None => PRIORITY_LOWEST,
        Some(_) => site.priority_towards(&to, package.as_ref().map(PackageId::as_str)).await?,
    };
    match site.passage(&to, priority) {
        Passage::Closed { opens_at } => Err(closed(opens_at, site.clock().now(), priority)),
        Passage::Open { .. } => Ok(Admitted { to, priority, changed }),
    }
}

/// Why a child site gets nothing of a version that is not here: this site may wait for it itself.
pub(crate) async fn not_here(
    service: &AgentService,
    to: &Destination,
    package_id: &str,
    error: ServiceError,
) -> ServiceError {
    let Destination::Site(code) = to else { return error };
    let site = &service.0.site;
    match site.content_on_its_way(&Neighbor::Child(code.clone()), package_id).await {
        Ok(None) => error,
        Ok(Some(OnItsWay::Coming)) => ServiceError::OnItsWay,
        Ok(Some(OnItsWay::Paused { reason, until })) => {
            let retry_after_s = retry_after_s(until, site.clock().now()).min(OF_ANOTHER_RETRY_S_MAX);
            ServiceError::WaitsItself { reason, until, retry_after_s }
        }
        Err(error) => error.into(),
    }
}

impl Admitted {
    /// The answer's body.
    pub(crate) fn body(
        self,
        service: &AgentService,
        bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Body, ServiceError> {
        let Self { to, priority, changed } = self;
        let is_site = matches!(to, Destination::Site(_));
        let link = service.0.pacer.link(to.clone()).ok_or(ServiceError::Busy)?;
        let (stats, site) = (Arc::clone(&service.0.stats), service.0.site.clone());
        let terms = move || {
            let terms = site.passage(&to, priority).terms(site.clock().now());
            terms.map(|(bytes_per_s, holds_for)| Terms { bytes_per_s, holds_for })
        };
        let paced = paced(bytes, link, priority, Following::new(changed, terms));
        Ok(Body::from_stream(paced.inspect_ok(move |piece| {
            let sent = if is_site { &stats.child_site_content_bytes } else { &stats.dp_content_bytes };
            sent.add(piece.len() as u64);
        })))
    }
}

pub(crate) fn package(headers: &HeaderMap) -> Result<Option<PackageId>, ServiceError> {
    let Some(value) = headers.get(PACKAGE_HEADER) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ServiceError::BadPackageId(shown(&format!("{value:?}"))))?;
    text.parse().map(Some)
}

fn closed(opens_at: Option<Timestamp>, now: Timestamp, priority: u8) -> ServiceError {
    ServiceError::WindowClosed { opens_at, retry_after_s: retry_after_s(opens_at, now), priority }
}

/// Rounded up: who comes earlier comes in vain.
fn retry_after_s(opens_at: Option<Timestamp>, now: Timestamp) -> u64 {
    let wait = opens_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    wait.map_or(NEVER_OPEN_RETRY_S, |wait| wait.as_secs() + 1)
}
