//! The content listener: what clients download, and what monitoring reads.
//!
//! `/SMS_DP_SMSPKG$/<PackageID>[.<version>]/<path>`, `/metrics`, `/healthz`, and `/content/v1` for other distribution
//! points; nothing else and no listing.

use std::fs::File;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use content::holder::{Holder, HolderError, ServedFile};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::task::spawn_blocking;

use crate::metrics::Metrics;
use crate::relay::{self, Relay};

mod answer;
mod body;
mod target;

use answer::{FileFacts, answer};
pub(crate) use body::Budget;
use body::FileBody;
use target::Target;

/// What a client is told to wait while a damaged file is fetched again.
const REPAIR_WAIT_S: &str = "30";

/// What the listener works with.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) holder: Holder,
    pub(crate) metrics: Arc<Metrics>,
    /// The memory that all answers share.
    pub(crate) budget: Budget,
    /// Called when a file turned out damaged.
    pub(crate) damaged: Arc<tokio::sync::Notify>,
    /// What other distribution points may fetch.
    pub(crate) relay: Arc<Relay>,
}

/// The routes of a distribution point.
pub(crate) fn router(content: Content) -> Router {
    Router::new().fallback(handle).with_state(content)
}

async fn handle(State(content): State<Content>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let (method, uri) = (&request.method, &request.uri);
    let response = if relay::is_object(uri.path()) {
        relay::answer(&content.relay, &content.metrics, &request).await
    } else if *method != Method::GET && *method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    } else {
        match uri.path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/metrics" => metrics(&content),
            path => match target::parse(path, uri.query()) {
                Some(target) => serve(&content, method, &request.headers, target).await,
                None => not_found(),
            },
        }
    };
    content.metrics.request(response.status());
    response
}

async fn serve(content: &Content, method: &Method, request: &HeaderMap, target: Target) -> Response {
    let holder = content.holder.clone();
    let numbered = target.version.is_some();
    let opened = spawn_blocking(move || open(&holder, &target)).await;
    match opened {
        Ok(Ok(Some((served, file)))) => {
            let facts = FileFacts {
                hash: served.hash.to_string(),
                size: served.size,
                modified_ns: served.modified_ns,
                numbered,
            };
            let answer = answer(method, request, &facts);
            content.metrics.content_bytes(answer.body.end - answer.body.start);
            let body = Body::new(FileBody::new(file, answer.body, content.budget.clone()));
            let mut response = Response::new(body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            response
        }
        Ok(Ok(None)) => not_found(),
        Ok(Err(Failure::Damaged)) => {
            content.damaged.notify_one();
            let mut response =
                text(StatusCode::SERVICE_UNAVAILABLE, "this file is being repaired; try again\n");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(REPAIR_WAIT_S));
            response
        }
        Ok(Err(Failure::Holder(HolderError::BadPackageId(_)))) => not_found(),
        Ok(Err(Failure::Holder(error))) => {
            tracing::error!(%error, "Cannot look up a file");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the content store cannot be read\n")
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the request was interrupted\n"),
    }
}

enum Failure {
    /// The store should have the file whole and has not.
    Damaged,
    Holder(HolderError),
}

/// Finds and opens a file. Its handle outlives every switch and deletion.
fn open(holder: &Holder, target: &Target) -> Result<Option<(ServedFile, File)>, Failure> {
    let found = holder.lookup(&target.package, target.version, &target.path).map_err(Failure::Holder)?;
    let Some(served) = found else { return Ok(None) };
    let file = File::open(&served.path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match file {
        Ok((size, file)) if size == served.size => Ok(Some((served, file))),
        Ok(_) => damaged(holder, &served),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // The version may have been dropped between the look-up and the opening.
            let again =
                holder.lookup(&target.package, target.version, &target.path).map_err(Failure::Holder)?;
            if again.as_ref() == Some(&served) { damaged(holder, &served) } else { Ok(None) }
        }
        Err(error) => {
            tracing::error!(%error, file = %served.hash, "Cannot open a stored file");
            Err(Failure::Damaged)
        }
    }
}

fn damaged(holder: &Holder, served: &ServedFile) -> Result<Option<(ServedFile, File)>, Failure> {
    holder.report_damaged(served.hash).map_err(Failure::Holder)?;
    Err(Failure::Damaged)
}

fn metrics(content: &Content) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, content.metrics.encode()).into_response()
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

fn text(status: StatusCode, message: &'static str) -> Response {
    (status, message).into_response()
}
