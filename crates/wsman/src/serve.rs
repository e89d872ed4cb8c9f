//! From an HTTP request to an envelope and back (DSP0226 annex C, MS-WSMV 2.1).

mod operate;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use clock::SharedClock;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use net::read_body;
use provider::Provider;
use signin::{Sealing, SignIn, SignedIn};
use site::{Actor, Role};

use crate::enumeration::{Enumerations, Underway};
use crate::envelope::Envelope;
use crate::identify;
use crate::reply::Reply;
use operate::Answer;
pub(crate) use operate::Exchange;
use refusal::Refusal;

/// The longest request that is read, in bytes: an icon as one element for each of its bytes, with room to spare.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest request of a reader, in bytes: a question, the longest that there are.
const READER_REQUEST_BYTES_MAX: usize = 512 * 1024;
/// The longest request of somebody unknown, in bytes: Identify has nothing to say.
const UNKNOWN_REQUEST_BYTES_MAX: usize = 16 * 1024;

/// The media type of every answer that is an envelope.
const SOAP_TYPE: &str = "application/soap+xml;charset=UTF-8";
/// The media types of envelopes. No form on a page can send one of them.
const SOAP_TYPES: [&str; 2] = ["application/soap+xml", "text/xml"];
/// The media type of a sealed envelope (MS-WSMV 2.2.9.1).
const SEALED_TYPE: &str = "multipart/encrypted";

/// The service of a site: one, so that its limits and its open enumerations are the same wherever it is served.
#[derive(Debug, Clone)]
pub struct WsMan(Arc<Service>);

impl WsMan {
    /// The service over a provider.
    #[must_use]
    pub fn new(provider: Provider, signin: SignIn, clock: SharedClock) -> Self {
        let signin = signin.with_sealing();
        let enumerations = Enumerations::new(Arc::clone(&clock));
        Self(Arc::new(Service { provider, clock, enumerations, signin }))
    }

    /// The service at `/wsman` and `/wsman/`.
    ///
    /// Requests must carry the `Peer` extension that `net` sets, or no credentials are accepted.
    pub fn router(&self) -> Router {
        let routes = Router::new().route("/wsman", any(handle)).route("/wsman/", any(handle));
        routes.with_state(Arc::clone(&self.0))
    }
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) provider: Provider,
    pub(crate) clock: SharedClock,
    pub(crate) enumerations: Enumerations,
    signin: SignIn,
}

async fn handle(State(service): State<Arc<Service>>, request: axum::extract::Request) -> Response {
    let started = service.clock.monotonic();
    let (parts, body) = request.into_parts();
    let response = service.answer(parts, body).await.unwrap_or_else(IntoResponse::into_response);
    let took_ms = service.clock.monotonic().saturating_sub(started).as_millis();
    tracing::debug!(status = response.status().as_u16(), took_ms, "answered a management request");
    response
}

impl Service {
    async fn answer(&self, parts: Parts, body: Body) -> Result<Response, Refusal> {
        if parts.method != Method::POST {
            return Err(Refusal::MethodNotAllowed);
        }
        if signin::is_cross_site(&parts) {
            return Err(Refusal::CrossSite);
        }
        if identify::is_unauthenticated(&parts.headers) {
            return self.identify_unauthenticated(&parts, body).await;
        }
        let (SignedIn { actor, reply, sealing }, body) = self.signin.admit(&parts, body).await?;
        let answered = self.answer_to(&parts, body, actor, sealing).await;
        Ok(signin::conclude(answered.unwrap_or_else(IntoResponse::into_response), reply))
    }

    async fn answer_to(
        &self,
        parts: &Parts,
        body: Body,
        actor: Actor,
        sealing: Option<Sealing>,
    ) -> Result<Response, Refusal> {
        let body = read_body(body, bytes_max(actor.role)).await?;
        if body.is_empty() {
            // The last leg of a negotiation; the requests follow on this connection.
            return if negotiates(&parts.headers) {
                Ok(StatusCode::OK.into_response())
            } else {
                Err(Refusal::Empty)
            };
        }
        let content_type = content_type(&parts.headers);
        if !is_type(content_type, SEALED_TYPE) {
            let (status, answer) = self.converse(parts, actor, &body, Some(content_type)).await?;
            let soap = HeaderValue::from_static(SOAP_TYPE);
            return Ok(respond(status, soap, answer.envelope.into(), answer.underway));
        }
        let sealing = sealing.ok_or(Refusal::ContentType)?;
        let plain = sealing.unwrap(content_type, &body)?;
        let (status, Answer { envelope, underway }) = match self.converse(parts, actor, &plain, None).await {
            Ok(answer) => answer,
            // Nothing about what was sealed goes out in the open.
            Err(refusal) => return Ok(refusal.status().into_response()),
        };
        let (content_type, sealed) = sealing.wrap(SOAP_TYPE, envelope.as_bytes());
        Ok(respond(status, content_type, sealed, underway))
    }

