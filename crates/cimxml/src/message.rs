//! The message of a request: its frame, and what it asks of whom (DSP0201, 5; DSP0200, 5).

mod parameters;
pub(crate) mod value;

use cim::{ObjectPath, Value};
use provider::Schema;
use xml::{Element, Node};

pub(crate) use parameters::{Given, Parameters};

use crate::headers::UNSUPPORTED_PROTOCOL;
use crate::path;
use crate::refusal::Refusal;
use crate::status::OperationError;

/// The longest message id that is sent back, in characters.
const ID_CHARS_MAX: usize = 256;

/// One request.
#[derive(Debug)]
pub(crate) struct Message {
    /// Sent back as it is.
    pub(crate) id: String,
    pub(crate) request: Request,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// An operation of DSP0200.
    Intrinsic {
        /// As written; the answer repeats it.
        name: String,
        namespace: String,
        /// What is wrong with the content of one is the operation's to say.
        parameters: Result<Parameters, OperationError>,
    },
    /// A method of a class or an instance.
    Extrinsic {
        name: String,
        /// The class alone for a static method.
        target: ObjectPath,
        namespace: String,
        parameters: Result<Vec<(String, Value)>, OperationError>,
    },
}

impl Message {
    /// The operation or method, as written.
    pub(crate) fn name(&self) -> &str {
        match &self.request {
            Request::Intrinsic { name, .. } | Request::Extrinsic { name, .. } => name,
        }
    }

    /// The namespace, its parts joined by slashes.
    pub(crate) fn namespace(&self) -> &str {
        match &self.request {
            Request::Intrinsic { namespace, .. } | Request::Extrinsic { namespace, .. } => namespace,
        }
    }

    /// The class whose method is called.
    pub(crate) fn called_class(&self) -> Option<&str> {
        match &self.request {
            Request::Intrinsic { .. } => None,
            Request::Extrinsic { target, .. } => Some(&target.class),
        }
    }
}

/// Reads a text as the message of a request, as the service does before it looks what is asked. For the fuzz target, and
/// for who wants to know what is wrong with a message.
///
/// Errors: what is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    read(text, Schema::shipped()).map(drop).map_err(|refusal| refusal.to_string())
}

/// Reads a message. The schema says which texts are embedded instances where the message does not.
pub(crate) fn read(text: &str, schema: &Schema) -> Result<Message, Refusal> {
    let document = xml::parse(text)?;
    let root = document.root_element();
    if !root.is("", "CIM") {
        return Err(Refusal::not_valid("the root element is CIM, in no namespace"));
    }
    version(root, "CIMVERSION", "2.", "unsupported-cim-version", "CIM versions 2.0 and up are")?;
    version(root, "DTDVERSION", "2.", "unsupported-dtd-version", "versions 2.0 to 2.4 are")?;
    let message = only(root, "MESSAGE")?;
    if !required(message, "PROTOCOLVERSION")?.starts_with("1.") {
        return Err(UNSUPPORTED_PROTOCOL);
    }
    let id = required(message, "ID")?;
    if id.chars().count() > ID_CHARS_MAX {
        return Err(Refusal::not_valid(format!("the message id has more than {ID_CHARS_MAX} characters")));
    }
    let asked = message.elements().next().ok_or_else(|| Refusal::not_valid("MESSAGE holds no request"))?;
    match asked.tag_name().name() {
        "SIMPLEREQ" => {}
        "MULTIREQ" | "MULTIEXPREQ" => {
            return Err(Refusal::Unsupported {
                token: "multiple-requests-unsupported",
                what: "more than one request in a message",
                instead: "send one SIMPLEREQ in each",
            });
        }
        _ => {
            return Err(Refusal::Unsupported {
                token: "unsupported-operation",
                what: "this kind of message",
                instead: "SIMPLEREQ is",
            });
        }
    }
    let calls = asked.elements().filter(|one| !one.is("", "CORRELATOR"));
    let request = call(alone(calls, "one IMETHODCALL or METHODCALL")?, schema)?;
    Ok(Message { id: id.to_owned(), request })
}

