//! The site of the stage with CIM-XML in front, and messages as clients write them.

use std::ops::Deref;

use cimxml::CimXml;
use clock::SharedClock;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use stage::{Listening, Stage};

pub(crate) const SITE: &str = "root/sms/site_PS1";

/// A running service.
pub(crate) struct Service {
    stage: Stage,
    pub(crate) cimxml: CimXml,
    pub(crate) at: Listening,
    client: reqwest::Client,
}

impl Deref for Service {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The code of the CIM error; 0 without one.
    pub(crate) fn code(&self) -> u32 {
        assert_eq!(self.status, 200, "{self:?}");
        attribute(&self.body, "<ERROR CODE=\"").map_or(0, |code| code.parse().unwrap())
    }

    /// The answer, which must be no error.
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code(), 0, "{}", self.body);
        self
    }

    /// How often an element is there.
    pub(crate) fn count(&self, element: &str) -> usize {
        self.body.matches(&format!("<{element}>")).count()
            + self.body.matches(&format!("<{element} ")).count()
    }

    /// The text of VALUE below what is named so.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!(" NAME=\"{name}\""))?;
        let (_, rest) = rest.split_once('>')?;
        rest.strip_prefix("<VALUE>")?.split_once('<').map(|(text, _)| text)
    }
}

fn attribute<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once('"').map(|(value, _)| value)
}

impl Service {
    /// The service at a time that stands still.
    pub(crate) async fn start() -> Self {
        Self::start_with(Stage::fixed_clock()).await
    }

    pub(crate) async fn start_with(clock: SharedClock) -> Self {
        let stage = Stage::new(clock).await;
        let cimxml = CimXml::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone());
        let at = stage.listen(cimxml.listener_router()).await;
        // The listener closes idle connections by a clock that tests move on.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { stage, cimxml, at, client }
    }

    /// Posts a body as it is.
    pub(crate) async fn post(
        &self,
        user: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.request(user, "POST", "/cimom", headers, body).await
    }

    pub(crate) async fn request(
        &self,
        user: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let response = self.send(user, method, path, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// The answer to an operation, of which nothing is read yet.
    pub(crate) async fn begin(&self, operation: &str, parameters: &str) -> reqwest::Response {
        self.send("admin", "POST", "/cimom", &[], intrinsic(SITE, operation, parameters)).await
    }

    async fn send(
        &self,
        user: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> reqwest::Response {
        let mut lines = HeaderMap::new();
        lines.insert("content-type", HeaderValue::from_static("application/xml; charset=\"utf-8\""));
        if !user.is_empty() {
            lines.insert("authorization", HeaderValue::from_str(&Stage::basic(user)).unwrap());
        }
        for (name, value) in headers {
            lines.insert(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let method = method.parse().unwrap();
        let request =
            self.client.request(method, format!("{}{path}", self.at.url)).headers(lines).body(body.into());
        request.send().await.unwrap()
    }

    /// An operation in the site's namespace, by the administrator.
    pub(crate) async fn call(&self, operation: &str, parameters: &str) -> Answer {
        self.call_as("admin", SITE, operation, parameters).await
    }

    pub(crate) async fn call_as(
        &self,
        user: &str,
        namespace: &str,
        operation: &str,
        parameters: &str,
    ) -> Answer {
        let headers = [("cimoperation", "MethodCall"), ("cimmethod", operation), ("cimobject", namespace)];
        self.post(user, &headers, intrinsic(namespace, operation, parameters)).await
    }

    /// A method of an instance or, with a CLASSNAME, of a class.
    pub(crate) async fn invoke(&self, user: &str, target: &str, method: &str, parameters: &str) -> Answer {
        self.post(user, &[], extrinsic(target, method, parameters)).await
    }
}

pub(crate) fn framed(request: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\"><MESSAGE ID=\"1001\" \
         PROTOCOLVERSION=\"1.0\"><SIMPLEREQ>{request}</SIMPLEREQ></MESSAGE></CIM>"
    )
}

pub(crate) fn space(namespace: &str) -> String {
    let parts: String = namespace.split('/').map(|part| format!("<NAMESPACE NAME=\"{part}\"/>")).collect();
    format!("<LOCALNAMESPACEPATH>{parts}</LOCALNAMESPACEPATH>")
}

pub(crate) fn intrinsic(namespace: &str, operation: &str, parameters: &str) -> String {
    framed(&format!("<IMETHODCALL NAME=\"{operation}\">{}{parameters}</IMETHODCALL>", space(namespace)))
}

pub(crate) fn extrinsic(target: &str, method: &str, parameters: &str) -> String {
    let element = if target.starts_with("<CLASSNAME") { "LOCALCLASSPATH" } else { "LOCALINSTANCEPATH" };
    let path = format!("<{element}>{}{target}</{element}>", space(SITE));
    framed(&format!("<METHODCALL NAME=\"{method}\">{path}{parameters}</METHODCALL>"))
}

/// A parameter with any content.
pub(crate) fn parameter(name: &str, content: &str) -> String {
    format!("<IPARAMVALUE NAME=\"{name}\">{content}</IPARAMVALUE>")
}

pub(crate) fn text(name: &str, value: &str) -> String {
    parameter(name, &format!("<VALUE>{}</VALUE>", escaped(value)))
}

pub(crate) fn texts(name: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("<VALUE>{}</VALUE>", escaped(value))).collect();
    parameter(name, &format!("<VALUE.ARRAY>{values}</VALUE.ARRAY>"))
}

pub(crate) fn class(name: &str) -> String {
    parameter("ClassName", &format!("<CLASSNAME NAME=\"{name}\"/>"))
}

/// INSTANCENAME with keys of type string.
pub(crate) fn name(class: &str, keys: &[(&str, &str)]) -> String {
    let keys = keys.iter().map(|(name, value)| {
        format!(
            "<KEYBINDING NAME=\"{name}\"><KEYVALUE VALUETYPE=\"string\">{}</KEYVALUE></KEYBINDING>",
            escaped(value)
        )
    });
    format!("<INSTANCENAME CLASSNAME=\"{class}\">{}</INSTANCENAME>", keys.collect::<String>())
}

pub(crate) fn package(id: &str) -> String {
    name("SMS_DriverPackage", &[("PackageID", id)])
}

/// INSTANCE with properties of type string.
pub(crate) fn instance(class: &str, properties: &[(&str, &str)]) -> String {
    let properties = properties.iter().map(|(name, value)| {
        format!("<PROPERTY NAME=\"{name}\" TYPE=\"string\"><VALUE>{}</VALUE></PROPERTY>", escaped(value))
    });
    format!("<INSTANCE CLASSNAME=\"{class}\">{}</INSTANCE>", properties.collect::<String>())
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
