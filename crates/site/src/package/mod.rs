//! Packages: what they are, and how they are read. Changes are in the modules beside.

pub(crate) mod create;
pub(crate) mod data;
pub(crate) mod delete;
pub(crate) mod duplicates;
pub(crate) mod fields;
pub(crate) mod refresh;
pub(crate) mod schedule;
pub(crate) mod source;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::access::Actor;
use crate::access::scope::SecuredType;
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use fields::PackageFields;

/// What a package is for, by the provider's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackageType {
    /// 0: files of any kind; SMS_Package.
    Regular,
    /// 3: drivers of the catalog; SMS_DriverPackage.
    Driver,
}

const OWN_COLUMNS: [&str; 17] = [
    "package_id",
    "package_type",
    "action_in_progress",
    "source_site",
    "source_version",
    "stored_version",
    "source_bytes",
    "content_hash",
    "source_date",
    "last_refresh_at",
    "edition",
    "refresh_requested",
    "refresh_done",
    "snapshot_attempts",
    "snapshot_next_at",
    "source_fault_code",
    "source_fault_message",
];

/// What is being done to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionInProgress {
    /// Nothing.
    None,
    /// A refresh.
    Update,
    /// The first snapshot.
    Add,
    /// Removal from the distribution points, then deletion.
    Delete,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// For example `PS100001`.
    pub package_id: String,
    /// What it is for.
    pub package_type: PackageType,
    /// What clients may write.
    pub fields: PackageFields,
    /// What is being done to it.
    pub action_in_progress: ActionInProgress,
    /// The site that made it.
    pub source_site: String,
    /// The published version; 1 from creation on where there is a source.
    pub source_version: u32,
    /// The version that the library holds; 0 until the first snapshot is published.
    pub stored_version: u32,
    /// Bytes of the stored version.
    pub source_bytes: u64,
    /// The stored version's content hash, upper-case hex.
    pub content_hash: Option<String>,
    /// When the stored version was published.
    pub source_date: Option<Timestamp>,
    /// When a refresh was last answered.
    pub last_refresh_at: Option<Timestamp>,
    /// Changes with every change by a client.
    pub sedo_object_version: String,
    /// Whether an accepted refresh is not answered yet.
    pub refresh_pending: bool,
    /// Why the last snapshot failed; absent once one succeeded.
    pub source_fault: Option<SourceFault>,
}

/// Why a package's source could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// A stable code, for example `source_missing`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// When the next attempt is due; absent when the site gave up.
    pub next_attempt_at: Option<Timestamp>,
}

/// One published version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageVersion {
    /// From 1.
    pub version: u32,
    /// The manifest's id, hex.
    pub manifest: String,
    /// The original's content hash, upper-case hex.
    pub content_hash: String,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Content bytes.
    pub bytes: u64,
    /// Bytes that the library grew by.
    pub stored_new_bytes: u64,
    /// When it was published.
    pub published_at: Timestamp,
    /// Whether the library still keeps its content.
    pub retained: bool,
}

impl Site {
    /// The package, unless it is being deleted. Errors: [`SiteError::PackageNotFound`].
    pub async fn package(&self, package_id: &str) -> Result<Package> {
        let select = select().and_where(visible()).and_where(by_id(package_id)).to_owned();
        let row = self.db().optional(&select).await?;
        row.map_or_else(|| Err(SiteError::package(package_id)), |row| Package::read(&row))
    }

    /// As [`Site::package`], if it exists for the actor.
    pub async fn package_for(&self, actor: &Actor, package_id: &str) -> Result<Package> {
        let package = self.package(package_id).await?;
        self.require_visible_now(actor, SecuredType::Package, package_id).await?;
        Ok(package)
    }

    /// Every package that is not being deleted, by id.
    pub async fn packages(&self) -> Result<Vec<Package>> {
        let select = select().and_where(visible()).order_by("package_id", Order::Asc).to_owned();
        self.db().all(&select).await?.iter().map(Package::read).collect()
    }

    /// Every version of a package, newest first.
    pub async fn package_history(&self, package_id: &str) -> Result<Vec<PackageVersion>> {
        self.package(package_id).await?;
        let select =
            PackageVersion::select().and_where(by_id(package_id)).order_by("version", Order::Desc).to_owned();
        self.db().all(&select).await?.iter().map(PackageVersion::read).collect()
    }
}

