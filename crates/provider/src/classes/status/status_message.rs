use cim::query::{Direction, Expr, Operator, Query, Scalar, Select};
use cim::{DateTime, Instance, Value, wql};
use site::{MESSAGES_DELETED_MAX, MessageType, RaisedMessage, Severity};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};
use crate::query;
use crate::rows;
use crate::schema::{ClassInfo, Schema};

/// `SMS_StatusMessage`: what happened. Callers write messages of their own and delete what they need no longer.
pub(crate) struct StatusMessage;

/// Identifiers in one call of `DeleteByID`.
const DELETED_BY_ID_MAX: usize = 256;
/// Messages that `DeleteByQuery` looks up at once.
const FOUND_AT_ONCE_MAX: u64 = 10_000;
/// The classes whose rows are messages and whose only key is `RecordID`.
const MESSAGE_CLASSES: [&str; 3] = ["SMS_StatusMessage", "SMS_StatMsg", "SMS_StatMsgWithInsStrings"];

const RECORD_ID: &str = "RecordID";

impl ClassHandler for StatusMessage {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match invocation.method {
                "RaiseInformationalStatusMsg" => raise(call, &invocation, Severity::Information, 39997).await,
                "RaiseWarningStatusMsg" => raise(call, &invocation, Severity::Warning, 39998).await,
                "RaiseErrorStatusMsg" => raise(call, &invocation, Severity::Error, 39999).await,
                "RaiseRawStatusMsg" => {
                    let id = number(&invocation, "MessageID");
                    raise(call, &invocation, Severity::Information, id).await
                }
                "DeleteByID" => delete_by_id(call, &invocation).await,
                "DeleteByQuery" => delete_by_query(call, invocation.text("Query")).await,
                _ => Err(not_implemented(call, invocation.method)),
            }
        })
    }
}

async fn raise(
    call: Call<'_>,
    invocation: &Invocation<'_>,
    severity: Severity,
    message_id: u32,
) -> Result<Outcome, Fault> {
    for (name, given) in
        [("ApplicationName", call.context.application()), ("MachineName", &call.context.machine_name)]
    {
        if given.as_deref().is_none_or(str::is_empty) {
            let reason = format!("{} needs it", invocation.method);
            return Err(Fault::InvalidContext { name: name.to_owned(), reason });
        }
    }
    let raw = invocation.method == "RaiseRawStatusMsg";
    let raised = RaisedMessage {
        text: (!raw).then(|| invocation.text("MessageText").to_owned()),
        message_id,
        severity,
        message_type: message_type(invocation)?,
        module: raw.then(|| invocation.text("ModuleName").to_owned()),
        win32_error: number(invocation, "Win32Error"),
        process_id: number(invocation, "ProcessID"),
        thread_id: number(invocation, "ThreadID"),
        at: invocation.datetime("Time").and_then(DateTime::timestamp),
        attributes: attributes(invocation)?,
    };
    call.site.raise_status_message(call.actor, raised).await?;
    Ok(Outcome::success())
}

fn message_type(invocation: &Invocation<'_>) -> Result<MessageType, Fault> {
    let given = number(invocation, "MessageType");
    let taken = MessageType::from_number(given).filter(|kind| *kind != MessageType::Audit);
    taken.ok_or_else(|| Fault::OutOfRange {
        property: "MessageType".to_owned(),
        reason: "one of 256, 512, 1024 is needed".to_owned(),
    })
}

fn attributes(invocation: &Invocation<'_>) -> Result<Vec<(u32, String)>, Fault> {
    let (ids, values) = (invocation.numbers("AttrIDs"), invocation.texts("AttrValues"));
    if ids.len() != values.len() {
        let reason = "AttrIDs and AttrValues need the same number of elements".to_owned();
        return Err(Fault::InvalidParameters { method: invocation.method.to_owned(), reason });
    }
    let id = |id: i64| u32::try_from(id).expect("the parameter was checked to be a uint32");
    Ok(ids.into_iter().map(id).zip(values.into_iter().map(str::to_owned)).collect())
}

async fn delete_by_id(call: Call<'_>, invocation: &Invocation<'_>) -> Result<Outcome, Fault> {
    let ids = invocation.numbers("RecordIDs");
    if ids.is_empty() || ids.len() > DELETED_BY_ID_MAX {
        let reason = format!("1 to {DELETED_BY_ID_MAX} identifiers are needed");
        return Err(Fault::OutOfRange { property: "RecordIDs".to_owned(), reason });
    }
    let which: Vec<String> = ids.iter().map(i64::to_string).collect();
    call.site.delete_status_messages(call.actor, &ids, &which.join(", ")).await?;
    Ok(Outcome::success())
}

async fn delete_by_query(call: Call<'_>, text: &str) -> Result<Outcome, Fault> {
    // Asked before the query runs: looking up what to delete is work that only they may cause.
    call.site.require_status_deletion(call.actor)?;
    let refused = |reason: String| Fault::InvalidQuery { reason };
    let query = wql::parse(text).map_err(|error| refused(error.to_string()))?;
    let is_plain = query.joins.is_empty()
        && !query.distinct
        && !matches!(query.select, Select::Count(_))
        && query.top.is_none()
        && query.skip.is_none()
        && !query.filter.as_ref().is_some_and(asks_another_query);
    if !is_plain || !MESSAGE_CLASSES.iter().any(|class| class.eq_ignore_ascii_case(query.class())) {
        let classes = MESSAGE_CLASSES.join(", ");
        return Err(refused(format!("a plain SELECT without subqueries on one of {classes} is needed")));
    }
    let ids = matching(call, query).await?;
    call.site.delete_status_messages(call.actor, &ids, text).await?;
    Ok(Outcome::success())
}

fn asks_another_query(condition: &Expr) -> bool {
    match condition {
        Expr::InQuery { .. } | Expr::Exists(_) => true,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_another_query),
        Expr::Not(part) => asks_another_query(part),
        _ => false,
    }
}

/// The record numbers of what a query finds, page by page.
async fn matching(call: Call<'_>, query: Query) -> Result<Vec<i64>, Fault> {
    let class = class_of(&query)?;
    let call = Call { class, ..call };
    let mut ids: Vec<i64> = Vec::new();
    loop {
        let mut page = query.clone();
        page.select = Select::properties([RECORD_ID]);
        page.order = vec![(Scalar::property(RECORD_ID), Direction::Ascending)];
        page.top = Some(FOUND_AT_ONCE_MAX);
        if let Some(last) = ids.last() {
            let after = Expr::compare(RECORD_ID, Operator::Gt, Value::from(*last));
            page.filter = Some(page.filter.map_or(after.clone(), |filter| Expr::And(vec![filter, after])));
        }
        let found = rows::query(call, &query::check(Schema::shipped(), page)?).await?.instances;
        ids.extend(found.iter().filter_map(record_id));
        // More than are deleted at once need not be read: the site refuses them.
        if (found.len() as u64) < FOUND_AT_ONCE_MAX || ids.len() > MESSAGES_DELETED_MAX {
            return Ok(ids);
        }
    }
}

fn class_of(query: &Query) -> Result<&'static ClassInfo, Fault> {
    let invalid = || Fault::InvalidClass { class: query.class().to_owned() };
    Schema::shipped().class(query.class()).ok_or_else(invalid)
}

fn record_id(message: &Instance) -> Option<i64> {
    message.get(RECORD_ID).and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok())
}

/// A checked parameter of 32 bits.
fn number(invocation: &Invocation<'_>, name: &str) -> u32 {
    u32::try_from(invocation.number(name)).expect("the parameter was checked to be a uint32")
}
