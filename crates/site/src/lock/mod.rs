//! Locks of serialized editing (SEDO): who may change an object while its editor is open.
//!
//! A put needs no lock of its own: it holds the site's one writing transaction from its check to its commit, which is the
//! implicit lock, and the object's version is compared in it. An explicit lock is for a client that wants to keep others out
//! for longer. It belongs to a user at a machine in a lock context; a lock that its owner did not use for [`LOCK_LIFE`] is
//! orphaned, and whoever asks next has it.

mod request;

pub use request::LockAnswer;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query, SelectStatement};

use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor, Role, Scopes};
use crate::db::{Row, Tx};
use crate::driver;
use crate::error::{Result, SiteError};
use crate::package::{self, Package, PackageType};
use crate::server::Site;
use crate::status::{self, Message};

/// How long an explicit lock lasts without a put or a request of its owner.
pub(crate) const LOCK_LIFE: Duration = Duration::from_secs(30 * 60);
const CLASS: &str = "SMS_ObjectLock";
/// Objects in one call.
const AT_ONCE_MAX: usize = 500;

/// An object whose editing is serialized, of the classes that this site serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockObject {
    /// A package of a type, by id.
    Package(PackageType, String),
    /// A driver, by CI_ID.
    Driver(i64),
}

/// How a lock is, with the provider's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// 0: the object is not locked.
    Unassigned,
    /// 1: somebody holds it.
    Assigned,
    /// 4: somebody held it, and did not use it for too long.
    TimedOut,
    /// 5: there is no such object.
    NotFound,
}

/// How a request for a lock ended, with the provider's numbers. There is no other site to wait for, so every request ends
/// at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockRequestState {
    /// 3: the caller took it back.
    Canceled,
    /// 10: the caller has the lock.
    Granted,
    /// 12: the caller has the lock, which somebody else had abandoned.
    GrantedLockWasOrphaned,
    /// 20: somebody else has it.
    DeniedLockAlreadyAssigned,
    /// 22: there is no such object.
    DeniedLockNotFound,
    /// 52: no request of the caller has this id, or not any more.
    ErrorRequestNotFound,
}

/// Who holds the lock of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInformation {
    /// The object's relative path, as the site writes it.
    pub object: String,
    /// How the lock is. The rest is empty unless it is assigned or timed out.
    pub state: LockState,
    /// Who holds it.
    pub user: String,
    /// In which lock context.
    pub context: String,
    /// At which machine.
    pub machine: String,
    /// At which site.
    pub site_code: String,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
}

impl LockState {
    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Unassigned => 0,
            Self::Assigned => 1,
            Self::TimedOut => 4,
            Self::NotFound => 5,
        }
    }
}

impl LockRequestState {
    const ALL: [Self; 6] = [
        Self::Canceled,
        Self::Granted,
        Self::GrantedLockWasOrphaned,
        Self::DeniedLockAlreadyAssigned,
        Self::DeniedLockNotFound,
        Self::ErrorRequestNotFound,
    ];

    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Canceled => 3,
            Self::Granted => 10,
            Self::GrantedLockWasOrphaned => 12,
            Self::DeniedLockAlreadyAssigned => 20,
            Self::DeniedLockNotFound => 22,
            Self::ErrorRequestNotFound => 52,
        }
    }

    fn from_number(number: i64) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| i64::from(state.number()) == number);
        found.ok_or_else(|| SiteError::corrupt("lock_request.state"))
    }
}

impl fmt::Display for LockObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(kind, id) => write!(f, "{}.PackageID=\"{id}\"", kind.class()),
            Self::Driver(ci_id) => write!(f, "SMS_Driver.CI_ID={ci_id}"),
        }
    }
}

impl LockObject {
    /// What changing the object needs, and so locking it.
    fn action(&self) -> Action {
        match self {
            Self::Package(..) => Action::ChangePackages,
            Self::Driver(_) => Action::ChangeDrivers,
        }
    }

