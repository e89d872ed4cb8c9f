use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::{Action, Actor, Role, password};
use crate::db::{Database, Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

const NAME_CHARS_MAX: usize = 64;
const COLUMNS: [&str; 5] = ["id", "name", "password_hash", "role", "created_at"];

/// An administrative user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, as it was given.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_at: Timestamp,
}

/// A user with what only this crate may see.
pub(crate) struct StoredUser {
    pub(crate) id: i64,
    pub(crate) user: User,
    pub(crate) password_hash: String,
}

impl StoredUser {
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(self.user.name.as_str(), self.user.role)
    }

    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: User {
                name: row.get("name")?,
                role: Role::from_number(row.get("role")?)?,
                created_at: row.time("created_at")?,
            },
            password_hash: row.get("password_hash")?,
        })
    }
}

impl Site {
    /// Makes a user. Errors: [`SiteError::AlreadyExists`], [`SiteError::InvalidOption`].
    pub async fn create_user(&self, actor: &Actor, name: &str, password: &str, role: Role) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        // No backslash: at sign-in, what stands before one is a domain.
        let allowed = |c: char| c.is_alphanumeric() || "._-@".contains(c);
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            let reason = format!("1 to {NAME_CHARS_MAX} letters, digits or . _ - @ are needed");
            return Err(SiteError::InvalidOption { option: "user name", reason });
        }
        let hash = password::hash(password.to_owned()).await?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        if tx.optional(&select(name)).await?.is_some() {
            return Err(SiteError::AlreadyExists { what: format!("user {name}") });
        }
        insert(&mut tx, name, &hash, role, now).await?;
        status::add(&mut tx, now, Message::user_changed(actor, name, "created")).await?;
        tx.commit().await
    }

    /// Gives a user another password; earlier tokens of the user end.
    pub async fn set_password(&self, actor: &Actor, name: &str, password: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let hash = password::hash(password.to_owned()).await?;
        self.change_user(actor, name, "given another password", "password_hash", hash.into()).await
    }

    /// Gives a user another role; earlier tokens of the user end.
    pub async fn set_role(&self, actor: &Actor, name: &str, role: Role) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        self.change_user(actor, name, "given another role", "role", role.number().into()).await
    }

    /// Deletes a user and the user's tokens. The last full administrator stays.
    pub async fn delete_user(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let user = require(&mut tx, name).await?;
        let delete =
            Query::delete().from_table("admin_user").and_where(Expr::col("id").eq(user.id)).to_owned();
        tx.execute(&delete).await?;
        require_administrator(&mut tx).await?;
        status::add(&mut tx, now, Message::user_changed(actor, name, "deleted")).await?;
        tx.commit().await
    }

    /// Every user, by name.
    pub async fn users(&self) -> Result<Vec<User>> {
        let select = Query::select()
            .columns(COLUMNS)
            .from("admin_user")
            .order_by("name_key", sea_query::Order::Asc)
            .to_owned();
        let rows = self.db().all(&select).await?;
        rows.iter().map(|row| StoredUser::read(row).map(|stored| stored.user)).collect()
    }

    async fn change_user(
        &self,
        actor: &Actor,
        name: &str,
        what: &str,
        column: &'static str,
        value: Expr,
    ) -> Result<()> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let user = require(&mut tx, name).await?;
        let update = Query::update()
            .table("admin_user")
            .value(column, value)
            .and_where(Expr::col("id").eq(user.id))
            .to_owned();
        tx.execute(&update).await?;
        require_administrator(&mut tx).await?;
        let revoke =
            Query::delete().from_table("api_token").and_where(Expr::col("user_id").eq(user.id)).to_owned();
        tx.execute(&revoke).await?;
        status::add(&mut tx, now, Message::user_changed(actor, name, what)).await?;
        tx.commit().await
    }
}

/// The form in which names are compared.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

fn select(name: &str) -> sea_query::SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("admin_user")
        .and_where(Expr::col("name_key").eq(key(name)))
        .to_owned()
}

pub(crate) async fn find(db: &Database, name: &str) -> Result<Option<StoredUser>> {
    db.optional(&select(name)).await?.as_ref().map(StoredUser::read).transpose()
}

pub(crate) async fn require(tx: &mut Tx, name: &str) -> Result<StoredUser> {
    match tx.optional(&select(name)).await? {
        Some(row) => StoredUser::read(&row),
        None => Err(SiteError::UserNotFound { name: name.to_owned() }),
    }
}

pub(crate) async fn insert(tx: &mut Tx, name: &str, hash: &str, role: Role, now: Timestamp) -> Result<()> {
    let insert = Query::insert()
        .into_table("admin_user")
        .columns(["name", "name_key", "password_hash", "role", "created_at"])
        .values_panic([
            name.into(),
            key(name).into(),
            hash.into(),
            role.number().into(),
            now.as_microsecond().into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Refuses a change after which nobody could manage the site.
async fn require_administrator(tx: &mut Tx) -> Result<()> {
    let administrators = Query::select()
        .column("id")
        .from("admin_user")
        .and_where(Expr::col("role").eq(Role::FullAdministrator.number()))
        .limit(1)
        .to_owned();
    match tx.optional(&administrators).await? {
        Some(_) => Ok(()),
        None => Err(SiteError::Conflict { reason: "the last full administrator must stay".to_owned() }),
    }
}
