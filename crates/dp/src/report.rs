//! Telling the site what happened, in order, until it knows.

use std::sync::Arc;

use agent::Facts;
use tokio_util::sync::CancellationToken;

use crate::backoff::{SITE_WAIT_MAX, jittered};
use crate::context::Context;

/// Statuses that say: these facts will never be taken.
const HOPELESS: [u16; 3] = [400, 413, 422];

/// Posts facts until `stop`; the last ones get one try after it.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        let posted = post(&context).await;
        context.metrics.facts_waiting.set(i64::try_from(context.state.facts_count()).unwrap_or(i64::MAX));
        if stop.is_cancelled() {
            return;
        }
        match posted {
            Ok(true) => failures = 0,
            Ok(false) => {
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
                    () = context.clock.sleep(jittered(failures, SITE_WAIT_MAX)) => {}
                }
            }
        }
    }
}

/// Posts one batch; `false` if there was none.
async fn post(context: &Context) -> Result<bool, net::NetError> {
    let batch = context.state.batch();
    if batch.facts.is_empty() {
        return Ok(false);
    }
    let facts = Facts { facts: batch.facts.clone() };
    match context.site.report(&facts).await {
        Ok(()) => {}
        Err(error) if error.refusal().is_some_and(|refusal| HOPELESS.contains(&refusal.status)) => {
            tracing::error!(%error, facts = facts.facts.len(), "The site does not take these facts; dropped them");
        }
        Err(error) => return Err(error),
    }
    context.remember(move |state| state.delivered(&batch)).await;
    Ok(true)
}
