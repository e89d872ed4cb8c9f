//! A real site with two distribution points and a package, behind a real listener.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use adminservice::router;
use agent::EnrolRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clock::{ManualClock, SharedClock};
use net::{Limits, Listener, ListenerOptions};
use provider::Provider;
use serde_json::Value as Json;
use signin::SignIn;
use site::{Actor, FetchError, NewPackage, PackFetcher, PackFile, Role, Site, SiteOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::database::{self, PostgresDatabase};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const HOST: &str = "srv.example.test";
pub(crate) const PACKAGE: &str = "PS100001";

/// A running service.
pub(crate) struct Service {
    pub(crate) site: Site,
    pub(crate) addr: std::net::SocketAddr,
    stop: CancellationToken,
    dir: TempDir,
    database: Option<PostgresDatabase>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn first(&self) -> Json {
        self.json()["value"][0].clone()
    }

    pub(crate) fn rows(&self) -> Vec<Json> {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["value"].as_array().unwrap().clone()
    }

    /// A member of the provider's error object.
    pub(crate) fn fault(&self, member: &str) -> Json {
        self.json()["error"]["innererror"]["SMS_ExtendedStatus"][member].clone()
    }
}

impl Service {
    /// The service at a fixed time.
    pub(crate) async fn start() -> Self {
        Self::start_with(Self::fixed_clock()).await
    }

    /// A clock that stands still.
    pub(crate) fn fixed_clock() -> Arc<ManualClock> {
        ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap())
    }

    /// A site PS1 with users of every role, dp1 and dp2, and a driver package that has its first version.
    pub(crate) async fn start_with(clock: SharedClock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = database::for_this_test().await;
        let source = dir.path().join("src");
        write_drivers(&source.join("dell"));
        let options = SiteOptions {
            data_dir: dir.path().join("ps1"),
            database_url: database.as_ref().map(|database| database.url.clone()),
            site_code: "PS1".to_owned(),
            site_name: "Test site".to_owned(),
            server_name: Some(HOST.to_owned()),
            pack_fetcher: Some(Arc::new(NoServer)),
            shares: [("\\\\srv.example.test\\src".to_owned(), source)].into(),
            ..SiteOptions::default()
        };
        Site::init(&options, PASSWORD, Arc::clone(&clock)).await.unwrap();
        let site = Site::open(&options, Arc::clone(&clock)).await.unwrap();
        fill(&site).await;
        let addr = "127.0.0.1:0".parse().unwrap();
        let listening = ListenerOptions { addr, tls: None, limits: Limits::default() };
        let listener = Listener::bind(listening, Arc::clone(&clock)).await.unwrap();
        let addr = listener.local_addr();
        let stop = CancellationToken::new();
        let service = router(Provider::new(site.clone()), SignIn::new(site.clone()), clock);
        tokio::spawn(listener.serve(service, stop.clone()));
        Self { site, addr, stop, dir, database }
    }

    /// Works as a running site does, until the service is dropped.
    pub(crate) fn run_workers(&self) {
        let (site, stop) = (self.site.clone(), self.stop.clone());
        tokio::spawn(async move { Box::pin(site.run_workers(stop)).await.unwrap() });
    }

    /// Sends a request exactly as written, as a script's request line is, with Basic credentials of `user`.
    pub(crate) async fn send_as(&self, user: &str, method: &str, target: &str, body: &str) -> Answer {
        self.send_with(&Self::credentials(user), method, target, body).await
    }

    /// The header of a user's requests.
    pub(crate) fn credentials(user: &str) -> String {
        format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{PASSWORD}")))
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        self.send_as("admin", method, target, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "").await
    }

    pub(crate) async fn send_with(&self, headers: &str, method: &str, target: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// A folder of the share `src`, on disk.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join("src").join(name)
    }

    /// Posts and expects 201.
    pub(crate) async fn post(&self, target: &str, body: &Json) -> Json {
        let answer = self.send("POST", target, &body.to_string()).await;
        assert_eq!(answer.status, 201, "{target}: {}", answer.body);
        answer.json()
    }

    /// Writes beside the site.
    pub(crate) async fn write_beside(&self, sql: &str) {
        database::write_beside(self.database.as_ref(), &self.dir.path().join("ps1"), sql).await;
    }

    /// Publishes what is due.
    pub(crate) async fn snapshot(&self) {
        self.site.run_due_snapshots().await.unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Other servers, none of which answers.
#[derive(Debug)]
struct NoServer;

impl PackFetcher for NoServer {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
        _: &'a mut PackFile,
    ) -> Pin<Box<dyn Future<Output = Result<(), FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Failed("no server answers".to_owned())) })
    }
}

fn write_drivers(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("net.inf"), "[Version]\r\nClass=Net\r\n").unwrap();
    std::fs::write(folder.join("net.sys"), vec![0x5a; 40_000]).unwrap();
}

pub(crate) fn nal_path(server: &str) -> String {
    format!(r#"["Display=\\{server}\"]MSWNET:["SMS_SITE=PS1"]\\{server}\"#)
}

async fn fill(site: &Site) {
    let admin = Actor::local();
    for role in Role::ALL {
        if role != Role::FullAdministrator {
            site.create_user(&admin, role.name(), PASSWORD, role).await.unwrap();
        }
    }
    for name in ["dp1.example.test", "dp2.example.test"] {
        let token = site.create_dp_token(&admin, name, None).await.unwrap();
        let request = EnrolRequest {
            token: token.to_string(),
            name: name.to_owned(),
            content_url: format!("http://{name}:8540"),
            csr_pem: None,
            agent_version: "0.1.0".to_owned(),
        };
        site.enrol(&request, &|_, _| Err("no certificates here".to_owned())).await.unwrap();
    }
    let package = NewPackage {
        name: "Drivers - Dell 7440".to_owned(),
        manufacturer: "Dell".to_owned(),
        description: "Network".to_owned(),
        version: "A12".to_owned(),
        mif_name: "7440".to_owned(),
        pkg_source_flag: 2,
        pkg_source_path: "\\\\srv.example.test\\src\\dell".to_owned(),
        ..NewPackage::default()
    };
    site.create_package(&admin, package).await.unwrap();
    let points = [("PS1".to_owned(), nal_path("dp1.example.test"))];
    site.add_distribution_points(&admin, PACKAGE, &points).await.unwrap();
    site.run_due_snapshots().await.unwrap();
}
