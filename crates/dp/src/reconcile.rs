//! Listening to the site: what it wants now, and everything from time to time, so that a lost message
//! costs time and never correctness.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent::DesiredReply;
use net::NetError;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::fault::{SITE_UNREACHABLE, asked_wait};
use crate::orphans;
use membership::backoff::{SITE_WAIT_MAX, jittered};

/// How often the whole list is asked for.
const FULL_INTERVAL: Duration = Duration::from_secs(600);

/// A site that answers sooner with nothing new, as one without any package does, is not asked again sooner.
const HASTE: Duration = Duration::from_secs(1);

/// Keeps the desired state current until `stop`.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let (mut failures, mut full_at) = (0, None);
    let mut listing = Listing::default();
    // 0 lists everything: at the start, and whenever the interval is over.
    let mut after = 0;
    loop {
        let asked_at = context.clock.monotonic();
        let asked = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.list_anew.notified(), if after > 0 => {
                after = 0;
                continue;
            }
            asked = context.site.desired(after) => asked,
        };
        let wait = match asked {
            Ok(reply) => {
                connected(&context, &mut failures);
                let (now, at) = (context.clock.monotonic(), context.clock.now());
                let is_first = after == 0;
                if is_first {
                    full_at = Some(now);
                }
                let is_full_due = full_at.is_none_or(|at| now.saturating_sub(at) >= FULL_INTERVAL);
                // What the whole list repeats, on any of its pages, says nothing new about what was told before.
                let is_news = listing.is_news(is_first);
                // A site that was restored from a backup counts from an earlier number.
                let went_back = reply.revision < after;
                after = if (is_full_due || went_back) && !reply.more { 0 } else { reply.revision };
                let is_empty = reply.packages.is_empty() && reply.pullers.is_none();
                let is_hasty = is_empty && now.saturating_sub(asked_at) < HASTE;
                let is_last = !reply.more;
                listing.take(&context, is_first, &reply);
                context
                    .remember(move |state| {
                        if is_news {
                            state.resume(&reply);
                        }
                        state.apply(&reply, at);
                    })
                    .await;
                if let Some(wanted) = listing.complete(is_last) {
                    orphans::reconcile(&context, wanted).await;
                }
                if is_hasty { HASTE } else { Duration::ZERO }
            }
            Err(error) => {
                failures += 1;
                failed(&context, failures, &error);
                jittered(failures, SITE_WAIT_MAX).max(asked_wait(&error))
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.clock.sleep(wait) => {}
        }
    }
}

/// A full list on its way in, page by page.
#[derive(Debug, Default)]
struct Listing(Option<BTreeSet<String>>);

impl Listing {
    /// Whether a reply tells what changed, and is no page of a list.
    fn is_news(&self, is_first: bool) -> bool {
        !is_first && self.0.is_none()
    }

    /// Takes a reply: what concerns the distribution point itself at once, packages as part of a list.
    fn take(&mut self, context: &Context, is_first: bool, reply: &DesiredReply) {
        context.set_maintenance(reply.maintenance);
        if let Some(pullers) = &reply.pullers {
            context.relay.lend_to(pullers.clone());
        } else if is_first {
            context.relay.lend_to(Vec::new());
        }
        if is_first {
            self.0 = Some(BTreeSet::new());
        }
        if let Some(wanted) = &mut self.0 {
            wanted.extend(reply.packages.iter().map(|package| package.package_id.clone()));
            wanted.extend(reply.untold.iter().cloned());
        }
    }

    /// The list, once its last page is in.
    fn complete(&mut self, is_last: bool) -> Option<BTreeSet<String>> {
        if is_last { self.0.take() } else { None }
    }
}

fn connected(context: &Context, failures: &mut u32) {
    if *failures > 0 {
        tracing::info!("The site answers again");
        context.state.is_over(SITE_UNREACHABLE);
    }
    *failures = 0;
    context.metrics.site_connected.set(1);
}

fn failed(context: &Context, failures: u32, error: &NetError) {
    context.metrics.site_connected.set(0);
    tracing::warn!(%error, failures, "Cannot ask the site what it wants; serving what is here");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_page_of_a_full_list_is_news() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::for_test(folder.path(), "http://127.0.0.1:9", clock::SystemClock::shared());
        let mut listing = Listing::default();
        // Whether a page is the first, whether others follow, and whether it is news.
        for (is_first, more, expect) in [
            (true, true, false),
            (false, true, false),
            (false, false, false),
            (false, false, true),
            (true, false, false),
        ] {
            assert_eq!(listing.is_news(is_first), expect, "{is_first} {more}");
            listing.take(&context, is_first, &DesiredReply::default());
            listing.complete(!more);
        }
    }
}
