//! Instances as JSON, in the order that the original writes: etag, lazy names, plain properties, system
//! properties, embedded objects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cim::class::Property;
use cim::{CimType, Instance, Value};
use provider::{ClassInfo, Provider, Schema};
use serde_json::{Map, Value as Json, json};

/// What a JSON entity is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An answer to a query or a get.
    Read,
    /// The answer to a creation.
    Created,
}

/// The name of the property that shows the caller's rights.
const SECURITY_VERBS: &str = "__QUALIFIER_SECURITYVERBS";

/// How the entities of one answer look.
pub(crate) struct Shape {
    pub(crate) provider: Provider,
    /// The class that was asked for, in any case.
    pub(crate) class: String,
    /// The chosen names; none means all.
    pub(crate) select: Option<Vec<String>>,
}

impl Shape {
    /// An instance of the class or of one below it, which then says so.
    pub(crate) fn entity(&self, instance: &Instance, purpose: Purpose) -> Map<String, Json> {
        let class =
            self.provider.schema().class(&instance.class).expect("the provider returns its own classes");
        let mut entity = Map::new();
        if !class.name.eq_ignore_ascii_case(&self.class) {
            entity.insert("@odata.type".to_owned(), json!(format!("#AdminService.{}", class.name)));
        }
        entity.extend(match &self.select {
            None => whole(&self.provider, class, instance, purpose),
            Some(names) => selected(&self.provider, class, instance, names),
        });
        entity
    }
}

/// The whole entity.
fn whole(provider: &Provider, class: &ClassInfo, instance: &Instance, purpose: Purpose) -> Map<String, Json> {
    let mut entity = Map::new();
    entity.insert("@odata.etag".to_owned(), json!(etag(class, instance)));
    let (plain, embedded): (Vec<_>, Vec<_>) =
        sorted(class).into_iter().partition(|property| !is_embedded(property));
    let system = system_properties(provider, class, instance, purpose);
    let is_first = |name: &str| name == "__LAZYPROPERTIES" || name == SECURITY_VERBS;
    let (first, last): (Vec<_>, Vec<_>) = system.into_iter().partition(|(name, _)| is_first(name));
    entity.extend(first.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let schema = provider.schema();
    entity.extend(plain.into_iter().map(|property| named(schema, property, instance)));
    entity.extend(last.into_iter().map(|(name, value)| (name.to_owned(), value)));
    entity.extend(embedded.into_iter().map(|property| named(schema, property, instance)));
    entity
}

/// The chosen properties only.
fn selected(
    provider: &Provider,
    class: &ClassInfo,
    instance: &Instance,
    names: &[String],
) -> Map<String, Json> {
    let chosen = |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let mut entity = whole(provider, class, instance, Purpose::Read);
    entity.retain(|name, _| chosen(name));
    entity
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

/// The system properties that a class's entities have, with their values, in the original's order.
fn system_properties(
    provider: &Provider,
    class: &ClassInfo,
    instance: &Instance,
    purpose: Purpose,
) -> Vec<(&'static str, Json)> {
    let path = provider.path(class, instance);
    let lazy = class.lazy().into_iter().map(|property| property.name.as_str());
    let lazy: Vec<_> = std::iter::once(SECURITY_VERBS).chain(lazy).collect();
    let verbs = match purpose {
        Purpose::Read => Json::Null,
        Purpose::Created => json!(-1),
    };
    vec![
        ("__LAZYPROPERTIES", json!(lazy)),
        (SECURITY_VERBS, verbs),
        ("__GENUS", json!(2)),
        ("__CLASS", json!(class.name)),
        ("__SUPERCLASS", json!(class.derivation.first())),
        ("__DYNASTY", json!(class.derivation.last().unwrap_or(&class.name))),
        ("__RELPATH", json!(path.relative())),
        ("__PROPERTY_COUNT", json!(class.properties.len())),
        ("__DERIVATION", json!(class.derivation)),
        ("__SERVER", json!(provider.server())),
        ("__NAMESPACE", json!(provider.namespace(class))),
        ("__PATH", json!(path.to_string())),
    ]
}

/// Key values in alphabetical key order.
pub(crate) fn etag(class: &ClassInfo, instance: &Instance) -> String {
    let value = |key: &Property| match instance.get(&key.name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Reference(path)) => path.to_string(),
        Some(value) => plain(value).to_string(),
        None => String::new(),
    };
    class.keys().into_iter().map(value).collect::<Vec<_>>().join(";")
}

fn sorted(class: &ClassInfo) -> Vec<&Property> {
    let mut properties: Vec<_> = class.properties.iter().collect();
    properties.sort_by_key(|property| property.name.to_ascii_lowercase());
    properties
}

fn is_embedded(property: &Property) -> bool {
    matches!(property.kind, CimType::Embedded(_))
}

fn named(schema: &Schema, property: &Property, instance: &Instance) -> (String, Json) {
    let value = instance.get(&property.name).unwrap_or(&Value::Null);
    (property.name.clone(), member(schema, property, value))
}

fn member(schema: &Schema, property: &Property, value: &Value) -> Json {
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
fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
