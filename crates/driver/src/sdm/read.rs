//! XML as a [`DriverDigest`], in whatever order and with whatever else a client has put into it.

use roxmltree::Node;

use super::{
    BYTES_MAX, CONDITIONS_MAX, DriverDigest, Fragment, NAMESPACE, NODES_MAX, PlatformCondition, SdmError,
};
use crate::{DriverDate, xml};

/// Reads a definition that [`super::write`] or a client has made. Elements and attributes may come in any order,
/// unknown ones are no error, and of the known ones only `Driver/@Version` and the five attributes of a condition
/// must be there.
///
/// # Errors
///
/// [`SdmError`].
pub fn read(text: &str) -> Result<DriverDigest, SdmError> {
    let text = xml::decode(text.as_bytes(), BYTES_MAX)?;
    let document = xml::parse(&text, NODES_MAX)?;
    let root = document.root_element();
    if !root.has_tag_name((NAMESPACE, "DesiredConfigurationDigest")) {
        return Err(SdmError::Root);
    }
    let mut drivers = children(root, "Driver");
    let (Some(driver), 0) = (drivers.next(), drivers.count()) else {
        return Err(SdmError::Driver(children(root, "Driver").count()));
    };
    read_driver(driver)
}

fn read_driver(driver: Node<'_, '_>) -> Result<DriverDigest, SdmError> {
    let version = driver.attribute("Version").and_then(|text| text.trim().parse().ok());
    let version = version.ok_or(SdmError::Value { element: "Driver", attribute: "Version" })?;
    let mut digest = DriverDigest { unique_id: unique_id(driver), version, ..DriverDigest::default() };
    for child in driver.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Annotation" => {
                let name = children(child, "DisplayName").next();
                digest.display_name = name.map(|name| attribute(name, "Text")).unwrap_or_default();
            }
            "DriverInformation" => information(&mut digest, child),
            "Signature" => {
                digest.signed = flag(child, "Signed");
                digest.signer = attribute(child, "Signer");
            }
            "Content" => {
                digest.content_hash = attribute(child, "Hash");
                digest.content_source_path = attribute(child, "SourcePath");
            }
            "PlatformApplicabilityConditions" => {
                for condition in children(child, "PlatformApplicabilityCondition") {
                    if digest.conditions.len() == CONDITIONS_MAX {
                        return Err(SdmError::TooManyConditions);
                    }
                    digest.conditions.push(read_condition(condition)?);
                }
            }
            _ => digest.other.extend(fragment(child)),
        }
    }
    Ok(digest)
}

fn unique_id(driver: Node<'_, '_>) -> String {
    match (attribute(driver, "AuthoringScopeId"), attribute(driver, "LogicalName")) {
        (scope, name) if scope.is_empty() => name,
        (scope, name) => format!("{scope}/{name}"),
    }
}

fn information(digest: &mut DriverDigest, node: Node<'_, '_>) {
    digest.inf_file = attribute(node, "INFFile");
    digest.class = attribute(node, "Class");
    digest.provider = attribute(node, "Provider");
    digest.version_text = attribute(node, "Version");
    digest.boot_critical = flag(node, "BootCritical");
    digest.date = node.attribute("Date").and_then(date);
}

fn date(text: &str) -> Option<DriverDate> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    Some(DriverDate {
        year: u16::try_from(date.year()).ok()?,
        month: u8::try_from(date.month()).ok()?,
        day: u8::try_from(date.day()).ok()?,
    })
}

fn read_condition(node: Node<'_, '_>) -> Result<PlatformCondition, SdmError> {
    let required = |name: &'static str| {
        let missing = SdmError::Value { element: "PlatformApplicabilityCondition", attribute: name };
        node.attribute(name).map(str::to_owned).ok_or(missing)
    };
    let query = |name| children(node, name).next().map(content).unwrap_or_default();
    Ok(PlatformCondition {
        display_name: required("DisplayName")?,
        name: required("Name")?,
        platform: required("Platform")?,
        min_version: required("MinVersion")?,
        max_version: required("MaxVersion")?,
        query1: query("Query1"),
        query2: query("Query2"),
    })
}

/// An element that can stand alone under our root: one whose prefixes are declared outside of it is dropped.
fn fragment(node: Node<'_, '_>) -> Option<Fragment> {
    let text = &node.document().input_text()[node.range()];
    let alone = format!("<x xmlns=\"{NAMESPACE}\">{text}</x>");
    xml::parse(&alone, NODES_MAX).is_ok().then(|| Fragment(text.to_owned()))
}

/// The child elements of that name, in any namespace: clients add nodes without thinking of it.
fn children<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn content(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}

fn flag(node: Node<'_, '_>, name: &str) -> bool {
    matches!(node.attribute(name), Some("true" | "1" | "True"))
}
