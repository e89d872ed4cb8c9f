//! Making and deleting scopes, and moving objects between them: for whoever has all scopes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use super::{DEFAULT, SecuredType, object_scopes, store};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx};
use crate::driver::import::ImportState;
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// Scopes of one site.
const SCOPES_MAX: u64 = 1_000;
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 512;
/// Objects in one call.
const OBJECTS_MAX: usize = 1_000;

/// A security scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityScope {
    /// 1 for the scope "Default".
    pub id: i64,
    /// The name, as it was given.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who made it; empty for the one that every site has.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Site {
    /// Every scope, by id. Everybody may look: an object's scopes are named where the object is shown.
    pub async fn security_scopes(&self) -> Result<Vec<SecurityScope>> {
        self.db().all(&select()).await?.iter().map(SecurityScope::read).collect()
    }

    /// Makes a scope. Errors: [`SiteError::AccessDenied`], [`SiteError::AlreadyExists`], [`SiteError::InvalidOption`].
    pub async fn create_security_scope(
        &self,
        actor: &Actor,
        name: &str,
        description: &str,
    ) -> Result<SecurityScope> {
        actor.may(Action::ManageUsers)?;
        check_texts(name, description)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let all = tx.all(&select()).await?;
        if find(&all, name)?.is_some() {
            return Err(SiteError::AlreadyExists { what: format!("security scope {name}") });
        }
        if all.len() as u64 >= SCOPES_MAX {
            let reason = format!("a site has at most {SCOPES_MAX} security scopes");
            return Err(SiteError::Conflict { reason });
        }
        let insert = Query::insert()
            .into_table("security_scope")
            .columns(["name", "name_key", "description", "created_by", "created_at"])
            .values_panic([
                name.into(),
                key(name).into(),
                description.into(),
                actor.name.as_str().into(),
                now.as_microsecond().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        status::add(&mut tx, now, Message::scope_changed(actor, name, "created")).await?;
        let scope = require(&mut tx, name).await?;
        tx.commit().await?;
        Ok(scope)
    }

    /// Deletes a scope that nobody works in and nothing is in.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::ScopeNotFound`], [`SiteError::Conflict`].
    pub async fn delete_security_scope(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let mut tx = self.db().write().await?;
        let scope = require(&mut tx, name).await?;
        if scope.id == DEFAULT {
            let reason = format!("the scope {} stays: what is in no other scope is in it", scope.name);
            return Err(SiteError::Conflict { reason });
        }
        // Who lost the last scope would have all of them.
        let users = Query::select()
            .column("user_id")
            .from("user_scope")
            .and_where(Expr::col("scope_id").eq(scope.id))
            .to_owned();
        let users = tx.all(&users).await?.len();
        let mut objects = 0;
        for object in
            [SecuredType::Package, SecuredType::Driver, SecuredType::DpGroup, SecuredType::DriverImport]
        {
            objects += living(&mut tx, object, scope.id).await?;
        }
        if users + objects > 0 {
            let reason = format!(
                "{users} users work in the scope {} and {objects} objects are in it; give them another first",
                scope.name
            );
            return Err(SiteError::Conflict { reason });
        }
        let delete =
            Query::delete().from_table("security_scope").and_where(Expr::col("id").eq(scope.id)).to_owned();
        tx.execute(&delete).await?;
        status::add(&mut tx, self.now(), Message::scope_changed(actor, &scope.name, "deleted")).await?;
        tx.commit().await
    }

    /// Puts objects into a scope, beside the scopes that they are in. All of them or none. Drivers are named by CI_ID
    /// or CI_UniqueID.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::ScopeNotFound`], and for an object that is not there its own.
    pub async fn assign_scope(
        &self,
        actor: &Actor,
        scope: &str,
        objects: &[(SecuredType, String)],
    ) -> Result<()> {
        self.move_objects(actor, scope, objects, Move::In).await
    }

    /// Takes objects out of a scope. Each must be in another one.
    ///
    /// Errors: as [`Site::assign_scope`], [`SiteError::Conflict`] if it is an object's only scope.
    pub async fn unassign_scope(
        &self,
        actor: &Actor,
        scope: &str,
        objects: &[(SecuredType, String)],
    ) -> Result<()> {
        self.move_objects(actor, scope, objects, Move::Out).await
    }

    async fn move_objects(
        &self,
        actor: &Actor,
        scope: &str,
        objects: &[(SecuredType, String)],
        way: Move,
    ) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        if objects.is_empty() || objects.len() > OBJECTS_MAX {
            let reason = format!("1 to {OBJECTS_MAX} objects are needed");
            return Err(SiteError::invalid("ObjectKeys", reason));
        }
        let mut tx = self.db().write().await?;
        let scope = require(&mut tx, scope).await?;
        let names = scope_names(&mut tx).await?;
        let mut messages = Vec::new();
        for (object, key) in objects {
            let key = stored_key(&mut tx, *object, key).await?;
            let mut scopes = object_scopes(&mut tx, *object, &key).await?;
            let moved = match way {
                Move::In => scopes.insert(scope.id),
                Move::Out => scopes.remove(&scope.id),
            };
            if !moved {
                continue;
            }
            if scopes.is_empty() {
                let reason = format!("{key} is in no scope but {}; put it into another first", scope.name);
                return Err(SiteError::Conflict { reason });
            }
            store(&mut tx, *object, &key, &scopes, &names).await?;
            messages.push(Message::object_scope_changed(actor, *object, &key, &scope.name, way == Move::In));
        }
        status::add_all(&mut tx, self.now(), messages).await?;
        tx.commit().await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    In,
    Out,
}

/// The ids of scopes by their names. Errors: [`SiteError::ScopeNotFound`].
pub(crate) async fn ids(tx: &mut Tx, names: &[String]) -> Result<BTreeSet<i64>> {
    let all = tx.all(&select()).await?;
    let id = |name: &String| match find(&all, name)? {
        Some(scope) => Ok(scope.id),
        None => Err(SiteError::ScopeNotFound { name: name.clone() }),
    };
    names.iter().map(id).collect()
}

/// The names of all scopes, by id.
pub(crate) async fn scope_names(tx: &mut Tx) -> Result<BTreeMap<i64, String>> {
    let all = tx.all(&select()).await?;
    all.iter().map(|row| Ok((row.get("id")?, row.get("name")?))).collect()
}

/// The key of an object that exists, as it is stored.
async fn stored_key(tx: &mut Tx, object: SecuredType, given: &str) -> Result<String> {
    let (table, column, _) = object.table();
    let by_unique_id =
        || Expr::cust_with_expr("LOWER($1)", Expr::col("unique_id")).eq(given.to_ascii_lowercase());
    let is = match object {
        SecuredType::Package => object.is(&given.to_ascii_uppercase()),
        SecuredType::Driver => object.is(given).or_else(|| Some(by_unique_id())),
        SecuredType::DpGroup | SecuredType::DriverImport => object.is(given),
    };
    let is = is.ok_or_else(|| object.not_found(given))?;
    let select = Query::select()
        .expr_as(Expr::col(column).cast_as("TEXT"), "object_key")
        .from(table)
        .and_where(is)
        .to_owned();
    match tx.optional(&select).await? {
        Some(row) => row.get("object_key"),
        None => Err(object.not_found(given)),
    }
}

/// Objects of a scope that still exist.
async fn living(tx: &mut Tx, object: SecuredType, scope: i64) -> Result<usize> {
    let (table, column, _) = object.table();
    let mut keys = Query::select().expr(Expr::col(column).cast_as("TEXT")).from(table).to_owned();
    if matches!(object, SecuredType::DriverImport) {
        // What it still brings would be in a scope that is gone; what it has brought is counted for itself.
        keys.and_where(Expr::col("state").lte(ImportState::Running as i64));
    }
    let select = Query::select()
        .column("object_key")
        .from("object_scope")
        .and_where(Expr::col("object_type").eq(i64::from(object.number())))
        .and_where(Expr::col("scope_id").eq(scope))
        .and_where(Expr::col("object_key").in_subquery(keys))
        .to_owned();
    Ok(tx.all(&select).await?.len())
}

fn check_texts(name: &str, description: &str) -> Result<()> {
    let plain = |text: &str| !text.chars().any(char::is_control);
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if !fits || !plain(name) || name.trim() != name {
        let reason = format!("1 to {NAME_CHARS_MAX} plain characters are needed, no blanks around them");
        return Err(SiteError::InvalidOption { option: "scope name", reason });
    }
    if description.chars().count() > DESCRIPTION_CHARS_MAX || !plain(description) {
        let reason = format!("at most {DESCRIPTION_CHARS_MAX} plain characters are allowed");
        return Err(SiteError::InvalidOption { option: "scope description", reason });
    }
    Ok(())
}

/// The form in which names are compared.
fn key(name: &str) -> String {
    name.to_lowercase()
}

fn select() -> SelectStatement {
    Query::select()
        .columns(["id", "name", "description", "created_by", "created_at"])
        .from("security_scope")
        .order_by("id", Order::Asc)
        .to_owned()
}

fn find(all: &[Row], name: &str) -> Result<Option<SecurityScope>> {
    for row in all {
        let scope = SecurityScope::read(row)?;
        if key(&scope.name) == key(name) {
            return Ok(Some(scope));
        }
    }
    Ok(None)
}

async fn require(tx: &mut Tx, name: &str) -> Result<SecurityScope> {
    let all = tx.all(&select()).await?;
    find(&all, name)?.ok_or_else(|| SiteError::ScopeNotFound { name: name.to_owned() })
}

impl SecurityScope {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            description: row.get("description")?,
            created_by: row.get("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}
