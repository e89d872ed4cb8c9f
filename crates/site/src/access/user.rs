//! Who may sign in, as what, and where.

use jiff::Timestamp;
use negotiate::NtHash;
use sea_query::{Expr, ExprTrait, Query, SelectStatement, UpdateStatement};

use super::{Action, Actor, Role, Scopes, SignIn, password, scope, secret_hash};
use crate::db::{Database, Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

const NAME_CHARS_MAX: usize = 64;
const COLUMNS: [&str; 7] = ["id", "name", "password_hash", "nt_hash", "role", "disabled", "created_at"];

/// An administrative user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, as it was given.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may not sign in at present.
    pub disabled: bool,
    /// Whether the user may sign in with NTLM.
    pub allow_ntlm: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

/// A user to be made.
#[derive(Clone)]
pub struct NewUser<'a> {
    /// The name to sign in with.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// What the user may do.
    pub role: Role,
    /// The names of the security scopes that the user works in; none for all.
    pub scopes: &'a [String],
    /// Whether the user may sign in with NTLM.
    pub allow_ntlm: bool,
}

/// A change of a user; what is `None` stays.
#[derive(Clone, Default)]
pub struct UserChange {
    /// Another password.
    pub password: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// The names of the security scopes that the user works in; none for all.
    pub scopes: Option<Vec<String>>,
    /// Whether the user may not sign in.
    pub disabled: Option<bool>,
    /// Whether the user may sign in with NTLM. Who may not yet needs `password` with it: what NTLM takes can be made of
    /// nothing else.
    pub allow_ntlm: Option<bool>,
}

/// A user with what only this crate may see.
pub(crate) struct StoredUser {
    pub(crate) id: i64,
    pub(crate) user: User,
    pub(crate) password_hash: String,
    /// Only of users that are allowed NTLM.
    pub(crate) nt_hash: Option<NtHash>,
}

impl StoredUser {
    /// The user as the one who acts, signed in with the password.
    pub(crate) async fn actor(&self, db: &Database) -> Result<Actor> {
        self.actor_by(db, SignIn::Password(self.stamp())).await
    }

    pub(crate) async fn actor_by(&self, db: &Database, sign_in: SignIn) -> Result<Actor> {
        let scopes = scope::of_user(db, self.id).await?;
        Ok(Actor { scopes, sign_in, ..Actor::new(&self.user.name, self.user.role) })
    }

    /// What is another one after the password was changed.
    pub(crate) fn stamp(&self) -> String {
        secret_hash(&self.password_hash)
    }

    /// Whether who signed in may go on as this user.
    pub(crate) fn is_still(&self, actor: &Actor) -> bool {
        let same = match &actor.sign_in {
            SignIn::Password(stamp) | SignIn::Ticket(stamp) => self.stamp() == *stamp,
            SignIn::Ntlm(stamp) => self.nt_hash.is_some() && self.stamp() == *stamp,
            SignIn::Local | SignIn::Token(_) => true,
        };
        same && !self.user.disabled && self.user.role == actor.role
    }

    fn read(row: &Row) -> Result<Self> {
        let nt_hash = row.get::<Option<String>>("nt_hash")?.as_deref().map(read_nt_hash).transpose()?;
        Ok(Self {
            id: row.get("id")?,
            user: User {
                name: row.get("name")?,
                role: Role::from_number(row.get("role")?)?,
                disabled: row.flag("disabled")?,
                allow_ntlm: nt_hash.is_some(),
                created_at: row.time("created_at")?,
            },
            password_hash: row.get("password_hash")?,
            nt_hash,
        })
    }
}

impl Site {
    /// Makes a user who works in all security scopes.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::AlreadyExists`], [`SiteError::InvalidOption`].
    pub async fn create_user(&self, actor: &Actor, name: &str, password: &str, role: Role) -> Result<()> {
        self.add_user(actor, NewUser { name, password, role, scopes: &[], allow_ntlm: false }).await
    }