    /// Whether it exists for somebody with these scopes.
    async fn exists(&self, tx: &mut Tx, scopes: &Scopes) -> Result<bool> {
        let (object, key) = match self {
            Self::Package(_, id) => (SecuredType::Package, id.clone()),
            Self::Driver(ci_id) => (SecuredType::Driver, ci_id.to_string()),
        };
        if !scope::is_visible(tx, scopes, object, &key).await? {
            return Ok(false);
        }
        match self {
            Self::Package(kind, id) => match package::require(tx, id).await {
                Ok(package) => Ok(package.package_type == *kind),
                Err(SiteError::PackageNotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            },
            Self::Driver(ci_id) => match driver::require(tx, *ci_id).await {
                Ok(_) => Ok(true),
                Err(SiteError::DriverNotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

impl Site {
    /// Who holds the lock of an object.
    pub async fn lock_information(&self, actor: &Actor, object: &LockObject) -> Result<LockInformation> {
        let mut tx = self.db().read().await?;
        let lock = information(&mut tx, object, &actor.scopes, self.now()).await?;
        tx.commit().await?;
        Ok(lock)
    }

    /// Releases locks: one's own, or, as a full administrator, anybody's. All of them or none.
    ///
    /// Errors: [`SiteError::LockNotHeld`], [`SiteError::InvalidField`].
    pub async fn release_locks(&self, actor: &Actor, objects: &[LockObject]) -> Result<()> {
        check_count(objects.len())?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        for object in objects {
            let not_held = || SiteError::LockNotHeld { object: object.to_string() };
            if !object.exists(&mut tx, &actor.scopes).await? {
                return Err(not_held());
            }
            let lock = read(&mut tx, object).await?.ok_or_else(not_held)?;
            if !lock.is_of(self, actor) && actor.role != Role::FullAdministrator {
                return Err(not_held());
            }
            self.release_lock(&mut tx, actor, &lock, now).await?;
        }
        tx.commit().await
    }

    /// Releases every lock that the caller holds at its machine in its lock context. Returns how many.
    pub async fn release_all_locks(&self, actor: &Actor) -> Result<usize> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let mine = select().and_where(Expr::col("user_name").eq(actor.name.as_str())).to_owned();
        let locks = tx.all(&mine).await?.iter().map(Lock::read).collect::<Result<Vec<_>>>()?;
        let mut released = 0;
        for lock in locks.iter().filter(|lock| lock.is_of(self, actor)) {
            self.release_lock(&mut tx, actor, lock, now).await?;
            released += 1;
        }
        tx.commit().await?;
        Ok(released)
    }

    async fn release_lock(&self, tx: &mut Tx, actor: &Actor, lock: &Lock, now: Timestamp) -> Result<()> {
        forget_path(tx, &lock.object).await?;
        let held = format!("{}, locked by {} on {}", lock.object, lock.user, lock.machine);
        let message = Message::called(actor, CLASS, "ReleaseLock", &held);
        status::add(tx, now, message).await
    }
}

/// A lock as it is stored.
#[derive(Debug)]
struct Lock {
    object: String,
    user: String,
    machine: String,
    context: String,
    site_code: String,
    assigned_at: Timestamp,
    used_at: Timestamp,
}

impl Lock {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            object: row.get("object")?,
            user: row.get("user_name")?,
            machine: row.get("machine")?,
            context: row.get("context")?,
            site_code: row.get("site_code")?,
            assigned_at: row.time("assigned_at")?,
            used_at: row.time("used_at")?,
        })
    }

    fn is_of(&self, site: &Site, actor: &Actor) -> bool {
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        same(&self.user, &actor.name)
            && same(&self.machine, &actor.origin.machine)
            && same(&self.context, &actor.origin.lock_context)
            && self.site_code == site.identity().site_code
    }

    fn is_orphaned(&self, now: Timestamp) -> bool {
        now.duration_since(self.used_at).unsigned_abs() > LOCK_LIFE && now > self.used_at
    }
}

/// The object that a package is to locks.
pub(crate) fn package_object(package: &Package) -> LockObject {
    LockObject::Package(package.package_type, package.package_id.clone())
}

/// The object that a driver is to locks.
pub(crate) fn driver_object(ci_id: i64) -> LockObject {
    LockObject::Driver(ci_id)
}

/// Refuses a change of what somebody else has locked. A change by the lock's owner keeps it alive.
pub(crate) async fn require_unlocked_for(
    tx: &mut Tx,
    site: &Site,
    actor: &Actor,
    object: &LockObject,
    now: Timestamp,
) -> Result<()> {
    let Some(lock) = read(tx, object).await? else { return Ok(()) };
    if lock.is_of(site, actor) {
        return use_lock(tx, object, now).await;
    }
    if lock.is_orphaned(now) {
        return forget(tx, object).await;
    }
    Err(SiteError::ObjectLocked {
        object: lock.object,
        user: lock.user,
        machine: lock.machine,
        since: format!("{:.0}", lock.assigned_at),
    })
}

/// An object goes, and its lock with it.
pub(crate) async fn forget(tx: &mut Tx, object: &LockObject) -> Result<()> {
    forget_path(tx, &object.to_string()).await
}

async fn forget_path(tx: &mut Tx, object: &str) -> Result<()> {
    tx.execute(Query::delete().from_table("object_lock").and_where(Expr::col("object").eq(object))).await?;
    Ok(())
}

async fn use_lock(tx: &mut Tx, object: &LockObject, now: Timestamp) -> Result<()> {
    let update = Query::update()
        .table("object_lock")
        .value("used_at", now.as_microsecond())
        .and_where(Expr::col("object").eq(object.to_string()))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

async fn information(
    tx: &mut Tx,
    object: &LockObject,
    scopes: &Scopes,
    now: Timestamp,
) -> Result<LockInformation> {
    let empty = |state| LockInformation {
        object: object.to_string(),
        state,
        user: String::new(),
        context: String::new(),
        machine: String::new(),
        site_code: String::new(),
        assigned_at: None,
    };
    if !object.exists(tx, scopes).await? {
        return Ok(empty(LockState::NotFound));
    }
    let Some(lock) = read(tx, object).await? else { return Ok(empty(LockState::Unassigned)) };
    Ok(LockInformation {
        state: if lock.is_orphaned(now) { LockState::TimedOut } else { LockState::Assigned },
        object: lock.object,
        user: lock.user,
        context: lock.context,
        machine: lock.machine,
        site_code: lock.site_code,
        assigned_at: Some(lock.assigned_at),
    })
}

async fn read(tx: &mut Tx, object: &LockObject) -> Result<Option<Lock>> {
    let select = select().and_where(Expr::col("object").eq(object.to_string())).to_owned();
    tx.optional(&select).await?.as_ref().map(Lock::read).transpose()
}

fn select() -> SelectStatement {
    Query::select()
        .columns(["object", "user_name", "machine", "context", "site_code", "assigned_at", "used_at"])
        .from("object_lock")
        .to_owned()
}

fn check_count(count: usize) -> Result<()> {
    if (1..=AT_ONCE_MAX).contains(&count) {
        return Ok(());
    }
    Err(SiteError::invalid("ObjectRelPath", format!("1 to {AT_ONCE_MAX} objects are needed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::admin;

    on_both! {
        async fn locks_are_read_while_somebody_writes(stage: &Stage) {
            let id = stage.package("dell").await.package_id;
            let object = LockObject::Package(PackageType::Driver, id);
            let answer = stage.site.request_locks(&admin(), std::slice::from_ref(&object)).await.unwrap().remove(0);
            let writing = stage.site.db().write().await.unwrap();
            assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap(), answer.lock);
            let ids = [answer.request_id.clone()];
            assert_eq!(stage.site.check_lock_requests(&admin(), &ids).await.unwrap(), [answer]);
            drop(writing);
        }
    }
}
