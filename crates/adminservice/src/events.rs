//! `GET /events`: what happens, as it happens, as Server-Sent Events.
//!
//! An event is a status message (`status`) or a distribution as it is now (`state`), in the JSON of the AdminService. Its
//! id is where a client goes on that comes back with `Last-Event-ID`. Nothing is kept for clients, so a slow or absent one
//! costs nothing and misses nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, Method};
use net::Shutdown;
use percent_encoding::percent_decode_str;
use provider::{Caller, Event, EventStream, Operation, Provider, ProviderError};
use serde_json::Map;
use signin::SignedIn;
use site::{Actor, EventCursor};

use crate::entity::{Purpose, Shape};
use crate::error::ApiError;
use crate::headers;
use crate::serve::Service;

/// Where the events are.
pub(crate) const PATH: &str = "/events";
/// The longest that nothing is sent, so that a client and what is between know that the site lives.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long an answer lasts. The client comes back and signs in anew, so that who may no longer see does not.
const LIFE_MAX: Duration = Duration::from_secs(15 * 60);
/// What a client waits before it comes back, in milliseconds.
const COME_BACK_MS: u32 = 2_000;

/// What a client asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    known: Option<EventCursor>,
    package_id: Option<String>,
}

pub(crate) async fn handle(
    State(service): State<Arc<Service>>,
    shutdown: Option<Extension<Shutdown>>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let answer = service.events(parts, body, shutdown.map(|Extension(shutdown)| shutdown)).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

impl Service {
    async fn events(
        &self,
        parts: Parts,
        body: Body,
        shutdown: Option<Shutdown>,
    ) -> Result<Response, ApiError> {
        let (SignedIn { actor, reply, .. }, _) = self.sign_in.admit(&parts, body).await?;
        let answered = self.events_for(&parts, actor, shutdown).await;
        Ok(signin::conclude(answered.unwrap_or_else(IntoResponse::into_response), reply))
    }

    async fn events_for(
        &self,
        parts: &Parts,
        actor: Actor,
        shutdown: Option<Shutdown>,
    ) -> Result<Response, ApiError> {
        if parts.method != Method::GET {
            return Err(ApiError::MethodNotAllowed { allow: "GET" });
        }
        let context = headers::context(&parts.headers).map_err(|fault| ProviderError {
            operation: Operation::ExecQuery,
            object: PATH.to_owned(),
            fault,
        })?;
        let asked = Asked::read(parts)?;
        let caller = Caller::new(actor, context);
        let events = self.provider.events(&caller, asked.known, asked.package_id).await?;
        Ok(self.tell(events, caller.actor, shutdown))
    }

    fn tell(&self, events: EventStream, actor: Actor, shutdown: Option<Shutdown>) -> Response {
        let ends_at = self.clock.monotonic().saturating_add(LIFE_MAX);
        let telling = Telling {
            provider: self.provider.clone(),
            clock: self.clock.clone(),
            events,
            actor,
            shutdown,
            ends_at,
        };
        let opening = format!("retry: {COME_BACK_MS}\n\n");
        let pieces = stream::unfold((Some(opening), Some(telling)), |(opening, telling)| async move {
            let mut telling = telling?;
            let (piece, goes_on) = match opening {
                Some(opening) => (opening.into_bytes(), true),
                None => telling.piece().await,
            };
            let piece = Ok::<_, Infallible>(Bytes::from(piece));
            Some((piece, (None, goes_on.then_some(telling))))
        });
        let headers = [
            (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            // A proxy in between shall pass on what it gets at once.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, Body::from_stream(pieces)).into_response()
    }
}

/// One client that is told.
struct Telling {
    provider: Provider,
    clock: clock::SharedClock,
    events: EventStream,
    actor: Actor,
    shutdown: Option<Shutdown>,
    /// By the monotonic clock.
    ends_at: Duration,
}

impl Telling {
    /// The next piece of text, and whether another follows.
    async fn piece(&mut self) -> (Vec<u8>, bool) {
        if self.clock.monotonic() >= self.ends_at {
            return (self.end("come back"), false);
        }
        let stopping = async {
            match &self.shutdown {
                Some(shutdown) => shutdown.requested().await,
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            biased;
            () = stopping => None,
            next = self.events.next(SILENCE_MAX) => Some(next),
        };
        match next {
            None => (self.end("the site stops"), false),
            Some(Ok(Some(event))) => (self.event(&event), true),
            Some(Ok(None)) => (b": nothing happened\n\n".to_vec(), true),
            Some(Err(error)) => {
                tracing::warn!(%error, user = self.actor.name, "events end");
                (self.end("the site could not read on"), false)
            }
        }
    }

    fn event(&self, event: &Event) -> Vec<u8> {
        let mut text = format!("id: {}\nevent: {}\ndata: ", event.cursor, event.kind).into_bytes();
        let class = event.instance.class.clone();
        let shape = Shape { provider: self.provider.clone(), class, select: None, purpose: Purpose::Read };
        // JSON has no line break outside of its strings as it is written here, and none unescaped in them.
        shape.writer().write(&mut text, &Map::new(), &event.instance);
        text.extend_from_slice(b"\n\n");
        text
    }

    fn end(&self, reason: &str) -> Vec<u8> {
        format!("id: {}\nevent: end\ndata: {reason}\n\n", self.events.cursor()).into_bytes()
    }
}

impl Asked {
    /// `package` and `after` of the URL; the header `Last-Event-ID` comes before the latter.
    fn read(parts: &Parts) -> Result<Self, ApiError> {
        let mut asked = Self::default();
        let invalid =
            |option: &str, reason: String| ApiError::InvalidOption { option: option.to_owned(), reason };
        for pair in parts.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| invalid(name, "it is not UTF-8".to_owned()))?;
            match name {
                "package" => asked.package_id = Some(value.into_owned()),
                "after" => asked.known = Some(value.parse().map_err(|e| invalid(name, format!("{e}")))?),
                _ => return Err(invalid(name, "package and after are known here".to_owned())),
            }
        }
        let header = parts.headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?").trim());
        if let Some(known) = header.filter(|known| !known.is_empty()) {
            asked.known = Some(known.parse().map_err(|e| invalid("Last-Event-ID", format!("{e}")))?);
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_and_the_header_say_what_is_asked_for() {
        let check = |url: &str, header: Option<&str>, expect: Option<(Option<&str>, Option<&str>)>| {
            let mut request = http::Request::builder().uri(url);
            if let Some(header) = header {
                request = request.header("Last-Event-ID", header);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let asked = Asked::read(&parts).ok();
            let expect = expect.map(|(known, package)| Asked {
                known: known.map(|known| known.parse().unwrap()),
                package_id: package.map(str::to_owned),
            });
            assert_eq!(asked, expect, "{url} {header:?}");
        };
        check("/events", None, Some((None, None)));
        check("/events?package=PS100001&after=7", None, Some((Some("7"), Some("PS100001"))));
        check("/events?after=7", Some("9-3"), Some((Some("9-3"), None)));
        check("/events", Some(""), Some((None, None)));
        check("/events?after=x", None, None);
        check("/events", Some("\u{e4}"), None);
        check("/events?pakage=PS100001", None, None);
        check("/events?package=%ff", None, None);
    }
}
