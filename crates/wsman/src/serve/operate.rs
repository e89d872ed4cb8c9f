//! What a request asks for, done within the time and the size that it allows.

use http::request::Parts;
use provider::Caller;
use site::Actor;

use super::Service;
use crate::enumeration::Underway;
use crate::envelope::{Envelope, Headers};
use crate::fault::{SizeLimit, WsmanFault};
use crate::reply::Reply;
use crate::request::Request;
use crate::{metadata, options};

/// Said of a change whose time is over.
const GOES_ON: &str = "the change took longer than OperationTimeout allows and goes on; read what it was about to see how \
                       it ends";

/// Everything about one request that an answer needs.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Who asks.
    pub(crate) caller: Caller,
    /// What the headers say.
    pub(crate) headers: Headers,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Answer {
    /// The envelope.
    pub(super) envelope: String,
    /// The enumeration that it is a piece of, where that goes on.
    pub(super) underway: Option<Underway>,
}

impl From<String> for Answer {
    fn from(envelope: String) -> Self {
        Self { envelope, underway: None }
    }
}

impl Service {
    /// Reads what is asked for; nothing of the envelope is needed afterwards.
    pub(super) fn read(
        &self,
        envelope: &Envelope<'_>,
        parts: &Parts,
        actor: Actor,
    ) -> Result<(Exchange, Request), WsmanFault> {
        let headers = envelope.headers()?;
        let context = options::context(&headers, &parts.headers)?;
        let request = Request::read(envelope, &headers, &self.provider)?;
        Ok((Exchange { caller: Caller::new(actor, context), headers }, request))
    }

    /// Does it, and returns the answer.
    ///
    /// A question is dropped when its time is over. A change goes on, as the provider makes all of them to their end
    /// ([`provider::Changes`]); only the answer says that nobody waited for it.
    pub(super) async fn perform(&self, exchange: Exchange, request: Request) -> Result<Answer, WsmanFault> {
        let changes = request.changes(&self.provider);
        tokio::select! {
            biased;
            answer = self.dispatch(&exchange, request) => fitting(&exchange.headers, answer?, changes),
            () = self.clock.sleep(exchange.headers.timeout) => Err(WsmanFault::TimedOut {
                reason: if changes { GOES_ON } else { "the operation took longer than OperationTimeout allows" },
            }),
        }
    }

    async fn dispatch(&self, exchange: &Exchange, request: Request) -> Result<Reply, WsmanFault> {
        match request {
            Request::Get { path, fragment } => self.get(exchange, &path, fragment.as_ref()).await,
            Request::Put { path, change, fragment } => {
                self.put(exchange, &path, change, fragment.as_ref()).await
            }
            Request::Create(instance) => self.create(exchange, instance).await,
            Request::Invoke(call) => self.invoke(exchange, call).await,
            Request::Declare(class) => Ok(metadata::declared(&self.provider, class, &exchange.headers)),
            Request::Delete(path) => self.delete(exchange, &path).await,
            Request::Enumeration(request) => self.enumeration(exchange, request).await,
        }
    }

    /// The envelope of a fault.
    pub(super) fn fault(&self, fault: &WsmanFault, relates_to: Option<&str>) -> String {
        if fault.is_ours() {
            tracing::error!(error = fault as &dyn std::error::Error, "a request failed");
        }
        let [namespace, _] = self.provider.namespaces();
        fault.reply(self.provider.server(), &namespace.replace('\\', "/")).envelope(relates_to)
    }
}

/// The envelope, unless it is longer than the client takes.
fn fitting(headers: &Headers, mut answer: Reply, changed: bool) -> Result<Answer, WsmanFault> {
    let underway = answer.take_underway();
    let envelope = answer.envelope(Some(&headers.message_id));
    let (bytes, limit) = (envelope.len(), headers.max_envelope_bytes);
    if bytes <= limit {
        return Ok(Answer { envelope, underway });
    }
    let (kind, done) = match changed {
        true => (SizeLimit::UnreportableSuccess, "the operation was done, but "),
        false => (SizeLimit::EnvelopeExceeded, ""),
    };
    let reason = format!("{done}the answer has {bytes} bytes and MaxEnvelopeSize is {limit}");
    Err(WsmanFault::EncodingLimit { kind, reason })
}
