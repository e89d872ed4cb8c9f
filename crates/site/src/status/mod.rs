//! Status messages: events, kept for a while. State never comes from here.

mod catalog;
mod message;
mod raise;

pub(crate) use message::{Message, failure_id};
pub use raise::{MESSAGES_DELETED_MAX, RaisedMessage};

use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// How long messages are kept where nobody says otherwise, in days.
const KEPT_DAYS: u32 = 30;
/// The longest that they may be kept, in days.
const KEPT_DAYS_MAX: u32 = 3650;
/// Messages that one transaction forgets, so that no change waits long for it.
pub(crate) const FORGOTTEN_AT_ONCE_MAX: u64 = 5_000;
/// Messages that one round of housekeeping forgets for their age; what is left over goes in the next.
pub(crate) const FORGOTTEN_MAX: u64 = 200_000;
/// How many messages are kept; beyond it the oldest go earlier. Audit messages have this count for themselves, so that
/// nobody pushes them out by raising others.
pub(crate) const KEPT_MAX: u64 = 1_000_000;
/// The most messages in one answer.
const LISTED_MAX: u64 = 10_000;

/// How bad it is, with the provider's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 0x40000000.
    Information,
    /// 0x80000000.
    Warning,
    /// 0xC0000000.
    Error,
}

/// What kind of event it is, with the provider's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// 256: something ended, well or badly.
    Milestone,
    /// 512: a step on the way.
    Detail,
    /// 768: somebody changed something.
    Audit,
    /// 1024: from an event log.
    NtEvent,
}

/// A status message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusMessage {
    /// Rises with time.
    pub record_id: i64,
    /// When it was written.
    pub at: Timestamp,
    /// How bad it is.
    pub severity: Severity,
    /// For example 2330.
    pub message_id: u32,
    /// Who wrote it, for example `SMS_DISTRIBUTION_MANAGER`.
    pub component: String,
    /// The package concerned.
    pub package_id: Option<String>,
    /// The distribution point concerned.
    pub dp: Option<String>,
    /// Who asked, in an audit message.
    pub user: Option<String>,
    /// The call behind it; see [`crate::call`].
    pub call: Option<String>,
    /// The insertion strings.
    pub inserts: Vec<String>,
    /// The message in words.
    pub text: String,
}

/// Which messages to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusFilter {
    /// Only of this package.
    pub package_id: Option<String>,
    /// Only newer than this record.
    pub after: Option<i64>,
    /// At most this many, the newest; 10,000 at most.
    pub limit: Option<u64>,
}

impl Severity {
    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Information => 0x4000_0000,
            Self::Warning => 0x8000_0000,
            Self::Error => 0xC000_0000,
        }
    }

    fn from_number(number: i64) -> Result<Self> {
        let all = [Self::Information, Self::Warning, Self::Error];
        let found = all.into_iter().find(|severity| i64::from(severity.number()) == number);
        found.ok_or_else(|| SiteError::corrupt("status_message.severity"))
    }
}

impl MessageType {
    const ALL: [Self; 4] = [Self::Milestone, Self::Detail, Self::Audit, Self::NtEvent];

    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Milestone => 256,
            Self::Detail => 512,
            Self::Audit => 768,
            Self::NtEvent => 1024,
        }
    }

    /// The type of that number, if there is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl Site {
    /// Status messages, newest first.
    pub async fn status_messages(&self, filter: &StatusFilter) -> Result<Vec<StatusMessage>> {
        let mut select = Query::select();
        select
            .columns([
                "id",
                "at",
                "severity",
                "message_id",
                "component",
                "package_id",
                "dp_name",
                "user_name",
                "call_id",
                "inserts",
            ])
            .from("status_message")
            .order_by("id", Order::Desc)
            .limit(filter.limit.map_or(LISTED_MAX, |limit| Ord::min(limit, LISTED_MAX)));
        if let Some(package_id) = &filter.package_id {
            select.and_where(Expr::col("package_id").eq(package_id.as_str()));
        }
        if let Some(after) = filter.after {
            select.and_where(Expr::col("id").gt(after));
        }
        self.db().all(&select).await?.iter().map(read).collect()
    }
}

/// How long messages are kept. Errors: [`SiteError::InvalidOption`].
pub(crate) fn kept_for(days: Option<u32>) -> Result<Duration> {
    match days.unwrap_or(KEPT_DAYS) {
        days @ 1..=KEPT_DAYS_MAX => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        _ => Err(SiteError::InvalidOption {
            option: "status.keep_days",
            reason: format!("1 to {KEPT_DAYS_MAX} is needed"),
        }),
    }
}

/// What `MessageState` may be after the last allowed attempt failed; the first is the default.
const FAILED_MESSAGE_STATES: [u32; 2] = [3, 4];