impl Package {
    /// Its id, and the site that owns it.
    pub(crate) fn owned(&self) -> (&str, &str) {
        (&self.package_id, &self.source_site)
    }

    pub(crate) fn read(row: &Row) -> Result<Self> {
        let fault: Option<String> = row.get("source_fault_code")?;
        let refresh_pending = row.get::<i64>("refresh_requested")? > row.get::<i64>("refresh_done")?;
        let package_id: String = row.get("package_id")?;
        Ok(Self {
            package_type: PackageType::from_number(row.get("package_type")?)?,
            fields: PackageFields::read(row)?,
            action_in_progress: ActionInProgress::from_number(row.get("action_in_progress")?)?,
            source_site: row.get("source_site")?,
            source_version: row.unsigned("source_version")?,
            stored_version: row.unsigned("stored_version")?,
            source_bytes: row.unsigned("source_bytes")?,
            content_hash: row.get("content_hash")?,
            source_date: row.time_or_null("source_date")?,
            last_refresh_at: row.time_or_null("last_refresh_at")?,
            sedo_object_version: format!("{package_id};{}", row.get::<i64>("edition")?),
            package_id,
            refresh_pending,
            source_fault: fault.map(|code| SourceFault::read(row, code, refresh_pending)).transpose()?,
        })
    }
}

impl SourceFault {
    fn read(row: &Row, code: String, pending: bool) -> Result<Self> {
        let next_attempt_at = row.time_or_null("snapshot_next_at")?.filter(|_| pending);
        Ok(Self {
            code,
            message: row.get::<Option<String>>("source_fault_message")?.unwrap_or_default(),
            attempts: row.unsigned("snapshot_attempts")?,
            next_attempt_at,
        })
    }
}

impl PackageVersion {
    pub(crate) fn select() -> SelectStatement {
        Query::select().columns(VERSION_COLUMNS).from("package_version").to_owned()
    }

    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            version: row.unsigned("version")?,
            manifest: row.get("manifest_id")?,
            content_hash: row.get("content_hash")?,
            files: row.unsigned("files")?,
            folders: row.unsigned("folders")?,
            bytes: row.unsigned("bytes")?,
            stored_new_bytes: row.unsigned("stored_new_bytes")?,
            published_at: row.time("published_at")?,
            retained: row.flag("retained")?,
        })
    }
}

const VERSION_COLUMNS: [&str; 9] = [
    "version",
    "manifest_id",
    "content_hash",
    "files",
    "folders",
    "bytes",
    "stored_new_bytes",
    "published_at",
    "retained",
];

impl PackageType {
    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Regular => 0,
            Self::Driver => 3,
        }
    }

    /// The secured object type, which is the object type of its folders too.
    #[must_use]
    pub fn object_type(self) -> u32 {
        match self {
            Self::Regular => 2,
            Self::Driver => 23,
        }
    }

    /// The provider's class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Regular => "SMS_Package",
            Self::Driver => "SMS_DriverPackage",
        }
    }

    fn from_number(number: i64) -> Result<Self> {
        let all = [Self::Regular, Self::Driver];
        let found = all.into_iter().find(|kind| i64::from(kind.number()) == number);
        found.ok_or_else(|| SiteError::corrupt("package.package_type"))
    }
}

impl ActionInProgress {
    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Update => 1,
            Self::Add => 2,
            Self::Delete => 3,
        }
    }

    fn from_number(number: i64) -> Result<Self> {
        let all = [Self::None, Self::Update, Self::Add, Self::Delete];
        let found = all.into_iter().find(|action| i64::from(action.number()) == number);
        found.ok_or_else(|| SiteError::corrupt("package.action_in_progress"))
    }
}

/// The row of a package that is not being deleted, inside a transaction.
pub(crate) async fn require(tx: &mut Tx, package_id: &str) -> Result<Package> {
    let select = select().and_where(visible()).and_where(by_id(package_id)).to_owned();
    let row = tx.optional(&select).await?;
    row.map_or_else(|| Err(SiteError::package(package_id)), |row| Package::read(&row))
}

pub(crate) fn by_id(package_id: &str) -> Expr {
    Expr::col("package_id").eq(package_id)
}

pub(crate) fn visible() -> Expr {
    Expr::col("action_in_progress").ne(i64::from(ActionInProgress::Delete.number()))
}

fn select() -> SelectStatement {
    let mut select = Query::select();
    select.columns(OWN_COLUMNS).columns(PackageFields::COLUMNS.iter().copied()).from("package");
    select
}
