use cim::query::Direction;
use cim::{Instance, Value};

use crate::error::Fault;
use crate::handler::{ClassHandler, Completed};
use crate::schema::ClassInfo;

/// `Haulier_StatusMessage`: what happened. The text is made here, from the catalog and what is stored.
pub(crate) struct StatusMessage;

const TEXT: &str = "Text";
/// What the text is made of.
const PARTS: [&str; 2] = ["InsertStrings", "MessageID"];

impl ClassHandler for StatusMessage {
    fn completes(&self, _class: &ClassInfo) -> Vec<Completed> {
        vec![
            Completed { property: PARTS[0], of: vec![PARTS[0]] },
            Completed { property: TEXT, of: PARTS.to_vec() },
        ]
    }

    fn complete(&self, instance: &mut Instance) -> Result<(), Fault> {
        put_in_words(instance)
    }

    /// The newest first.
    fn order(&self) -> Option<(&'static str, Direction)> {
        Some(("RecordID", Direction::Descending))
    }
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
