//! A stage with the service, and envelopes as PowerShell's cmdlets write them.

use std::sync::Arc;

use clock::SharedClock;
use signin::SignIn;
use stage::{HOST, Listening, PACKAGE, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wsman::WsMan;

/// Before the name of a class in a URI of the DMTF.
pub(crate) const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
/// Before the name of a class of the site in a URI of Microsoft.
pub(crate) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/";
/// Before the actions of WS-Transfer.
pub(crate) const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/";
/// The message id of every request.
pub(crate) const MESSAGE_ID: &str = "uuid:0F5C7B5A-0000-4000-8000-00000000000A";
/// The media type that clients of Windows state.
pub(crate) const SOAP_TYPE: &str = "application/soap+xml;charset=UTF-8";

/// A running service.
pub(crate) struct Service {
    pub(crate) stage: Stage,
    pub(crate) wsman: WsMan,
    pub(crate) at: Listening,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The text of the first element of that name, whatever its prefix.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// The texts of all elements of that name.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let document = xml::parse(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let named = document.descendants().filter(|node| node.tag_name().name() == name);
        named.map(|node| node.text().unwrap_or("").to_owned()).collect()
    }

    /// The subcode of a fault, without its prefix, and the end of its detail.
    pub(crate) fn fault(&self) -> (String, String) {
        assert_eq!(self.status, 500, "{self:?}");
        let code = self.texts("Value").pop().unwrap();
        let detail = self.text("FaultDetail").unwrap_or_default();
        let end = |text: &str, mark: char| text.rsplit(mark).next().unwrap_or("").to_owned();
        (end(&code, ':'), end(&detail, '/'))
    }

    /// The decimal code of a fault's detail.
    pub(crate) fn code(&self) -> u32 {
        let document = xml::parse(&self.body).unwrap();
        let detail = document.descendants().find(|node| node.tag_name().name() == "WSManFault").unwrap();
        detail.attribute("Code").unwrap().parse().unwrap()
    }
}

/// A request in the shape of PowerShell's CIM cmdlets.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) uri: String,
    pub(crate) selectors: Vec<(String, String)>,
    /// Header blocks of its own.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Ask {
    /// A request on a class, in the DMTF's style with the site's namespace.
    pub(crate) fn class(action: &str, class: &str) -> Self {
        let action = match action.contains("://") {
            true => action.to_owned(),
            false => format!("{TRANSFER}{action}"),
        };
        Self {
            action,
            uri: format!("{DMTF}{class}"),
            selectors: vec![("__cimnamespace".to_owned(), "root/sms/site_PS1".to_owned())],
            headers: String::new(),
            body: String::new(),
        }
    }

    /// A request on the package that is there.
    pub(crate) fn package(action: &str) -> Self {
        Self::class(action, "SMS_DriverPackage").key("PackageID", PACKAGE)
    }

    /// The same with another action of WS-Transfer.
    pub(crate) fn action(mut self, action: &str) -> Self {
        self.action = format!("{TRANSFER}{action}");
        self
    }

    pub(crate) fn uri(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.uri);
        self
    }

    pub(crate) fn key(mut self, name: &str, value: &str) -> Self {
        self.selectors.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_selectors(mut self) -> Self {
        self.selectors.clear();
        self
    }

    pub(crate) fn header(mut self, block: &str) -> Self {
        self.headers.push_str(block);
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    pub(crate) fn envelope(&self) -> String {
        let selectors: String = self
            .selectors
            .iter()
            .map(|(name, value)| format!("<w:Selector Name=\"{name}\">{}</w:Selector>", escaped(value)))
            .collect();
        let set = if selectors.is_empty() {
            String::new()
        } else {
            format!("<w:SelectorSet>{selectors}</w:SelectorSet>")
        };
        let Self { action, uri, headers, body, .. } = self;
        format!(
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd" xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"><s:Header><a:To>http://{HOST}:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action><a:MessageID>{MESSAGE_ID}</a:MessageID><w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/><p:SessionId s:mustUnderstand="false">uuid:0F5C7B5A-0000-4000-8000-00000000000B</p:SessionId><p:OperationID s:mustUnderstand="false">uuid:0F5C7B5A-0000-4000-8000-00000000000C</p:OperationID><p:SequenceId s:mustUnderstand="false">1</p:SequenceId>{set}{headers}<w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>"#
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Service {
    /// The service at a fixed time.
    pub(crate) async fn start() -> Self {
        Self::start_at(Stage::fixed_clock()).await
    }

    pub(crate) async fn start_at(clock: SharedClock) -> Self {
        let stage = Stage::new(clock).await;
        let signin = SignIn::new(stage.site.clone());
        let wsman = WsMan::new(stage.provider.clone(), signin, Arc::clone(&stage.clock));
        let at = stage.listen(wsman.router()).await;
        Self { stage, wsman, at }
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        self.send("admin", &ask.envelope()).await
    }

    pub(crate) async fn ask_as(&self, user: &str, ask: &Ask) -> Answer {
        self.send(user, &ask.envelope()).await
    }

    /// Posts an envelope as a user.
    pub(crate) async fn send(&self, user: &str, envelope: &str) -> Answer {
        let headers = format!("Authorization: {}\r\nContent-Type: {SOAP_TYPE}\r\n", Stage::basic(user));
        self.raw("POST /wsman", &headers, envelope.as_bytes()).await
    }

    /// Sends a request as written; `line` is method and path, `headers` end their lines.
    pub(crate) async fn raw(&self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.at.addr).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Who is refused early may be cut off while it still sends.
        let _ = stream.write_all(body).await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}
