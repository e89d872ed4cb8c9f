//! CLASS declarations in the form of DSP0201, as CIM-XML answers a class and WS-Management the metadata of one.
//!
//! Embedded classes have the type `string` and say in a qualifier what they hold, references name their class; every
//! element has an end tag of its own.

mod qualifier;
mod value;

use std::borrow::Cow;

use cim::class::{Method, Parameter, Property};
use cim::{CimType, Value};
use provider::{ClassInfo, Schema};

use crate::Writer;
pub use qualifier::declaration;
pub use value::{scalar, write_value};

/// How much of a class is declared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape<'a> {
    /// Only what the class declares or overrides itself (`LocalOnly`; without `IncludeInheritedElements`).
    pub local_only: bool,
    /// With qualifiers (`IncludeQualifiers`).
    pub qualifiers: bool,
    /// With the class that each member comes from (`IncludeClassOrigin`).
    pub class_origin: bool,
    /// With all superclasses, the nearest first, in the attribute `DERIVATION` of WS-Management
    /// (`IncludeInheritanceHierarchy`).
    pub derivation: bool,
    /// Only these properties, in any case (`PropertyList`); none means all.
    pub properties: Option<&'a [String]>,
    /// How truth is written.
    pub truth: Truth,
}

/// How truth is written in a declaration. Readers of CIM-XML take both (DSP0201, 5.2.2); what Windows' clients of
/// WS-Management take is known of their own servers only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Truth {
    /// `TRUE`, as the examples of the standard.
    #[default]
    Upper,
    /// `true`, as Windows does in the metadata of WS-Management.
    Lower,
}

impl Truth {
    fn of(self, value: &Value) -> Cow<'_, Value> {
        match (self, value) {
            (Self::Lower, Value::Boolean(truth)) => Cow::Owned(Value::text(truth.to_string())),
            (Self::Lower, Value::Array(elements)) => {
                Cow::Owned(Value::Array(elements.iter().map(|one| self.of(one).into_owned()).collect()))
            }
            _ => Cow::Borrowed(value),
        }
    }
}

impl Shape<'_> {
    /// Everything that there is to say.
    pub const WHOLE: Shape<'static> = Shape {
        local_only: false,
        qualifiers: true,
        class_origin: true,
        derivation: true,
        properties: None,
        truth: Truth::Upper,
    };

    fn shows(&self, class: &ClassInfo, member: &str) -> bool {
        !self.local_only || class.origin(member) == class.name
    }

    fn lists(&self, property: &Property) -> bool {
        let is_it = |name: &String| name.eq_ignore_ascii_case(&property.name);
        self.properties.is_none_or(|listed| listed.iter().any(is_it))
    }
}

/// Writes the `CLASS` element of a class of the schema.
pub fn write(writer: &mut Writer, schema: &Schema, class: &ClassInfo, shape: &Shape<'_>) {
    let derivation = class.derivation.join(",");
    let mut attributes = vec![("NAME", class.name.as_str())];
    if let Some(superclass) = class.derivation.first() {
        attributes.push(("SUPERCLASS", superclass));
        if shape.derivation {
            attributes.push(("DERIVATION", &derivation));
        }
    }
    let declaring = Declaring { schema, class, shape };
    writer.open("CLASS", &attributes);
    declaring.qualifiers(writer, &class.qualifiers.0);
    for declared in class.properties.iter().filter(|one| shape.lists(one) && shape.shows(class, &one.name)) {
        declaring.property(writer, declared);
    }
    for declared in class.methods.iter().filter(|one| shape.shows(class, &one.name)) {
        declaring.method(writer, declared);
    }
    writer.close();
}

/// The name of a type in the attributes `TYPE` and `PARAMTYPE`; embedded objects are texts there. A reference has the
/// name of no other type, and elements of its own.
#[must_use]
pub fn type_name(kind: &CimType) -> String {
    match kind {
        CimType::Embedded(_) | CimType::Object => "string".to_owned(),
        CimType::Reference(_) => "reference".to_owned(),
        plain => plain.to_string(),
    }
}

