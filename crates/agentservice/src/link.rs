//! `/agent/v1/site/...`: what child sites hear, tell, and are asked for.

use std::time::Duration;

use agent::WAIT_S_MAX;
use agent::link::{RECORDS_BYTES_MAX, RECORDS_MAX, RecordsPosted, RecordsReply, WantsReply};
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use futures_util::StreamExt;
use jiff::Timestamp;
use net::Shutdown;
use site::{Neighbor, Site, WantRefusal};

use crate::AgentService;
use crate::auth::Child;
use crate::error::ServiceError;
use crate::path::shown;
use crate::request::{self, Asked, bad_query};

/// The longest code of a refused want.
const CODE_CHARS_MAX: usize = 64;

/// `GET records`: what changed here, as soon as there is something.
pub(crate) async fn hear(
    State(service): State<AgentService>,
    Child(child): Child,
    Extension(shutdown): Extension<Shutdown>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<RecordsReply>, ServiceError> {
    let Query(Asked { after, wait }) = asked.map_err(bad_query)?;
    let (shared, wait) = (&service.0, Duration::from_secs(wait.min(WAIT_S_MAX)));
    let waiting = shared.site_waits.begin(child.clone(), &shared.stats)?;
    let reply = tokio::select! {
        reply = shared.site.wait_for_records(&child, after, wait) => reply?,
        // Answered early, so that the server's stop need not cut it.
        () = shutdown.requested() => shared.site.records_for(&child, after, RECORDS_MAX).await?,
    };
    waiting.done();
    shared.stats.records_told.add(reply.records.len() as u64);
    Ok(Json(reply))
}

/// `POST records`: what changed at the child; answered when it is durable.
pub(crate) async fn tell(
    State(service): State<AgentService>,
    Child(child): Child,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RecordsPosted>, ServiceError> {
    let told: RecordsReply = request::json_within(body, RECORDS_BYTES_MAX)?;
    let posted = service.0.site.apply_records(&child, &told).await?;
    service.0.stats.records_heard.add(told.records.len() as u64);
    Ok(Json(posted))
}

/// `GET wants`: what this site wants to read of the child's content.
pub(crate) async fn wants(
    State(service): State<AgentService>,
    Child(child): Child,
    Extension(shutdown): Extension<Shutdown>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<WantsReply>, ServiceError> {
    let Query(Asked { wait, .. }) = asked.map_err(bad_query)?;
    let (shared, wait) = (&service.0, Duration::from_secs(wait.min(WAIT_S_MAX)));
    let waiting = shared.want_waits.begin(child.clone(), &shared.stats)?;
    let wants = tokio::select! {
        wants = shared.site.open_wants(code(&child), wait) => wants,
        () = shutdown.requested() => Vec::new(),
    };
    waiting.done();
    Ok(Json(WantsReply { wants }))
}

/// The longest sentence of a refused want.
const REASON_CHARS_MAX: usize = 1024;

/// `refused`: why the child has no bytes to answer with, `reason`: in a sentence; `until`: from when on it is worth asking
/// again.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Answer {
    refused: Option<String>,
    until: Option<Timestamp>,
    reason: Option<String>,
}

/// `POST wants/ID`: the bytes, no more than were asked for. Of a body that breaks off, what came is taken.
pub(crate) async fn answer(
    State(service): State<AgentService>,
    Child(child): Child,
    id: Result<Path<u64>, PathRejection>,
    answer: Result<Query<Answer>, QueryRejection>,
    body: Body,
) -> Result<StatusCode, ServiceError> {
    let Path(id) =
        id.map_err(|e| ServiceError::BadRequest { what: "the want's id", reason: e.body_text() })?;
    let Query(Answer { refused, until, reason }) = answer.map_err(bad_query)?;
    let (site, child) = (&service.0.site, code(&child));
    let bytes_max = site.want_bytes_max(child, id).ok_or(ServiceError::WantNotFound(id))?;
    let answer = match refused {
        Some(code) if code.chars().count() > CODE_CHARS_MAX => {
            return Err(ServiceError::BadRequest { what: "refused", reason: shown(&code) });
        }
        Some(code) => {
            let reason = reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
            Err(WantRefusal { code, until, reason })
        }
        None => {
            let mut came = Vec::new();
            if let Err(error) = take(site, child, body, bytes_max, &mut came).await {
                site.answer_want_in_part(child, id, came);
                return Err(error);
            }
            Ok(came)
        }
    };
    match site.answer_want(child, id, answer) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ServiceError::WantNotFound(id)),
    }
}

/// Adds a body of at most `bytes_max` bytes. However it ends, what came stays in `came`.
async fn take(
    site: &Site,
    child: &str,
    body: Body,
    bytes_max: u64,
    came: &mut Vec<u8>,
) -> Result<(), ServiceError> {
    let bytes_max = usize::try_from(bytes_max).expect("a want is a few MiB");
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| match net::bodies_are_full(&error) {
            true => ServiceError::Busy,
            false => ServiceError::BodyIncomplete(error.to_string()),
        })?;
        site.want_progress(child);
        if came.len() + piece.len() > bytes_max {
            came.clear();
            return Err(ServiceError::BodyTooLarge(bytes_max));
        }
        came.extend_from_slice(&piece);
    }
    Ok(())
}

fn code(child: &Neighbor) -> &str {
    match child {
        Neighbor::Child(code) => code,
        Neighbor::Parent => "",
    }
}