    /// Makes a user.
    ///
    /// Errors: as [`Site::create_user`], [`SiteError::ScopeNotFound`].
    pub async fn add_user(&self, actor: &Actor, new: NewUser<'_>) -> Result<()> {
        let NewUser { name, password, role, scopes, allow_ntlm } = new;
        actor.may(Action::ManageUsers)?;
        // No backslash: at sign-in, what stands before one is a domain.
        let allowed = |c: char| c.is_alphanumeric() || "._-@".contains(c);
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            let reason = format!("1 to {NAME_CHARS_MAX} letters, digits or . _ - @ are needed");
            return Err(SiteError::InvalidOption { option: "user name", reason });
        }
        let hash = password::hash(name, password.to_owned()).await?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        if tx.optional(&select(name)).await?.is_some() {
            return Err(SiteError::AlreadyExists { what: format!("user {name}") });
        }
        insert(&mut tx, name, &hash, role, now).await?;
        let user = require(&mut tx, name).await?;
        set_scopes(&mut tx, user.id, scopes).await?;
        let mut what = format!("created as {role}{}", in_scopes(scopes));
        if allow_ntlm {
            let mut update = Query::update();
            update.table("admin_user").and_where(Expr::col("id").eq(user.id));
            tx.execute(update.value("nt_hash", nt_hash_of(password))).await?;
            what.push_str(", allowed to sign in with NTLM");
        }
        status::add(&mut tx, now, Message::user_changed(actor, name, &what)).await?;
        tx.commit().await
    }

    /// Changes a user, all of it or nothing. A new password, a new role and disabling end the user's tokens.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::UserNotFound`], [`SiteError::InvalidOption`],
    /// [`SiteError::ScopeNotFound`], [`SiteError::Conflict`] if nobody could manage the site afterwards.
    pub async fn change_user(&self, actor: &Actor, name: &str, change: UserChange) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        self.apply(actor, name, None, change).await
    }

    /// Gives a user another password; earlier tokens of the user end. Errors: as [`Site::change_user`].
    pub async fn set_password(&self, actor: &Actor, name: &str, password: &str) -> Result<()> {
        let password = Some(password.to_owned());
        self.change_user(actor, name, UserChange { password, ..UserChange::default() }).await
    }

    /// Gives a user another role; earlier tokens of the user end. Errors: as [`Site::change_user`].
    pub async fn set_role(&self, actor: &Actor, name: &str, role: Role) -> Result<()> {
        self.change_user(actor, name, UserChange { role: Some(role), ..UserChange::default() }).await
    }

    /// Gives the actor another password. The present one is asked for again, so that neither a token nor an open
    /// window is enough; a wrong one counts as a failed sign-in.
    ///
    /// Errors: [`SiteError::InvalidCredentials`], [`SiteError::TooManyFailures`], [`SiteError::InvalidOption`].
    pub async fn change_own_password(&self, actor: &Actor, present: &str, password: &str) -> Result<()> {
        let who = self.authenticate_password(&actor.name, present, None).await?;
        let password = Some(password.to_owned());
        self.apply(actor, &who.name, Some(&who), UserChange { password, ..UserChange::default() }).await
    }

    /// Deletes a user and the user's tokens. The last full administrator stays.
    ///
    /// Errors: as [`Site::change_user`].
    pub async fn delete_user(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let user = require(&mut tx, name).await?;
        let delete =
            Query::delete().from_table("admin_user").and_where(Expr::col("id").eq(user.id)).to_owned();
        tx.execute(&delete).await?;
        require_administrator(&mut tx).await?;
        status::add(&mut tx, now, Message::user_changed(actor, &user.user.name, "deleted")).await?;
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

    /// `unchanged` is who must still be the user that signed in.
    async fn apply(
        &self,
        actor: &Actor,
        name: &str,
        unchanged: Option<&Actor>,
        change: UserChange,
    ) -> Result<()> {
        let UserChange { password, role, scopes, disabled, allow_ntlm } = change;
        let nt_hash = password.as_deref().map(nt_hash_of);
        let hash = match password {
            Some(password) => Some(password::hash(name, password).await?),
            None => None,
        };
        let mut tx = self.db().write().await?;
        if let Some(signed_in) = unchanged {
            require_unchanged(&mut tx, signed_in).await?;
        }
        let user = require(&mut tx, name).await?;
        let mut update = Query::update();
        update.table("admin_user").and_where(Expr::col("id").eq(user.id));
        let mut told = Vec::new();
        let ends_tokens = hash.is_some() || role.is_some() || disabled == Some(true);
        if let Some(hash) = hash {
            update.value("password_hash", hash);
            told.push("given another password".to_owned());
        }
        if let Some(role) = role {
            update.value("role", role.number());
            told.push(format!("given the role {role}"));
        }
        if let Some(disabled) = disabled {
            update.value("disabled", i64::from(disabled));
            told.push(if disabled { "disabled" } else { "enabled" }.to_owned());
        }
        told.extend(change_ntlm(&mut update, &user, allow_ntlm, nt_hash)?);
        if !update.get_values().is_empty() {
            tx.execute(&update).await?;
        }
        if let Some(scopes) = &scopes {
            set_scopes(&mut tx, user.id, scopes).await?;
            told.push(format!(
                "given work{}",
                if scopes.is_empty() { " in all scopes".to_owned() } else { in_scopes(scopes) }
            ));
        }
        require_administrator(&mut tx).await?;
        if ends_tokens {
            let revoke = Expr::col("user_id").eq(user.id);
            tx.execute(Query::delete().from_table("api_token").and_where(revoke)).await?;
        }
        let messages = told.iter().map(|what| Message::user_changed(actor, &user.user.name, what));
        status::add_all(&mut tx, self.now(), messages.collect()).await?;
        tx.commit().await
    }
}

