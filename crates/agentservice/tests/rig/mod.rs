//! A whole site on a free port: database, content library, listener, workers once there is a package; and
//! agents that talk to it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::{DesiredReply, EnrolReply, EnrolRequest, Goal, PackRef, Route};
use agentservice::{AgentService, AgentServiceStats};
use clock::{SharedClock, SystemClock};
use net::ca::{AgentKey, SiteCa};
use net::{Client, ClientOptions, Drained, Endpoint, Identity, Limits, Listener, ListenerOptions, NetError};
use samples::PackSpec;
use site::{Actor, NewPackage, Site, SiteOptions};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "correct horse battery staple";
/// A test that hangs is a failure, not a wait.
const HANG: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) site: Site,
    pub(crate) ca: SiteCa,
    pub(crate) admin: Actor,
    pub(crate) endpoint: Endpoint,
    pub(crate) service: AgentService,
    pub(crate) stats: Arc<AgentServiceStats>,
    pub(crate) stop: CancellationToken,
    served: JoinHandle<Drained>,
    transport: Transport,
}

/// An enrolled agent: what it got, and a client that uses it.
pub(crate) struct Agent {
    pub(crate) reply: EnrolReply,
    pub(crate) key_pem: String,
    pub(crate) client: Client,
}

impl Rig {
    pub(crate) async fn start(transport: Transport) -> Self {
        Self::start_at(transport, SystemClock::shared()).await
    }

    pub(crate) async fn start_at(transport: Transport, clock: SharedClock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = SiteOptions {
            data_dir: dir.path().join("ps1"),
            site_code: "PS1".to_owned(),
            ..SiteOptions::default()
        };
        Site::init(&options, PASSWORD, Arc::clone(&clock)).await.unwrap();
        let site = Site::open(&options, Arc::clone(&clock)).await.unwrap();
        let ca = SiteCa::create(&dir.path().join("ca"), "PS1", Arc::clone(&clock)).unwrap();
        let admin = site.authenticate_password("admin", PASSWORD, None).await.unwrap();

        let tls = (transport == Transport::Tls).then(|| ca.issue_server(&["127.0.0.1".to_owned()]).unwrap());
        let addr = "127.0.0.1:0".parse().unwrap();
        let options = ListenerOptions { addr, tls, limits: Limits::default() };
        let listener = Listener::bind(options, Arc::clone(&clock)).await.unwrap();
        let endpoint = listener.url().parse().unwrap();
        let service = AgentService::new(site.clone(), ca.clone(), clock);
        let (stats, stop) = (service.stats(), CancellationToken::new());
        let served = tokio::spawn(listener.serve(service.router(), stop.clone()));
        Self { dir, site, ca, admin, endpoint, service, stats, stop, served, transport }
    }

    /// A one-time token for the distribution point `name`.
    pub(crate) async fn token(&self, name: &str) -> String {
        let fingerprint = (self.transport == Transport::Tls).then(|| self.ca.fingerprint());
        self.site.create_dp_token(&self.admin, name, fingerprint.as_deref()).await.unwrap().to_string()
    }

    /// A client that has no identity yet.
    pub(crate) fn stranger(&self) -> Client {
        Client::new(self.client_options()).unwrap()
    }

    pub(crate) fn client_options(&self) -> ClientOptions {
        let mut options = ClientOptions::new(self.endpoint.clone());
        options.authority_pem =
            (self.transport == Transport::Tls).then(|| self.ca.certificate_pem().to_owned());
        options
    }

    pub(crate) async fn enrol(&self, name: &str) -> Agent {
        let token = self.token(name).await;
        let key = AgentKey::generate().unwrap();
        let mut request = request(&token, name);
        request.csr_pem = (self.transport == Transport::Tls).then_some(key.csr_pem);
        let reply: EnrolReply = self.stranger().post_json("/agent/v1/enrol", &request).await.unwrap();
        Agent { client: self.client_of(&reply, &key.key_pem), reply, key_pem: key.key_pem }
    }

