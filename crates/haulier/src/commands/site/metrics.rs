//! `/metrics` of a site: what its listeners, its front end for distribution points and the site itself count, as OpenMetrics.

use std::sync::Arc;

use agentservice::AgentServiceStats;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use net::ListenerStats;
use site::Site;
use sitelink::SiteLinkStats;

/// The form that Prometheus and OpenMetrics read.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a running site counts.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) site: Site,
    /// By name.
    pub(super) listeners: Vec<(&'static str, Arc<ListenerStats>)>,
    pub(super) agents: Arc<AgentServiceStats>,
    /// The links to other sites.
    pub(super) links: Arc<SiteLinkStats>,
}

impl Metrics {
    pub(super) async fn answer(&self) -> Response {
        match self.site.metrics_text().await {
            Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.counters() + &text).into_response(),
            Err(error) => {
                tracing::error!(%error, "metrics");
                (StatusCode::SERVICE_UNAVAILABLE, "the site cannot be counted now; its log says why\n")
                    .into_response()
            }
        }
    }

    fn counters(&self) -> String {
        let listeners = self.listeners.iter();
        let counters = listeners.flat_map(|(part, stats)| stats.all().into_iter().map(|one| (*part, one)));
        let counters = counters.chain(self.agents.all().into_iter().map(|counter| ("agents", counter)));
        let counters = counters.chain(self.links.all().into_iter().map(|counter| ("links", counter)));
        let mut text = counters.fold(String::new(), |mut text, (part, (name, value))| {
            let name = format!("haulier_site_{part}_{name}");
            text.push_str(&format!("# TYPE {name} counter\n{name}_total {value}\n"));
            text
        });
        let name = "haulier_site_sent_bytes";
        let help = "Bytes of content sent, by the kind of who they went to";
        text.push_str(&format!("# HELP {name} {help}.\n# TYPE {name} counter\n# UNIT {name} bytes\n"));
        for (to, sent) in [
            ("distribution_point", self.agents.dp_content_bytes()),
            ("child_site", self.agents.child_site_content_bytes()),
            ("parent_site", self.links.sent_bytes()),
        ] {
            text.push_str(&format!("{name}_total{{to=\"{to}\"}} {sent}\n"));
        }
        text
    }
}
