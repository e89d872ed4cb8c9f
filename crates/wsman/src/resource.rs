//! Resource URIs and selectors: which class or instance a request is about. Two families of URIs name the same classes:
//! Microsoft's has the namespace in it, the DMTF's leaves it to a selector (DSP0227 chapter 5, MS-WSMV 3.1.4.1.30).

use cim::{ObjectPath, Value};
use provider::{ClassInfo, Provider};
use xml::{Element, Node};

use crate::epr::Epr;
use crate::fault::{SelectorMistake, SizeLimit, WsmanFault};
use crate::names::{ADDRESSING, WSMAN};

/// What Microsoft's URIs begin with, before the namespace.
const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/";
/// What the DMTF's URIs of classes begin with.
const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
/// The selector that names the namespace.
pub(crate) const NAMESPACE_SELECTOR: &str = "__cimnamespace";
/// What stands for all classes.
const ALL: &str = "*";

/// The most selectors of one instance, wherever it is named: in headers, references and filters.
pub(crate) const SELECTORS_MAX: usize = 64;

/// The paths of URIs behind the host, in lower case.
const MICROSOFT_PATH: &str = "wbem/wsman/1/wmi/";
const DMTF_PATH: &str = "wbem/wscim/1/cim-schema/2/";
const DMTF_ALL_PATH: &str = "wbem/wscim/1/*";
const DECLARATION_PATH: &str = "wbem/cim-xml/2/cim-schema/2/";

/// How a URI names classes. Answers name them in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Style {
    /// With the namespace in the URI.
    Microsoft {
        /// As the client wrote it, with slashes.
        namespace: String,
    },
    /// With the namespace in a selector.
    Dmtf {
        /// Everything before the class: vendors have hosts of their own there.
        base: String,
    },
    /// The declaration of a class, in the form of CIM-XML.
    Declaration,
}

/// A resource URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceUri {
    /// How it names classes.
    pub(crate) style: Style,
    /// The class as the client wrote it; none where all classes are meant.
    pub(crate) class: Option<String>,
    /// The URI as the client wrote it, without selectors.
    text: String,
}

/// A part of what names an instance, or the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The name, as the client wrote it.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: SelectorValue,
}

/// The value of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SelectorValue {
    /// Text, of whatever type the key has.
    Text(String),
    /// Another instance.
    Reference(Box<Epr>),
}

/// The URI of a class in a style: what instances of the class have as their namespace.
pub(crate) fn class_uri(style: &Style, class: &str) -> String {
    match style {
        Style::Microsoft { namespace } => format!("{MICROSOFT}{namespace}/{class}"),
        Style::Dmtf { base } => format!("{base}{class}"),
        Style::Declaration => format!("{DMTF}{class}"),
    }
}

