//! Checking passwords at the pace of requests.
//!
//! One argon2 check takes tens of milliseconds and 19 MiB, and HTTP Basic brings the password with each
//! request. So a few checks run at once, a bounded number waits, a verified password is remembered for a
//! minute (as a keyed hash, never in clear), and a name with many failures is closed for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::sync::Semaphore;

use super::{Actor, password, user};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Password checks at once: 38 MiB of memory.
const CHECKS_MAX: usize = 2;
/// Password checks that run or wait.
const CHECKS_QUEUED_MAX: usize = 32;
/// Verified passwords that are remembered.
const VERIFIED_MAX: usize = 256;
/// How long a verified password is remembered.
const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// Failures of one name before it is closed.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long a name with too many failures is closed, and how long failures are remembered.
const CLOSED_FOR: Duration = Duration::from_secs(60);
/// Names whose failures are remembered; beyond it the oldest is forgotten.
const FAILING_NAMES_MAX: usize = 1024;
/// The longest user name in a request.
const NAME_BYTES_MAX: usize = 256;

type Fingerprint = [u8; 32];

#[derive(Debug)]
pub(crate) struct Credentials {
    running: Semaphore,
    queued: Semaphore,
    /// Fresh in each process, so that nothing remembered has a meaning elsewhere.
    key: hmac::Key,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Until when, on the monotonic clock.
    verified: HashMap<Fingerprint, Duration>,
    failures: HashMap<String, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Duration,
}

impl Credentials {
    pub(crate) fn new() -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        Ok(Self {
            running: Semaphore::new(CHECKS_MAX),
            queued: Semaphore::new(CHECKS_QUEUED_MAX),
            key: key.map_err(|_| SiteError::Stopped)?,
            memory: Mutex::default(),
        })
    }

    /// Covers the stored hash, so that a changed password is forgotten at once.
    fn fingerprint(&self, password: &str, stored: &str) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(stored.as_bytes());
        context.update(&[0]);
        context.update(password.as_bytes());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn check(&self, password: &str, stored: &str) -> Result<bool> {
        let _queued =
            self.queued.try_acquire().map_err(|_| SiteError::Busy { what: "too many sign-ins at once" })?;
        let _running = self.running.acquire().await.map_err(|_| SiteError::Stopped)?;
        password::verify(password.to_owned(), stored.to_owned()).await
    }
}

impl Memory {
    fn is_verified(&self, fingerprint: &Fingerprint, now: Duration) -> bool {
        self.verified.get(fingerprint).is_some_and(|until| now < *until)
    }

    fn remember_verified(&mut self, fingerprint: Fingerprint, now: Duration) {
        self.verified.retain(|_, until| now < *until);
        if self.verified.len() < VERIFIED_MAX {
            self.verified.insert(fingerprint, now + VERIFIED_FOR);
        }
    }

    fn closed_for(&self, name_key: &str, now: Duration) -> Option<Duration> {
        let failures = self.failures.get(name_key).filter(|f| f.count >= FAILURES_MAX)?;
        (failures.last + CLOSED_FOR).checked_sub(now).filter(|left| !left.is_zero())
    }

    fn remember_failure(&mut self, name_key: &str, now: Duration) {
        self.failures.retain(|_, f| now < f.last + CLOSED_FOR);
        if self.failures.len() >= FAILING_NAMES_MAX && !self.failures.contains_key(name_key) {
            let oldest = self.failures.iter().min_by_key(|(_, f)| f.last).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.failures.remove(&name));
        }
        let failures = self.failures.entry(name_key.to_owned()).or_insert(Failures { count: 0, last: now });
        failures.count += 1;
        failures.last = now;
    }
}

impl Site {
    /// Signs a user in by name and password.
    ///
    /// Errors: [`SiteError::InvalidCredentials`], [`SiteError::TooManyFailures`], [`SiteError::Busy`].
    pub async fn authenticate_password(&self, name: &str, password: &str) -> Result<Actor> {
        if name.len() > NAME_BYTES_MAX {
            return Err(SiteError::InvalidCredentials);
        }
        let credentials = self.credentials();
        let name_key = user::key(name);
        let found = user::find(self.db(), name).await?;
        let fingerprint = found.as_ref().map(|user| credentials.fingerprint(password, &user.password_hash));
        let now = self.clock().monotonic();
        if let (Some(user), Some(fingerprint)) = (&found, &fingerprint)
            && credentials.memory().is_verified(fingerprint, now)
        {
            return Ok(user.actor());
        }
        if let Some(left) = credentials.memory().closed_for(&name_key, now) {
            return Err(SiteError::TooManyFailures { retry_after_s: left.as_secs().max(1) });
        }
        // An unknown name costs the same time as a wrong password.
        let stored = found.as_ref().map_or(NOBODY, |user| user.password_hash.as_str());
        let right = credentials.check(password, stored).await?;
        let mut memory = credentials.memory();
        match (found, fingerprint) {
            (Some(user), Some(fingerprint)) if right => {
                memory.failures.remove(&name_key);
                memory.remember_verified(fingerprint, now);
                Ok(user.actor())
            }
            _ => {
                memory.remember_failure(&name_key, now);
                Err(SiteError::InvalidCredentials)
            }
        }
    }
}

/// A hash with the same parameters as every other, of a password that nobody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
