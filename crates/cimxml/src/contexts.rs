//! Enumerations that are pulled in pieces. Between two pulls an answer waits out of the database's way; a context is a
//! number that cannot be guessed, belongs to who asked, and ends when nobody asks for it any more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cim::Instance;
use clock::SharedClock;
use provider::{HeldAnswer, Provider};
use site::{Actor, Origin, SignIn};
use uuid::Uuid;
use xml::Writer;

use crate::listing::{Source, WriteElement};
use crate::status::{CimStatus, OperationError};

/// The most open enumerations.
pub const CONTEXTS_MAX: usize = 512;
/// The most open enumerations of one user.
pub const CONTEXTS_OF_USER_MAX: usize = 64;
/// How long an enumeration waits for the next pull where the client does not say.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest that a client may ask for.
pub const OPERATION_TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

/// What an enumeration returns; each kind has a pull operation of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InstancesWithPath,
    Paths,
    Instances,
}

/// All open enumerations.
#[derive(Debug)]
pub(crate) struct Contexts {
    clock: SharedClock,
    open: Mutex<HashMap<String, Context>>,
}

/// One enumeration.
#[derive(Debug)]
pub(crate) struct Context {
    /// Who asked: not only the name, since a token may be allowed less than its user.
    actor: Actor,
    pub(crate) space: String,
    pub(crate) kind: Kind,
    /// How long it waits for a pull.
    pub(crate) idle_max: Duration,
    /// When it ends, by the clock's own count.
    expires: Duration,
    waiting: Waiting,
    /// Taken out to know whether more is there.
    ahead: Option<Result<Vec<u8>, OperationError>>,
}

impl Contexts {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// Keeps a new enumeration and names it.
    pub(crate) fn open(&self, context: Context) -> Result<String, OperationError> {
        let id = Uuid::new_v4().simple().to_string();
        let now = self.clock.monotonic();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, kept| kept.expires > now);
        let of_user = open.values().filter(|kept| kept.actor.name == context.actor.name).count();
        if open.len() >= CONTEXTS_MAX || of_user >= CONTEXTS_OF_USER_MAX {
            let reason = format!(
                "too many enumerations are open; close some, or wait until they end: {CONTEXTS_OF_USER_MAX} of one user \
                 and {CONTEXTS_MAX} of all may be open"
            );
            return Err(OperationError::new(CimStatus::ServerLimitsExceeded, reason));
        }
        open.insert(id.clone(), Context { expires: now + context.idle_max, ..context });
        Ok(id)
    }

    /// Takes an enumeration out, so that nobody else pulls from it meanwhile.
    pub(crate) fn take(
        &self,
        id: &str,
        actor: &Actor,
        space: &str,
        kind: Option<Kind>,
    ) -> Result<Context, OperationError> {
        let now = self.clock.monotonic();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, kept| kept.expires > now);
        let is_it = |kept: &Context| {
            kept.actor == asking(actor) && kept.space == space && kind.is_none_or(|kind| kept.kind == kind)
        };
        // What is another's looks like what is not there.
        let found = if open.get(id).is_some_and(is_it) { open.remove(id) } else { None };
        let reason = "no such enumeration is open: it has ended, or was opened by another user, in another namespace or for \
                      another pull operation";
        found.ok_or_else(|| OperationError::new(CimStatus::InvalidEnumerationContext, reason))
    }

    /// Puts an enumeration back that has more.
    pub(crate) fn put_back(&self, id: String, context: Context) {
        let expires = self.clock.monotonic() + context.idle_max;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, Context { expires, ..context });
    }
}

impl Context {
    pub(crate) fn new(actor: &Actor, space: &str, kind: Kind, idle_max: Duration, waiting: Waiting) -> Self {
        let (actor, space) = (asking(actor), space.to_owned());
        Self { actor, space, kind, idle_max, expires: Duration::ZERO, waiting, ahead: None }
    }

    /// The next element, as XML; none after the last one.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>, OperationError>> {
        match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.waiting.next().await,
        }
    }

    /// Whether another element is there.
    pub(crate) async fn has_more(&mut self) -> bool {
        if self.ahead.is_none() {
            self.ahead = self.waiting.next().await;
        }
        self.ahead.is_some()
    }
}

/// Who asks, by whatever program and machine, and however signed in.
fn asking(actor: &Actor) -> Actor {
    Actor { origin: Origin::default(), sign_in: SignIn::Local, ..actor.clone() }
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
    pub(crate) fn read(provider: &Provider, source: Source, write: WriteElement) -> Self {
        let written = move |instance: &Instance| {
            let mut writer = Writer::new();
            write(&mut writer, instance);
            writer.finish().into_bytes()
        };
        match source {
            Source::Stream(stream) => {
                Self::Held(Box::new(provider.hold(*stream, move |instance| Some(written(&instance)))))
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
