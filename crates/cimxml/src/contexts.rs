//! Enumerations that are pulled in pieces. Between two pulls an answer waits out of the database's way, named by one of
//! [`provider::Contexts`].

use std::sync::Arc;
use std::time::Duration;

use cim::Instance;
use clock::SharedClock;
use provider::{Caller, ContextRules, HeldAnswer, Lent, NoRoom, Provider};
use site::Actor;
use tokio::sync::{Mutex, OwnedMutexGuard};
use xml::Writer;

use crate::listing::{Source, WriteElement};
use crate::status::{CimStatus, OperationError};

/// The most open enumerations.
pub const CONTEXTS_MAX: usize = 512;
/// The most open enumerations of one user.
pub const CONTEXTS_OF_USER_MAX: usize = 64;
/// How long an enumeration waits for the next pull where the client does not say.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest that a client may ask for: what waits takes room meanwhile.
pub const OPERATION_TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// What an enumeration returns; each kind has a pull operation of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InstancesWithPath,
    Paths,
    Instances,
}

/// All open enumerations.
#[derive(Debug)]
pub(crate) struct Contexts(Arc<provider::Contexts<Enumeration>>);

/// One enumeration.
#[derive(Debug)]
pub(crate) struct Enumeration {
    space: String,
    kind: Kind,
    elements: Arc<Mutex<Elements>>,
}

/// The elements of an enumeration that nobody was told yet.
#[derive(Debug)]
struct Elements {
    waiting: Waiting,
    /// Taken out to know whether more is there.
    ahead: Option<Result<Vec<u8>, OperationError>>,
}

/// An enumeration that one answer reads on, and no other meanwhile. It takes its room until it is dropped, and is over
/// when it is dropped before [`Pulled::end`] with elements told: they may not have arrived, and to go on behind them would
/// leave a gap that nobody sees.
#[derive(Debug)]
pub(crate) struct Pulled {
    contexts: Arc<provider::Contexts<Enumeration>>,
    actor: Actor,
    id: String,
    elements: OwnedMutexGuard<Elements>,
    /// Whether the enumeration is over when this is dropped.
    is_over: bool,
    _lent: Lent<Enumeration>,
}

impl Contexts {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let rules = ContextRules {
            of_user_max: CONTEXTS_OF_USER_MAX,
            all_max: CONTEXTS_MAX,
            written: |id| id.simple().to_string(),
        };
        Self(provider::Contexts::new(clock, rules))
    }

    /// Whether one more may be opened.
    pub(crate) fn has_room(&self, actor: &Actor) -> Result<(), OperationError> {
        self.0.has_room(actor).map_err(|full| no_room(&full))
    }

    /// Keeps a new enumeration, and begins to read it.
    pub(crate) fn open(
        &self,
        actor: &Actor,
        idle_max: Duration,
        enumeration: Enumeration,
    ) -> Result<Pulled, OperationError> {
        let id = self.0.keep(actor, idle_max, enumeration).map_err(|full| no_room(&full))?;
        let lent = self.0.find(actor, &id).ok_or_else(unknown)?;
        self.pulled(actor, id, lent)
    }

    /// Goes on with an enumeration.
    pub(crate) fn pull(
        &self,
        actor: &Actor,
        id: &str,
        space: &str,
        kind: Kind,
    ) -> Result<Pulled, OperationError> {
        let lent = self.find(actor, id, space)?;
        if lent.kind != kind {
            return Err(unknown());
        }
        self.pulled(actor, id.to_owned(), lent)
    }

    /// Forgets an enumeration. What is being told of it is told to its end.
    pub(crate) fn close(&self, actor: &Actor, id: &str, space: &str) -> Result<(), OperationError> {
        self.find(actor, id, space)?;
        if self.0.end(actor, id) { Ok(()) } else { Err(unknown()) }
    }

    fn find(&self, actor: &Actor, id: &str, space: &str) -> Result<Lent<Enumeration>, OperationError> {
        self.0.find(actor, id).filter(|lent| lent.space == space).ok_or_else(unknown)
    }

    fn pulled(&self, actor: &Actor, id: String, lent: Lent<Enumeration>) -> Result<Pulled, OperationError> {
        let reason = "another pull of this enumeration is being answered; pull again when it has ended";
        let elements = Arc::clone(&lent.elements)
            .try_lock_owned()
            .map_err(|_| OperationError::new(CimStatus::Failed, reason))?;
        let (contexts, actor) = (Arc::clone(&self.0), actor.clone());
        Ok(Pulled { contexts, actor, id, elements, is_over: false, _lent: lent })
    }
}

fn unknown() -> OperationError {
    let reason = "no such enumeration is open: it has ended, or was opened by another user, in another namespace or for \
                  another pull operation";
    OperationError::new(CimStatus::InvalidEnumerationContext, reason)
}

fn no_room(full: &NoRoom) -> OperationError {
    let reason = format!("{full}; close some, or wait until they end");
    OperationError::new(CimStatus::ServerLimitsExceeded, reason)
}

impl Enumeration {
    pub(crate) fn new(space: &str, kind: Kind, waiting: Waiting) -> Self {
        let elements = Arc::new(Mutex::new(Elements { waiting, ahead: None }));
        Self { space: space.to_owned(), kind, elements }
    }
}

impl Pulled {
    /// The next element, as XML; none after the last one. An error is the last.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>, OperationError>> {
        let next = match self.elements.ahead.take() {
            Some(ahead) => ahead,
            None => self.elements.waiting.next().await?,
        };
        self.is_over = true;
        Some(next)
    }

    /// Ends the answer: the context that more is to be asked for by, if there is more.
    pub(crate) async fn end(mut self) -> Option<String> {
        if self.elements.ahead.is_none() {
            self.elements.ahead = self.elements.waiting.next().await;
        }
        // Without more to tell the enumeration is over, like one that was broken off.
        self.is_over = self.elements.ahead.is_none();
        (!self.is_over).then(|| self.id.clone())
    }
}

impl Drop for Pulled {
    fn drop(&mut self) {
        if self.is_over {
            self.contexts.end(&self.actor, &self.id);
        }
    }
}

/// The elements of an answer that wait to be pulled.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Read at the pace of the database, and kept out of memory.
    Held(Box<HeldAnswer>),
    /// The few objects that the front end makes itself.
    Few(std::vec::IntoIter<Vec<u8>>),
}

impl Waiting {
    /// Begins to read a source to its end.
    pub(crate) fn read(provider: &Provider, caller: &Caller, source: Source, write: WriteElement) -> Self {
        let written = move |instance: &Instance| {
            let mut writer = Writer::new();
            write(&mut writer, instance);
            writer.finish().into_bytes()
        };
        match source {
            Source::Stream(stream) => {
                Self::Held(Box::new(provider.hold(caller, *stream, move |instance| Some(written(&instance)))))
            }
            Source::Held(instances) => {
                let elements: Vec<_> = instances.map(|instance| written(&instance)).collect();
                Self::Few(elements.into_iter())
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Vec<u8>, OperationError>> {
        match self {
            Self::Held(held) => Some(held.next().await?.map_err(OperationError::from)),
            Self::Few(elements) => elements.next().map(Ok),
        }
    }
}
