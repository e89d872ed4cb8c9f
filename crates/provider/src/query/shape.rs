use std::sync::Arc;

use cim::query::{Query, Select, Selected};
use cim::{DateTime, Instance, Value};
use site::Output;

use super::GENERIC;
use super::scope::{CLASS_COLUMN, Place, Scope};
use crate::classes;
use crate::error::Fault;
use crate::handler::ClassHandler;
use crate::schema::{ClassInfo, Schema};

/// What rows become.
pub(super) struct Shape {
    schema: &'static Schema,
    form: Form,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Instances of one class.
    One,
    /// `__GENERIC`, with an instance for each class.
    Several,
    /// `__GENERIC` with a number.
    Count,
}

/// What is shown of one source.
struct Part {
    /// Which source of the query.
    source: usize,
    place: Place,
    /// The chosen properties; none for all.
    chosen: Option<Vec<String>>,
    /// Whether the keys are there, chosen or not.
    keyed: bool,
    handlers: Vec<(&'static str, Option<Arc<dyn ClassHandler>>)>,
}

impl Shape {
    pub(super) fn of(schema: &'static Schema, query: &Query) -> Result<Self, Fault> {
        let scope = Scope::new(schema, query, None)?;
        let chosen: Vec<Option<Option<Vec<String>>>> =
            scope.sources.iter().enumerate().map(|(index, place)| chosen(query, index, place)).collect();
        let mut parts = Vec::new();
        for (source, (place, chosen)) in scope.sources.into_iter().zip(chosen).enumerate() {
            let unstored = place.view.is_none();
            if unstored {
                let reason = format!("{} can only be queried by itself", place.class.name);
                return Err(Fault::InvalidQuery { reason });
            }
            if let Some(chosen) = chosen {
                let keyed = !query.distinct;
                parts.push(Part { source, place, chosen, keyed, handlers: Vec::new() });
            }
        }
        let form = match (&query.select, parts.len()) {
            (Select::Count(_), _) => Form::Count,
            (_, 1) => Form::One,
            _ => Form::Several,
        };
        Ok(Self { schema, form, parts })
    }

    /// The class of every instance, if it is one and no `__GENERIC`.
    pub(super) fn only_class(&self) -> Option<&'static ClassInfo> {
        match (self.form, self.parts.as_slice()) {
            (Form::One, [part]) => Some(part.place.class),
            _ => None,
        }
    }

    /// What a `__GENERIC` of several classes holds.
    pub(super) fn embedded(&self) -> impl Iterator<Item = (&str, &'static ClassInfo)> {
        self.parts.iter().map(|part| (part.place.name(), part.place.class))
    }

    /// The query with what its rows need to become instances.
    pub(super) fn stored(&self, mut query: Query) -> Query {
        if self.form == Form::Count || query.select == Select::All {
            return query;
        }
        let mut items = Vec::new();
        for part in &self.parts {
            let columns = part.columns();
            items.extend(columns.map(|name| Selected::Property(part.place.reference(name))));
        }
        if items.is_empty() {
            // Only constants are chosen, each once: one row says that there are any.
            query.distinct = false;
            query.top = Some(u64::from(query.skip.take().unwrap_or(0) == 0).min(query.top.unwrap_or(1)));
            query.order.clear();
            let keys = self.parts.iter().filter_map(|part| part.place.key());
            items.extend(keys.map(Selected::Property));
        }
        query.select = Select::Items(items);
        query
    }

    /// The instance that a row is.
    pub(super) fn instance(&mut self, outputs: &[Output], row: Vec<site::Value>) -> Result<Instance, Fault> {
        let mut generic = Instance::new(GENERIC);
        if self.form == Form::Count {
            generic.set("Count", row.into_iter().next().map_or(Value::Null, value));
            return Ok(generic);
        }
        let mut values: Vec<Option<(&Output, Value)>> =
            outputs.iter().zip(row.into_iter().map(value)).map(Some).collect();
        let schema = self.schema;
        if let (Form::One, [part]) = (self.form, self.parts.as_mut_slice()) {
            return Ok(part
                .instance(schema, &mut values)?
                .unwrap_or_else(|| Instance::new(&part.place.class.name)));
        }
        for part in &mut self.parts {
            let embedded = part.instance(schema, &mut values)?;
            let embedded = embedded.map_or(Value::Null, |instance| Value::Instance(Box::new(instance)));
            generic.properties.push((part.place.name().to_owned(), embedded));
        }
        Ok(generic)
    }
}

