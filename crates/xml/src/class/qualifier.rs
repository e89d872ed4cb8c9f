//! The qualifiers of a declaration: clients read keys, writability and embedded classes from them alone (DSP0201).

use cim::Value;
use cim::mof::QualifierType;
use provider::Schema;

use super::{type_name, write_value};
use crate::Writer;

/// Writes a `QUALIFIER` with its value.
pub(super) fn write(writer: &mut Writer, schema: &Schema, name: &str, value: &Value) {
    // A schema is not read if it uses a qualifier that it does not declare; what goes without saying it may not have.
    let declared = schema.qualifier(name);
    let kind = declared.map_or_else(|| kind_of(value).to_owned(), |declared| type_name(&declared.kind));
    let mut attributes =
        vec![("NAME", declared.map_or(name, |declared| declared.name.as_str())), ("TYPE", &kind)];
    if let Some(declared) = declared {
        flavors(declared).for_each(|flavor| attributes.push(flavor));
    }
    writer.open("QUALIFIER", &attributes);
    write_value(writer, value);
    writer.close();
}

/// Writes the `QUALIFIER.DECLARATION` of a qualifier, scopes and all.
pub fn declaration(writer: &mut Writer, declared: &QualifierType) {
    let kind = type_name(&declared.kind);
    let mut attributes = vec![
        ("NAME", declared.name.as_str()),
        ("TYPE", &kind),
        ("ISARRAY", if declared.array { "true" } else { "false" }),
    ];
    flavors(declared).for_each(|flavor| attributes.push(flavor));
    writer.open("QUALIFIER.DECLARATION", &attributes);
    let is_in = |scope: &str| declared.scopes.iter().any(|known| known == scope || known == "any");
    let scopes: Vec<_> = SCOPES
        .iter()
        .filter(|scope| is_in(&scope.to_ascii_lowercase()))
        .map(|scope| (*scope, "true"))
        .collect();
    writer.open("SCOPE", &scopes);
    writer.close();
    write_value(writer, &declared.default);
    writer.close();
}

const SCOPES: [&str; 7] =
    ["CLASS", "ASSOCIATION", "REFERENCE", "PROPERTY", "METHOD", "PARAMETER", "INDICATION"];

/// The flavors that are not what the attributes mean where they are left out.
fn flavors(declared: &QualifierType) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has = |flavor: &str| declared.flavors.iter().any(|known| known == flavor);
    [
        ("OVERRIDABLE", "false", has("disableoverride")),
        ("TOSUBCLASS", "false", has("restricted")),
        ("TRANSLATABLE", "true", has("translatable")),
    ]
    .into_iter()
    .filter_map(|(name, value, differs)| differs.then_some((name, value)))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Boolean(_) => "boolean",
        Value::Integer(_) => "sint32",
        Value::Real(_) => "real64",
        Value::Array(elements) => elements.first().map_or("string", kind_of),
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_are_declared() {
        let check = |name: &str, expect: &str| {
            let mut writer = Writer::new();
            declaration(&mut writer, Schema::shipped().qualifier(name).unwrap());
            assert_eq!(writer.finish(), expect, "{name}");
        };
        check(
            "values",
            concat!(
                r#"<QUALIFIER.DECLARATION NAME="Values" TYPE="string" ISARRAY="true">"#,
                r#"<SCOPE PROPERTY="true" METHOD="true" PARAMETER="true"></SCOPE></QUALIFIER.DECLARATION>"#
            ),
        );
        check(
            "Embedded",
            concat!(
                r#"<QUALIFIER.DECLARATION NAME="Embedded" TYPE="boolean" ISARRAY="false" TOSUBCLASS="false">"#,
                r#"<SCOPE CLASS="true"></SCOPE><VALUE>FALSE</VALUE></QUALIFIER.DECLARATION>"#
            ),
        );
    }
}