    /// Answers the envelope in a body. `content_type` is none where the body says its encoding itself.
    async fn converse(
        &self,
        parts: &Parts,
        actor: Actor,
        body: &[u8],
        content_type: Option<&str>,
    ) -> Result<(StatusCode, Answer), Refusal> {
        if content_type.is_some_and(|given| !is_soap(given)) {
            return Err(Refusal::ContentType);
        }
        let text = xml::decode(body, content_type).map_err(|error| Refusal::NotXml(error.to_string()))?;
        let envelope = Envelope::parse(&text).map_err(|error| Refusal::NotXml(error.to_string()))?;
        if envelope.is_identify() {
            let envelope = Reply::identity(identify::signed_in(parts, &self.signin)).envelope(None);
            return Ok((StatusCode::OK, envelope.into()));
        }
        let relates_to = envelope.message_id().map(std::borrow::Cow::into_owned);
        let read = self.read(&envelope, parts, actor);
        drop(envelope);
        let answered = match read {
            Ok((exchange, request)) => self.perform(exchange, request).await,
            Err(fault) => Err(fault),
        };
        Ok(answered.map_or_else(
            |fault| (StatusCode::INTERNAL_SERVER_ERROR, self.fault(&fault, relates_to.as_deref()).into()),
            |answer| (StatusCode::OK, answer),
        ))
    }

    /// Answers Identify to somebody unknown, and nothing else.
    async fn identify_unauthenticated(&self, parts: &Parts, body: Body) -> Result<Response, Refusal> {
        let body = read_body(body, UNKNOWN_REQUEST_BYTES_MAX).await?;
        let content_type = content_type(&parts.headers);
        if !is_soap(content_type) {
            return Err(Refusal::ContentType);
        }
        let text =
            xml::decode(&body, Some(content_type)).map_err(|error| Refusal::NotXml(error.to_string()))?;
        let envelope = Envelope::parse(&text).map_err(|error| Refusal::NotXml(error.to_string()))?;
        if !envelope.is_identify() {
            return Err(Refusal::SignIn(self.signin.stranger(parts)));
        }
        let envelope = Reply::identity(identify::unknown()).envelope(None);
        Ok(respond(StatusCode::OK, HeaderValue::from_static(SOAP_TYPE), envelope.into(), None))
    }
}

/// Who may change nothing need not be heard out.
fn bytes_max(role: Role) -> usize {
    match role {
        Role::Reader => READER_REQUEST_BYTES_MAX,
        Role::FullAdministrator | Role::Operator | Role::Author => REQUEST_BYTES_MAX,
    }
}

/// A whole body in memory, so that its length is stated and it never goes out in chunks.
fn respond(
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
    underway: Option<Underway>,
) -> Response {
    let length = HeaderValue::from(body.len());
    let body = match underway {
        Some(underway) => underway.body(body),
        None => Body::from(body),
    };
    (status, [(CONTENT_TYPE, content_type), (CONTENT_LENGTH, length)], body).into_response()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// Whether a body may be an envelope. Some clients say nothing of theirs; a page of another site that does so still says
/// where it is from.
fn is_soap(content_type: &str) -> bool {
    content_type.is_empty() || SOAP_TYPES.iter().any(|known| is_type(content_type, known))
}

/// Whether a content type is of a media type, whatever its parameters.
fn is_type(content_type: &str, media_type: &str) -> bool {
    content_type.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(media_type)
}

/// Whether the request is a leg of a negotiation, which has no body of its own.
fn negotiates(headers: &HeaderMap) -> bool {
    let scheme = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split(' ').next());
    scheme.is_some_and(|scheme| {
        ["Negotiate", "Kerberos", "NTLM"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_without_their_parameters() {
        for (given, expect) in [
            ("application/soap+xml;charset=UTF-8", true),
            ("Application/SOAP+XML ; charset=utf-16", true),
            ("text/xml", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=application/soap+xml", false),
            ("application/soap+xmlx", false),
            ("", true),
        ] {
            assert_eq!(is_soap(given), expect, "{given}");
        }
    }

    #[test]
    fn only_negotiations_have_empty_bodies() {
        for (header, expect) in
            [("Negotiate YII=", true), ("kerberos x", true), ("Basic x", false), ("Bearer x", false)]
        {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            assert_eq!(negotiates(&headers), expect, "{header}");
        }
    }
}
