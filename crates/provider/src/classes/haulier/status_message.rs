use cim::query::{Direction, PropertyRef, Query, Scalar, Select, Selected};
use cim::{Instance, Value};

use crate::error::Fault;
use crate::handler::{Answer, Call, ClassHandler, Work};
use crate::rows;
use crate::schema::ClassInfo;

/// `Haulier_StatusMessage`: what happened. The text is made here, from the catalog and what is stored.
pub(crate) struct StatusMessage;

const TEXT: &str = "Text";
/// What the text is made of.
const PARTS: [&str; 2] = ["InsertStrings", "MessageID"];

impl ClassHandler for StatusMessage {
    fn complete(&self, instance: &mut Instance) -> Result<(), Fault> {
        put_in_words(instance)
    }

    fn query<'a>(&'a self, call: Call<'a>, query: &'a Query) -> Work<'a, Answer> {
        Box::pin(async move {
            let mut answer = rows::query(call, &with_parts(query)).await?;
            for instance in &mut answer.instances {
                put_in_words(instance)?;
                keep_chosen(call.class, instance, &query.select);
            }
            Ok(answer)
        })
    }
}

/// The query with what the text needs, and newest first where no order is asked for.
fn with_parts(query: &Query) -> Query {
    let mut query = query.clone();
    if query.order.is_empty() {
        query.order.push((Scalar::property("RecordID"), Direction::Descending));
    }
    if let Select::Items(items) = &mut query.select
        && rows::names(items).any(|name| name == TEXT)
    {
        for part in PARTS.map(|part| Selected::Property(PropertyRef::new(part))) {
            if !items.contains(&part) {
                items.push(part);
            }
        }
    }
    query
}

fn put_in_words(instance: &mut Instance) -> Result<(), Fault> {
    let [inserts, id] = PARTS.map(|part| instance.get(part));
    let Some(stored) = inserts.and_then(Value::as_str) else { return Ok(()) };
    let inserts = site::status_inserts(stored)?;
    let id = id.and_then(Value::as_integer).and_then(|id| u32::try_from(id).ok());
    if let Some(id) = id {
        instance.set(TEXT, site::status_text(id, &inserts));
    }
    instance.set(PARTS[0], Value::Array(inserts.into_iter().map(Value::String).collect()));
    Ok(())
}

fn keep_chosen(class: &ClassInfo, instance: &mut Instance, select: &Select) {
    let Select::Items(items) = select else { return };
    let is_key = |name: &str| class.property(name).is_some_and(|property| property.qualifiers.has("key"));
    instance.properties.retain(|(name, _)| rows::names(items).any(|chosen| chosen == name) || is_key(name));
}
