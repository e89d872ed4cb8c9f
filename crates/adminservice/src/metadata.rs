//! `$metadata` and the service document, made from the schema.
//!
//! The document has two forms. The one that clients get unasked is valid CSDL and tells the whole truth: methods are
//! actions whose answer is a complex type of `ReturnValue` and the out parameters, as it is on the wire. With
//! `$metadata?original` it looks as the original's is reported to look: static methods with a dot in the name, which
//! is no valid identifier, and the bare return value. All addresses of both forms are served.

mod actions;
mod types;

use std::fmt::{self, Write};
use std::sync::LazyLock;

use axum::body::Bytes;
use cim::class::Method;
use provider::{ClassInfo, Schema};
use serde_json::{Value as Json, json};

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n",
    "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">\n",
    "  <edmx:DataServices>\n",
    "    <Schema Namespace=\"AdminService\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">\n",
);
const TAIL: &str = "    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n";

/// How the document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Valid for strict parsers.
    Strict,
    /// As the original's looks.
    Original,
}

impl Form {
    /// The form that the query of a request for `$metadata` asks for.
    pub(crate) fn of(raw_query: &str) -> Self {
        let is =
            |part: &str| part.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("original"));
        if raw_query.split('&').any(is) { Self::Original } else { Self::Strict }
    }
}

/// The CSDL document of the shipped schema, which nothing changes while the program runs: written once in each form.
pub(crate) fn shipped(form: Form) -> Bytes {
    static STRICT: LazyLock<Bytes> = LazyLock::new(|| document(Schema::shipped(), Form::Strict).into());
    static ORIGINAL: LazyLock<Bytes> = LazyLock::new(|| document(Schema::shipped(), Form::Original).into());
    match form {
        Form::Strict => STRICT.clone(),
        Form::Original => ORIGINAL.clone(),
    }
}

fn document(schema: &Schema, form: Form) -> String {
    let mut xml = HEAD.to_owned();
    let written = write_schema(&mut xml, schema, form);
    written.expect("writing to a string cannot fail");
    xml.push_str(TAIL);
    xml
}

/// The service document.
pub(crate) fn service_document(schema: &Schema, root: &str) -> Json {
    let set = |class: &ClassInfo| json!({ "name": class.name, "kind": "EntitySet", "url": class.name });
    let sets: Vec<_> = entity_sets(schema).map(set).collect();
    json!({ "@odata.context": format!("{root}/$metadata"), "value": sets })
}

/// The class and static method that an action import of the document names, in any case.
pub(crate) fn imported<'a>(schema: &'a Schema, name: &str) -> Option<(&'a ClassInfo, &'a Method)> {
    statics(schema).find(|(class, method)| {
        let (head, tail) = (name.get(..class.name.len()), name.get(class.name.len()..));
        head.is_some_and(|head| head.eq_ignore_ascii_case(&class.name))
            && tail
                .and_then(|tail| tail.strip_prefix('_'))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(&method.name))
    })
}

/// Every class whose instances can be listed, base classes included.
fn entity_sets(schema: &Schema) -> impl Iterator<Item = &ClassInfo> {
    schema.classes().filter(|class| class.is_queryable())
}

fn callable(schema: &Schema) -> impl Iterator<Item = &ClassInfo> {
    schema.classes().filter(|class| class.is_queryable() || class.is_static())
}

fn statics(schema: &Schema) -> impl Iterator<Item = (&ClassInfo, &Method)> {
    callable(schema).flat_map(|class| {
        class
            .methods
            .iter()
            .filter(|method| method.qualifiers.has("static"))
            .map(move |method| (class, method))
    })
}

fn write_schema(xml: &mut String, schema: &Schema, form: Form) -> fmt::Result {
    types::write(xml, schema)?;
    for class in callable(schema) {
        class.methods.iter().try_for_each(|method| actions::write(xml, schema, class, method, form))?;
    }
    writeln!(xml, "      <EntityContainer Name=\"Container\">")?;
    for ClassInfo { name, .. } in entity_sets(schema) {
        writeln!(xml, "        <EntitySet Name=\"{name}\" EntityType=\"AdminService.{name}\"/>")?;
    }
    for (class, method) in statics(schema) {
        let name = actions::unbound_name(class, method, form);
        writeln!(xml, "        <ActionImport Name=\"{name}\" Action=\"AdminService.{name}\"/>")?;
    }
    writeln!(xml, "      </EntityContainer>")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The values of an attribute of elements that begin with `open`.
    fn attribute<'a>(xml: &'a str, open: &str, name: &str) -> Vec<&'a str> {
        let value = |line: &'a str| line.split_once(&format!(" {name}=\""))?.1.split('"').next();
        xml.lines().filter(|line| line.trim_start().starts_with(open)).filter_map(value).collect()
    }

    #[test]
    fn every_name_is_an_identifier_and_every_type_is_declared_once() {
        let schema = Schema::shipped();
        let xml = document(schema, Form::Strict);
        let mut declared = HashSet::new();
        for open in ["<ComplexType ", "<EntityType "] {
            for name in attribute(&xml, open, "Name") {
                assert!(declared.insert(name), "{name} is declared twice");
            }
        }
        for open in ["<Action ", "<ActionImport ", "<Parameter ", "<Property ", "<EntitySet "] {
            for name in attribute(&xml, open, "Name") {
                assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            }
        }
        for attribute_name in ["Type", "BaseType", "EntityType"] {
            for kind in attribute(&xml, "<", attribute_name) {
                let one = kind.strip_prefix("Collection(").map_or(kind, |inner| inner.trim_end_matches(')'));
                let ours = one.strip_prefix("AdminService.");
                assert!(ours.map_or(one.starts_with("Edm."), |name| declared.contains(name)), "{kind}");
            }
        }
    }

    #[test]
    fn every_import_is_found_by_its_name() {
        let schema = Schema::shipped();
        let imports: Vec<_> = statics(schema).collect();
        assert!(!imports.is_empty());
        for (class, method) in imports {
            let name = actions::unbound_name(class, method, Form::Strict).to_lowercase();
            let found = imported(schema, &name).map(|(class, method)| (&class.name, &method.name));
            assert_eq!(found, Some((&class.name, &method.name)));
            assert!(schema.class(&name).is_none(), "{name} is a class as well");
        }
        for name in ["SMS_Identification", "SMS_Identification_", "SMS_Identification.GetSiteID", "é_x", ""]
        {
            assert!(imported(schema, name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_form_is_asked_for_in_the_query() {
        for (query, form) in [
            ("", Form::Strict),
            ("$format=xml", Form::Strict),
            ("x=original", Form::Strict),
            ("original", Form::Original),
            ("a=1&Original=true", Form::Original),
        ] {
            assert_eq!(Form::of(query), form, "{query}");
        }
        let bytes = shipped(Form::Original);
        assert_eq!(bytes.as_ptr(), shipped(Form::Original).as_ptr(), "it is written once");
        let xml = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(shipped(Form::Strict), document(Schema::shipped(), Form::Strict));
        assert!(xml.contains("<Action Name=\"SMS_Identification.GetSiteID\">"));
        assert!(xml.contains("Action=\"AdminService.SMS_Identification.GetSiteID\""));
    }
}
