//! `GET /content/v1/packs/{id}` and `/content/v1/manifests/{id}` for other distribution points, as the site answers them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use agent::{CONTENT_ROOT, ErrorReply, PACKAGE_HEADER, WINDOW_CLOSED};
use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use content::format::ROOT_BYTES_MAX;
use content::{FileHash, ObjectKey, ObjectKind};
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use net::object::{self, ObjectAnswer, RangeError};
use net::{Peer, Way};

use super::{Relay, RelayError};
use crate::metrics::Metrics;
use crate::upstream::Asking;

/// Bytes of one range; pullers ask for 8 MiB, and for an index of at most 32 MiB.
const RANGE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a puller is told to wait.
const RETRY_AFTER_S: u64 = 5;
/// The longest that it is told to wait for a window of another: that this one opens it is told to nobody else.
const CLOSED_RETRY_S_MAX: u64 = 300;
/// Of an id like PS100001.
const PACKAGE_ID_BYTES: usize = 8;

/// Whether a path is an object's.
pub(crate) fn is_object(path: &str) -> bool {
    path.strip_prefix(CONTENT_ROOT).is_some_and(|rest| rest.starts_with('/'))
}

/// Answers a request for an object.
pub(crate) async fn answer(relay: &Arc<Relay>, metrics: &Arc<Metrics>, request: &Parts) -> Response {
    match lend(relay, metrics, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn lend(relay: &Arc<Relay>, metrics: &Arc<Metrics>, request: &Parts) -> Result<Response, Refused> {
    let peer = request.extensions.get::<Peer>().ok_or(Refused::Unknown)?;
    relay.admit(peer, &request.headers)?;
    if request.method != Method::GET {
        return Err(Refused::Method);
    }
    let key = key(request.uri.path()).ok_or(Refused::NoRoute)?;
    let asking = asking(&request.headers);
    match key {
        ObjectKey::Manifest(_) => {
            if asking.way.fresh {
                relay.forget(key, 0..ROOT_BYTES_MAX);
            }
            let bytes_max = usize::try_from(ROOT_BYTES_MAX).expect("a root fits in memory");
            let root = relay.root(key, bytes_max, &asking).await?.bytes;
            let ObjectAnswer { mut response, body } =
                object::answer(&request.method, &request.headers, &key.id(), root.len() as u64)?;
            let within = |at: u64| usize::try_from(at).expect("a root fits in memory");
            metrics.lent(body.end - body.start);
            *response.body_mut() = Body::from(root.slice(within(body.start)..within(body.end)));
            Ok(response)
        }
        ObjectKey::Pack(_) => pack(relay, metrics, &request.headers, key, asking).await,
    }
}

async fn pack(
    relay: &Arc<Relay>,
    metrics: &Arc<Metrics>,
    headers: &HeaderMap,
    key: ObjectKey,
    asking: Asking,
) -> Result<Response, Refused> {
    let asked = object::asked_range(headers).filter(|range| range.end - range.start <= RANGE_BYTES_MAX);
    let range = asked.ok_or(Refused::Range)?;
    if asking.way.fresh {
        relay.forget(key, range.clone());
    }
    // The first piece comes before the head of the answer, which says the object's size and whether there is one.
    let first = relay.piece(key, &range, &asking).await?;
    let object_bytes = relay.cache.object_bytes(key).ok_or(RelayError::Busy)?;
    let ObjectAnswer { mut response, body } = object::answer(&Method::GET, headers, &key.id(), object_bytes)?;
    if body != range {
        return if body.is_empty() { Ok(response) } else { Err(Refused::Range) };
    }
    let at = range.start + first.bytes.len() as u64;
    metrics.lent(first.bytes.len() as u64);
    let (relay, metrics) = (Arc::clone(relay), Arc::clone(metrics));
    let rest = stream::unfold(Some((Some(first.bytes), at)), move |state| {
        let (relay, metrics, asking) = (Arc::clone(&relay), Arc::clone(&metrics), asking.clone());
        async move {
            let (ready, at) = state?;
            if let Some(bytes) = ready {
                return Some((Ok(bytes), Some((None, at))));
            }
            if at >= body.end {
                return None;
            }
            match relay.piece(key, &(at..body.end), &asking).await {
                Ok(piece) => {
                    let len = piece.bytes.len() as u64;
                    metrics.lent(len);
                    Some((Ok(piece.bytes), Some((None, at + len))))
                }
                // The status is sent, so the answer can only break off; the puller goes on elsewhere.
                Err(error) => Some((Err(io::Error::other(error)), None)),
            }
        }
    });
    *response.body_mut() = Body::from_stream(rest);
    Ok(response)
}

/// What a request says of itself. The site judges whether the package is meant for whoever is on the way.
fn asking(headers: &HeaderMap) -> Asking {
    let package = headers.get(PACKAGE_HEADER).and_then(|value| value.to_str().ok());
    let is_package =
        |id: &&str| id.len() == PACKAGE_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Asking { way: Way::of(headers), package: package.filter(is_package).map(Arc::from) }
}

fn key(path: &str) -> Option<ObjectKey> {
    let (kind, id) = path.strip_prefix(CONTENT_ROOT)?.strip_prefix('/')?.split_once('/')?;
    let kind = match kind {
        "packs" => ObjectKind::Pack,
        "manifests" => ObjectKind::Manifest,
        _ => return None,
    };
    ObjectKey::parse(kind, id)
}

impl Relay {
    /// Whether the caller may fetch here: known to the site as a puller of this distribution point, by its certificate
    /// on TLS, by its ticket on plain loopback, where nobody stands between.
    fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<(), Refused> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Refused::Maintenance);
        }
        let pullers = self.pullers.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_known = match &peer.certificate {
            Some(shown) => {
                pullers.iter().any(|puller| puller.certificate.as_ref() == Some(&shown.fingerprint))
            }
            None if peer.secure || !peer.is_loopback() => false,
            None => bearer(headers).is_some_and(|ticket| {
                let hash = FileHash::of(ticket.as_bytes()).to_string();
                pullers.iter().any(|puller| puller.ticket_hash.as_ref() == Some(&hash))
            }),
        };
        if is_known { Ok(()) } else { Err(Refused::Unknown) }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Why a request for an object is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the site did not name the caller as one that may fetch from this distribution point")]
    Unknown,
    #[error("this distribution point is in maintenance mode and lends nothing")]
    Maintenance,
    #[error("there is no such object here, and never will be")]
    NoRoute,
    #[error("objects are for GET")]
    Method,
    #[error("one range with both ends and at most 64 MiB is needed, within the object")]
    Range,
    #[error(transparent)]
    Answer(#[from] RangeError),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl Refused {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unknown => (StatusCode::UNAUTHORIZED, "agent_unknown"),
            Self::Maintenance => (StatusCode::SERVICE_UNAVAILABLE, "maintenance"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_such_route"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Range | Self::Answer(RangeError::Bad(_)) => (StatusCode::BAD_REQUEST, "bad_range"),
            Self::Answer(RangeError::BeyondEnd { .. }) => {
                (StatusCode::RANGE_NOT_SATISFIABLE, "range_beyond_end")
            }
            Self::Relay(RelayError::NotFound) => (StatusCode::NOT_FOUND, "object_not_found"),
            Self::Relay(RelayError::Loop) => (StatusCode::LOOP_DETECTED, "loop_detected"),
            Self::Relay(RelayError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Relay(RelayError::NoSource(_)) => (StatusCode::SERVICE_UNAVAILABLE, "no_source"),
            Self::Relay(RelayError::Closed { .. }) => (StatusCode::SERVICE_UNAVAILABLE, WINDOW_CLOSED),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let message = match &self {
            // Whom this one asks is not for others to know.
            Self::Relay(RelayError::NoSource(_)) => {
                "no source of this distribution point has it now".to_owned()
            }
            Self::Relay(RelayError::Closed { .. }) => {
                "this distribution point waits for a window itself".to_owned()
            }
            other => other.to_string(),
        };
        let (until, retry_after_s) = match &self {
            Self::Relay(RelayError::Closed { until, wait, .. }) => {
                (until.map(|until| until.to_string()), (wait.as_secs() + 1).min(CLOSED_RETRY_S_MAX))
            }
            _ => (None, RETRY_AFTER_S),
        };
        let mut response =
            (status, Json(ErrorReply { code: code.to_owned(), message, until })).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            }
            StatusCode::UNAUTHORIZED => {
                headers
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"haulier\""));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_are_taken_for_objects() {
        let id = "ab".repeat(32);
        for (path, expect) in [
            (format!("/content/v1/packs/{id}"), true),
            (format!("/content/v1/manifests/{id}"), true),
            (format!("/content/v1/files/{id}"), false),
            (format!("/content/v1/packs/{id}/x"), false),
            ("/content/v1/packs/..".to_owned(), false),
            (format!("/content/v1/packs/{}", id.to_uppercase()), false),
            ("/content/v1".to_owned(), false),
        ] {
            assert_eq!(key(&path).is_some(), expect, "{path}");
        }
        assert!(!is_object("/content/v10/packs/x") && is_object("/content/v1/"));
    }
}
