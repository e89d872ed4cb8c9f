//! `GET /agent/v1/desired`: what a distribution point should hold, and the wait for a change of it.

use std::hash::Hash;
use std::time::Duration;

use agent::{DesiredReply, WAIT_S_MAX};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use net::Shutdown;

use crate::AgentService;
use crate::at_once::{AtOnce, Place};
use crate::auth::Agent;
use crate::error::ServiceError;
use crate::request::{Asked, bad_query};
use crate::stats::AgentServiceStats;

/// Waiting requests of one agent: the one that it waits on, and one whose connection it lost unnoticed.
const WAITS_PER_AGENT_MAX: usize = 2;

pub(crate) async fn desired(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    Extension(shutdown): Extension<Shutdown>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<DesiredReply>, ServiceError> {
    let Query(Asked { after, wait }) = asked.map_err(bad_query)?;
    let shared = &service.0;
    let wait = Duration::from_secs(wait.min(WAIT_S_MAX));
    let told = async || Ok(Json(shared.site.desired(dp, after).await?));
    if wait.is_zero() {
        return told().await;
    }
    let waiting = match shared.waits.begin(dp, &shared.stats) {
        Ok(waiting) => waiting,
        // Whoever may not wait hears news all the same.
        Err(refused) => {
            return told().await.and_then(|reply| if reply.is_news() { Ok(reply) } else { Err(refused) });
        }
    };
    let reply = tokio::select! {
        reply = shared.site.wait_for_change(dp, after, wait) => Json(reply?),
        // Answered early, so that the server's stop need not cut it.
        () = shutdown.requested() => told().await?,
    };
    waiting.done();
    Ok(reply)
}

/// How many requests wait, for each agent or child site that has any.
#[derive(Debug)]
pub(crate) struct Waits<K>(AtOnce<K>);

impl<K> Default for Waits<K> {
    fn default() -> Self {
        Self(AtOnce::default())
    }
}

impl<K: Eq + Hash + Clone> Waits<K> {
    pub(crate) fn begin<'w>(
        &'w self,
        who: K,
        stats: &'w AgentServiceStats,
    ) -> Result<Waiting<'w, K>, ServiceError> {
        let place = self.0.begin(who, WAITS_PER_AGENT_MAX);
        let place = place.ok_or(ServiceError::TooManyWaits(WAITS_PER_AGENT_MAX))?;
        stats.waits.inc();
        Ok(Waiting { _place: place, stats, abandoned: true })
    }
}

/// One request that waits; dropped when its agent goes away, too.
#[derive(Debug)]
pub(crate) struct Waiting<'w, K: Eq + Hash> {
    _place: Place<'w, K>,
    stats: &'w AgentServiceStats,
    abandoned: bool,
}

impl<K: Eq + Hash> Waiting<'_, K> {
    pub(crate) fn done(mut self) {
        self.abandoned = false;
    }
}

impl<K: Eq + Hash> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        if self.abandoned {
            self.stats.waits_abandoned.inc();
        }
    }
}
