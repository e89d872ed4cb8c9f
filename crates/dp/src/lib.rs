//! The distribution point: makes true what its site wants, and serves it.
//!
//! Five loops share one `Context`: `reconcile` learns what the site wants, `schedule` runs a job
//! for each package that is not there yet, `report` tells the site what happened, `import` takes in what is handed
//! over as a file, and the content listener serves what is held, site or no site. The crate knows the agent API and not the site behind it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::token::EnrolToken;
use agent::{EnrolReply, EnrolRequest, Goal};
use clock::SharedClock;
use content::holder::Holder;
use content::prestage::Inbox;
use membership::{Identity, Joining, Membership};
use net::{Limits, Listener, ListenerOptions};
use tokio_util::sync::CancellationToken;

mod announce;
mod context;
mod error;
mod fault;
mod import;
mod job;
mod metrics;
mod orphans;
mod pace;
mod reconcile;
mod relay;
mod report;
mod schedule;
mod serve;
mod site;
mod state;
mod upstream;

pub use error::DpError;
pub use import::{ImportError, import_stopped};

use context::{Context, Parts, blocking};
use site::Site;
use state::State;

/// Downloads at once on one HTTP/2 connection; anyone may open many connections.
const STREAMS: u32 = 16;
/// How often unused content is swept.
const COLLECT_INTERVAL: Duration = Duration::from_secs(3600);
/// How often gauges are read.
const GAUGE_INTERVAL: Duration = Duration::from_secs(15);

/// How a distribution point runs.
#[derive(Debug, Clone)]
pub struct DpOptions {
    /// The data folder; made if missing.
    pub data_dir: PathBuf,
    /// The site's address; may be left out once enrolled.
    pub site_url: Option<String>,
    /// Whether one that is enrolled already follows its site to that address. One that was found in the environment may
    /// be meant for something else.
    pub moves: bool,
    /// The one-time token. The same one again is no second enrolment, so that one command line serves every start; a new
    /// one enrols anew.
    pub token: Option<EnrolToken>,
    /// The distribution point's own name, as given when the token was made.
    pub name: String,
    /// Where to serve content; port 0 picks a free port.
    pub listen: SocketAddr,
    /// The address that clients use, where it is not the bound one: behind a name or a proxy. None where it is; by the
    /// distribution point's name where every address of the machine is bound.
    pub content_url: Option<String>,
    /// Bytes kept for lending to other distribution points, [`RELAY_CACHE_BYTES`] unless told otherwise.
    pub relay_cache_bytes: u64,
}

/// What is kept for lending: the changed parts of several large packages.
pub const RELAY_CACHE_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// A distribution point that is enrolled and bound, ready to run.
#[derive(Debug)]
pub struct Dp {
    context: Arc<Context>,
    listener: Listener,
    identity: Identity,
    /// Where clients find the content.
    content_url: String,
    /// Where prestaged files are handed over.
    inbox: Inbox,
    /// The wait before the first sweep: files of a version that must be pulled again have no user yet.
    first_sweep: Duration,
}

impl Dp {
    /// Binds the listener, opens the data folder and enrols if needed. The site must be reachable for an
    /// enrolment only.
    pub async fn start(options: DpOptions, clock: SharedClock) -> Result<Self, DpError> {
        let DpOptions { data_dir, site_url, moves, token, name, listen, content_url, relay_cache_bytes } =
            options;
        let listening = ListenerOptions {
            addr: listen,
            tls: None,
            limits: Limits { streams: STREAMS, ..Limits::default() },
        };
        let mut listener = Listener::bind(listening, Arc::clone(&clock)).await?;
        let inbox = Inbox::of(&data_dir);
        let Opened { holder, state, is_whole, saved } = open(data_dir.clone(), Arc::clone(&clock)).await?;
        let name = saved.as_ref().map_or(name, |saved| saved.name.clone());
        let content_url = announce::content_url(content_url, &listener, &name);
        let token = token
            .filter(|token| saved.as_ref().is_none_or(|saved| saved.is_ended_by(&token.to_string(), &clock)));
        let identity = match (saved, token) {
            (saved, Some(token)) => {
                let known = saved.as_ref().map(|saved| saved.site_url.clone());
                let site_url = site_url.or(known).ok_or(DpError::NotEnrolled)?;
                match (enrol(&site_url, &token, &name, &content_url, &clock).await, saved) {
                    (Ok(identity), _) => {
                        identity.save(&data_dir)?;
                        tracing::info!(site = %identity.site_code, name = %identity.name, "Enrolled");
                        identity
                    }
                    (Err(error), Some(saved)) => {
                        tracing::error!(%error, "Cannot enrol with the new token; serving on as before");
                        saved
                    }
                    (Err(error), None) => return Err(error),
                }
            }
            (Some(saved), None) => moved(saved, site_url, moves, &data_dir)?,
            (None, None) => return Err(DpError::NotEnrolled),
        };
        let membership = Membership::new(data_dir.clone(), identity.clone(), Arc::clone(&clock))?;
        if let Some(tls) = membership.server_tls()? {
            listener = listener.with_tls(tls.or_plain());
        }
        let (site, name) = (Site::new(membership), identity.name.clone());
        let making = tokio::task::spawn_blocking(move || {
            let (data_dir, name) = (data_dir.as_path(), name.as_str());
            Context::new(Parts { data_dir, name, holder, state, site, relay_cache_bytes, clock })
        });
        let context = making.await.map_err(|e| DpError::Interrupted(e.to_string()))??;
        let first_sweep = if is_whole { Duration::ZERO } else { COLLECT_INTERVAL };
        Ok(Self { context: Arc::new(context), listener, identity, content_url, inbox, first_sweep })
    }

