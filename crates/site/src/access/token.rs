//! Bearer tokens: a user's rights or less of them, for a while, without the password.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};

use super::{Action, Actor, Role, Scopes, SignIn, random_secret, scope, secret_hash, user};
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::server::Site;
use crate::status::{self, Message};

/// Tokens of one user at once.
const TOKENS_MAX: i64 = 64;
/// The longest life of a token.
const LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const LABEL_CHARS_MAX: usize = 64;
/// What every token begins with, so that scanners for leaked secrets know one: `haulier_` and 64 hexadecimal digits.
pub const TOKEN_PREFIX: &str = "haulier_";
/// The longest bearer that is looked up, in bytes.
const SECRET_BYTES_MAX: usize = 128;

/// A bearer token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Names the token when it is revoked.
    pub id: i64,
    /// Whose token it is.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// The role that it has; none for its user's.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a token is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewToken<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// What it is for.
    pub label: &'a str,
    /// How long it lives, from now.
    pub life: Duration,
    /// A role that allows no more than its user's and its maker's; none for the lesser of these.
    pub role: Option<Role>,
    /// The names of security scopes, out of its user's and its maker's; none for all that both have.
    pub scopes: &'a [String],
}

/// A bearer token that was just made; its secret is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Names the token when it is revoked.
    pub id: i64,
    /// The secret, to be sent as `Authorization: Bearer`.
    pub secret: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for NewApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiToken").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Site {
    /// Signs a user in by bearer token. `from` is the caller's address, whose failures are counted.
    ///
    /// A token that is expired, revoked, of another site, of a disabled user or made up gets the same answer.
    ///
    /// Errors: [`SiteError::InvalidToken`], [`SiteError::TooManyFailures`].
    pub async fn authenticate_token(&self, bearer: &str, from: Option<IpAddr>) -> Result<Actor> {
        if bearer.len() > SECRET_BYTES_MAX {
            return Err(self.refuse_token(from).await);
        }
        // The secret is looked up by its hash, so comparing it takes no time that depends on the secret.
        let select = Query::select()
            .columns([("u", "name"), ("u", "role"), ("t", "id"), ("t", "user_id")])
            .expr_as(Expr::col(("t", "role")), "token_role")
            .from_as("api_token", "t")
            .join_as(JoinType::InnerJoin, "admin_user", "u", Expr::col(("u", "id")).equals(("t", "user_id")))
            .and_where(Expr::col(("t", "secret_hash")).eq(secret_hash(bearer)))
            .and_where(Expr::col(("t", "expires_at")).gt(self.now().as_microsecond()))
            .and_where(Expr::col(("u", "disabled")).eq(0i64))
            .to_owned();
        let Some(row) = self.db().optional(&select).await? else {
            return Err(self.refuse_token(from).await);
        };
        let id: i64 = row.get("id")?;
        let own = scope::from_rows(&self.db().all(&token_scopes(id)).await?)?;
        let scopes = scope::of_user(self.db(), row.get("user_id")?).await?.and(&own);
        let role = Role::from_number(row.get("role")?)?;
        let lesser = row.get::<Option<i64>>("token_role")?.map(Role::from_number).transpose()?;
        // A token whose role is not within its user's has no right that could be told.
        if lesser.is_some_and(|lesser| !role.covers(lesser)) {
            return Err(self.refuse_token(from).await);
        }
        self.note_use(id).await;
        let name: String = row.get("name")?;
        Ok(Actor { scopes, sign_in: SignIn::Token(id), ..Actor::new(&name, lesser.unwrap_or(role)) })
    }

    /// Writes when a token was used, now and then. It is for people to see; nothing depends on it.
    async fn note_use(&self, id: i64) {
        if !self.credentials().notes_use(id, self.clock().monotonic()) {
            return;
        }
        let written = async {
            let mut tx = self.db().write().await?;
            let update = Query::update()
                .table("api_token")
                .value("last_used_at", self.now().as_microsecond())
                .and_where(Expr::col("id").eq(id))
                .to_owned();
            tx.execute(&update).await?;
            tx.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(error = error_chain(&error), "the use of a token was not written down");
        }
    }

    /// Makes a bearer token with the rights of its user and its maker, whichever are less; users make their own, a full
    /// administrator with all scopes makes anyone's. Errors: as [`Site::make_token`].
    pub async fn create_token(
        &self,
        actor: &Actor,
        user: &str,
        label: &str,
        life: Duration,
    ) -> Result<NewApiToken> {
        self.make_token(actor, NewToken { user, label, life, ..NewToken::default() }).await
    }

    /// Makes a bearer token. Not with a token: one that leaked would otherwise renew itself for ever.
    ///
    /// Errors: [`SiteError::PasswordNeeded`] with a token, [`SiteError::InvalidCredentials`] if the maker's password, role
    /// or right to sign in changed since, [`SiteError::AccessDenied`], [`SiteError::UserNotFound`], [`SiteError::ScopeNotFound`],
    /// [`SiteError::InvalidOption`] for rights beyond those of its user or its maker, [`SiteError::Conflict`] if the user
    /// has too many or is disabled.
    pub async fn make_token(&self, actor: &Actor, new: NewToken<'_>) -> Result<NewApiToken> {
        if actor.sign_in.token().is_some() {
            return Err(SiteError::PasswordNeeded { action: "make tokens" });
        }
        may_manage(actor, new.user)?;
        if new.label.chars().count() > LABEL_CHARS_MAX || new.label.chars().any(char::is_control) {
            let reason = format!("at most {LABEL_CHARS_MAX} plain characters are allowed");
            return Err(SiteError::InvalidOption { option: "token label", reason });
        }
        if new.life.is_zero() || new.life > LIFE_MAX {
            let reason = "up to 366 days are allowed".to_owned();
            return Err(SiteError::InvalidOption { option: "token life", reason });
        }
        let (now, secret) = (self.now(), format!("{TOKEN_PREFIX}{}", random_secret()?));
        let expires_at = now.saturating_add(new.life).expect("a year from now is in range");
        let mut tx = self.db().write().await?;
        user::require_unchanged(&mut tx, actor).await?;
        let owner = user::require(&mut tx, new.user).await?;
        if owner.user.disabled {
            let reason = format!("{} is disabled; enable the user first", owner.user.name);
            return Err(SiteError::Conflict { reason });
        }
        refuse_beyond_limit(&mut tx, &owner.user.name, owner.id).await?;
        let role = granted_role(actor, owner.user.role, new.role)?;
        let scopes = granted_scopes(&mut tx, actor, owner.id, new.scopes).await?;
        let insert = Query::insert()
            .into_table("api_token")
            .columns(["user_id", "label", "secret_hash", "role", "created_at", "expires_at"])
            .values_panic([
                owner.id.into(),
                new.label.into(),
                secret_hash(&secret).into(),
                role.map(Role::number).into(),
                now.as_microsecond().into(),
                expires_at.as_microsecond().into(),
            ])
            .returning_col("id")
            .to_owned();
        let row = tx.optional(&insert).await?.ok_or_else(|| SiteError::corrupt("api_token"))?;
        let id: i64 = row.get("id")?;
        insert_scopes(&mut tx, id, &scopes).await?;
        let what = format!("given the token {id} until {expires_at:.0}");
        status::add(&mut tx, now, Message::user_changed(actor, &owner.user.name, &what)).await?;
        tx.commit().await?;
        Ok(NewApiToken { id, secret, expires_at })
    }

    /// A user's tokens that have not ended, oldest first. A token tells of itself only.
    pub async fn tokens(&self, actor: &Actor, name: &str) -> Result<Vec<ApiToken>> {
        may_manage(actor, name)?;
        let with = actor.sign_in.token();
        let columns = ["id", "label", "role", "created_at", "expires_at", "last_used_at"];
        let select = Query::select()
            .columns(columns.map(|column| ("t", column)))
            .column(("u", "name"))
            .from_as("api_token", "t")
            .join_as(JoinType::InnerJoin, "admin_user", "u", Expr::col(("u", "id")).equals(("t", "user_id")))
            .and_where(Expr::col(("u", "name_key")).eq(user::key(name)))
            .and_where(Expr::col(("t", "expires_at")).gt(self.now().as_microsecond()))
            .and_where_option(with.map(|id| Expr::col(("t", "id")).eq(id)))
            .order_by(("t", "id"), sea_query::Order::Asc)
            .to_owned();
        self.db().all(&select).await?.iter().map(ApiToken::read).collect()
    }

    /// Ends a token at once. Errors: [`SiteError::InvalidToken`] if the user has no such token,
    /// [`SiteError::PasswordNeeded`] for a token that ends another.
    pub async fn revoke_token(&self, actor: &Actor, name: &str, id: i64) -> Result<()> {
        if actor.sign_in.token().is_some_and(|with| with != id) {
            return Err(SiteError::PasswordNeeded { action: "end other tokens" });
        }
        may_manage(actor, name)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let owner = user::require(&mut tx, name).await?;
        let delete = Query::delete()
            .from_table("api_token")
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("user_id").eq(owner.id))
            .to_owned();
        if tx.execute(&delete).await? == 0 {
            return Err(SiteError::InvalidToken);
        }
        let what = format!("deprived of the token {id}");
        status::add(&mut tx, now, Message::user_changed(actor, &owner.user.name, &what)).await?;
        tx.commit().await
    }
}

