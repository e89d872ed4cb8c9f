//! The parent cannot open a connection to its child, so it lists what it wants to read of the child's content, and the
//! child posts it.

use std::collections::HashSet;
use std::sync::Arc;

use agent::link::{SITE_ROOT, WANT_BYTES_MAX, Want, WantKind, WantsReply};
use agent::{ON_ITS_WAY, WAIT_S_MAX, WINDOW_CLOSED};
use bytes::Bytes;
use content::format::ROOT_BYTES_MAX;
use content::{ObjectKey, ObjectKind};
use futures_util::{TryStreamExt, stream};
use jiff::Timestamp;
use membership::Membership;
use net::pace::{Following, Terms, paced};
use net::{Client, NetError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use site::{Destination, Neighbor, OnItsWay, PRIORITY_LOWEST, Passage, Site, SiteError};
use tokio::task::JoinSet;

use crate::{HASTE, LinkError, SiteLink, Step};

/// Wants answered at once. Each holds up to [`WANT_BYTES_MAX`].
const ANSWERS_MAX: usize = 4;
/// The longest sentence of a refusal. It goes into the address, three bytes for one.
const REASON_CHARS_MAX: usize = 512;

/// Answers what the parent wants, the urgent first, until it wants nothing; it keeps the request open meanwhile.
pub(crate) async fn answer(link: &SiteLink, parent: &Membership) -> Result<Step, LinkError> {
    let asked_at = link.clock.monotonic();
    let mut answers: JoinSet<(u64, Result<(), NetError>)> = JoinSet::new();
    let mut under_way = HashSet::new();
    let mut lane: Option<Client> = None;
    let mut step = Step::Idle;
    let mut failed = None;
    loop {
        if failed.is_none() {
            let wait_s = if answers.is_empty() { WAIT_S_MAX } else { 0 };
            let path = format!("{SITE_ROOT}/wants?wait={wait_s}");
            match parent.control().get_json::<WantsReply>(&path).await {
                Ok(reply) => {
                    let fresh = reply.wants.into_iter().filter(|want| !under_way.contains(&want.id));
                    for want in fresh.take(ANSWERS_MAX - answers.len()).collect::<Vec<_>>() {
                        // Content has a connection of its own: rows do not queue behind it.
                        let lane = match &lane {
                            Some(lane) => lane.clone(),
                            None => lane.insert(parent.connect()?).clone(),
                        };
                        step = Step::Again;
                        under_way.insert(want.id);
                        answers.spawn(answer_one(link.clone(), parent.clone(), lane, want));
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        tokio::select! {
            answered = answers.join_next() => match answered {
                Some(Ok((id, result))) => {
                    under_way.remove(&id);
                    // The others end by themselves: what they bring is taken.
                    failed = failed.or(result.err());
                }
                Some(Err(error)) => tracing::error!(%error, "An answer to the parent broke down"),
                None => break,
            },
            () = link.clock.sleep(HASTE), if failed.is_none() && answers.len() < ANSWERS_MAX => {}
        }
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    let is_hasty = link.clock.monotonic().saturating_sub(asked_at) < HASTE;
    Ok(if is_hasty { step } else { Step::Again })
}

async fn answer_one(
    link: SiteLink,
    parent: Membership,
    lane: Client,
    want: Want,
) -> (u64, Result<(), NetError>) {
    let id = want.id;
    let path = format!("{SITE_ROOT}/wants/{id}");
    let posted = match give(&link, &parent, &lane, &path, want).await {
        Ok(posted) => posted,
        Err(Refused { code, until, reason }) => {
            link.stats.wants_refused.inc();
            match code {
                WINDOW_CLOSED | ON_ITS_WAY => tracing::debug!(want = id, code, "The parent has to wait"),
                _ => tracing::warn!(want = id, code, "Cannot give the parent what it wants"),
            }
            let until = until.map(|until| format!("&until={until}")).unwrap_or_default();
            let reason = reason
                .map(|reason| format!("&reason={}", utf8_percent_encode(&reason, NON_ALPHANUMERIC)))
                .unwrap_or_default();
            let path = format!("{path}?refused={code}{until}{reason}");
            parent.control().post_bytes(&path, Vec::new()).await
        }
    };
    match posted {
        // Nobody waits for it any more.
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 404) => (id, Ok(())),
        other => (id, other),
    }
}

/// Why a want is not answered with bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    code: &'static str,
    /// From when on it is worth asking again.
    until: Option<Timestamp>,
    /// Where the code does not say it all.
    reason: Option<String>,
}

impl From<&'static str> for Refused {
    fn from(code: &'static str) -> Self {
        Self { code, until: None, reason: None }
    }
}

/// Sends what is wanted; content by the route to the parent, where one is set here.
async fn give(
    link: &SiteLink,
    parent: &Membership,
    lane: &Client,
    path: &str,
    want: Want,
) -> Result<Result<(), NetError>, Refused> {
    let site = link.site.clone();
    if let WantKind::Route { .. } = want.kind {
        let bytes = read_or_wait(&site, &want).await?;
        return Ok(parent.control().post_bytes(path, bytes).await);
    }
    let changed = site.route_changes();
    let to = Destination::Site(parent.identity().site_code);
    let priority = match site.route_to(&to) {
        None => PRIORITY_LOWEST,
        Some(_) => {
            let priority = site.priority_towards(&to, want.package_id.as_deref()).await;
            priority.map_err(|error| error.code())?
        }
    };
    if let Passage::Closed { opens_at } = site.passage(&to, priority) {
        return Err(Refused { code: WINDOW_CLOSED, until: opens_at, reason: None });
    }
    let bytes = Bytes::from(read_or_wait(&site, &want).await?);
    let terms = move || {
        let terms = site.passage(&to, priority).terms(site.clock().now());
        terms.map(|(bytes_per_s, holds_for)| Terms { bytes_per_s, holds_for })
    };
    let up = link.up.link(()).ok_or("busy")?;
    let body = paced(stream::iter([Ok(bytes)]), up, priority, Following::new(changed, terms));
    let stats = link.stats();
    let counted = body.inspect_ok(move |piece| stats.sent_bytes.add(piece.len() as u64));
    let posted = lane.post_stream(path, counted).await;
    if posted.is_ok() {
        link.stats.wants_answered.inc();
    }
    Ok(posted)
}

/// The bytes of a want. Of a version that is not here this site may wait for it itself; a pack that is not here was
/// rewritten.
async fn read_or_wait(site: &Site, want: &Want) -> Result<Vec<u8>, Refused> {
    let code = match read(site, &want.kind).await {
        Ok(bytes) => return Ok(bytes),
        Err(code) => code,
    };
    let is_missing = match &want.kind {
        WantKind::Route { .. } => code == "version_not_found",
        WantKind::Root { .. } => code == "object_not_found",
        WantKind::Range { .. } => false,
    };
    let Some(package_id) = want.package_id.as_deref().filter(|_| is_missing) else { return Err(code.into()) };
    let waits = site.content_on_its_way(&Neighbor::Parent, package_id).await;
    match waits.map_err(|error| error.code())? {
        None => Err(code.into()),
        Some(OnItsWay::Coming) => Err(ON_ITS_WAY.into()),
        Some(OnItsWay::Paused { reason, until }) => {
            let reason = reason.chars().take(REASON_CHARS_MAX).collect();
            Err(Refused { code: WINDOW_CLOSED, until, reason: Some(reason) })
        }
    }
}

/// The bytes of a want, or the code of why not.
async fn read(site: &Site, kind: &WantKind) -> Result<Vec<u8>, &'static str> {
    match kind {
        WantKind::Route { package_id, version } => {
            let route = site.route(package_id, *version).await.map_err(|error| error.code())?;
            Ok(serde_json::to_vec(&route).expect("a route is plain text"))
        }
        WantKind::Root { manifest } => object(site, ObjectKind::Manifest, manifest, None).await,
        WantKind::Range { pack, from, bytes } => {
            if *bytes == 0 || *bytes > WANT_BYTES_MAX {
                return Err("bad_range");
            }
            let end = from.checked_add(*bytes).ok_or("bad_range")?;
            object(site, ObjectKind::Pack, pack, Some(*from..end)).await
        }
    }
}

async fn object(
    site: &Site,
    kind: ObjectKind,
    id: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, &'static str> {
    let key = ObjectKey::parse(kind, id).ok_or("bad_object_id")?;
    let library = site.library().await.map_err(|error: SiteError| error.code())?;
    let store = Arc::clone(library.store());
    let read = tokio::task::spawn_blocking(move || {
        let size = store.size(key).map_err(|_| "storage_failed")?.ok_or("object_not_found")?;
        let range = range.unwrap_or(0..size.min(ROOT_BYTES_MAX));
        if range.end > size {
            return Err("range_beyond_end");
        }
        store.read(key, range).map_err(|_| "storage_failed")
    });
    read.await.map_err(|_| "internal")?
}
