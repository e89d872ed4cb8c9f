//! From an HTTP request to the provider and back.

mod associations;
mod classes;
mod instances;
mod lists;
mod methods;
mod operations;
mod properties;
mod pulls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use clock::SharedClock;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use net::read_body;
use provider::{Caller, ClassInfo, Provider};
use signin::{SignIn, SignedIn};
use site::{Actor, Role};
use xml::Writer;

use crate::contexts::Contexts;
use crate::encode::Encoder;
use crate::listing::Listing;
use crate::message::{self, Message, Request};
use crate::refusal::Refusal;
use crate::reply::{self, Frame};
use crate::space::Space;
use crate::status::{CimStatus, OperationError};
use crate::{headers, interop};

pub(crate) use pulls::Portion;

/// Where the WBEM tools send everything.
pub const PATH: &str = "/cimom";
/// The longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest body of a reader, in bytes: a machine with a thousand devices names them all.
const READER_BODY_BYTES_MAX: usize = 1024 * 1024;

/// The service of a site: one, so that its limits and its open enumerations are the same wherever it is served.
#[derive(Debug, Clone)]
pub struct CimXml(Arc<Service>);

impl CimXml {
    /// The service over a provider.
    #[must_use]
    pub fn new(provider: Provider, sign_in: SignIn, clock: SharedClock) -> Self {
        let spaces = Space::all(&provider);
        let contexts = Contexts::new(Arc::clone(&clock));
        Self(Arc::new(Service { provider, sign_in, clock, spaces, contexts }))
    }

    /// The service at [`PATH`].
    ///
    /// Requests must carry the extensions that `net` sets, or nobody is signed in.
    pub fn router(&self) -> Router {
        Router::new().route(PATH, any(handle)).with_state(Arc::clone(&self.0))
    }

    /// The service at [`PATH`] and at `/`, for a listener of its own: some clients know no path.
    pub fn listener_router(&self) -> Router {
        self.router().merge(Router::new().route("/", any(handle)).with_state(Arc::clone(&self.0)))
    }
}

/// What the handlers share.
#[derive(Debug)]
struct Service {
    provider: Provider,
    sign_in: SignIn,
    clock: SharedClock,
    spaces: Vec<Space>,
    contexts: Contexts,
}

/// Everything about one request that an answer needs.
struct Exchange<'a> {
    caller: Caller,
    space: &'a Space,
    encoder: Encoder,
    frame: Frame,
}

/// What an operation answers.
enum Answer {
    Whole(Writer),
    Listing(Listing),
}

async fn handle(State(service): State<Arc<Service>>, request: axum::extract::Request) -> Response {
    let started = service.clock.monotonic();
    let (parts, body) = request.into_parts();
    let response = match Box::pin(service.answer(&parts, body, started)).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let took_ms = service.since(started).as_millis();
    tracing::debug!(method = %parts.method, status = response.status().as_u16(), took_ms, "answered");
    response
}

impl Service {
    async fn answer(&self, parts: &Parts, body: Body, started: Duration) -> Result<Response, Refusal> {
        headers::check(&parts.method, &parts.headers)?;
        if signin::is_cross_site(parts) {
            return Err(Refusal::CrossSite);
        }
        let (SignedIn { actor, reply, .. }, body) = self.sign_in.admit(parts, body).await?;
        let answered = self.answer_to(parts, body, actor, started).await;
        Ok(signin::conclude(answered.unwrap_or_else(IntoResponse::into_response), reply))
    }

    async fn answer_to(
        &self,
        parts: &Parts,
        body: Body,
        actor: Actor,
        started: Duration,
    ) -> Result<Response, Refusal> {
        let body = read_body(body, body_limit(actor.role)).await?;
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let message = message::read(&xml::decode(&body, content_type)?, self.provider.schema())?;
        headers::agree(&parts.headers, &message)?;
        let caller = Caller::new(actor, headers::context(&parts.headers));
        let is_wbemcli = headers::is_wbemcli(&parts.headers, &message);
        Ok(self.operate(message, caller, is_wbemcli, started).await)
    }

    /// What a message asks for, or why not: an answer of the protocol either way.
    async fn operate(
        &self,
        message: Message,
        caller: Caller,
        is_wbemcli: bool,
        started: Duration,
    ) -> Response {
        let frame = Frame {
            id: message.id.clone(),
            name: message.name().to_owned(),
            is_extrinsic: matches!(message.request, Request::Extrinsic { .. }),
        };
        let encoder = Encoder { schema: self.provider.schema(), is_wbemcli };
        let answered = async {
            let space = self.space(message.namespace())?;
            let encoder = Encoder { schema: space.schema, is_wbemcli };
            let exchange = Exchange { caller, space, encoder, frame: frame.clone() };
            let answer = match message.request {
                Request::Intrinsic { name, parameters, .. } => {
                    self.intrinsic(&exchange, &name, &parameters?).await?
                }
                Request::Extrinsic { name, target, parameters, .. } => {
                    self.invoke(&exchange, &name, target, parameters?).await?
                }
            };
            match answer {
                Answer::Whole(writer) => Ok(reply::whole(writer.finish(), self.since(started))),
                Answer::Listing(listing) => listing.answer(|| self.since(started)).await,
            }
        };
        answered.await.unwrap_or_else(|error: OperationError| {
            if error.is_ours() {
                tracing::error!(
                    operation = frame.name,
                    error = &error as &dyn std::error::Error,
                    "an operation failed"
                );
            }
            reply::whole(frame.error(&error, encoder), self.since(started))
        })
    }

    fn since(&self, started: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(started)
    }

    fn space(&self, written: &str) -> Result<&Space, OperationError> {
        let unknown = || {
            let known: Vec<_> = self.spaces.iter().map(|space| space.name.as_str()).collect();
            let reason = format!("there is no namespace {written}; there are {}", known.join(", "));
            OperationError::new(CimStatus::InvalidNamespace, reason)
        };
        self.spaces.iter().find(|space| space.is_called(written)).ok_or_else(unknown)
    }

    /// The instances of the interop namespace.
    fn interop(&self, class: &ClassInfo) -> Vec<cim::Instance> {
        interop::instances(&self.provider, &self.spaces, class)
    }
}

impl Exchange<'_> {
    /// The class of that name, where it lives in the namespace.
    fn class(&self, name: &str) -> Result<&'static ClassInfo, OperationError> {
        self.space.class(name).ok_or_else(|| OperationError::class(name))
    }

    /// Refuses what would change something in the interop namespace.
    fn check_writable(&self) -> Result<(), OperationError> {
        match self.space.is_interop {
            true => Err(OperationError::unsupported("the interop namespace is read-only")),
            false => Ok(()),
        }
    }

    /// An answer that has nothing more to say.
    fn void(&self) -> Answer {
        Answer::Whole(self.frame.open())
    }

    /// An answer whose return value is about to be written.
    fn returning(&self) -> Writer {
        let mut writer = self.frame.open();
        writer.open("IRETURNVALUE", &[]);
        writer
    }
}

/// Who may change nothing of weight need not be heard out before the provider says so.
fn body_limit(role: Role) -> usize {
    match role {
        Role::Reader => READER_BODY_BYTES_MAX,
        Role::FullAdministrator | Role::Operator | Role::Author => BODY_BYTES_MAX,
    }
}