impl ResourceUri {
    /// Reads a URI, and the selectors of its query: people write them there, though clients should not send them so.
    pub(crate) fn parse(text: &str) -> Result<(Self, Vec<Selector>), WsmanFault> {
        let (uri, query) = text.split_once('?').unwrap_or((text, ""));
        let invalid = |reason| WsmanFault::InvalidResourceUri { uri: uri.to_owned(), reason };
        let (style, class) = split(uri).ok_or_else(|| {
            invalid("name a class as http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CLASS")
        })?;
        if class.is_empty() || class.contains(['/', '\\']) {
            return Err(invalid("the class is missing at its end"));
        }
        let class = (class != ALL).then(|| class.to_owned());
        let mut selectors = Vec::new();
        for pair in query.split('+').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| invalid("its selectors are written NAME=VALUE"))?;
            let value = SelectorValue::Text(value.to_owned());
            selectors.push(Selector { name: name.to_owned(), value });
        }
        Ok((Self { style, class, text: uri.to_owned() }, selectors))
    }

    /// As the client wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The namespace that is meant, as the provider writes it.
    ///
    /// Errors: a namespace that is not there, or two that differ.
    pub(crate) fn namespace(
        &self,
        selectors: &[Selector],
        provider: &Provider,
    ) -> Result<String, WsmanFault> {
        let selector = selectors.iter().find(|selector| selector.is_namespace());
        let selector = match selector.map(|selector| &selector.value) {
            None => None,
            Some(SelectorValue::Text(text)) => Some(text.as_str()),
            Some(SelectorValue::Reference(_)) => {
                let reason = format!("{NAMESPACE_SELECTOR} is a namespace");
                return Err(WsmanFault::InvalidSelectors { kind: SelectorMistake::TypeMismatch, reason });
            }
        };
        let in_uri = match &self.style {
            Style::Microsoft { namespace } => Some(namespace.as_str()),
            Style::Dmtf { .. } | Style::Declaration => None,
        };
        if let (Some(uri), Some(selector)) = (in_uri, selector)
            && normalized(uri) != normalized(selector)
        {
            let (uri, selector) = (uri.to_owned(), selector.to_owned());
            return Err(WsmanFault::NamespacesDiffer { uri, selector });
        }
        let known = provider.namespaces();
        let Some(named) = in_uri.or(selector) else { return Ok(known[0].clone()) };
        let wanted = normalized(named);
        let found = known.into_iter().find(|known| normalized(known) == wanted);
        found.ok_or_else(|| WsmanFault::DestinationUnreachable { what: format!("namespace {named}") })
    }

    /// The class that is meant.
    ///
    /// Errors: all classes are meant, or one that is not there.
    pub(crate) fn class(
        &self,
        selectors: &[Selector],
        provider: &Provider,
    ) -> Result<&'static ClassInfo, WsmanFault> {
        let namespace = self.namespace(selectors, provider)?;
        let name = self.class.as_deref().ok_or_else(|| WsmanFault::InvalidResourceUri {
            uri: self.text.clone(),
            reason: "all classes are meant; name one",
        })?;
        let missing = || WsmanFault::DestinationUnreachable { what: format!("class {name}") };
        class_of(provider, &namespace, name).ok_or_else(missing)
    }

    /// The path of the instance that is meant.
    ///
    /// Errors: as for the class, and selectors that are not exactly its keys.
    pub(crate) fn path(&self, selectors: &[Selector], provider: &Provider) -> Result<ObjectPath, WsmanFault> {
        let class = self.class(selectors, provider)?;
        let wrong = |kind, reason| WsmanFault::InvalidSelectors { kind, reason };
        let declared = class.keys();
        let mut keys = Vec::with_capacity(declared.len());
        for selector in selectors.iter().filter(|selector| !selector.is_namespace()) {
            let key = declared.iter().find(|key| key.name.eq_ignore_ascii_case(&selector.name));
            let unexpected = || format!("{} is no key of {}", selector.name, class.name);
            let key = key.ok_or_else(|| wrong(SelectorMistake::Unexpected, unexpected()))?;
            let value = key.kind.fit(selector.value(provider)?).map_err(|mismatch| {
                wrong(SelectorMistake::TypeMismatch, format!("{}: {mismatch}", key.name))
            })?;
            keys.push((key.name.clone(), value));
        }
        let is_given = |name: &str| keys.iter().any(|(given, _)| given == name);
        if let Some(missing) = declared.iter().find(|key| !is_given(&key.name)) {
            let reason = format!("the key {} of {} is missing", missing.name, class.name);
            return Err(wrong(SelectorMistake::Insufficient, reason));
        }
        if declared.is_empty() {
            // The one instance of a class without keys, if it has one.
            keys.push((String::new(), Value::Null));
        }
        Ok(ObjectPath::new(&class.name, keys))
    }
}

/// The class of that name in a namespace, which is written as the provider writes it. The site's own namespace knows the
/// classes of the one above it too, so that one connection is enough.
pub(crate) fn class_of(provider: &Provider, namespace: &str, name: &str) -> Option<&'static ClassInfo> {
    let is_own = namespace == provider.namespaces()[0];
    provider.schema().class(name).filter(|class| is_own || provider.namespace(class) == namespace)
}

/// The style and the class of a URI; everything but the class in any case.
fn split(uri: &str) -> Option<(Style, &str)> {
    let lower = uri.to_ascii_lowercase();
    let behind_scheme = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"))?;
    let (host, path) = behind_scheme.split_once('/')?;
    let path_at = uri.len() - path.len();
    let behind = |prefix: &str| path.starts_with(prefix).then(|| &uri[path_at + prefix.len()..]);
    if let Some(rest) = behind(MICROSOFT_PATH).filter(|_| host == "schemas.microsoft.com") {
        let (namespace, class) = rest.rsplit_once('/')?;
        return Some((Style::Microsoft { namespace: namespace.replace('\\', "/") }, class));
    }
    if let Some(class) = behind(DMTF_PATH) {
        // The canonical spelling for everybody who means it; vendors' hosts as they are.
        let own = &uri[..path_at + DMTF_PATH.len()];
        let base = if own.eq_ignore_ascii_case(DMTF) { DMTF } else { own };
        return Some((Style::Dmtf { base: base.to_owned() }, class));
    }
    if path == DMTF_ALL_PATH {
        return Some((Style::Dmtf { base: DMTF.to_owned() }, ALL));
    }
    behind(DECLARATION_PATH).map(|class| (Style::Declaration, class))
}