impl ApiToken {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("name")?,
            label: row.get("label")?,
            role: row.get::<Option<i64>>("role")?.map(Role::from_number).transpose()?,
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
            last_used_at: row.time_or_null("last_used_at")?,
        })
    }
}

fn may_manage(actor: &Actor, name: &str) -> Result<()> {
    if user::key(&actor.name) == user::key(name) { Ok(()) } else { actor.may(Action::ManageUsers) }
}

async fn refuse_beyond_limit(tx: &mut Tx, name: &str, user_id: i64) -> Result<()> {
    let count = Query::select()
        .expr_as(Expr::col("id").count(), "tokens")
        .from("api_token")
        .and_where(Expr::col("user_id").eq(user_id))
        .to_owned();
    let tokens: i64 = tx.optional(&count).await?.map_or(Ok(0), |row| row.get("tokens"))?;
    if tokens >= TOKENS_MAX {
        let reason = format!("{name} has {TOKENS_MAX} tokens already; revoke one first");
        return Err(SiteError::Conflict { reason });
    }
    Ok(())
}

/// None if the token simply has its user's role.
fn granted_role(actor: &Actor, owner: Role, wanted: Option<Role>) -> Result<Option<Role>> {
    let within = |role: Role| owner.covers(role) && actor.role.covers(role);
    match wanted {
        Some(role) if within(role) => Ok(Some(role)),
        Some(role) => {
            let reason = format!("{role} allows more than the role of the token's user, or yours");
            Err(SiteError::InvalidOption { option: "token role", reason })
        }
        None if within(owner) => Ok(None),
        None => Ok(Some(actor.role)),
    }
}

