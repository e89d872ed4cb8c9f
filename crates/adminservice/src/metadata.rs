//! `$metadata` and the service document, made from the schema.
//!
//! Static methods are actions bound to the collection: a dotted action name, as the original has it, is no
//! valid identifier and strict clients refuse the whole document. Both spellings of the URL are served.

use std::fmt::{self, Write};

use cim::CimType;
use cim::class::{Method, Property};
use provider::{ClassInfo, Schema};
use serde_json::{Value as Json, json};

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n",
    "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">\n",
    "  <edmx:DataServices>\n",
    "    <Schema Namespace=\"AdminService\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">\n",
);
const TAIL: &str = "    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n";

/// The properties that every entity has beside those of its class.
const SYSTEM_PROPERTIES: [(&str, &str); 12] = [
    ("__LAZYPROPERTIES", "Collection(Edm.String)"),
    ("__QUALIFIER_SECURITYVERBS", "Edm.Int32"),
    ("__GENUS", "Edm.Int32"),
    ("__CLASS", "Edm.String"),
    ("__SUPERCLASS", "Edm.String"),
    ("__DYNASTY", "Edm.String"),
    ("__RELPATH", "Edm.String"),
    ("__PROPERTY_COUNT", "Edm.Int32"),
    ("__DERIVATION", "Collection(Edm.String)"),
    ("__SERVER", "Edm.String"),
    ("__NAMESPACE", "Edm.String"),
    ("__PATH", "Edm.String"),
];

/// The CSDL document.
pub(crate) fn document(schema: &Schema) -> String {
    let mut xml = HEAD.to_owned();
    let written = write_schema(&mut xml, schema);
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

fn entity_sets(schema: &Schema) -> impl Iterator<Item = &ClassInfo> {
    schema.classes().filter(|class| class.is_queryable() && !class.is_abstract())
}

fn write_schema(xml: &mut String, schema: &Schema) -> fmt::Result {
    for class in schema.classes().filter(|class| class.is_embedded()) {
        complex_type(xml, schema, class)?;
    }
    for class in entity_sets(schema) {
        entity_type(xml, class)?;
    }
    let for_methods = || schema.classes().filter(|class| class.is_static());
    for ClassInfo { name, .. } in for_methods() {
        // No instances, so no key and no set; its methods need something to be bound to.
        writeln!(xml, "      <EntityType Name=\"{name}\" Abstract=\"true\"/>")?;
    }
    for class in entity_sets(schema).chain(for_methods()) {
        class.methods.iter().try_for_each(|method| action(xml, class, method))?;
    }
    writeln!(xml, "      <EntityContainer Name=\"Container\">")?;
    for ClassInfo { name, .. } in entity_sets(schema) {
        writeln!(xml, "        <EntitySet Name=\"{name}\" EntityType=\"AdminService.{name}\"/>")?;
    }
    writeln!(xml, "      </EntityContainer>")
}

fn complex_type(xml: &mut String, schema: &Schema, class: &ClassInfo) -> fmt::Result {
    write!(xml, "      <ComplexType Name=\"{}\"", class.name)?;
    let base = class.derivation.first().and_then(|base| schema.class(base));
    if let Some(base) = base {
        write!(xml, " BaseType=\"AdminService.{}\"", base.name)?;
    }
    if class.is_abstract() {
        write!(xml, " Abstract=\"true\"")?;
    }
    let inherited = |property: &&Property| base.is_some_and(|base| base.property(&property.name).is_some());
    let own: Vec<_> = class.properties.iter().filter(|property| !inherited(property)).collect();
    if own.is_empty() {
        return writeln!(xml, "/>");
    }
    writeln!(xml, ">")?;
    own.into_iter().try_for_each(|declared| property(xml, declared))?;
    writeln!(xml, "      </ComplexType>")
}

fn entity_type(xml: &mut String, class: &ClassInfo) -> fmt::Result {
    writeln!(xml, "      <EntityType Name=\"{}\">\n        <Key>", class.name)?;
    for key in class.keys() {
        writeln!(xml, "          <PropertyRef Name=\"{}\"/>", key.name)?;
    }
    writeln!(xml, "        </Key>")?;
    let mut properties: Vec<_> = class.properties.iter().collect();
    properties.sort_by_key(|property| property.name.to_ascii_lowercase());
    properties.into_iter().try_for_each(|declared| property(xml, declared))?;
    for (name, kind) in SYSTEM_PROPERTIES {
        writeln!(xml, "        <Property Name=\"{name}\" Type=\"{kind}\"/>")?;
    }
    writeln!(xml, "      </EntityType>")
}

fn property(xml: &mut String, property: &Property) -> fmt::Result {
    let kind = edm(&property.kind, property.array);
    write!(xml, "        <Property Name=\"{}\" Type=\"{kind}\"", property.name)?;
    if property.qualifiers.has("key") || property.qualifiers.has("not_null") {
        write!(xml, " Nullable=\"false\"")?;
    }
    writeln!(xml, "/>")
}

/// Out parameters cannot be told in CSDL beside a return value; they come as further members of the answer.
fn action(xml: &mut String, class: &ClassInfo, method: &Method) -> fmt::Result {
    let bound = match method.qualifiers.has("static") {
        true => format!("Collection(AdminService.{})", class.name),
        false => format!("AdminService.{}", class.name),
    };
    writeln!(xml, "      <Action Name=\"{}\" IsBound=\"true\">", method.name)?;
    writeln!(xml, "        <Parameter Name=\"bindingParameter\" Type=\"{bound}\"/>")?;
    for parameter in method.parameters.iter().filter(|parameter| parameter.goes_in()) {
        let kind = edm(&parameter.kind, parameter.array);
        write!(xml, "        <Parameter Name=\"{}\" Type=\"{kind}\"", parameter.name)?;
        match parameter.qualifiers.has("optional") {
            true => writeln!(xml, "/>")?,
            false => writeln!(xml, " Nullable=\"false\"/>")?,
        }
    }
    writeln!(xml, "        <ReturnType Type=\"{}\"/>", edm(&method.returns, false))?;
    writeln!(xml, "      </Action>")
}

fn edm(kind: &CimType, array: bool) -> String {
    let single = match kind {
        CimType::Uint8 if array => return "Edm.Binary".to_owned(),
        CimType::Boolean => "Edm.Boolean".to_owned(),
        CimType::Uint8 | CimType::Sint8 | CimType::Uint16 | CimType::Sint16 | CimType::Sint32 => {
            "Edm.Int32".to_owned()
        }
        CimType::Uint32 | CimType::Uint64 | CimType::Sint64 => "Edm.Int64".to_owned(),
        CimType::Real32 => "Edm.Single".to_owned(),
        CimType::Real64 => "Edm.Double".to_owned(),
        CimType::Char16 | CimType::String | CimType::Reference(_) => "Edm.String".to_owned(),
        CimType::DateTime => "Edm.DateTimeOffset".to_owned(),
        CimType::Embedded(class) => format!("AdminService.{class}"),
    };
    if array { format!("Collection({single})") } else { single }
}
