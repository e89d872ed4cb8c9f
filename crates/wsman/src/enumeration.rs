//! Enumerations (DSP0226 chapter 8): a question whose answer is taken in pieces.
//!
//! The answer is read to its end when the question is asked, and waits outside of memory for whoever takes it
//! ([`provider::HeldAnswer`]): a client that takes its time, or never asks again, holds no reading connection of the
//! database, however many such clients there are. What waits is named by a context (`context`).

mod answer;
mod context;
mod filter;
mod request;
mod underway;

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use provider::Provider;
use site::Actor;
use tokio::sync::Mutex;
use xml::Writer;

use crate::fault::WsmanFault;
use crate::names::action;
use crate::reply::Reply;
use crate::serve::{Exchange, Service};
use answer::{Answer, Batch, Limits};
use context::{Contexts, contexts};
pub use context::{ENUMERATION_IDLE_MAX, ENUMERATIONS_OF_USER_MAX};
pub(crate) use request::EnumerationRequest;
use request::{Enumerate, Pull};
pub(crate) use underway::Underway;

/// What an answer has around its items and in its frame, in bytes: element names, the context.
const AROUND_ITEMS_BYTES: usize = 512;
/// A pull ends this long before its operation would, so that it still says that nothing was there.
const MARGIN: Duration = Duration::from_millis(200);

/// The enumerations of a service.
#[derive(Debug)]
pub(crate) struct Enumerations {
    clock: SharedClock,
    contexts: Arc<Contexts>,
}

impl Service {
    /// Does what a request about an enumeration asks for. Dropping the future loses nothing of one that goes on; dropping
    /// its answer ends it.
    pub(crate) async fn enumeration(
        &self,
        exchange: &Exchange,
        request: EnumerationRequest,
    ) -> Result<Reply, WsmanFault> {
        // Questions are large, and most requests are none.
        Box::pin(self.enumerations.answer(&self.provider, exchange, request)).await
    }
}

impl Enumerations {
    /// None yet.
    pub(crate) fn new(clock: SharedClock) -> Self {
        let contexts = contexts(Arc::clone(&clock));
        Self { clock, contexts }
    }

    async fn answer(
        &self,
        provider: &Provider,
        exchange: &Exchange,
        request: EnumerationRequest,
    ) -> Result<Reply, WsmanFault> {
        match request {
            EnumerationRequest::Enumerate(asked) => self.enumerate(provider, exchange, *asked).await,
            EnumerationRequest::Pull(pull) => self.pull(exchange, &pull).await,
            EnumerationRequest::Release(context) => {
                match self.contexts.end(&exchange.caller.actor, &context) {
                    true => Ok(Reply::to_action(action::RELEASE, Writer::new())),
                    false => Err(WsmanFault::InvalidEnumerationContext),
                }
            }
        }
    }

    async fn enumerate(
        &self,
        provider: &Provider,
        exchange: &Exchange,
        asked: Enumerate,
    ) -> Result<Reply, WsmanFault> {
        let actor = &exchange.caller.actor;
        self.contexts.has_room(actor)?;
        let first = asked.first_elements;
        let mut answer = Answer::to(provider, &exchange.caller, asked).await?;
        let Some(elements) = first else {
            let context = self.keep(actor, answer)?;
            return Ok(enumerated(&context, None));
        };
        let limits = self.limits(exchange, action::ENUMERATE, elements);
        let batch = answer.batch(limits, self.clock.sleep(patience(exchange, None))).await?;
        match batch.is_last {
            true => Ok(enumerated("", Some(&batch))),
            false => {
                let context = self.keep(actor, answer)?;
                Ok(enumerated(&context, Some(&batch)).underway(self.underway(actor, &context)))
            }
        }
    }

    async fn pull(&self, exchange: &Exchange, pull: &Pull) -> Result<Reply, WsmanFault> {
        let actor = &exchange.caller.actor;
        let kept = self.contexts.find(actor, &pull.context);
        let kept = kept.ok_or(WsmanFault::InvalidEnumerationContext)?;
        let mut limits = self.limits(exchange, action::PULL, pull.elements);
        limits.bytes = limits.bytes.min(pull.characters.unwrap_or(usize::MAX));
        let mut time = self.clock.sleep(patience(exchange, pull.time));
        let mut answer = tokio::select! {
            answer = kept.lock() => answer,
            () = &mut time => return Err(nothing_yet()),
        };
        let batch = answer.batch(limits, time).await;
        drop(answer);
        match batch {
            // What failed does not go on.
            Err(fault @ WsmanFault::Provider(_)) => {
                self.contexts.end(actor, &pull.context);
                Err(fault)
            }
            Err(fault) => Err(fault),
            Ok(batch) if batch.is_last => {
                self.contexts.end(actor, &pull.context);
                Ok(pulled(None, &batch))
            }
            Ok(batch) if batch.count == 0 => Err(nothing_yet()),
            Ok(batch) => {
                let underway = self.underway(actor, &pull.context);
                Ok(pulled(Some(&pull.context), &batch).underway(underway))
            }
        }
    }

