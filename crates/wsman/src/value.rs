//! Values of CIM as elements, and elements as values (DSP0230, MS-WSMV 2.2.4).
//!
//! What is written is what Windows writes: datetimes in a wrapper without `xsi:type`, arrays as repeated elements, null as
//! `xsi:nil`. What is read is everything that the known clients send. A text that does not fit its type stays a text: the
//! provider refuses it by name.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cim::{CimType, DateTime, Instance, ObjectPath, Value};
use provider::Schema;
use xml::{Element, Node, Writer};

use crate::epr::Epr;
use crate::fault::{BodyMistake, WsmanFault};
use crate::instance::{self, Shape};
use crate::names::{ADDRESSING, CIM, XSI};
use crate::resource::SelectorValue;

/// From here on, and below its inverse, numbers are written with an exponent.
const PLAIN_MAX: f64 = 1e15;
/// The most names of properties or parameters in one element; no class has as many. How often a name is repeated is
/// bounded by the request's length alone.
const MEMBERS_MAX: usize = 512;

/// What a value is declared as; nothing where nobody declares it, as in rows of a query.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Declared<'a> {
    /// The type of the value or of its elements.
    pub(crate) kind: Option<&'a CimType>,
    /// Whether it is an array.
    pub(crate) array: bool,
}

impl<'a> Declared<'a> {
    /// A declared type.
    pub(crate) fn new(kind: &'a CimType, array: bool) -> Self {
        Self { kind: Some(kind), array }
    }
}

/// Writes a value as an element of that name, an array as one for each of its elements. `depth` is how many instances it
/// is inside of.
pub(crate) fn write(
    out: &mut Writer,
    shape: &Shape,
    element: &str,
    declared: Declared<'_>,
    value: &Value,
    depth: usize,
) {
    match value {
        Value::Array(elements) => {
            // No client reads a null among elements; a text may be empty in its place.
            let is_text = matches!(declared.kind, Some(CimType::String) | None);
            for value in elements.iter().filter(|value| is_text || !value.is_null()) {
                match value {
                    Value::Null => out.leaf(element, &[], ""),
                    value => write_one(out, shape, element, declared.kind, value, depth),
                }
            }
        }
        Value::Null if declared.array && shape.precise_arrays => {
            out.empty(element, &[("xsi:nil", "true"), ("m:IsNullArray", "true")]);
        }
        value => write_one(out, shape, element, declared.kind, value, depth),
    }
}

fn write_one(
    out: &mut Writer,
    shape: &Shape,
    element: &str,
    kind: Option<&CimType>,
    value: &Value,
    depth: usize,
) {
    let said = kind.filter(|_| shape.typed).and_then(type_name).map(|name| ("xsi:type", name));
    let said = said.as_slice();
    match value {
        Value::Boolean(truth) => out.leaf(element, said, if *truth { "true" } else { "false" }),
        Value::Integer(number) => out.leaf(element, said, &number.to_string()),
        Value::Real(number) => out.leaf(element, said, &real(*number)),
        Value::String(text) if kind == Some(&CimType::Char16) => {
            let unit = text.encode_utf16().next().unwrap_or(0);
            out.leaf(element, said, &unit.to_string());
        }
        Value::String(text) => out.leaf(element, said, text),
        Value::DateTime(at) => write_datetime(out, element, at),
        Value::Reference(path) => {
            out.open(element, &[]);
            crate::epr::write_parts(out, &shape.style, &shape.provider, path);
            out.close();
        }
        Value::Instance(embedded) => shape.write_embedded(out, element, embedded, depth),
        // Arrays have no arrays in them.
        Value::Null | Value::Array(_) => out.empty(element, &[("xsi:nil", "true")]),
    }
}

/// What a value of the type says of itself; nothing where its element has a form of its own (DSP0230).
fn type_name(kind: &CimType) -> Option<&'static str> {
    Some(match kind {
        CimType::Boolean => "cim:cimBoolean",
        CimType::Uint8 => "cim:cimUnsignedByte",
        CimType::Uint16 => "cim:cimUnsignedShort",
        CimType::Uint32 => "cim:cimUnsignedInt",
        CimType::Uint64 => "cim:cimUnsignedLong",
        CimType::Sint8 => "cim:cimByte",
        CimType::Sint16 => "cim:cimShort",
        CimType::Sint32 => "cim:cimInt",
        CimType::Sint64 => "cim:cimLong",
        CimType::Real32 => "cim:cimFloat",
        CimType::Real64 => "cim:cimDouble",
        CimType::Char16 => "cim:cimChar16",
        CimType::String => "cim:cimString",
        CimType::DateTime | CimType::Reference(_) | CimType::Embedded(_) | CimType::Object => return None,
    })
}

