//! Telling the site what happened, in order, until it knows.

use std::sync::Arc;
use std::time::Duration;

use agent::{FACTS_MAX, Facts};
use net::Refusal;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::fault::asked_wait;
use membership::backoff::{SITE_WAIT_MAX, jittered};

/// Statuses that say: these facts will never be taken.
const HOPELESS: [u16; 3] = [400, 413, 422];
/// The code of a refusal for what happened on the way, whatever its status: a body that did not come whole.
const BROKEN_OFF: &str = "body_incomplete";

/// Time that a stop grants to the post that is under way or still to be tried. What it does not deliver
/// waits on the disk.
const LAST_POST: Duration = Duration::from_secs(5);

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Posted {
    /// There was nothing to post.
    Nothing,
    Delivered,
    /// The site will never take this batch as it is.
    Refused {
        /// Facts in it, more than one.
        facts: usize,
    },
}

/// Posts facts until `stop`; the last ones get one try after it.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut failures = 0;
    let mut facts_max = FACTS_MAX;
    loop {
        let overdue = async {
            stop.cancelled().await;
            context.clock.sleep(LAST_POST).await;
        };
        let posted = tokio::select! {
            posted = post(&context, facts_max) => posted,
            () = overdue => return,
        };
        context.metrics.facts_waiting.set(i64::try_from(context.state.facts_count()).unwrap_or(i64::MAX));
        if stop.is_cancelled() {
            return;
        }
        match posted {
            Ok(Posted::Delivered) => (failures, facts_max) = (0, (facts_max * 2).min(FACTS_MAX)),
            // Somewhere among these is what it does not take; the others are to arrive.
            Ok(Posted::Refused { facts }) => (failures, facts_max) = (0, (facts / 2).max(1)),
            Ok(Posted::Nothing) => {
                failures = 0;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = context.state.facts.notified() => {}
                }
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "Cannot report to the site; the facts wait");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = context.clock.sleep(jittered(failures, SITE_WAIT_MAX).max(asked_wait(&error))) => {}
                }
            }
        }
    }
}

/// Posts one batch of at most `facts_max`.
async fn post(context: &Context, facts_max: usize) -> Result<Posted, net::NetError> {
    let batch = context.state.batch(facts_max);
    if batch.facts.is_empty() {
        return Ok(Posted::Nothing);
    }
    let facts = Facts { facts: batch.facts.clone() };
    match context.site.report(&facts).await {
        Ok(()) => {}
        Err(error) if error.refusal().is_some_and(is_hopeless) => {
            if facts.facts.len() > 1 {
                tracing::warn!(%error, facts = facts.facts.len(), "The site does not take these facts; halving");
                return Ok(Posted::Refused { facts: facts.facts.len() });
            }
            tracing::error!(%error, fact = ?facts.facts[0], "The site does not take this fact; dropped it");
        }
        Err(error) => return Err(error),
    }
    context.remember(move |state| state.delivered(&batch)).await;
    Ok(Posted::Delivered)
}

fn is_hopeless(refusal: &Refusal) -> bool {
    HOPELESS.contains(&refusal.status) && refusal.code != BROKEN_OFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::Event;

    #[test]
    fn a_body_that_broke_off_on_its_way_is_sent_again() {
        for (status, code, expect) in [
            (400, "bad_request", true),
            (400, BROKEN_OFF, false),
            (413, "too_many_facts", true),
            (503, "busy", false),
        ] {
            let (code, message) = (code.to_owned(), String::new());
            let refusal = Refusal { status, code, message, until: None, retry_after: None };
            assert_eq!(is_hopeless(&refusal), expect, "{refusal:?}");
        }
    }

    #[tokio::test]
    async fn a_site_that_never_answers_holds_up_a_stop_for_its_limit_only() {
        let folder = tempfile::tempdir().unwrap();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let clock = clock::ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let context = Context::for_test(folder.path(), &url, clock.clone());
        context.state.push(context.fact("PS100001", 1, Event::Removed));
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        let connection = silent.accept().await.unwrap();
        stop.cancel();
        let mut looks = 0;
        while !running.is_finished() {
            looks += 1;
            assert!(looks < 10_000, "the stop waits for an answer that never comes");
            clock.advance(LAST_POST);
            tokio::task::yield_now().await;
        }
        drop(connection);
        assert_eq!(context.state.facts_count(), 1, "the fact waits for the next start");
    }
}
