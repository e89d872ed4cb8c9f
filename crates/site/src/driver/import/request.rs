//! Accepting and cancelling imports.

use sea_query::{Expr, ExprTrait, Query};
use serde::{Deserialize, Serialize};

use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx, counter};
use crate::driver::category;
use crate::error::{Result, SiteError};
use crate::package::source::SourcePath;
use crate::query::stored_list;
use crate::server::Site;
use crate::status::{self, Message};

/// Sources of one import.
const SOURCES_MAX: usize = 1_000;
/// Characters of a source's path or address.
const SOURCE_CHARS_MAX: usize = 2_048;
/// The parameters of a request that name paths, and packs.
const SOURCES: &str = "Sources";
const PACKS: &str = "Packs";
/// Imports that wait or run at once.
const OPEN_MAX: u64 = 1_000;

/// What to import, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportRequest {
    /// Where to look for INF files.
    pub sources: Vec<ImportSource>,
    /// The unique ids of the categories that the drivers get.
    pub categories: Vec<String>,
    /// Whether new drivers may be chosen for machines at once.
    pub enable: bool,
    /// What happens to drivers that are in the catalog already.
    pub duplicates: Duplicates,
}

/// A place with drivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportSource {
    /// A folder with all folders below it, or a `.cab` or `.zip` archive: a UNC path or an absolute path on the
    /// site server.
    Path(String),
    /// An archive of a vendor, proved by its size and hashes before anything of it is used.
    Pack {
        /// An http or https address to fetch it from, or a path as of [`ImportSource::Path`].
        location: String,
        /// Its size, if known; another size is refused.
        size_bytes: Option<u64>,
        /// Its hashes as far as known, one at least, lower hex; each must be right.
        hashes: PackHashes,
    },
}

/// The hashes that a vendor's catalog states of a pack, lower hex.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackHashes {
    /// SHA-256.
    pub sha256: Option<String>,
    /// SHA-1.
    pub sha1: Option<String>,
    /// MD5.
    pub md5: Option<String>,
}

/// What happens to the categories of a driver that is in the catalog already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The import's are added.
    #[default]
    AppendCategories,
    /// They stay as they are.
    KeepCategories,
    /// The import's take their place.
    OverwriteCategories,
    /// The driver is not touched.
    Skip,
}

/// How an import stands; the numbers are those of `driver_import.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    /// Accepted.
    Queued = 0,
    /// A worker has it, or had it when its process ended.
    Running = 1,
    /// It came to its end.
    Done = 2,
    /// It could not go on.
    Failed = 3,
    /// Somebody cancelled it.
    Cancelled = 4,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProgress {
    /// How it stands.
    pub state: ImportState,
    /// Files found in the sources.
    pub files: u64,
    /// Bytes read of them.
    pub bytes_read: u64,
    /// INF files found so far.
    pub infs_found: u64,
    /// INF files with an outcome.
    pub infs_done: u64,
    /// New drivers.
    pub imported: u64,
    /// Drivers that were in the catalog already.
    pub already_imported: u64,
    /// INF files that are no driver, and sources that could not be read.
    pub failed: u64,
    /// Why it could not go on; empty otherwise.
    pub fault: String,
}

impl ImportSource {
    /// As an administrator names it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Path(path) => path,
            Self::Pack { location, .. } => location,
        }
    }
}

