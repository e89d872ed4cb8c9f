//! `haulier site run`: wires the floors together into a running site.

use std::net::SocketAddr;
use std::sync::Arc;

use agentservice::AgentService;
use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use cimxml::CimXml;
use clock::SystemClock;
use futures_util::future;
use net::ca::SiteCa;
use net::{Listener, ListenerOptions, ServerTls};
use provider::Provider;
use signin::SignIn;
use site::{Site, SiteOptions};
use sitelink::SiteLink;
use tokio_util::sync::CancellationToken;
use wsman::WsMan;

use super::kerberos::taking_tickets;
use super::metrics::Metrics;
use super::{load_ca, site_options};
use crate::args::SiteRun;
use crate::config::{self, SiteConfig};
use crate::fetch::HttpPacks;
use crate::output;
use crate::process::shutdown_on_signal;

/// Where a site listens when nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8530";

/// A bound listener, the name of its counters, and what answers there.
struct Bound {
    listener: Listener,
    name: &'static str,
    router: Router,
}

/// What front ends are made of.
struct Floors {
    site: Site,
    provider: Provider,
    sign_in: SignIn,
    /// One for all listeners: what a client begins at one goes on at the others, and limits are those of the site.
    wsman: WsMan,
    cimxml: CimXml,
}

/// Runs the site until SIGTERM.
pub(super) async fn run(args: &SiteRun) -> Result<()> {
    let config: SiteConfig = config::load(&args.data)?;
    let packs = HttpPacks::new().context("cannot set up the client that fetches driver packs")?;
    let options = SiteOptions { pack_fetcher: Some(Arc::new(packs)), ..site_options(&args.data, &config)? };
    let site = Site::open(&options, SystemClock::shared()).await?;
    let ca = load_ca(&args.data)?;
    let link = SiteLink::new(site.clone(), super::hierarchy::parent(&args.data, args.parent.as_deref())?);
    let (bound, provider) = bind(args, &config, &site, ca, &link).await?;
    let shutdown = CancellationToken::new();
    shutdown_on_signal(&shutdown)?;
    output::line(format_args!("listening on {}", bound[0].listener.url()));

    let workers = tokio::spawn({
        let (site, shutdown) = (site.clone(), shutdown.clone());
        async move {
            let ended = Box::pin(site.run_workers(shutdown.clone())).await;
            // A site whose workers cannot work must not look alive.
            shutdown.cancel();
            ended
        }
    });
    let links = tokio::spawn(link.run(shutdown.clone()));
    let served = bound.into_iter().map(|bound| bound.listener.serve(bound.router, shutdown.clone()));
    future::join_all(served).await;
    shutdown.cancel();
    provider.changes().finish(&SystemClock).await;
    workers.await.context("the site's workers ended badly")??;
    links.await.context("the site's links ended badly")?;
    site.close().await;
    Ok(())
}

/// Everything that the site listens on: first the one listener that answers all of it, then those of single protocols, at
/// the ports where clients of the original look.
async fn bind(
    args: &SiteRun,
    config: &SiteConfig,
    site: &Site,
    ca: SiteCa,
    link: &SiteLink,
) -> Result<(Vec<Bound>, Provider)> {
    let fallback = || DEFAULT_LISTEN.parse().expect("a valid constant");
    let main = args.listen.or(config.listen).unwrap_or_else(fallback);
    let own = config.listeners.or(&args.listeners);
    let single: Vec<Single> = [
        (own.wsman, "wsman", false, Floors::wsman as fn(&Floors) -> Router),
        (own.wsman_tls, "wsman_tls", true, Floors::wsman),
        (own.cimxml, "cimxml", false, Floors::cimxml),
        (own.cimxml_tls, "cimxml_tls", true, Floors::cimxml),
    ]
    .into_iter()
    .filter_map(|(addr, name, secure, router)| Some(Single { addr: addr?, name, secure, router }))
    .collect();
    let addresses: Vec<SocketAddr> =
        std::iter::once(main).chain(single.iter().map(|single| single.addr)).collect();
    let names = server_names(&addresses, config, site);
    let tls = |secure: bool| secure.then(|| ca.issue_server(&names)).transpose();
    let listen = async |addr: SocketAddr, tls: Option<ServerTls>| -> Result<Listener> {
        let options = ListenerOptions { addr, tls, limits: config.limits.listener() };
        Ok(Listener::bind(options, SystemClock::shared()).await?)
    };
    let floors = Floors::new(site, taking_tickets(SignIn::new(site.clone()), config)?);
    let listener = listen(main, tls(!main.ip().is_loopback())?).await?;
    let mut bound = Vec::new();
    for Single { addr, name, secure, router } in single {
        // Clients of these protocols sign connections in.
        let own = listen(addr, tls(secure)?.map(ServerTls::http1_only)).await?;
        let listener = own.together_with(&listener);
        tracing::info!(protocol = name, url = listener.url(), "listening");
        bound.push(Bound { listener, name, router: router(&floors) });
    }
    let agents = AgentService::new(site.clone(), ca.clone(), SystemClock::shared());
    let mut listeners = vec![("listener", listener.stats())];
    listeners.extend(bound.iter().map(|bound| (bound.name, bound.listener.stats())));
    let metrics = Metrics { site: site.clone(), listeners, agents: agents.stats(), links: link.stats() };
    let router = floors.everything(&agents, metrics);
    bound.insert(0, Bound { listener, name: "listener", router });
    Ok((bound, floors.provider))
}

/// A listener of one protocol, not bound yet.
struct Single {
    addr: SocketAddr,
    name: &'static str,
    secure: bool,
    router: fn(&Floors) -> Router,
}

impl Floors {
    fn new(site: &Site, sign_in: SignIn) -> Self {
        let provider = Provider::new(site.clone());
        let wsman = WsMan::new(provider.clone(), sign_in.clone(), SystemClock::shared());
        let cimxml = CimXml::new(provider.clone(), sign_in.clone(), SystemClock::shared());
        Self { site: site.clone(), provider, sign_in, wsman, cimxml }
    }

    fn everything(&self, agents: &AgentService, metrics: Metrics) -> Router {
        let rest = adminservice::router(self.provider.clone(), self.sign_in.clone(), SystemClock::shared());
        let drivers = driverservice::router(self.site.clone(), self.sign_in.clone());
        let router = Router::new().merge(rest).merge(drivers).merge(self.wsman()).merge(self.cimxml.router());
        router
            .merge(agents.router())
            .route("/healthz", get(async || "ok\n"))
            .route("/metrics", get(async move || metrics.answer().await))
    }

    fn wsman(&self) -> Router {
        self.wsman.router()
    }

    fn cimxml(&self) -> Router {
        self.cimxml.listener_router()
    }
}

/// The names that the server certificate is for: what the administrator lists, and what the machine knows.
fn server_names(addresses: &[SocketAddr], config: &SiteConfig, site: &Site) -> Vec<String> {
    let mut names = config.names.clone();
    names.push(site.identity().server_name.clone());
    // The administrator's own commands run on this machine.
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let own = addresses.iter().filter(|addr| !addr.ip().is_unspecified());
    names.extend(own.map(|addr| addr.ip().to_string()));
    names.sort();
    names.dedup();
    names
}
