//! Listeners of single protocols, at ports of their own: what answers there, what does not, and how they end.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, free_port};
use reqwest::{Certificate, Client, StatusCode};

mod processes;

const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body>\
    <i:Identify xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/></s:Body></s:Envelope>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_protocol_answers_at_its_own_port_and_nothing_else_does() {
    let mut hierarchy = Hierarchy::start(0).await;
    assert!(hierarchy.site.terminate().await);
    let names = ["wsman", "wsman-tls", "cimxml", "cimxml-tls"];
    let ports = names.map(|_| free_port());
    for (name, port) in names.iter().zip(ports) {
        hierarchy.site.with(&[&format!("--{name}"), &format!("127.0.0.1:{port}")]);
    }
    hierarchy.site.start().await;
    let authority = hierarchy.text(&["site", "ca", "--data", hierarchy.site.data.to_str().unwrap()]).await;
    let authority = Certificate::from_pem(authority.as_bytes()).unwrap();
    let http = Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();

    for (index, scheme) in [(0, "http"), (1, "https")] {
        let url = format!("{scheme}://127.0.0.1:{}", ports[index]);
        let identify = http.post(format!("{url}/wsman"));
        let identify = identify.header("content-type", "application/soap+xml;charset=UTF-8");
        let reply = identify.header("wsmanidentify", "unauthenticated").body(IDENTIFY).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{url}");
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
            let offered = reply.headers().get_all("www-authenticate");
            assert!(offered.iter().any(|line| line.as_bytes().starts_with(b"Basic ")), "{url}{path}");
        }
        assert_eq!(status(&http, &format!("{url}/wsman")).await, StatusCode::NOT_FOUND, "{url}");
    }
    let metrics = http.get(format!("{}/metrics", hierarchy.site.address)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for (name, expect) in [("wsman", 3), ("wsman_tls", 3), ("cimxml", 3), ("cimxml_tls", 3)] {
        let line = format!("haulier_site_{name}_requests_total {expect}");
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert!(hierarchy.site.terminate().await, "all listeners end with the site");
}

async fn status(http: &Client, url: &str) -> StatusCode {
    http.get(url).send().await.unwrap().status()
}
