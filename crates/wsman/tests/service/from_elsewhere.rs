//! Requests from another machine over plain HTTP: everything is sealed, and what is not, or is forged, does nothing.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::middleware;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use net::Peer;
use site::{Actor, NewUser, Role};
use stage::{HOST, Listening, PACKAGE, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{
    Client, END, NTLM_OID, SEALED, Sealer, find_message, first_token, later_token, mech_list,
};
use crate::harness::{Ask, SOAP_TYPE};

const PASSWORD: &str = "correct horse bättery";

/// The service, which takes everybody for somebody on another machine.
struct Service {
    stage: Stage,
    at: Listening,
}

/// One connection.
struct Line(TcpStream);

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Service {
    async fn start() -> Self {
        let stage = Stage::new(Stage::fixed_clock()).await;
        let new = NewUser {
            name: "winrm",
            password: PASSWORD,
            role: Role::FullAdministrator,
            scopes: &[],
            allow_ntlm: true,
        };
        stage.site.add_user(&Actor::local(), new).await.unwrap();
        let service = wsman::WsMan::new(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone());
        let router = service.router().layer(middleware::map_request(|mut request: Request| async {
            let peer = request.extensions_mut().get_mut::<Peer>().unwrap();
            peer.addr = SocketAddr::from(([192, 0, 2, 7], 50000));
            request
        }));
        let at = stage.listen(router).await;
        Self { stage, at }
    }

    async fn line(&self) -> Line {
        Line(TcpStream::connect(self.at.addr).await.unwrap())
    }

    /// A connection that is signed in.
    async fn signed_in(&self) -> (Line, Sealer) {
        let (mut line, mut client) = (self.line().await, Client::new("winrm", PASSWORD));
        let challenged = line.negotiate(&client.negotiate()).await;
        assert_eq!(challenged.status, 401, "{challenged:?}");
        let token =
            challenged.head.lines().find_map(|line| line.strip_prefix("www-authenticate: Negotiate "));
        let challenge = STANDARD.decode(token.unwrap()).unwrap();
        let (message, sealer) = client.authenticate(&challenge);
        let last = line.negotiate(&message).await;
        assert_eq!((last.status, last.body.len()), (200, 0), "{last:?}");
        (line, sealer)
    }

    async fn has_package(&self) -> bool {
        self.stage.site.package(PACKAGE).await.is_ok()
    }
}

impl Line {
    async fn send(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!("POST /wsman HTTP/1.1\r\nHost: {HOST}\r\n{lines}Content-Length: {length}\r\n\r\n");
        self.0.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let length = value("content-length: ").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status: head[9..12].parse().unwrap(), head, body }
    }

    async fn negotiate(&mut self, token: &[u8]) -> Answer {
        self.send(&[("Authorization", &format!("Negotiate {}", STANDARD.encode(token)))], b"").await
    }

    async fn sealed(&mut self, body: &[u8]) -> Answer {
        self.send(&[("Content-Type", SEALED)], body).await
    }
}

fn delete() -> String {
    Ask::package("Delete").envelope()
}

/// The one token of an answer, which must offer nothing beside it.
fn token(answer: &Answer) -> Vec<u8> {
    let lines = || answer.head.lines().filter_map(|line| line.strip_prefix("www-authenticate: "));
    assert_eq!(lines().count(), 1, "{answer:?}");
    STANDARD.decode(lines().next().and_then(|line| line.strip_prefix("Negotiate ")).unwrap()).unwrap()
}

/// Frequent mistake 9: a token has no other offer beside it, all legs come on one connection, an answer is wrapped as its
/// question was, the code of the list of mechanisms takes the first number, and what is sealed states how long it was.
#[tokio::test]
async fn mistake_9_legs_that_do_not_follow_their_client() {
    let service = Service::start().await;
    let list = mech_list(&[NTLM_OID]);
    for wrapped in [false, true] {
        let (mut line, mut client) = (service.line().await, Client::new("winrm", PASSWORD));
        let offered = line.send(&[("Content-Type", SOAP_TYPE)], b"").await;
        let lines = offered.head.lines().filter_map(|line| line.strip_prefix("www-authenticate: "));
        let schemes: Vec<_> = lines.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(
            (offered.status, schemes),
            (401, vec!["Negotiate"]),
            "nothing that sends a secret in clear"
        );
        let first = client.negotiate();
        let first = if wrapped { first_token(&list, Some(&first)) } else { first };
        let challenged = line.negotiate(&first).await;
        let answer = token(&challenged);
        assert_eq!((challenged.status, answer.starts_with(b"NTLMSSP\0")), (401, !wrapped), "{challenged:?}");
        let (message, mut sealer) = client.authenticate(find_message(&answer).unwrap());
        let last = if wrapped {
            let mic = sealer.mech_list_mic(&list);
            let last = line.negotiate(&later_token(Some(&message), Some(&mic))).await;
            let word = token(&last);
            sealer.check_mech_list_mic(&list, &word[word.len() - 16..]);
            last
        } else {
            line.negotiate(&message).await
        };
        assert_eq!((last.status, last.body.len()), (200, 0), "{last:?}");
        let asked = Ask::package("Get").envelope();
        let answer = line.sealed(&sealer.body(asked.as_bytes())).await;
        let number = answer.body[crate::client::signature(&answer.body) + 12];
        assert_eq!((answer.status, number), (200, u8::from(wrapped)), "{answer:?}");
        let plain = sealer.open(&answer.body);
        let stated = format!(";Length={}\r\n", plain.len());
        assert!(
            answer.body.windows(stated.len()).any(|part| part == stated.as_bytes()),
            "{stated}: {answer:?}"
        );
    }
    let refused = service.line().await.send(&[("Authorization", "Negotiate !!!")], b"").await;
    assert_eq!(refused.status, 401, "{refused:?}");
}

