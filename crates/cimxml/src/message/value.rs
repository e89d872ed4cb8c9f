//! Values of DSP0201, read: by the type that the message states, else by what the schema declares. What a value must
//! be in the end the provider checks.

use cim::{CimType, Instance, Value};
use provider::Schema;
use xml::{Element, Node};

use crate::path::{self, attribute};
use crate::status::OperationError;

/// The most properties of one instance; no class declares half as many, and each is compared with all before it.
pub(crate) const PROPERTIES_MAX: usize = 512;
/// How deep instances may hold instances. Each level is a document in a text of the one around it.
const EMBEDDED_DEEP_MAX: usize = 8;

/// The value below a PROPERTY, PARAMVALUE or IPARAMVALUE element of any kind.
pub(crate) fn read(
    node: Node<'_, '_>,
    stated: Option<&str>,
    declared: Option<&CimType>,
    schema: &Schema,
) -> Result<Value, OperationError> {
    Reader { schema, depth: 0 }.value(node, stated, declared)
}

/// An INSTANCE.
pub(crate) fn instance(node: Node<'_, '_>, schema: &Schema) -> Result<Instance, OperationError> {
    Reader { schema, depth: 0 }.instance(node)
}

/// Decimal with an optional sign, hexadecimal, or with a point or exponent.
pub(crate) fn number(text: &str) -> Result<Value, OperationError> {
    match CimType::Sint64.fit(Value::text(text)).or_else(|_| CimType::Uint64.fit(Value::text(text))) {
        Ok(number) => Ok(number),
        Err(_) => real(text),
    }
}

fn real(text: &str) -> Result<Value, OperationError> {
    let number = match text.trim() {
        "INF" | "+INF" => Ok(f64::INFINITY),
        "-INF" => Ok(f64::NEG_INFINITY),
        plain => plain.parse(),
    };
    number.map(Value::Real).map_err(|_| OperationError::parameter(format!("{} is no number", shown(text))))
}

/// TRUE or FALSE, in any case.
pub(crate) fn boolean(text: &str) -> Result<Value, OperationError> {
    match text.trim() {
        truth if truth.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        truth if truth.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        _ => Err(OperationError::parameter(format!("{} is neither TRUE nor FALSE", shown(text)))),
    }
}

/// The beginning of a text, to name it by.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

struct Reader<'a> {
    schema: &'a Schema,
    depth: usize,
}

impl Reader<'_> {
    fn instance(&self, node: Node<'_, '_>) -> Result<Instance, OperationError> {
        let name = attribute(node, "CLASSNAME")?;
        let class = self.schema.class(name);
        let mut instance = Instance::new(name);
        for element in node.elements() {
            if !matches!(element.tag_name().name(), "PROPERTY" | "PROPERTY.ARRAY" | "PROPERTY.REFERENCE") {
                continue;
            }
            let name = attribute(element, "NAME")?;
            if instance.properties.len() == PROPERTIES_MAX || instance.get(name).is_some() {
                return Err(OperationError::parameter(format!(
                    "{name} is given twice, or there are too many"
                )));
            }
            let declared = class.and_then(|class| class.property(name)).map(|property| &property.kind);
            let value = self.value(element, element.attr("TYPE"), declared)?;
            instance.properties.push((name.to_owned(), value));
        }
        Ok(instance)
    }

    fn value(
        &self,
        node: Node<'_, '_>,
        stated: Option<&str>,
        declared: Option<&CimType>,
    ) -> Result<Value, OperationError> {
        // The older spelling is still sent.
        let mark = node.attr("EmbeddedObject").or_else(|| node.attr("EMBEDDEDOBJECT"));
        let is_embedded = mark.is_some() || matches!(declared, Some(CimType::Embedded(_) | CimType::Object));
        let Some(held) = node.elements().find(|one| !one.is("", "QUALIFIER")) else { return Ok(Value::Null) };
        let kind = stated.and_then(CimType::from_keyword).or_else(|| declared.cloned());
        let single = |one: Node<'_, '_>| match one.tag_name().name() {
            "VALUE" if is_embedded => self.embedded(&one.text_of()),
            "VALUE" => typed(&one.text_of(), kind.as_ref()),
            "VALUE.NULL" => Ok(Value::Null),
            _ => path::read(one).map(Value::Reference),
        };
        match held.tag_name().name() {
            "VALUE.ARRAY" | "VALUE.REFARRAY" => {
                held.elements().map(single).collect::<Result<_, _>>().map(Value::Array)
            }
            _ => single(held),
        }
    }

    /// An instance in a text, which is a document of its own.
    fn embedded(&self, text: &str) -> Result<Value, OperationError> {
        let invalid =
            |reason: &str| OperationError::parameter(format!("an embedded instance is not valid: {reason}"));
        // An empty text is how some clients write that there is none.
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        if self.depth == EMBEDDED_DEEP_MAX {
            return Err(invalid("instances nest too deep"));
        }
        let document = xml::parse(text.trim_start()).map_err(|error| invalid(&error.to_string()))?;
        let root = document.root_element();
        if !root.is("", "INSTANCE") {
            return Err(invalid("INSTANCE is needed"));
        }
        let inner = Reader { depth: self.depth + 1, ..*self };
        inner.instance(root).map(|instance| Value::Instance(Box::new(instance)))
    }
}

