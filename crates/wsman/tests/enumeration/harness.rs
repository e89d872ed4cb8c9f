//! The service over the stage's site, and requests to it as clients put them.

use std::ops::Deref;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use clock::SharedClock;
use net::Peer;
use stage::{HOST, Listening, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;
use xml::Element;

pub(crate) const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
pub(crate) const DMTF_ALL: &str = "http://schemas.dmtf.org/wbem/wscim/1/*";
pub(crate) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/";
pub(crate) const DECLARATIONS: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";
pub(crate) const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
pub(crate) const BINDING: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd";
const ACTIONS: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/";
/// The namespaces of answers' elements, without a scheme that would be cut.
pub(crate) const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";

/// A running service.
pub(crate) struct Service {
    stage: Stage,
    at: Listening,
    router: Router,
}

impl Deref for Service {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// A request.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) user: &'a str,
    pub(crate) resource: &'a str,
    /// More header blocks.
    pub(crate) headers: &'a str,
    pub(crate) envelope_bytes: usize,
}

impl<'a> Ask<'a> {
    pub(crate) fn of(resource: &'a str) -> Self {
        Self { user: "admin", resource, headers: "", envelope_bytes: 512_000 }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn good(self) -> Self {
        let why = self.body.split("<s:Reason>").nth(1).unwrap_or("");
        assert_eq!(self.status, 200, "{why}");
        self
    }

    /// The texts of all elements of that name.
    pub(crate) fn all(&self, namespace: &str, name: &str) -> Vec<String> {
        let document = xml::parse(&self.body).unwrap();
        let found = document.descendants().filter(|node| node.is(namespace, name));
        found.map(|node| node.text().unwrap_or("").to_owned()).collect()
    }

    pub(crate) fn has(&self, namespace: &str, name: &str) -> bool {
        !self.all(namespace, name).is_empty()
    }

    /// The context; none where the element is missing or empty.
    pub(crate) fn context(&self) -> Option<String> {
        self.all(ENUMERATION, "EnumerationContext").into_iter().next().filter(|text| !text.is_empty())
    }

    /// How many items there are in the items of that namespace.
    pub(crate) fn items(&self, namespace: &str) -> usize {
        let document = xml::parse(&self.body).unwrap();
        let items = document.descendants().find(|node| node.is(namespace, "Items"));
        items.map_or(0, |items| items.children().filter(xml::Node::is_element).count())
    }

    /// The subcode of a fault, and Windows' code.
    pub(crate) fn fault(&self) -> (String, u32) {
        assert_eq!(self.status, 500, "{}", self.body);
        let document = xml::parse(&self.body).unwrap();
        let values: Vec<_> =
            document.descendants().filter(|node| node.tag_name().name() == "Value").collect();
        let detail = document.descendants().find(|node| node.tag_name().name() == "WSManFault").unwrap();
        let subcode = values.last().and_then(xml::Node::text).unwrap_or("").to_owned();
        (subcode, detail.attribute("Code").unwrap().parse().unwrap())
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(Stage::fixed_clock()).await
    }

    pub(crate) async fn start_with(clock: SharedClock) -> Self {
        let stage = Stage::new(clock).await;
        let router =
            wsman::WsMan::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone()).router();
        let at = stage.listen(router.clone()).await;
        Self { stage, at, router }
    }

    pub(crate) async fn enumerate(&self, ask: &Ask<'_>, body: &str) -> Answer {
        let body = format!("<n:Enumerate>{body}</n:Enumerate>");
        self.send(ask, &format!("{ACTIONS}Enumerate"), &body).await
    }

    pub(crate) async fn pull(&self, ask: &Ask<'_>, context: &str, body: &str) -> Answer {
        let context = format!("<n:EnumerationContext>{context}</n:EnumerationContext>");
        let body = format!("<n:Pull>{context}{body}</n:Pull>");
        self.send(ask, &format!("{ACTIONS}Pull"), &body).await
    }

    pub(crate) async fn release(&self, ask: &Ask<'_>, context: &str) -> Answer {
        let body = format!("<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>");
        self.send(ask, &format!("{ACTIONS}Release"), &body).await
    }

    pub(crate) async fn send(&self, ask: &Ask<'_>, action: &str, body: &str) -> Answer {
        self.post(ask.user, &envelope(ask, action, body)).await
    }

    /// The answer to a pull of so many as the connection gets it: nobody has taken its body yet.
    pub(crate) async fn answer_to_pull(&self, ask: &Ask<'_>, context: &str, elements: usize) -> Response {
        let body = format!(
            "<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>{elements}</n:MaxElements></n:Pull>"
        );
        let request = Request::post("/wsman")
            .header("authorization", Stage::basic(ask.user))
            .header("content-type", "application/soap+xml;charset=UTF-8")
            .extension(Peer {
                addr: self.at.addr,
                secure: false,
                certificate: None,
                server_certificate: None,
            });
        let request = request.body(Body::from(envelope(ask, &format!("{ACTIONS}Pull"), &body))).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }
    async fn post(&self, user: &str, envelope: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at.addr).await.unwrap();
        let request = format!(
            "POST /wsman HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nAuthorization: {}\r\n\
             Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{envelope}",
            Stage::basic(user),
            envelope.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, body: body.to_owned() }
    }

    /// Everything that an enumeration has, by pulls of so many.
    pub(crate) async fn all(&self, ask: &Ask<'_>, body: &str, elements: usize) -> Vec<Answer> {
        let mut answers = vec![self.enumerate(ask, body).await.good()];
        let pull = format!("<n:MaxElements>{elements}</n:MaxElements>");
        while let Some(context) = answers.last().and_then(Answer::context) {
            answers.push(self.pull(ask, &context, &pull).await.good());
        }
        answers
    }
}

/// A filter in a dialect.
pub(crate) fn filter(dialect: &str, content: &str) -> String {
    format!("<w:Filter Dialect='{dialect}'>{content}</w:Filter>")
}

fn envelope(ask: &Ask<'_>, action: &str, body: &str) -> String {
    let Ask { resource, headers, envelope_bytes, .. } = ask;
    format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='{ADDRESSING}' \
             xmlns:n='{ENUMERATION}' xmlns:w='{WSMAN}' xmlns:b='{BINDING}'><s:Header>\
             <a:To>http://{HOST}/wsman</a:To><w:ResourceURI s:mustUnderstand='true'>{resource}</w:ResourceURI>\
             <a:ReplyTo><a:Address>{ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>\
             <a:Action>{action}</a:Action><a:MessageID>uuid:1</a:MessageID>\
             <w:MaxEnvelopeSize>{envelope_bytes}</w:MaxEnvelopeSize>{headers}</s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
    )
}
