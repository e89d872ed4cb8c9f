//! Declarations of classes (MS-WSMV 3.1.4.1.14): Get of one by the selector `ClassName`, in the form of CIM-XML. Clients
//! of Windows learn from it of which types the properties of instances are.

use provider::{ClassInfo, Provider};
use xml::Writer;
use xml::class::{Shape, Truth};

use crate::envelope::Headers;
use crate::fault::WsmanFault;
use crate::names::action;
use crate::options;
use crate::reply::Reply;
use crate::resource::SelectorValue;

/// The selector that names the class.
const CLASS_NAME: &str = "ClassName";

/// A whole declaration, as Windows writes it here.
pub(crate) const DECLARATION: Shape<'static> = Shape { truth: Truth::Lower, ..Shape::WHOLE };

/// Writes the declaration of a class: whole, but for what the options say is not wanted.
fn write(out: &mut Writer, provider: &Provider, class: &ClassInfo, headers: &Headers) {
    let wanted = |name| options::is_set(headers, name).unwrap_or(true);
    let shape = Shape {
        local_only: !wanted("IncludeInheritedElements"),
        qualifiers: wanted("IncludeQualifiers"),
        class_origin: wanted("IncludeClassOrigin"),
        derivation: wanted("IncludeInheritanceHierarchy"),
        ..DECLARATION
    };
    xml::class::write(out, provider.schema(), class, &shape);
}

/// The class that a Get asks the declaration of.
pub(crate) fn class(headers: &Headers, provider: &Provider) -> Result<&'static ClassInfo, WsmanFault> {
    let namespace = headers.resource.namespace(&headers.selectors, provider)?;
    let selector = headers.selectors.iter().find(|one| one.name.eq_ignore_ascii_case(CLASS_NAME));
    let name = match selector.map(|selector| &selector.value) {
        Some(SelectorValue::Text(name)) => name.trim(),
        _ => headers.resource.class.as_deref().unwrap_or(""),
    };
    if name.is_empty() {
        return Err(WsmanFault::ClassNameMissing);
    }
    let is_own = namespace == provider.namespaces()[0];
    let found =
        provider.schema().class(name).filter(|class| is_own || provider.namespace(class) == namespace);
    found.ok_or_else(|| WsmanFault::ClassNotFound { class: name.to_owned() })
}

/// The answer to a Get of a declaration.
pub(crate) fn declared(provider: &Provider, class: &ClassInfo, headers: &Headers) -> Reply {
    let mut body = Writer::new();
    write(&mut body, provider, class, headers);
    Reply::to_action(action::GET, body)
}