fn call(node: Node<'_, '_>, schema: &Schema) -> Result<Request, Refusal> {
    let name = required(node, "NAME")?.to_owned();
    let target = node.elements().next();
    if node.is("", "IMETHODCALL") {
        let space = target.filter(|one| one.is("", "LOCALNAMESPACEPATH"));
        let space = space.ok_or_else(|| Refusal::not_valid("IMETHODCALL begins with LOCALNAMESPACEPATH"))?;
        let namespace = path::namespace(space).map_err(|error| Refusal::not_valid(error.to_string()))?;
        let parameters = Parameters::read(node.elements().skip(1), schema);
        return Ok(Request::Intrinsic { name, namespace, parameters });
    }
    if !node.is("", "METHODCALL") {
        return Err(Refusal::not_valid("SIMPLEREQ holds IMETHODCALL or METHODCALL"));
    }
    let target = target.filter(|one| one.is("", "LOCALINSTANCEPATH") || one.is("", "LOCALCLASSPATH"));
    let target = target
        .ok_or_else(|| Refusal::not_valid("METHODCALL begins with LOCALINSTANCEPATH or LOCALCLASSPATH"))?;
    let mut target = path::read(target).map_err(|error| Refusal::not_valid(error.to_string()))?;
    let namespace = target.namespace.take().unwrap_or_default();
    let method = schema.class(&target.class).and_then(|class| class.method(&name));
    let parameters = parameters::of_method(node.elements().skip(1), schema, method);
    Ok(Request::Extrinsic { name, target, namespace, parameters })
}

fn version(
    node: Node<'_, '_>,
    attribute: &'static str,
    major: &str,
    token: &'static str,
    instead: &'static str,
) -> Result<(), Refusal> {
    match required(node, attribute)?.starts_with(major) {
        true => Ok(()),
        false => Err(Refusal::Unsupported { token, what: attribute, instead }),
    }
}

fn required<'a>(node: Node<'a, '_>, attribute: &str) -> Result<&'a str, Refusal> {
    let missing =
        || Refusal::not_valid(format!("{} needs the attribute {attribute}", node.tag_name().name()));
    node.attr(attribute).ok_or_else(missing)
}

fn only<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Result<Node<'a, 'b>, Refusal> {
    let found = alone(node.elements(), &format!("one {name}"))?;
    if found.is("", name) { Ok(found) } else { Err(Refusal::not_valid(format!("{name} is missing"))) }
}

