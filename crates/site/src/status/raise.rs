//! Messages that callers write and delete: the methods of SMS_StatusMessage.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::message::{INSERT_CHARS_MAX, SERVER_MODULE, stored_insert};
use super::{Message, MessageType, Severity};
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// The attribute that names a package; it is who sees the package who sees the message.
const PACKAGE_ATTRIBUTE: u32 = 400;
/// The attribute that names who did it; the site writes that itself.
const USER_ATTRIBUTE: u32 = 403;
/// The most attributes of a raised message.
const ATTRIBUTES_MAX: usize = 32;
/// The longest value of an attribute and the longest module name, in characters.
const NAME_CHARS_MAX: usize = 255;
/// How far ahead of the site's clock a message may say it is; callers' clocks differ, and messages are kept by their time.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Messages that one call deletes.
pub const MESSAGES_DELETED_MAX: usize = 50_000;
/// Identifiers in one statement.
const DELETED_AT_ONCE_MAX: usize = 500;

/// A message that a caller wants written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedMessage {
    /// The text; at most 1,024 characters. A raw message has none.
    pub text: Option<String>,
    /// Which message of the module, 0 to 65,535.
    pub message_id: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of event it is.
    pub message_type: MessageType,
    /// Whose message it is; the site's own module where it is none.
    pub module: Option<String>,
    /// A code of Windows, 0 for none.
    pub win32_error: u32,
    /// The caller's process.
    pub process_id: u32,
    /// The caller's thread.
    pub thread_id: u32,
    /// When it happened; now where it is none.
    pub at: Option<Timestamp>,
    /// What it is about: identifiers such as 400 (package; at most one) and their values.
    pub attributes: Vec<(u32, String)>,
}

impl Site {
    /// Writes a status message of the caller's own, under its name, program and machine. Returns its record number.
    ///
    /// Errors: [`SiteError::AccessDenied`] for readers, [`SiteError::InvalidField`] for what is beyond the limits or only
    /// the site may say, [`SiteError::PackageNotFound`] for a package that does not exist for the actor.
    pub async fn raise_status_message(&self, actor: &Actor, raised: RaisedMessage) -> Result<i64> {
        actor.may(Action::RaiseStatus)?;
        let now = self.now();
        raised.check(now)?;
        let at = raised.at.unwrap_or(now);
        let mut tx = self.db().write().await?;
        let package_id = match raised.package()? {
            Some(package_id) => Some(self.visible_package(&mut tx, actor, package_id).await?.package_id),
            None => None,
        };
        let others = raised.attributes.iter().filter(|(id, _)| *id != PACKAGE_ATTRIBUTE);
        let others: BTreeSet<(u32, String)> = others.cloned().collect();
        let message = Message { package_id, ..raised.message(actor) };
        let record_id = super::insert(&mut tx, at, vec![message]).await?;
        if !others.is_empty() {
            let mut insert = Query::insert();
            insert.into_table("status_attribute").columns(["record_id", "attribute_id", "value"]);
            for (id, value) in others {
                insert.values_panic([record_id.into(), i64::from(id).into(), value.into()]);
            }
            tx.execute(&insert).await?;
        }
        tx.commit().await?;
        Ok(record_id)
    }

    /// Whether the actor may delete status messages at all; to be asked before looking up which.
    ///
    /// Errors: [`SiteError::AccessDenied`] for everybody but full administrators with all scopes.
    pub fn require_status_deletion(&self, actor: &Actor) -> Result<()> {
        actor.may(Action::DeleteStatus)
    }

