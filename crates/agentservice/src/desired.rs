//! `GET /agent/v1/desired`: what a distribution point should hold, and the wait for a change of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use agent::{DesiredReply, WAIT_S_MAX};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use net::Shutdown;
use site::DpId;

use crate::AgentService;
use crate::auth::Agent;
use crate::error::ServiceError;
use crate::stats::AgentServiceStats;

/// Waiting requests of one agent: the one that it waits on, and one whose connection it lost unnoticed.
const WAITS_PER_AGENT_MAX: usize = 2;

/// `after`: the revision that the agent has, 0 for none. `wait`: how many seconds it is willing to wait.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    wait: u64,
}

pub(crate) async fn desired(
    State(service): State<AgentService>,
    Agent(dp): Agent,
    Extension(shutdown): Extension<Shutdown>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<DesiredReply>, ServiceError> {
    let Query(Asked { after, wait }) =
        asked.map_err(|e| ServiceError::BadRequest { what: "the query", reason: e.body_text() })?;
    let shared = &service.0;
    let wait = Duration::from_secs(wait.min(WAIT_S_MAX));
    let reply = shared.site.desired(dp, after).await?;
    if !reply.packages.is_empty() || wait.is_zero() {
        return Ok(Json(reply));
    }
    let waiting = shared.waits.begin(dp, &shared.stats)?;
    let changed = tokio::select! {
        changed = shared.site.wait_for_change(dp, after, wait) => changed?,
        // Answered early, so that the server's stop need not cut it.
        () = shutdown.requested() => false,
    };
    waiting.done();
    match changed {
        true => Ok(Json(shared.site.desired(dp, after).await?)),
        false => Ok(Json(reply)),
    }
}

/// How many requests wait, for each agent that has any.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<HashMap<DpId, usize>>);

impl Waits {
    fn begin<'w>(&'w self, dp: DpId, stats: &'w AgentServiceStats) -> Result<Waiting<'w>, ServiceError> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waits.entry(dp).or_default();
        if *count >= WAITS_PER_AGENT_MAX {
            return Err(ServiceError::TooManyWaits(WAITS_PER_AGENT_MAX));
        }
        *count += 1;
        stats.waits.inc();
        Ok(Waiting { waits: self, dp, stats, abandoned: true })
    }
}

/// One request that waits; dropped when its agent goes away, too.
#[derive(Debug)]
struct Waiting<'w> {
    waits: &'w Waits,
    dp: DpId,
    stats: &'w AgentServiceStats,
    abandoned: bool,
}

impl Waiting<'_> {
    fn done(mut self) {
        self.abandoned = false;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.abandoned {
            self.stats.waits_abandoned.inc();
        }
        let mut waits = self.waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waits.get_mut(&self.dp) {
            *count -= 1;
            if *count == 0 {
                waits.remove(&self.dp);
            }
        }
    }
}
