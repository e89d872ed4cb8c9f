//! What can go wrong at a site: one variant for each thing that somebody can act on.
//!
//! `Display` is what a client may read. It names what the client itself sent and never a path of this
//! machine, a statement or a secret; the cause below it (`source()`) is for the log.

use std::path::PathBuf;

use crate::distribution::state::TransitionError;

mod code;
mod database;

/// The crate's result.
pub type Result<T, E = SiteError> = std::result::Result<T, E>;

/// Why a site refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// No package has this id, or it is being deleted.
    #[error("there is no package {package_id}")]
    PackageNotFound {
        /// As asked for.
        package_id: String,
    },
    /// The package never had this version, or its content is no longer kept.
    #[error("package {package_id} has no version {version}")]
    VersionNotFound {
        /// The package.
        package_id: String,
        /// As asked for.
        version: u32,
    },
    /// A prestaged file has a version that this site never heard of, or other content than it heard of.
    #[error(
        "this site does not know version {version} of package {package_id} with this content: let it hear from its parent \
         first, or export the version that it offers"
    )]
    VersionNotOffered {
        /// The package.
        package_id: String,
        /// As the file says.
        version: u32,
    },
    /// Another site's version, whose content no distribution point of this site needed.
    #[error(
        "the content of version {version} of package {package_id} is not at this site; export it at site {source_site}, which \
         owns the package, or assign the package to a distribution point of this site first"
    )]
    VersionNotHere {
        /// The package.
        package_id: String,
        /// As asked for.
        version: u32,
        /// The site that owns the package.
        source_site: String,
    },
    /// The package had this version, but its content is no longer kept.
    #[error("version {version} of package {package_id} is no longer kept; these are: {kept}")]
    VersionNotKept {
        /// The package.
        package_id: String,
        /// As asked for.
        version: u32,
        /// The versions that are kept, with commas between.
        kept: String,
    },
    /// No distribution point has this name or NAL path.
    #[error("there is no distribution point {name}; `haulier dp list` shows those that exist")]
    DpNotFound {
        /// As asked for.
        name: String,
    },
    /// The package is not assigned to the distribution point.
    #[error("package {package_id} is not on distribution point {dp}")]
    DistributionNotFound {
        /// The package.
        package_id: String,
        /// The distribution point's name.
        dp: String,
    },
    /// Whoever asks for content shall not hold the package.
    #[error("package {package_id} is not assigned to who asks for it")]
    PackageNotAssigned {
        /// The package.
        package_id: String,
    },
    /// No group of distribution points has this id.
    #[error("there is no distribution point group {group_id}")]
    GroupNotFound {
        /// As asked for.
        group_id: String,
    },
    /// The package or the distribution point is not in the group.
    #[error("{what} is not in distribution point group {group}")]
    NotInGroup {
        /// The package or the distribution point.
        what: String,
        /// The group's name.
        group: String,
    },
    /// No driver has this id.
    #[error("there is no driver {ci_id}")]
    DriverNotFound {
        /// As asked for.
        ci_id: i64,
    },
    /// No category has this id.
    #[error("there is no category {category}")]
    CategoryNotFound {
        /// The id, or the unique id.
        category: String,
    },
    /// No platform has these keys.
    #[error("there is no such platform; SMS_SupportedPlatforms lists them")]
    PlatformNotFound,
    /// No import of drivers has this id.
    #[error("there is no driver import {import_id}")]
    ImportNotFound {
        /// As asked for.
        import_id: i64,
    },
    /// A driver's folder or INF file cannot be read; Win32 error 2.
    #[error("{path} cannot be read: {reason}")]
    DriverUnreadable {
        /// The folder or file, as the caller named it.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The INF file is no driver; Win32 error 13.
    #[error("{inf} is not a valid driver: {reason}")]
    DriverInvalid {
        /// The INF file, as the caller named it.
        inf: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The same INF file with the same content is in the catalog; Win32 error 183.
    #[error("{inf} is imported already, as driver {unique_id}")]
    DriverAlreadyImported {
        /// The INF file, as the caller named it.
        inf: String,
        /// The CI_UniqueID of the driver that is there.
        unique_id: String,
    },
    /// The same INF file with the same content is in the catalog, but does not exist for the caller; Win32 error 5.
    /// Whoever has the files learns no more than that they cannot be imported.
    #[error(
        "{inf} cannot be imported in your security scopes, since the site has it in another; ask an administrator for \
         the driver"
    )]
    DriverOutOfScope {
        /// The INF file, as the caller named it.
        inf: String,
    },
    /// The INF file is for no Windows release that the site knows; Win32 error 1633.
    #[error("{inf} is for no Windows release of SMS_SupportedPlatforms")]
    DriverNotSupported {
        /// The INF file, as the caller named it.
        inf: String,
    },
    /// No console folder has this id.
    #[error("there is no console folder {folder_id}")]
    FolderNotFound {
        /// As asked for.
        folder_id: i64,
    },
    /// No folder item has this id.
    #[error("there is no item {member_id} in any console folder")]
    FolderItemNotFound {
        /// As asked for.
        member_id: i64,
    },
    /// No driver has this CI_UniqueID.
    #[error("there is no driver {unique_id}")]
    DriverUnknown {
        /// As asked for.
        unique_id: String,
    },
    /// Somebody else holds the lock of the object.
    #[error(
        "{object} is locked by {user} on {machine} since {since}; wait until the lock is released, or ask a full \
         administrator to release it"
    )]
    ObjectLocked {
        /// Its relative path.
        object: String,
        /// Who holds the lock.
        user: String,
        /// On which machine.
        machine: String,
        /// Since when, UTC.
        since: String,
    },
    /// The caller made no request for a lock with this id, or it is forgotten.
    #[error("you made no request {request_id} for a lock within the last hour")]
    LockRequestNotFound {
        /// As asked for.
        request_id: String,
    },
    /// The caller holds no lock of the object.
    #[error(
        "{object} is not locked by you; only the user that holds a lock, or a full administrator, may release it"
    )]
    LockNotHeld {
        /// Its relative path.
        object: String,
    },
    /// No administrative user has this name.
    #[error("there is no user {name}")]
    UserNotFound {
        /// As asked for.
        name: String,
    },
    /// The user's role does not allow the change.
    #[error("{user} may not {action}: the role {role} does not include it")]
    AccessDenied {
        /// Who asked.
        user: String,
        /// The user's role.
        role: &'static str,
        /// What was asked for, as a verb phrase.
        action: &'static str,
    },
    /// What concerns the whole site is for users who work in all of it.
    #[error("{user} may not {action}: that takes a user with all security scopes")]
    AllScopesNeeded {
        /// Who asked.
        user: String,
        /// What was asked for, as a verb phrase.
        action: &'static str,
    },
    /// A bearer token cannot do what would outlive it.
    #[error("a token may not {action}; sign in with the password")]
    PasswordNeeded {
        /// What was asked for, as a verb phrase.
        action: &'static str,
    },
    /// No security scope has this name.
    #[error("there is no security scope {name}; `haulier scope list` shows those that exist")]
    ScopeNotFound {
        /// As asked for.
        name: String,
    },
    /// The name or the password is wrong.
    #[error("the user name or the password is wrong")]
    InvalidCredentials,
    /// The bearer token is unknown, revoked or expired; which of these is not said.
    #[error("the token is not valid: it is unknown, revoked or expired")]
    InvalidToken,
    /// Too many failed sign-ins with this name or from this address.
    #[error("too many failed sign-ins with this name or from this address; try again in {retry_after_s} s")]
    TooManyFailures {
        /// How long the name or the address stays closed.
        retry_after_s: u64,
    },
    /// The enrolment token was never made, or belongs to another name.
    #[error("the enrolment token is not known for this name; make one with `{made_by}`")]
    EnrolTokenUnknown {
        /// The command that makes one.
        made_by: &'static str,
    },
    /// The enrolment token was traded before.
    #[error("the enrolment token was used before; make another with `{made_by}`")]
    EnrolTokenUsed {
        /// The command that makes another.
        made_by: &'static str,
    },
    /// The enrolment token is too old.
    #[error("the enrolment token has expired; make another with `{made_by}`")]
    EnrolTokenExpired {
        /// The command that makes another.
        made_by: &'static str,
    },
    /// The certificate request could not be signed.
    #[error("the certificate request was refused: {reason}")]
    CertificateRefused {
        /// What the authority said.
        reason: String,
    },
    /// The agent is not enrolled here, or was removed.
    #[error(
        "this identity is not known here: it was removed or revoked, or the same name joined again elsewhere; a new token \
         lets it in again"
    )]
    AgentUnknown,
    /// No neighbor has this code.
    #[error("there is no neighboring site {site_code}")]
    SiteNotFound {
        /// Its code.
        site_code: String,
    },
    /// The site's private signing key is not where it was made.
    #[error(
        "the site's signing key ({}) is missing in the data folder; copy it there from a backup or from another \
         server of the site",
        ::trust::KEY_FILE
    )]
    SigningKeyMissing,
    /// The data folder has another key than the site signs with.
    #[error(
        "the signing key ({}) in the data folder is not the one that the site's database names: they are not of one \
         backup. Put back the key and the database that belong together; if that key is lost, `haulier site key rotate \
         --lost --data DATA` makes another",
        ::trust::KEY_FILE
    )]
    SigningKeyWrong,
    /// The site's signing key cannot be read or made.
    #[error("{0}")]
    SigningKey(#[from] ::trust::KeyFileError),
    /// A property has a value that it must not have.
    #[error("{property}: {reason}")]
    InvalidField {
        /// The property's provider name.
        property: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The thing exists already.
    #[error("{what} already exists")]
    AlreadyExists {
        /// What.
        what: String,
    },
    /// The object's present state does not allow this.
    #[error("{reason}")]
    Conflict {
        /// What stands in the way, and what to do.
        reason: String,
    },
    /// The object changed since the caller read it.
    #[error("{what} was changed by someone else; read it again and repeat the change")]
    EditionMismatch {
        /// What.
        what: String,
    },
    /// The package has no source to read.
    #[error(
        "package {package_id} has no source files: set PkgSourceFlag to 2 and PkgSourcePath to its folder"
    )]
    NoSource {
        /// The package.
        package_id: String,
    },
    /// The source path cannot be used.
    #[error("the source {path} cannot be used: {reason}")]
    SourceUnusable {
        /// As the package names it.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The package's source folder may not be written.
    #[error("the source {path} cannot be written: {reason}; the site's account needs full control of it")]
    SourceReadOnly {
        /// As the package names it.
        path: String,
        /// What the file system said.
        reason: String,
    },
    /// The disk with the package's source folder is full.
    #[error("the disk with the source {path} is full; make room and repeat the call, nothing was changed")]
    SourceFull {
        /// As the package names it.
        path: String,
    },
    /// The folder does not hold what the package's stored version holds.
    #[error("{path} does not hold the content of package {package_id}: {differences}")]
    SourceDiffers {
        /// The package.
        package_id: String,
        /// As the caller named it.
        path: String,
        /// The first few differences.
        differences: String,
    },
    /// Another site owns the package.
    #[error(
        "package {package_id} belongs to site {source_site}; change it there, or give it to another site with SetSourceSite, \
         which is called there or at a site above it"
    )]
    PackageLocked {
        /// The package.
        package_id: String,
        /// The site that owns it.
        source_site: String,
    },
    /// Only the owner of a package and the sites above the owner give it away.
    #[error(
        "package {package_id} belongs to site {source_site}, which is not below this one: give it away at site {at}, with \
         SetSourceSite"
    )]
    PackageNotBelow {
        /// The package.
        package_id: String,
        /// The site that owns it.
        source_site: String,
        /// The sites that may, by code.
        at: String,
    },
    /// No driver has this content.
    #[error("there is no driver content {content_id}; SMS_CIToContent shows those that exist")]
    ContentNotFound {
        /// As asked for.
        content_id: i64,
    },
    /// The package does not have this content.
    #[error("driver content {content_id} is not in package {package_id}")]
    ContentNotInPackage {
        /// The package.
        package_id: String,
        /// As asked for.
        content_id: i64,
    },
    /// The package has the content already, for example because another INF of the same folder was added before.
    /// Scripts take the code for success.
    #[error("driver content {} is already in package {package_id}{}", list(content_ids), others(*added))]
    ContentInPackage {
        /// The package.
        package_id: String,
        /// Those that were there.
        content_ids: Vec<i64>,
        /// How many others the call added.
        added: usize,
    },
    /// The driver's folder is not what it was when the driver was imported.
    #[error(
        "the files of driver {driver} in {path} are not those that were imported ({reason}); import the driver again, \
         or name a folder that has them"
    )]
    DriverSourceChanged {
        /// The driver's name.
        driver: String,
        /// As the driver or the caller names it.
        path: String,
        /// What differs.
        reason: String,
    },
    /// No good copy of a package's content is left.
    #[error("driver content {content_id} of package {package_id} cannot be restored: {reason}")]
    ContentLost {
        /// The package.
        package_id: String,
        /// The content.
        content_id: i64,
        /// Where it was looked for.
        reason: String,
    },
    /// More is asked at once than the site takes.
    #[error("the site is busy: {what}; try again shortly")]
    Busy {
        /// Which limit was met.
        what: &'static str,
    },
    /// The rows of an answer were not taken while they were ready.
    #[error("the rows of the answer were not read within {} seconds; ask again, for fewer at a time", .limit.as_secs())]
    ReaderTooSlow {
        /// How long they were kept.
        limit: std::time::Duration,
    },
    /// The database found no rows in all the time that a query has.
    #[error("the query took longer than {} seconds; ask for less, or compare properties that are keys", .limit.as_secs())]
    QueryTooLong {
        /// The time it had.
        limit: std::time::Duration,
    },
    /// No class of this name can be queried.
    #[error("there is no class {view}")]
    UnknownView {
        /// As asked for.
        view: String,
    },
    /// The query cannot be answered.
    #[error("the query is not valid: {reason}")]
    InvalidQuery {
        /// What is wrong.
        reason: String,
    },
    /// An option of the site itself is wrong.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The data folder holds a site already.
    #[error("a site is already initialized here; `site run` starts it")]
    AlreadyInitialized,
    /// The data folder holds no site.
    #[error("there is no site here; `haulier site init` makes one")]
    NotInitialized,
    /// Another process runs this site's workers.
    #[error("another process already runs this site")]
    AlreadyRunning,
    /// The disk that holds the site's data is full.
    #[error("the site's disk is full; make room, nothing that was accepted is lost")]
    DiskFull(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The content library failed.
    #[error("the content library failed; the site's log says why")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A prestaged file could not be written or taken in.
    #[error(transparent)]
    Prestaged(#[from] content::prestage::PrestageError),
    /// The database failed.
    #[error("the site's database failed; the site's log says why")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database holds a value that this program never writes.
    #[error("the site's database holds a damaged value in {what}")]
    Corrupt {
        /// The column or table.
        what: String,
    },
    /// The agent or the site asked for a step that the state does not allow.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// A file of the site itself cannot be read or written.
    #[error("the site's data folder cannot be used; the site's log says why")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Work on a blocking thread ended without an answer.
    #[error("the site is shutting down")]
    Stopped,
}

impl SiteError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull(Box::new(source)),
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn invalid(property: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidField { property, reason: reason.into() }
    }

    pub(crate) fn package(package_id: &str) -> Self {
        Self::PackageNotFound { package_id: package_id.to_owned() }
    }
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn others(added: usize) -> String {
    if added == 0 { String::new() } else { format!("; {added} others were added") }
}
