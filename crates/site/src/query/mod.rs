//! Provider queries: a checked query tree in, rows of a view out. Nothing is filtered in memory.

mod compile;
mod localized;
mod secured;
mod share;
mod spool;
mod stream;
pub mod views;

use cim::query::Query;
use jiff::Timestamp;

use crate::access::Actor;
use crate::db::Row;
use crate::error::Result;
use crate::server::Site;
use views::{Column, Kind};

pub use compile::{Output, PRESENCE};
pub(crate) use share::Shares;
pub use spool::{SpoolClosed, SpoolReader, SpoolWriter};
pub(crate) use spool::{SpoolRoom, sweep};
pub use stream::RowStream;
pub(crate) use stream::{STREAMS_LATE_MAX, STREAMS_MAX};

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
    /// How many rows match regardless of `top` and `skip`, if that was asked for.
    pub count: Option<u64>,
}

impl Site {
    /// Answers a query, whose first class is the view's, with what exists for the actor. The whole answer is held in
    /// memory.
    ///
    /// Errors: those of [`Site::query_stream`].
    pub async fn query(&self, actor: &Actor, view: &str, query: &Query) -> Result<Rows> {
        views::find(view).ok_or_else(|| crate::SiteError::UnknownView { view: view.to_owned() })?;
        let mut stream = self.query_stream(actor, query).await?;
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            rows.push(row?);
        }
        let columns = stream.outputs.iter().map(|output| output.column).collect();
        Ok(Rows { columns, rows, count: stream.count })
    }
}

/// The value of an output column, by its place in the row.
fn read(row: &Row, index: usize, kind: Kind) -> Result<Value> {
    let integer = |make: fn(i64) -> Value| -> Result<Value> {
        Ok(row.get_at::<Option<i64>>(index)?.map_or(Value::Null, make))
    };
    let text = || row.get_at::<Option<String>>(index);
    match kind {
        Kind::Text => Ok(text()?.map_or(Value::Null, Value::Text)),
        Kind::Integer => integer(Value::Integer),
        Kind::Boolean => integer(|number| Value::Boolean(number != 0)),
        Kind::TextList => Ok(text()?.map_or(Value::Null, |stored| Value::TextList(list(&stored)))),
        Kind::DateTime => {
            let time = row.get_at::<Option<i64>>(index)?.map(Timestamp::from_microsecond).transpose();
            let time = time.map_err(|_| crate::SiteError::corrupt("a time"))?;
            Ok(time.map_or(Value::Null, Value::DateTime))
        }
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
