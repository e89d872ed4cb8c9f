//! Where clients and other distribution points find this one, and telling the site at each start: the port, the name and the
//! program may be others than when it enrolled.

use std::sync::Arc;

use agent::Announcement;
use membership::backoff::{SITE_WAIT_MAX, jittered};
use net::Listener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// The address that others use: what the administrator says, or the bound one, by the distribution point's name where every
/// address of the machine is bound.
pub(crate) fn content_url(said: Option<String>, listener: &Listener, name: &str) -> String {
    let bound = listener.local_addr();
    match said {
        Some(said) => said,
        None if bound.ip().is_unspecified() && !name.is_empty() => format!("http://{name}:{}", bound.port()),
        None => listener.url(),
    }
}

/// Tells the site until it knows.
pub(crate) async fn run(context: Arc<Context>, content_url: String, stop: CancellationToken) {
    let announcement = Announcement { content_url, agent_version: env!("CARGO_PKG_VERSION").to_owned() };
    for failures in 1.. {
        let error = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            told = context.site.announce(&announcement) => match told {
                Ok(()) => return,
                Err(error) => error,
            }
        };
        if error.refusal().is_some_and(|refusal| refusal.status == 404) {
            tracing::debug!("The site is older than announcements");
            return;
        }
        tracing::debug!(%error, "Cannot tell the site where content is served");
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.clock.sleep(jittered(failures, SITE_WAIT_MAX)) => {}
        }
    }
}
