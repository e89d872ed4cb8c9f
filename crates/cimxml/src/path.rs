//! Object paths in the elements of DSP0201 (INSTANCENAME and what stands around it), both ways.

use cim::{CimType, ObjectPath, Value};
use provider::ClassInfo;
use xml::class::{scalar, type_name};
use xml::{Element, Node, Writer};

use crate::message::value;
use crate::space::normalized;
use crate::status::OperationError;

/// The most keys that are read of one path.
const KEYS_MAX: usize = 16;
/// How deep the references of keys may nest.
const REFERENCES_DEEP_MAX: usize = 4;

/// Reads any of the elements that name an object; a class has no keys.
pub(crate) fn read(node: Node<'_, '_>) -> Result<ObjectPath, OperationError> {
    read_at(node, 0)
}

fn read_at(node: Node<'_, '_>, depth: usize) -> Result<ObjectPath, OperationError> {
    if depth > REFERENCES_DEEP_MAX {
        return Err(OperationError::parameter("references nest too deep"));
    }
    match node.tag_name().name() {
        "INSTANCENAME" => instance_name(node, depth),
        "CLASSNAME" => Ok(ObjectPath::new(attribute(node, "NAME")?, [])),
        "INSTANCEPATH" | "LOCALINSTANCEPATH" | "CLASSPATH" | "LOCALCLASSPATH" => {
            let (space, name) = two(node)?;
            let path = read_at(name, depth)?;
            let local = space.child("", "LOCALNAMESPACEPATH").unwrap_or(space);
            Ok(ObjectPath { namespace: Some(namespace(local)?), ..path })
        }
        "OBJECTPATH" | "VALUE.REFERENCE" => {
            let inner = node.elements().next().ok_or_else(|| missing("the path of an object"))?;
            read_at(inner, depth + 1)
        }
        other => Err(OperationError::parameter(format!("{other} names no object"))),
    }
}

fn two<'a, 'b>(node: Node<'a, 'b>) -> Result<(Node<'a, 'b>, Node<'a, 'b>), OperationError> {
    let mut elements = node.elements();
    elements.next().zip(elements.next()).ok_or_else(|| missing("namespace and name"))
}

fn missing(what: &str) -> OperationError {
    OperationError::parameter(format!("{what} is missing"))
}

/// An attribute that must be there.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, OperationError> {
    let missing =
        || OperationError::parameter(format!("{} needs the attribute {name}", node.tag_name().name()));
    node.attr(name).ok_or_else(missing)
}

/// A LOCALNAMESPACEPATH, its parts joined by slashes.
pub(crate) fn namespace(node: Node<'_, '_>) -> Result<String, OperationError> {
    let parts: Result<Vec<_>, _> =
        node.elements_named("", "NAMESPACE").map(|part| attribute(part, "NAME")).collect();
    Ok(normalized(&parts?.join("/")))
}

fn instance_name(node: Node<'_, '_>, depth: usize) -> Result<ObjectPath, OperationError> {
    let class = attribute(node, "CLASSNAME")?;
    let mut keys: Vec<(String, Value)> = Vec::new();
    for element in node.elements() {
        let (name, held) = match element.tag_name().name() {
            "KEYBINDING" => (attribute(element, "NAME")?, element.elements().next()),
            // The only key of its class.
            _ => ("", Some(element)),
        };
        let held = held.ok_or_else(|| missing("the value of a key"))?;
        if keys.len() == KEYS_MAX || keys.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(OperationError::parameter("a key is given twice, or there are too many"));
        }
        keys.push((name.to_owned(), key(held, depth)?));
    }
    if keys.is_empty() {
        // The one instance of a class without keys.
        keys.push((String::new(), Value::Null));
    }
    Ok(ObjectPath::new(class, keys))
}

fn key(node: Node<'_, '_>, depth: usize) -> Result<Value, OperationError> {
    if node.is("", "VALUE.REFERENCE") {
        return read_at(node, depth).map(Value::Reference);
    }
    if !node.is("", "KEYVALUE") {
        return Err(OperationError::parameter("a key holds KEYVALUE or VALUE.REFERENCE"));
    }
    let text = node.text_of();
    match node.attr("VALUETYPE").unwrap_or("string") {
        "numeric" => value::number(&text),
        "boolean" => value::boolean(&text),
        _ => Ok(Value::String(text.into_owned())),
    }
}