    /// Deletes status messages by their record numbers; unknown ones are passed over. Returns how many went. `which`
    /// says in the audit message what was asked for.
    ///
    /// Errors: [`SiteError::AccessDenied`] for everybody but full administrators, [`SiteError::Conflict`] for more than
    /// [`MESSAGES_DELETED_MAX`].
    pub async fn delete_status_messages(&self, actor: &Actor, ids: &[i64], which: &str) -> Result<u64> {
        self.require_status_deletion(actor)?;
        if ids.len() > MESSAGES_DELETED_MAX {
            let reason =
                format!("at most {MESSAGES_DELETED_MAX} messages are deleted at once; narrow the query");
            return Err(SiteError::Conflict { reason });
        }
        let mut tx = self.db().write().await?;
        let mut deleted = 0;
        for some in ids.chunks(DELETED_AT_ONCE_MAX) {
            let named = Expr::col("id").is_in(some.iter().copied());
            deleted += tx.execute(Query::delete().from_table("status_message").and_where(named)).await?;
        }
        if deleted > 0 {
            let message = Message::messages_deleted(actor, deleted, which);
            super::add(&mut tx, self.now(), message).await?;
        }
        tx.commit().await?;
        Ok(deleted)
    }
}

impl RaisedMessage {
    fn check(&self, now: Timestamp) -> Result<()> {
        let too_long = |text: &str, max: usize| text.chars().count() > max || text.contains('\0');
        if self.text.as_deref().is_some_and(|text| text.is_empty() || too_long(text, INSERT_CHARS_MAX)) {
            return Err(SiteError::invalid(
                "MessageText",
                format!("1 to {INSERT_CHARS_MAX} characters are needed"),
            ));
        }
        if self.message_id > u32::from(u16::MAX) {
            return Err(SiteError::invalid("MessageID", "0 to 65535 is needed"));
        }
        let module_fits = |module: &String| !module.is_empty() && !too_long(module, NAME_CHARS_MAX);
        if !self.module.as_ref().is_none_or(module_fits) {
            return Err(SiteError::invalid(
                "ModuleName",
                format!("1 to {NAME_CHARS_MAX} characters are needed"),
            ));
        }
        if self.message_type == MessageType::Audit {
            // It could say that somebody made a change that never was.
            return Err(SiteError::invalid("MessageType", "audit messages are written by the site alone"));
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(SiteError::invalid(
                "AttrIDs",
                format!("at most {ATTRIBUTES_MAX} attributes are taken"),
            ));
        }
        if self.attributes.iter().any(|(_, value)| too_long(value, NAME_CHARS_MAX)) {
            return Err(SiteError::invalid(
                "AttrValues",
                format!("at most {NAME_CHARS_MAX} characters are taken"),
            ));
        }
        if self.attributes.iter().any(|(id, _)| *id == USER_ATTRIBUTE) {
            return Err(SiteError::invalid("AttrIDs", "403, the user, is written by the site alone"));
        }
        let latest = now.checked_add(AHEAD_MAX).unwrap_or(Timestamp::MAX);
        if self.at.is_some_and(|at| at > latest) {
            return Err(SiteError::invalid("Time", "it is more than a day ahead of the site's clock"));
        }
        Ok(())
    }

    /// The package that it is about.
    fn package(&self) -> Result<Option<&str>> {
        let mut named = self.attributes.iter().filter(|(id, _)| *id == PACKAGE_ATTRIBUTE);
        let Some((_, first)) = named.next() else { return Ok(None) };
        if named.any(|(_, other)| !other.eq_ignore_ascii_case(first)) {
            return Err(SiteError::invalid("AttrValues", "a message is about one package (attribute 400)"));
        }
        Ok(Some(first))
    }

    fn message(self, actor: &Actor) -> Message {
        Message {
            id: self.message_id,
            kind: self.message_type,
            severity: self.severity,
            component: Cow::Owned(actor.origin.application.clone()),
            module: self.module.map_or(Cow::Borrowed(SERVER_MODULE), Cow::Owned),
            machine: actor.origin.machine.clone(),
            win32_error: self.win32_error,
            process_id: self.process_id,
            thread_id: self.thread_id,
            package_id: None,
            dp: None,
            site_code: String::new(),
            user: Some(actor.name.clone()),
            about: None,
            call: actor.call.clone(),
            inserts: self.text.iter().map(|text| stored_insert(text)).collect(),
        }
    }
}