/// Without `xsi:type`, beside which clients do not read the wrapper. Its namespace is declared on it: some clients send the
/// element back as text, without the one around it. What has no instant is null: clients refuse a whole
/// answer with asterisks in it.
fn write_datetime(out: &mut Writer, element: &str, at: &DateTime) {
    let Some(text) = at.iso8601() else { return out.empty(element, &[("xsi:nil", "true")]) };
    let wrapper = if matches!(at, DateTime::Interval { .. }) { "cim:Interval" } else { "cim:Datetime" };
    out.open(element, &[]);
    out.leaf(wrapper, &[("xmlns:cim", CIM)], &text);
    out.close();
}

/// As XML Schema writes it, with all digits that the number needs.
fn real(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "INF".to_owned(),
        f64::NEG_INFINITY => "-INF".to_owned(),
        _ if number == 0.0 || (PLAIN_MAX.recip()..PLAIN_MAX).contains(&number.abs()) => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// Reads the elements inside of another one as named values, those of one name together. `declared` says what a name is.
///
/// Errors: more names than [`MEMBERS_MAX`], an element that is there twice and is no array, or an object of no known class.
pub(crate) fn read_members<'d>(
    parent: Node<'_, '_>,
    schema: &Schema,
    declared: impl Fn(&str) -> Option<Declared<'d>>,
) -> Result<Vec<(String, Value)>, WsmanFault> {
    let mut groups: Vec<(&str, Vec<Node<'_, '_>>)> = Vec::new();
    let mut places = HashMap::new();
    for node in parent.elements() {
        let name = node.tag_name().name();
        // What WMI keeps of an object beside its properties is not written.
        if name.starts_with("__") {
            continue;
        }
        let place = *places.entry(name.to_ascii_lowercase()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, nodes)) => nodes.push(node),
            None if place < MEMBERS_MAX => groups.push((name, vec![node])),
            None => return Err(too_many_members()),
        }
    }
    let read = |(name, nodes): (&str, Vec<Node<'_, '_>>)| {
        let declared = declared(name).unwrap_or(Declared { kind: None, array: nodes.len() > 1 });
        Ok((name.to_owned(), read(&nodes, name, schema, declared)?))
    };
    groups.into_iter().map(read).collect()
}

/// Reads the elements of one name.
pub(crate) fn read(
    nodes: &[Node<'_, '_>],
    name: &str,
    schema: &Schema,
    declared: Declared<'_>,
) -> Result<Value, WsmanFault> {
    match nodes {
        [only] if is_nil(*only) => Ok(Value::Null),
        [only] if declared.array && declared.kind == Some(&CimType::Uint8) && is_base64(*only) => {
            let text: String = only.text_of().split_whitespace().collect();
            let bytes = STANDARD.decode(&text);
            Ok(bytes.map_or(Value::String(text), |bytes| {
                Value::Array(bytes.into_iter().map(|byte| Value::Integer(byte.into())).collect())
            }))
        }
        nodes if declared.array => {
            let element = |node: &Node<'_, '_>| read_one(*node, name, schema, declared.kind);
            nodes.iter().map(element).collect::<Result<_, _>>().map(Value::Array)
        }
        [only] => read_one(*only, name, schema, declared.kind),
        _ => Err(mistake(format!("{name} is there {} times and is no array", nodes.len()))),
    }
}

fn read_one(
    node: Node<'_, '_>,
    name: &str,
    schema: &Schema,
    kind: Option<&CimType>,
) -> Result<Value, WsmanFault> {
    if is_nil(node) {
        return Ok(Value::Null);
    }
    match kind {
        Some(CimType::String) => Ok(Value::text(node.text_of())),
        Some(CimType::Char16) => Ok(char16(&node.text_of())),
        Some(CimType::DateTime) => Ok(datetime(node)),
        Some(CimType::Reference(_)) => reference(node, schema),
        Some(CimType::Embedded(base)) => embedded(node, name, schema, base),
        Some(CimType::Object) => embedded(node, name, schema, ""),
        Some(CimType::Real32 | CimType::Real64) => Ok(read_real(&node.text_of())),
        Some(kind) => Ok(plain(node, kind)),
        None if node.elements().next().is_none() => Ok(Value::text(node.text_of())),
        None => embedded(node, name, schema, ""),
    }
}

/// A number as XML Schema writes it, which has some that are none.
fn read_real(text: &str) -> Value {
    match text.trim() {
        "INF" | "+INF" => Value::Real(f64::INFINITY),
        "-INF" => Value::Real(f64::NEG_INFINITY),
        "NaN" => Value::Real(f64::NAN),
        number => CimType::Real64.fit(Value::text(number)).unwrap_or_else(|_| Value::text(text)),
    }
}

/// A number or a boolean.
fn plain(node: Node<'_, '_>, kind: &CimType) -> Value {
    let text = Value::text(node.text_of().trim());
    match kind.fit(text) {
        Ok(value) => value,
        // Scripts know 32 bits with a sign only.
        Err(_) if *kind == CimType::Uint32 => {
            let signed = CimType::Sint32.fit(Value::text(node.text_of().trim()));
            match signed {
                Ok(Value::Integer(number)) if number < 0 => Value::Integer(number + (1 << 32)),
                _ => Value::text(node.text_of()),
            }
        }
        Err(_) => Value::text(node.text_of()),
    }
}

