use cim::query::{self, Select};
use cim::wql::{self, Statement};
use cim::{Instance, Value};

use crate::associations::{self, Found};
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};
use crate::query::InstanceStream;

/// `Haulier_Query`: WQL over protocols that have another query language or none.
pub(crate) struct Query;

/// The most rows of one answer, and what is meant when none is asked for.
const TOP_MAX: u64 = 100_000;
/// The most values of one answer, which is held whole in memory; what follows comes with another.
const VALUES_MAX: usize = 2_000_000;

impl ClassHandler for Query {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            if invocation.method != "Run" {
                return Err(not_implemented(call, invocation.method));
            }
            let refused = |error: wql::WqlError| Fault::InvalidQuery { reason: error.to_string() };
            let asked = wql::parse_statement(invocation.text("Query")).map_err(refused)?;
            let number = |name: &str| u64::try_from(invocation.number(name)).unwrap_or(0);
            let top = Some(number("Top")).filter(|top| (1..=TOP_MAX).contains(top)).unwrap_or(TOP_MAX);
            let (rows, more) = rows(call, asked, number("Skip"), top).await?;
            let rows = rows.into_iter().map(|row| Value::Instance(Box::new(row))).collect();
            let out =
                vec![("Rows".to_owned(), Value::Array(rows)), ("More".to_owned(), Value::Boolean(more))];
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}

/// The rows from `skip` on, and whether others follow.
async fn rows(call: Call<'_>, asked: Statement, skip: u64, top: u64) -> Result<(Vec<Instance>, bool), Fault> {
    let (asked, mut skip) = match asked {
        Statement::Select(query) if !matches!(query.select, Select::Count(_)) => {
            // One more than fits tells whether something follows.
            (Statement::Select(query::Query { top: Some(top + 1), skip: Some(skip), ..query }), 0)
        }
        Statement::Select(query) => (Statement::Select(query), 0),
        other => (other, skip),
    };
    let found = associations::answer(call.site, call.actor, call.context, call.handles, asked).await?;
    let Found::Instances(mut stream) = found else {
        return Err(Fault::NotSupported { what: "ClassDefsOnly, whose answer are no rows,".to_owned() });
    };
    while skip > 0 && stream.read().await.transpose()?.is_some() {
        skip -= 1;
    }
    taken(&mut stream, top).await
}

async fn taken(stream: &mut InstanceStream, top: u64) -> Result<(Vec<Instance>, bool), Fault> {
    let (mut rows, mut values) = (Vec::new(), 0);
    while let Some(row) = stream.read().await.transpose()? {
        values += count(&row);
        if rows.len() as u64 == top || (values > VALUES_MAX && !rows.is_empty()) {
            return Ok((rows, true));
        }
        rows.push(row);
    }
    Ok((rows, false))
}

/// How many values an instance has, those of embedded ones too.
fn count(instance: &Instance) -> usize {
    let inside = |value: &Value| match value {
        Value::Instance(embedded) => count(embedded),
        Value::Array(elements) => elements.len().max(1),
        _ => 1,
    };
    instance.properties.iter().map(|(_, value)| inside(value)).sum()
}