    /// Where content is served.
    #[must_use]
    pub fn url(&self) -> String {
        self.listener.url()
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// The site that this distribution point belongs to.
    #[must_use]
    pub fn site_code(&self) -> &str {
        &self.identity.site_code
    }

    /// Serves and follows the site until `stop`; then ends requests and transfers in order.
    pub async fn run(self, stop: CancellationToken) {
        let Self { context, listener, content_url, inbox, first_sweep, .. } = self;
        let damaged = Arc::new(tokio::sync::Notify::new());
        let content = serve::Content {
            holder: context.holder.clone(),
            metrics: Arc::clone(&context.metrics),
            budget: context.serving.clone(),
            damaged: Arc::clone(&damaged),
            relay: Arc::clone(&context.relay),
        };
        tokio::join!(
            listener.serve(serve::router(content), stop.clone()),
            announce::run(Arc::clone(&context), content_url, stop.clone()),
            reconcile::run(Arc::clone(&context), stop.clone()),
            schedule::run(Arc::clone(&context), stop.clone()),
            report::run(Arc::clone(&context), stop.clone()),
            import::run(Arc::clone(&context), inbox, stop.clone()),
            pass_on(Arc::clone(&context), damaged, stop.clone()),
            sweep(Arc::clone(&context), first_sweep, stop.clone()),
            keep_fresh(Arc::clone(&context), stop.clone()),
            gauge(context, stop),
        );
    }
}

/// What a data folder has.
struct Opened {
    holder: Holder,
    state: State,
    /// Whether everything that the agent remembers as held is held.
    is_whole: bool,
    saved: Option<Identity>,
}

async fn open(data_dir: PathBuf, clock: SharedClock) -> Result<Opened, DpError> {
    let opening = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&data_dir).map_err(DpError::file("making the data folder"))?;
        let holder = Holder::open(&data_dir, clock)?;
        let state = State::open(&data_dir.join("state.redb"));
        let is_whole = believe_the_disk(&holder, &state)?;
        Ok(Opened { holder, state, is_whole, saved: Identity::load(&data_dir)? })
    });
    opening.await.map_err(|e| DpError::Interrupted(e.to_string()))?
}

/// What the agent remembers as done may be gone: the index was rebuilt, or `versions/` was lost. Such a
/// demand is open again, because the site will not repeat it. Gives whether all was there.
fn believe_the_disk(holder: &Holder, state: &State) -> Result<bool, DpError> {
    let mut served = HashMap::new();
    for held in holder.versions()?.into_iter().filter(|held| held.current) {
        served.insert(held.package, (held.version, held.manifest.to_string()));
    }
    let is_whole = state.unsettle(|desired| match &desired.goal {
        Goal::Hold { version, manifest, .. } => {
            let found = served.get(&desired.package_id.to_ascii_uppercase());
            let is_met = found.is_some_and(|(held, id)| held == version && id == manifest);
            if !is_met {
                tracing::warn!(package = %desired.package_id, version, "A version is gone; pulling it again");
            }
            is_met
        }
        Goal::Absent => true,
    });
    Ok(is_whole)
}

/// An enrolled agent follows its site to a new address.
fn moved(
    mut saved: Identity,
    site_url: Option<String>,
    moves: bool,
    data_dir: &std::path::Path,
) -> Result<Identity, DpError> {
    let Some(site_url) = site_url else { return Ok(saved) };
    let known = saved.site_url.clone();
    if saved.moved_to(&site_url)? {
        if !moves {
            tracing::warn!(
                from = known, to = %saved.site_url,
                "HAULIER_SITE is another address than the one it enrolled at, and is passed over; --site moves it"
            );
            saved.site_url = known;
            return Ok(saved);
        }
        tracing::info!(to = %saved.site_url, "The site has another address now");
        saved.save(data_dir)?;
    }
    Ok(saved)
}

/// Trades a one-time token for an identity.
async fn enrol(
    site_url: &str,
    token: &EnrolToken,
    name: &str,
    content_url: &str,
    clock: &SharedClock,
) -> Result<Identity, DpError> {
    let joining = Joining { site_url, token, name, call: "/enrol" };
    let request = |csr_pem| EnrolRequest {
        token: token.to_string(),
        name: name.to_owned(),
        content_url: content_url.to_owned(),
        csr_pem,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (identity, _): (_, EnrolReply) = membership::join(joining, request, clock).await?;
    Ok(identity)
}

async fn keep_fresh(context: Arc<Context>, stop: CancellationToken) {
    context.site.membership().keep_fresh(stop).await;
}

/// A damaged file that the listener met is work for the schedule.
async fn pass_on(context: Arc<Context>, damaged: Arc<tokio::sync::Notify>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = damaged.notified() => context.state.work.notify_one(),
        }
    }
}

async fn sweep(context: Arc<Context>, first: Duration, stop: CancellationToken) {
    let mut wait = first;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.clock.sleep(wait) => {}
        }
        let holder = context.holder.clone();
        if let Err(error) = blocking(move || holder.collect()).await {
            tracing::warn!(%error, "Cannot sweep unused content");
        }
        wait = COLLECT_INTERVAL;
    }
}

async fn gauge(context: Arc<Context>, stop: CancellationToken) {
    loop {
        context.metrics.packages.set(i64::try_from(context.state.rows_count()).unwrap_or(i64::MAX));
        context.metrics.cached_bytes.set(i64::try_from(context.relay.cached_bytes()).unwrap_or(i64::MAX));
        if let Ok(free) = context.holder.free_bytes() {
            context.metrics.free_bytes.set(i64::try_from(free).unwrap_or(i64::MAX));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.clock.sleep(GAUGE_INTERVAL) => {}
        }
    }
}
