//! Checking passwords at the pace of requests.
//!
//! One argon2 check takes tens of milliseconds and 19 MiB, and HTTP Basic brings the password with each
//! request. So a few checks run at once, a bounded number waits, a verified password is remembered for a
//! minute (as a keyed hash, never in clear), and a name with many failures is closed for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Query};
use tokio::sync::Semaphore;

use super::attempts::{Attempts, CLOSED_FOR, Subject};
use super::{Action, Actor, password, user};
use crate::db::Database;
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::server::Site;
use crate::status::{self, Message};

/// Password checks at once: 38 MiB of memory.
const CHECKS_MAX: usize = 2;
/// Password checks that run or wait.
const CHECKS_QUEUED_MAX: usize = 32;
/// Verified passwords that are remembered.
const VERIFIED_MAX: usize = 256;
/// How long a verified password is remembered.
const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// The longest user name in a request.
const NAME_BYTES_MAX: usize = 256;
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
}

impl Credentials {
    /// `now` is on the monotonic clock, `wall` the time of day.
    pub(crate) async fn open(db: &Database, now: Duration, wall: Timestamp) -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        let mut memory = Memory::default();
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

    async fn check(&self, password: &str, stored: &str) -> Result<bool> {
        let _queued =
            self.queued.try_acquire().map_err(|_| SiteError::Busy { what: "too many sign-ins at once" })?;
        let _running = self.running.acquire().await.map_err(|_| SiteError::Stopped)?;
        password::verify(password.to_owned(), stored.to_owned()).await
    }

    /// Errors: [`SiteError::TooManyFailures`] if one of them is closed.
    fn require_open(&self, subjects: &[&Subject], now: Duration) -> Result<()> {
        let memory = self.memory();
        let left = subjects.iter().filter_map(|subject| memory.attempts.closed_for(subject, now)).max();
        match left {
            Some(left) => Err(SiteError::TooManyFailures { retry_after_s: Ord::max(left.as_secs(), 1) }),
            None => Ok(()),
        }
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
}

impl Site {
    /// Signs a user in by name and password. `from` is the caller's address, whose failures are counted too.
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
        let now = self.clock().monotonic();
        let credentials = self.credentials();
        let address = from.map(Subject::address);
        if name.len() > NAME_BYTES_MAX {
            self.sign_in_failed(address.iter(), false).await;
            return Err(SiteError::InvalidCredentials);
        }
        let by_name = Subject::Name(user::key(name));
        let found = user::find(self.db(), name).await?.filter(|user| !user.user.disabled);
        let fingerprint = found.as_ref().map(|user| credentials.fingerprint(password, &user.password_hash));
        if let (Some(user), Some(fingerprint)) = (&found, &fingerprint)
            && credentials.memory().is_verified(fingerprint, now)
        {
            return user.actor(self.db()).await;
        }
        let subjects: Vec<&Subject> = std::iter::once(&by_name).chain(address.as_ref()).collect();
        credentials.require_open(&subjects, now)?;
        // An unknown name costs the same time as a wrong password.
        let stored = found.as_ref().map_or(NOBODY, |user| user.password_hash.as_str());
        let right = credentials.check(password, stored).await?;
        match (found, fingerprint) {
            (Some(user), Some(fingerprint)) if right => {
                {
                    let mut memory = credentials.memory();
                    memory.attempts.forget(&by_name);
                    memory.remember_verified(fingerprint, now);
                }
                user.actor(self.db()).await
            }
            (found, _) => {
                self.sign_in_failed(subjects, found.is_some()).await;
                Err(SiteError::InvalidCredentials)
            }
        }
    }

    /// Refuses a bearer token that is not valid, and counts it for the address. Valid tokens are not asked for their
    /// address: they cannot be guessed, and a neighbour's mistakes do not stop them.
    pub(crate) async fn refuse_token(&self, from: Option<IpAddr>) -> SiteError {
        let Some(address) = from.map(Subject::address) else { return SiteError::InvalidToken };
        if let Err(closed) = self.credentials().require_open(&[&address], self.clock().monotonic()) {
            return closed;
        }
        self.sign_in_failed([&address], false).await;
        SiteError::InvalidToken
    }

    /// Counts a failure, and writes down what it closes.
    async fn sign_in_failed<'a>(&self, subjects: impl IntoIterator<Item = &'a Subject>, name_is_known: bool) {
        let now = self.clock().monotonic();
        let closed: Vec<(&Subject, bool)> = {
            let mut memory = self.credentials().memory();
            let closed = subjects.into_iter().filter(|subject| memory.attempts.fail(subject, now));
            let closed: Vec<&Subject> = closed.collect();
            closed.into_iter().map(|subject| (subject, memory.attempts.may_tell(now))).collect()
        };
        for (subject, tells) in closed {
            // A name that nobody has may be a password typed into the wrong field.
            let shown = match subject {
                Subject::Name(name) if name_is_known => format!("user {name}"),
                Subject::Name(_) => "a name that no user has".to_owned(),
                Subject::Address(address) => format!("address {address}"),
            };
            tracing::warn!(subject = shown, "closed after failed sign-ins");
            if let Err(error) = self.write_closed(subject, tells.then_some(shown.as_str())).await {
                tracing::error!(error = error_chain(&error), "a closed name or address was not written down");
            }
        }
    }

    async fn write_closed(&self, subject: &Subject, told_as: Option<&str>) -> Result<()> {
        let now = self.now();
        let until = now.saturating_add(CLOSED_FOR).expect("a minute from now is in range");
        let mut tx = self.db().write().await?;
        let upsert = Query::insert()
            .into_table("sign_in_closed")
            .columns(["subject", "until_at"])
            .values_panic([subject.to_string().into(), until.as_microsecond().into()])
            .on_conflict(OnConflict::column("subject").update_column("until_at").to_owned())
            .to_owned();
        tx.execute(&upsert).await?;
        if let Some(shown) = told_as {
            status::add(&mut tx, now, Message::sign_in_closed(shown, CLOSED_FOR.as_secs())).await?;
        }
        tx.commit().await
    }

    /// Opens a user's name before its time.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::UserNotFound`].
    pub async fn unlock_user(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let mut tx = self.db().write().await?;
        let user = user::require(&mut tx, name).await?.user;
        self.open_again(actor, tx, &Subject::Name(user::key(name)), &user.name).await
    }

    /// Opens an address before its time. Errors: [`SiteError::AccessDenied`].
    pub async fn unlock_address(&self, actor: &Actor, address: IpAddr) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let tx = self.db().write().await?;
        self.open_again(actor, tx, &Subject::address(address), &address.to_string()).await
    }

    async fn open_again(
        &self,
        actor: &Actor,
        mut tx: crate::db::Tx,
        subject: &Subject,
        shown: &str,
    ) -> Result<()> {
        let delete = Query::delete()
            .from_table("sign_in_closed")
            .and_where(Expr::col("subject").eq(subject.to_string()))
            .to_owned();
        tx.execute(&delete).await?;
        status::add(&mut tx, self.now(), Message::user_changed(actor, shown, "unlocked")).await?;
        tx.commit().await?;
        self.credentials().memory().attempts.forget(subject);
        Ok(())
    }
}

/// A hash with the same parameters as every other, of a password that nobody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
