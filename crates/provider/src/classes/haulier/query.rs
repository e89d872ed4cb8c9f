use cim::query::Select;
use cim::{Value, wql};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};
use crate::query;

/// `Haulier_Query`: WQL over protocols that have another query language or none.
pub(crate) struct Query;

/// The most rows of one answer, and what is meant when none is asked for.
const TOP_MAX: u64 = 1_000;

impl ClassHandler for Query {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            if invocation.method != "Run" {
                return Err(not_implemented(call, invocation.method));
            }
            let refused = |error: wql::WqlError| Fault::InvalidQuery { reason: error.to_string() };
            let mut asked = wql::parse(invocation.text("Query")).map_err(refused)?;
            let number = |name: &str| u64::try_from(invocation.number(name)).unwrap_or(0);
            let top = Some(number("Top")).filter(|top| (1..=TOP_MAX).contains(top)).unwrap_or(TOP_MAX);
            if !matches!(asked.select, Select::Count(_)) {
                // One more than fits tells whether something follows.
                (asked.top, asked.skip) = (Some(top + 1), Some(number("Skip")));
            }
            let mut rows = query::answer(call, asked).await?.collect().await?.instances;
            let more = rows.len() as u64 > top;
            rows.truncate(usize::try_from(top).unwrap_or(usize::MAX));
            let rows = rows.into_iter().map(|row| Value::Instance(Box::new(row))).collect();
            let out =
                vec![("Rows".to_owned(), Value::Array(rows)), ("More".to_owned(), Value::Boolean(more))];
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}
