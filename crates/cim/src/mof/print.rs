use std::fmt;

use super::QualifierType;
use crate::class::{Class, Method, Parameter, Property, Qualifiers};
use crate::{CimType, Instance, Value};

pub(super) fn class(f: &mut fmt::Formatter<'_>, class: &Class) -> fmt::Result {
    qualifiers(f, &class.qualifiers, "\n")?;
    write!(f, "class {}", class.name)?;
    if let Some(superclass) = &class.superclass {
        write!(f, " : {superclass}")?;
    }
    f.write_str("\n{\n")?;
    class.properties.iter().try_for_each(|declared| property(f, declared))?;
    class.methods.iter().try_for_each(|declared| method(f, declared))?;
    f.write_str("};\n")
}

fn property(f: &mut fmt::Formatter<'_>, property: &Property) -> fmt::Result {
    f.write_str("    ")?;
    qualifiers(f, &property.qualifiers, " ")?;
    typed(f, &property.kind, &property.qualifiers, &property.name, property.array)?;
    default(f, &property.default)?;
    f.write_str(";\n")
}

fn method(f: &mut fmt::Formatter<'_>, method: &Method) -> fmt::Result {
    f.write_str("    ")?;
    qualifiers(f, &method.qualifiers, " ")?;
    typed(f, &method.returns, &method.qualifiers, &method.name, false)?;
    f.write_str("(")?;
    for (index, Parameter { name, kind, array, qualifiers: marks, default: preset }) in
        method.parameters.iter().enumerate()
    {
        f.write_str(if index == 0 { "" } else { ", " })?;
        qualifiers(f, marks, " ")?;
        typed(f, kind, marks, name, *array)?;
        default(f, preset)?;
    }
    f.write_str(");\n")
}

/// Embedded types print as the standard writes them where the qualifier is there.
fn typed(
    f: &mut fmt::Formatter<'_>,
    kind: &CimType,
    marks: &Qualifiers,
    name: &str,
    array: bool,
) -> fmt::Result {
    match kind {
        CimType::Embedded(_) if marks.get("EmbeddedInstance").is_some() => f.write_str("string")?,
        CimType::Object => f.write_str("string")?,
        kind => write!(f, "{kind}")?,
    }
    write!(f, " {name}{}", if array { "[]" } else { "" })
}

fn default(f: &mut fmt::Formatter<'_>, preset: &Value) -> fmt::Result {
    if preset.is_null() {
        return Ok(());
    }
    f.write_str(" = ")?;
    value(f, preset)
}

fn qualifiers(f: &mut fmt::Formatter<'_>, marks: &Qualifiers, after: &str) -> fmt::Result {
    for (index, (name, mark)) in marks.0.iter().enumerate() {
        f.write_str(if index == 0 { "[" } else { ", " })?;
        f.write_str(name)?;
        match mark {
            Value::Boolean(true) => {}
            Value::Array(_) => value(f, mark)?,
            single => {
                f.write_str("(")?;
                value(f, single)?;
                f.write_str(")")?;
            }
        }
    }
    if marks.0.is_empty() { Ok(()) } else { write!(f, "]{after}") }
}

pub(super) fn qualifier_type(f: &mut fmt::Formatter<'_>, declared: &QualifierType) -> fmt::Result {
    let QualifierType { name, kind, array, default: preset, scopes, flavors } = declared;
    write!(f, "Qualifier {name} : {kind}{}", if *array { "[]" } else { "" })?;
    default(f, preset)?;
    for (list, words) in [("Scope", scopes), ("Flavor", flavors)] {
        if !words.is_empty() {
            write!(f, ", {list}({})", words.join(", "))?;
        }
    }
    f.write_str(";\n")
}

pub(super) fn instance(f: &mut fmt::Formatter<'_>, instance: &Instance) -> fmt::Result {
    write!(f, "instance of {} {{ ", instance.class)?;
    for (name, set) in &instance.properties {
        write!(f, "{name} = ")?;
        value(f, set)?;
        f.write_str("; ")?;
    }
    f.write_str("}")
}

fn value(f: &mut fmt::Formatter<'_>, printed: &Value) -> fmt::Result {
    match printed {
        Value::Null => f.write_str("NULL"),
        Value::Boolean(truth) => f.write_str(if *truth { "TRUE" } else { "FALSE" }),
        Value::Integer(number) => write!(f, "{number}"),
        Value::Real(number) => write!(f, "{number:?}"),
        Value::String(text) => quoted(f, text),
        Value::DateTime(at) => quoted(f, &at.to_string()),
        Value::Reference(path) => quoted(f, &path.to_string()),
        Value::Instance(embedded) => instance(f, embedded),
        Value::Array(elements) => {
            f.write_str("{")?;
            for (index, element) in elements.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                value(f, element)?;
            }
            f.write_str("}")
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
