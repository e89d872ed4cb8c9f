//! Signing in at every front end of a site: what each offers to whom, and that no answer loses the last word of a
//! negotiation.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use net::Peer;
use signin::BindingRule;
use site::{Actor, NewUser, Role};
use stage::{HOST, Listening, PACKAGE, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, NTLM_OID, first_token, inner_message, later_token, mech_list};
use crate::harness::{Ask, SOAP_TYPE};

const PASSWORD: &str = "correct horse bättery";
const ELSEWHERE: &str = "192.0.2.7:50000";
const HERE: &str = "127.0.0.1:50000";

/// One request: its line, its media type and its body.
type Sent = (&'static str, &'static str, String);

/// All front ends of a site, which take everybody for somebody at an address.
struct FrontEnds {
    stage: Stage,
    at: Listening,
}

/// The head of an answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn offered(&self) -> Vec<&str> {
        self.head.lines().filter_map(|line| line.strip_prefix("www-authenticate: ")).collect()
    }

    fn schemes(&self) -> Vec<&str> {
        self.offered().into_iter().filter_map(|line| line.split(' ').next()).collect()
    }
}

impl FrontEnds {
    async fn start(from: &'static str, secure: bool) -> Self {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let new = NewUser {
            name: "winrm",
            password: PASSWORD,
            role: Role::FullAdministrator,
            scopes: &[],
            allow_ntlm: true,
        };
        stage.site.add_user(&Actor::local(), new).await.unwrap();
        let sign_in = stage.sign_in.clone().with_binding_rule(BindingRule::WhenSent);
        let (provider, clock) = (&stage.provider, &stage.clock);
        let router = Router::new()
            .merge(adminservice::router(provider.clone(), sign_in.clone(), clock.clone()))
            .merge(driverservice::router(stage.site.clone(), sign_in.clone()))
            .merge(wsman::WsMan::new(provider.clone(), sign_in.clone(), clock.clone()).router())
            .merge(cimxml::CimXml::new(provider.clone(), sign_in, clock.clone()).router());
        let router = router.layer(middleware::map_request(move |mut request: Request| async move {
            let peer = request.extensions_mut().get_mut::<Peer>().unwrap();
            peer.addr = from.parse::<SocketAddr>().unwrap();
            peer.secure = secure;
            peer.server_certificate = secure.then(|| Arc::from(&b"certificate"[..]));
            request
        }));
        let at = stage.listen(router).await;
        Self { stage, at }
    }

    async fn line(&self) -> TcpStream {
        TcpStream::connect(self.at.addr).await.unwrap()
    }
}

/// Sends a request and reads the head of its answer; a body that is announced is read too.
async fn send(line: &mut TcpStream, (to, kind, body): &Sent, headers: &[(&str, &str)]) -> Answer {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{to} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    line.read_exact(&mut body).await.unwrap();
    Answer { status: head[9..12].parse().unwrap(), head }
}

fn get(to: &'static str) -> Sent {
    (to, "application/json", String::new())
}

