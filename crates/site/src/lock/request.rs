//! Asking for locks. The answer is known at once, and kept a while for clients that ask for it later.

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, Query};

use super::{
    CLASS, LOCK_LIFE, LockInformation, LockObject, LockRequestState, LockState, check_count, forget,
    information, read, use_lock,
};
use crate::access::Actor;
use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// Locks that one user holds at a time.
const LOCKS_OF_USER_MAX: i64 = 1_000;
/// How long the answer to a request is kept.
const REQUEST_LIFE: Duration = Duration::from_secs(60 * 60);
/// Answers that are kept for one user; asking for more forgets none, it waits for old ones to end.
const REQUESTS_OF_USER_MAX: i64 = 10_000;

/// How a request for a lock ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockAnswer {
    /// The request's id.
    pub request_id: String,
    /// How it ended.
    pub request_state: LockRequestState,
    /// The lock as it is now.
    pub lock: LockInformation,
}

impl Site {
    /// Asks for locks of objects, each on its own. The owner is the user at the machine in the lock context of the call.
    ///
    /// Errors: [`SiteError::Busy`] when the user holds too many, [`SiteError::AccessDenied`] without the right to change the
    /// objects, [`SiteError::InvalidField`] for too many at once.
    pub async fn request_locks(&self, actor: &Actor, objects: &[LockObject]) -> Result<Vec<LockAnswer>> {
        check_count(objects.len())?;
        for object in objects {
            actor.may(object.action())?;
        }
        let now = self.now();
        let mut tx = self.db().write().await?;
        self.make_room(&mut tx, actor, objects.len(), now).await?;
        let mut answers = Vec::with_capacity(objects.len());
        for object in objects {
            let request_state = self.request_lock(&mut tx, actor, object, now).await?;
            let request_id = uuid::Uuid::new_v4().to_string().to_ascii_uppercase();
            remember(&mut tx, actor, object, &request_id, request_state, now).await?;
            let lock = information(&mut tx, object, &actor.scopes, now).await?;
            answers.push(LockAnswer { request_id, request_state, lock });
        }
        tx.commit().await?;
        Ok(answers)
    }

