//! One request: who asks, a span for the log, a limit for the body, and a net for panics.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use clock::SharedClock;
use futures_util::FutureExt;
use http::{Request, StatusCode, Version, header};
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::service::Service;
use tower::ServiceExt;
use tracing::Instrument;

use super::activity::{Activity, InFlight};
use super::body::{TimedBody, TrackedBody};
use super::budget::Share;
use super::{Connection, Limits, ListenerStats, Peer, Shutdown};

/// Lets a router's extractors read at most `bytes` of a body; more answers 413. Never raises the
/// listener's own [`Limits::body_bytes`].
pub fn limit_body(router: Router, bytes: usize) -> Router {
    router.layer(DefaultBodyLimit::max(bytes))
}

/// Serves the requests of one connection.
#[derive(Clone)]
pub(crate) struct RequestService {
    pub(crate) router: Router,
    pub(crate) peer: Peer,
    pub(crate) connection: Connection,
    pub(crate) shutdown: Shutdown,
    pub(crate) limits: Arc<Limits>,
    pub(crate) stats: Arc<ListenerStats>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) bodies: Share,
    pub(crate) clock: SharedClock,
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response<TrackedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = self.activity.begin();
        self.stats.requests.inc();
        let span = span(&request, &self.peer);
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request, in_flight).await) }.instrument(span))
    }
}

impl RequestService {
    async fn answer(self, request: Request<Incoming>, in_flight: InFlight) -> Response<TrackedBody> {
        let began = self.clock.monotonic();
        let clock = SharedClock::clone(&self.clock);
        let stats = Arc::clone(&self.stats);
        let response = match declared_bytes(&request) {
            Some(bytes) if bytes > self.limits.body_bytes as u64 => too_large(self.limits.body_bytes),
            _ => AssertUnwindSafe(self.route(request)).catch_unwind().await.unwrap_or_else(|_| {
                stats.panics.inc();
                tracing::error!("The handler panicked");
                error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "an internal error; the server's log has it",
                )
            }),
        };
        let took_ms = (clock.monotonic() - began).as_millis() as u64;
        tracing::debug!(status = response.status().as_u16(), took_ms, "Answered");
        response.map(|body| TrackedBody { body, _in_flight: in_flight })
    }

    async fn route(self, request: Request<Incoming>) -> Response {
        let Self { router, peer, connection, shutdown, limits, stats, activity, bodies, clock } = self;
        // Held until the handler is done: it may keep the body as long.
        let charge = bodies.begin();
        let of_body = Arc::clone(&charge);
        let mut request = request.map(|incoming| {
            let timed = TimedBody::new(incoming, of_body, limits.body_time, clock, activity, stats);
            Body::new(Limited::new(timed, limits.body_bytes))
        });
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(shutdown);
        if request.version() <= Version::HTTP_11 {
            request.extensions_mut().insert(connection);
        }
        let answered = router.oneshot(request).await;
        drop(charge);
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The query is left out of the log: it may hold what a user searched for.
fn span(request: &Request<Incoming>, peer: &Peer) -> tracing::Span {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let agent = peer.certificate.as_ref().map(|certificate| certificate.subject_cn.as_str());
    tracing::info_span!(
        "request",
        id = NEXT.fetch_add(1, Ordering::Relaxed),
        method = %request.method(),
        path = request.uri().path(),
        peer = %peer.addr,
        agent,
    )
}

fn declared_bytes(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Response {
    error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &format!("the body is larger than {limit} bytes"))
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "code": code, "message": message }))).into_response()
}