/// A namespace in the one form in which two can be compared.
fn normalized(namespace: &str) -> String {
    let lower = namespace.trim().replace('/', "\\").to_ascii_lowercase();
    let bare = lower.trim_matches('\\');
    match bare {
        "root" => bare.to_owned(),
        _ if bare.starts_with("root\\") => bare.to_owned(),
        _ => format!("root\\{bare}"),
    }
}

impl Selector {
    /// Reads a `w:SelectorSet`.
    pub(crate) fn read_set(set: Node<'_, '_>) -> Result<Vec<Self>, WsmanFault> {
        set.elements_named(WSMAN, "Selector").map(Self::read).collect()
    }

    fn read(node: Node<'_, '_>) -> Result<Self, WsmanFault> {
        let nameless = || WsmanFault::InvalidSelectors {
            kind: SelectorMistake::Unexpected,
            reason: "a selector has no attribute Name".to_owned(),
        };
        let name = node.attr("Name").map(str::trim).filter(|name| !name.is_empty()).ok_or_else(nameless)?;
        let value = match node.child(ADDRESSING, "EndpointReference") {
            Some(epr) => SelectorValue::Reference(Box::new(Epr::read(epr)?)),
            None => SelectorValue::Text(node.text_of().into_owned()),
        };
        Ok(Self { name: name.to_owned(), value })
    }

    /// Refuses more than [`SELECTORS_MAX`], and a name that occurs twice.
    pub(crate) fn check(selectors: &[Self]) -> Result<(), WsmanFault> {
        if selectors.len() > SELECTORS_MAX {
            let reason = format!("an instance is named by at most {SELECTORS_MAX} selectors");
            return Err(WsmanFault::EncodingLimit { kind: SizeLimit::Selectors, reason });
        }
        for (at, selector) in selectors.iter().enumerate() {
            if selectors[..at].iter().any(|before| before.name.eq_ignore_ascii_case(&selector.name)) {
                let reason = format!("{} is there twice", selector.name);
                return Err(WsmanFault::InvalidSelectors { kind: SelectorMistake::Duplicate, reason });
            }
        }
        Ok(())
    }

    /// Whether it names the namespace and no key.
    pub(crate) fn is_namespace(&self) -> bool {
        self.name.eq_ignore_ascii_case(NAMESPACE_SELECTOR)
    }

