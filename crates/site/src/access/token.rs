use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Query};

use super::{Action, Actor, Role, random_secret, secret_hash, user};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// Tokens of one user at once.
const TOKENS_MAX: i64 = 64;
/// The longest life of a token.
const LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const LABEL_CHARS_MAX: usize = 64;
/// What a token looks like: hex of 32 bytes.
const SECRET_CHARS: usize = 64;

/// A bearer token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Names the token when it is revoked.
    pub id: i64,
    /// Whose token it is.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
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
    /// Signs a user in by bearer token. Errors: [`SiteError::InvalidToken`].
    pub async fn authenticate_token(&self, bearer: &str) -> Result<Actor> {
        if bearer.len() != SECRET_CHARS {
            return Err(SiteError::InvalidToken);
        }
        // The secret is looked up by its hash, so comparing it takes no time that depends on the secret.
        let select = Query::select()
            .columns([("u", "name"), ("u", "role")])
            .from_as("api_token", "t")
            .join_as(JoinType::InnerJoin, "admin_user", "u", Expr::col(("u", "id")).equals(("t", "user_id")))
            .and_where(Expr::col(("t", "secret_hash")).eq(secret_hash(bearer)))
            .and_where(Expr::col(("t", "expires_at")).gt(self.now().as_microsecond()))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or(SiteError::InvalidToken)?;
        Ok(Actor::new(row.get::<String>("name")?, Role::from_number(row.get("role")?)?))
    }

    /// Makes a bearer token; users make their own, a full administrator makes anyone's.
    pub async fn create_token(
        &self,
        actor: &Actor,
        name: &str,
        label: &str,
        life: Duration,
    ) -> Result<NewApiToken> {
        may_manage(actor, name)?;
        if label.chars().count() > LABEL_CHARS_MAX {
            let reason = format!("at most {LABEL_CHARS_MAX} characters are allowed");
            return Err(SiteError::InvalidOption { option: "token label", reason });
        }
        if life.is_zero() || life > LIFE_MAX {
            let reason = "up to 366 days are allowed".to_owned();
            return Err(SiteError::InvalidOption { option: "token life", reason });
        }
        let (now, secret) = (self.now(), random_secret()?);
        let expires_at = now.saturating_add(life).expect("a year from now is in range");
        let mut tx = self.db().write().await?;
        let owner = user::require(&mut tx, name).await?;
        let count = Query::select()
            .expr_as(Expr::col("id").count(), "tokens")
            .from("api_token")
            .and_where(Expr::col("user_id").eq(owner.id))
            .to_owned();
        let tokens: i64 = tx.optional(&count).await?.map_or(Ok(0), |row| row.get("tokens"))?;
        if tokens >= TOKENS_MAX {
            let reason = format!("{name} has {TOKENS_MAX} tokens already; revoke one first");
            return Err(SiteError::Conflict { reason });
        }
        let insert = Query::insert()
            .into_table("api_token")
            .columns(["user_id", "label", "secret_hash", "created_at", "expires_at"])
            .values_panic([
                owner.id.into(),
                label.into(),
                secret_hash(&secret).into(),
                now.as_microsecond().into(),
                expires_at.as_microsecond().into(),
            ])
            .returning_col("id")
            .to_owned();
        let row = tx.optional(&insert).await?.ok_or_else(|| SiteError::corrupt("api_token"))?;
        status::add(&mut tx, now, Message::user_changed(actor, name, "given a token")).await?;
        tx.commit().await?;
        Ok(NewApiToken { id: row.get("id")?, secret, expires_at })
    }

    /// A user's tokens that have not ended, oldest first.
    pub async fn tokens(&self, actor: &Actor, name: &str) -> Result<Vec<ApiToken>> {
        may_manage(actor, name)?;
        let select = Query::select()
            .columns([("t", "id"), ("u", "name"), ("t", "label"), ("t", "created_at"), ("t", "expires_at")])
            .from_as("api_token", "t")
            .join_as(JoinType::InnerJoin, "admin_user", "u", Expr::col(("u", "id")).equals(("t", "user_id")))
            .and_where(Expr::col(("u", "name_key")).eq(user::key(name)))
            .and_where(Expr::col(("t", "expires_at")).gt(self.now().as_microsecond()))
            .order_by(("t", "id"), sea_query::Order::Asc)
            .to_owned();
        let token = |row: &crate::db::Row| -> Result<ApiToken> {
            Ok(ApiToken {
                id: row.get("id")?,
                user: row.get("name")?,
                label: row.get("label")?,
                created_at: row.time("created_at")?,
                expires_at: row.time("expires_at")?,
            })
        };
        self.db().all(&select).await?.iter().map(token).collect()
    }

    /// Ends a token at once. Errors: [`SiteError::InvalidToken`] if the user has no such token.
    pub async fn revoke_token(&self, actor: &Actor, name: &str, id: i64) -> Result<()> {
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
        status::add(&mut tx, now, Message::user_changed(actor, name, "deprived of a token")).await?;
        tx.commit().await
    }
}

fn may_manage(actor: &Actor, name: &str) -> Result<()> {
    if user::key(&actor.name) == user::key(name) { Ok(()) } else { actor.may(Action::ManageUsers) }
}
