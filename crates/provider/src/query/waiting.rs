//! Answers that clients take in pieces, by the contexts that name them between two pieces.
//!
//! A context cannot be guessed and is known to nobody but who asked. Contexts are kept in memory: one that is gone after a
//! restart is unknown like any other.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use clock::SharedClock;
use site::{Actor, Origin, SignIn};
use uuid::Uuid;

/// How many contexts there may be, and what they look like.
#[derive(Debug, Clone, Copy)]
pub struct ContextRules {
    /// Contexts of one user.
    pub of_user_max: usize,
    /// Contexts of all users.
    pub all_max: usize,
    /// How a protocol writes a context.
    pub written: fn(Uuid) -> String,
}

/// What waits for a client, by its context.
#[derive(Debug)]
pub struct Contexts<T> {
    clock: SharedClock,
    rules: ContextRules,
    kept: Mutex<HashMap<String, Kept<T>>>,
}

/// Why nothing more is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The user has as many as one user may have.
    #[error("{0} enumerations of one user wait to be pulled")]
    OfUser(usize),
    /// There are as many as there may be.
    #[error("{0} enumerations wait to be pulled")]
    OfAll(usize),
}

/// What a context names, while it is used. It does not end by time meanwhile; given back, its time begins anew.
#[derive(Debug)]
pub struct Lent<T: Send + Sync + 'static> {
    contexts: Arc<Contexts<T>>,
    context: String,
    item: Arc<T>,
}

#[derive(Debug)]
struct Kept<T> {
    /// Who asked: not only the name, since a token may be allowed less than its user.
    actor: Actor,
    idle_max: Duration,
    used_at: Duration,
    /// How often it is lent.
    lent: usize,
    /// Nobody finds it any more, but it takes its room until it is given back.
    is_ended: bool,
    item: Arc<T>,
}

impl<T: Send + Sync + 'static> Contexts<T> {
    /// None yet.
    #[must_use]
    pub fn new(clock: SharedClock, rules: ContextRules) -> Arc<Self> {
        Arc::new(Self { clock, rules, kept: Mutex::default() })
    }

    /// Whether a user could keep one more.
    ///
    /// Errors: [`NoRoom`].
    pub fn has_room(&self, actor: &Actor) -> Result<(), NoRoom> {
        self.room(&self.lock(), actor)
    }

    /// Keeps what waits until nobody asks for it for so long; the context that names it.
    ///
    /// Errors: [`NoRoom`].
    pub fn keep(self: &Arc<Self>, actor: &Actor, idle_max: Duration, item: T) -> Result<String, NoRoom> {
        let context = (self.rules.written)(Uuid::new_v4());
        let (actor, used_at) = (asking(actor), self.clock.monotonic());
        let item = Arc::new(item);
        let mut all = self.lock();
        self.room(&all, &actor)?;
        all.insert(context.clone(), Kept { actor, idle_max, used_at, lent: 0, is_ended: false, item });
        drop(all);
        tokio::spawn(expire(Arc::downgrade(self), Arc::clone(&self.clock), context.clone()));
        Ok(context)
    }

    /// What a context names. What is another's looks like what is not there.
    #[must_use]
    pub fn find(self: &Arc<Self>, actor: &Actor, context: &str) -> Option<Lent<T>> {
        let mut all = self.lock();
        let kept = all.get_mut(context).filter(|kept| kept.is_known_to(actor))?;
        kept.lent += 1;
        let item = Arc::clone(&kept.item);
        Some(Lent { contexts: Arc::clone(self), context: context.to_owned(), item })
    }

    /// Forgets what waits, as soon as nobody uses it; whether it was there.
    pub fn end(&self, actor: &Actor, context: &str) -> bool {
        let mut all = self.lock();
        let Some(kept) = all.get_mut(context).filter(|kept| kept.is_known_to(actor)) else { return false };
        kept.is_ended = true;
        let gone = remove_ended(&mut all, context);
        drop(all);
        drop(gone);
        true
    }

    fn give_back(&self, context: &str) {
        let mut all = self.lock();
        if let Some(kept) = all.get_mut(context) {
            kept.lent -= 1;
            kept.used_at = self.clock.monotonic();
        }
        let gone = remove_ended(&mut all, context);
        drop(all);
        drop(gone);
    }

    /// How long a context may stay; none if it is gone, or went now.
    fn left(&self, context: &str) -> Option<Duration> {
        let mut all = self.lock();
        let kept = all.get_mut(context)?;
        if kept.lent > 0 {
            return Some(kept.idle_max);
        }
        let idle = self.clock.monotonic().saturating_sub(kept.used_at);
        let left = kept.idle_max.checked_sub(idle).filter(|left| !left.is_zero());
        let gone = if left.is_none() { all.remove(context) } else { None };
        drop(all);
        drop(gone);
        left
    }

    fn room(&self, all: &HashMap<String, Kept<T>>, actor: &Actor) -> Result<(), NoRoom> {
        let ContextRules { of_user_max, all_max, .. } = self.rules;
        if all.values().filter(|kept| kept.actor.name == actor.name).count() >= of_user_max {
            return Err(NoRoom::OfUser(of_user_max));
        }
        if all.len() >= all_max { Err(NoRoom::OfAll(all_max)) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept<T>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T: Send + Sync + 'static> Drop for Lent<T> {
    fn drop(&mut self) {
        self.contexts.give_back(&self.context);
    }
}

impl<T> Kept<T> {
    fn is_known_to(&self, actor: &Actor) -> bool {
        !self.is_ended && self.actor == asking(actor)
    }
}

/// Takes out what has ended and is used by nobody, to be dropped without the lock.
fn remove_ended<T>(all: &mut HashMap<String, Kept<T>>, context: &str) -> Option<Kept<T>> {
    let is_over = all.get(context).is_some_and(|kept| kept.is_ended && kept.lent == 0);
    if is_over { all.remove(context) } else { None }
}

/// Forgets what nobody asks for, since it takes room meanwhile.
async fn expire<T: Send + Sync + 'static>(contexts: Weak<Contexts<T>>, clock: SharedClock, context: String) {
    while let Some(left) = contexts.upgrade().and_then(|contexts| contexts.left(&context)) {
        clock.sleep(left).await;
    }
}

