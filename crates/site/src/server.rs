//! The site itself: its making, its opening, and what its parts share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::driver::catalog::Trust;
use ::trust::SigningKey;
use clock::SharedClock;
use content::Library;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sea_query::{Expr, ExprTrait, Query};
use tokio::sync::{Notify, OnceCell, Semaphore, watch};

use crate::access::credentials::Credentials;
use crate::access::{Role, password, role, user};
use crate::change::Changes;
use crate::db::{Database, Tx};
use crate::distribution::facts::Telling;
use crate::distribution::seen::Seen;
use crate::distribution::turns::Turns;
use crate::driver::folder::{EXAMINATIONS_MAX, EXAMINATIONS_WAITING_MAX};
use crate::driver::import::PackFetcher;
use crate::driver::import::place::{Unpacking, unpacked_share};
use crate::driver::{Drafts, platform};
use crate::error::{Result, SiteError};
use crate::events::EventReaders;
use crate::hierarchy::leap::Leaps;
use crate::hierarchy::pause::Pauses;
use crate::hierarchy::repair::Damaged;
use crate::hierarchy::wants::Wants;
use crate::hierarchy::{SiteType, node};
use crate::housekeeping;
use crate::matching::Matching;
use crate::metrics::Metrics;
use crate::package::source::UNPACKED_FOLDER;
use crate::package_content::{COMPARISONS_MAX, ContentWork};
use crate::prestage::TakenIn;
use crate::query::{self, STREAMS_LATE_MAX, STREAMS_MAX, Shares, SpoolRoom};
use crate::restored::Restored;
use crate::route::Routes;
use crate::sources::Sources;
use crate::status;
use crate::suspects::Suspects;
use crate::trust as signing;
use crate::verification::{self, Verification};

const DATABASE_FILE: &str = "site.db";
/// The name of the user that a new site has.
const FIRST_ADMINISTRATOR: &str = "admin";
const SITE_NAME_CHARS_MAX: usize = 50;
const SERVER_NAME_CHARS_MAX: usize = 253;

/// Where a site lives and what it is called.
#[derive(Debug, Clone, Default)]
pub struct SiteOptions {
    /// The data folder.
    pub data_dir: PathBuf,
    /// `postgres://...`; without it the database is SQLite in the data folder.
    pub database_url: Option<String>,
    /// Three letters or digits, for example `PS1`. Used by [`Site::init`] only.
    pub site_code: String,
    /// The site's name. Used by [`Site::init`] only.
    pub site_name: String,
    /// What the site is in a hierarchy. Used by [`Site::init`] only.
    pub site_type: SiteType,
    /// The server's network name; by default the machine's host name. Used by [`Site::init`] only.
    pub server_name: Option<String>,
    /// UNC prefixes and the folders they stand for, for example `\\srv\src` and `/srv/src`.
    pub shares: BTreeMap<String, PathBuf>,
    /// PEM files with the roots that drivers' signatures may end at. Without any, no signer is trusted.
    pub trust_roots: Vec<PathBuf>,
    /// `MessageState` in `SMS_DistributionDPStatus` after the last allowed attempt failed: 3 as documented, which is also
    /// the default, or 4 for scripts that expect it. Servers of one site should agree.
    pub failed_message_state: Option<u32>,
    /// How long status messages are kept, in days: 1 to 3,650; by default 30. Servers of one site should agree.
    pub status_kept_days: Option<u32>,
    /// How often the content library is read anew by itself, in days: 1 to 365; by default 30.
    pub library_verify_days: Option<u32>,
    /// The zone of schedules that are not in UTC; by default the machine's. Servers of one site should agree.
    pub time_zone: Option<TimeZone>,
    /// Fetches driver packs from other servers; without one, imports name folders and archives only.
    pub pack_fetcher: Option<Arc<dyn PackFetcher>>,
}

/// What a site is called; fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteIdentity {
    /// Three upper-case letters or digits.
    pub site_code: String,
    /// The site's name.
    pub site_name: String,
    /// The site's GUID, without braces.
    pub site_guid: String,
    /// The server's network name.
    pub server_name: String,
}

