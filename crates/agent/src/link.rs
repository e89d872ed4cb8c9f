//! What two neighboring sites say to each other, as JSON under [`SITE_ROOT`]: rows, and wants of content.
//!
//! A site tells its neighbor the rows that changed since the neighbor last acknowledged, whole and in the order of
//! their revisions; so nothing is queued, a repeat does no harm, and a month's absence costs one transfer.
//! `docs/agent-protocol.md` describes who may say what.

use serde::{Deserialize, Serialize};

use crate::trust::{Endorsement, VersionSignature};
use crate::{ErrorReply, Fault};

/// Where the calls of child sites live on their parent's listener.
pub const SITE_ROOT: &str = "/agent/v1/site";
/// Records that a page aims at; rows of one revision, and the rows that they name, stay together beyond it.
pub const RECORDS_MAX: usize = 512;
/// The most records of one message: more than one package has distribution points below one site.
pub const RECORDS_AT_ONCE_MAX: usize = 20_000;
/// The most bytes of one message of records.
pub const RECORDS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most wants of one child that are open at once.
pub const WANTS_MAX: usize = 64;
/// The most bytes that one want asks for; a longer range is asked for in parts.
pub const WANT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Repairs that a site tells of: more of them while a neighbor is away are told by the site's own messages only.
pub const REPAIRS_MAX: usize = 32;
/// Files of a repair that are named.
pub const REPAIR_FILES_MAX: usize = 10;
/// The most former owners of a package that are remembered.
pub const FORMER_OWNERS_MAX: usize = 16;
/// The most distribution points in one [`Call`].
pub const CALL_POINTS_MAX: usize = 10_000;

/// `GET /agent/v1/site/records?after=REVISION&wait=SECONDS` answers with it; `POST /agent/v1/site/records` sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsReply {
    /// What changed after this revision of the sender is here; who has less asks again from what it has.
    pub after: i64,
    /// Ask again with this number, once the records are durable.
    pub revision: i64,
    /// Whether more rows wait.
    pub more: bool,
    /// The rows, those that others name before them.
    pub records: Vec<Record>,
}

/// The reply to `POST /agent/v1/site/records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsPosted {
    /// The child's revision up to which the parent has everything; the child goes on from here.
    pub revision: i64,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A site of the hierarchy.
    Site(SiteRecord),
    /// A distribution point.
    Dp(DpRecord),
    /// A package.
    Package(Box<PackageRecord>),
    /// What a distribution point should hold of a package, as the package's source site says.
    Target(TargetRecord),
    /// What a distribution point holds of a package, as its own site says.
    Report(Box<ReportRecord>),
    /// A call that was made at a site that does not own the package.
    Request(RequestRecord),
    /// What became of such a call.
    Outcome(OutcomeRecord),
    /// What is gone.
    Tombstone(TombstoneRecord),
}

/// A site of the hierarchy; the site itself says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// Three upper-case letters or digits.
    pub site_code: String,
    /// Its name for people.
    pub name: String,
    /// `SMS_Site.Type`: 1 secondary, 2 primary, 4 central administration site.
    pub site_type: u32,
    /// The code of its parent; absent at the top.
    pub parent: Option<String>,
    /// The network name of its server.
    pub server_name: String,
    /// Its public signing key, Ed25519, hex; empty where it has none yet.
    pub signing_key: String,
    /// Who vouches for the key.
    pub endorsements: Vec<Endorsement>,
    /// Damage that it mended with others' bytes, or is about to, in its library with a neighbor's and at its distribution points with
    /// its own: the last [`REPAIRS_MAX`], oldest first.
    #[serde(default)]
    pub repairs: Vec<RepairRecord>,
    /// Rises with each change at the site; what has a lower one is older.
    pub stamp: i64,
}

/// Content of a version that a site found damaged in its library, or a distribution point of it in what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRecord {
    /// Rises at the site with each that is found or mended.
    pub number: i64,
    /// The package.
    pub package_id: String,
    /// The version.
    pub version: u32,
    /// The first [`REPAIR_FILES_MAX`] files that were damaged, relative to the package.
    pub files: Vec<String>,
    /// How many there are.
    pub files_damaged: u64,
    /// The site that has the bytes.
    pub from_site: String,
    /// The distribution point of the telling site that it is about; absent of the site's library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dp: Option<String>,
    /// At a distribution point: the files were not there, rather than there with other bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// When it was found, RFC 3339 in UTC.
    pub found_at: String,
    /// Since when it is whole again; absent while it is not.
    pub repaired_at: Option<String>,
}

