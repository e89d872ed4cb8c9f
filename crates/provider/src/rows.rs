//! What handlers do with the rows of the site's views.

use cim::query::{Query, Selected};
use cim::{DateTime, Instance, Value};

use crate::error::Fault;
use crate::handler::{Answer, Call};
use crate::query::{self, Lazy};
use crate::schema::{ClassInfo, is_left_out_of_lists};

/// Answers a checked query on one class from the view of its name, lazy properties included.
pub(crate) async fn query(call: Call<'_>, query: &Query) -> Result<Answer, Fault> {
    query::stream(call, query, query.class().to_owned(), Lazy::Kept).await?.collect().await
}

/// The properties that a select list of one class names.
pub(crate) fn names(items: &[Selected]) -> impl Iterator<Item = &str> {
    items.iter().filter_map(|item| match item {
        Selected::Property(property) => Some(property.name.as_str()),
        Selected::Source(_) => None,
    })
}

/// Empties the properties that a query does not return.
pub(crate) fn drop_lazy(class: &ClassInfo, instance: &mut Instance) {
    for (name, value) in &mut instance.properties {
        if class.property(name).is_some_and(is_left_out_of_lists) {
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