/// Tells the views how a distribution that failed for good is shown.
pub(crate) async fn set_failed_message_state(tx: &mut Tx, state: Option<u32>) -> Result<()> {
    let state = state.unwrap_or(FAILED_MESSAGE_STATES[0]);
    if !FAILED_MESSAGE_STATES.contains(&state) {
        let reason = "3 or 4 is needed".to_owned();
        return Err(SiteError::InvalidOption { option: "failed_message_state", reason });
    }
    let update = Query::update()
        .table("site")
        .value("failed_message_state", i64::from(state))
        .and_where(Expr::col("failed_message_state").ne(i64::from(state)))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Messages in one statement.
const ADDED_AT_ONCE_MAX: usize = 400;

/// Writes a message as part of the change that it tells of: in the same transaction, so that there is no change
/// without its message and no message without its change. [`Message::changed`] and its neighbours fit every change
/// that somebody makes.
pub(crate) async fn add(tx: &mut Tx, at: Timestamp, message: Message) -> Result<()> {
    add_all(tx, at, vec![message]).await
}

/// Writes messages as part of the change that they tell of.
pub(crate) async fn add_all(tx: &mut Tx, at: Timestamp, messages: Vec<Message>) -> Result<()> {
    insert(tx, at, messages).await.map(drop)
}

/// Writes a message for each row of `rows`, which joins a distribution point as `x`: the same but for the name and the
/// insertion strings.
pub(crate) async fn add_for_points(
    tx: &mut Tx,
    at: Timestamp,
    message: Message,
    inserts: Expr,
    mut rows: SelectStatement,
) -> Result<()> {
    let same = values(at, message);
    for (column, value) in INSERTED_COLUMNS.into_iter().zip(same) {
        rows.expr(match column {
            "dp_name" => Expr::col(("x", "name")),
            "inserts" => inserts.clone(),
            _ => value,
        });
    }
    let mut insert = Query::insert();
    insert.into_table("status_message").columns(INSERTED_COLUMNS);
    insert.select_from(rows).expect("the select has one expression for each column");
    tx.execute(&insert).await?;
    Ok(())
}

/// Writes messages and returns the record number of the last one; 0 if there is none.
async fn insert(tx: &mut Tx, at: Timestamp, messages: Vec<Message>) -> Result<i64> {
    let mut last = 0;
    let mut messages = messages.into_iter().peekable();
    while messages.peek().is_some() {
        let mut insert = Query::insert();
        insert.into_table("status_message").columns(INSERTED_COLUMNS).returning_col("id");
        for message in messages.by_ref().take(ADDED_AT_ONCE_MAX) {
            insert.values_panic(values(at, message));
        }
        for row in tx.all(&insert).await? {
            last = Ord::max(last, row.get("id")?);
        }
    }
    Ok(last)
}

const INSERTED_COLUMNS: [&str; 18] = [
    "at",
    "severity",
    "message_id",
    "component",
    "package_id",
    "dp_name",
    "user_name",
    "inserts",
    "message_type",
    "module_name",
    "machine_name",
    "win32_error",
    "process_id",
    "thread_id",
    "about_type",
    "about_key",
    "call_id",
    "site_code",
];

fn values(at: Timestamp, message: Message) -> [Expr; 18] {
    let inserts = serde_json::to_string(&message.inserts).expect("strings always become JSON");
    [
        at.as_microsecond().into(),
        i64::from(message.severity.number()).into(),
        i64::from(message.id).into(),
        message.component.into_owned().into(),
        message.package_id.into(),
        message.dp.into(),
        message.user.into(),
        inserts.into(),
        i64::from(message.kind.number()).into(),
        message.module.into_owned().into(),
        message.machine.into(),
        i64::from(message.win32_error).into(),
        i64::from(message.process_id).into(),
        i64::from(message.thread_id).into(),
        message.about.as_ref().map(|(object, _)| i64::from(object.number())).into(),
        message.about.map(|(_, key)| key).into(),
        message.call.into(),
        message.site_code.into(),
    ]
}

/// The insertion strings of a message, from the column `InsertStrings` of `Haulier_StatusMessage`.
pub fn status_inserts(stored: &str) -> Result<Vec<String>> {
    serde_json::from_str(stored).map_err(|_| SiteError::corrupt("status_message.inserts"))
}

/// A message in words; an id without a text in the catalog shows its insertion strings.
#[must_use]
pub fn status_text(message_id: u32, inserts: &[String]) -> String {
    catalog::text(message_id, inserts)
}

fn read(row: &Row) -> Result<StatusMessage> {
    let inserts = status_inserts(&row.get::<String>("inserts")?)?;
    let message_id = row.unsigned("message_id")?;
    Ok(StatusMessage {
        record_id: row.get("id")?,
        at: row.time("at")?,
        severity: Severity::from_number(row.get("severity")?)?,
        message_id,
        component: row.get("component")?,
        package_id: row.get("package_id")?,
        dp: row.get("dp_name")?,
        user: row.get("user_name")?,
        call: row.get("call_id")?,
        text: catalog::text(message_id, &inserts),
        inserts,
    })
}
