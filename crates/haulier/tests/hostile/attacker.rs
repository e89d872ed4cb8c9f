//! Whoever attacks a site as one of its distribution points: from an address of its own, by sockets of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent::{DesiredReply, EnrolRequest, Facts};
use clock::{Clock, SystemClock};
use reqwest::{RequestBuilder, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Limits of an address hit the attacker and nobody else.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Requests that a flood has under way.
const FLOOD_REQUESTS: usize = 30;
/// What a socket that is not read and not closed may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who knows the secret of an enrolment, or none. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Attacker {
    site: SocketAddr,
    http: reqwest::Client,
    secret: String,
}

/// What a site said.
pub(crate) struct Told {
    status: u16,
    body: Vec<u8>,
}

impl Told {
    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Vec<u8> {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.body
    }

    /// The code of a refusal with this status.
    #[track_caller]
    pub(crate) fn code(self, status: u16) -> String {
        let reply: agent::ErrorReply = serde_json::from_slice(&self.expect(status)).unwrap();
        reply.code
    }
}

impl Attacker {
    pub(crate) fn new(site: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
        let http = http.local_address(IpAddr::from(ADDRESS)).build().unwrap();
        let site = site.trim_start_matches("http://").parse().unwrap();
        Self { site, http, secret: String::new() }
    }

    /// The same one with the secret of an enrolment.
    pub(crate) fn known_by(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    pub(crate) async fn enrol(&self, token: &str, name: &str) -> Told {
        let request = EnrolRequest {
            token: token.to_owned(),
            name: name.to_owned(),
            content_url: "http://127.0.0.2:8540".to_owned(),
            csr_pem: None,
            agent_version: "0.1.0".to_owned(),
        };
        self.post("/agent/v1/enrol", &serde_json::to_vec(&request).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.tell(self.http.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Told {
        self.tell(self.http.post(self.url(path)).body(body.to_vec())).await
    }

    pub(crate) async fn report(&self, facts: &Facts) -> Told {
        self.post("/agent/v1/facts", &serde_json::to_vec(facts).unwrap()).await
    }

    /// The generation of what it should hold of a package.
    pub(crate) async fn generation_of(&self, package: &str) -> i64 {
        let told = self.get("/agent/v1/desired?after=0").await.expect(200);
        let told: DesiredReply = serde_json::from_slice(&told).unwrap();
        told.packages.iter().find(|row| row.package_id == package).unwrap().generation
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.site)
    }

    async fn tell(&self, request: RequestBuilder) -> Told {
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.secret));
        let reply = request.send().await.unwrap();
        Told { status: reply.status().as_u16(), body: reply.bytes().await.unwrap().to_vec() }
    }

    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((ADDRESS, 0).into()).unwrap();
        socket.connect(self.site).await.unwrap()
    }

    /// Sends bytes on a connection of their own and returns the status of the answer, `None` where the site just hangs up.
    pub(crate) async fn say(&self, bytes: &[u8]) -> Option<u16> {
        let mut stream = self.connect().await;
        // The site may hang up before all is sent.
        let _ = stream.write_all(bytes).await;
        let mut told = Vec::new();
        let heard = tokio::select! {
            heard = stream.read_to_end(&mut told) => heard,
            () = SystemClock.sleep(PATIENCE) => panic!("the site still listens"),
        };
        let _ = heard;
        let line = String::from_utf8_lossy(&told);
        line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
    }

    /// Sends a body that has no end until the site hangs up; returns how many bytes went.
    pub(crate) async fn send_without_end(&self, path: &str) -> usize {
        let mut stream = self.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            self.secret
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        let mut sent = 0;
        let sending = async {
            while stream.write_all(&piece).await.is_ok() {
                sent += piece.len();
            }
        };
        tokio::select! {
            () = sending => {}
            () = SystemClock.sleep(PATIENCE) => panic!("the site takes it all"),
        }
        sent
    }

    /// Connections that say nothing.
    pub(crate) async fn connections(&self, count: usize) -> Vec<TcpStream> {
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(self.connect().await);
        }
        open
    }

    /// Requests whose bodies lack their last byte, each on a connection of its own.
    pub(crate) async fn half_bodies(&self, path: &str, count: usize, bytes: usize) -> Vec<TcpStream> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", bytes + 1);
        let request = Arc::new([head.as_bytes(), &vec![b' '; bytes]].concat());
        let mut sending = JoinSet::new();
        for mut stream in self.connections(count).await {
            let request = Arc::clone(&request);
            sending.spawn(async move {
                // Whoever is refused is hung up on.
                let _ = stream.write_all(&request).await;
                stream
            });
        }
        sending.join_all().await
    }

    /// Asks and reports as often as it can, until stopped.
    pub(crate) fn flood(&self, facts: &Facts) -> Flood {
        let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let body = serde_json::to_vec(facts).unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..FLOOD_REQUESTS {
            let (attacker, counts, body) = (self.clone(), Arc::clone(&counts), body.clone());
            tasks.spawn(async move {
                loop {
                    let told = match number % 3 {
                        0 => attacker.post("/agent/v1/facts", &body).await,
                        1 => attacker.get("/agent/v1/desired?after=0").await,
                        _ => attacker.get("/agent/v1/desired?after=9999999&wait=60").await,
                    };
                    let is_refused = usize::from(told.status >= 400);
                    counts[is_refused].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Flood { counts, tasks }
    }
}

/// A flood that goes on.
pub(crate) struct Flood {
    /// Answered and refused.
    counts: Arc<[AtomicU64; 2]>,
    tasks: JoinSet<()>,
}

impl Flood {
    pub(crate) fn refused(&self) -> u64 {
        self.counts[1].load(Ordering::Relaxed)
    }

    /// Ends it and tells how many requests were answered and how many refused.
    pub(crate) async fn stop(mut self) -> (u64, u64) {
        self.tasks.shutdown().await;
        let [answered, refused] = &*self.counts;
        (answered.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
    }
}
