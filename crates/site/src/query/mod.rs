//! Provider queries: a checked query tree in, rows of a view out. Nothing is filtered in memory.

mod compile;
mod pattern;
mod secured;
pub mod views;

use jiff::Timestamp;

use crate::access::Actor;
use crate::db::Row;
use crate::error::{Result, SiteError};
use crate::server::Site;
use views::{Column, Kind};

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A time.
    DateTime(Timestamp),
    /// Texts.
    TextList(Vec<String>),
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// What the values of each row are, in their order.
    pub columns: Vec<&'static Column>,
    /// The rows, in the order that was asked for.
    pub rows: Vec<Vec<Value>>,
    /// How many instances match regardless of `top` and `skip`, if that was asked for.
    pub count: Option<u64>,
}

impl Site {
    /// Answers a query on a class, as far as its rows exist for the actor.
    ///
    /// Errors: [`SiteError::UnknownView`], [`SiteError::InvalidQuery`] for a property that the class does not
    /// have, a value that does not fit its property, or a condition beyond the limits.
    pub async fn query(&self, actor: &Actor, view: &str, query: &cim::query::Query) -> Result<Rows> {
        let view = views::find(view).ok_or_else(|| SiteError::UnknownView { view: view.to_owned() })?;
        let compiled = compile::compile(view, query, self.db().dialect(), actor)?;
        let count = match &compiled.count {
            Some(count) => {
                let row = self.db().optional(count).await?.ok_or_else(|| SiteError::corrupt(view.name))?;
                Some(row.unsigned("matching")?)
            }
            None => None,
        };
        let rows = self.db().all(&compiled.rows).await?;
        let read = |row: &Row| compiled.columns.iter().map(|column| read(row, column)).collect();
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(Rows { columns: compiled.columns, rows, count })
    }
}

fn read(row: &Row, column: &Column) -> Result<Value> {
    let integer = |make: fn(i64) -> Value| -> Result<Value> {
        Ok(row.get::<Option<i64>>(column.name)?.map_or(Value::Null, make))
    };
    match column.kind {
        Kind::Text => Ok(row.get::<Option<String>>(column.name)?.map_or(Value::Null, Value::Text)),
        Kind::Integer => integer(Value::Integer),
        Kind::Boolean => integer(|number| Value::Boolean(number != 0)),
        Kind::TextList => Ok(Value::TextList(list(&row.get::<String>(column.name)?))),
        Kind::DateTime => Ok(row.time_or_null(column.name)?.map_or(Value::Null, Value::DateTime)),
    }
}

/// The elements of a stored list.
pub(crate) fn list(stored: &str) -> Vec<String> {
    stored.split('\n').filter(|element| !element.is_empty()).map(str::to_owned).collect()
}

/// A list as it is stored: each element once, none empty, none with a control character.
pub(crate) fn stored_list<S: AsRef<str>>(elements: impl IntoIterator<Item = S>) -> String {
    let mut stored: Vec<String> = Vec::new();
    for element in elements {
        let element = element.as_ref().replace(char::is_control, " ");
        if !element.is_empty() && !stored.contains(&element) {
            stored.push(element);
        }
    }
    stored.join("\n")
}
