//! Calls of methods: an action that is the class's URI and the method's name (DSP0227 chapter 9).

use cim::class::{Method, Parameter};
use cim::{ObjectPath, Value};
use provider::{ClassInfo, Outcome, Provider};
use xml::{Node, Writer};

use crate::envelope::{Envelope, Headers};
use crate::fault::{BodyMistake, WsmanFault};
use crate::instance::Shape;
use crate::names::CIM;
use crate::reply::Reply;
use crate::resource::{ResourceUri, class_uri};
use crate::serve::{Exchange, Service};
use crate::value::{self, Declared};

/// What the element around the parameters has at its end.
const INPUT: &str = "_INPUT";

/// A call of a method.
#[derive(Debug)]
pub(crate) struct Invocation {
    class: &'static ClassInfo,
    /// The instance; none for a call of the class.
    path: Option<ObjectPath>,
    /// As the client wrote it.
    method: String,
    /// As the class declares it; none where the provider is to say what is wrong.
    declared: Option<&'static Method>,
    given: Vec<(String, Value)>,
}

impl Invocation {
    /// Reads a request with an action that is none of the others.
    pub(crate) fn read(
        envelope: &Envelope<'_>,
        headers: &Headers,
        provider: &Provider,
    ) -> Result<Self, WsmanFault> {
        let method = method(headers)?.to_owned();
        let class = headers.resource.class(&headers.selectors, provider)?;
        let declared = class.method(&method);
        let names_a_class = headers.selectors.iter().all(crate::resource::Selector::is_namespace);
        // A method of instances needs all keys, as Get does; whether another one is known the provider says.
        let is_of_class = declared.is_none_or(|method| method.qualifiers.has("static"));
        let path = match names_a_class && is_of_class {
            true => None,
            false => Some(headers.resource.path(&headers.selectors, provider)?),
        };
        let given = match envelope.body() {
            Some(body) => parameters(body, provider, declared)?,
            None => Vec::new(),
        };
        Ok(Self { class, path, method, declared, given })
    }

    /// Whether the method says of itself that it changes nothing.
    pub(crate) fn only_asks(&self, provider: &Provider) -> bool {
        provider.only_asks(&self.class.name, &self.method)
    }
}

impl Service {
    /// Calls a method. One that ran and failed says so in its ReturnValue, one that could not run is a fault.
    pub(crate) async fn invoke(&self, exchange: &Exchange, call: Invocation) -> Result<Reply, WsmanFault> {
        let Invocation { class, path, method, declared, given } = call;
        let outcome =
            self.provider.invoke(&exchange.caller, &class.name, path.as_ref(), &method, given).await?;
        let shape = Shape::of(&exchange.headers, &self.provider);
        let mut body = Writer::new();
        let name = declared.map_or(method.as_str(), |declared| &declared.name);
        write_output(&mut body, &shape, &class.name, name, declared, outcome);
        Ok(Reply::to_action(&exchange.headers.action, body))
    }
}

/// The method that the action names, whose class must be that of the resource; either may be in either style.
fn method(headers: &Headers) -> Result<&str, WsmanFault> {
    let unknown = || headers.unsupported("it is not known");
    let (uri, method) = headers.action.rsplit_once('/').ok_or_else(unknown)?;
    let (named, _) = ResourceUri::parse(uri).map_err(|_| unknown())?;
    let class = |uri: &ResourceUri| uri.class.as_deref().map(str::to_ascii_lowercase);
    if class(&named) != class(&headers.resource) {
        let resource = headers.resource.as_str().to_owned();
        return Err(WsmanFault::ActionMismatch { action: headers.action.clone(), resource });
    }
    Ok(method)
}

/// The parameters, each with the type that the method declares for it. In which namespace they are says nothing.
fn parameters(
    body: Node<'_, '_>,
    provider: &Provider,
    declared: Option<&Method>,
) -> Result<Vec<(String, Value)>, WsmanFault> {
    let root = body.tag_name().name();
    let is_input = root.len().checked_sub(INPUT.len()).and_then(|at| root.get(at..));
    if !is_input.is_some_and(|end| end.eq_ignore_ascii_case(INPUT)) {
        let reason = format!("{root} does not hold parameters; name it METHOD{INPUT}");
        return Err(WsmanFault::SchemaValidation { kind: BodyMistake::Namespace, reason });
    }
    let parameter = |name: &str| declared?.parameters.iter().find(|parameter| is_called(parameter, name));
    value::read_members(body, provider.schema(), |name| {
        parameter(name).map(|found| Declared::new(&found.kind, found.array))
    })
}

/// Whether callers mean the parameter by a name: its own, or another that scripts give it.
fn is_called(parameter: &Parameter, name: &str) -> bool {
    let alias = parameter.qualifiers.get("Alias").and_then(Value::as_str);
    parameter.name.eq_ignore_ascii_case(name) || alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
}

/// What the method returns, each value with the type that it declares: clients refuse an answer with another.
fn write_output(
    body: &mut Writer,
    shape: &Shape,
    class: &str,
    method: &str,
    declared: Option<&Method>,
    outcome: Outcome,
) {
    let (uri, kind) = (class_uri(&shape.style, class), format!("p:{method}_OUTPUT_Type"));
    let attributes = [("xmlns:p", uri.as_str()), ("xmlns:cim", CIM), ("xsi:type", &kind)];
    body.open(&format!("p:{method}_OUTPUT"), &attributes);
    let mut out = outcome.out;
    out.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    for (name, value) in &out {
        let parameter = declared.and_then(|method| method.parameters.iter().find(|one| one.name == *name));
        let kind = parameter.map(|found| Declared::new(&found.kind, found.array)).unwrap_or_default();
        value::write(body, shape, &format!("p:{name}"), kind, value, 0);
    }
    let returns = declared.map(|method| Declared::new(&method.returns, false)).unwrap_or_default();
    value::write(body, shape, "p:ReturnValue", returns, &outcome.return_value, 0);
    body.close();
}
