//! Content goes by the route to whoever asks: in its windows, at its rate, the urgent first.

use std::sync::Arc;
use std::time::Duration;

use agent::PACKAGE_HEADER;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures_util::{Stream, TryStreamExt};
use jiff::Timestamp;
use net::pace::{Gate, Terms, paced};
use site::{Destination, PRIORITY_LOWEST, Passage, Site};
use tokio::sync::watch;

use crate::AgentService;
use crate::error::ServiceError;
use crate::path::{PackageId, shown};

/// When to ask again where no window is known to open.
const NEVER_OPEN_RETRY_S: u64 = 3600;
const BITS_PER_BYTE: u64 = 8;

/// A request that may be answered with content now.
pub(crate) struct Admitted {
    gate: RouteGate,
    to: Destination,
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
        Passage::Open { .. } => {
            let gate = RouteGate { site: site.clone(), to: to.clone(), priority, changed };
            Ok(Admitted { gate, to })
        }
    }
}

impl Admitted {
    /// The answer's body.
    pub(crate) fn body(
        self,
        service: &AgentService,
        bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Body, ServiceError> {
        let is_site = matches!(self.to, Destination::Site(_));
        let link = service.0.pacer.link(self.to).ok_or(ServiceError::Busy)?;
        let priority = self.gate.priority;
        let stats = Arc::clone(&service.0.stats);
        let paced = paced(bytes, link, priority, self.gate);
        Ok(Body::from_stream(paced.inspect_ok(move |piece| {
            let bytes = piece.len() as u64;
            stats.content_bytes.add(bytes);
            if is_site {
                stats.child_site_content_bytes.add(bytes);
            }
        })))
    }
}

fn package(headers: &HeaderMap) -> Result<Option<PackageId>, ServiceError> {
    let Some(value) = headers.get(PACKAGE_HEADER) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ServiceError::BadPackageId(shown(&format!("{value:?}"))))?;
    text.parse().map(Some)
}

fn closed(opens_at: Option<Timestamp>, now: Timestamp, priority: u8) -> ServiceError {
    let wait = opens_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    // Rounded up: who comes earlier comes in vain.
    let retry_after_s = wait.map_or(NEVER_OPEN_RETRY_S, |wait| wait.as_secs() + 1);
    ServiceError::WindowClosed { opens_at, retry_after_s, priority }
}

/// What the route says to one body under way.
struct RouteGate {
    site: Site,
    to: Destination,
    priority: u8,
    changed: watch::Receiver<()>,
}

impl Gate for RouteGate {
    fn terms(&mut self) -> Option<Terms> {
        self.changed.mark_unchanged();
        match self.site.passage(&self.to, self.priority) {
            Passage::Open { rate_bits_per_s, until } => Some(Terms {
                bytes_per_s: rate_bits_per_s.map(|bits| (bits / BITS_PER_BYTE).max(1)),
                holds_for: Duration::try_from(until.duration_since(self.site.clock().now()))
                    .unwrap_or_default(),
            }),
            Passage::Closed { .. } => None,
        }
    }

    async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The site is gone; nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}