    fn value(&self, provider: &Provider) -> Result<Value, WsmanFault> {
        match &self.value {
            SelectorValue::Text(text) => Ok(Value::text(text)),
            SelectorValue::Reference(epr) => Ok(Value::Reference(epr.path(provider)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_uri_is_read() {
        let dmtf = |base: &str| Style::Dmtf { base: base.to_owned() };
        let microsoft = |namespace: &str| Style::Microsoft { namespace: namespace.to_owned() };
        let check = |text: &str, expect: Option<(Style, Option<&str>)>| {
            let got = ResourceUri::parse(text).ok().map(|(uri, _)| (uri.style, uri.class));
            let expect = expect.map(|(style, class)| (style, class.map(str::to_owned)));
            assert_eq!(got, expect, "{text}");
        };
        check(
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/SMS_X",
            Some((microsoft("root/sms/site_PS1"), Some("SMS_X"))),
        );
        check(
            "HTTP://Schemas.Microsoft.com/WBEM/wsman/1/WMI/root\\sms\\site_PS1/*",
            Some((microsoft("root/sms/site_PS1"), None)),
        );
        check("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X", Some((dmtf(DMTF), Some("SMS_X"))));
        check("http://SCHEMAS.dmtf.org/wbem/WSCIM/1/cim-schema/2/SMS_X", Some((dmtf(DMTF), Some("SMS_X"))));
        check("http://schemas.dmtf.org/wbem/wscim/1/*", Some((dmtf(DMTF), None)));
        check(
            "http://schemas.dell.com/wbem/wscim/1/cim-schema/2/DCIM_X",
            Some((dmtf("http://schemas.dell.com/wbem/wscim/1/cim-schema/2/"), Some("DCIM_X"))),
        );
        check("http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*", Some((Style::Declaration, None)));
        check("http://schemas.dmtf.org/wbem/ws-cim/1/cim-schema/2/*", None);
        check("http://schemas.microsoft.com/wbem/wsman/1/wmi/SMS_X", None);
        check("http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/", None);
        check("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd", None);
        check("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/", None);
        check("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/a/b", None);
        check("SMS_X", None);
        check("", None);
        // A letter that grows when it is written small must not move what is cut.
        check("http://İ.example.test/wbem/wscim/1/cim-schema/2/SMS_X", {
            Some((dmtf("http://İ.example.test/wbem/wscim/1/cim-schema/2/"), Some("SMS_X")))
        });
    }

    #[test]
    fn selectors_in_the_uri_are_selectors() {
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X?A=1+__cimnamespace=root/sms+B=a=b";
        let (resource, selectors) = ResourceUri::parse(uri).unwrap();
        assert_eq!(resource.as_str(), uri.split('?').next().unwrap());
        let text = |value: &SelectorValue| match value {
            SelectorValue::Text(text) => text.clone(),
            SelectorValue::Reference(_) => panic!("no reference"),
        };
        let got: Vec<_> = selectors.iter().map(|one| (one.name.as_str(), text(&one.value))).collect();
        let expect = [("A", "1"), (NAMESPACE_SELECTOR, "root/sms"), ("B", "a=b")];
        assert_eq!(got, expect.map(|(name, value)| (name, value.to_owned())));
        assert!(ResourceUri::parse(&format!("{DMTF}SMS_X?A")).is_err());
    }

    #[test]
    fn namespaces_are_compared_in_one_form() {
        for text in [
            "root/sms/site_PS1",
            "ROOT\\SMS\\SITE_PS1",
            "sms/site_ps1",
            "/root/sms/site_PS1/",
            " root\\sms\\site_ps1",
        ] {
            assert_eq!(normalized(text), "root\\sms\\site_ps1", "{text}");
        }
        assert_eq!(normalized("root"), "root");
        assert_ne!(normalized("root/sms"), normalized("root/sms/site_PS1"));
    }

    #[test]
    fn class_uris_keep_the_style_of_the_request() {
        for uri in [
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/SMS_X",
            "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_X",
            "http://schemas.dell.com/wbem/wscim/1/cim-schema/2/SMS_X",
        ] {
            assert_eq!(class_uri(&ResourceUri::parse(uri).unwrap().0.style, "SMS_X"), uri);
        }
        assert_eq!(class_uri(&Style::Declaration, "SMS_X"), format!("{DMTF}SMS_X"));
    }

    #[tokio::test]
    async fn classes_are_found_in_their_namespace_and_from_the_sites_own() {
        let stage = stage::Stage::new(stage::Stage::fixed_clock()).await;
        for (class, namespace, expect) in [
            ("SMS_ProviderLocation", "root/sms", true),
            ("sms_providerlocation", "ROOT\\SMS\\SITE_PS1", true),
            ("SMS_Site", "root/sms/site_PS1", true),
            ("SMS_Site", "root/sms", false),
            ("SMS_Site", "root/cimv2", false),
            ("SMS_Site", "root", false),
            ("SMS_Nothing", "root/sms/site_PS1", false),
        ] {
            let (dmtf, _) = ResourceUri::parse(&format!("{DMTF}{class}")).unwrap();
            let value = SelectorValue::Text(namespace.to_owned());
            let selectors = [Selector { name: "__CIMNamespace".to_owned(), value }];
            assert_eq!(dmtf.class(&selectors, &stage.provider).is_ok(), expect, "{class} in {namespace}");
            let uri = format!("{MICROSOFT}{}/{class}", namespace.replace('\\', "/"));
            let (microsoft, _) = ResourceUri::parse(&uri).unwrap();
            assert_eq!(microsoft.class(&[], &stage.provider).is_ok(), expect, "{uri}");
            assert_eq!(
                microsoft.class(&selectors, &stage.provider).is_ok(),
                expect,
                "{uri} and the same again"
            );
        }
    }
}
