//! Listeners of single protocols, at ports of their own: what answers there, what does not, what they allow and
//! count, and how they end.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::collections::HashMap;

use futures_util::{StreamExt, future, stream};
use processes::{Hierarchy, PASSWORD, free_port, wait_until};
use reqwest::{Body, Certificate, Client, Response, StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod processes;

/// The listeners beside the main one, by the arguments that ask for them.
const NAMES: [&str; 4] = ["wsman", "wsman-tls", "cimxml", "cimxml-tls"];
/// The most connections of one address in the test of limits.
const CONNECTIONS_MAX: usize = 3;

const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body>\
    <i:Identify xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/></s:Body></s:Envelope>";

/// The classes that the site has, asked by CIM-XML.
const CLASS_NAMES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\">\
    <MESSAGE ID=\"1\" PROTOCOLVERSION=\"1.0\"><SIMPLEREQ><IMETHODCALL NAME=\"EnumerateClassNames\"><LOCALNAMESPACEPATH>\
    <NAMESPACE NAME=\"root\"/><NAMESPACE NAME=\"sms\"/><NAMESPACE NAME=\"site_PS1\"/></LOCALNAMESPACEPATH></IMETHODCALL>\
    </SIMPLEREQ></MESSAGE></CIM>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_protocol_answers_at_its_own_port_and_nothing_else_does() {
    let (mut hierarchy, ports) = started("").await;
    let http = trusting(&hierarchy).await;

    for (index, scheme) in [(0, "http"), (1, "https")] {
        let url = format!("{scheme}://127.0.0.1:{}", ports[index]);
        let identify = http.post(format!("{url}/wsman"));
        let identify = identify.header("content-type", "application/soap+xml;charset=UTF-8");
        let reply = identify.header("wsmanidentify", "unauthenticated").body(IDENTIFY).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{url}");
        assert_eq!(
            reply.version(),
            Version::HTTP_11,
            "{url}: Negotiate signs connections of no other version in"
        );
        assert!(reply.text().await.unwrap().contains("IdentifyResponse"), "{url}");
        assert_eq!(status(&http, &format!("{url}/AdminService/wmi/")).await, StatusCode::NOT_FOUND, "{url}");
        assert_eq!(status(&http, &format!("{url}/healthz")).await, StatusCode::NOT_FOUND, "{url}");
    }
    for (index, scheme) in [(2, "http"), (3, "https")] {
        let url = format!("{scheme}://127.0.0.1:{}", ports[index]);
        for path in ["/cimom", "/"] {
            let call = http.post(format!("{url}{path}")).header("cimoperation", "MethodCall");
            let call = call.header("content-type", "application/xml; charset=\"utf-8\"").body("<CIM/>");
            let reply = call.send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{url}{path}");
            assert_eq!(reply.version(), Version::HTTP_11, "{url}{path}");
            let offered = reply.headers().get_all("www-authenticate");
            assert!(offered.iter().any(|line| line.as_bytes().starts_with(b"Basic ")), "{url}{path}");
        }
        assert_eq!(status(&http, &format!("{url}/wsman")).await, StatusCode::NOT_FOUND, "{url}");
    }
    let counted = metrics(&hierarchy).await.unwrap();
    for name in ["wsman", "wsman_tls", "cimxml", "cimxml_tls"] {
        assert_eq!(counted[&format!("haulier_site_{name}_requests_total")], 3, "{name}");
        for counter in counted.keys().filter_map(|name| name.strip_prefix("haulier_site_listener_")) {
            let own = format!("haulier_site_{name}_{counter}");
            assert!(counted.contains_key(&own), "the main listener counts {counter}, and there is no {own}");
        }
    }
    assert!(hierarchy.site.terminate().await, "all listeners end with the site");
}

