//! The site: packages, distribution, status and access, and the database that holds them.
//!
//! The only crate that writes SQL. It knows no HTTP, no protocol and no distribution point's inside: front
//! ends call it, agents report to it through `agent`'s types, and content goes through `content`.
//!
//! A refresh, as it runs through this crate: [`Site::refresh_package`] counts the request durably; a worker
//! claims it (`snapshot::claim`), reads the source into the content library (`snapshot::worker`) and publishes
//! the version in one transaction (`snapshot::publish`), which raises what every targeted distribution point
//! should hold; [`Site::desired`] tells them; [`Site::record_facts`] stores what they report.

// The tests' stage speaks of this crate by its name, inside the crate and outside.
#[cfg(test)]
extern crate self as site;

#[cfg(test)]
#[macro_use]
#[path = "../tests/site/stage.rs"]
#[allow(dead_code, reason = "the tests outside use the rest")]
mod stage;

#[cfg(test)]
#[path = "../tests/site/inf.rs"]
#[allow(dead_code, reason = "the tests outside use the rest")]
mod inf;

mod access;
mod change;
mod db;
mod deadline;
mod distribution;
mod driver;
mod error;
mod events;
mod folder;
mod group;
mod hierarchy;
mod housekeeping;
mod library;
mod lock;
mod matching;
mod metrics;
mod package;
mod package_content;
mod prestage;
mod query;
mod restored;
mod route;
mod server;
mod snapshot;
mod sources;
mod status;
mod suspects;
mod trust;
mod upkeep;
mod verification;

pub use self::driver::import::{
    Duplicates, FetchError, ImportProgress, ImportRequest, ImportSource, ImportState, PackFetcher, PackFile,
    PackHashes,
};
pub use self::driver::{
    Category, CategoryChange, Driver, DriverChange, DriverDraft, DriverFields, LocalizedName,
    LocalizedProperties, NewCategory, NewDriver, PayloadEntry, PlatformKey,
};
pub use access::call;
pub use access::scope::{SecuredType, SecurityScope};
pub use access::token::{ApiToken, NewApiToken, NewToken, TOKEN_PREFIX};
pub use access::user::{NewUser, User, UserChange};
pub use access::{Actor, Origin, Role, Scopes, SignIn};
pub use distribution::DpId;
pub use distribution::enrol::{AgentCredential, CsrSigner};
pub use distribution::nal::{NalPath, NalPathError};
pub use distribution::partner::PartnerData;
pub use distribution::point::{DistributionPoint, SILENT_AFTER};
pub use distribution::pull::{CHAIN_MAX, PullSettings, RANK_MAX, SOURCES_MAX};
pub use distribution::settings::PointChange;
pub use distribution::state::{Event, Next, State, TransitionError, transition};
pub use distribution::status::{DistributionFault, DistributionPause, DistributionStatus};
pub use distribution::validation::{DEFAULT_SCHEDULE, ValidationSettings};
pub use error::{Result, SiteError};
pub use events::{EVENT_READERS_MAX, EVENT_READERS_OF_USER_MAX, EventCursor, EventCursorError, EventReader};
pub use folder::{Folder, FolderChange, FolderItem, FolderType, NewFolder};
pub use group::{DpGroup, DpGroupChange, NewDpGroup};
pub use hierarchy::{
    LinkState, Need, Neighbor, NextHop, OnItsWay, SiteType, WANT_TIMEOUT, WantAnswer, WantRefusal,
};
pub use lock::{LockAnswer, LockInformation, LockObject, LockRequestState, LockState};
pub use matching::{
    Architecture, ChosenPackage, ContentPlace, DeviceIds, DeviceMatch, DownloadEntry, DriverDownload,
    MachineModel, MatchReport, MatchRequest, MatchedDriver, ModelRequest, OfferedPackage, Os, OsError,
    PackageChoice, PackageVerdict, TargetOs,
};
pub use package::data::PackageData;
pub use package::duplicates::Duplicate;
pub use package::fields::{FieldValue, NewPackage, PackageChange, PackageFields};
pub use package::schedule::{REFRESH_TOKENS_MAX, RefreshSchedule};
pub use package::{ActionInProgress, Package, PackageType, PackageVersion, SourceFault};
pub use package_content::{
    FOLDER_IN_USE, FOLDER_NOT_ACCESSIBLE, FOLDER_NOT_EMPTY, FOLDER_NOT_UNC, RebuiltContent, RestoredFrom,
};
pub use query::{Output, PRESENCE, RowStream, Rows, SpoolClosed, SpoolReader, SpoolWriter, Value, views};
pub use route::{
    Availability, DAYS, Destination, Grid, HOURS, PRIORITY_LOWEST, Passage, RATE_BITS_PER_S_MAX,
    RATE_BITS_PER_S_MIN, RateLimit, Route, RouteInfo, RouteSettings, RouteTarget,
};
pub use server::{Site, SiteIdentity, SiteOptions};
pub use status::{
    MESSAGES_DELETED_MAX, MessageType, RaisedMessage, Severity, StatusFilter, StatusMessage, status_inserts,
    status_text,
};
pub use verification::VerificationState;
