//! From an HTTP request to the site and back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use signin::{SignIn, SignedIn};
use site::{Actor, MatchReport, MatchRequest, Site};

use crate::download::Downloads;
use crate::error::ServiceError;
use crate::reply;
use crate::request::{BODY_BYTES_MAX, Machine, model};

/// What the handlers share.
#[derive(Debug)]
struct Service {
    site: Site,
    sign_in: SignIn,
    downloads: Downloads,
}

type Answer = Result<Response, ServiceError>;
type Shared = State<Arc<Service>>;

/// The service, for `/drivers/v1/...`.
///
/// Requests must carry the [`net::Peer`] extension that `net` sets, or no credentials are accepted.
pub fn router(site: Site, sign_in: SignIn) -> Router {
    let service = Arc::new(Service { site, sign_in, downloads: Downloads::default() });
    Router::new()
        .route("/drivers/v1/match", post(find).fallback(refuse_method))
        .route("/drivers/v1/match.zip", post(download).fallback(refuse_method))
        .route("/drivers/v1/package", post(choose).fallback(refuse_method))
        .route("/drivers/{*rest}", any(async || ServiceError::NoResource))
        .with_state(service)
}

async fn refuse_method() -> ServiceError {
    ServiceError::MethodNotAllowed
}

async fn find(State(service): Shared, request: axum::extract::Request) -> Answer {
    service.answer(request, Question::Find).await
}

async fn download(State(service): Shared, request: axum::extract::Request) -> Answer {
    service.answer(request, Question::Download).await
}

async fn choose(State(service): Shared, request: axum::extract::Request) -> Answer {
    service.answer(request, Question::Choose).await
}

/// What is asked about a machine.
#[derive(Debug, Clone, Copy)]
enum Question {
    /// Its drivers.
    Find,
    /// Its drivers themselves.
    Download,
    /// Its package.
    Choose,
}

impl Service {
    async fn answer(&self, request: axum::extract::Request, question: Question) -> Answer {
        let (parts, body): (Parts, Body) = request.into_parts();
        let (SignedIn { actor, reply, .. }, body) = self.sign_in.admit(&parts, body).await?;
        let answered = self.answer_to(&parts, body, &actor, question).await;
        Ok(signin::conclude(answered.unwrap_or_else(IntoResponse::into_response), reply))
    }

    async fn answer_to(&self, parts: &Parts, body: Body, actor: &Actor, question: Question) -> Answer {
        let body = net::read_body(body, BODY_BYTES_MAX).await?;
        match question {
            Question::Find => {
                let report = self.matched(actor, parts, &body).await?;
                Ok(Json(reply::report(&report)).into_response())
            }
            Question::Download => {
                let report = self.matched(actor, parts, &body).await?;
                self.downloads.zip(&self.site, actor, &report.ci_ids()).await
            }
            Question::Choose => {
                let choice = self.site.choose_package(actor, model(&body)?).await?;
                Ok(Json(reply::choice(&choice)).into_response())
            }
        }
    }

    /// The drivers for the machine that a request describes.
    async fn matched(&self, actor: &Actor, parts: &Parts, body: &[u8]) -> Result<MatchReport, ServiceError> {
        let machine = machine(parts, body)?;
        let request = MatchRequest { os: machine.os, devices: machine.devices };
        Ok(self.site.match_drivers(actor, request).await?)
    }
}

/// JSON if it says so or if it looks so: `curl` calls everything a form unless told otherwise.
fn machine(parts: &Parts, body: &[u8]) -> Result<Machine, ServiceError> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let looks = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if kind.to_ascii_lowercase().contains("json") || looks {
        Machine::from_json(body)
    } else {
        Machine::from_text(body, parts.uri.query().unwrap_or(""))
    }
}