/// What an address may open is what it may open at all listeners together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listeners_have_the_limits_of_the_main_one_together() {
    let limits = format!("[limits]\nconnections_per_address = {CONNECTIONS_MAX}\n");
    let (mut hierarchy, ports) = started(&limits).await;
    let main = hierarchy.site.address.rsplit(':').next().unwrap().parse().unwrap();
    let connect = async |port: u16| TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut held = Vec::new();
    for port in [main, ports[0], ports[2]] {
        held.push(connect(port).await);
        is_answered(held.last_mut().unwrap()).await;
    }
    assert_eq!(held.len(), CONNECTIONS_MAX);
    for port in [main].into_iter().chain(ports) {
        // Closed, or reset where what it never read is lost.
        let refused = connect(port).await.read(&mut [0; 1]).await;
        assert!(matches!(refused, Ok(0) | Err(_)), "{port}: {refused:?}");
    }
    for open in &mut held {
        is_answered(open).await;
    }
    drop(held);
    let metrics = async || metrics(&hierarchy).await;
    wait_until("the main listener takes connections again", async || metrics().await.is_some()).await;
    let counted = metrics().await.unwrap();
    for name in ["wsman", "wsman_tls", "cimxml", "cimxml_tls"] {
        assert_eq!(counted[&format!("haulier_site_{name}_refused_per_peer_total")], 1, "{name}");
    }
    assert!(counted["haulier_site_listener_refused_per_peer_total"] >= 1);
    assert!(hierarchy.site.terminate().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_listener_ends_the_requests_that_it_has_begun() {
    let (mut hierarchy, ports) = started("").await;
    let http = trusting(&hierarchy).await;
    let mut begun = Vec::new();
    for (name, port) in NAMES.iter().zip(ports) {
        let scheme = if name.ends_with("-tls") { "https" } else { "http" };
        begun.push(Begun::new(&http, &format!("{scheme}://127.0.0.1:{port}"), name.starts_with("wsman")));
    }
    wait_until("every listener has a request", async || {
        let counted = metrics(&hierarchy).await.unwrap();
        let has_one =
            |name: &str| counted[&format!("haulier_site_{}_requests_total", name.replace('-', "_"))] == 1;
        NAMES.into_iter().all(has_one)
    })
    .await;
    let finished = async {
        for port in ports {
            wait_until("nobody listens any more", async || {
                TcpStream::connect(("127.0.0.1", port)).await.is_err()
            })
            .await;
        }
        for Begun { rest, answer } in begun {
            rest.send(()).unwrap();
            let answer = answer.await.unwrap();
            let (url, status) = (answer.url().clone(), answer.status());
            assert_eq!(status, StatusCode::OK, "{url}");
            assert!(answer.text().await.unwrap().to_uppercase().contains("RESPONSE"), "{url}");
        }
    };
    let (ended, ()) = tokio::join!(hierarchy.site.terminate(), finished);
    assert!(ended);
}

/// Asks on a connection, which stays open.
async fn is_answered(stream: &mut TcpStream) {
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    stream.read_exact(&mut vec![0; length.map_or(0, |length| length.parse().unwrap())]).await.unwrap();
}

/// A request of which the listener has the first half.
struct Begun {
    rest: oneshot::Sender<()>,
    answer: JoinHandle<Response>,
}

impl Begun {
    fn new(http: &Client, url: &str, is_wsman: bool) -> Self {
        let text = if is_wsman { IDENTIFY } else { CLASS_NAMES };
        let request = match is_wsman {
            true => http.post(format!("{url}/wsman")).header("wsmanidentify", "unauthenticated"),
            false => http.post(format!("{url}/cimom")),
        };
        let content_type = if is_wsman { "application/soap+xml;charset=UTF-8" } else { "application/xml" };
        let (rest, told) = oneshot::channel();
        let (first, second) = text.split_at(text.len() / 2);
        let second = async move {
            let _ = told.await;
            Ok::<_, std::convert::Infallible>(second)
        };
        let body = stream::once(future::ready(Ok(first))).chain(stream::once(second));
        let request = request.header("content-type", content_type).basic_auth("admin", Some(PASSWORD));
        let request = request.body(Body::wrap_stream(body));
        Self { rest, answer: tokio::spawn(async { request.send().await.unwrap() }) }
    }
}

/// A site with every listener, and their ports; `more` goes into its configuration.
async fn started(more: &str) -> (Hierarchy, [u16; 4]) {
    let mut hierarchy = Hierarchy::start(0).await;
    assert!(hierarchy.site.terminate().await);
    let ports = NAMES.map(|_| free_port());
    for (name, port) in NAMES.iter().zip(ports) {
        hierarchy.site.with(&[&format!("--{name}"), &format!("127.0.0.1:{port}")]);
    }
    if !more.is_empty() {
        let file = hierarchy.site.data.join("haulier.toml");
        let (table, _) = more.split_once('\n').unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(table), "{text}");
        std::fs::write(&file, text.replace(&format!("{table}\n"), more)).unwrap();
    }
    hierarchy.site.start().await;
    (hierarchy, ports)
}

/// A client that trusts the site's authority.
async fn trusting(hierarchy: &Hierarchy) -> Client {
    let authority = hierarchy.text(&["site", "ca", "--data", hierarchy.site.data.to_str().unwrap()]).await;
    let authority = Certificate::from_pem(authority.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap()
}

/// What the site counts, by name; none while it takes no connection.
async fn metrics(hierarchy: &Hierarchy) -> Option<HashMap<String, u64>> {
    let http = Client::builder().no_proxy().build().unwrap();
    let text =
        http.get(format!("{}/metrics", hierarchy.site.address)).send().await.ok()?.text().await.ok()?;
    let counters = text.lines().filter_map(|line| line.split_once(' '));
    Some(counters.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}

async fn status(http: &Client, url: &str) -> StatusCode {
    http.get(url).send().await.unwrap().status()
}
