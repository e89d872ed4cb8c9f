//! The members of a class's entities in the order that the original writes: etag, lazy names, plain properties, system
//! properties, embedded objects. They are worked out once for an answer; an instance is then written from first to last.

use cim::class::Property;
use cim::{Instance, ObjectPath, Value};
use provider::{ClassInfo, Schema};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::entity::{Purpose, Shape, etag_of, is_embedded, iso, member};

/// The name of the property that shows the caller's rights.
const SECURITY_VERBS: &str = "__QUALIFIER_SECURITYVERBS";

/// What the entities of a class look like in one answer.
pub(crate) struct Layout {
    schema: &'static Schema,
    class: &'static ClassInfo,
    keys: Vec<Place>,
    /// Each name as it is written, with what stands behind it.
    members: Vec<(Vec<u8>, Member)>,
}

enum Member {
    /// The same in all entities, as it is written.
    Fixed(Vec<u8>),
    Etag,
    RelativePath,
    /// Behind server and namespace.
    Path(String),
    Property(Place),
}

/// A property, and where it stood in the last instance.
struct Place {
    property: &'static Property,
    at: usize,
}

impl Layout {
    pub(crate) fn new(shape: &Shape, class: &'static ClassInfo) -> Self {
        let mut members = all(shape, class);
        if let Some(names) = &shape.select {
            members.retain(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)));
        }
        if !class.name.eq_ignore_ascii_case(&shape.class) {
            let name = format!("#AdminService.{}", class.name);
            members.insert(0, ("@odata.type".to_owned(), Member::fixed(&json!(name))));
        }
        let written = |(name, member): (String, Member)| {
            let mut text = Vec::new();
            put(&mut text, &name);
            text.push(b':');
            (text, member)
        };
        let keys = class.keys().into_iter().map(Place::of).collect();
        let members = members.into_iter().map(written).collect();
        Self { schema: shape.provider.schema(), class, keys, members }
    }

    pub(crate) fn class(&self) -> &'static ClassInfo {
        self.class
    }

    /// Adds an entity of an instance of the class, its first members being those of `head`.
    pub(crate) fn write(&mut self, text: &mut Vec<u8>, head: &Map<String, Json>, instance: &Instance) {
        text.push(b'{');
        for (name, value) in head {
            put(text, name);
            text.push(b':');
            put(text, value);
            text.push(b',');
        }
        let Self { schema, class, keys, members } = self;
        let mut path: Option<String> = None;
        for (name, member) in members {
            text.extend_from_slice(name);
            match member {
                Member::Fixed(written) => text.extend_from_slice(written),
                Member::Etag => put(text, &etag_of(keys.iter_mut().map(|key| key.value(instance)))),
                Member::RelativePath => {
                    put(text, path.get_or_insert_with(|| relative(class, keys, instance)))
                }
                Member::Path(before) => {
                    let behind = path.get_or_insert_with(|| relative(class, keys, instance));
                    put(text, &format!("{before}{behind}"));
                }
                Member::Property(place) => {
                    let value = place.value(instance).unwrap_or(&Value::Null);
                    put_value(text, schema, place.property, value);
                }
            }
            text.push(b',');
        }
        match text.last_mut() {
            Some(last @ b',') => *last = b'}',
            _ => text.push(b'}'),
        }
    }
}

impl Member {
    fn fixed(value: &Json) -> Self {
        let mut text = Vec::new();
        put(&mut text, value);
        Self::Fixed(text)
    }
}

impl Place {
    fn of(property: &'static Property) -> Self {
        Self { property, at: 0 }
    }

    /// Instances of a class have their properties in one order, so the last place is nearly always the right one.
    fn value<'i>(&mut self, instance: &'i Instance) -> Option<&'i Value> {
        let name = &self.property.name;
        let there = instance.properties.get(self.at).filter(|(known, _)| known == name);
        let found = there.or_else(|| {
            let is_it = |(known, _): &(String, Value)| known.eq_ignore_ascii_case(name);
            self.at = instance.properties.iter().position(is_it)?;
            instance.properties.get(self.at)
        });
        found.map(|(_, value)| value)
    }
}

/// All members of the class's entities.
fn all(shape: &Shape, class: &'static ClassInfo) -> Vec<(String, Member)> {
    let (plain, embedded): (Vec<_>, Vec<_>) =
        sorted(class).into_iter().partition(|property| !is_embedded(property));
    let properties = |of: Vec<&'static Property>| {
        of.into_iter().map(|property| (property.name.clone(), Member::Property(Place::of(property))))
    };
    let lazy = class.lazy().into_iter().map(|property| property.name.as_str());
    let lazy: Vec<_> = std::iter::once(SECURITY_VERBS).chain(lazy).collect();
    let verbs = match shape.purpose {
        Purpose::Read => Json::Null,
        Purpose::Created => json!(-1),
    };
    let mut members = vec![
        ("@odata.etag".to_owned(), Member::Etag),
        ("__LAZYPROPERTIES".to_owned(), Member::fixed(&json!(lazy))),
        (SECURITY_VERBS.to_owned(), Member::fixed(&verbs)),
    ];
    members.extend(properties(plain));
    members.extend(system(shape, class).into_iter().map(|(name, member)| (name.to_owned(), member)));
    members.extend(properties(embedded));
    members
}

/// The system properties behind the plain ones, in the original's order.
fn system(shape: &Shape, class: &ClassInfo) -> Vec<(&'static str, Member)> {
    let provider = &shape.provider;
    let path = provider.path(class, &Instance::new(&class.name));
    let whole = path.to_string();
    let before = whole.strip_suffix(&path.relative()).expect("the relative path ends the path").to_owned();
    vec![
        ("__GENUS", Member::fixed(&json!(2))),
        ("__CLASS", Member::fixed(&json!(class.name))),
        ("__SUPERCLASS", Member::fixed(&json!(class.derivation.first()))),
        ("__DYNASTY", Member::fixed(&json!(class.derivation.last().unwrap_or(&class.name)))),
        ("__RELPATH", Member::RelativePath),
        ("__PROPERTY_COUNT", Member::fixed(&json!(class.properties.len()))),
        ("__DERIVATION", Member::fixed(&json!(class.derivation))),
        ("__SERVER", Member::fixed(&json!(provider.server()))),
        ("__NAMESPACE", Member::fixed(&json!(provider.namespace(class)))),
        ("__PATH", Member::Path(before)),
    ]
}

fn sorted(class: &ClassInfo) -> Vec<&Property> {
    let mut properties: Vec<_> = class.properties.iter().collect();
    properties.sort_by_cached_key(|property| property.name.to_ascii_lowercase());
    properties
}

fn relative(class: &ClassInfo, keys: &mut [Place], instance: &Instance) -> String {
    let key =
        |key: &mut Place| (key.property.name.clone(), key.value(instance).cloned().unwrap_or(Value::Null));
    ObjectPath::new(&class.name, keys.iter_mut().map(key)).relative()
}

/// What is most of a list is written as it is; the rest becomes JSON first.
fn put_value(text: &mut Vec<u8>, schema: &Schema, property: &Property, value: &Value) {
    match value {
        Value::Null if !property.array => text.extend_from_slice(b"null"),
        Value::Boolean(truth) => put(text, truth),
        Value::String(string) => put(text, string),
        Value::DateTime(at) => put(text, &at.timestamp().map(iso)),
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => put(text, &number),
            Err(_) => put(text, &member(schema, property, value)),
        },
        value => put(text, &member(schema, property, value)),
    }
}

fn put<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("a Vec takes everything, and names are texts");
}
