//! The site itself, and its listeners.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use agent::EnrolRequest;
use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clock::{ManualClock, SharedClock};
use net::ca::SiteCa;
use net::{Limits, Listener, ListenerOptions, ServerTls};
use provider::Provider;
use signin::SignIn;
use site::{Actor, FetchError, NewPackage, PackFetcher, PackFile, Role, Site, SiteOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::database::{self, PostgresDatabase};
use crate::driver_file::SHARE;

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery";
/// The site server's name.
pub const HOST: &str = "srv.example.test";
/// The driver package that is there.
pub const PACKAGE: &str = "PS100001";

/// The site's data folder, in the stage's.
const SITE_FOLDER: &str = "ps1";

/// A site PS1 with users of every role (each named as its role, the administrator `admin`), the distribution points dp1
/// and dp2, and a driver package with its first version on dp1. Dropped, everything that it started ends.
pub struct Stage {
    /// The site.
    pub site: Site,
    /// Its classes.
    pub provider: Provider,
    /// How its front ends find out who calls.
    pub sign_in: SignIn,
    /// The time that site and listeners live by.
    pub clock: SharedClock,
    stop: CancellationToken,
    dir: TempDir,
    database: Option<PostgresDatabase>,
}

/// Where a router is served.
#[derive(Debug, Clone)]
pub struct Listening {
    /// The port, on this machine.
    pub addr: SocketAddr,
    /// `http://` or `https://` with the port, without a path.
    pub url: String,
}

impl Stage {
    /// Makes the site. Over PostgreSQL where [`crate::each_on_postgres`] runs the test, else over SQLite.
    pub async fn new(clock: SharedClock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = database::for_this_test().await;
        let source = dir.path().join("src");
        write_drivers(&source.join("dell"));
        let options = SiteOptions {
            data_dir: dir.path().join(SITE_FOLDER),
            database_url: database.as_ref().map(|database| database.url.clone()),
            site_code: "PS1".to_owned(),
            site_name: "Test site".to_owned(),
            server_name: Some(HOST.to_owned()),
            pack_fetcher: Some(Arc::new(NoServer)),
            shares: [(SHARE.to_owned(), source)].into(),
            ..SiteOptions::default()
        };
        Site::init(&options, PASSWORD, Arc::clone(&clock)).await.unwrap();
        let site = Site::open(&options, Arc::clone(&clock)).await.unwrap();
        fill(&site).await;
        let (provider, sign_in) = (Provider::new(site.clone()), SignIn::new(site.clone()));
        Self { site, provider, sign_in, clock, stop: CancellationToken::new(), dir, database }
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed_clock() -> Arc<ManualClock> {
        ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap())
    }

    /// Serves a router over plain HTTP.
    pub async fn listen(&self, router: Router) -> Listening {
        self.serve(router, None).await
    }

    /// Serves a router over HTTPS, with a certificate of [`Self::authority`] for `localhost` and 127.0.0.1.
    pub async fn listen_tls(&self, router: Router) -> Listening {
        let folder = self.authority_folder();
        let clock = Arc::clone(&self.clock);
        let ca = match SiteCa::exists(&folder) {
            true => SiteCa::load(&folder, clock).unwrap(),
            false => SiteCa::create(&folder, "PS1", clock).unwrap(),
        };
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        std::fs::write(self.authority(), ca.certificate_pem()).unwrap();
        self.serve(router, Some(ca.issue_server(&names).unwrap())).await
    }

    async fn serve(&self, router: Router, tls: Option<ServerTls>) -> Listening {
        let addr = "127.0.0.1:0".parse().unwrap();
        let options = ListenerOptions { addr, tls, limits: Limits::default() };
        let listener = Listener::bind(options, Arc::clone(&self.clock)).await.unwrap();
        let listening = Listening { addr: listener.local_addr(), url: listener.url() };
        tokio::spawn(listener.serve(router, self.stop.clone()));
        listening
    }

    /// The file with the certificate authority of [`Self::listen_tls`], in PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.authority_folder().with_extension("pem")
    }

    fn authority_folder(&self) -> PathBuf {
        self.dir.path().join("ca")
    }

    /// Works as a running site does, until the stage is dropped.
    pub fn run_workers(&self) {
        let (site, stop) = (self.site.clone(), self.stop.clone());
        tokio::spawn(async move { Box::pin(site.run_workers(stop)).await.unwrap() });
    }

    /// Publishes what is due.
    pub async fn snapshot(&self) {
        self.site.run_due_snapshots().await.unwrap();
    }

    /// A folder of the share [`SHARE`], on disk.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join("src").join(name)
    }

    /// The site's data folder.
    #[must_use]
    pub fn site_folder(&self) -> PathBuf {
        self.dir.path().join(SITE_FOLDER)
    }

    /// Writes beside the site.
    pub async fn write_beside(&self, sql: &str) {
        database::write_beside(self.database.as_ref(), &self.site_folder(), sql).await;
    }

    /// Puts so many status messages in the place of those that are there: the longest answer that a test can have for
    /// little.
    pub async fn fill_status_messages(&self, rows: usize) {
        self.write_beside("DELETE FROM status_attribute; DELETE FROM status_message").await;
        let numbers = format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s"
        );
        let columns = "(id, at, severity, message_id, component, inserts)";
        let insert = format!(
            "INSERT INTO status_message {columns} SELECT n, 1, 1073741824, 30000, 'test', '[]' FROM ({numbers}) AS s"
        );
        self.write_beside(&insert).await;
    }

    /// The value of the header `Authorization` for a user's requests.
    #[must_use]
    pub fn basic(user: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")))
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The NAL path of a distribution point.
#[must_use]
pub fn nal_path(server: &str) -> String {
    format!(r#"["Display=\\{server}\"]MSWNET:["SMS_SITE=PS1"]\\{server}\"#)
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
        pkg_source_path: crate::unc("dell"),
        ..NewPackage::default()
    };
    site.create_package(&admin, package).await.unwrap();
    let points = [("PS1".to_owned(), nal_path("dp1.example.test"))];
    site.add_distribution_points(&admin, PACKAGE, &points).await.unwrap();
    site.run_due_snapshots().await.unwrap();
}
