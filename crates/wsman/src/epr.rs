//! Endpoint references: the address of an instance, in headers, selectors, filters and answers (DSP0226 chapter 5).

use cim::{ObjectPath, Value};
use provider::Provider;
use xml::{Element, Node, Writer};

use crate::fault::{BodyMistake, WsmanFault};
use crate::names::{ADDRESSING, ANONYMOUS, WSMAN};
use crate::resource::{NAMESPACE_SELECTOR, ResourceUri, Selector, Style, class_uri};

/// An endpoint reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epr {
    /// The class.
    pub(crate) resource: ResourceUri,
    /// Its keys and the namespace.
    pub(crate) selectors: Vec<Selector>,
}

impl Epr {
    /// Reads what an element holds: `a:Address` and `a:ReferenceParameters`. The address says nothing; there is one place.
    pub(crate) fn read(node: Node<'_, '_>) -> Result<Self, WsmanFault> {
        let missing = |what: &str| WsmanFault::SchemaValidation {
            kind: BodyMistake::Missing,
            reason: format!("an endpoint reference has no {what}"),
        };
        let parameters = node.child(ADDRESSING, "ReferenceParameters");
        let parameters = parameters.ok_or_else(|| missing("a:ReferenceParameters"))?;
        let uri = parameters.child(WSMAN, "ResourceURI").ok_or_else(|| missing("w:ResourceURI"))?;
        let (resource, mut selectors) = ResourceUri::parse(uri.text_of().trim())?;
        if let Some(set) = parameters.child(WSMAN, "SelectorSet") {
            selectors.extend(Selector::read_set(set)?);
        }
        Selector::check(&selectors)?;
        Ok(Self { resource, selectors })
    }

    /// The path of the instance.
    pub(crate) fn path(&self, provider: &Provider) -> Result<ObjectPath, WsmanFault> {
        self.resource.path(&self.selectors, provider)
    }
}

/// Writes the reference to an instance, as an element of the given name.
pub(crate) fn write(out: &mut Writer, element: &str, style: &Style, provider: &Provider, path: &ObjectPath) {
    out.open(element, &[]);
    write_parts(out, style, provider, path);
    out.close();
}

/// Writes what a reference to an instance holds, into the element that is open.
pub(crate) fn write_parts(out: &mut Writer, style: &Style, provider: &Provider, path: &ObjectPath) {
    out.leaf("a:Address", &[], ANONYMOUS);
    out.open("a:ReferenceParameters", &[]);
    let class = provider.schema().class(&path.class);
    let name = class.map_or(path.class.as_str(), |class| &class.name);
    out.leaf("w:ResourceURI", &[], &class_uri(style, name));
    // Declared again: some clients send the element back as text, in envelopes with prefixes of their own.
    out.open("w:SelectorSet", &[("xmlns:w", WSMAN)]);
    if !matches!(style, Style::Microsoft { .. }) {
        let own = class.map(|class| provider.namespace(class));
        let namespace = own.or_else(|| path.namespace.clone()).unwrap_or_default().replace('\\', "/");
        out.leaf("w:Selector", &[("Name", NAMESPACE_SELECTOR)], &namespace);
    }
    for (key, value) in &path.keys {
        write_key(out, style, provider, key, value);
    }
    out.close();
    out.close();
}

