//! `GET` and `HEAD` of immutable objects: packs and manifest roots, whole or one range.
//!
//! An object's name is its content, so every answer may be kept for ever by whoever is on the way, and the
//! tag is the name. Bytes are read on blocking threads, a piece at a time, one piece ahead of the network.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use content::{ObjectKey, ObjectKind, ObjectStore, StoreError};
use futures_util::{StreamExt, stream};
use net::object::{self, ObjectAnswer};
use site::Destination;
use tokio::sync::Semaphore;

use crate::AgentService;
use crate::auth::Member;
use crate::error::ServiceError;
use crate::pace;
use crate::path::shown;

/// Bytes of one read: large enough that the disk and the thread switch do not show, small enough for memory.
const PIECE_BYTES: u64 = 256 * 1024;
/// Pieces of one answer that are read at once.
const PIECES_AHEAD: usize = 2;

type ObjectPath = Result<Path<String>, PathRejection>;

pub(crate) async fn pack(
    State(service): State<AgentService>,
    Member(to): Member,
    method: Method,
    headers: HeaderMap,
    id: ObjectPath,
) -> Result<Response, ServiceError> {
    serve(&service, to, key(ObjectKind::Pack, id)?, &method, &headers).await
}

pub(crate) async fn manifest(
    State(service): State<AgentService>,
    Member(to): Member,
    method: Method,
    headers: HeaderMap,
    id: ObjectPath,
) -> Result<Response, ServiceError> {
    serve(&service, to, key(ObjectKind::Manifest, id)?, &method, &headers).await
}

fn key(kind: ObjectKind, id: ObjectPath) -> Result<ObjectKey, ServiceError> {
    let Path(id) = id.map_err(|e| ServiceError::BadObjectId(e.body_text()))?;
    ObjectKey::parse(kind, &id).ok_or_else(|| ServiceError::BadObjectId(shown(&id)))
}

async fn serve(
    service: &AgentService,
    to: Destination,
    key: ObjectKey,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ServiceError> {
    let reader = Reader {
        store: Arc::clone(service.0.site.library().await?.store()),
        turns: Arc::clone(&service.0.reads),
        key,
    };
    let Some(object_bytes) = reader.size().await? else {
        return Err(not_found(service, to, headers, key).await);
    };
    let ObjectAnswer { mut response, body } = object::answer(method, headers, &key.id(), object_bytes)?;
    if body.is_empty() {
        return Ok(response);
    }
    let admitted = pace::admit(service, to, headers).await?;
    service.0.stats.content_responses.inc();
    *response.body_mut() = admitted.body(service, reader.stream(body))?;
    Ok(response)
}

/// A pack that is not here was rewritten. A manifest that a child site asks for may be on its way here, which is said when
/// the window to the child is open: until then that is what it waits for.
async fn not_found(
    service: &AgentService,
    to: Destination,
    headers: &HeaderMap,
    key: ObjectKey,
) -> ServiceError {
    let gone = ServiceError::ObjectNotFound(key.to_string());
    let (ObjectKey::Manifest(_), Ok(Some(package))) = (key, pace::package(headers)) else { return gone };
    match pace::not_here(service, &to, package.as_str(), gone).await {
        gone @ ServiceError::ObjectNotFound(_) => gone,
        waits => pace::admit(service, to, headers).await.err().unwrap_or(waits),
    }
}

/// Reads one object on blocking threads, in its turn among all answers.
#[derive(Clone)]
struct Reader {
    store: Arc<dyn ObjectStore>,
    turns: Arc<Semaphore>,
    key: ObjectKey,
}

impl Reader {
    async fn size(&self) -> Result<Option<u64>, ServiceError> {
        self.blocking(|store, key| store.size(key)).await.map_err(ServiceError::Storage)
    }

    fn stream(
        self,
        range: Range<u64>,
    ) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::iter(pieces(range))
            .map(move |piece| {
                let reader = self.clone();
                async move {
                    let read = reader.blocking(move |store, key| store.read(key, piece)).await;
                    read.map(Bytes::from).map_err(|error| {
                        // The status is sent, so the answer can only break off; the agent sees that it is short.
                        tracing::error!(object = %reader.key, error = %error, "Cannot read an object to its end");
                        io::Error::other(error)
                    })
                }
            })
            .buffered(PIECES_AHEAD)
    }

    /// The turn is held for one read, not for an answer: a slow agent holds none.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn ObjectStore, ObjectKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        let (store, key) = (Arc::clone(&self.store), self.key);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(store.as_ref(), key)
        });
        done.await.unwrap_or_else(|_| Err(StoreError::NotFound { key }))
    }
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> + Send {
    let Range { start, end } = range;
    (start..end)
        .step_by(usize::try_from(PIECE_BYTES).expect("256 KiB fits"))
        .map(move |from| from..end.min(from.saturating_add(PIECE_BYTES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_range_without_gap_or_overlap() {
        let piece = PIECE_BYTES;
        for (range, seams) in [
            (0..0, vec![]),
            (5..6, vec![5, 6]),
            (0..piece, vec![0, piece]),
            (7..piece + 8, vec![7, piece + 7, piece + 8]),
            (u64::MAX - 1..u64::MAX, vec![u64::MAX - 1, u64::MAX]),
        ] {
            let expect: Vec<_> = seams.windows(2).map(|seam| seam[0]..seam[1]).collect();
            assert_eq!(pieces(range.clone()).collect::<Vec<_>>(), expect, "{range:?}");
        }
    }
}
