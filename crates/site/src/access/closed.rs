//! What failed sign-ins close, beyond this process: written down so that a restart opens nothing, and opened by hand, by
//! this server or by a command beside it.

use std::net::IpAddr;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Query};

use super::attempts::{CLOSED_FOR, Subject};
use super::{Action, Actor, user};
use crate::db::Tx;
use crate::error::Result;
use crate::library::error_chain;
use crate::server::Site;
use crate::status::{self, Message};

/// Closed subjects that are written down; further ones are this process's own to remember.
const ROWS_MAX: i64 = 1024;

impl Site {
    /// Tells of what failures closed, and writes it down. A name that nobody has may be a password typed into the wrong
    /// field: it is neither told nor written.
    pub(crate) async fn note_closed(&self, closed: Vec<Subject>, name_is_known: bool) {
        for subject in closed {
            let writes = name_is_known || subject.name().is_none();
            let shown = if writes { subject.shown() } else { "a name that no user has".to_owned() };
            let tells = self.credentials().may_tell(self.clock().monotonic());
            tracing::warn!(subject = shown, "closed after failed sign-ins");
            let written = self.write_closed(writes.then_some(&subject), tells.then_some(shown.as_str()));
            if let Err(error) = written.await {
                tracing::error!(error = error_chain(&error), "a closed name or address was not written down");
            }
        }
    }

    async fn write_closed(&self, subject: Option<&Subject>, told_as: Option<&str>) -> Result<()> {
        let now = self.now();
        let until = now.saturating_add(CLOSED_FOR).expect("a minute from now is in range");
        let mut tx = self.db().write().await?;
        if let Some(subject) = subject
            && has_room(&mut tx, now).await?
        {
            let upsert = Query::insert()
                .into_table("sign_in_closed")
                .columns(["subject", "until_at"])
                .values_panic([subject.to_string().into(), until.as_microsecond().into()])
                .on_conflict(OnConflict::column("subject").update_column("until_at").to_owned())
                .to_owned();
            tx.execute(&upsert).await?;
        }
        if let Some(shown) = told_as {
            status::add(&mut tx, now, Message::sign_in_closed(shown, CLOSED_FOR.as_secs())).await?;
        }
        tx.commit().await
    }

    /// Opens what was opened by hand by another process since this one closed it.
    pub(crate) async fn hear_of_unlocks(&self, subjects: &[Subject]) -> Result<()> {
        let select = Query::select()
            .columns(["subject", "until_at"])
            .from("sign_in_closed")
            .and_where(Expr::col("subject").is_in(subjects.iter().map(ToString::to_string)))
            .and_where(Expr::col("until_at").lt(0i64))
            .to_owned();
        for row in self.db().all(&select).await? {
            let opened_at =
                Timestamp::from_microsecond(-row.get::<i64>("until_at")?).unwrap_or(Timestamp::MIN);
            if let Some(subject) = Subject::parse(&row.get::<String>("subject")?) {
                let ago = self.now().duration_since(opened_at).unsigned_abs();
                self.credentials().opened(&subject, ago, self.clock().monotonic());
            }
        }
        Ok(())
    }

    /// Opens a user's name everywhere before its time.
    ///
    /// Errors: [`SiteError::AccessDenied`](crate::SiteError::AccessDenied),
    /// [`SiteError::UserNotFound`](crate::SiteError::UserNotFound).
    pub async fn unlock_user(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let mut tx = self.db().write().await?;
        let user = user::require(&mut tx, name).await?.user;
        let key = user::key(name);
        self.open_again(actor, tx, |subject| subject.name() == Some(key.as_str()), &user.name).await
    }

    /// Opens an address, and every name there, before its time.
    ///
    /// Errors: [`SiteError::AccessDenied`](crate::SiteError::AccessDenied).
    pub async fn unlock_address(&self, actor: &Actor, address: IpAddr) -> Result<()> {
        actor.may(Action::ManageUsers)?;
        let tx = self.db().write().await?;
        let network = Subject::network(address);
        self.open_again(actor, tx, |subject| subject.from() == Some(network), &address.to_string()).await
    }

    async fn open_again(
        &self,
        actor: &Actor,
        mut tx: Tx,
        opens: impl Fn(&Subject) -> bool,
        shown: &str,
    ) -> Result<()> {
        let now = self.now();
        let closed = Query::select()
            .column("subject")
            .from("sign_in_closed")
            .and_where(Expr::col("until_at").gt(0i64))
            .to_owned();
        let mut opened = Vec::new();
        for row in tx.all(&closed).await? {
            let stored: String = row.get("subject")?;
            if Subject::parse(&stored).is_some_and(|subject| opens(&subject)) {
                opened.push(stored);
            }
        }
        // The row stays for a while, for the servers that closed it to see.
        let update = Query::update()
            .table("sign_in_closed")
            .value("until_at", -now.as_microsecond())
            .and_where(Expr::col("subject").is_in(opened))
            .to_owned();
        tx.execute(&update).await?;
        status::add(&mut tx, now, Message::user_changed(actor, shown, "unlocked")).await?;
        tx.commit().await?;
        self.credentials().forget_failures(opens);
        Ok(())
    }
}

/// Forgets what is open again by itself, and what was opened by hand long enough ago that every server saw it.
pub(crate) async fn forget_ended(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let seen = now.saturating_sub(CLOSED_FOR).expect("a minute ago is in range");
    let delete = Query::delete()
        .from_table("sign_in_closed")
        .and_where(Expr::col("until_at").lte(now.as_microsecond()))
        .and_where(Expr::col("until_at").gt(-seen.as_microsecond()))
        .to_owned();
    tx.execute(&delete).await.map(drop)
}

async fn has_room(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let count =
        Query::select().expr_as(Expr::col("subject").count(), "rows").from("sign_in_closed").to_owned();
    for _ in 0..2 {
        let rows: i64 = tx.optional(&count).await?.map_or(Ok(0), |row| row.get("rows"))?;
        if rows < ROWS_MAX {
            return Ok(true);
        }
        forget_ended(tx, now).await?;
    }
    Ok(false)
}