/// Writes an INSTANCENAME.
pub(crate) fn write_name(writer: &mut Writer, class: &ClassInfo, path: &ObjectPath) {
    let attributes = [("CLASSNAME", path.class.as_str())];
    if path.is_singleton() {
        return writer.leaf("INSTANCENAME", &attributes, "");
    }
    writer.open("INSTANCENAME", &attributes);
    for (name, value) in &path.keys {
        let kind = class.property(name).map(|property| &property.kind);
        writer.open("KEYBINDING", &[("NAME", name)]);
        write_key(writer, kind, value);
        writer.close();
    }
    writer.close();
}

fn write_key(writer: &mut Writer, kind: Option<&CimType>, value: &Value) {
    if let Value::Reference(path) = value {
        return write_reference(writer, path);
    }
    let text = scalar(value).unwrap_or_default();
    let sort = match value {
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Real(_) => "numeric",
        _ => "string",
    };
    let kind = kind.map(type_name);
    let mut attributes = vec![("VALUETYPE", sort)];
    attributes.extend(kind.iter().map(|kind| ("TYPE", kind.as_str())));
    writer.leaf("KEYVALUE", &attributes, &text);
}

/// Writes a VALUE.REFERENCE, with as much around the name as the path says.
pub(crate) fn write_reference(writer: &mut Writer, path: &ObjectPath) {
    writer.open("VALUE.REFERENCE", &[]);
    write_any(writer, path);
    writer.close();
}

/// Writes an INSTANCEPATH: server, namespace and name.
pub(crate) fn write_path(
    writer: &mut Writer,
    class: &ClassInfo,
    server: &str,
    namespace: &str,
    path: &ObjectPath,
) {
    writer.open("INSTANCEPATH", &[]);
    write_namespace_path(writer, server, namespace);
    write_name(writer, class, path);
    writer.close();
}

/// Writes a CLASSPATH: server, namespace and class.
pub(crate) fn write_class_path(writer: &mut Writer, server: &str, namespace: &str, class: &str) {
    writer.open("CLASSPATH", &[]);
    write_namespace_path(writer, server, namespace);
    writer.empty("CLASSNAME", &[("NAME", class)]);
    writer.close();
}

/// Writes a NAMESPACEPATH: server and namespace.
fn write_namespace_path(writer: &mut Writer, server: &str, namespace: &str) {
    writer.open("NAMESPACEPATH", &[]);
    writer.leaf("HOST", &[], server);
    write_namespace(writer, namespace);
    writer.close();
}

fn write_namespace(writer: &mut Writer, namespace: &str) {
    writer.open("LOCALNAMESPACEPATH", &[]);
    for part in namespace.split(['/', '\\']).filter(|part| !part.is_empty()) {
        writer.empty("NAMESPACE", &[("NAME", part)]);
    }
    writer.close();
}

fn write_any(writer: &mut Writer, path: &ObjectPath) {
    let is_class = path.keys.is_empty();
    match (&path.server, &path.namespace) {
        (Some(server), Some(namespace)) => {
            writer.open(if is_class { "CLASSPATH" } else { "INSTANCEPATH" }, &[]);
            write_namespace_path(writer, server, namespace);
        }
        (None, Some(namespace)) => {
            writer.open(if is_class { "LOCALCLASSPATH" } else { "LOCALINSTANCEPATH" }, &[]);
            write_namespace(writer, namespace);
        }
        (_, None) => return write_bare(writer, path),
    }
    write_bare(writer, path);
    writer.close();
}