/// What a query chooses of a source; the outer one is none for nothing, the inner one for everything.
fn chosen(query: &Query, index: usize, place: &Place) -> Option<Option<Vec<String>>> {
    let Select::Items(items) = &query.select else { return Some(None) };
    let mut names = Vec::new();
    for item in items {
        match item {
            Selected::Source(name) if name == place.name() => return Some(None),
            Selected::Property(property) => match &property.source {
                Some(source) if source == place.name() => names.push(property.name.clone()),
                None if index == 0 => names.push(property.name.clone()),
                _ => {}
            },
            Selected::Source(_) => {}
        }
    }
    (!names.is_empty()).then_some(Some(names))
}

impl Part {
    /// The stored columns that are needed.
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        let view = self.place.view;
        // What is made of a row may be made of any of its properties.
        let whole = self.chosen.is_none() || self.makes_more();
        let wanted = move |name: &str| {
            let is_key = view.is_some_and(|view| view.key.contains(&name));
            let is_chosen = self.chosen.iter().flatten().any(|chosen| chosen == name);
            whole || is_chosen || (self.keyed && (is_key || name == CLASS_COLUMN))
        };
        view.into_iter()
            .flat_map(|view| view.columns)
            .map(|column| column.name)
            .filter(move |name| wanted(name))
    }

    fn makes_more(&self) -> bool {
        self.keyed && classes::handler(&self.place.class.name).is_some_and(|handler| !handler.is_plain())
    }

    /// None where a join has left the source out.
    fn instance(
        &mut self,
        schema: &'static Schema,
        values: &mut [Option<(&Output, Value)>],
    ) -> Result<Option<Instance>, Fault> {
        let source = self.source;
        let mut take = |name: &str| {
            let at = values.iter_mut().find(|slot| {
                slot.as_ref().is_some_and(|(output, _)| output.source == source && output.column.name == name)
            });
            at.and_then(Option::take).map(|(_, value)| value)
        };
        let class = match take(CLASS_COLUMN) {
            Some(Value::String(name)) => schema.class(&name).unwrap_or(self.place.class),
            _ => self.place.class,
        };
        let mut instance = Instance::new(&class.name);
        let mut left_out = self.place.nullable && self.keyed;
        for property in &class.properties {
            let stored = take(&property.name);
            let is_key = self.place.view.is_some_and(|view| view.key.contains(&property.name.as_str()));
            left_out &= !(is_key && stored.as_ref().is_some_and(|value| !value.is_null()));
            instance
                .properties
                .push((property.name.clone(), stored.unwrap_or_else(|| property.default.clone())));
        }
        if left_out {
            return Ok(None);
        }
        if self.keyed
            && let Some(handler) = self.handler(class)
        {
            handler.complete(&mut instance)?;
        }
        if let Some(chosen) = &self.chosen {
            let is_key =
                |name: &str| class.property(name).is_some_and(|property| property.qualifiers.has("key"));
            instance.properties.retain(|(name, _)| chosen.contains(name) || (self.keyed && is_key(name)));
        }
        Ok(Some(instance))
    }

    fn handler(&mut self, class: &'static ClassInfo) -> Option<Arc<dyn ClassHandler>> {
        if let Some((_, handler)) = self.handlers.iter().find(|(name, _)| *name == class.name) {
            return handler.clone();
        }
        let handler = classes::handler(&class.name).filter(|handler| !handler.is_plain());
        self.handlers.push((&class.name, handler.clone()));
        handler
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
