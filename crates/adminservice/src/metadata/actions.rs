//! Methods as actions: of an instance bound to it, static ones imported under a name of their own. The answer is a
//! complex type of the return value and the out parameters.

use std::fmt::{self, Write};

use cim::CimType;
use cim::class::{Method, Parameter};
use provider::{ClassInfo, Schema};

use super::Form;
use super::types::edm;

/// What a static method is called where it is not bound to its class.
pub(super) fn unbound_name(class: &ClassInfo, method: &Method, form: Form) -> String {
    match form {
        Form::Strict => format!("{}_{}", class.name, method.name),
        Form::Original => format!("{}.{}", class.name, method.name),
    }
}

pub(super) fn write(
    xml: &mut String,
    schema: &Schema,
    class: &ClassInfo,
    method: &Method,
    form: Form,
) -> fmt::Result {
    let answer = match form {
        Form::Original => edm(&method.returns, false),
        Form::Strict => {
            result(xml, schema, class, method)?;
            format!("AdminService.{}", result_name(class, method))
        }
    };
    if method.qualifiers.has("static") {
        return action(xml, method, &unbound_name(class, method, form), None, &answer);
    }
    action(xml, method, &method.name, Some(&class.name), &answer)
}

fn action(
    xml: &mut String,
    method: &Method,
    name: &str,
    bound_to: Option<&str>,
    answer: &str,
) -> fmt::Result {
    write!(xml, "      <Action Name=\"{name}\"")?;
    if let Some(class) = bound_to {
        writeln!(xml, " IsBound=\"true\">")?;
        // python-odata looks for this name.
        write!(xml, "        <Parameter Name=\"bindingParameter\" Type=\"AdminService.{class}\"/")?;
    }
    writeln!(xml, ">")?;
    for parameter in method.parameters.iter().filter(|parameter| parameter.goes_in()) {
        let kind = edm(&parameter.kind, parameter.array);
        write!(xml, "        <Parameter Name=\"{}\" Type=\"{kind}\"", parameter.name)?;
        match parameter.qualifiers.has("optional") {
            true => writeln!(xml, "/>")?,
            false => writeln!(xml, " Nullable=\"false\"/>")?,
        }
    }
    writeln!(xml, "        <ReturnType Type=\"{answer}\"/>")?;
    writeln!(xml, "      </Action>")
}

fn result_name(class: &ClassInfo, method: &Method) -> String {
    format!("{}_{}_Result", class.name, method.name)
}

fn result(xml: &mut String, schema: &Schema, class: &ClassInfo, method: &Method) -> fmt::Result {
    writeln!(xml, "      <ComplexType Name=\"{}\">", result_name(class, method))?;
    let returns = edm(&method.returns, false);
    writeln!(xml, "        <Property Name=\"ReturnValue\" Type=\"{returns}\"/>")?;
    for parameter in method.parameters.iter().filter(|parameter| parameter.goes_out()) {
        let kind = edm(&parameter.kind, parameter.array);
        // Structural properties hold no entities; a navigation property does, and comes expanded.
        let element = if holds_entity(schema, parameter) { "NavigationProperty" } else { "Property" };
        writeln!(xml, "        <{element} Name=\"{}\" Type=\"{kind}\"/>", parameter.name)?;
    }
    writeln!(xml, "      </ComplexType>")
}

fn holds_entity(schema: &Schema, parameter: &Parameter) -> bool {
    match &parameter.kind {
        CimType::Embedded(class) => schema.class(class).is_some_and(|class| !class.is_embedded()),
        _ => false,
    }
}