fn write_bare(writer: &mut Writer, path: &ObjectPath) {
    if path.keys.is_empty() {
        return writer.empty("CLASSNAME", &[("NAME", &path.class)]);
    }
    writer.open("INSTANCENAME", &[("CLASSNAME", &path.class)]);
    for (name, value) in &path.keys {
        writer.open("KEYBINDING", &[("NAME", name)]);
        write_key(writer, None, value);
        writer.close();
    }
    writer.close();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<ObjectPath, String> {
        let document = xml::parse(text).unwrap();
        read(document.root_element()).map_err(|error| error.to_string())
    }

    const SPACE: &str =
        r#"<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="sms"/></LOCALNAMESPACEPATH>"#;

    #[test]
    fn every_form_of_a_path_is_read() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parsed(text).map(|path| path.to_string()).as_deref(), Ok(expect), "{text}");
        };
        let name = r#"<INSTANCENAME CLASSNAME="A"><KEYBINDING NAME="b"><KEYVALUE VALUETYPE="string">x"y</KEYVALUE></KEYBINDING><KEYBINDING NAME="C"><KEYVALUE VALUETYPE="numeric" TYPE="uint32"> 0x10 </KEYVALUE></KEYBINDING></INSTANCENAME>"#;
        check(name, r#"A.b="x\"y",C=16"#);
        check(
            &format!("<LOCALINSTANCEPATH>{SPACE}{name}</LOCALINSTANCEPATH>"),
            r#"root/sms:A.b="x\"y",C=16"#,
        );
        check(
            &format!(
                "<INSTANCEPATH><NAMESPACEPATH><HOST>h</HOST>{SPACE}</NAMESPACEPATH>{name}</INSTANCEPATH>"
            ),
            r#"root/sms:A.b="x\"y",C=16"#,
        );
        check(r#"<INSTANCENAME CLASSNAME="A"><KEYVALUE>x</KEYVALUE></INSTANCENAME>"#, r#"A="x""#);
        check(
            r#"<INSTANCENAME CLASSNAME="A"><KEYVALUE VALUETYPE="boolean">True</KEYVALUE></INSTANCENAME>"#,
            "A=TRUE",
        );
        check(r#"<INSTANCENAME CLASSNAME="A"/>"#, "A=@");
        check(r#"<CLASSNAME NAME="A"/>"#, "A");
        check(&format!(r#"<LOCALCLASSPATH>{SPACE}<CLASSNAME NAME="A"/></LOCALCLASSPATH>"#), "root/sms:A");
        check(
            &format!(
                r#"<INSTANCENAME CLASSNAME="R"><KEYBINDING NAME="One"><VALUE.REFERENCE><LOCALINSTANCEPATH>{SPACE}<INSTANCENAME CLASSNAME="A"><KEYVALUE>x</KEYVALUE></INSTANCENAME></LOCALINSTANCEPATH></VALUE.REFERENCE></KEYBINDING></INSTANCENAME>"#
            ),
            r#"R.One="root/sms:A=\"x\"""#,
        );
        check(
            r#"<INSTANCENAME CLASSNAME="A"><VALUE.REFERENCE><CLASSNAME NAME="B"/></VALUE.REFERENCE></INSTANCENAME>"#,
            r#"A="B""#,
        );
        // All parts in one element, as some clients join them.
        let joined = r#"<LOCALNAMESPACEPATH><NAMESPACE NAME="/root/sms"/></LOCALNAMESPACEPATH>"#;
        check(&format!(r#"<LOCALCLASSPATH>{joined}<CLASSNAME NAME="A"/></LOCALCLASSPATH>"#), "root/sms:A");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "<INSTANCENAME/>",
            "<CLASSNAME/>",
            "<VALUE>x</VALUE>",
            "<INSTANCEPATH/>",
            "<VALUE.REFERENCE/>",
            r#"<INSTANCENAME CLASSNAME="A"><KEYBINDING NAME="b"/></INSTANCENAME>"#,
            r#"<INSTANCENAME CLASSNAME="A"><KEYBINDING><KEYVALUE/></KEYBINDING></INSTANCENAME>"#,
            r#"<INSTANCENAME CLASSNAME="A"><KEYVALUE VALUETYPE="numeric">x</KEYVALUE></INSTANCENAME>"#,
            r#"<INSTANCENAME CLASSNAME="A"><KEYVALUE VALUETYPE="boolean">x</KEYVALUE></INSTANCENAME>"#,
            r#"<INSTANCENAME CLASSNAME="A"><KEYVALUE/><KEYVALUE/></INSTANCENAME>"#,
        ] {
            assert!(parsed(text).is_err(), "{text}: {:?}", parsed(text));
        }
        let key = r#"<INSTANCENAME CLASSNAME="A"><KEYBINDING NAME="k"><VALUE.REFERENCE>"#;
        let end = "</VALUE.REFERENCE></KEYBINDING></INSTANCENAME>";
        let deep = format!("{}<CLASSNAME NAME=\"B\"/>{}", key.repeat(6), end.repeat(6));
        assert!(parsed(&deep).unwrap_err().contains("nest"));
    }

    fn any_key() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[ -~üß\u{20ac}]{0,20}".prop_map(Value::String),
            any::<i64>().prop_map(|number| Value::Integer(number.into())),
            any::<bool>().prop_map(Value::Boolean),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(keys in prop::collection::btree_map("[A-Z][a-z]{1,5}", any_key(), 1..4), space in prop::option::of(Just("root/sms".to_owned()))) {
            let path = ObjectPath { namespace: space, ..ObjectPath::new("A", keys) };
            let outer = ObjectPath::new("R", [("One".to_owned(), Value::Reference(path))]);
            let mut writer = Writer::new();
            write_reference(&mut writer, &outer);
            prop_assert_eq!(parsed(&writer.finish()), Ok(outer));
        }
    }
}