fn typed(text: &str, kind: Option<&CimType>) -> Result<Value, OperationError> {
    match kind {
        Some(CimType::Boolean) => boolean(text),
        Some(CimType::Real32 | CimType::Real64) => real(text),
        Some(kind) if kind.integer_range().is_some() => {
            kind.fit(Value::text(text)).map_err(|mismatch| OperationError::parameter(mismatch.to_string()))
        }
        Some(CimType::Reference(_)) => CimType::Reference(String::new())
            .fit(Value::text(text))
            .map_err(|mismatch| OperationError::parameter(mismatch.to_string())),
        _ => Ok(Value::text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Instance, String> {
        let document = xml::parse(text).unwrap();
        instance(document.root_element(), Schema::shipped()).map_err(|error| error.to_string())
    }

    fn property(text: &str) -> Result<Value, String> {
        let read = parsed(&format!("<INSTANCE CLASSNAME=\"X\">{text}</INSTANCE>"))?;
        Ok(read.properties.into_iter().next().expect("one property").1)
    }

    fn of(kind: &str, text: &str) -> Result<Value, String> {
        property(&format!("<PROPERTY NAME=\"p\" TYPE=\"{kind}\"><VALUE>{text}</VALUE></PROPERTY>"))
    }

    #[test]
    fn values_are_read_by_their_type() {
        let check =
            |kind: &str, text: &str, expect: Value| assert_eq!(of(kind, text), Ok(expect), "{kind} {text}");
        check("boolean", " True ", Value::Boolean(true));
        check("boolean", "FALSE", Value::Boolean(false));
        check("uint64", "18446744073709551615", Value::Integer(u64::MAX.into()));
        check("sint8", " -128\n", Value::Integer(-128));
        check("uint32", "+7", Value::Integer(7));
        check("uint32", "0xFf", Value::Integer(255));
        check("real64", "-1.5e3", Value::Real(-1500.0));
        check("real32", "INF", Value::Real(f64::INFINITY));
        check("string", " a &amp; <![CDATA[<b>]]> ", Value::text(" a & <b> "));
        check("char16", "x", Value::text("x"));
        check("datetime", "20240102030405.000000+***", Value::text("20240102030405.000000+***"));
        check("unknown", "5", Value::text("5"));
        assert_eq!(property("<PROPERTY NAME=\"p\" TYPE=\"string\"/>"), Ok(Value::Null));
        assert_eq!(
            property(
                "<PROPERTY NAME=\"p\" TYPE=\"string\"><QUALIFIER NAME=\"q\" TYPE=\"boolean\"/></PROPERTY>"
            ),
            Ok(Value::Null)
        );
        assert_eq!(
            property(
                "<PROPERTY.ARRAY NAME=\"p\" TYPE=\"uint8\"><VALUE.ARRAY><VALUE>1</VALUE><VALUE.NULL/></VALUE.ARRAY></PROPERTY.ARRAY>"
            ),
            Ok(Value::Array(vec![Value::Integer(1), Value::Null])),
        );
        let path = r#"<VALUE.REFERENCE><INSTANCENAME CLASSNAME="A"><KEYVALUE>x</KEYVALUE></INSTANCENAME></VALUE.REFERENCE>"#;
        let reference = cim::ObjectPath::parse("A=\"x\"").unwrap();
        assert_eq!(
            property(&format!("<PROPERTY.REFERENCE NAME=\"p\">{path}</PROPERTY.REFERENCE>")),
            Ok(Value::Reference(reference)),
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        for (kind, text) in [
            ("boolean", "1"),
            ("boolean", ""),
            ("uint8", "256"),
            ("uint8", "-1"),
            ("sint32", "x"),
            ("sint32", ""),
            ("real64", "1,5"),
            ("uint32", "1.5"),
        ] {
            assert!(of(kind, text).is_err(), "{kind} {text}: {:?}", of(kind, text));
        }
        assert!(parsed("<INSTANCE/>").is_err());
        assert!(parsed("<INSTANCE CLASSNAME='A'><PROPERTY TYPE='string'/></INSTANCE>").is_err());
        let twice = "<PROPERTY NAME='a' TYPE='string'/><PROPERTY NAME='A' TYPE='string'/>";
        assert!(
            parsed(&format!("<INSTANCE CLASSNAME='A'>{twice}</INSTANCE>")).unwrap_err().contains("twice")
        );
        let many: String =
            (0..=PROPERTIES_MAX).map(|n| format!("<PROPERTY NAME='p{n}' TYPE='string'/>")).collect();
        assert!(parsed(&format!("<INSTANCE CLASSNAME='A'>{many}</INSTANCE>")).unwrap_err().contains("many"));
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    #[test]
    fn embedded_instances_are_documents_in_texts() {
        let token = "<INSTANCE CLASSNAME=\"SMS_ST_RecurInterval\"><PROPERTY NAME=\"DaySpan\" TYPE=\"uint32\"><VALUE>7</VALUE></PROPERTY></INSTANCE>";
        let mut expect = Instance::new("SMS_ST_RecurInterval");
        expect.set("DaySpan", 7);
        let expect = Value::Instance(Box::new(expect));
        for mark in ["EmbeddedObject=\"instance\"", "EMBEDDEDOBJECT=\"object\""] {
            let array = format!(
                "<PROPERTY.ARRAY NAME=\"p\" TYPE=\"string\" {mark}><VALUE.ARRAY><VALUE>{}</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>",
                escaped(token)
            );
            assert_eq!(property(&array), Ok(Value::Array(vec![expect.clone()])));
        }
        let cdata = format!(
            "<PROPERTY NAME=\"p\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE><![CDATA[<?xml version=\"1.0\"?>{token}]]></VALUE></PROPERTY>"
        );
        assert_eq!(property(&cdata), Ok(expect.clone()));
        // Without the mark the schema says so, which wbemcli relies on.
        let unmarked = format!(
            "<INSTANCE CLASSNAME=\"SMS_DriverPackage\"><PROPERTY.ARRAY NAME=\"RefreshSchedule\" TYPE=\"string\"><VALUE.ARRAY><VALUE>{}</VALUE></VALUE.ARRAY></PROPERTY.ARRAY></INSTANCE>",
            escaped(token)
        );
        assert_eq!(parsed(&unmarked).unwrap().get("RefreshSchedule"), Some(&Value::Array(vec![expect])));
    }

    #[test]
    fn embedded_instances_nest_only_so_deep_and_are_escaped_once_for_each_level() {
        let holder = |inner: &str| {
            format!(
                "<INSTANCE CLASSNAME=\"X\"><PROPERTY NAME=\"p\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE>{}</VALUE></PROPERTY></INSTANCE>",
                escaped(inner)
            )
        };
        let nested = |levels: usize| {
            (0..levels).fold("<INSTANCE CLASSNAME=\"X\"></INSTANCE>".to_owned(), |text, _| holder(&text))
        };
        assert!(parsed(&nested(EMBEDDED_DEEP_MAX)).is_ok());
        assert!(parsed(&nested(EMBEDDED_DEEP_MAX + 1)).unwrap_err().contains("too deep"));
        // Escaped twice it is a text, not an instance.
        let twice = format!(
            "<INSTANCE CLASSNAME=\"X\"><PROPERTY NAME=\"p\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE>{}</VALUE></PROPERTY></INSTANCE>",
            escaped(&escaped("<INSTANCE CLASSNAME=\"X\"/>"))
        );
        assert!(parsed(&twice).unwrap_err().contains("not valid"));
        let entity = holder("<!DOCTYPE INSTANCE [<!ENTITY a 'b'>]><INSTANCE CLASSNAME=\"X\"/>");
        assert!(parsed(&entity).unwrap_err().contains("document type"));
        assert!(parsed(&holder("<CLASS NAME=\"X\"/>")).unwrap_err().contains("INSTANCE is needed"));
    }
}