/// The scopes to store: none if the token simply has its user's.
async fn granted_scopes(tx: &mut Tx, actor: &Actor, owner: i64, wanted: &[String]) -> Result<BTreeSet<i64>> {
    let owners = user::scopes(tx, owner).await?;
    let within = owners.and(&actor.scopes);
    if !wanted.is_empty() {
        let wanted = scope::ids(tx, wanted).await?;
        if wanted.iter().all(|scope| within.has(*scope)) {
            return Ok(wanted);
        }
        let reason = "a scope is not one of the token's user, or yours".to_owned();
        return Err(SiteError::InvalidOption { option: "token scope", reason });
    }
    match within {
        Scopes::All => Ok(BTreeSet::new()),
        within if within == owners => Ok(BTreeSet::new()),
        Scopes::Only(scopes) if scopes.is_empty() => {
            let reason = "you work in no scope of the token's user".to_owned();
            Err(SiteError::InvalidOption { option: "token scope", reason })
        }
        Scopes::Only(scopes) => Ok(scopes.into_iter().collect()),
    }
}

async fn insert_scopes(tx: &mut Tx, token: i64, scopes: &BTreeSet<i64>) -> Result<()> {
    if scopes.is_empty() {
        return Ok(());
    }
    let shown = scope::shown(tx, scopes).await?;
    let id = Expr::col("id").eq(token);
    tx.execute(Query::update().table("api_token").value("scope_names", shown).and_where(id)).await?;
    let mut insert = Query::insert();
    insert.into_table("token_scope").columns(["token_id", "scope_id"]);
    for scope in scopes {
        insert.values_panic([token.into(), (*scope).into()]);
    }
    tx.execute(&insert).await?;
    Ok(())
}

fn token_scopes(token: i64) -> SelectStatement {
    Query::select()
        .column("scope_id")
        .from("token_scope")
        .and_where(Expr::col("token_id").eq(token))
        .to_owned()
}
