//! What happens, as it happens: status messages and the changes of distributions, for those who may see them.

use std::time::Duration;

use cim::query::{Direction, Expr, Operator, Query, Scalar};
use cim::{Instance, Value};
use site::{EventCursor, EventReader};

use crate::context::Caller;
use crate::error::{Fault, Operation, ProviderError};
use crate::provider::Provider;
use crate::query::InstanceStream;

/// How long events gather before they are told, so that a burst is a few questions and not a thousand.
const GATHER: Duration = Duration::from_millis(250);

/// The classes whose instances are events: the name of the event, the class, and the property that rises with each.
const KINDS: [(&str, &str, &str); 2] =
    [("status", "Haulier_StatusMessage", "RecordID"), ("state", "Haulier_DistributionState", "Revision")];

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `status` for a status message, `state` for a distribution as it is now.
    pub kind: &'static str,
    /// From where somebody goes on that knows this event. The last change of a distribution may then come again.
    pub cursor: EventCursor,
    /// The message or the distribution, lazy properties left out.
    pub instance: Instance,
}

/// Events, one after the other. Nothing is kept for a reader: what it reads late, it reads as it is then.
#[derive(Debug)]
pub struct EventStream {
    provider: Provider,
    caller: Caller,
    package_id: Option<String>,
    /// What the reader was told up to.
    told: EventCursor,
    /// What there is to tell up to.
    newest: EventCursor,
    /// Which kind is being told.
    telling: Option<(usize, InstanceStream)>,
    _reader: EventReader,
}

impl Provider {
    /// Events from where a reader was, else from now on; of one package, or of all that exist for the caller.
    ///
    /// Errors: [`site::SiteError::Busy`] while too many read.
    pub async fn events(
        &self,
        caller: &Caller,
        known: Option<EventCursor>,
        package_id: Option<String>,
    ) -> Result<EventStream, ProviderError> {
        let failed = |error: site::SiteError| event_failure(error.into());
        let reader = self.site().read_events(&caller.actor).map_err(failed)?;
        let told = self.site().event_cursor(known).await.map_err(failed)?;
        let (provider, caller) = (self.clone(), caller.clone());
        Ok(EventStream { provider, caller, package_id, told, newest: told, telling: None, _reader: reader })
    }
}

impl EventStream {
    /// Where the reader is.
    #[must_use]
    pub fn cursor(&self) -> EventCursor {
        self.told
    }

    /// The next event; none when nothing happened for so long. May be dropped at any time without loss.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<Event>, ProviderError> {
        let mut waited = false;
        loop {
            if let Some((kind, instances)) = &mut self.telling {
                let kind = *kind;
                if let Some(instance) = instances.next().await {
                    return Ok(Some(self.event(kind, instance?)));
                }
                self.told_all(kind);
                self.ask(kind + 1).await?;
                continue;
            }
            if waited {
                return Ok(None);
            }
            let site = self.provider.site();
            let seen = self.told;
            let heard =
                site.wait_for_events(seen, wait).await.map_err(|error| event_failure(error.into()))?;
            waited = true;
            if heard != seen {
                site.clock().sleep(GATHER).await;
                self.newest = site.event_cursor(None).await.map_err(|error| event_failure(error.into()))?;
                self.ask(0).await?;
            }
        }
    }

    /// Asks for what is new of a kind; beyond the last kind there is nothing.
    async fn ask(&mut self, kind: usize) -> Result<(), ProviderError> {
        self.telling = None;
        let Some((_, class, number)) = KINDS.get(kind) else { return Ok(()) };
        let (told, newest) = match kind {
            0 => (self.told.record_id, self.newest.record_id),
            _ => (self.told.revision, self.newest.revision),
        };
        let compare = |property: &str, op, value: Value| Expr::Compare {
            left: Scalar::property(property),
            op,
            right: Scalar::Literal(value),
        };
        let mut conditions =
            vec![compare(number, Operator::Gt, told.into()), compare(number, Operator::Le, newest.into())];
        conditions.extend(self.package_id.clone().map(|id| compare("PackageID", Operator::Eq, id.into())));
        let query = Query {
            filter: Some(Expr::And(conditions)),
            order: vec![(Scalar::property(*number), Direction::Ascending)],
            ..Query::all(*class)
        };
        self.telling = Some((kind, self.provider.query_stream(&self.caller, query).await?));
        Ok(())
    }

    fn told_all(&mut self, kind: usize) {
        match kind {
            0 => self.told.record_id = self.newest.record_id,
            _ => self.told.revision = self.newest.revision,
        }
    }

    fn event(&mut self, kind: usize, instance: Instance) -> Event {
        let (name, _, number) = KINDS[kind];
        let number = instance.get(number).and_then(Value::as_integer).and_then(|n| i64::try_from(n).ok());
        match (kind, number) {
            (0, Some(record)) => self.told.record_id = record,
            // Several have one revision, and not all of them may have been told yet.
            (_, Some(revision)) => self.told.revision = Ord::max(self.told.revision, revision - 1),
            (_, None) => {}
        }
        Event { kind: name, cursor: self.told, instance }
    }
}

fn event_failure(fault: Fault) -> ProviderError {
    ProviderError { operation: Operation::ExecQuery, object: "events".to_owned(), fault }
}
