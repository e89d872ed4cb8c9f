//! Instances as elements, and elements as instances (DSP0230, MS-WSMV 2.2.4.29).

use cim::{Instance, Value};
use provider::{ClassInfo, Provider, Schema};
use xml::{Node, Writer};

use crate::envelope::Headers;
use crate::fault::WsmanFault;
use crate::names::CIM;
use crate::options;
use crate::resource::{Style, class_uri};
use crate::value::{self, Declared};

/// How the instances of one answer look.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// How class URIs are written: as the request wrote them.
    pub(crate) style: Style,
    /// Whose instances they are.
    pub(crate) provider: Provider,
    /// Whether null and empty arrays are told apart (`UsePreciseArrays`).
    pub(crate) precise_arrays: bool,
    /// Whether values say their types (`includepropertymetadata`).
    pub(crate) typed: bool,
}

impl Shape {
    /// What a request asks for.
    pub(crate) fn of(headers: &Headers, provider: &Provider) -> Self {
        Self {
            style: headers.resource.style.clone(),
            provider: provider.clone(),
            precise_arrays: options::is_set(headers, "UsePreciseArrays").unwrap_or(false),
            typed: options::is_set(headers, "IncludePropertyMetadata").unwrap_or(false),
        }
    }

    /// Writes an instance, its properties alphabetically, as Windows does.
    pub(crate) fn write(&self, out: &mut Writer, instance: &Instance) {
        self.write_as(out, instance, &instance.class);
    }

    /// Writes an instance as one of a class that its own derives from: with what that class declares.
    pub(crate) fn write_as(&self, out: &mut Writer, instance: &Instance, class: &str) {
        let (uri, kind) = (class_uri(&self.style, class), format!("p:{class}_Type"));
        let attributes = [("xmlns:p", uri.as_str()), ("xmlns:cim", CIM), ("xsi:type", &kind)];
        out.open(&format!("p:{class}"), &attributes);
        let shown = (class != instance.class).then(|| self.class(class)).flatten();
        self.write_properties(out, instance, "p:", 0, shown);
        out.close();
    }

    /// Writes the properties of an instance without its class, as answers to queries for some properties show rows.
    pub(crate) fn write_fragment(&self, out: &mut Writer, row: &Instance) {
        out.open("w:XmlFragment", &[("xmlns:cim", CIM)]);
        self.write_properties(out, row, "", 0, None);
        out.close();
    }

    /// Writes an instance inside of another one, as an element of that name: with a namespace and a type of its own.
    pub(crate) fn write_embedded(&self, out: &mut Writer, element: &str, embedded: &Instance, depth: usize) {
        let depth = depth + 1;
        let prefix = format!("p{depth}");
        let uri = class_uri(&self.style, &embedded.class);
        let (declaration, kind) = (format!("xmlns:{prefix}"), format!("{prefix}:{}_Type", embedded.class));
        out.open(element, &[(declaration.as_str(), uri.as_str()), ("xsi:type", &kind)]);
        self.write_properties(out, embedded, &format!("{prefix}:"), depth, None);
        out.close();
    }

    /// `only` is the class whose properties are shown; without one all are.
    fn write_properties(
        &self,
        out: &mut Writer,
        instance: &Instance,
        prefix: &str,
        depth: usize,
        only: Option<&ClassInfo>,
    ) {
        let class = self.class(&instance.class);
        let mut properties: Vec<&(String, Value)> = instance.properties.iter().collect();
        properties.retain(|(name, _)| only.is_none_or(|only| only.property(name).is_some()));
        properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        for (name, value) in properties {
            let property = class.and_then(|class| class.property(name));
            let declared = property.map(|property| Declared::new(&property.kind, property.array));
            value::write(out, self, &format!("{prefix}{name}"), declared.unwrap_or_default(), value, depth);
        }
    }

    fn class(&self, name: &str) -> Option<&'static ClassInfo> {
        self.provider.schema().class(name)
    }
}

/// Reads the properties that an element holds as an instance of the class. What is not there is not given.
pub(crate) fn read(node: Node<'_, '_>, schema: &Schema, class: &ClassInfo) -> Result<Instance, WsmanFault> {
    let declared =
        |name: &str| class.property(name).map(|property| Declared::new(&property.kind, property.array));
    Ok(Instance { class: class.name.clone(), properties: value::read_members(node, schema, declared)? })
}

