//! Checking passwords at the pace of requests.
//!
//! One argon2 check takes tens of milliseconds and 19 MiB, and HTTP Basic brings the password with each
//! request. So a few checks run at once, a bounded number waits, a verified password is remembered for a
//! minute of silence (as a keyed hash, never in clear), and a name with many failures is closed where they came from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};
use tokio::sync::Semaphore;

use super::attempts::{Attempts, Subject};
use super::{Actor, closed, password, user};
use crate::db::Database;
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Password checks at once: 38 MiB of memory.
const CHECKS_MAX: usize = 2;
/// Password checks that run or wait.
const CHECKS_QUEUED_MAX: usize = 32;
/// Password checks that run or wait for one address, so that a guesser leaves room for others.
const CHECKS_OF_ADDRESS_MAX: usize = 8;
/// Verified passwords that are remembered.
const VERIFIED_MAX: usize = 256;
/// How long a verified password is remembered after its last use.
const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// The longest user name in a request.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// How exactly a token's last use is known: how seldom it is written.
const USE_WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// Tokens whose last written use is remembered.
const USED_TOKENS_MAX: usize = 1024;

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
    attempts: Attempts,
    /// When the use of a token was last written, on the monotonic clock.
    used_tokens: HashMap<i64, Duration>,
    /// Password checks that run or wait, by address.
    waiting: HashMap<IpAddr, usize>,
}

/// A place in the queue of password checks.
struct Place<'a> {
    credentials: &'a Credentials,
    address: Option<IpAddr>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut memory = self.credentials.memory();
        if let Some(count) = memory.waiting.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                memory.waiting.remove(&address);
            }
        }
    }
}

/// What a password check said, and what it closed.
enum Checked {
    Right,
    Wrong { closed: Vec<Subject> },
}

impl Credentials {
    /// `now` is on the monotonic clock, `wall` the time of day.
    pub(crate) async fn open(db: &Database, now: Duration, wall: Timestamp) -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        let mut memory = Memory::default();
        let mut tx = db.write().await?;
        closed::forget_ended(&mut tx, wall).await?;
        tx.commit().await?;
        let select = Query::select()
            .columns(["subject", "until_at"])
            .from("sign_in_closed")
            .and_where(Expr::col("until_at").gt(wall.as_microsecond()))
            .to_owned();
        for row in db.all(&select).await? {
            let left = row.time("until_at")?.duration_since(wall).unsigned_abs();
            if let Some(subject) = Subject::parse(&row.get::<String>("subject")?) {
                memory.attempts.close(subject, left, now);
            }
        }
        Ok(Self {
            running: Semaphore::new(CHECKS_MAX),
            queued: Semaphore::new(CHECKS_QUEUED_MAX),
            key: key.map_err(|_| SiteError::Stopped)?,
            memory: Mutex::new(memory),
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

    /// Checks a password that nobody has checked lately. The failure is counted before the check and taken back after it,
    /// so that checks at once are no more guesses than checks one by one.
    async fn check(
        &self,
        password: &str,
        stored: &str,
        fingerprint: Option<Fingerprint>,
        subjects: &[Subject],
        now: impl Fn() -> Duration,
    ) -> Result<Checked> {
        const BUSY: SiteError = SiteError::Busy { what: "too many sign-ins at once" };
        let own = subjects.first().expect("the name at the address is always counted");
        let _place = self.place(own.from()).ok_or(BUSY)?;
        let _queued = self.queued.try_acquire().map_err(|_| BUSY)?;
        let _running = self.running.acquire().await.map_err(|_| SiteError::Stopped)?;
        let closed: Vec<Subject> = {
            let (mut memory, now) = (self.memory(), now());
            if fingerprint.is_some_and(|fingerprint| memory.is_verified(&fingerprint, now)) {
                return Ok(Checked::Right);
            }
            memory.count_password(subjects, now)?
        };
        let right = password::verify(password.to_owned(), stored.to_owned()).await?;
        let Some(fingerprint) = fingerprint.filter(|_| right) else { return Ok(Checked::Wrong { closed }) };
        self.take_back(subjects, &closed, now());
        self.memory().remember_verified(fingerprint, now());
        Ok(Checked::Right)
    }

    /// How long a client with this password's subjects is closed; none if it is not.
    pub(super) fn password_closed_for(&self, subjects: &[Subject], now: Duration) -> Option<Duration> {
        self.memory().attempts.password_closed_for(subjects, now)
    }

    /// Counts a failure that is taken back if it was none. What it closed is returned.
    ///
    /// Errors: [`SiteError::TooManyFailures`] if something is closed already.
    pub(super) fn count_password(&self, subjects: &[Subject], now: Duration) -> Result<Vec<Subject>> {
        self.memory().count_password(subjects, now)
    }

    /// Takes a counted failure back, which was none: who was counted is who it said.
    pub(super) fn take_back(&self, subjects: &[Subject], closed: &[Subject], now: Duration) {
        let mut memory = self.memory();
        for subject in subjects {
            memory.attempts.take_back(subject, closed.contains(subject));
        }
        if let Some(own) = subjects.first() {
            memory.attempts.succeed(own, now);
        }
    }

    /// None if the address has its share of the queue. This machine may be a proxy, and has all of it.
    fn place(&self, address: Option<IpAddr>) -> Option<Place<'_>> {
        let address = address.filter(|address| !address.is_loopback());
        if let Some(address) = address {
            let mut memory = self.memory();
            let count = memory.waiting.entry(address).or_default();
            if *count >= CHECKS_OF_ADDRESS_MAX {
                return None;
            }
            *count += 1;
        }
        Some(Place { credentials: self, address })
    }

    /// Whether a message about something closed may be written now.
    pub(crate) fn may_tell(&self, now: Duration) -> bool {
        self.memory().attempts.may_tell(now)
    }

    /// Opens what another process opened by hand so long ago.
    pub(crate) fn opened(&self, subject: &Subject, ago: Duration, now: Duration) {
        self.memory().attempts.opened(subject, ago, now);
    }

    pub(crate) fn forget_failures(&self, forgets: impl Fn(&Subject) -> bool) {
        self.memory().attempts.forget(forgets);
    }

    /// Whether the use of a token is to be written now; if so, remembers that it was.
    pub(crate) fn notes_use(&self, token: i64, now: Duration) -> bool {
        let mut memory = self.memory();
        memory.used_tokens.retain(|_, at| now < *at + USE_WRITTEN_EVERY);
        if memory.used_tokens.contains_key(&token) || memory.used_tokens.len() >= USED_TOKENS_MAX {
            return false;
        }
        memory.used_tokens.insert(token, now);
        true
    }
}

/// Errors: [`SiteError::TooManyFailures`] if something is closed for so long.
pub(super) fn refuse_closed(left: Option<Duration>) -> Result<()> {
    match left {
        Some(left) => Err(SiteError::TooManyFailures { retry_after_s: Ord::max(left.as_secs(), 1) }),
        None => Ok(()),
    }
}

impl Memory {
    fn count_password(&mut self, subjects: &[Subject], now: Duration) -> Result<Vec<Subject>> {
        refuse_closed(self.attempts.password_closed_for(subjects, now))?;
        Ok(subjects.iter().filter(|subject| self.attempts.fail(subject, now)).cloned().collect())
    }