/// Names a distribution point in the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DpName {
    /// The site that it belongs to.
    pub site_code: String,
    /// Its network name.
    pub name: String,
}

/// A distribution point, as its site says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DpRecord {
    /// Which.
    #[serde(flatten)]
    pub dp: DpName,
    /// Its GUID.
    pub identity_guid: String,
    /// Where it serves content; empty until it enrolled.
    pub content_url: String,
    /// Its program's version; empty until it enrolled.
    pub agent_version: String,
    /// As in [`SiteRecord`].
    pub stamp: i64,
}

/// A package, as the site that owns it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// For example `PS100001`.
    pub package_id: String,
    /// `PackageType`: 0 of any kind, 3 of drivers.
    pub package_type: u32,
    /// Who owns it.
    pub source_site: String,
    /// Rises when it goes to another owner.
    pub epoch: i64,
    /// Who owned it before, the last [`FORMER_OWNERS_MAX`], oldest first: they hand over what they demanded.
    pub former_owners: Vec<FormerOwner>,
    /// As in [`SiteRecord`], of the owner within the epoch.
    pub stamp: i64,
    /// Rises with each change by a client.
    pub edition: i64,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Whether it is being removed from its distribution points, and goes then.
    pub deleting: bool,
    /// `SourceVersion`.
    pub source_version: u32,
    /// What clients may write.
    pub fields: Vec<NamedField>,
    /// Interval strings of `RefreshSchedule`; empty for none.
    pub refresh_schedule: String,
    /// The published version; absent until the first is.
    pub version: Option<VersionRecord>,
}

/// Who owned a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerOwner {
    /// In which epoch.
    pub epoch: i64,
    /// The site.
    pub site_code: String,
}

/// A property of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedField {
    /// Its provider name, for example `Priority`.
    pub name: String,
    /// Its value.
    pub value: Field,
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// Null.
    Null,
    /// True or false.
    Flag(bool),
    /// A number from 0 to 4294967295.
    Number(u32),
    /// A text, or a time in RFC 3339.
    Text(String),
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
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
    /// When it was published, RFC 3339 in UTC.
    pub published_at: String,
    /// Who answers for it.
    pub signature: Option<VersionSignature>,
}

/// What a distribution point should hold of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// The package.
    pub package_id: String,
    /// The distribution point.
    pub dp: DpName,
    /// The package's epoch when it was demanded.
    pub epoch: i64,
    /// Rises with each demand within the epoch; reports carry it back.
    pub generation: i64,
    /// Hold nothing.
    pub absent: bool,
    /// The version to hold; 0 while the first is not published.
    pub version: u32,
    /// Hash everything again.
    pub verify: bool,
    /// An administrator ended the transfer; why, for people.
    pub cancelled: Option<String>,
    /// When it was demanded, RFC 3339 in UTC.
    pub demanded_at: String,
    /// The id of the call behind it, as [`crate::DesiredPackage`] carries it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

/// What a distribution point holds of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The package.
    pub package_id: String,
    /// The distribution point.
    pub dp: DpName,
    /// As in [`SiteRecord`], of the distribution point's site.
    pub stamp: i64,
    /// The epoch of the demand that this is about.
    pub epoch: i64,
    /// The generation of that demand.
    pub generation: i64,
    /// That demand: hold nothing.
    pub absent: bool,
    /// That demand: the version to hold.
    pub desired_version: u32,
    /// `SMS_PackageStatusDistPointsSummarizer.State`, 0 to 8.
    pub state: u32,
    /// The version that it serves; 0 for none.
    pub installed_version: u32,
    /// Attempts for the demand.
    pub attempts: u32,
    /// When it tries again, RFC 3339 in UTC.
    pub next_attempt_at: Option<String>,
    /// Content bytes of the version.
    pub bytes_total: u64,
    /// Content bytes in place.
    pub bytes_done: u64,
    /// Bytes received for the version.
    pub bytes_received: u64,
    /// Files of the version.
    #[serde(default)]
    pub files_total: u64,
    /// Files in place.
    #[serde(default)]
    pub files_done: u64,
    /// Content bytes put in place in a second, of late; 0 while nothing is transferred.
    #[serde(default)]
    pub done_bytes_per_s: u64,
    /// Bytes received in a second, of late.
    #[serde(default)]
    pub received_bytes_per_s: u64,
    /// Files whose hash was checked last.
    pub files_verified: u64,
    /// Why the last attempt failed; absent after a success.
    pub fault: Option<Fault>,
    /// When it failed.
    pub fault_at: Option<String>,
    /// What it waits for, where that is a closed window; absent while it waits for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// When a version was last installed.
    pub last_copied_at: Option<String>,
    /// When everything was last verified.
    pub last_verified_at: Option<String>,
    /// When it last said anything.
    pub reported_at: Option<String>,
    /// When the row last changed.
    pub changed_at: String,
}

