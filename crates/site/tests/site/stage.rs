//! A site on a stage: a database of its own, a clock that stands still, sources and distribution points.

use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use agent::{EnrolRequest, Event, Fact, Fault, Goal};
use clock::ManualClock;
use jiff::Timestamp;
use site::{Actor, DistributionStatus, DpId, NewPackage, Package, Role, Site, SiteOptions, State};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// What the clock of every stage says at first.
const STARTS_AT: &str = "2026-01-01T00:00:00Z";
/// The first administrator's password on every stage.
pub(crate) const PASSWORD: &str = "correct horse";

/// Makes two tests of one case: `<name>::sqlite` and `<name>::postgres`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($stage:ident: &Stage) $body:block)+) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            use crate::stage::{BackEnd, Stage};

            async fn case($stage: &Stage) $body

            #[tokio::test]
            async fn sqlite() {
                let stage = Stage::set(BackEnd::Sqlite).await;
                Box::pin(case(&stage)).await;
                stage.strike().await;
            }

            #[tokio::test]
            async fn postgres() {
                let stage = Stage::set(BackEnd::Postgres).await;
                Box::pin(case(&stage)).await;
                stage.strike().await;
            }
        }
    )+};
}

#[derive(Clone, Copy)]
pub(crate) enum BackEnd {
    Sqlite,
    Postgres,
}

pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: SiteOptions,
    folder: TempDir,
    database: Option<(String, String)>,
}

/// An enrolled distribution point.
pub(crate) struct Point {
    pub(crate) id: DpId,
    pub(crate) nal: String,
    pub(crate) secret: String,
}

impl Stage {
    pub(crate) async fn set(back_end: BackEnd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let database = NewSite::of(back_end).await.unpack(&data).await;
        let mut options = SiteOptions {
            data_dir: data,
            database_url: database.as_ref().map(|(_, url)| url.clone()),
            ..new_site_options()
        };
        options.shares.insert(r"\\srv\src".to_owned(), folder.path().join("src"));
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let clock = ManualClock::new(time(STARTS_AT));
        let site = Site::open(&options, clock.clone()).await.unwrap();
        Self { site, clock, options, folder, database }
    }

    /// Another site object on the same data, as after a restart. The one before must be out of use.
    pub(crate) async fn reopen(&self) -> Site {
        Site::open(&self.options, self.clock.clone()).await.unwrap()
    }

    /// Takes the stage down. A test that fails leaves its database to the end of the cluster.
    pub(crate) async fn strike(self) {
        self.site.close().await;
        let Some((name, _)) = self.database else { return };
        let mut connection = PgConnection::connect(&postgres_url()).await.unwrap();
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }

    /// A source folder with these files; made or added to.
    pub(crate) fn source(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = self.folder.path().join("src").join(name);
        std::fs::create_dir_all(&root).unwrap();
        for (path, text) in files {
            write(&root.join(path), text);
        }
        root
    }

    /// A package with a source of one file, version 1 published.
    pub(crate) async fn package(&self, name: &str) -> Package {
        self.source(name, &[("driver.inf", name)]);
        let package = self.site.create_package(&admin(), with_source(name)).await.unwrap();
        assert_eq!(self.site.run_due_snapshots().await.unwrap(), 1);
        self.site.package(&package.package_id).await.unwrap()
    }

    /// An enrolled distribution point.
    pub(crate) async fn point(&self, name: &str) -> Point {
        let token = self.site.create_dp_token(&admin(), name, None).await.unwrap();
        let reply = self.site.enrol(&enrol_request(&token.to_string(), name), &no_signer).await.unwrap();
        let points = self.site.distribution_points().await.unwrap();
        let point = points.into_iter().find(|point| point.name == name).unwrap();
        Point { id: point.id, nal: point.nal_path, secret: reply.secret }
    }

    /// Assigns a package to distribution points.
    pub(crate) async fn assign(&self, package: &Package, points: &[&Point]) {
        let points: Vec<_> = points.iter().map(|point| ("PS1".to_owned(), point.nal.clone())).collect();
        self.site.add_distribution_points(&admin(), &package.package_id, &points).await.unwrap();
    }

    /// The only row of desired state that the distribution point has for the package.
    pub(crate) async fn goal(&self, package: &Package, point: &Point) -> (i64, Goal) {
        let reply = self.site.desired(point.id, 0).await.unwrap();
        let row = reply.packages.into_iter().find(|row| row.package_id == package.package_id).unwrap();
        (row.generation, row.goal)
    }

    /// Reports about the present demand.
    pub(crate) async fn report(&self, package: &Package, point: &Point, event: Event) {
        let (generation, _) = self.goal(package, point).await;
        self.report_of(package, point, generation, event).await;
    }

    pub(crate) async fn report_of(&self, package: &Package, point: &Point, generation: i64, event: Event) {
        let fact = self.fact(package, generation, event);
        self.site.record_facts(point.id, &[fact]).await.unwrap();
    }

    pub(crate) fn fact(&self, package: &Package, generation: i64, event: Event) -> Fact {
        use clock::Clock;
        Fact {
            package_id: package.package_id.clone(),
            generation,
            at: self.clock.now().to_string(),
            serial: None,
            event,
        }
    }

    pub(crate) async fn status(&self, package: &Package, point: &Point) -> Option<DistributionStatus> {
        let all = self.site.distribution_status(Some(&package.package_id)).await.unwrap();
        all.into_iter().find(|status| status.nal_path == point.nal)
    }

