//! From rows to instances. Where the properties of a class stand in a row is looked up once for a query; each row is
//! then read by position, and its values move.

use std::sync::Arc;

use cim::class::Property;
use cim::{DateTime, Instance, Value};
use site::{Output, PRESENCE};

use super::GENERIC;
use super::scope::CLASS_COLUMN;
use super::shape::{Form, Lazy, Shown};
use crate::classes;
use crate::error::Fault;
use crate::handler::ClassHandler;
use crate::rows;
use crate::schema::{ClassInfo, Schema, is_left_out_of_lists};

/// Makes an instance of each row.
pub(super) struct Instances {
    form: Form,
    parts: Vec<Part>,
}

/// The side of one source.
pub(super) struct Part {
    schema: &'static Schema,
    shown: Shown,
    /// The names of its columns, with their places in a row.
    columns: Vec<(&'static str, usize)>,
    /// The place of the row's class, where rows are of several.
    class_at: Option<usize>,
    presence: Presence,
    /// One for each class that a row has been of.
    plans: Vec<Plan>,
}

/// How a row says that it has no instance of the source.
enum Presence {
    Certain,
    /// All keys are null.
    Keys(Vec<usize>),
    /// It is told.
    Told(usize),
}

/// How a row becomes an instance of one class.
struct Plan {
    class: &'static ClassInfo,
    slots: Vec<Slot>,
    /// What makes the rest.
    handler: Option<Arc<dyn ClassHandler>>,
}

struct Slot {
    property: &'static Property,
    origin: Origin,
    /// Whether it is there for what is made of it, and not for the client.
    passing: bool,
}

enum Origin {
    /// A place in the row.
    Stored(usize),
    Default,
    /// Lists do not show it.
    Nothing,
}

impl Instances {
    pub(super) fn new(form: Form, parts: Vec<Part>) -> Self {
        Self { form, parts }
    }

    /// The instance that a row is.
    pub(super) fn instance(&mut self, mut row: Vec<site::Value>) -> Result<Instance, Fault> {
        let mut generic = Instance::new(GENERIC);
        match (self.form, self.parts.as_mut_slice()) {
            (Form::Count, _) => {
                generic.set("Count", row.into_iter().next().map_or(Value::Null, value));
            }
            (Form::One, [part]) => {
                let found = part.instance(&mut row)?;
                return Ok(found.unwrap_or_else(|| part.empty()));
            }
            (_, parts) => {
                for part in parts {
                    let embedded = part.instance(&mut row)?;
                    let embedded =
                        embedded.map_or(Value::Null, |instance| Value::Instance(Box::new(instance)));
                    generic.properties.push((part.shown.place.name().to_owned(), embedded));
                }
            }
        }
        Ok(generic)
    }
}

impl Part {
    pub(super) fn new(schema: &'static Schema, shown: Shown, outputs: &[Output]) -> Self {
        let places = outputs.iter().enumerate().filter(|(_, output)| output.source == shown.source);
        let columns: Vec<(&'static str, usize)> =
            places.map(|(at, output)| (output.column.name, at)).collect();
        let at = |name: &str| columns.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
        let keys = || shown.place.view.into_iter().flat_map(|view| view.key).filter_map(|key| at(key));
        let presence = match at(PRESENCE) {
            Some(told) if shown.told => Presence::Told(told),
            _ if shown.place.nullable && shown.keyed => Presence::Keys(keys().collect()),
            _ => Presence::Certain,
        };
        let class_at = at(CLASS_COLUMN);
        Self { schema, presence, class_at, shown, columns, plans: Vec::new() }
    }

    /// None where a join has left the source out.
    fn instance(&mut self, row: &mut [site::Value]) -> Result<Option<Instance>, Fault> {
        if self.presence.is_missing(row) {
            return Ok(None);
        }
        let class = match self.class_at.map(|at| &row[at]) {
            Some(site::Value::Text(name)) => self.schema.class(name).unwrap_or(self.shown.place.class),
            _ => self.shown.place.class,
        };
        let plan = match self.plans.iter().position(|plan| std::ptr::eq(plan.class, class)) {
            Some(known) => known,
            None => {
                self.plans.push(Plan::new(class, &self.shown, &self.columns));
                self.plans.len() - 1
            }
        };
        self.plans[plan].instance(row, self.shown.lazy).map(Some)
    }

    /// What a list of one class shows where a join has left it out.
    fn empty(&self) -> Instance {
        let class = self.shown.place.class;
        let mut instance = Instance::new(&class.name);
        if !self.shown.keyed {
            let shown = class.properties.iter().filter(|property| self.shown.shows(class, &property.name));
            instance.properties.extend(shown.map(|property| (property.name.clone(), Value::Null)));
        }
        instance
    }
}

impl Presence {
    fn is_missing(&self, row: &[site::Value]) -> bool {
        match self {
            Self::Certain => false,
            Self::Keys(keys) => keys.iter().all(|at| row[*at] == site::Value::Null),
            Self::Told(at) => row[*at] == site::Value::Boolean(false),
        }
    }
}

impl Plan {
    fn new(class: &'static ClassInfo, shown: &Shown, columns: &[(&'static str, usize)]) -> Self {
        let completed = shown.completed(class);
        let is_part = |name: &str| completed.iter().any(|made| made.of.contains(&name));
        let mut slots = Vec::new();
        for property in &class.properties {
            let (name, is_shown) = (property.name.as_str(), shown.shows(class, &property.name));
            if !is_shown && !is_part(name) {
                continue;
            }
            let stored = columns.iter().find(|(column, _)| *column == name);
            let is_empty = shown.lazy == Lazy::Null && is_left_out_of_lists(property);
            let origin = match stored {
                _ if is_empty && !is_part(name) => Origin::Nothing,
                Some((_, at)) => Origin::Stored(*at),
                None => Origin::Default,
            };
            slots.push(Slot { property, origin, passing: !is_shown });
        }
        let handler = classes::handler(&class.name).filter(|_| !completed.is_empty());
        Self { class, slots, handler }
    }

    fn instance(&self, row: &mut [site::Value], lazy: Lazy) -> Result<Instance, Fault> {
        let mut properties = Vec::with_capacity(self.slots.len());
        for Slot { property, origin, .. } in &self.slots {
            let value = match origin {
                Origin::Stored(at) => value(std::mem::replace(&mut row[*at], site::Value::Null)),
                Origin::Default => property.default.clone(),
                Origin::Nothing => Value::Null,
            };
            properties.push((property.name.clone(), value));
        }
        let mut instance = Instance { class: self.class.name.clone(), properties };
        if let Some(handler) = &self.handler {
            handler.complete(&mut instance)?;
            instance.properties.retain(|(name, _)| self.is_shown(name));
            if lazy == Lazy::Null {
                rows::drop_lazy(self.class, &mut instance);
            }
        }
        Ok(instance)
    }

    fn is_shown(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| !slot.passing && slot.property.name == name)
    }
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