    /// How earlier requests of the caller ended, and the locks as they are now.
    pub async fn check_lock_requests(&self, actor: &Actor, ids: &[String]) -> Result<Vec<LockAnswer>> {
        check_count(ids.len())?;
        let now = self.now();
        let mut tx = self.db().read().await?;
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            answers.push(match asked(&mut tx, actor, id, now).await? {
                Some((object, request_state)) => {
                    let lock = match LockObject::of_path(&object) {
                        Some(object) => information(&mut tx, &object, &actor.scopes, now).await?,
                        None => return Err(SiteError::corrupt("lock_request.object")),
                    };
                    LockAnswer { request_id: id.clone(), request_state, lock }
                }
                None => unknown(id),
            });
        }
        tx.commit().await?;
        Ok(answers)
    }

    /// Takes requests back. A lock that one of them got is given back, if the caller still has it.
    ///
    /// Errors: [`SiteError::LockRequestNotFound`]; then none was taken back.
    pub async fn cancel_lock_requests(&self, actor: &Actor, ids: &[String]) -> Result<()> {
        check_count(ids.len())?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        for id in ids {
            let Some((path, state)) = asked(&mut tx, actor, id, now).await? else {
                return Err(SiteError::LockRequestNotFound { request_id: id.clone() });
            };
            let granted =
                matches!(state, LockRequestState::Granted | LockRequestState::GrantedLockWasOrphaned);
            if let Some(object) = LockObject::of_path(&path).filter(|_| granted)
                && let Some(lock) = read(&mut tx, &object).await?.filter(|lock| lock.is_of(self, actor))
            {
                self.release_lock(&mut tx, actor, &lock, now).await?;
            }
            let update = Query::update()
                .table("lock_request")
                .value("state", i64::from(LockRequestState::Canceled.number()))
                .and_where(Expr::col("request_id").eq(stored_id(id)))
                .to_owned();
            tx.execute(&update).await?;
        }
        tx.commit().await
    }

    async fn request_lock(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        object: &LockObject,
        now: Timestamp,
    ) -> Result<LockRequestState> {
        if !object.exists(tx, &actor.scopes).await? {
            return Ok(LockRequestState::DeniedLockNotFound);
        }
        let state = match read(tx, object).await? {
            Some(lock) if lock.is_of(self, actor) => {
                use_lock(tx, object, now).await?;
                return Ok(LockRequestState::Granted);
            }
            Some(lock) if !lock.is_orphaned(now) => return Ok(LockRequestState::DeniedLockAlreadyAssigned),
            Some(_) => {
                forget(tx, object).await?;
                LockRequestState::GrantedLockWasOrphaned
            }
            None => LockRequestState::Granted,
        };
        let insert = Query::insert()
            .into_table("object_lock")
            .columns(["object", "user_name", "machine", "context", "site_code", "assigned_at", "used_at"])
            .values_panic([
                object.to_string().into(),
                actor.name.as_str().into(),
                actor.origin.machine.as_str().into(),
                actor.origin.lock_context.as_str().into(),
                self.identity().site_code.as_str().into(),
                now.as_microsecond().into(),
                now.as_microsecond().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        status::add(tx, now, Message::called(actor, CLASS, "RequestLock", &object.to_string())).await?;
        Ok(state)
    }

    /// Forgets old answers, and refuses a user that has too much.
    async fn make_room(&self, tx: &mut Tx, actor: &Actor, more: usize, now: Timestamp) -> Result<()> {
        let old = Expr::col("requested_at").lt(begun(now).as_microsecond());
        tx.execute(Query::delete().from_table("lock_request").and_where(old)).await?;
        let more = i64::try_from(more).expect("few objects in one call");
        // An abandoned lock is held by nobody.
        let held =
            Expr::col("used_at").gte(now.checked_sub(LOCK_LIFE).unwrap_or(Timestamp::MIN).as_microsecond());
        for (table, max, counted, what) in [
            ("object_lock", LOCKS_OF_USER_MAX, held, "this user holds too many object locks"),
            (
                "lock_request",
                REQUESTS_OF_USER_MAX,
                Expr::val(1i64).eq(1i64),
                "this user asked for too many object locks",
            ),
        ] {
            let count = Query::select()
                .expr_as(Func::count(Expr::val(1i64)), "held")
                .from(table)
                .and_where(Expr::col("user_name").eq(actor.name.as_str()))
                .and_where(counted)
                .to_owned();
            let held: i64 = tx.optional(&count).await?.map_or(Ok(0), |row| row.get("held"))?;
            if held.saturating_add(more) > max {
                return Err(SiteError::Busy { what });
            }
        }
        Ok(())
    }
}

impl LockObject {
    /// What a path that the site wrote stands for.
    fn of_path(path: &str) -> Option<Self> {
        use crate::package::PackageType::{Driver, Regular};
        for kind in [Regular, Driver] {
            let id = path.strip_prefix(kind.class()).and_then(|rest| rest.strip_prefix(".PackageID=\""));
            if let Some(id) = id.and_then(|rest| rest.strip_suffix('"')) {
                return Some(Self::Package(kind, id.to_owned()));
            }
        }
        path.strip_prefix("SMS_Driver.CI_ID=")?.parse().ok().map(Self::Driver)
    }
}

async fn remember(
    tx: &mut Tx,
    actor: &Actor,
    object: &LockObject,
    request_id: &str,
    state: LockRequestState,
    now: Timestamp,
) -> Result<()> {
    let insert = Query::insert()
        .into_table("lock_request")
        .columns(["request_id", "object", "user_name", "state", "requested_at"])
        .values_panic([
            request_id.into(),
            object.to_string().into(),
            actor.name.as_str().into(),
            i64::from(state.number()).into(),
            now.as_microsecond().into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// What a request of the caller was for, and how it ended.
async fn asked(
    tx: &mut Tx,
    actor: &Actor,
    id: &str,
    now: Timestamp,
) -> Result<Option<(String, LockRequestState)>> {
    let select = Query::select()
        .columns(["object", "state"])
        .from("lock_request")
        .and_where(Expr::col("request_id").eq(stored_id(id)))
        .and_where(Expr::col("user_name").eq(actor.name.as_str()))
        .and_where(Expr::col("requested_at").gte(begun(now).as_microsecond()))
        .to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(None) };
    Ok(Some((row.get("object")?, LockRequestState::from_number(row.get("state")?)?)))
}

/// A request's id as it is stored: clients also write it with braces or in lower case.
fn stored_id(id: &str) -> String {
    id.trim_matches(['{', '}']).to_ascii_uppercase()
}

/// Requests from before this moment are forgotten.
fn begun(now: Timestamp) -> Timestamp {
    now.checked_sub(REQUEST_LIFE).unwrap_or(Timestamp::MIN)
}

fn unknown(request_id: &str) -> LockAnswer {
    LockAnswer {
        request_id: request_id.to_owned(),
        request_state: LockRequestState::ErrorRequestNotFound,
        lock: LockInformation {
            object: String::new(),
            state: LockState::NotFound,
            user: String::new(),
            context: String::new(),
            machine: String::new(),
            site_code: String::new(),
            assigned_at: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::PackageType;

    #[test]
    fn objects_come_back_from_their_paths() {
        for object in [
            LockObject::Package(PackageType::Regular, "PS100001".to_owned()),
            LockObject::Package(PackageType::Driver, "PS10000F".to_owned()),
            LockObject::Driver(16_777_217),
        ] {
            assert_eq!(LockObject::of_path(&object.to_string()), Some(object));
        }
        for other in ["SMS_Site.SiteCode=\"PS1\"", "SMS_Package.PackageID=PS1", "SMS_Driver.CI_ID=x", ""] {
            assert_eq!(LockObject::of_path(other), None, "{other}");
        }
    }
}