impl Site {
    /// Asks for an import. Returns its id once it is durable; a worker does it.
    ///
    /// Errors: [`SiteError::InvalidField`], [`SiteError::CategoryNotFound`], [`SiteError::Busy`],
    /// [`SiteError::AccessDenied`].
    pub async fn start_import(&self, actor: &Actor, request: ImportRequest) -> Result<i64> {
        actor.may(Action::ChangeDrivers)?;
        self.check_sources(&request.sources)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        category::ids(&mut tx, &request.categories).await?;
        refuse_beyond_limit(&mut tx).await?;
        let import_id = counter::next(&mut tx, "driver_import").await?;
        let names: Vec<&str> = request.sources.iter().map(ImportSource::name).collect();
        let sources = serde_json::to_string(&request.sources).expect("texts and numbers always become JSON");
        let insert = Query::insert()
            .into_table("driver_import")
            .columns([
                "import_id",
                "state",
                "requested_by",
                "requested_at",
                "sources",
                "source_names",
                "categories",
                "enable",
                "duplicates",
            ])
            .values_panic([
                import_id.into(),
                (ImportState::Queued as i64).into(),
                actor.name.as_str().into(),
                now.as_microsecond().into(),
                sources.into(),
                stored_list(&names).into(),
                stored_list(&request.categories).into(),
                i64::from(request.enable).into(),
                request.duplicates.number().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        // What it finds belongs where the import belongs.
        scope::enter(&mut tx, &actor.scopes, SecuredType::DriverImport, &import_id.to_string()).await?;
        let message = Message::import_requested(actor, import_id, &names.join(", "));
        status::add(&mut tx, now, message).await?;
        tx.commit().await?;
        self.import_wake().notify_one();
        Ok(import_id)
    }

    /// Ends an import. What it has imported stays; one that has ended is left alone.
    ///
    /// Errors: [`SiteError::ImportNotFound`], [`SiteError::AccessDenied`].
    pub async fn cancel_import(&self, actor: &Actor, import_id: i64) -> Result<()> {
        actor.may(Action::ChangeDrivers)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let state = progress(&mut tx, import_id).await?.state;
        scope::require_visible(&mut tx, actor, SecuredType::DriverImport, &import_id.to_string()).await?;
        let open = matches!(state, ImportState::Queued | ImportState::Running);
        let mut update = Query::update();
        update.table("driver_import").and_where(by_id(import_id)).value("cancel_requested", 1i64);
        if state == ImportState::Queued {
            update.value("state", ImportState::Cancelled as i64).value("finished_at", now.as_microsecond());
        }
        if open {
            tx.execute(&update).await?;
            status::add(&mut tx, now, Message::import_cancelled(actor, import_id)).await?;
        }
        tx.commit().await?;
        // The worker of this process hears of it at once, another one with its next sign of life.
        self.import_cancels().send_modify(|count| *count += 1);
        Ok(())
    }

    /// How far an import is. Errors: [`SiteError::ImportNotFound`].
    pub async fn import_progress(&self, import_id: i64) -> Result<ImportProgress> {
        let row = self.db().optional(&select_progress(import_id)).await?;
        row.map_or(Err(SiteError::ImportNotFound { import_id }), |row| ImportProgress::read(&row))
    }

    fn check_path(&self, property: &'static str, path: &str) -> Result<()> {
        let parsed = SourcePath::parse(path, &self.options().shares);
        parsed.map(drop).map_err(|error| SiteError::invalid(property, format!("{path}: {error}")))
    }

    fn check_location(&self, location: &str) -> Result<()> {
        let refuse = |reason: String| Err(SiteError::invalid(PACKS, reason));
        match is_address(location) {
            true if self.options().pack_fetcher.is_none() => {
                refuse("this site fetches nothing from other servers".to_owned())
            }
            true => Ok(()),
            false if location.contains("://") => refuse(format!("{location} is no http or https address")),
            false => self.check_path(PACKS, location),
        }
    }

    fn check_sources(&self, sources: &[ImportSource]) -> Result<()> {
        if sources.is_empty() || sources.len() > SOURCES_MAX {
            return Err(SiteError::invalid(SOURCES, format!("1 to {SOURCES_MAX} sources are needed")));
        }
        for source in sources {
            let (name, property) = match source {
                ImportSource::Path(path) => (path, SOURCES),
                ImportSource::Pack { location, .. } => (location, PACKS),
            };
            if name.chars().count() > SOURCE_CHARS_MAX || name.chars().any(char::is_control) {
                let reason = format!("a source has at most {SOURCE_CHARS_MAX} plain characters");
                return Err(SiteError::invalid(property, reason));
            }
            match source {
                ImportSource::Path(path) => self.check_path(SOURCES, path)?,
                ImportSource::Pack { location, hashes, .. } => {
                    check_hashes(location, hashes)?;
                    self.check_location(location)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a pack is fetched; else its location is a path.
pub(super) fn is_address(location: &str) -> bool {
    location.starts_with("https://") || location.starts_with("http://")
}

/// One hash at least: what comes from elsewhere is never used unproved.
fn check_hashes(location: &str, hashes: &PackHashes) -> Result<()> {
    let stated = [(&hashes.sha256, 32), (&hashes.sha1, 20), (&hashes.md5, 16)];
    let mut stated =
        stated.into_iter().filter_map(|(hash, bytes)| Some((hash.as_deref()?, bytes))).peekable();
    if stated.peek().is_none() {
        let reason = format!("{location} has no hash; its SHA256, SHA1 or MD5 is needed to prove it");
        return Err(SiteError::invalid(PACKS, reason));
    }
    if stated.all(|(hash, bytes)| hash.len() == 2 * bytes && hash.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Ok(());
    }
    let reason = format!("a hash of {location} is not as long as its kind, in hexadecimal digits");
    Err(SiteError::invalid(PACKS, reason))
}

async fn refuse_beyond_limit(tx: &mut Tx) -> Result<()> {
    let open = Query::select()
        .expr_as(Expr::col("import_id").count(), "open")
        .from("driver_import")
        .and_where(Expr::col("state").lte(ImportState::Running as i64))
        .to_owned();
    let open: u64 = tx.optional(&open).await?.map_or(Ok(0), |row| row.unsigned("open"))?;
    if open >= OPEN_MAX {
        return Err(SiteError::Busy { what: "too many driver imports wait" });
    }
    Ok(())
}

pub(super) async fn progress(tx: &mut Tx, import_id: i64) -> Result<ImportProgress> {
    let row = tx.optional(&select_progress(import_id)).await?;
    row.map_or(Err(SiteError::ImportNotFound { import_id }), |row| ImportProgress::read(&row))
}

fn select_progress(import_id: i64) -> sea_query::SelectStatement {
    Query::select()
        .columns([
            "state",
            "files",
            "bytes_read",
            "infs_found",
            "infs_done",
            "imported",
            "already_imported",
            "failed",
            "fault_text",
        ])
        .from("driver_import")
        .and_where(by_id(import_id))
        .to_owned()
}

pub(super) fn by_id(import_id: i64) -> Expr {
    Expr::col("import_id").eq(import_id)
}

impl ImportProgress {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            state: ImportState::from_number(row.get("state")?)?,
            files: row.unsigned("files")?,
            bytes_read: row.unsigned("bytes_read")?,
            infs_found: row.unsigned("infs_found")?,
            infs_done: row.unsigned("infs_done")?,
            imported: row.unsigned("imported")?,
            already_imported: row.unsigned("already_imported")?,
            failed: row.unsigned("failed")?,
            fault: row.get("fault_text")?,
        })
    }
}

impl ImportState {
    fn from_number(number: i64) -> Result<Self> {
        let all = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];
        let found = all.into_iter().find(|state| *state as i64 == number);
        found.ok_or_else(|| SiteError::corrupt("driver_import.state"))
    }
}

impl Duplicates {
    const ALL: [Self; 4] =
        [Self::AppendCategories, Self::KeepCategories, Self::OverwriteCategories, Self::Skip];

    /// The word for it in requests and in `Haulier_DriverImport.Duplicates`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppendCategories => "append",
            Self::KeepCategories => "keep",
            Self::OverwriteCategories => "overwrite",
            Self::Skip => "skip",
        }
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Self::AppendCategories => 0,
            Self::KeepCategories => 1,
            Self::OverwriteCategories => 2,
            Self::Skip => 3,
        }
    }

    pub(super) fn from_number(number: i64) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.number() == number);
        found.ok_or_else(|| SiteError::corrupt("driver_import.duplicates"))
    }
}

impl std::str::FromStr for Duplicates {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text));
        let needed = "append, keep, overwrite or skip is needed";
        found.ok_or_else(|| SiteError::invalid("Duplicates", needed))
    }
}
