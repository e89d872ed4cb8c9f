//! Instances and values in the elements of DSP0201.

use std::cmp::Ordering;
use std::collections::HashSet;

use cim::{CimType, Instance, Value};
use provider::{ClassInfo, Schema};
use xml::Writer;
use xml::class::{type_name, write_value};

use crate::path;

/// How objects are written for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder {
    pub(crate) schema: &'static Schema,
    /// wbemcli's parser ends at the attribute `EmbeddedObject` of an array.
    pub(crate) is_wbemcli: bool,
}

/// How much of an instance is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    /// With the class that each property comes from.
    pub(crate) class_origin: bool,
    /// Only these; none means all.
    pub(crate) properties: Option<PropertyList>,
    /// Only what this class has, where instances of its subclasses are written as its own.
    pub(crate) only_of: Option<&'static ClassInfo>,
}

/// The names of a PropertyList: clients may list thousands, and each row asks for each of its properties.
#[derive(Debug, Clone)]
pub(crate) struct PropertyList {
    /// As the client wrote them and in its order, each once.
    pub(crate) names: Vec<String>,
    /// In lower case and sorted.
    sorted: Vec<String>,
}

impl PropertyList {
    pub(crate) fn new(names: &[String]) -> Self {
        let mut seen = HashSet::new();
        let names = names.iter().filter(|name| seen.insert(name.to_ascii_lowercase())).cloned().collect();
        let mut sorted: Vec<_> = seen.into_iter().collect();
        sorted.sort_unstable();
        Self { names, sorted }
    }

    /// Whether a property is listed, in any case.
    fn has(&self, name: &str) -> bool {
        let against = |listed: &String| -> Ordering {
            listed.bytes().cmp(name.bytes().map(|byte| byte.to_ascii_lowercase()))
        };
        self.sorted.binary_search_by(against).is_ok()
    }
}

impl Shape {
    fn shows(&self, name: &str) -> bool {
        self.properties.as_ref().is_none_or(|listed| listed.has(name))
            && self.only_of.is_none_or(|class| class.property(name).is_some())
    }
}

impl Encoder {
    /// Writes an INSTANCE with the properties that it carries.
    pub(crate) fn instance(&self, writer: &mut Writer, instance: &Instance, shape: &Shape) {
        let class = self.schema.class(&instance.class);
        writer.open("INSTANCE", &[("CLASSNAME", &instance.class)]);
        for (name, value) in instance.properties.iter().filter(|(name, _)| shape.shows(name)) {
            self.property(writer, class, name, value, shape.class_origin);
        }
        writer.close();
    }

    fn property(
        &self,
        writer: &mut Writer,
        class: Option<&ClassInfo>,
        name: &str,
        value: &Value,
        class_origin: bool,
    ) {
        let declared = class.and_then(|class| class.property(name));
        let (kind, array) = declared.map_or_else(|| kind_of(value), |one| (one.kind.clone(), one.array));
        let mut attributes = vec![("NAME", name)];
        let element = element(&mut attributes, &kind, array);
        if let Some(class) = class {
            let origin = class.origin(name);
            if class_origin {
                attributes.push(("CLASSORIGIN", origin));
            }
            if origin != class.name {
                attributes.push(("PROPAGATED", "true"));
            }
        }
        self.mark(&mut attributes, &kind, array);
        writer.open(element, &attributes);
        self.value(writer, &kind, value);
        writer.close();
    }

    /// Writes RETURNVALUE, or with a name a PARAMVALUE.
    pub(crate) fn result(
        &self,
        writer: &mut Writer,
        name: Option<&str>,
        kind: &CimType,
        array: bool,
        value: &Value,
    ) {
        let stated = type_name(kind);
        let mut attributes: Vec<_> = name.iter().map(|name| ("NAME", *name)).collect();
        attributes.push(("PARAMTYPE", &stated));
        self.mark(&mut attributes, kind, array);
        writer.open(if name.is_some() { "PARAMVALUE" } else { "RETURNVALUE" }, &attributes);
        self.value(writer, kind, value);
        writer.close();
    }

    fn mark(&self, attributes: &mut Vec<(&str, &str)>, kind: &CimType, array: bool) {
        let mark = match kind {
            _ if array && self.is_wbemcli => return,
            CimType::Embedded(_) => "instance",
            CimType::Object => "object",
            _ => return,
        };
        attributes.push(("EmbeddedObject", mark));
    }

    /// Writes VALUE, VALUE.ARRAY, VALUE.REFERENCE; nothing for null.
    pub(crate) fn value(&self, writer: &mut Writer, kind: &CimType, value: &Value) {
        match (kind, value) {
            (_, Value::Null) => {}
            (CimType::Reference(_), Value::Array(elements)) => {
                writer.open("VALUE.REFARRAY", &[]);
                elements.iter().for_each(|element| self.value(writer, kind, element));
                writer.close();
            }
            (CimType::Embedded(_) | CimType::Object, Value::Array(elements)) => {
                writer.open("VALUE.ARRAY", &[]);
                for element in elements {
                    match element {
                        Value::Null => writer.leaf("VALUE.NULL", &[], ""),
                        held => self.value(writer, kind, held),
                    }
                }
                writer.close();
            }
            (_, Value::Instance(held)) => {
                let mut inner = Writer::new();
                self.instance(&mut inner, held, &Shape::default());
                writer.leaf("VALUE", &[], &inner.finish());
            }
            (_, Value::Reference(path)) => path::write_reference(writer, path),
            (_, plain) => write_value(writer, plain),
        }
    }
}

