//! What front ends remember of one connection, for ways to sign in that prove who a connection is and not a request.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The connection that a request came on; in the extensions of requests over HTTP/1.x. Requests of HTTP/2 run side by side
/// and carry none: what one of them proved must not count for a neighbor that another client's proxy put there.
#[derive(Clone)]
pub struct Connection(Arc<State>);

struct State {
    id: u64,
    slots: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl Connection {
    /// A connection that nothing is known of yet.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "each one is another connection, which no default value is"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(State { id, slots: Mutex::default() }))
    }

    /// A number that no other connection of this process has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Works on the connection's value of a type: one of each type, made when first asked for, gone with the connection.
    /// The function runs under a lock and must not call back.
    pub fn with<T: Default + Send + 'static, R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        work(slot.downcast_mut().expect("a slot holds the type that it is filed under"))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.0.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_one_value_of_a_type() {
        let (one, other) = (Connection::new(), Connection::new());
        assert_ne!(one.id(), other.id());
        one.with(|count: &mut u32| *count += 1);
        let same = one.clone();
        same.with(|count: &mut u32| *count += 1);
        one.with(|name: &mut String| name.push('x'));
        assert_eq!(one.with(|count: &mut u32| *count), 2);
        assert_eq!(one.with(|name: &mut String| name.clone()), "x");
        assert_eq!(other.with(|count: &mut u32| *count), 0);
    }
}
