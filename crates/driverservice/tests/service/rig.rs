//! A site with a share of drivers, and requests straight into the service's router.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use clock::ManualClock;
use driver::archive::{Limits, unpack};
use http::{HeaderMap, StatusCode};
use net::Peer;
use serde_json::Value;
use signin::SignIn;
use site::{Actor, DriverFields, NewDriver, NewPackage, Role, Site, SiteOptions};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const DEVICE: &str = "PCI\\VEN_1";
pub(crate) const OTHER_DEVICE: &str = "PCI\\VEN_2";
pub(crate) const SYSTEM: &str = "os=10.0.22631&architecture=x64";
/// The file of the driver `big`: far more than what waits for the network.
pub(crate) const BIG_BYTES: usize = 4 << 20;
const SHARE: &str = r"\\srv.example.test\src";
const PASSWORD: &str = "correct horse";

pub(crate) struct Rig {
    site: Site,
    router: Router,
    /// Of a reader.
    pub(crate) token: String,
    folder: TempDir,
}

/// A driver of the catalog.
pub(crate) struct Imported {
    pub(crate) ci_id: i64,
    content_id: i64,
    hash: String,
}

impl Imported {
    /// Of the model whose package has it first.
    pub(crate) fn sku(&self) -> String {
        format!("{:04X}", self.ci_id & 0xFFFF)
    }

    /// Its folder in an archive and in packages.
    pub(crate) fn sub_folder(&self, name: &str) -> String {
        format!("{name}_{}", &self.hash[..16])
    }
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// A refusal of this status and code.
    pub(crate) fn is(&self, status: StatusCode, code: &str) {
        let json = self.json();
        assert_eq!((self.status, json["error"]["code"].as_str()), (status, Some(code)), "{json}");
    }
}

pub(crate) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 2 * BIG_BYTES).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let options = SiteOptions {
            data_dir: folder.path().join("data"),
            site_code: "PS1".to_owned(),
            site_name: "Test site".to_owned(),
            server_name: Some("srv.example.test".to_owned()),
            shares: [(SHARE.to_owned(), folder.path().join("src"))].into(),
            ..SiteOptions::default()
        };
        let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
        Site::init(&options, PASSWORD, Arc::clone(&clock) as clock::SharedClock).await.unwrap();
        let site = Site::open(&options, clock).await.unwrap();
        site.create_user(&Actor::local(), "pe", PASSWORD, Role::Reader).await.unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        let token = site.create_token(&Actor::local(), "pe", "deployment", day).await.unwrap();
        let router = driverservice::router(site.clone(), SignIn::new(site.clone()));
        Self { site, router, token: token.secret, folder }
    }

    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.folder.path().join("src").join(name)
    }

    /// A folder with a driver of this name, in the catalog and enabled.
    pub(crate) async fn driver(&self, name: &str, hardware_id: &str) -> Imported {
        let folder = self.source(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.inf")), inf(name, hardware_id)).unwrap();
        let code = match name {
            "big" => samples::Rng::new(1).bytes(BIG_BYTES),
            name => format!("code of {name}").into_bytes(),
        };
        std::fs::write(folder.join(format!("{name}.sys")), code).unwrap();
        let path = format!(r"{SHARE}\{name}");
        let draft = self.site.analyze_inf(&Actor::local(), &path, &format!("{name}.inf")).await.unwrap();
        let new = NewDriver {
            sdm_package_xml: draft.sdm_package_xml,
            content_source_path: draft.content_source_path,
            categories: Vec::new(),
            fields: DriverFields { is_enabled: true, ..DriverFields::default() },
        };
        let made = self.site.create_driver(&Actor::local(), new).await.unwrap();
        Imported { ci_id: made.ci_id, content_id: made.content_id, hash: made.content_hash }
    }

    /// A package with these drivers in its first version.
    pub(crate) async fn package(&self, name: &str, drivers: &[&Imported]) -> String {
        let folder = format!("package of {}", drivers[0].ci_id);
        std::fs::create_dir(self.source(&folder)).unwrap();
        let new = NewPackage {
            name: name.to_owned(),
            description: format!("(Models included:{})", drivers[0].sku()),
            manufacturer: "Dell".to_owned(),
            pkg_source_flag: 2,
            pkg_source_path: format!(r"{SHARE}\{folder}"),
            ..NewPackage::default()
        };
        let id = self.site.create_package(&Actor::local(), new).await.unwrap().package_id;
        let contents: Vec<i64> = drivers.iter().map(|driver| driver.content_id).collect();
        self.site.add_driver_content(&Actor::local(), &id, &contents, &[], false).await.unwrap();
        self.site.run_due_snapshots().await.unwrap();
        assert_eq!(self.site.package(&id).await.unwrap().stored_version, 1);
        id
    }

    /// Other bytes of the same length where a reader comes last.
    pub(crate) fn overwrite_end_of(&self, file: &str) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(self.source(file)).unwrap();
        file.write_all_at(b"changed", BIG_BYTES as u64 - 7).unwrap();
    }

    /// The files of an archive, by name.
    pub(crate) fn unzip(&self, zip: &[u8]) -> Vec<(String, Vec<u8>)> {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let (archive, into) = (folder.path().join("drivers.zip"), folder.path().join("drivers"));
        std::fs::write(&archive, zip).unwrap();
        unpack(&archive, &into, &Limits::default(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        let mut files = Vec::new();
        for sub_folder in std::fs::read_dir(&into).unwrap() {
            for file in std::fs::read_dir(sub_folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(&into).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
        files.sort();
        files
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        addr: &str,
        body: Body,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(format!("/drivers/v1/{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(body).unwrap();
        let peer =
            Peer { addr: addr.parse().unwrap(), secure: false, certificate: None, server_certificate: None };
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The answer's body is still to be read.
    pub(crate) async fn send(&self, path: &str, token: Option<&str>, body: impl Into<Body>) -> Response {
        self.request("POST", path, token, "127.0.0.1:5", body.into()).await
    }

    pub(crate) async fn ask(&self, path: &str, token: Option<&str>, body: impl Into<Body>) -> Answer {
        read(self.send(path, token, body).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(path, Some(&self.token), body).await
    }
}

fn inf(name: &str, hardware_id: &str) -> String {
    format!(
        "[Version]\nSignature=\"$Windows NT$\"\nClass=Net\nClassGuid={{4d36e972-e325-11ce-bfc1-08002be10318}}\n\
         Provider=%Maker%\nDriverVer=01/02/2025,1.2.3.4\n\
         [Manufacturer]\n%Maker%=Models,NTamd64\n\
         [Models.NTamd64]\n%Device%=Install,{hardware_id}\n\
         [Install.NT]\nCopyFiles=Files\n\
         [Files]\n{name}.sys\n[SourceDisksFiles]\n{name}.sys=1\n[SourceDisksNames]\n1=disk\n\
         [Strings]\nMaker=\"Contoso\"\nDevice=\"Contoso {name}\"\n"
    )
}