/// A site: packages, distribution, status, access. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Database,
    clock: SharedClock,
    identity: SiteIdentity,
    options: SiteOptions,
    time_zone: TimeZone,
    status_kept_for: Duration,
    library_verified_every: Duration,
    event_readers: EventReaders,
    metrics: Metrics,
    library: OnceCell<Arc<Library>>,
    changes: Changes,
    routes: Routes,
    snapshot_wake: Notify,
    turns: Turns,
    telling: Telling,
    credentials: Credentials,
    seen: Seen,
    sources: Sources,
    suspects: Suspects,
    damaged: Damaged,
    leaps: Leaps,
    restored: Restored,
    prestaged: TakenIn,
    wants: Wants,
    pauses: Pauses,
    verification: Verification,
    content_work: ContentWork,
    /// The roots of [`SiteOptions::trust_roots`].
    trust: Trust,
    drafts: Drafts,
    examinations: Arc<Semaphore>,
    examinations_waiting: Semaphore,
    /// Turns of long answers that wait for their reader.
    streams: Arc<Semaphore>,
    late_streams: Arc<Semaphore>,
    /// Bytes of answers that wait in files.
    spooled: SpoolRoom,
    stream_shares: Shares,
    comparisons: Arc<Semaphore>,
    matching: Matching,
    unpacking: Unpacking,
    import_wake: Notify,
    validation_wake: Notify,
    /// Counts cancelled imports.
    import_cancels: watch::Sender<u64>,
    /// Names this data folder's server in leases, when several serve one site.
    server_id: String,
    signing_key: SigningKey,
}

impl Site {
    /// Gives the site in a data folder a new signing key, which it says: see `docs/operations.md`, "Trust". No process may
    /// run the site meanwhile.
    ///
    /// Errors: [`SiteError::AlreadyRunning`], [`SiteError::NotInitialized`]; [`SiteError::SigningKeyMissing`] and
    /// [`SiteError::SigningKeyWrong`] where the old key is needed to vouch for the new one, and not `lost`.
    pub async fn rotate_signing_key(
        options: &SiteOptions,
        lost: bool,
        clock: &SharedClock,
    ) -> Result<String> {
        let _lock = housekeeping::lock_folder(&options.data_dir)?;
        let db = open_database(options).await?;
        let rotated = signing::rotate(&db, &options.data_dir, lost, clock.now()).await;
        db.close().await;
        rotated
    }

    /// Makes a new site with its first administrator `admin`.
    ///
    /// Errors: [`SiteError::AlreadyInitialized`] if the database holds a site, [`SiteError::InvalidOption`]
    /// for a bad site code, name or password.
    pub async fn init(options: &SiteOptions, admin_password: &str, clock: SharedClock) -> Result<()> {
        let identity = new_identity(options)?;
        create_private_folder(&options.data_dir)?;
        let db = open_database(options).await?;
        let key = signing::load_or_make(&options.data_dir)?;
        let hash = password::hash(FIRST_ADMINISTRATOR, admin_password.to_owned()).await?;
        let mut tx = db.write().await?;
        if read_identity(&mut tx).await?.is_some() {
            return Err(SiteError::AlreadyInitialized);
        }
        insert_identity(&mut tx, &identity, clock.now()).await?;
        node::insert_own(&mut tx, &identity, options.site_type).await?;
        signing::settle(&mut tx, &identity.site_code, &key, clock.now()).await?;
        user::insert(&mut tx, FIRST_ADMINISTRATOR, &hash, Role::FullAdministrator, clock.now()).await?;
        tx.commit().await?;
        db.close().await;
        Ok(())
    }