    /// Whether a password is right as far as is remembered; if so, it is for another while.
    fn is_verified(&mut self, fingerprint: &Fingerprint, now: Duration) -> bool {
        let Some(until) = self.verified.get_mut(fingerprint).filter(|until| now < **until) else {
            return false;
        };
        *until = now + VERIFIED_FOR;
        true
    }

    fn remember_verified(&mut self, fingerprint: Fingerprint, now: Duration) {
        self.verified.retain(|_, until| now < *until);
        if self.verified.len() < VERIFIED_MAX {
            self.verified.insert(fingerprint, now + VERIFIED_FOR);
        }
    }
}

impl Site {
    /// Signs a user in by name and password; behind the name may stand `@` and a domain. `from` is the caller's address, whose failures are counted too.
    ///
    /// A disabled user, an unknown name and a wrong password get the same answer after the same time. Who signed in
    /// during the last minute stays so while the name or the address is closed.
    ///
    /// Errors: [`SiteError::InvalidCredentials`], [`SiteError::TooManyFailures`], [`SiteError::Busy`].
    pub async fn authenticate_password(
        &self,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<Actor> {
        let credentials = self.credentials();
        if name.len() > NAME_BYTES_MAX {
            return Err(self.refuse_name(from).await);
        }
        let (key, found) = user::find_signing_in(self.db(), name).await?;
        let subjects = Subject::of_password(&key, from);
        let found = found.filter(|user| !user.user.disabled);
        let fingerprint = found.as_ref().map(|user| credentials.fingerprint(password, &user.password_hash));
        let now = || self.clock().monotonic();
        if let (Some(user), Some(fingerprint)) = (&found, &fingerprint)
            && credentials.memory().is_verified(fingerprint, now())
        {
            return user.actor(self.db()).await;
        }
        self.refuse_closed_password(&subjects).await?;
        // An unknown name costs the same time as a wrong password.
        let stored = found.as_ref().map_or(NOBODY, |user| user.password_hash.as_str());
        match (credentials.check(password, stored, fingerprint, &subjects, now).await?, found) {
            (Checked::Right, Some(user)) => user.actor(self.db()).await,
            (Checked::Right, None) => Err(SiteError::InvalidCredentials),
            (Checked::Wrong { closed }, found) => {
                self.note_closed(closed, found.is_some()).await;
                Err(SiteError::InvalidCredentials)
            }
        }
    }

    /// Refuses a bearer token that is not valid, and counts it for the address, apart from passwords. Valid tokens are not
    /// asked for their address: they cannot be guessed, and a neighbour's mistakes do not stop them.
    pub(crate) async fn refuse_token(&self, from: Option<IpAddr>) -> SiteError {
        let network = from.map(Subject::network).filter(|network| !network.is_loopback());
        let Some(subject) = network.map(Subject::Bearer) else { return SiteError::InvalidToken };
        let now = self.clock().monotonic();
        if let Err(closed) = refuse_closed(self.credentials().memory().attempts.closed_for(&subject, now)) {
            return closed;
        }
        self.failed(&[subject]).await;
        SiteError::InvalidToken
    }

    /// Refuses a name that nobody can have, and counts it for the address.
    pub(super) async fn refuse_name(&self, from: Option<IpAddr>) -> SiteError {
        self.failed(Subject::of_password("", from).get(2..).unwrap_or_default()).await;
        SiteError::InvalidCredentials
    }

    /// Counts failures of addresses.
    async fn failed(&self, subjects: &[Subject]) {
        let now = self.clock().monotonic();
        let closed: Vec<Subject> = {
            let mut memory = self.credentials().memory();
            subjects.iter().filter(|subject| memory.attempts.fail(subject, now)).cloned().collect()
        };
        self.note_closed(closed, false).await;
    }
}

/// A hash with the same parameters as every other, of a password that nobody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