/// A code unit as a number, or the character itself.
fn char16(text: &str) -> Value {
    let unit = text.trim().parse().ok().and_then(|unit: u16| char::from_u32(unit.into()));
    let is_digit = text.chars().count() == 1 && unit.is_some_and(char::is_control);
    Value::text(unit.filter(|_| !is_digit).map_or_else(|| text.to_owned(), String::from))
}

/// In a wrapper, whatever its name, or plain; in the form of XML Schema or of CIM.
fn datetime(node: Node<'_, '_>) -> Value {
    let text = node.elements().next().unwrap_or(node).text_of();
    let text = text.trim();
    DateTime::parse_any(text).map_or_else(|_| Value::text(text), Value::DateTime)
}

/// An endpoint reference, in an element of its own or not, or an object path.
fn reference(node: Node<'_, '_>, schema: &Schema) -> Result<Value, WsmanFault> {
    let node = node.child(ADDRESSING, "EndpointReference").unwrap_or(node);
    if node.child(ADDRESSING, "ReferenceParameters").is_none() {
        return Ok(Value::text(node.text_of().trim()));
    }
    path(&Epr::read(node)?, schema).map(Value::Reference)
}

/// The path that a reference is, with keys of their types where the class is known.
fn path(epr: &Epr, schema: &Schema) -> Result<ObjectPath, WsmanFault> {
    let named = epr.resource.class.as_deref();
    let name = named.ok_or_else(|| mistake("a reference names a class".to_owned()))?;
    let class = schema.class(name);
    let mut keys = Vec::new();
    for selector in epr.selectors.iter().filter(|selector| !selector.is_namespace()) {
        let key = class.and_then(|class| class.property(&selector.name));
        let value = match &selector.value {
            SelectorValue::Text(text) => Value::text(text),
            SelectorValue::Reference(epr) => Value::Reference(path(epr, schema)?),
        };
        let value = match key {
            Some(key) => key.kind.fit(value.clone()).unwrap_or(value),
            None => value,
        };
        keys.push((key.map_or(&selector.name, |key| &key.name).clone(), value));
    }
    Ok(ObjectPath::new(class.map_or(name, |class| &class.name), keys))
}

/// An object inside of another one. Its class is told by `xsi:type`, else by the namespace of what it holds, else it is the
/// one that is declared.
fn embedded(node: Node<'_, '_>, name: &str, schema: &Schema, base: &str) -> Result<Value, WsmanFault> {
    // Some clients put the whole instance into the property.
    let node = match (type_of(node), node.elements().collect::<Vec<_>>().as_slice()) {
        (None, [only]) if schema.class(only.tag_name().name()).is_some() => *only,
        _ => node,
    };
    let told = type_of(node).filter(|told| *told != "cimAnySimpleType").map(class_of_type);
    let whole = schema.class(node.tag_name().name()).map(|class| class.name.as_str());
    let spaced = node.elements().next().and_then(|child| child.tag_name().namespace()?.rsplit('/').next());
    let spaced = spaced.filter(|last| schema.class(last).is_some());
    let class = told.or(whole).or(spaced).unwrap_or(base);
    if class.is_empty() || class.contains(' ') {
        return Err(mistake(format!(
            "{name} holds an object that does not say its class; give it an xsi:type"
        )));
    }
    let object = match schema.class(class) {
        Some(class) => instance::read(node, schema, class)?,
        None => Instance { class: class.to_owned(), properties: read_members(node, schema, |_| None)? },
    };
    Ok(Value::Instance(Box::new(object)))
}

/// `xsi:type` without its prefix.
fn type_of<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let told = node.attribute((XSI, "type"))?.trim();
    Some(told.rsplit(':').next().unwrap_or(told))
}

fn class_of_type(told: &str) -> &str {
    told.strip_suffix("_Type").unwrap_or(told)
}

fn is_nil(node: Node<'_, '_>) -> bool {
    node.attribute((XSI, "nil")).is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
}

/// Bytes in one text: it says so, or is no number of whatever size.
fn is_base64(node: Node<'_, '_>) -> bool {
    let text = node.text_of();
    let is_number = text.trim().trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
    type_of(node) == Some("cimBase64Binary") || !is_number
}

fn too_many_members() -> WsmanFault {
    let reason = format!("an object has at most {MEMBERS_MAX} names of properties or parameters");
    WsmanFault::SchemaValidation { kind: BodyMistake::Values, reason }
}

fn mistake(reason: String) -> WsmanFault {
    WsmanFault::InvalidRepresentation { kind: BodyMistake::Values, reason }
}

#[cfg(test)]
mod tests;