    /// The client of an agent with this identity.
    pub(crate) fn client_of(&self, reply: &EnrolReply, key_pem: &str) -> Client {
        let mut options = self.client_options();
        match self.transport {
            Transport::Plain => options.bearer = Some(reply.secret.clone()),
            Transport::Tls => {
                let certificate_pem = reply.certificate_pem.clone().unwrap();
                options.identity = Some(Identity { certificate_pem, key_pem: key_pem.to_owned() });
            }
        }
        Client::new(options).unwrap()
    }

    /// A package with a made source, on the distribution point `dp`; its id. Starts the site's workers.
    pub(crate) async fn package(&self, dp: &str) -> String {
        tokio::spawn({
            let (site, stop) = (self.site.clone(), self.stop.clone());
            async move { site.run_workers(stop).await }
        });
        let source = self.source();
        let spec = PackSpec { seed: 7, drivers: 2, large_files: 1, large_file_bytes: 700_000 };
        samples::write_pack(&source, &spec).unwrap();
        let new = NewPackage {
            name: "Sample drivers".to_owned(),
            pkg_source_flag: 2,
            pkg_source_path: source.to_str().unwrap().to_owned(),
            ..NewPackage::default()
        };
        let package_id = self.site.create_package(&self.admin, new).await.unwrap().package_id;
        self.distribute(&package_id, dp).await;
        package_id
    }

    pub(crate) async fn distribute(&self, package_id: &str, dp: &str) {
        let dps = self.site.distribution_points().await.unwrap();
        let nal_path = dps.into_iter().find(|point| point.name == dp).unwrap().nal_path;
        let dps = [("PS1".to_owned(), nal_path)];
        self.site.add_distribution_points(&self.admin, package_id, &dps).await.unwrap();
    }

    pub(crate) fn source(&self) -> std::path::PathBuf {
        self.dir.path().join("source")
    }

    pub(crate) async fn stopped(self) -> Drained {
        self.stop.cancel();
        not_hanging(self.served).await.unwrap()
    }
}

impl Agent {
    pub(crate) async fn desired(&self, after: i64, wait: u64) -> Result<DesiredReply, NetError> {
        self.client.get_json(&format!("/agent/v1/desired?after={after}&wait={wait}")).await
    }

    /// Asks until the package should be held at `version`; its manifest and the revision.
    pub(crate) async fn until_version(&self, mut after: i64, version: u32) -> (String, i64, i64) {
        not_hanging(async {
            loop {
                let reply = self.desired(after, 30).await.unwrap();
                after = reply.revision;
                for package in &reply.packages {
                    match &package.goal {
                        Goal::Hold { version: found, manifest, .. } if *found == version => {
                            return (manifest.clone(), package.generation, reply.revision);
                        }
                        _ => {}
                    }
                }
            }
        })
        .await
    }

    /// The largest pack of a version.
    pub(crate) async fn largest_pack(&self, package_id: &str, version: u32) -> PackRef {
        let packs = self.route(package_id, version).await.packs;
        packs.into_iter().max_by_key(|pack| pack.index_offset).unwrap()
    }

    pub(crate) async fn route(&self, package_id: &str, version: u32) -> Route {
        self.client
            .get_json(&format!("/agent/v1/packages/{package_id}/versions/{version}/route"))
            .await
            .unwrap()
    }
}

pub(crate) fn request(token: &str, name: &str) -> EnrolRequest {
    EnrolRequest {
        token: token.to_owned(),
        name: name.to_owned(),
        content_url: "http://127.0.0.1:8540".to_owned(),
        csr_pem: None,
        agent_version: "0.1.0".to_owned(),
    }
}

/// The status and the code of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, NetError>) -> (u16, String) {
    let error = result.expect_err("a refusal");
    let refusal = error.refusal().unwrap_or_else(|| panic!("no refusal: {error}"));
    assert!(!refusal.message.contains("/tmp"), "a local path: {}", refusal.message);
    (refusal.status, refusal.code.clone())
}

pub(crate) async fn not_hanging<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    not_hanging(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Flips one bit of the file at `offset`.
pub(crate) fn flip_bit(path: &Path, offset: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}
