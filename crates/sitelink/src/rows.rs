//! The child's two loops of rows: what the parent tells, and what it is told.

use std::time::Duration;

use agent::WAIT_S_MAX;
use agent::link::{RecordsPosted, RecordsReply, SITE_ROOT};
use membership::Membership;
use site::Neighbor;

use crate::{LinkError, SiteLink, Step};

/// Hears what changed at the parent; it keeps the request open while there is nothing.
pub(crate) async fn hear(link: &SiteLink, parent: &Membership) -> Result<Step, LinkError> {
    let asked_at = link.clock.monotonic();
    let after = link.site.link_state(&Neighbor::Parent).await?.received;
    let path = format!("{SITE_ROOT}/records?after={after}&wait={WAIT_S_MAX}");
    let reply: RecordsReply = parent.control().get_json(&path).await?;
    link.site.heard(&Neighbor::Parent);
    let is_new = !reply.records.is_empty() || reply.revision != after;
    if is_new {
        link.site.apply_records(&Neighbor::Parent, &reply).await?;
        link.stats.records_heard.add(reply.records.len() as u64);
    }
    let took = link.clock.monotonic().saturating_sub(asked_at);
    if reply.records.is_empty() && !reply.more && took < Duration::from_secs(WAIT_S_MAX) {
        // It says nothing, and before its time: the route to this site changed. A parent that stops does so too.
        link.route_changed.notify_one();
    }
    let is_hasty = took < crate::HASTE;
    Ok(if is_new || !is_hasty { Step::Again } else { Step::Idle })
}

/// Tells the parent what changed here; waits while there is nothing.
pub(crate) async fn tell(link: &SiteLink, parent: &Membership) -> Result<Step, LinkError> {
    let after = link.site.link_state(&Neighbor::Parent).await?.acknowledged;
    let wait = Duration::from_secs(WAIT_S_MAX);
    let page = link.site.wait_for_records(&Neighbor::Parent, after, wait).await?;
    if page.records.is_empty() {
        return Ok(Step::Again);
    }
    let posted: RecordsPosted = parent.control().post_json(&format!("{SITE_ROOT}/records"), &page).await?;
    link.site.records_acknowledged(&Neighbor::Parent, posted.revision).await?;
    if posted.revision < page.revision {
        // The parent has less than it acknowledged: its database was restored. The next page begins there.
        tracing::warn!(
            ours = page.revision,
            theirs = posted.revision,
            "The parent is further back; telling it again"
        );
        return Ok(Step::Idle);
    }
    link.stats.records_told.add(page.records.len() as u64);
    Ok(Step::Again)
}

/// Gives the parent this site's word for the parent's key, for its other neighbors to see. Once a start is enough.
pub(crate) async fn endorse(link: &SiteLink, parent: &Membership) -> Result<Step, LinkError> {
    let code = parent.identity().site_code;
    if let Some(endorsement) = link.site.endorsement_of(&code).await? {
        parent.control().post(&format!("{SITE_ROOT}/endorse"), &endorsement).await?;
    }
    Ok(Step::Done)
}