/// Keeps the NT hash with the password of who is allowed NTLM, and of nobody else. What an administrator is told is
/// returned.
fn change_ntlm(
    update: &mut UpdateStatement,
    user: &StoredUser,
    allow: Option<bool>,
    hash: Option<String>,
) -> Result<Option<String>> {
    let was_allowed = user.nt_hash.is_some();
    let is_allowed = allow.unwrap_or(was_allowed);
    if is_allowed && !was_allowed && hash.is_none() {
        let reason = "the user's password is needed with it, because what NTLM takes is made of the password"
            .to_owned();
        return Err(SiteError::InvalidOption { option: "AllowNtlm", reason });
    }
    match hash.filter(|_| is_allowed) {
        Some(hash) => update.value("nt_hash", hash),
        None if !is_allowed && was_allowed => update.value("nt_hash", None::<String>),
        None => update,
    };
    let what =
        if is_allowed { "allowed to sign in with NTLM" } else { "no longer allowed to sign in with NTLM" };
    Ok((is_allowed != was_allowed).then(|| what.to_owned()))
}

fn nt_hash_of(password: &str) -> String {
    hex::encode(NtHash::of_password(password).expose())
}

fn read_nt_hash(stored: &str) -> Result<NtHash> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(stored, &mut bytes).map_err(|_| SiteError::corrupt("admin_user.nt_hash"))?;
    Ok(NtHash::from_bytes(bytes))
}

fn in_scopes(scopes: &[String]) -> String {
    if scopes.is_empty() { String::new() } else { format!(" in {}", scopes.join(", ")) }
}

async fn set_scopes(tx: &mut Tx, user_id: i64, names: &[String]) -> Result<()> {
    let ids = scope::ids(tx, names).await?;
    let own = Expr::col("user_id").eq(user_id);
    tx.execute(Query::delete().from_table("user_scope").and_where(own)).await?;
    let shown = scope::shown(tx, &ids).await?;
    let user = Expr::col("id").eq(user_id);
    tx.execute(Query::update().table("admin_user").value("scope_names", shown).and_where(user)).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert.into_table("user_scope").columns(["user_id", "scope_id"]);
    for id in ids {
        insert.values_panic([user_id.into(), id.into()]);
    }
    tx.execute(&insert).await?;
    Ok(())
}

/// The form in which names are compared.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

fn select(name: &str) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("admin_user")
        .and_where(Expr::col("name_key").eq(key(name)))
        .to_owned()
}

pub(crate) async fn find(db: &Database, name: &str) -> Result<Option<StoredUser>> {
    db.optional(&select(name)).await?.as_ref().map(StoredUser::read).transpose()
}

/// Who signs in by a name: the user of exactly this name, else the one of what stands before the last `@`, where Windows
/// clients write a domain (`admin@example.test`). Beside it the key by which failures count: were each spelling counted
/// alone, a password could be guessed by many.
pub(super) async fn find_signing_in(db: &Database, name: &str) -> Result<(String, Option<StoredUser>)> {
    let whole = find(db, name).await?;
    let Some((short, _)) = name.rsplit_once('@') else { return Ok((key(name), whole)) };
    // Asked in any case, so that the time says nothing of the first answer.
    let bare = find(db, short).await?;
    Ok(if whole.is_some() { (key(name), whole) } else { (key(short), bare) })
}

pub(crate) async fn require(tx: &mut Tx, name: &str) -> Result<StoredUser> {
    match tx.optional(&select(name)).await? {
        Some(row) => StoredUser::read(&row),
        None => Err(SiteError::UserNotFound { name: name.to_owned() }),
    }
}

/// Errors: [`SiteError::InvalidCredentials`] if who signed in with a password or a ticket has another password since, or
/// another role, or may not sign in any more, or not that way.
pub(crate) async fn require_unchanged(tx: &mut Tx, actor: &Actor) -> Result<()> {
    if matches!(actor.sign_in, SignIn::Local | SignIn::Token(_)) {
        return Ok(());
    }
    let stored = tx.optional(&select(&actor.name)).await?.as_ref().map(StoredUser::read).transpose()?;
    if stored.is_some_and(|stored| stored.is_still(actor)) {
        Ok(())
    } else {
        Err(SiteError::InvalidCredentials)
    }
}

/// The scopes of a user, inside a transaction.
pub(crate) async fn scopes(tx: &mut Tx, user_id: i64) -> Result<Scopes> {
    scope::from_rows(&tx.all(&scope::user_rows(user_id)).await?)
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

/// Refuses a change after which nobody could manage the site: that takes a full administrator with all scopes who may
/// sign in.
async fn require_administrator(tx: &mut Tx) -> Result<()> {
    let scoped = Query::select().column("user_id").from("user_scope").to_owned();
    let administrators = Query::select()
        .column("id")
        .from("admin_user")
        .and_where(Expr::col("role").eq(Role::FullAdministrator.number()))
        .and_where(Expr::col("disabled").eq(0i64))
        .and_where(Expr::col("id").not_in_subquery(scoped))
        .limit(1)
        .to_owned();
    match tx.optional(&administrators).await? {
        Some(_) => Ok(()),
        None => {
            let reason = "the last full administrator with all security scopes must stay, enabled".to_owned();
            Err(SiteError::Conflict { reason })
        }
    }
}