fn alone<'a, 'b>(mut nodes: impl Iterator<Item = Node<'a, 'b>>, what: &str) -> Result<Node<'a, 'b>, Refusal> {
    match (nodes.next(), nodes.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Refusal::not_valid(format!("{what} is needed"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn intrinsic(name: &str, namespace: &str) -> Message {
        let request = Request::Intrinsic {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            parameters: Ok(Parameters::default()),
        };
        Message { id: "1".to_owned(), request }
    }

    pub(crate) fn extrinsic(name: &str, namespace: &str, class: &str) -> Message {
        let request = Request::Extrinsic {
            name: name.to_owned(),
            target: ObjectPath::new(class, []),
            namespace: namespace.to_owned(),
            parameters: Ok(Vec::new()),
        };
        Message { id: "1".to_owned(), request }
    }

    const SPACE: &str = r#"<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/></LOCALNAMESPACEPATH>"#;

    fn framed(request: &str) -> String {
        format!(
            r#"<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" PROTOCOLVERSION="1.0">{request}</MESSAGE></CIM>"#
        )
    }

    #[test]
    fn requests_are_read() {
        let schema = Schema::shipped();
        let check = |text: &str, name: &str, namespace: &str| {
            let message = read(text, schema).unwrap_or_else(|refused| panic!("{refused}: {text}"));
            assert_eq!((message.name(), message.namespace()), (name, namespace), "{text}");
        };
        let call = format!(r#"<IMETHODCALL NAME="EnumerateClassNames">{SPACE}</IMETHODCALL>"#);
        check(&framed(&format!("<SIMPLEREQ>{call}</SIMPLEREQ>")), "EnumerateClassNames", "root");
        check(&framed(&format!("<SIMPLEREQ><CORRELATOR/>{call}</SIMPLEREQ>")), "EnumerateClassNames", "root");
        let newer =
            framed(&format!("<SIMPLEREQ>{call}</SIMPLEREQ>")).replace("2.0", "2.4").replace("\"1.0", "\"1.4");
        check(&newer, "EnumerateClassNames", "root");
        let method = format!(
            r#"<METHODCALL NAME="Run"><LOCALCLASSPATH>{SPACE}<CLASSNAME NAME="A"/></LOCALCLASSPATH></METHODCALL>"#
        );
        check(&framed(&format!("<SIMPLEREQ>{method}</SIMPLEREQ>")), "Run", "root");
    }

    #[test]
    fn what_is_no_request_is_refused_in_one_word() {
        let check = |text: &str, token: &str| {
            use axum::response::IntoResponse;
            let refused = read(text, Schema::shipped()).expect_err(text);
            let said = refused.to_string();
            let response = refused.into_response();
            assert_eq!(response.headers().get("cimerror").unwrap(), token, "{said}: {text}");
        };
        let call = format!(r#"<IMETHODCALL NAME="A">{SPACE}</IMETHODCALL>"#);
        let good = framed(&format!("<SIMPLEREQ>{call}</SIMPLEREQ>"));
        assert!(read(&good, Schema::shipped()).is_ok());
        check(&good[1..], "request-not-well-formed");
        check(&format!("<!DOCTYPE CIM>{good}"), "request-not-well-formed");
        check("<a/>", "request-not-valid");
        check(&good.replace("<CIM ", "<CIM xmlns='urn:x' "), "request-not-valid");
        check(&good.replace("CIMVERSION=\"2.0\"", "CIMVERSION=\"3.0\""), "unsupported-cim-version");
        check(&good.replace("DTDVERSION=\"2.0\"", "DTDVERSION=\"1.0\""), "unsupported-dtd-version");
        check(
            &good.replace("PROTOCOLVERSION=\"1.0\"", "PROTOCOLVERSION=\"2.0\""),
            "unsupported-protocol-version",
        );
        check(&good.replace(" PROTOCOLVERSION=\"1.0\"", ""), "request-not-valid");
        check(&good.replace(" ID=\"1\"", ""), "request-not-valid");
        check(
            &good.replace("ID=\"1\"", &format!("ID=\"{}\"", "1".repeat(ID_CHARS_MAX + 1))),
            "request-not-valid",
        );
        check(
            &framed(&format!("<MULTIREQ><SIMPLEREQ>{call}</SIMPLEREQ></MULTIREQ>")),
            "multiple-requests-unsupported",
        );
        check(&framed("<SIMPLERSP/>"), "unsupported-operation");
        check(&framed("<SIMPLEREQ/>"), "request-not-valid");
        check(&framed(""), "request-not-valid");
        check(&framed(&format!("<SIMPLEREQ>{call}{call}</SIMPLEREQ>")), "request-not-valid");
        check(&framed("<SIMPLEREQ><IMETHODCALL NAME='A'/></SIMPLEREQ>"), "request-not-valid");
        check(&framed("<SIMPLEREQ><METHODCALL NAME='A'/></SIMPLEREQ>"), "request-not-valid");
        check(&framed("<SIMPLEREQ><EXPMETHODCALL NAME='A'/></SIMPLEREQ>"), "request-not-valid");
    }
}
