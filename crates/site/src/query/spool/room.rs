//! What all spools of a site have in their files, and what each user has of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Limits;

/// The room that is taken, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpoolRoom(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    of_users: HashMap<String, u64>,
}

impl SpoolRoom {
    /// Takes so many bytes more for a user; false where they are not there.
    pub(super) fn take(&self, user: &str, more: u64, limits: &Limits) -> bool {
        let mut taken = self.lock();
        let of_user = taken.of_users.get(user).copied().unwrap_or_default() + more;
        let all = taken.all + more;
        let fits = of_user <= limits.files_of_user && all <= limits.files;
        if fits {
            taken.all = all;
            taken.of_users.insert(user.to_owned(), of_user);
        }
        fits
    }

    pub(super) fn give_back(&self, user: &str, bytes: u64) {
        let mut taken = self.lock();
        taken.all -= bytes;
        if let Some(of_user) = taken.of_users.get_mut(user) {
            *of_user -= bytes;
            if *of_user == 0 {
                taken.of_users.remove(user);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
