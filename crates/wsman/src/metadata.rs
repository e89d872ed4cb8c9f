//! Declarations of classes (MS-WSMV 3.1.4.1.14): Get of one by the selector `ClassName`, in the form of CIM-XML. Clients
//! of Windows learn from it of which types the properties of instances are.

use provider::{ClassInfo, Provider};
use xml::Writer;
use xml::class::{Shape, Truth};

use crate::envelope::Headers;
use crate::fault::WsmanFault;
use crate::names::{ANONYMOUS, WSMAN, action};
use crate::options;
use crate::reply::Reply;
use crate::resource::{NAMESPACE_SELECTOR, SelectorValue, class_of};

/// The resource URI of declarations.
const DECLARATIONS: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
/// The selector that names the class.
const CLASS_NAME: &str = "ClassName";

/// A whole declaration, as Windows writes it here.
pub(crate) const DECLARATION: Shape<'static> = Shape { truth: Truth::Lower, ..Shape::WHOLE };

/// How declarations look: whole, but for what the options say is not wanted.
pub(crate) fn shape(headers: &Headers) -> Shape<'static> {
    let wanted = |name| options::is_set(headers, name).unwrap_or(true);
    Shape {
        local_only: !wanted("IncludeInheritedElements"),
        qualifiers: wanted("IncludeQualifiers"),
        class_origin: wanted("IncludeClassOrigin"),
        derivation: wanted("IncludeInheritanceHierarchy"),
        ..DECLARATION
    }
}

/// The class that a Get asks the declaration of.
pub(crate) fn class(headers: &Headers, provider: &Provider) -> Result<&'static ClassInfo, WsmanFault> {
    let namespace = headers.resource.namespace(&headers.selectors, provider)?;
    let name = named(headers).ok_or(WsmanFault::ClassNameMissing)?;
    let found = class_of(provider, &namespace, name);
    found.ok_or_else(|| WsmanFault::ClassNotFound { class: name.to_owned() })
}

/// The classes that an Enumerate asks the declarations of: those of the namespace, or of these the ones below the class that
/// is named, as `EnumerateClasses` of CIM-XML has it (DSP0200, 5.4.2.9).
pub(crate) fn classes(headers: &Headers, provider: &Provider) -> Result<Vec<&'static ClassInfo>, WsmanFault> {
    let namespace = headers.resource.namespace(&headers.selectors, provider)?;
    let above = named(headers).map(|_| class(headers, provider)).transpose()?;
    let is_asked = |class: &&'static ClassInfo| {
        let is_below = |above: &ClassInfo| class.name != above.name && class.is_a(&above.name);
        class_of(provider, &namespace, &class.name).is_some() && above.is_none_or(is_below)
    };
    Ok(provider.schema().classes().filter(is_asked).collect())
}

/// The class that the selector or the URI names.
fn named(headers: &Headers) -> Option<&str> {
    let selector = headers.selectors.iter().find(|one| one.name.eq_ignore_ascii_case(CLASS_NAME));
    let name = match selector.map(|selector| &selector.value) {
        Some(SelectorValue::Text(name)) => name.trim(),
        _ => headers.resource.class.as_deref().unwrap_or(""),
    };
    (!name.is_empty()).then_some(name)
}

/// Writes the reference to a declaration.
pub(crate) fn write_reference(out: &mut Writer, provider: &Provider, class: &ClassInfo) {
    out.open("a:EndpointReference", &[]);
    out.leaf("a:Address", &[], ANONYMOUS);
    out.open("a:ReferenceParameters", &[]);
    out.leaf("w:ResourceURI", &[], DECLARATIONS);
    out.open("w:SelectorSet", &[("xmlns:w", WSMAN)]);
    let namespace = provider.namespace(class).replace('\\', "/");
    out.leaf("w:Selector", &[("Name", NAMESPACE_SELECTOR)], &namespace);
    out.leaf("w:Selector", &[("Name", CLASS_NAME)], &class.name);
    (0..3).for_each(|_| out.close());
}

/// The answer to a Get of a declaration.
pub(crate) fn declared(provider: &Provider, class: &ClassInfo, headers: &Headers) -> Reply {
    let mut body = Writer::new();
    xml::class::write(&mut body, provider.schema(), class, &shape(headers));
    Reply::to_action(action::GET, body)
}