#[tokio::test]
async fn what_is_sealed_is_answered_sealed() {
    let service = Service::start().await;
    let (mut line, mut sealer) = service.signed_in().await;
    for _ in 0..2 {
        let answer = line.sealed(&sealer.body(Ask::package("Get").envelope().as_bytes())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let open = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!open.contains(PACKAGE), "{open}");
        let envelope = String::from_utf8(sealer.open(&answer.body)).unwrap();
        assert!(envelope.contains(PACKAGE), "{envelope}");
    }
    // A fault is sealed as well.
    let answer = line.sealed(&sealer.body(Ask::package("Nothing").envelope().as_bytes())).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(String::from_utf8(sealer.open(&answer.body)).unwrap().contains("Fault"));
    let answer = line.sealed(&sealer.body(delete().as_bytes())).await;
    let envelope = String::from_utf8(sealer.open(&answer.body)).unwrap();
    assert_eq!(answer.status, 200, "{envelope}");
    assert!(!service.has_package().await);
}

#[tokio::test]
async fn what_is_open_is_refused_whoever_is_signed_in() {
    let service = Service::start().await;
    let soap = ("Content-Type", SOAP_TYPE);
    let password = format!("Basic {}", STANDARD.encode(format!("winrm:{PASSWORD}")));
    for authorization in [None, Some(("Authorization", password.as_str()))] {
        let (mut line, _sealer) = service.signed_in().await;
        let headers: Vec<_> = [Some(soap), authorization].into_iter().flatten().collect();
        let answer = line.send(&headers, delete().as_bytes()).await;
        assert_eq!(answer.status, 403, "{authorization:?}: {answer:?}");
        let answer = service.line().await.send(&headers, delete().as_bytes()).await;
        assert!([401, 403].contains(&answer.status), "{authorization:?}: {answer:?}");
    }
    assert!(service.has_package().await);
}

#[tokio::test]
async fn what_is_forged_or_comes_twice_is_refused_and_ends_the_sealing() {
    let service = Service::start().await;
    type Spoil = fn(&mut Sealer) -> Vec<u8>;
    let spoils: [(&str, Spoil); 4] = [
        ("a changed byte", |sealer| {
            let mut body = sealer.body(delete().as_bytes());
            let last = body.len() - END.len() - 1;
            body[last] ^= 1;
            body
        }),
        ("a cut body", |sealer| {
            let body = sealer.body(delete().as_bytes());
            body[..body.len() - END.len()].to_vec()
        }),
        ("out of turn", |sealer| {
            sealer.body(b"never sent");
            sealer.body(delete().as_bytes())
        }),
        ("open in a sealed form", |sealer| {
            let body = sealer.body(b"");
            let start = crate::client::signature(&body);
            [&body[..start], &[0; 16], delete().as_bytes(), END].concat()
        }),
    ];
    for (what, spoil) in spoils {
        let (mut line, mut sealer) = service.signed_in().await;
        let answer = line.sealed(&spoil(&mut sealer)).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        let next = line.sealed(&sealer.body(delete().as_bytes())).await;
        assert_ne!(next.status, 200, "{what}: {next:?}");
    }
    // Somebody who reads along sends a body again, on the same connection and on one of his own.
    let (mut line, mut sealer) = service.signed_in().await;
    let body = sealer.body(Ask::package("Get").envelope().as_bytes());
    assert_eq!(line.sealed(&body).await.status, 200);
    assert_eq!(line.sealed(&body).await.status, 400);
    let (mut own, _) = service.signed_in().await;
    assert_eq!(own.sealed(&body).await.status, 400);
    assert_eq!(service.line().await.sealed(&body).await.status, 401);
    assert!(service.has_package().await);
}
