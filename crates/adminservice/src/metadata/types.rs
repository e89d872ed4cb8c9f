//! The classes as types: embedded ones complex, the others entities, each below its superclass.

use std::fmt::{self, Write};

use cim::CimType;
use cim::class::Property;
use provider::{ClassInfo, Schema};

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

/// The class of rows that are no instance of one class; what stands for an instance of any class in the document,
/// because no complex type is above all others.
const ROW: &str = "__GENERIC";

pub(super) fn write(xml: &mut String, schema: &Schema) -> fmt::Result {
    // A superclass stands before its subclasses, as in the schema.
    schema.classes().filter(|class| class.is_embedded()).try_for_each(|class| complex(xml, schema, class))?;
    row(
        xml,
        schema.class(ROW).expect("the shipped schema declares it, which a test of the provider proves"),
    )?;
    schema.classes().filter(|class| is_entity(schema, class)).try_for_each(|class| entity(xml, schema, class))
}

/// Whether a class has instances that can be asked for, or a subclass that has.
fn is_entity(schema: &Schema, class: &ClassInfo) -> bool {
    !class.is_embedded() && schema.classes().any(|below| below.is_queryable() && below.is_a(&class.name))
}

fn complex(xml: &mut String, schema: &Schema, class: &ClassInfo) -> fmt::Result {
    let base = class.derivation.first().and_then(|base| schema.class(base)).filter(|base| base.is_embedded());
    open(xml, "ComplexType", class, base)?;
    own(class, base).into_iter().try_for_each(|declared| property(xml, declared))?;
    writeln!(xml, "      </ComplexType>")
}

/// Has the properties of whatever it holds, so it is open.
fn row(xml: &mut String, class: &ClassInfo) -> fmt::Result {
    writeln!(xml, "      <ComplexType Name=\"{}\" OpenType=\"true\">", class.name)?;
    writeln!(xml, "        <Property Name=\"__CLASS\" Type=\"Edm.String\"/>")?;
    own(class, None).into_iter().try_for_each(|declared| property(xml, declared))?;
    writeln!(xml, "      </ComplexType>")
}

fn entity(xml: &mut String, schema: &Schema, class: &ClassInfo) -> fmt::Result {
    let base = class.derivation.first().and_then(|base| schema.class(base));
    open(xml, "EntityType", class, base)?;
    // A key is declared once, by the first class that has one.
    if base.is_none_or(|base| base.keys().is_empty()) && !class.keys().is_empty() {
        writeln!(xml, "        <Key>")?;
        for key in class.keys() {
            writeln!(xml, "          <PropertyRef Name=\"{}\"/>", key.name)?;
        }
        writeln!(xml, "        </Key>")?;
    }
    own(class, base).into_iter().try_for_each(|declared| property(xml, declared))?;
    if base.is_none() {
        for (name, kind) in SYSTEM_PROPERTIES {
            writeln!(xml, "        <Property Name=\"{name}\" Type=\"{kind}\"/>")?;
        }
    }
    writeln!(xml, "      </EntityType>")
}

fn open(xml: &mut String, element: &str, class: &ClassInfo, base: Option<&ClassInfo>) -> fmt::Result {
    write!(xml, "      <{element} Name=\"{}\"", class.name)?;
    if let Some(base) = base {
        write!(xml, " BaseType=\"AdminService.{}\"", base.name)?;
    }
    if class.is_abstract() {
        write!(xml, " Abstract=\"true\"")?;
    }
    writeln!(xml, ">")
}

/// What the superclass does not have, alphabetically.
fn own<'a>(class: &'a ClassInfo, base: Option<&ClassInfo>) -> Vec<&'a Property> {
    let inherited = |property: &&Property| base.is_some_and(|base| base.property(&property.name).is_some());
    let mut own: Vec<_> = class.properties.iter().filter(|property| !inherited(property)).collect();
    own.sort_by_key(|property| property.name.to_ascii_lowercase());
    own
}

fn property(xml: &mut String, property: &Property) -> fmt::Result {
    let kind = edm(&property.kind, property.array);
    write!(xml, "        <Property Name=\"{}\" Type=\"{kind}\"", property.name)?;
    if property.qualifiers.has("key") || property.qualifiers.has("not_null") {
        write!(xml, " Nullable=\"false\"")?;
    }
    writeln!(xml, "/>")
}

/// The type of a property or parameter.
pub(super) fn edm(kind: &CimType, array: bool) -> String {
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
        CimType::Object => format!("AdminService.{ROW}"),
        CimType::Embedded(class) => format!("AdminService.{class}"),
    };
    if array { format!("Collection({single})") } else { single }
}
