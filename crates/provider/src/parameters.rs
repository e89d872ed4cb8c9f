//! Checks the parameters of a method call.

use cim::Value;
use cim::class::{Method, Parameter};

use crate::check;
use crate::error::Fault;
use crate::schema::Schema;

/// The in parameters in declaration order, each with a value of its type; optional ones that are left out or null
/// get their default. Unknown names are refused: a misspelled parameter must not silently mean its default.
pub(crate) fn bind(
    schema: &Schema,
    method: &Method,
    given: Vec<(String, Value)>,
) -> Result<Vec<(String, Value)>, Fault> {
    let wrong = |reason: String| Fault::InvalidParameters { method: method.name.clone(), reason };
    let inputs: Vec<&Parameter> = method.parameters.iter().filter(|parameter| parameter.goes_in()).collect();
    let mut values: Vec<Option<Value>> = vec![None; inputs.len()];
    for (name, value) in given {
        let index = inputs.iter().position(|parameter| is_called(parameter, &name));
        let index = index.ok_or_else(|| wrong(format!("{name} is not one of them")))?;
        if values[index].is_some() {
            return Err(wrong(format!("{name} is given twice")));
        }
        let Parameter { kind, array, name, .. } = inputs[index];
        values[index] = Some(check::fit(schema, kind, *array, single(value, *array), name)?);
    }
    let mut bound = Vec::with_capacity(inputs.len());
    for (parameter, value) in inputs.into_iter().zip(values) {
        let value = match value {
            Some(value) if !value.is_null() => value,
            _ if parameter.qualifiers.has("optional") => preset(schema, parameter)?,
            Some(_) => return Err(wrong(format!("{} is null", parameter.name))),
            None => return Err(wrong(format!("{} is missing", parameter.name))),
        };
        bound.push((parameter.name.clone(), value));
    }
    Ok(bound)
}

/// Some clients send a list of one where one is meant.
fn single(value: Value, array: bool) -> Value {
    match value {
        Value::Array(mut elements) if !array && elements.len() == 1 => elements.remove(0),
        value => value,
    }
}

/// Whether callers mean the parameter by a name: its own, or another that scripts give it.
fn is_called(parameter: &Parameter, name: &str) -> bool {
    let alias = parameter.qualifiers.get("Alias").and_then(Value::as_str);
    parameter.name.eq_ignore_ascii_case(name) || alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
}

fn preset(schema: &Schema, parameter: &Parameter) -> Result<Value, Fault> {
    let preset = parameter.qualifiers.get("ParameterDefault").cloned().unwrap_or(Value::Null);
    check::fit(schema, &parameter.kind, parameter.array, preset, &parameter.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, given: &[(&str, Value)], expect: Result<&[(&str, Value)], &str>) {
        let schema = Schema::shipped();
        let class = schema.class("SMS_DriverPackage").unwrap();
        let named = |list: &[(&str, Value)]| -> Vec<_> {
            list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let bound = bind(schema, class.method(method).unwrap(), named(given));
        match expect {
            Ok(list) => assert_eq!(bound.unwrap(), named(list)),
            Err(text) => assert_eq!(bound.unwrap_err().to_string(), text),
        }
    }

    #[test]
    fn parameters_are_bound_by_name() {
        let list = |text: &str| Value::Array(vec![Value::text(text)]);
        let ids = || Value::Array(vec![Value::Integer(7)]);
        check("RefreshPkgSource", &[], Ok(&[]));
        check(
            "RefreshPkgSource",
            &[("X", Value::Null)],
            Err("parameters of RefreshPkgSource: X is not one of them"),
        );
        check(
            "AddDistributionPoints",
            &[("nalpath", Value::text("n")), ("SiteCode", list("PS1"))],
            Ok(&[("SiteCode", list("PS1")), ("NALPath", list("n"))]),
        );
        check(
            "AddDistributionPoints",
            &[("SiteCode", list("PS1"))],
            Err("parameters of AddDistributionPoints: NALPath is missing"),
        );
        check(
            "CheckSourceFolder",
            &[("SourceFolder", Value::Null)],
            Err("parameters of CheckSourceFolder: SourceFolder is null"),
        );
        check("CheckSourceFolder", &[("SourceFolder", list("x"))], Ok(&[("SourceFolder", Value::text("x"))]));
        check(
            "CheckSourceFolder",
            &[("SourceFolder", Value::Array(vec![]))],
            Err("SourceFolder: an array does not fit the type string"),
        );
        check(
            "CheckSourceFolder",
            &[("Result", Value::Integer(1))],
            Err("parameters of CheckSourceFolder: Result is not one of them"),
        );
        check(
            "RemoveDriverContent",
            &[("ContentIDs", Value::text("7"))],
            Ok(&[("ContentIDs", ids()), ("bRefreshDPs", Value::Boolean(true))]),
        );
        check(
            "RemoveDriverContent",
            &[("ContentIDs", ids()), ("brefreshdps", Value::Null)],
            Ok(&[("ContentIDs", ids()), ("bRefreshDPs", Value::Boolean(true))]),
        );
        check(
            "RemoveDriverContent",
            &[("ContentIDs", ids()), ("contentids", ids())],
            Err("parameters of RemoveDriverContent: contentids is given twice"),
        );
        check(
            "RemoveDriverContent",
            &[("ContentIDs", Value::text("seven"))],
            Err("ContentIDs: the text \"seven\" does not fit the type uint32"),
        );
    }
}
