//! The state of every class, property and method, as text for `docs/compatibility.md`. It is read off the schema that the
//! provider obeys, so it cannot promise what is not there. Front ends say the same of their operations.

use std::fmt::Write;

use cim::class::{Method, Property};
use cim::{CimType, Value};
use site::views;

use crate::schema::{ClassInfo, Schema, is_left_out_of_lists};

/// Classes of the original that stand near those served here and are not served: asked for, they answer as a class that
/// does not exist.
const ABSENT: &[(&str, &str)] = &[
    (
        "SMS_BootImagePackage, SMS_ImagePackage, SMS_OperatingSystemInstallPackage, SMS_SoftwareUpdatesPackage, \
         SMS_TaskSequencePackage, SMS_ContentPackage, SMS_DeviceSettingPackage",
        "packages of other kinds",
    ),
    ("SMS_Program, SMS_Advertisement", "software is not deployed"),
    (
        "SMS_Application, SMS_DeploymentType, SMS_ConfigurationItem and what derives from it but drivers",
        "no applications",
    ),
    ("SMS_R_System, SMS_Collection, SMS_FullCollectionMembership", "no clients are managed"),
    (
        "SMS_Admin, SMS_Role, SMS_SecuredCategory",
        "users, roles and security scopes have classes of their own, `Haulier_*`",
    ),
];

/// The state of an operation of a protocol.
#[derive(Debug, Clone, Copy)]
pub enum State {
    /// As in the original.
    Works,
    /// Works otherwise than in the original, or only in part; the text says how.
    Differs(&'static str),
    /// Is refused; the text says with what, and why.
    Absent(&'static str),
}

/// The part of the page about a protocol's operations, as Markdown.
#[must_use]
pub fn operations(rows: &[(&str, State)]) -> String {
    let mut page = String::from("| Request | State |\n| --- | --- |\n");
    for (request, state) in rows {
        let state = match state {
            State::Works => "works".to_owned(),
            State::Differs(how) => format!("works: {how}"),
            State::Absent(answer) => format!("absent: {answer}"),
        };
        line(&mut page, &format!("| {request} | {state} |"));
    }
    page
}

/// The part of the page about classes, as Markdown.
#[must_use]
pub fn classes(schema: &Schema) -> String {
    let mut page = String::new();
    for class in schema.classes().filter(|class| !class.name.starts_with("__")) {
        one(&mut page, schema, class);
    }
    page.push_str("### Absent\n\n");
    for (names, why) in ABSENT {
        line(&mut page, &format!("- {names}: {why}."));
    }
    page
}

fn one(page: &mut String, schema: &Schema, class: &ClassInfo) {
    line(page, &format!("### {}\n", class.name));
    line(page, &format!("{}\n", what(schema, class)));
    let refuses = |p: &Property| p.qualifiers.has("NotImplemented");
    let only_got =
        |property: &&Property| !constant(property) && !refuses(property) && is_left_out_of_lists(property);
    let written = |property: &&Property| property.qualifiers.has("WriteOnly");
    let plain = |p: &&Property| !constant(p) && !is_left_out_of_lists(p) && !written(p) && !refuses(p);
    list(page, "Properties", class.properties.iter().filter(plain).map(|p| p.name.clone()));
    let got = class.properties.iter().filter(only_got).map(|p| p.name.clone());
    list(page, "Only a get of one instance fills", got);
    list(page, "Written, never read", class.properties.iter().filter(written).map(|p| p.name.clone()));
    let later = class.properties.iter().filter(|p| refuses(p)).map(|p| p.name.clone());
    list(page, "Refuses every value but its default", later);
    let fixed = class.properties.iter().filter(|p| constant(p)).map(|p| always(class, p));
    list(page, "Always the same", fixed);
    let works = |method: &&Method| !method.qualifiers.has("NotImplemented");
    list(page, "Methods", class.methods.iter().filter(works).map(|m| m.name.clone()));
    let later = class.methods.iter().filter(|m| !works(m)).map(|m| m.name.clone());
    list(page, "Answer `WBEM_E_METHOD_NOT_IMPLEMENTED`", later);
    page.push('\n');
}

/// What can be done with a class.
fn what(schema: &Schema, class: &ClassInfo) -> String {
    if class.is_embedded() {
        return "Inside other objects.".to_owned();
    }
    if class.is_abstract() {
        let below: Vec<_> = schema.concrete(class).map(|class| class.name.as_str()).collect();
        return match (class.is_queryable(), below.is_empty()) {
            (true, false) => format!("Abstract; a query answers with instances of {}.", below.join(", ")),
            _ => "Abstract.".to_owned(),
        };
    }
    if !class.is_queryable() && class.methods.is_empty() {
        return "Comes with an error, or as the rows of a query.".to_owned();
    }
    if class.is_static() {
        return "Static methods only.".to_owned();
    }
    let writes = [("create", "SupportsCreate"), ("change", "SupportsUpdate"), ("delete", "SupportsDelete")];
    let able: Vec<_> = std::iter::once("query, get")
        .chain(writes.iter().filter(|(_, mark)| class.qualifiers.has(mark)).map(|(what, _)| *what))
        .collect();
    let able = format!("Can: {}.", able.join(", "));
    if !class.is_association() {
        return able;
    }
    let end = |property: &Property| match &property.kind {
        CimType::Reference(to) => Some(format!("{} ({to})", property.name)),
        _ => None,
    };
    let ends: Vec<String> = class.properties.iter().filter_map(end).collect();
    format!("Association of {}. {able}", ends.join(" and "))
}

fn constant(property: &Property) -> bool {
    property.qualifiers.has("Constant")
}

/// A property and the value that it always has: the view's literal, else the schema's default.
fn always(class: &ClassInfo, property: &Property) -> String {
    let literals = views::find(&class.name).map_or_else(Vec::new, views::constants);
    let literal = literals.iter().find(|(column, _)| *column == property.name).map(|(_, literal)| *literal);
    let value = match (literal, &property.default) {
        (Some("NULL"), _) | (None, Value::Null) => "null".to_owned(),
        (Some(truth), _) if property.kind == CimType::Boolean => (truth != "0").to_string(),
        (Some(text), _) if property.kind == CimType::String => format!("\"{text}\""),
        (Some(number), _) => number.to_owned(),
        (None, Value::Boolean(truth)) => truth.to_string(),
        (None, Value::Integer(number)) => number.to_string(),
        (None, Value::String(text)) => format!("\"{text}\""),
        (None, Value::DateTime(at)) => at.to_string(),
        (None, Value::Array(elements)) if elements.is_empty() => "{}".to_owned(),
        (None, _) => return property.name.clone(),
    };
    format!("{} = {value}", property.name)
}

fn list(page: &mut String, heading: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        line(page, &format!("- {heading}: {}", names.join(", ")));
    }
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a String takes everything");
}