    /// Opens a site that [`Site::init`] made. The content library is opened when it is first needed.
    pub async fn open(options: &SiteOptions, clock: SharedClock) -> Result<Self> {
        if options.database_url.is_none() && !options.data_dir.join(DATABASE_FILE).is_file() {
            return Err(SiteError::NotInitialized);
        }
        let trust = read_roots(&options.trust_roots)?;
        let status_kept_for = status::kept_for(options.status_kept_days)?;
        let library_verified_every = verification::every(options.library_verify_days)?;
        query::sweep(&options.data_dir)?;
        let db = open_database(options).await?;
        let mut tx = db.write().await?;
        let identity = read_identity(&mut tx).await?.ok_or(SiteError::NotInitialized)?;
        let signing_key = signing::open(&mut tx, &options.data_dir, &identity.site_code, clock.now()).await?;
        platform::seed(&mut tx).await?;
        status::set_failed_message_state(&mut tx, options.failed_message_state).await?;
        role::seed(&mut tx).await?;
        tx.commit().await?;
        let mut own = options.clone();
        // Drivers from archives name their files by a share of the site's own.
        own.shares.insert(unpacked_share(&identity.server_name), own.data_dir.join(UNPACKED_FOLDER));
        let credentials = Credentials::open(&db, clock.monotonic(), clock.now()).await?;
        let inner = Inner {
            db,
            clock,
            identity,
            options: own,
            time_zone: options.time_zone.clone().unwrap_or_else(TimeZone::system),
            status_kept_for,
            library_verified_every,
            event_readers: EventReaders::default(),
            metrics: Metrics::default(),
            library: OnceCell::new(),
            changes: Changes::default(),
            routes: Routes::default(),
            snapshot_wake: Notify::new(),
            turns: Turns::default(),
            telling: Telling::default(),
            credentials,
            seen: Seen::default(),
            sources: Sources::default(),
            suspects: Suspects::default(),
            damaged: Damaged::default(),
            leaps: Leaps::default(),
            restored: Restored::default(),
            prestaged: TakenIn::default(),
            wants: Wants::default(),
            pauses: Pauses::default(),
            verification: Verification::default(),
            content_work: ContentWork::default(),
            trust,
            drafts: Drafts::default(),
            examinations: Arc::new(Semaphore::new(EXAMINATIONS_MAX)),
            examinations_waiting: Semaphore::new(EXAMINATIONS_WAITING_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            late_streams: Arc::new(Semaphore::new(STREAMS_LATE_MAX)),
            spooled: SpoolRoom::default(),
            stream_shares: Shares::default(),
            comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)),
            matching: Matching::default(),
            unpacking: Unpacking::default(),
            import_wake: Notify::new(),
            validation_wake: Notify::new(),
            import_cancels: watch::Sender::new(0),
            server_id: server_id(&options.data_dir)?,
            signing_key,
        };
        let site = Self { inner: Arc::new(inner) };
        site.read_routes().await?;
        Ok(site)
    }

    /// What the site is called.
    #[must_use]
    pub fn identity(&self) -> &SiteIdentity {
        &self.inner.identity
    }

    /// Closes the database in good order. A site that is only dropped loses nothing either.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    pub(crate) fn db(&self) -> &Database {
        &self.inner.db
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.inner.streams
    }

    pub(crate) fn stream_shares(&self) -> &Shares {
        &self.inner.stream_shares
    }

    pub(crate) fn late_streams(&self) -> &Arc<Semaphore> {
        &self.inner.late_streams
    }

    pub(crate) fn spooled(&self) -> &SpoolRoom {
        &self.inner.spooled
    }

    /// The clock of the site, for what lives beside it.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The zone of what is planned in local time.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.inner.time_zone
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn event_readers(&self) -> &EventReaders {
        &self.inner.event_readers
    }

    pub(crate) fn library_verified_every(&self) -> Duration {
        self.inner.library_verified_every
    }

    pub(crate) fn status_kept_for(&self) -> Duration {
        self.inner.status_kept_for
    }

    pub(crate) fn options(&self) -> &SiteOptions {
        &self.inner.options
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    pub(crate) fn snapshot_wake(&self) -> &Notify {
        &self.inner.snapshot_wake
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    pub(crate) fn telling(&self) -> &Telling {
        &self.inner.telling
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.inner.seen
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.inner.sources
    }

    pub(crate) fn verification(&self) -> &Verification {
        &self.inner.verification
    }

    pub(crate) fn content_work(&self) -> &ContentWork {
        &self.inner.content_work
    }

    pub(crate) fn pauses(&self) -> &Pauses {
        &self.inner.pauses
    }

    pub(crate) fn wants(&self) -> &Wants {
        &self.inner.wants
    }

    pub(crate) fn leaps(&self) -> &Leaps {
        &self.inner.leaps
    }

    pub(crate) fn prestaged(&self) -> &TakenIn {
        &self.inner.prestaged
    }

    pub(crate) fn restored(&self) -> &Restored {
        &self.inner.restored
    }

    pub(crate) fn damaged(&self) -> &Damaged {
        &self.inner.damaged
    }

    pub(crate) fn suspects(&self) -> &Suspects {
        &self.inner.suspects
    }

    /// What drivers' signatures are proven against, now.
    pub(crate) fn trust(&self) -> Trust {
        self.inner.trust.at(self.now())
    }

    pub(crate) fn drafts(&self) -> &Drafts {
        &self.inner.drafts
    }

    pub(crate) fn examinations(&self) -> &Arc<Semaphore> {
        &self.inner.examinations
    }

    pub(crate) fn examinations_waiting(&self) -> &Semaphore {
        &self.inner.examinations_waiting
    }

    /// Turns to compare whole folders with what they should have.
    pub(crate) fn comparisons(&self) -> &Arc<Semaphore> {
        &self.inner.comparisons
    }

    pub(crate) fn matching(&self) -> &Matching {
        &self.inner.matching
    }

    pub(crate) fn unpacking(&self) -> &Unpacking {
        &self.inner.unpacking
    }

    pub(crate) fn import_wake(&self) -> &Notify {
        &self.inner.import_wake
    }

    pub(crate) fn validation_wake(&self) -> &Notify {
        &self.inner.validation_wake
    }

    pub(crate) fn import_cancels(&self) -> &watch::Sender<u64> {
        &self.inner.import_cancels
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn server_id(&self) -> &str {
        &self.inner.server_id
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.inner.signing_key
    }

    pub(crate) fn library_cell(&self) -> &OnceCell<Arc<Library>> {
        &self.inner.library
    }
}

/// The certificates of all these files; one that cannot be used is an error, not a root less.
fn read_roots(files: &[PathBuf]) -> Result<Trust> {
    let mut trust = Trust::none(Timestamp::UNIX_EPOCH);
    for file in files {
        let refuse = |reason: String| SiteError::InvalidOption {
            option: "trust.roots",
            reason: format!("{}: {reason}", file.display()),
        };
        let pem = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
        trust = trust.with_pem(&pem).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(trust)
}

async fn open_database(options: &SiteOptions) -> Result<Database> {
    match &options.database_url {
        Some(url) => Database::postgres(url).await,
        None => Database::sqlite(&options.data_dir.join(DATABASE_FILE)).await,
    }
}

fn new_identity(options: &SiteOptions) -> Result<SiteIdentity> {
    let invalid = |option, reason: &str| SiteError::InvalidOption { option, reason: reason.to_owned() };
    let code = &options.site_code;
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(invalid("site code", "three letters or digits are needed, for example PS1"));
    }
    let site_name = match options.site_name.trim() {
        "" => format!("Site {}", code.to_ascii_uppercase()),
        name if name.chars().count() <= SITE_NAME_CHARS_MAX => name.to_owned(),
        _ => return Err(invalid("site name", "at most 50 characters are allowed")),
    };
    let server_name = options.server_name.clone().unwrap_or_else(machine_name);
    if !is_host_name(&server_name) {
        return Err(invalid("server name", "a host name is needed, for example srv.example.test"));
    }
    Ok(SiteIdentity {
        site_code: code.to_ascii_uppercase(),
        site_name,
        site_guid: uuid::Uuid::new_v4().to_string().to_uppercase(),
        server_name,
    })
}

/// Whether the text is a host name: it goes into NAL paths, URLs and certificates as it stands.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= SERVER_NAME_CHARS_MAX && name.split('.').all(label)
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        name if is_host_name(name) => name.to_owned(),
        _ => "localhost".to_owned(),
    }
}

