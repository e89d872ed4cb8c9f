//! Instances as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cim::class::Property;
use cim::{CimType, Instance, Value};
use jiff::tz::Offset;
use provider::{ClassInfo, Provider, Schema};
use serde_json::{Map, Value as Json, json};

use crate::layout::Layout;

/// What a JSON entity is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An answer to a query or a get.
    Read,
    /// The answer to a creation.
    Created,
}

/// How the entities of one answer look.
pub(crate) struct Shape {
    pub(crate) provider: Provider,
    /// The class that was asked for, in any case.
    pub(crate) class: String,
    /// The chosen names; none means all.
    pub(crate) select: Option<Vec<String>>,
    pub(crate) purpose: Purpose,
}

/// Writes the entities of one answer, each an instance of the class or of one below it, which then says so.
pub(crate) struct Writer {
    shape: Shape,
    layouts: Vec<Layout>,
}

impl Shape {
    pub(crate) fn writer(self) -> Writer {
        Writer { shape: self, layouts: Vec::new() }
    }
}

impl Writer {
    /// Adds an entity to a text, its first members being those of `head`.
    pub(crate) fn write(&mut self, text: &mut Vec<u8>, head: &Map<String, Json>, instance: &Instance) {
        let known = self.layouts.iter().position(|layout| layout.class().name == instance.class);
        let at = known.unwrap_or_else(|| {
            let class = self.shape.provider.schema().class(&instance.class);
            let class = class.expect("the provider returns its own classes");
            self.layouts.push(Layout::new(&self.shape, class));
            self.layouts.len() - 1
        });
        self.layouts[at].write(text, head, instance);
    }
}

/// An object without system properties, as in error bodies.
pub(crate) fn plain_object(instance: &Instance) -> Json {
    let mut object = Map::new();
    for (name, value) in &instance.properties {
        object.insert(name.clone(), plain(value));
    }
    Json::Object(object)
}

/// A value of a declared type.
pub(crate) fn typed(schema: &Schema, kind: &CimType, array: bool, value: &Value) -> Json {
    match value {
        Value::Array(bytes) if array && *kind == CimType::Uint8 => json!(base64(bytes)),
        Value::Array(elements) => {
            elements.iter().map(|element| typed(schema, kind, false, element)).collect()
        }
        Value::Instance(instance) if *kind == CimType::Object => row(schema, instance),
        Value::Instance(instance) => embedded(schema, instance),
        value => plain(value),
    }
}

/// An object where the metadata has an open type: a type below that one it cannot name, so it says its class as
/// entities do.
fn row(schema: &Schema, instance: &Instance) -> Json {
    let class = schema.class(&instance.class);
    let mut object = Map::new();
    object.insert("__CLASS".to_owned(), json!(instance.class));
    for (name, value) in by_name(instance) {
        let json = match (value, class.and_then(|class| class.property(name))) {
            (Value::Instance(inner), None) => row(schema, inner),
            (value, Some(property)) => member(schema, property, value),
            (value, None) => plain(value),
        };
        object.insert(name.clone(), json);
    }
    Json::Object(object)
}

/// An object inside of another one, with the name of its class: what is declared may be a base class.
fn embedded(schema: &Schema, instance: &Instance) -> Json {
    let class = schema.class(&instance.class);
    let mut object = Map::new();
    object.insert("@odata.type".to_owned(), json!(format!("#AdminService.{}", instance.class)));
    for (name, value) in by_name(instance) {
        let json = match class.and_then(|class| class.property(name)) {
            Some(property) => member(schema, property, value),
            None => plain(value),
        };
        object.insert(name.clone(), json);
    }
    Json::Object(object)
}

fn by_name(instance: &Instance) -> Vec<&(String, Value)> {
    let mut properties: Vec<_> = instance.properties.iter().collect();
    properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    properties
}

/// A value whose type is not declared, or plain.
pub(crate) fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        Value::Integer(number) => integer(*number),
        Value::Real(number) => json!(number),
        Value::String(text) => json!(text),
        Value::DateTime(at) => at.timestamp().map_or(Json::Null, |at| json!(iso(at))),
        Value::Reference(path) => json!(path.to_string()),
        Value::Instance(instance) => plain_object(instance),
        Value::Array(elements) => elements.iter().map(plain).collect(),
    }
}

/// Key values in alphabetical key order.
pub(crate) fn etag(class: &ClassInfo, instance: &Instance) -> String {
    etag_of(class.keys().into_iter().map(|key| instance.get(&key.name)))
}

pub(crate) fn etag_of<'a>(keys: impl Iterator<Item = Option<&'a Value>>) -> String {
    let value = |key: Option<&Value>| match key {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Reference(path)) => path.to_string(),
        Some(value) => plain(value).to_string(),
        None => String::new(),
    };
    keys.map(value).collect::<Vec<_>>().join(";")
}

pub(crate) fn is_embedded(property: &Property) -> bool {
    matches!(property.kind, CimType::Embedded(_))
}

pub(crate) fn member(schema: &Schema, property: &Property, value: &Value) -> Json {
    match value {
        // An array of objects is never null to clients.
        Value::Null if property.array && is_embedded(property) => json!([]),
        value => typed(schema, &property.kind, property.array, value),
    }
}

fn base64(elements: &[Value]) -> String {
    let byte = |value: &Value| value.as_integer().and_then(|number| u8::try_from(number).ok());
    STANDARD.encode(elements.iter().filter_map(byte).collect::<Vec<u8>>())
}

fn integer(number: i128) -> Json {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => json!(number),
        (_, Ok(number)) => json!(number),
        _ => json!(number.to_string()),
    }
}

/// ISO 8601 in UTC without fractions. Intervals and patterns have none and are null: clients refuse a whole answer in
/// which an `Edm.DateTimeOffset` is anything else.
pub(crate) fn iso(at: jiff::Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    let (year, month, day) = (at.year(), at.month(), at.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second())
}

#[cfg(test)]
mod tests {
    use cim::DateTime;

    use super::*;

    #[test]
    fn dates_are_of_the_declared_form_or_null() {
        for (cim, expect) in [
            ("20240830205506.000000+000", json!("2024-08-30T20:55:06Z")),
            ("20240830205506.000000+120", json!("2024-08-30T18:55:06Z")),
            ("00000007000000.000000:000", Json::Null),
            ("20240830******.******+***", Json::Null),
        ] {
            let at = DateTime::parse_any(cim).unwrap();
            assert_eq!(plain(&Value::DateTime(at)), expect, "{cim}");
            assert_eq!(
                typed(Schema::shipped(), &CimType::DateTime, false, &Value::DateTime(at)),
                expect,
                "{cim}"
            );
        }
    }
}