/// Who asks, by whatever program and machine, and however signed in.
fn asking(actor: &Actor) -> Actor {
    Actor { origin: Origin::default(), sign_in: SignIn::Local, call: None, ..actor.clone() }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;
    use site::Role;

    use super::*;

    const IDLE_MAX: Duration = Duration::from_secs(60);
    const RULES: ContextRules =
        ContextRules { of_user_max: 2, all_max: 3, written: |id| id.simple().to_string() };

    fn clock() -> Arc<ManualClock> {
        ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap())
    }

    fn user(name: &str) -> Actor {
        Actor { name: name.to_owned(), ..Actor::local() }
    }

    #[tokio::test]
    async fn contexts_are_known_to_who_asked() {
        let contexts = Contexts::new(clock(), RULES);
        let ann = user("ann");
        let context = contexts.keep(&ann, IDLE_MAX, 7).unwrap();
        let elsewhere = Actor { sign_in: SignIn::Password("x".to_owned()), ..ann.clone() };
        assert_eq!(contexts.find(&elsewhere, &context).map(|found| *found), Some(7));
        for stranger in [user("bob"), Actor { role: Role::Reader, ..ann.clone() }] {
            assert!(contexts.find(&stranger, &context).is_none(), "{stranger:?}");
            assert!(!contexts.end(&stranger, &context), "{stranger:?}");
        }
        assert!(contexts.end(&ann, &context));
        assert!(contexts.find(&ann, &context).is_none() && !contexts.end(&ann, &context));
    }

    #[tokio::test]
    async fn what_is_used_takes_its_room_even_when_it_has_ended() {
        let contexts = Contexts::new(clock(), RULES);
        let ann = user("ann");
        let first = contexts.keep(&ann, IDLE_MAX, 1).unwrap();
        contexts.keep(&ann, IDLE_MAX, 2).unwrap();
        assert_eq!(contexts.keep(&ann, IDLE_MAX, 3), Err(NoRoom::OfUser(2)));
        let (lent, again) = (contexts.find(&ann, &first).unwrap(), contexts.find(&ann, &first).unwrap());
        assert!(contexts.end(&ann, &first));
        assert!(contexts.find(&ann, &first).is_none());
        drop(again);
        assert_eq!(contexts.has_room(&ann), Err(NoRoom::OfUser(2)));
        contexts.keep(&user("bob"), IDLE_MAX, 4).unwrap();
        assert_eq!(contexts.has_room(&user("eve")), Err(NoRoom::OfAll(3)));
        drop(lent);
        assert_eq!(contexts.has_room(&ann), Ok(()));
    }

    #[tokio::test]
    async fn what_nobody_asks_for_ends_by_itself() {
        let clock = clock();
        let contexts = Contexts::new(clock.clone(), RULES);
        let ann = user("ann");
        let context = contexts.keep(&ann, IDLE_MAX, Arc::new(())).unwrap();
        let lent = contexts.find(&ann, &context).unwrap();
        let watch = Arc::downgrade(&lent);
        settle().await;
        clock.advance(IDLE_MAX * 2);
        settle().await;
        drop(lent);
        assert_eq!(watch.strong_count(), 1, "what is used does not end");
        clock.advance(IDLE_MAX - Duration::from_secs(1));
        settle().await;
        assert_eq!(watch.strong_count(), 1, "the time began anew");
        clock.advance(Duration::from_secs(1));
        settle().await;
        assert_eq!(watch.strong_count(), 0);
    }

    /// Lets the task that ends contexts look at the time.
    async fn settle() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}
