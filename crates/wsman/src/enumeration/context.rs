//! What names an answer that waits: known to the user who asked, and to nobody who guesses.
//!
//! Contexts are kept in memory: one that is gone after a restart is refused like any other unknown one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use clock::SharedClock;
use site::{Actor, Origin, SignIn};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::answer::Answer;
use crate::fault::WsmanFault;

/// How long an answer waits for the next question about it: what Windows grants.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(240);
/// Answers of one user that wait.
pub(super) const OF_USER_MAX: usize = 100;
/// Answers of all users that wait. Each holds at most some hundred KiB of memory.
pub(super) const ALL_MAX: usize = 500;

/// Answers that wait, by their contexts.
#[derive(Debug)]
pub(super) struct Contexts {
    clock: SharedClock,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// Who asked: not only the name, since a token may be allowed less than its user.
    actor: Actor,
    used_at: Duration,
    answer: Arc<AsyncMutex<Answer>>,
}

impl Contexts {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// Refuses a question whose answer could not wait.
    pub(super) fn has_room(&self, actor: &Actor) -> Result<(), WsmanFault> {
        room(&self.lock(), actor)
    }

    /// Keeps an answer until it is not asked about for [`IDLE_MAX`]; the context that names it.
    pub(super) fn keep(self: &Arc<Self>, actor: &Actor, answer: Answer) -> Result<String, WsmanFault> {
        let context = format!("uuid:{}", Uuid::new_v4().to_string().to_ascii_uppercase());
        let answer = Arc::new(AsyncMutex::new(answer));
        let kept = Kept { actor: asking(actor), used_at: self.clock.monotonic(), answer };
        let mut all = self.lock();
        room(&all, actor)?;
        all.insert(context.clone(), kept);
        drop(all);
        tokio::spawn(expire(Arc::downgrade(self), Arc::clone(&self.clock), context.clone()));
        Ok(context)
    }

    /// The answer that a context names.
    pub(super) fn find(&self, actor: &Actor, context: &str) -> Result<Arc<AsyncMutex<Answer>>, WsmanFault> {
        let mut all = self.lock();
        let kept = all.get_mut(context).filter(|kept| kept.actor == asking(actor));
        let kept = kept.ok_or(WsmanFault::InvalidEnumerationContext)?;
        kept.used_at = self.clock.monotonic();
        Ok(Arc::clone(&kept.answer))
    }

    /// Lets the time begin anew.
    pub(super) fn touch(&self, context: &str) {
        if let Some(kept) = self.lock().get_mut(context) {
            kept.used_at = self.clock.monotonic();
        }
    }

    /// Forgets an answer.
    pub(super) fn end(&self, actor: &Actor, context: &str) -> Result<(), WsmanFault> {
        let mut all = self.lock();
        match all.get(context) {
            Some(kept) if kept.actor == asking(actor) => drop(all.remove(context)),
            _ => return Err(WsmanFault::InvalidEnumerationContext),
        }
        Ok(())
    }

    /// How long a context may stay; none if it is gone, or went now.
    fn left(&self, context: &str) -> Option<Duration> {
        let mut all = self.lock();
        let idle = self.clock.monotonic().saturating_sub(all.get(context)?.used_at);
        let left = IDLE_MAX.checked_sub(idle).filter(|left| !left.is_zero());
        if left.is_none() {
            all.remove(context);
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets an answer that nobody asks about, since it takes room meanwhile.
async fn expire(contexts: Weak<Contexts>, clock: SharedClock, context: String) {
    while let Some(left) = contexts.upgrade().and_then(|contexts| contexts.left(&context)) {
        clock.sleep(left).await;
    }
}

/// Who asks, by whatever program and machine, and however signed in.
fn asking(actor: &Actor) -> Actor {
    Actor { origin: Origin::default(), sign_in: SignIn::Local, ..actor.clone() }
}

fn room(all: &HashMap<String, Kept>, actor: &Actor) -> Result<(), WsmanFault> {
    let of_user = all.values().filter(|kept| kept.actor.name == actor.name).count();
    let reason = match (of_user >= OF_USER_MAX, all.len() >= ALL_MAX) {
        (true, _) => format!("{OF_USER_MAX} enumerations of one user wait to be pulled"),
        (_, true) => format!("{ALL_MAX} enumerations wait to be pulled"),
        _ => return Ok(()),
    };
    let idle = IDLE_MAX.as_secs();
    Err(WsmanFault::QuotaLimit {
        reason: format!("{reason}; pull to their ends or release them, or wait {idle} s"),
    })
}