#[cfg(test)]
mod tests {
    use stage::Stage;

    use super::*;
    use crate::names::PREFIXES;
    use crate::resource::ResourceUri;

    fn package() -> Instance {
        let mut token = Instance::new("SMS_ST_RecurInterval");
        token.set("DaySpan", 7_u32);
        token.set("IsGMT", false);
        let mut package = Instance::new("SMS_DriverPackage");
        package.set("SourceVersion", 3_u32);
        package.set("PackageID", "PS100001");
        package.set("Description", "");
        package.set("Icon", Value::Null);
        package.set("IgnoreAddressSchedule", false);
        package.set("LastRefreshTime", "20240830205506.000000+***".parse::<cim::DateTime>().unwrap());
        package.set("LocalizedCategoryInstanceNames", Value::Array(vec![Value::text("a"), Value::text("b")]));
        package.set("RefreshSchedule", Value::Array(vec![Value::Instance(Box::new(token))]));
        package
    }

    fn shape(stage: &Stage, uri: &str) -> Shape {
        let style = ResourceUri::parse(uri).unwrap().0.style;
        Shape { style, provider: stage.provider.clone(), precise_arrays: false, typed: false }
    }

    #[tokio::test]
    async fn an_instance_has_the_form_of_windows() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let mut out = Writer::new();
        shape(&stage, "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/X").write(&mut out, &package());
        let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";
        let expect = format!(
            "<p:SMS_DriverPackage xmlns:p=\"{uri}/SMS_DriverPackage\" xmlns:cim=\"{CIM}\" \
             xsi:type=\"p:SMS_DriverPackage_Type\"><p:Description></p:Description><p:Icon xsi:nil=\"true\"/>\
             <p:IgnoreAddressSchedule>false</p:IgnoreAddressSchedule>\
             <p:LastRefreshTime><cim:Datetime xmlns:cim=\"{CIM}\">2024-08-30T20:55:06Z</cim:Datetime></p:LastRefreshTime>\
             <p:LocalizedCategoryInstanceNames>a</p:LocalizedCategoryInstanceNames>\
             <p:LocalizedCategoryInstanceNames>b</p:LocalizedCategoryInstanceNames><p:PackageID>PS100001</p:PackageID>\
             <p:RefreshSchedule xmlns:p1=\"{uri}/SMS_ST_RecurInterval\" xsi:type=\"p1:SMS_ST_RecurInterval_Type\">\
             <p1:DaySpan>7</p1:DaySpan><p1:IsGMT>false</p1:IsGMT></p:RefreshSchedule>\
             <p:SourceVersion>3</p:SourceVersion></p:SMS_DriverPackage>"
        );
        assert_eq!(out.finish(), expect);
    }

    #[tokio::test]
    async fn an_instance_comes_back_as_it_went() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let schema = stage.provider.schema();
        let mut sorted = package();
        sorted.properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        for uri in [
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/X",
            "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/X",
        ] {
            let mut out = Writer::new();
            out.open("r", &PREFIXES);
            shape(&stage, uri).write(&mut out, &package());
            let text = out.finish();
            let document = xml::parse(&text).unwrap();
            let node = document.root_element().first_element_child().unwrap();
            let class = schema.class("SMS_DriverPackage").unwrap();
            assert_eq!(node.tag_name().namespace(), Some(uri.replace("/X", "/SMS_DriverPackage").as_str()));
            assert_eq!(read(node, schema, class).unwrap(), sorted);
        }
    }

    #[tokio::test]
    async fn a_fragment_has_no_class() {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let mut out = Writer::new();
        let mut row = Instance::new("SMS_DriverPackage");
        row.set("PackageID", "PS100001");
        row.set("Name", "a");
        shape(&stage, "http://schemas.dmtf.org/wbem/wscim/1/*").write_fragment(&mut out, &row);
        let expect = format!(
            "<w:XmlFragment xmlns:cim=\"{CIM}\"><Name>a</Name><PackageID>PS100001</PackageID></w:XmlFragment>"
        );
        assert_eq!(out.finish(), expect);
    }
}