    fn underway(&self, actor: &Actor, context: &str) -> Underway {
        Underway::new(&self.contexts, actor, context)
    }

    fn keep(&self, actor: &Actor, answer: Answer) -> Result<String, WsmanFault> {
        Ok(self.contexts.keep(actor, ENUMERATION_IDLE_MAX, Mutex::new(answer))?)
    }

    fn limits(&self, exchange: &Exchange, action: &str, elements: usize) -> Limits {
        let headers = &exchange.headers;
        let frame = Reply::frame_bytes(action, &headers.message_id) + AROUND_ITEMS_BYTES;
        Limits { elements, bytes: headers.max_envelope_bytes.saturating_sub(frame) }
    }
}

/// How long items are waited for.
fn patience(exchange: &Exchange, wanted: Option<Duration>) -> Duration {
    let own = exchange.headers.timeout.saturating_sub(MARGIN);
    wanted.map_or(own, |wanted| wanted.min(own))
}

fn nothing_yet() -> WsmanFault {
    WsmanFault::TimedOut { reason: "nothing was found in this time; the enumeration goes on, pull again" }
}

/// The answer to Enumerate: its items are of WS-Management's namespace.
fn enumerated(context: &str, batch: Option<&Batch>) -> Reply {
    let mut out = Writer::new();
    out.open("n:EnumerateResponse", &[]);
    out.leaf("n:EnumerationContext", &[], context);
    let body = match batch {
        None => out.finish(),
        Some(batch) => with_items(out, "w:Items", "w:EndOfSequence", batch),
    };
    Reply::with_text(action::ENUMERATE, body)
}

/// The answer to Pull: its items are of WS-Enumeration's namespace.
fn pulled(context: Option<&str>, batch: &Batch) -> Reply {
    let mut out = Writer::new();
    out.open("n:PullResponse", &[]);
    if let Some(context) = context {
        out.leaf("n:EnumerationContext", &[], context);
    }
    Reply::with_text(action::PULL, with_items(out, "n:Items", "n:EndOfSequence", batch))
}

fn with_items(mut out: Writer, items: &str, end: &str, batch: &Batch) -> String {
    out.open(items, &[]);
    let mut body = out.take();
    body.push_str(&batch.items);
    out.close();
    if batch.is_last {
        out.empty(end, &[]);
    }
    body.push_str(&out.finish());
    body
}

#[cfg(test)]
mod tests {
    use cim::query::Query;
    use provider::{Caller, Context};
    use stage::Stage;

    use super::*;
    use crate::envelope::Headers;
    use crate::resource::ResourceUri;

    fn exchange(timeout: Duration) -> Exchange {
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_DistributionPointInfo";
        let headers = Headers {
            action: action::PULL.to_owned(),
            resource: ResourceUri::parse(uri).unwrap().0,
            selectors: Vec::new(),
            options: Vec::new(),
            message_id: String::new(),
            max_envelope_bytes: 100_000,
            timeout,
            locale: None,
            fragment: None,
        };
        Exchange { caller: Caller::new(Actor::local(), Context::default()), headers }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_pull_that_outlives_its_time_leaves_what_it_waited_for() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let enumerations = Enumerations::new(Arc::clone(&stage.clock));
        let (hasty, patient) = (exchange(Duration::ZERO), exchange(Duration::from_secs(60)));
        let query = Query::all("SMS_DistributionPointInfo");
        let found = stage.provider.query_stream(&patient.caller, query).await.unwrap();
        // Nothing is found before it is said so.
        let (say, said) = std::sync::mpsc::channel::<()>();
        let held =
            stage.provider.hold(&patient.caller, found, move |_| said.recv().ok().map(|()| b"<i/>".to_vec()));
        let context = enumerations.keep(&Actor::local(), Answer::from(answer::Source::Held(held))).unwrap();
        let pull = |time| Pull { context: context.clone(), elements: 1, characters: None, time };
        for (exchange, pull) in [(&hasty, pull(None)), (&patient, pull(Some(Duration::ZERO)))] {
            let refused = enumerations.pull(exchange, &pull).await.unwrap_err();
            assert_eq!((refused.line().subcode, refused.line().number), (Some("w:TimedOut"), 0x8033_8029));
            assert!(refused.to_string().contains("pull again"), "{refused}");
        }
        say.send(()).unwrap();
        say.send(()).unwrap();
        let first = enumerations.pull(&patient, &pull(None)).await.unwrap().envelope(None);
        assert!(first.contains("<n:Items><i/></n:Items>"), "{first}");
    }
}
