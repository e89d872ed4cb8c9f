//! Context qualifiers that the provider keeps, so that a client need not send them with every call.
//!
//! They are kept in memory: a handle that is gone after a restart is refused like any other unknown one, and the client asks
//! for a new one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::context::{Caller, Context};
use crate::error::Fault;

/// How long a handle lasts without being used.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// Handles of one user; with one more, the one that was not used for longest goes.
const OF_USER_MAX: usize = 64;
/// Handles of all users; with one more, the one that was not used for longest goes.
const ALL_MAX: usize = 16_384;

/// What is kept, by handle.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    sets: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    user: String,
    context: Context,
    used_at: Duration,
}

impl Handles {
    /// Keeps the qualifiers of a call. `now` is the monotonic clock.
    pub(crate) fn keep(&self, user: &str, context: &Context, now: Duration) -> String {
        let mut sets = self.lock(now);
        let of_user = |kept: &Kept| kept.user == user;
        make_room(&mut sets, OF_USER_MAX, of_user);
        make_room(&mut sets, ALL_MAX, |_| true);
        let handle = format!("{{{}}}", uuid::Uuid::new_v4().to_string().to_ascii_uppercase());
        // Each call has an agent of its own.
        let context = Context { context_handle: None, agent: None, ..context.clone() };
        sets.insert(handle.clone(), Kept { user: user.to_owned(), context, used_at: now });
        handle
    }

    /// Forgets a handle. Errors: as [`Handles::resolve`].
    pub(crate) fn forget(&self, user: &str, handle: &str, now: Duration) -> Result<(), Fault> {
        let mut sets = self.lock(now);
        match sets.get(handle) {
            Some(kept) if kept.user == user => drop(sets.remove(handle)),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// The caller with the qualifiers that its handle stands for. What the call itself gives comes first.
    ///
    /// Errors: an unknown handle, one that was forgotten, or one of another user is an invalid parameter.
    pub(crate) fn resolve(&self, caller: &Caller, now: Duration) -> Result<Option<Caller>, Fault> {
        let Some(handle) = &caller.context.context_handle else { return Ok(None) };
        let mut sets = self.lock(now);
        let kept = sets.get_mut(handle).filter(|kept| kept.user == caller.actor.name).ok_or_else(unknown)?;
        kept.used_at = now;
        Ok(Some(Caller::new(caller.actor.clone(), merged(&caller.context, &kept.context))))
    }

    /// Without what was not used for too long.
    fn lock(&self, now: Duration) -> MutexGuard<'_, HashMap<String, Kept>> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|_, kept| now.saturating_sub(kept.used_at) <= LIFE);
        sets
    }
}

fn make_room(sets: &mut HashMap<String, Kept>, max: usize, counts: impl Fn(&Kept) -> bool) {
    while sets.values().filter(|kept| counts(kept)).count() >= max {
        let oldest = sets.iter().filter(|(_, kept)| counts(kept)).min_by_key(|(_, kept)| kept.used_at);
        let Some(oldest) = oldest.map(|(handle, _)| handle.clone()) else { return };
        sets.remove(&oldest);
    }
}

fn merged(own: &Context, kept: &Context) -> Context {
    let text = |own: &Option<String>, kept: &Option<String>| own.clone().or_else(|| kept.clone());
    let limits = if own.limit_to_collection_ids.is_empty() { kept } else { own };
    Context {
        application_name: text(&own.application_name, &kept.application_name),
        agent: own.agent.clone(),
        machine_name: text(&own.machine_name, &kept.machine_name),
        locale_id: own.locale_id.or(kept.locale_id),
        instance_count: own.instance_count.or(kept.instance_count),
        query_qualifiers: own.query_qualifiers || kept.query_qualifiers,
        object_lock_context: text(&own.object_lock_context, &kept.object_lock_context),
        context_handle: None,
        session_handle: text(&own.session_handle, &kept.session_handle),
        limit_to_collection_ids: limits.limit_to_collection_ids.clone(),
    }
}

fn unknown() -> Fault {
    let reason =
        "it is not known, or no longer; ask SMS_ContextMethods.GetContextHandle for another".to_owned();
    Fault::InvalidContext { name: "ContextHandle".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use site::{Actor, Role};

    use super::*;

    fn caller(name: &str, handle: &str, machine: Option<&str>) -> Caller {
        let context = Context {
            context_handle: Some(handle.to_owned()),
            machine_name: machine.map(str::to_owned),
            ..Context::default()
        };
        Caller::new(Actor::new(name, Role::Author), context)
    }

    #[test]
    fn what_a_call_gives_comes_before_what_is_kept() {
        let handles = Handles::default();
        let context = Context {
            machine_name: Some("PC1".to_owned()),
            application_name: Some("Tool".to_owned()),
            ..Context::default()
        };
        let now = Duration::from_secs(1);
        let handle = handles.keep("ada", &context, now);
        let origin = |caller: &Caller| handles.resolve(caller, now).unwrap().unwrap().actor.origin;
        let kept = origin(&caller("ada", &handle, None));
        assert_eq!((kept.machine.as_str(), kept.application.as_str()), ("PC1", "Tool"));
        assert_eq!(origin(&caller("ada", &handle, Some("PC2"))).machine, "PC2");
        let mut browsing = caller("ada", &handle, None).context;
        browsing.agent = Some("curl/8".to_owned());
        let browsing = Caller::new(Actor::new("ada", Role::Author), browsing);
        assert_eq!(browsing.actor.origin.application, "curl/8");
        assert_eq!(origin(&browsing).application, "Tool", "an agent is no ApplicationName");
        assert_eq!(handles.resolve(&caller("ben", &handle, None), now).unwrap_err().hresult(), 0x8004_1008);
        assert!(handles.forget("ben", &handle, now).is_err(), "a handle of another user");
        handles.forget("ada", &handle, now).unwrap();
        assert!(handles.resolve(&caller("ada", &handle, None), now).is_err());
        assert!(handles.resolve(&Caller::from(Actor::local()), now).unwrap().is_none());
    }

    #[test]
    fn handles_end_with_time_and_number() {
        let handles = Handles::default();
        let first = handles.keep("ada", &Context::default(), Duration::ZERO);
        handles.resolve(&caller("ada", &first, None), LIFE).unwrap();
        handles.resolve(&caller("ada", &first, None), LIFE * 2).unwrap();
        assert!(handles.resolve(&caller("ada", &first, None), LIFE * 3 + Duration::from_secs(1)).is_err());
        let kept: Vec<String> = (0..=OF_USER_MAX)
            .map(|second| {
                handles.keep("ada", &Context::default(), LIFE * 4 + Duration::from_secs(second as u64))
            })
            .collect();
        let now = LIFE * 4 + Duration::from_secs(100);
        assert!(handles.resolve(&caller("ada", &kept[0], None), now).is_err(), "the oldest went");
        assert!(kept[1..].iter().all(|handle| handles.resolve(&caller("ada", handle, None), now).is_ok()));
    }
}