    pub(crate) async fn state(&self, package: &Package, point: &Point) -> State {
        self.status(package, point).await.unwrap().state
    }

    /// Runs SQL beside the site, for what would take the site itself a long time to bring about.
    pub(crate) async fn raw_sql(&self, sql: String) -> Vec<Vec<String>> {
        let sql = AssertSqlSafe(sql);
        match &self.database {
            Some((_, url)) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
            None => {
                let options = SqliteConnectOptions::new().filename(self.options.data_dir.join("site.db"));
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
        }
    }

    /// Somebody with a role.
    pub(crate) fn actor(&self, role: Role) -> Actor {
        Actor::new(role.name(), role)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.database.is_some()
    }

    /// The ids of all status messages, oldest first.
    pub(crate) async fn message_ids(&self) -> Vec<u32> {
        let messages = self.site.status_messages(&site::StatusFilter::default()).await.unwrap();
        messages.iter().rev().map(|message| message.message_id).collect()
    }
}

pub(crate) fn admin() -> Actor {
    Actor::new("admin", Role::FullAdministrator)
}

pub(crate) fn with_source(name: &str) -> NewPackage {
    NewPackage {
        name: name.to_owned(),
        pkg_source_flag: 2,
        pkg_source_path: format!(r"\\srv\src\{name}"),
        ..NewPackage::default()
    }
}

pub(crate) fn enrol_request(token: &str, name: &str) -> EnrolRequest {
    EnrolRequest {
        token: token.to_owned(),
        name: name.to_owned(),
        content_url: format!("http://{name}:8540"),
        csr_pem: None,
        agent_version: "0.1.0".to_owned(),
    }
}

pub(crate) fn no_signer(_: &str, _: &str) -> Result<String, String> {
    Err("no authority on this stage".to_owned())
}

pub(crate) fn installed(version: u32) -> Event {
    Event::Installed { version, files: 1, bytes_total: 10, bytes_received: 7, files_verified: 1 }
}

pub(crate) fn failed(attempt: u32) -> Event {
    let fault = Fault {
        code: "disk_full".to_owned(),
        message: "The disk is full.".to_owned(),
        file: Some("a/b.sys".to_owned()),
    };
    Event::Failed { fault, attempt, next_attempt_at: "2026-01-01T00:05:00Z".to_owned() }
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Polls a future so many times, then drops it wherever it is.
pub(crate) async fn kill_after<F: Future>(polls: u32, work: F) -> Option<F::Output> {
    let mut work = Box::pin(work);
    let mut polls_left = polls;
    poll_fn(|context| {
        if polls_left == 0 {
            return Poll::Ready(None);
        }
        polls_left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

pub(crate) fn code<T>(result: Result<T, site::SiteError>) -> &'static str {
    result.map(|_| ()).unwrap_err().code()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn postgres_url() -> String {
    std::env::var("HAULIER_TEST_POSTGRES").expect("run `cargo xtask test`, or set HAULIER_TEST_POSTGRES")
}

/// What [`Site::init`] makes, made once for all tests of a run: a data folder's files, and on PostgreSQL a database that
/// others are copied from.
struct NewSite {
    files: Vec<(PathBuf, Vec<u8>)>,
    database: Option<String>,
}

impl NewSite {
    async fn of(back_end: BackEnd) -> &'static Self {
        static NEW: [OnceCell<NewSite>; 2] = [const { OnceCell::const_new() }; 2];
        NEW[back_end as usize].get_or_init(|| Self::make(back_end)).await
    }

    async fn make(back_end: BackEnd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match back_end {
            BackEnd::Sqlite => None,
            BackEnd::Postgres => Some(create_database("template1").await),
        };
        let options = SiteOptions {
            data_dir: folder.path().to_owned(),
            database_url: database.as_ref().map(|(_, url)| url.clone()),
            ..new_site_options()
        };
        let clock = ManualClock::new(time(STARTS_AT));
        Site::init(&options, PASSWORD, clock).await.unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let files = files.map(|file| (PathBuf::from(file.file_name()), std::fs::read(file.path()).unwrap()));
        Self { files: files.collect(), database: database.map(|(name, _)| name) }
    }

    /// Gives a test its copy: name and URL of the database, if it has one.
    async fn unpack(&self, data: &Path) -> Option<(String, String)> {
        std::fs::create_dir(data).unwrap();
        for (name, bytes) in &self.files {
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::write(data.join(name), bytes).unwrap();
            std::fs::set_permissions(data.join(name), private).unwrap();
        }
        match &self.database {
            Some(template) => Some(create_database(template).await),
            None => None,
        }
    }
}

fn new_site_options() -> SiteOptions {
    SiteOptions {
        site_code: "PS1".to_owned(),
        site_name: "Primary".to_owned(),
        server_name: Some("srv.example.test".to_owned()),
        ..SiteOptions::default()
    }
}

async fn create_database(template: &str) -> (String, String) {
    let url = postgres_url();
    let name = format!("site_{}", uuid::Uuid::new_v4().simple());
    let mut connection =
        PgConnection::connect(&url).await.expect("the cluster of HAULIER_TEST_POSTGRES answers");
    // Copying files takes a quarter of what logging every page does; before version 15 it is the only way.
    let strategy = match connection.server_version_num() {
        Some(version) if version >= 150_000 => "STRATEGY file_copy",
        _ => "",
    };
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}");
    sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    let (server, _) = url.rsplit_once('/').expect("the URL ends in /database");
    (name.clone(), format!("{server}/{name}"))
}