/// Content waits for a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why, for people.
    pub reason: String,
    /// When it opens, RFC 3339 in UTC; absent where nothing is known to open.
    pub until: Option<String>,
}

/// A call that was made at a site that does not own the package; it travels to who does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// A UUID.
    pub id: String,
    /// The site where it was made.
    pub origin: String,
    /// The package.
    pub package_id: String,
    /// Who made it, by the name at that site.
    pub user: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The id of the call, by which its consequences are found at the owner too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What is asked for.
    pub call: Call,
}

/// What may be asked of the owner of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// Read the source anew.
    Refresh,
    /// Assign the package to distribution points; where it is assigned already, nothing changes.
    Assign {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// Bring the same version again and verify everything.
    Redistribute {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// Hash everything again.
    Validate {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// Take the package away.
    Remove {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// End transfers under way.
    Cancel {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// Try at once what failed or was cancelled; where nothing did, nothing changes.
    Retry {
        /// At most [`CALL_POINTS_MAX`].
        points: Vec<DpName>,
    },
    /// A call of a newer program. Who reads it refuses it, and the rest of the page stands.
    #[serde(other)]
    Unknown,
}

/// What became of a request; it travels back to where the call was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The request's.
    pub id: String,
    /// Where the call was made.
    pub origin: String,
    /// The package.
    pub package_id: String,
    /// When it was answered, RFC 3339 in UTC.
    pub at: String,
    /// Why it was refused; absent where it was done.
    pub refused: Option<ErrorReply>,
}

/// What is gone; remembered for a while, so that who was away hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneRecord {
    /// What.
    #[serde(flatten)]
    pub gone: Gone,
    /// Since when, RFC 3339 in UTC.
    pub at: String,
}

/// Names what is gone, and how new it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gone", rename_all = "snake_case")]
pub enum Gone {
    /// A site.
    Site {
        /// Its code.
        site_code: String,
    },
    /// A distribution point.
    Dp {
        /// Which.
        dp: DpName,
        /// Rows with a lower stamp are meant.
        stamp: i64,
    },
    /// A package: no distribution point holds it any more.
    Package {
        /// Its id; never used again.
        package_id: String,
        /// Who owned it last.
        source_site: String,
        /// Its last epoch.
        epoch: i64,
    },
    /// A package at a distribution point, which holds nothing of it any more.
    Distribution {
        /// The package.
        package_id: String,
        /// The distribution point.
        dp: DpName,
        /// The epoch of the demand that it followed.
        epoch: i64,
        /// The generation of that demand.
        generation: i64,
    },
}

/// `GET /agent/v1/site/wants?wait=SECONDS`: what the parent wants to read of the child's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantsReply {
    /// Open wants, the urgent first, at most [`WANTS_MAX`]. The child answers each by `POST /agent/v1/site/wants/ID`: with the
    /// bytes, or with `?refused=CODE` and no body; `&until=TIME` says from when on it is worth asking again.
    pub wants: Vec<Want>,
}

/// One want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Names it; never used again.
    pub id: u64,
    /// The package that it is for: its priority at the child counts on the child's route to this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_id: Option<String>,
    /// What is wanted.
    pub kind: WantKind,
}

/// What the parent wants to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "snake_case")]
pub enum WantKind {
    /// Where a version's bytes are: [`crate::Route`] as JSON.
    Route {
        /// The package.
        package_id: String,
        /// The version.
        version: u32,
    },
    /// The root of a manifest.
    Root {
        /// Its id, hex.
        manifest: String,
    },
    /// Bytes of a pack.
    Range {
        /// Its id, hex.
        pack: String,
        /// The first byte.
        from: u64,
        /// How many, at most [`WANT_BYTES_MAX`].
        bytes: u64,
    },
}