fn create_private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(SiteError::io(folder))
}

/// The id of the server with this data folder, made when it is first asked for.
fn server_id(folder: &Path) -> Result<String> {
    let file = folder.join("server-id");
    if let Ok(text) = std::fs::read_to_string(&file)
        && let Ok(id) = uuid::Uuid::try_parse(text.trim())
    {
        return Ok(id.to_string());
    }
    create_private_folder(folder)?;
    let id = uuid::Uuid::new_v4().to_string();
    std::fs::write(&file, &id).map_err(SiteError::io(&file))?;
    Ok(id)
}

async fn read_identity(tx: &mut Tx) -> Result<Option<SiteIdentity>> {
    let select = Query::select()
        .columns(["site_code", "site_name", "site_guid", "server_name"])
        .from("site")
        .and_where(Expr::col("id").eq(1i64))
        .to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(None) };
    Ok(Some(SiteIdentity {
        site_code: row.get("site_code")?,
        site_name: row.get("site_name")?,
        site_guid: row.get("site_guid")?,
        server_name: row.get("server_name")?,
    }))
}

async fn insert_identity(tx: &mut Tx, identity: &SiteIdentity, now: Timestamp) -> Result<()> {
    let insert = Query::insert()
        .into_table("site")
        .columns(["id", "site_code", "site_name", "site_guid", "server_name", "created_at"])
        .values_panic([
            1i64.into(),
            identity.site_code.as_str().into(),
            identity.site_name.as_str().into(),
            identity.site_guid.as_str().into(),
            identity.server_name.as_str().into(),
            now.as_microsecond().into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}