struct Declaring<'a> {
    schema: &'a Schema,
    class: &'a ClassInfo,
    shape: &'a Shape<'a>,
}

impl Declaring<'_> {
    fn property(&self, writer: &mut Writer, declared: &Property) {
        let kind = type_name(&declared.kind);
        let (element, named) = match (&declared.kind, declared.array) {
            (CimType::Reference(class), _) => ("PROPERTY.REFERENCE", ("REFERENCECLASS", class.as_str())),
            (_, true) => ("PROPERTY.ARRAY", ("TYPE", kind.as_str())),
            (_, false) => ("PROPERTY", ("TYPE", kind.as_str())),
        };
        let mut attributes = vec![("NAME", declared.name.as_str()), named];
        self.origin(&mut attributes, &declared.name);
        writer.open(element, &attributes);
        self.marks(writer, &declared.qualifiers.0, &declared.kind, &[]);
        write_value(writer, &self.shape.truth.of(&declared.default));
        writer.close();
    }

    fn method(&self, writer: &mut Writer, declared: &Method) {
        let kind = type_name(&declared.returns);
        let mut attributes = vec![("NAME", declared.name.as_str()), ("TYPE", kind.as_str())];
        self.origin(&mut attributes, &declared.name);
        writer.open("METHOD", &attributes);
        self.marks(writer, &declared.qualifiers.0, &declared.returns, &[]);
        declared.parameters.iter().for_each(|one| self.parameter(writer, one));
        writer.close();
    }

    fn parameter(&self, writer: &mut Writer, declared: &Parameter) {
        let kind = type_name(&declared.kind);
        let (element, named) = match (&declared.kind, declared.array) {
            (CimType::Reference(class), true) => ("PARAMETER.REFARRAY", ("REFERENCECLASS", class.as_str())),
            (CimType::Reference(class), false) => ("PARAMETER.REFERENCE", ("REFERENCECLASS", class.as_str())),
            (_, true) => ("PARAMETER.ARRAY", ("TYPE", kind.as_str())),
            (_, false) => ("PARAMETER", ("TYPE", kind.as_str())),
        };
        writer.open(element, &[("NAME", &declared.name), named]);
        // Clients read the direction off these and do not know what holds where they are left out.
        let directions = [("In", declared.goes_in()), ("Out", declared.goes_out())];
        self.marks(writer, &declared.qualifiers.0, &declared.kind, &directions);
        writer.close();
    }

    fn origin<'a>(&'a self, attributes: &mut Vec<(&'a str, &'a str)>, member: &str) {
        let origin = self.class.origin(member);
        if self.shape.class_origin {
            attributes.push(("CLASSORIGIN", origin));
        }
        if origin != self.class.name {
            attributes.push(("PROPAGATED", "true"));
        }
    }

    /// The qualifiers of a member, and those that go without saying in MOF.
    fn marks(
        &self,
        writer: &mut Writer,
        written: &[(String, Value)],
        kind: &CimType,
        implied: &[(&str, bool)],
    ) {
        if !self.shape.qualifiers {
            return;
        }
        self.qualifiers(writer, written);
        let is_written = |name: &str| written.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        for (name, truth) in implied.iter().filter(|(name, truth)| *truth && !is_written(name)) {
            self.qualifier(writer, name, &(*truth).into());
        }
        if let CimType::Embedded(class) = kind
            && !is_written("EmbeddedInstance")
        {
            self.qualifier(writer, "EmbeddedInstance", &class.as_str().into());
        }
    }

    fn qualifiers(&self, writer: &mut Writer, written: &[(String, Value)]) {
        if self.shape.qualifiers {
            written.iter().for_each(|(name, value)| self.qualifier(writer, name, value));
        }
    }

    fn qualifier(&self, writer: &mut Writer, name: &str, value: &Value) {
        qualifier::write(writer, self.schema, name, &self.shape.truth.of(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Element, Node, parse};

    fn declared(schema: &Schema, class: &str, shape: &Shape<'_>) -> String {
        let mut writer = Writer::new();
        write(&mut writer, schema, schema.class(class).unwrap(), shape);
        writer.finish()
    }

    fn sample() -> Schema {
        let mof = r#"
            Qualifier Key : boolean = false, Scope(property), Flavor(DisableOverride, ToSubclass);
            Qualifier Abstract : boolean = false, Scope(class), Flavor(Restricted);
            Qualifier In : boolean = true, Scope(parameter), Flavor(DisableOverride, ToSubclass);
            Qualifier Out : boolean = false, Scope(parameter), Flavor(DisableOverride, ToSubclass);
            Qualifier Values : string[], Scope(property), Flavor(EnableOverride, ToSubclass, Translatable);
            Qualifier Max : uint32 = null, Scope(property), Flavor(EnableOverride, ToSubclass);
            [Abstract] class A { [Key] string ID; uint8 Bytes[] = {1, 2}; };
            class B : A {
                [Values{"x<", "y"}, Max(3)] uint32 State = 4;
                datetime At = "20240102030405.000000+000";
                A Part; A Parts[]; real64 Ratio = 2;
                A ref Owner;
                boolean Done = false;
                sint32 Run([In] string Name, uint32 Numbers[], [In(false), Out] A Made, [In, Out] A ref Which, A ref All[]);
            };
        "#;
        Schema::read(&[("sample.mof", mof)]).unwrap()
    }

    #[test]
    fn a_class_is_declared_with_everything() {
        let text = declared(&sample(), "B", &Shape::WHOLE);
        let expect = concat!(
            r#"<CLASS NAME="B" SUPERCLASS="A" DERIVATION="A">"#,
            r#"<PROPERTY NAME="ID" TYPE="string" CLASSORIGIN="A" PROPAGATED="true">"#,
            r#"<QUALIFIER NAME="Key" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER></PROPERTY>"#,
            r#"<PROPERTY.ARRAY NAME="Bytes" TYPE="uint8" CLASSORIGIN="A" PROPAGATED="true">"#,
            r#"<VALUE.ARRAY><VALUE>1</VALUE><VALUE>2</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"#,
            r#"<PROPERTY NAME="State" TYPE="uint32" CLASSORIGIN="B">"#,
            r#"<QUALIFIER NAME="Values" TYPE="string" TRANSLATABLE="true"><VALUE.ARRAY><VALUE>x&lt;</VALUE><VALUE>y</VALUE></VALUE.ARRAY></QUALIFIER>"#,
            r#"<QUALIFIER NAME="Max" TYPE="uint32"><VALUE>3</VALUE></QUALIFIER><VALUE>4</VALUE></PROPERTY>"#,
            r#"<PROPERTY NAME="At" TYPE="datetime" CLASSORIGIN="B"><VALUE>20240102030405.000000+000</VALUE></PROPERTY>"#,
            r#"<PROPERTY NAME="Part" TYPE="string" CLASSORIGIN="B">"#,
            r#"<QUALIFIER NAME="EmbeddedInstance" TYPE="string"><VALUE>A</VALUE></QUALIFIER></PROPERTY>"#,
            r#"<PROPERTY.ARRAY NAME="Parts" TYPE="string" CLASSORIGIN="B">"#,
            r#"<QUALIFIER NAME="EmbeddedInstance" TYPE="string"><VALUE>A</VALUE></QUALIFIER></PROPERTY.ARRAY>"#,
            r#"<PROPERTY NAME="Ratio" TYPE="real64" CLASSORIGIN="B"><VALUE>2.0</VALUE></PROPERTY>"#,
            r#"<PROPERTY.REFERENCE NAME="Owner" REFERENCECLASS="A" CLASSORIGIN="B"></PROPERTY.REFERENCE>"#,
            r#"<PROPERTY NAME="Done" TYPE="boolean" CLASSORIGIN="B"><VALUE>FALSE</VALUE></PROPERTY>"#,
            r#"<METHOD NAME="Run" TYPE="sint32" CLASSORIGIN="B">"#,
            r#"<PARAMETER NAME="Name" TYPE="string"><QUALIFIER NAME="In" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER>"#,
            r#"<PARAMETER.ARRAY NAME="Numbers" TYPE="uint32"><QUALIFIER NAME="In" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER.ARRAY>"#,
            r#"<PARAMETER NAME="Made" TYPE="string"><QUALIFIER NAME="In" TYPE="boolean" OVERRIDABLE="false"><VALUE>FALSE</VALUE></QUALIFIER>"#,
            r#"<QUALIFIER NAME="Out" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER>"#,
            r#"<QUALIFIER NAME="EmbeddedInstance" TYPE="string"><VALUE>A</VALUE></QUALIFIER></PARAMETER>"#,
            r#"<PARAMETER.REFERENCE NAME="Which" REFERENCECLASS="A"><QUALIFIER NAME="In" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER>"#,
            r#"<QUALIFIER NAME="Out" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER.REFERENCE>"#,
            r#"<PARAMETER.REFARRAY NAME="All" REFERENCECLASS="A"><QUALIFIER NAME="In" TYPE="boolean" OVERRIDABLE="false"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER.REFARRAY>"#,
            r#"</METHOD></CLASS>"#,
        );
        assert_eq!(text, expect);
    }

    #[test]
    fn less_is_declared_where_less_is_asked_for() {
        let schema = sample();
        let names = |text: &str| -> Vec<String> {
            let document = parse(text).unwrap();
            let elements = document.root_element().elements();
            elements.filter_map(|one| one.attr("NAME")).map(str::to_owned).collect()
        };
        let local = declared(&schema, "B", &Shape { local_only: true, ..Shape::default() });
        assert_eq!(names(&local), ["State", "At", "Part", "Parts", "Ratio", "Owner", "Done", "Run"]);
        assert!(
            !local.contains("QUALIFIER") && !local.contains("CLASSORIGIN") && !local.contains("DERIVATION")
        );
        let listed = ["state".to_owned(), "id".to_owned()];
        let some = declared(&schema, "B", &Shape { properties: Some(&listed), ..Shape::default() });
        assert_eq!(names(&some), ["ID", "State", "Run"]);
        let none = declared(&schema, "B", &Shape { properties: Some(&[]), ..Shape::default() });
        assert_eq!(names(&none), ["Run"]);
        let abstracted = declared(&schema, "A", &Shape { qualifiers: true, ..Shape::default() });
        assert!(abstracted.starts_with(
            r#"<CLASS NAME="A"><QUALIFIER NAME="Abstract" TYPE="boolean" TOSUBCLASS="false"><VALUE>TRUE"#
        ));
    }

    #[test]
    fn every_shipped_class_is_declared_whole() {
        let schema = Schema::shipped();
        for class in schema.classes() {
            let text = declared(schema, &class.name, &Shape::WHOLE);
            let document = parse(&text).unwrap();
            let root = document.root_element();
            let count = |element: &str| {
                root.elements().filter(|one| one.tag_name().name().starts_with(element)).count()
            };
            assert_eq!(count("PROPERTY"), class.properties.len(), "{}", class.name);
            assert_eq!(count("METHOD"), class.methods.len(), "{}", class.name);
            let keys = root.elements().filter(|one| has_key(*one)).count();
            assert_eq!(keys, class.keys().len(), "{}", class.name);
            assert!(!text.contains("/>"), "{} is written in open and close tags", class.name);
        }
    }

    fn has_key(property: Node<'_, '_>) -> bool {
        property.elements_named("", "QUALIFIER").any(|one| one.attr("NAME") == Some("Key"))
    }
}
