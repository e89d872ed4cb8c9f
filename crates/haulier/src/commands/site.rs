//! `haulier site`: makes a site, and wires the floors together into a running one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agentservice::{AgentService, AgentServiceStats};
use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use clock::SystemClock;
use net::ca::SiteCa;
use net::{Listener, ListenerOptions, ListenerStats};
use provider::Provider;
use serde_json::json;
use signin::SignIn;
use site::{Site, SiteOptions};
use tokio_util::sync::CancellationToken;

use crate::args::{SiteCommand, SiteInit, SiteRun};
use crate::config::{self, SiteConfig};
use crate::fetch::HttpPacks;
use crate::output::{self, Format};
use crate::process::{keep_private, shutdown_on_signal};

/// Where a site listens when nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8530";
/// The site CA's folder in the data folder.
const CA_FOLDER: &str = "ca";
/// The length of a made password, in random bytes; written as hex.
const PASSWORD_BYTES: usize = 12;

/// Does what the command line says.
pub(crate) async fn run(command: &SiteCommand, format: Format) -> Result<()> {
    match command {
        SiteCommand::Init(args) => init(args, format).await,
        SiteCommand::Run(args) => serve(args).await,
        SiteCommand::Ca { data } => {
            output::line(load_ca(data)?.certificate_pem().trim_end());
            Ok(())
        }
    }
}

async fn init(args: &SiteInit, format: Format) -> Result<()> {
    keep_private();
    std::fs::create_dir_all(&args.data).with_context(|| format!("cannot create {}", args.data.display()))?;
    let mut config: SiteConfig = config::load(&args.data)?;
    if args.database.is_some() {
        config.database = args.database.clone();
    }
    let given = args.password_file.as_deref().map(read_password).transpose()?;
    let password = match &given {
        Some(password) => password.clone(),
        None => made_password()?,
    };
    let options = SiteOptions {
        site_code: args.site_code.clone(),
        site_name: args.site_name.clone(),
        ..site_options(&args.data, &config)
    };
    // The database comes last: what it holds is what makes the folder a site.
    config::save(&args.data, &config)?;
    let authority = args.data.join(CA_FOLDER);
    let had_authority = SiteCa::exists(&authority);
    if !had_authority {
        SiteCa::create(&authority, &args.site_code, SystemClock::shared())?;
    }
    if let Err(error) = Site::init(&options, &password, SystemClock::shared()).await {
        if !had_authority {
            std::fs::remove_dir_all(&authority).context("cannot take back the certificate authority")?;
        }
        return Err(error.into());
    }
    // Only a password that nobody knows yet is shown.
    let shown = given.is_none().then_some(password);
    match format {
        Format::Json => {
            output::json(&json!({ "site_code": args.site_code, "user": "admin", "password": shown }))
        }
        Format::Text => {
            output::line(format_args!("Site {} is ready in {}.", args.site_code, args.data.display()));
            if let Some(password) = shown {
                output::line(format_args!("First administrator: admin, password {password}"));
            }
            output::line(format_args!("Start it with: haulier site run --data {}", args.data.display()));
        }
    }
    Ok(())
}

/// The first line of a password file.
pub(crate) fn read_password(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let password = text.lines().next().unwrap_or_default();
    anyhow::ensure!(
        !password.is_empty(),
        "the first line of {} is empty; it should be the password",
        file.display()
    );
    Ok(password.to_owned())
}

fn made_password() -> Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(hex::encode(bytes))
}

fn site_options(data: &Path, config: &SiteConfig) -> SiteOptions {
    SiteOptions {
        data_dir: data.to_owned(),
        database_url: config.database.clone(),
        shares: config.shares.clone(),
        trust_roots: config.trust.roots.clone(),
        failed_message_state: config.compatibility.failed_message_state,
        ..SiteOptions::default()
    }
}

/// Opens a site in its data folder, for commands that work beside a running one.
pub(crate) async fn open_site(data: &Path) -> Result<Site> {
    let config = config::load(data)?;
    Ok(Site::open(&site_options(data, &config), SystemClock::shared()).await?)
}

/// The site's own certificate authority.
pub(crate) fn load_ca(data: &Path) -> Result<SiteCa> {
    Ok(SiteCa::load(&data.join(CA_FOLDER), SystemClock::shared())?)
}

async fn serve(args: &SiteRun) -> Result<()> {
    let config: SiteConfig = config::load(&args.data)?;
    let packs = HttpPacks::new().context("cannot set up the client that fetches driver packs")?;
    let options = SiteOptions { pack_fetcher: Some(Arc::new(packs)), ..site_options(&args.data, &config) };
    let site = Site::open(&options, SystemClock::shared()).await?;
    let ca = load_ca(&args.data)?;
    let addr =
        args.listen.or(config.listen).unwrap_or_else(|| DEFAULT_LISTEN.parse().expect("a valid constant"));
    let tls = if addr.ip().is_loopback() {
        None
    } else {
        Some(ca.issue_server(&server_names(addr, &config, &site))?)
    };
    let listener = Listener::bind(
        ListenerOptions { addr, tls, limits: config.limits.listener() },
        SystemClock::shared(),
    )
    .await?;
    let router = router(&site, ca, &listener);
    let shutdown = CancellationToken::new();
    shutdown_on_signal(&shutdown)?;
    output::line(format_args!("listening on {}", listener.url()));

    let workers = tokio::spawn({
        let (site, shutdown) = (site.clone(), shutdown.clone());
        async move {
            let ended = Box::pin(site.run_workers(shutdown.clone())).await;
            // A site whose workers cannot work must not look alive.
            shutdown.cancel();
            ended
        }
    });
    listener.serve(router, shutdown.clone()).await;
    shutdown.cancel();
    workers.await.context("the site's workers ended badly")??;
    site.close().await;
    Ok(())
}

/// Everything that a site answers, on its one listener.
fn router(site: &Site, ca: SiteCa, listener: &Listener) -> Router {
    let agents = AgentService::new(site.clone(), ca, SystemClock::shared());
    let metrics = Metrics { listener: listener.stats(), agents: agents.stats() };
    let (provider, sign_in) = (Provider::new(site.clone()), SignIn::new(site.clone()));
    Router::new()
        .merge(adminservice::router(provider, sign_in.clone(), SystemClock::shared()))
        .merge(driverservice::router(site.clone(), sign_in))
        .merge(agents.router())
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(async move || metrics.render()))
}

/// What a running site counts, in the form that Prometheus reads.
#[derive(Clone)]
struct Metrics {
    listener: Arc<ListenerStats>,
    agents: Arc<AgentServiceStats>,
}

impl Metrics {
    fn render(&self) -> String {
        let counters = self.listener.all().into_iter().map(|counter| ("listener", counter));
        let counters = counters.chain(self.agents.all().into_iter().map(|counter| ("agents", counter)));
        counters.fold(String::new(), |mut text, (part, (name, value))| {
            let name = format!("haulier_site_{part}_{name}_total");
            text.push_str(&format!("# TYPE {name} counter\n{name} {value}\n"));
            text
        })
    }
}

/// The names that the server certificate is for: what the administrator lists, and what the machine knows.
fn server_names(addr: SocketAddr, config: &SiteConfig, site: &Site) -> Vec<String> {
    let mut names = config.names.clone();
    names.push(site.identity().server_name.clone());
    // The administrator's own commands run on this machine.
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if !addr.ip().is_unspecified() {
        names.push(addr.ip().to_string());
    }
    names.sort();
    names.dedup();
    names
}
