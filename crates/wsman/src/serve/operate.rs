//! What a request asks for, done within the time and the size that it allows.

use std::sync::Arc;

use http::request::Parts;
use provider::Caller;
use site::Actor;

use super::Service;
use crate::envelope::{Envelope, Headers};
use crate::fault::{SizeLimit, WsmanFault};
use crate::reply::Reply;
use crate::request::Request;
use crate::{metadata, options};

/// Everything about one request that an answer needs.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Who asks.
    pub(crate) caller: Caller,
    /// What the headers say.
    pub(crate) headers: Headers,
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

    /// Does it, and returns the envelope of the answer.
    ///
    /// A question is dropped when its time is over. A change is not: it runs on by itself, whole or not at all as the
    /// provider does it, whether its time is over or its caller gone; only the answer says that nobody waited for it.
    pub(super) async fn perform(
        self: &Arc<Self>,
        exchange: Exchange,
        request: Request,
    ) -> Result<String, WsmanFault> {
        let time = self.clock.sleep(exchange.headers.timeout);
        if !request.changes() {
            return tokio::select! {
                biased;
                answer = self.dispatch(&exchange, request) => fitting(&exchange.headers, answer?, false),
                () = time => Err(WsmanFault::TimedOut { reason: "the operation took longer than OperationTimeout allows" }),
            };
        }
        let under_way = self.changes.start(&exchange.caller.actor.name)?;
        let service = Arc::clone(self);
        let change = tokio::spawn(async move {
            let answer = service.dispatch(&exchange, request).await;
            drop(under_way);
            fitting(&exchange.headers, answer?, true)
        });
        tokio::select! {
            biased;
            answer = change => answer.unwrap_or(Err(WsmanFault::Broken)),
            () = time => Err(WsmanFault::TimedOut {
                reason: "the change took longer than OperationTimeout allows and goes on; read what it was about to see how it ends",
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
fn fitting(headers: &Headers, answer: Reply, changed: bool) -> Result<String, WsmanFault> {
    let envelope = answer.envelope(Some(&headers.message_id));
    let (bytes, limit) = (envelope.len(), headers.max_envelope_bytes);
    if bytes <= limit {
        return Ok(envelope);
    }
    let (kind, done) = match changed {
        true => (SizeLimit::UnreportableSuccess, "the operation was done, but "),
        false => (SizeLimit::EnvelopeExceeded, ""),
    };
    let reason = format!("{done}the answer has {bytes} bytes and MaxEnvelopeSize is {limit}");
    Err(WsmanFault::EncodingLimit { kind, reason })
}

#[cfg(test)]
mod tests {
    use stage::{PACKAGE, Stage};

    use super::super::changes::OF_USER_MAX;
    use super::*;
    use crate::enumeration::Enumerations;
    use crate::names::{ADDRESSING, SOAP, WSMAN, action};

    fn envelope(action: &str) -> String {
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_DriverPackage";
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}'><s:Header><a:Action>{action}</a:Action>\
             <a:MessageID>uuid:1</a:MessageID><w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet>\
             <w:Selector Name='PackageID'>{PACKAGE}</w:Selector></w:SelectorSet></s:Header><s:Body/></s:Envelope>"
        )
    }

    #[tokio::test]
    async fn changes_are_bounded_and_questions_pass_them() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let service = Arc::new(Service {
            provider: stage.provider.clone(),
            clock: Arc::clone(&stage.clock),
            enumerations: Enumerations::new(Arc::clone(&stage.clock)),
            signin: signin::SignIn::new(stage.site.clone()),
            changes: Arc::default(),
        });
        let (parts, ()) = http::Request::new(()).into_parts();
        let ask = |action: &str| {
            let text = envelope(action);
            let envelope = Envelope::parse(&text).unwrap();
            let (exchange, request) = service.read(&envelope, &parts, Actor::local()).unwrap();
            service.perform(exchange, request)
        };
        let start = |_| service.changes.start(&Actor::local().name).unwrap();
        let under_way: Vec<_> = (0..OF_USER_MAX).map(start).collect();
        let refused = ask(action::DELETE).await.unwrap_err();
        assert_eq!(refused.line().subcode, Some("w:QuotaLimit"));
        assert!(ask(action::GET).await.is_ok());
        drop(under_way);
        assert!(ask(action::DELETE).await.is_ok());
        let all: Vec<_> = (0..OF_USER_MAX).map(start).collect();
        assert_eq!(all.len(), OF_USER_MAX, "a change that is done leaves its place");
        let gone = ask(action::GET).await.unwrap_err();
        assert_eq!(gone.line().subcode, Some("a:DestinationUnreachable"));
    }
}
