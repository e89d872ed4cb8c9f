//! The parent cannot open a connection to its child, so it lists what it wants to read of the child's content, and the
//! child posts it.

use std::sync::Arc;

use agent::WAIT_S_MAX;
use agent::link::{SITE_ROOT, WANT_BYTES_MAX, Want, WantKind, WantsReply};
use content::format::ROOT_BYTES_MAX;
use content::{ObjectKey, ObjectKind};
use futures_util::{StreamExt, stream};
use membership::Membership;
use site::{Site, SiteError};

use crate::{LinkError, SiteLink, Step};

/// Wants answered at once. Each holds up to [`WANT_BYTES_MAX`].
const ANSWERS_MAX: usize = 4;

/// Answers everything that the parent wants now; it keeps the request open while it wants nothing.
pub(crate) async fn answer(link: &SiteLink, parent: &Membership) -> Result<Step, LinkError> {
    let asked_at = link.clock.monotonic();
    let reply: WantsReply =
        parent.control().get_json(&format!("{SITE_ROOT}/wants?wait={WAIT_S_MAX}")).await?;
    let wants = reply.wants.len();
    let answers = reply.wants.into_iter().map(|want| answer_one(link, parent, want));
    let mut answered = stream::iter(answers).buffer_unordered(ANSWERS_MAX);
    while let Some(result) = answered.next().await {
        result?;
    }
    let is_hasty = link.clock.monotonic().saturating_sub(asked_at) < crate::HASTE;
    Ok(if wants == 0 && is_hasty { Step::Idle } else { Step::Again })
}

async fn answer_one(link: &SiteLink, parent: &Membership, want: Want) -> Result<(), LinkError> {
    let path = format!("{SITE_ROOT}/wants/{}", want.id);
    let posted = match read(&link.site, &want.kind).await {
        Ok(bytes) => {
            let count = bytes.len() as u64;
            let posted = parent.control().post_bytes(&path, bytes).await;
            if posted.is_ok() {
                link.stats.wants_answered.inc();
                link.stats.sent_bytes.add(count);
            }
            posted
        }
        Err(code) => {
            link.stats.wants_refused.inc();
            tracing::warn!(want = want.id, code, "Cannot give the parent what it wants");
            parent.control().post_bytes(&format!("{path}?refused={code}"), Vec::new()).await
        }
    };
    match posted {
        // Nobody waits for it any more.
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 404) => Ok(()),
        other => Ok(other?),
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
