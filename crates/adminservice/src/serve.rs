//! From an HTTP request to the provider and back.

mod call;
mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use clock::SharedClock;
use http::StatusCode;
use http::header::{ALLOW, HeaderName};
use http::request::Parts;
use provider::{Caller, ClassInfo, Fault, Operation, Provider, ProviderError, Schema};
use signin::{SignIn, SignedIn};
use site::{Actor, Role};

use crate::error::ApiError;
use crate::links::Links;
use crate::reply::{reply, xml};
use crate::request::Request;
use crate::{events, headers, metadata, origin};

/// The longest body that is read, in bytes: an icon in base64 with room to spare.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest URL behind the host, in bytes.
pub const URL_BYTES_MAX: usize = 16 * 1024;
/// The longest body of a reader, in bytes: the only thing that readers write is a token's name.
const READER_BODY_BYTES_MAX: usize = 16 * 1024;
/// The longest body of a question, in bytes: a machine with a thousand devices names them all.
const QUESTION_BYTES_MAX: usize = 1024 * 1024;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) provider: Provider,
    pub(crate) sign_in: SignIn,
    pub(crate) clock: SharedClock,
}

/// Everything about one request that an answer needs.
struct Exchange {
    caller: Caller,
    links: Links,
    parts: Parts,
    body: Bytes,
}

/// The service, for `/AdminService/...` in any case, and its events; every other path answers 404 in the service's form.
///
/// Requests must carry the [`net::Peer`] extension that `net` sets, or no credentials are accepted.
pub fn router(provider: Provider, sign_in: SignIn, clock: SharedClock) -> Router {
    // axum's routes regard case, the service does not; the rest of the path is parsed by `url`.
    let service = Arc::new(Service { provider, sign_in, clock });
    Router::new().route(events::PATH, any(events::handle)).fallback(handle).with_state(service)
}

async fn handle(State(service): State<Arc<Service>>, request: axum::extract::Request) -> Response {
    let started = service.clock.monotonic();
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let response = service.answer(parts, body).await.unwrap_or_else(IntoResponse::into_response);
    let took_ms = service.clock.monotonic().saturating_sub(started).as_millis();
    tracing::debug!(%method, path, status = response.status().as_u16(), took_ms, "answered");
    response
}

impl Service {
    async fn answer(&self, parts: Parts, body: Body) -> Result<Response, ApiError> {
        origin::check(&parts)?;
        let (SignedIn { actor, reply, .. }, body) = self.sign_in.admit(&parts, body).await?;
        let answered = self.answer_to(parts, body, actor).await;
        Ok(signin::conclude(answered.unwrap_or_else(IntoResponse::into_response), reply))
    }

    async fn answer_to(&self, parts: Parts, body: Body, actor: Actor) -> Result<Response, ApiError> {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
        if path.len() + query.len() > URL_BYTES_MAX {
            return Err(ApiError::UrlTooLong { limit: URL_BYTES_MAX });
        }
        let request = Request::parse(&parts.method, path, query, self.schema())?;
        let context = headers::context(&parts.headers).map_err(|fault| ProviderError {
            operation: request.operation(),
            object: request.class().to_owned(),
            fault,
        })?;
        let limit = body_limit(actor.role, self.only_asks(&request));
        let body = net::read_body(body, limit).await?;
        let links = Links::of(&parts, self.provider.server());
        let exchange = Exchange { caller: Caller::new(actor, context), links, parts, body };
        self.dispatch(&exchange, request).await
    }

    async fn dispatch(&self, exchange: &Exchange, request: Request) -> Result<Response, ApiError> {
        match request {
            Request::ServiceDocument => {
                let document = metadata::service_document(self.schema(), exchange.links.root());
                Ok(reply(StatusCode::OK, &document))
            }
            Request::Metadata { form } => Ok(xml(metadata::shipped(form))),
            Request::Allowed { methods } => {
                let version = (HeaderName::from_static("odata-version"), "4.0");
                Ok((StatusCode::NO_CONTENT, [(ALLOW, methods), version]).into_response())
            }
            Request::List { class, options } => self.list(exchange, class, options).await,
            Request::Count { class, options } => self.count(exchange, class, options).await,
            Request::Get { path, options } => self.get(exchange, &path, &options).await,
            Request::Create { class } => self.create(exchange, &class).await,
            Request::Modify { path } => self.modify(exchange, &path).await,
            Request::Delete { path } => self.delete(exchange, &path).await,
            Request::Invoke { class, path, method } => {
                self.invoke(exchange, &class, path.as_ref(), &method).await
            }
        }
    }

    fn schema(&self) -> &'static Schema {
        self.provider.schema()
    }

    fn class(&self, name: &str, operation: Operation) -> Result<&'static ClassInfo, ApiError> {
        let fault = || Fault::InvalidClass { class: name.to_owned() };
        let invalid = || ProviderError { operation, object: name.to_owned(), fault: fault() };
        Ok(self.schema().class(name).ok_or_else(invalid)?)
    }

    /// Whether a request calls a method that changes nothing.
    fn only_asks(&self, request: &Request) -> bool {
        matches!(request, Request::Invoke { class, method, .. } if self.provider.only_asks(class, method))
    }
}

/// Who may change nothing of weight need not be heard out before the provider says so.
fn body_limit(role: Role, only_asks: bool) -> usize {
    match role {
        _ if only_asks => QUESTION_BYTES_MAX,
        Role::Reader => READER_BODY_BYTES_MAX,
        Role::FullAdministrator | Role::Operator | Role::Author => BODY_BYTES_MAX,
    }
}