fn write_key(out: &mut Writer, style: &Style, provider: &Provider, key: &str, value: &Value) {
    let attributes = [("Name", key)];
    match value {
        Value::String(text) => out.leaf("w:Selector", &attributes, text),
        Value::Integer(number) => out.leaf("w:Selector", &attributes, &number.to_string()),
        Value::Boolean(truth) => out.leaf("w:Selector", &attributes, &truth.to_string()),
        Value::DateTime(at) => out.leaf("w:Selector", &attributes, &at.to_string()),
        Value::Reference(path) => {
            out.open("w:Selector", &attributes);
            write(out, "a:EndpointReference", style, provider, path);
            out.close();
        }
        // No key has such a value: see Provider::path.
        Value::Null | Value::Real(_) | Value::Instance(_) | Value::Array(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use stage::{PACKAGE, Stage, nal_path};

    use super::*;
    use crate::names::PREFIXES;
    use crate::resource::SELECTORS_MAX;

    /// An element with the reference inside, as answers hold it.
    fn written(style: &Style, provider: &Provider, path: &ObjectPath) -> String {
        let mut out = Writer::new();
        out.open("q", &PREFIXES);
        write(&mut out, "a:EndpointReference", style, provider, path);
        out.finish()
    }

    #[tokio::test]
    async fn references_are_read_as_they_are_written() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let provider = &stage.provider;
        let text = |key: &str, value: String| (key.to_owned(), Value::String(value));
        let package = ObjectPath::new("SMS_DriverPackage", [text("PackageID", PACKAGE.to_owned())]);
        let server = [
            text("NALPath", nal_path("dp1.example.test")),
            text("ResourceType", "Windows NT Server".to_owned()),
            text("SiteCode", "PS1".to_owned()),
        ];
        let server = ObjectPath::new("SMS_DistributionPointInfo", server);
        let assignment = [
            text("PackageID", PACKAGE.to_owned()),
            text("ServerNALPath", nal_path("dp<1>&\"2\".example.test")),
            text("SiteCode", "PS1".to_owned()),
        ];
        let both = [
            ("DistributionPoint".to_owned(), Value::Reference(server.clone())),
            ("Package".to_owned(), Value::Reference(package.clone())),
        ];
        for path in [
            package,
            server,
            ObjectPath::new("SMS_DistributionPoint", assignment),
            ObjectPath::new("SMS_Driver", [("CI_ID".to_owned(), Value::Integer(16_777_500))]),
            // Keys that are references themselves.
            ObjectPath::new("Haulier_PackageDistributionPoint", both),
        ] {
            for uri in [
                "http://schemas.dmtf.org/wbem/wscim/1/*",
                "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/*",
            ] {
                let style = ResourceUri::parse(uri).unwrap().0.style;
                let text = written(&style, provider, &path);
                let document = xml::parse(&text).unwrap();
                let epr = Epr::read(document.root_element().first_element_child().unwrap()).unwrap();
                assert_eq!(epr.resource.style, style, "{text}");
                assert_eq!(epr.path(provider).unwrap(), path, "{text}");
                let has_namespace = epr.selectors.iter().any(Selector::is_namespace);
                assert_eq!(has_namespace, matches!(style, Style::Dmtf { .. }), "{text}");
            }
        }
    }

    #[test]
    fn selectors_of_references_are_bounded() {
        let read = |uri: &str, count: usize| {
            let selectors: String =
                (0..count).map(|n| format!("<w:Selector Name='k{n}'>1</w:Selector>")).collect();
            let text = format!(
                "<q xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}'><a:ReferenceParameters><w:ResourceURI>{uri}\
                 </w:ResourceURI><w:SelectorSet>{selectors}</w:SelectorSet></a:ReferenceParameters></q>"
            );
            let document = xml::parse(&text).unwrap();
            Epr::read(document.root_element()).map_err(|fault| fault.line().detail)
        };
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X";
        assert_eq!(read(uri, SELECTORS_MAX).unwrap().selectors.len(), SELECTORS_MAX);
        assert_eq!(read(uri, SELECTORS_MAX + 1), Err(Some("SelectorLimit")));
        // Those of the URI count like the others.
        assert_eq!(read(&format!("{uri}?a=1"), SELECTORS_MAX), Err(Some("SelectorLimit")));
    }

    #[test]
    fn references_without_their_parts_are_refused() {
        let check = |inner: &str, expect: &str| {
            let text =
                format!("<q xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}'><a:Address>x</a:Address>{inner}</q>");
            let document = xml::parse(&text).unwrap();
            let refused = Epr::read(document.root_element()).unwrap_err();
            assert_eq!(refused.line().detail, Some(expect), "{text}");
        };
        let uri = "<w:ResourceURI>http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X</w:ResourceURI>";
        let twice = "<w:Selector Name='A'>1</w:Selector><w:Selector Name='a'>2</w:Selector>";
        check("", "MissingValues");
        check("<a:ReferenceParameters/>", "MissingValues");
        check(
            "<a:ReferenceParameters><w:ResourceURI>urn:x</w:ResourceURI></a:ReferenceParameters>",
            "InvalidResourceURI",
        );
        check(
            &format!(
                "<a:ReferenceParameters>{uri}<w:SelectorSet>{twice}</w:SelectorSet></a:ReferenceParameters>"
            ),
            "DuplicateSelectors",
        );
        check(
            &format!(
                "<a:ReferenceParameters>{uri}<w:SelectorSet><w:Selector>1</w:Selector></w:SelectorSet></a:ReferenceParameters>"
            ),
            "UnexpectedSelectors",
        );
    }
}