/// One request to each front end.
fn each() -> [(&'static str, Sent); 4] {
    let machine = r#"{"devices":[]}"#.to_owned();
    [
        ("adminservice", get("GET /AdminService/wmi/SMS_Identification")),
        ("driverservice", ("POST /drivers/v1/match", "application/json", machine)),
        ("cimxml", ("POST /cimom", "application/xml", "<CIM/>".to_owned())),
        ("wsman", ("POST /wsman", SOAP_TYPE, Ask::package("Get").envelope())),
    ]
}

/// What would send a password or a token in clear over a network is refused, so it is not asked for.
#[tokio::test]
async fn no_front_end_offers_what_it_refuses() {
    for (from, secure, sealing, others) in [
        (HERE, false, (401, &["Negotiate", "Basic", "Bearer"][..]), (401, &["Basic", "Bearer"][..])),
        (ELSEWHERE, false, (401, &["Negotiate"]), (403, &[])),
        (ELSEWHERE, true, (401, &["Negotiate", "Basic", "Bearer"]), (401, &["Negotiate", "Basic", "Bearer"])),
    ] {
        let service = FrontEnds::start(from, secure).await;
        for (name, sent) in each() {
            let answer = send(&mut service.line().await, &sent, &[]).await;
            let expect = if name == "wsman" { sealing } else { others };
            assert_eq!((answer.status, answer.schemes().as_slice()), expect, "{name} {from}: {answer:?}");
        }
        let (_, asks) = each().into_iter().next_back().unwrap();
        let unknown = [("WSMANIDENTIFY", "unauthenticated")];
        let answer = send(&mut service.line().await, &asks, &unknown).await;
        assert_eq!((answer.status, answer.schemes().as_slice()), sealing, "no Identify: {answer:?}");
    }
}

/// Without it a client of SPNEGO does not know whom it talks to, and gives up.
#[tokio::test]
async fn whatever_is_answered_the_last_word_of_the_negotiation_comes_with_it() {
    let service = FrontEnds::start(HERE, true).await;
    let refresh = "POST /AdminService/wmi/SMS_DriverPackage('PS100001')/AdminService.RefreshPkgSource";
    assert!(refresh.contains(PACKAGE));
    let json = |to, body: &str| (to, "application/json", body.to_owned());
    for (sent, expect) in [
        (get("GET /AdminService/wmi/SMS_DriverPackage('PS100001')"), 200),
        (json(refresh, "{}"), 201),
        (json(refresh, "{"), 400),
        (get("GET /AdminService/wmi/SMS_Nothing"), 404),
        (get("GET /AdminService/wmi/SMS_Site?$top=x"), 400),
        (get("GET /events"), 200),
        (json("POST /events", "{}"), 405),
        (
            json(
                "POST /drivers/v1/match",
                r#"{"os":{"version":"10.0.26100","architecture":"x64"},"devices":[]}"#,
            ),
            400,
        ),
        (json("POST /drivers/v1/package", "{"), 400),
        (("POST /cimom", "application/xml", "<CIM".to_owned()), 400),
        (("POST /wsman", SOAP_TYPE, Ask::package("Get").envelope()), 200),
        (("POST /wsman", SOAP_TYPE, Ask::package("Nothing").envelope()), 500),
        (("POST /wsman", SOAP_TYPE, "<s".to_owned()), 400),
    ] {
        let (mut line, mut client) = (service.line().await, Client::new("winrm", PASSWORD));
        let (list, bare) = (mech_list(&[NTLM_OID]), (sent.0, sent.1, String::new()));
        let token = |token: &[u8]| format!("Negotiate {}", STANDARD.encode(token));
        let first = token(&first_token(&list, Some(&client.negotiate())));
        let challenged = send(&mut line, &bare, &[("Authorization", &first)]).await;
        let word = |answer: &Answer| {
            let offered = answer.offered();
            assert_eq!(offered.len(), 1, "{}: {answer:?}", sent.0);
            STANDARD.decode(offered[0].strip_prefix("Negotiate ").unwrap()).unwrap()
        };
        assert_eq!(challenged.status, 401, "{}: {challenged:?}", sent.0);
        let (message, mut sealer) = client.authenticate(inner_message(&word(&challenged)));
        let mic = sealer.mech_list_mic(&list);
        let last = token(&later_token(Some(&message), Some(&mic)));
        let answer = send(&mut line, &sent, &[("Authorization", &last)]).await;
        assert_eq!(answer.status, expect, "{}: {answer:?}", sent.0);
        let word = word(&answer);
        sealer.check_mech_list_mic(&list, &word[word.len() - 16..]);
    }
    service.stage.snapshot().await;
    assert_eq!(service.stage.site.package(PACKAGE).await.unwrap().source_version, 2, "one call arrived");
}
