//! Rows of the site's views, made instances of the schema's classes.

use cim::query::{Query, Select, Selected};
use cim::{DateTime, Instance, Value};
use site::views::{self, View};

use crate::constant::{self, Folded};
use crate::error::Fault;
use crate::handler::{Answer, Call};
use crate::schema::{ClassInfo, Schema, is_lazy};

/// Answers a checked query from the view of the class's name.
pub(crate) async fn query(call: Call<'_>, query: &Query) -> Result<Answer, Fault> {
    let class = call.class;
    let view = views::find(&class.name).ok_or_else(|| Fault::InvalidClass { class: class.name.clone() })?;
    let Some(stored) = on_columns(class, view, query) else {
        return Ok(Answer { instances: Vec::new(), count: query.count.then_some(0) });
    };
    let rows = call.site.query(call.actor, view.name, &stored).await?;
    let columns: Vec<&str> = rows.columns.iter().map(|column| column.name).collect();
    let instances = rows.rows.into_iter().map(|row| instance(class, query, &columns, row)).collect();
    Ok(Answer { instances, count: rows.count })
}

/// The hidden column in which the view of a base class names each row's own class.
pub(crate) const CLASS_COLUMN: &str = "__CLASS";

/// The same query on what the view stores: keys always, constants of the schema never. None if no instance
/// can match.
fn on_columns(class: &ClassInfo, view: &View, query: &Query) -> Option<Query> {
    let select = match &query.select {
        Select::All => Select::All,
        Select::Items(items) => {
            let chosen = names(items).filter_map(|name| view.column(name)).map(|column| column.name);
            let hidden = view.column(CLASS_COLUMN).map(|column| column.name);
            let own = view.key.iter().copied().chain(hidden);
            let mut columns: Vec<String> = own.map(str::to_owned).collect();
            for column in chosen.filter(|column| !view.key.contains(column)) {
                columns.push(column.to_owned());
            }
            Select::properties(columns)
        }
        Select::Count(property) => Select::Count(property.clone()),
    };
    let filter = match query.filter.as_ref().map(|filter| constant::fold(class, view, filter)) {
        None | Some(Folded::Known(Some(true))) => None,
        Some(Folded::Known(_)) => return None,
        Some(Folded::Open(rest)) => Some(rest),
    };
    // What is the same everywhere sorts nothing.
    let order = query.order.iter().filter(|(scalar, _)| {
        scalar.as_property().is_some_and(|property| view.column(&property.name).is_some())
    });
    let order = order.cloned().collect();
    Some(Query { select, filter, order, ..query.clone() })
}

fn instance(class: &ClassInfo, query: &Query, columns: &[&str], row: Vec<site::Value>) -> Instance {
    let mut found: Vec<(&str, Value)> = columns.iter().copied().zip(row.into_iter().map(value)).collect();
    // A row of a base class is an instance of the class that it names.
    let own = found.iter().find(|(name, _)| *name == CLASS_COLUMN).and_then(|(_, name)| name.as_str());
    let class = own.and_then(|own| Schema::shipped().class(own)).unwrap_or(class);
    let mut instance = Instance::new(&class.name);
    for property in &class.properties {
        let stored = found.iter_mut().find(|(name, _)| *name == property.name);
        let chosen = match &query.select {
            Select::Items(items) => {
                names(items).any(|name| name == property.name) || property.qualifiers.has("key")
            }
            Select::All | Select::Count(_) => true,
        };
        if !chosen {
            continue;
        }
        let value = match stored {
            Some((_, value)) => std::mem::replace(value, Value::Null),
            None => property.default.clone(),
        };
        instance.properties.push((property.name.clone(), value));
    }
    instance
}

/// The properties that a select list of one class names.
pub(crate) fn names(items: &[Selected]) -> impl Iterator<Item = &str> {
    items.iter().filter_map(|item| match item {
        Selected::Property(property) => Some(property.name.as_str()),
        Selected::Source(_) => None,
    })
}

fn value(stored: site::Value) -> Value {
    match stored {
        site::Value::Null => Value::Null,
        site::Value::Text(text) => Value::String(text),
        site::Value::Integer(number) => Value::from(number),
        site::Value::Boolean(truth) => Value::Boolean(truth),
        site::Value::TextList(texts) => Value::Array(texts.into_iter().map(Value::String).collect()),
        site::Value::DateTime(at) => Value::DateTime(DateTime::from_timestamp(at)),
    }
}

/// Empties the properties that a query does not return.
pub(crate) fn drop_lazy(class: &ClassInfo, instance: &mut Instance) {
    for (name, value) in &mut instance.properties {
        if class.property(name).is_some_and(is_lazy) {
            *value = Value::Null;
        }
    }
}

/// Whether two values of a property are the same to a client that read one and sends it back.
pub(crate) fn same(known: &Value, given: &Value) -> bool {
    match (known, given) {
        // Front ends without fractions of a second cut them off.
        (Value::DateTime(known), Value::DateTime(given)) => {
            let second = |at: &DateTime| at.timestamp().map(|at| at.as_second());
            known == given || second(known).is_some_and(|known| Some(known) == second(given))
        }
        (Value::Null, Value::Array(elements)) | (Value::Array(elements), Value::Null) => elements.is_empty(),
        (known, given) => known == given,
    }
}