fn element<'a>(attributes: &mut Vec<(&'a str, &'a str)>, kind: &'a CimType, array: bool) -> &'static str {
    match kind {
        CimType::Reference(class) => {
            attributes.push(("REFERENCECLASS", class));
            "PROPERTY.REFERENCE"
        }
        kind => {
            attributes.push(("TYPE", keyword(kind)));
            if array { "PROPERTY.ARRAY" } else { "PROPERTY" }
        }
    }
}

fn keyword(kind: &CimType) -> &'static str {
    match kind {
        CimType::Boolean => "boolean",
        CimType::Uint8 => "uint8",
        CimType::Uint16 => "uint16",
        CimType::Uint32 => "uint32",
        CimType::Uint64 => "uint64",
        CimType::Sint8 => "sint8",
        CimType::Sint16 => "sint16",
        CimType::Sint32 => "sint32",
        CimType::Sint64 => "sint64",
        CimType::Real32 => "real32",
        CimType::Real64 => "real64",
        CimType::Char16 => "char16",
        CimType::DateTime => "datetime",
        CimType::String | CimType::Embedded(_) | CimType::Object | CimType::Reference(_) => "string",
    }
}

/// The type of what no class declares: the columns of a row of several classes.
fn kind_of(value: &Value) -> (CimType, bool) {
    match value {
        Value::Boolean(_) => (CimType::Boolean, false),
        Value::Integer(_) => (CimType::Sint64, false),
        Value::Real(_) => (CimType::Real64, false),
        Value::DateTime(_) => (CimType::DateTime, false),
        Value::Reference(path) => (CimType::Reference(path.class.clone()), false),
        Value::Instance(instance) => (CimType::Embedded(instance.class.clone()), false),
        Value::Null | Value::String(_) => (CimType::String, false),
        Value::Array(elements) => (elements.first().map_or(CimType::String, |first| kind_of(first).0), true),
    }
}

#[cfg(test)]
mod tests {
    use xml::Element;

    use super::*;
    use crate::message::value;

    const ENCODER: fn(bool) -> Encoder = |is_wbemcli| Encoder { schema: Schema::shipped(), is_wbemcli };

    fn package() -> Instance {
        let mut token = Instance::new("SMS_ST_RecurInterval");
        token.set("DaySpan", 7);
        token.set("StartTime", Value::text("a <b> & \"c\""));
        let mut instance = Instance::new("SMS_DriverPackage");
        instance.set("PackageID", "PS100001");
        instance.set("Description", "");
        instance.set("Icon", Value::Array(vec![Value::Integer(1), Value::Integer(255)]));
        instance.set("Manufacturer", Value::Null);
        instance.set("RefreshSchedule", Value::Array(vec![Value::Instance(Box::new(token))]));
        instance
    }

    fn written(is_wbemcli: bool, shape: &Shape) -> String {
        let mut writer = Writer::new();
        ENCODER(is_wbemcli).instance(&mut writer, &package(), shape);
        writer.finish()
    }

    #[test]
    fn instances_are_written_with_types_and_nulls() {
        let text = written(false, &Shape::default());
        for part in [
            r#"<INSTANCE CLASSNAME="SMS_DriverPackage"><PROPERTY NAME="PackageID" TYPE="string" PROPAGATED="true"><VALUE>PS100001</VALUE></PROPERTY>"#,
            r#"<VALUE></VALUE>"#,
            r#"<VALUE.ARRAY><VALUE>1</VALUE><VALUE>255</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"#,
            r#"<PROPERTY NAME="Manufacturer" TYPE="string" PROPAGATED="true"></PROPERTY>"#,
            r#"<PROPERTY.ARRAY NAME="RefreshSchedule" TYPE="string" PROPAGATED="true" EmbeddedObject="instance"><VALUE.ARRAY><VALUE>&lt;INSTANCE CLASSNAME="SMS_ST_RecurInterval"&gt;"#,
            "a &amp;lt;b&amp;gt; &amp;amp; ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("/>"));
    }

    #[test]
    fn wbemcli_gets_no_marks_on_arrays() {
        assert!(!written(true, &Shape::default()).contains("EmbeddedObject"));
    }

    #[test]
    fn shapes_choose_properties_in_any_case() {
        let listed = Shape {
            properties: Some(PropertyList::new(&["PACKAGEID".to_owned()])),
            class_origin: true,
            ..Shape::default()
        };
        let text = written(false, &listed);
        assert_eq!(text.matches("<PROPERTY").count(), 1, "{text}");
        assert!(text.contains("CLASSORIGIN="), "{text}");
        let none = Shape { properties: Some(PropertyList::new(&[])), ..Shape::default() };
        assert_eq!(written(false, &none), r#"<INSTANCE CLASSNAME="SMS_DriverPackage"></INSTANCE>"#);
    }

    #[test]
    fn lists_of_properties_have_no_case_and_name_each_once() {
        let written = ["PackageID", "zeta", "PACKAGEID", "Icon", "icon"].map(str::to_owned);
        let list = PropertyList::new(&written);
        assert_eq!(list.names, ["PackageID", "zeta", "Icon"]);
        for (name, expect) in
            [("packageid", true), ("ICON", true), ("Zeta", true), ("Ico", false), ("", false)]
        {
            assert_eq!(list.has(name), expect, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = written(false, &Shape::default());
        let document = xml::parse(&text).unwrap();
        assert!(document.root_element().is("", "INSTANCE"));
        let again = value::instance(document.root_element(), Schema::shipped()).unwrap();
        assert_eq!(again, package());
    }
}
