//! The columns of the classes about what Haulier knows beyond the published classes; their SQL is in `views/haulier.sql`.

use super::{Column, View, boolean, integer, text, text_list, time};

pub(super) const VIEWS: &[View] = &[
    View { name: "Haulier_PackageState", columns: HAULIER_PACKAGE_STATE, key: &["PackageID"] },
    View {
        name: "Haulier_PackageVersion",
        columns: HAULIER_PACKAGE_VERSION,
        key: &["PackageID", "SourceVersion"],
    },
    View {
        name: "Haulier_DistributionState",
        columns: HAULIER_DISTRIBUTION_STATE,
        key: &["NALPath", "PackageID"],
    },
    View { name: "Haulier_Route", columns: HAULIER_ROUTE, key: &["Destination", "DestinationType"] },
    View { name: "Haulier_DistributionPoint", columns: HAULIER_DISTRIBUTION_POINT, key: &["NALPath"] },
    View { name: "Haulier_Site", columns: HAULIER_SITE, key: &["SiteCode"] },
    View { name: "Haulier_ContentLibrary", columns: HAULIER_CONTENT_LIBRARY, key: &["SiteCode"] },
    View { name: "Haulier_StatusMessage", columns: HAULIER_STATUS_MESSAGE, key: &["RecordID"] },
    View { name: "Haulier_DriverDetail", columns: HAULIER_DRIVER_DETAIL, key: &["CI_ID"] },
    View { name: "Haulier_DriverImport", columns: HAULIER_DRIVER_IMPORT, key: &["ImportID"] },
    View {
        name: "Haulier_DriverImportItem",
        columns: HAULIER_DRIVER_IMPORT_ITEM,
        key: &["ImportID", "Item"],
    },
];

const HAULIER_PACKAGE_STATE: &[Column] = &[
    integer("Attempts"),
    text("FaultCode"),
    text("FaultText"),
    time("FaultTime"),
    boolean("IsAwaited"),
    boolean("IsReadingSource"),
    time("LastScheduledRefresh"),
    text("Name"),
    time("NextAttempt"),
    time("NextScheduledRefresh"),
    integer("OfferedVersion"),
    text("PackageID"),
    boolean("RefreshPending"),
    integer("SourceVersion"),
    integer("StoredPkgVersion"),
];

const HAULIER_PACKAGE_VERSION: &[Column] = &[
    integer("Bytes"),
    text("ContentHash"),
    integer("Files"),
    integer("Folders"),
    boolean("IsKept"),
    text("Manifest"),
    text("PackageID"),
    time("Published"),
    integer("SourceVersion"),
    integer("StoredNewBytes"),
];

const HAULIER_DISTRIBUTION_STATE: &[Column] = &[
    integer("Attempts"),
    integer("BytesDone"),
    integer("BytesPerSecond"),
    integer("BytesReceived"),
    integer("BytesReceivedPerSecond"),
    integer("BytesTotal"),
    text("Call"),
    text("ContentUrl"),
    time("Demanded"),
    text("FaultCode"),
    text("FaultFile"),
    text("FaultText"),
    time("FaultTime"),
    integer("FilesDone"),
    integer("FilesTotal"),
    integer("FilesVerified"),
    integer("InstalledVersion"),
    boolean("IsInMaintenance"),
    time("LastCopied"),
    time("LastHeard"),
    time("LastReport"),
    time("LastVerified"),
    text("NALPath"),
    time("NextAttempt"),
    text("PackageID"),
    text("PackageName"),
    text("PausedReason"),
    time("PausedUntil"),
    time("Requested"),
    integer("Revision"),
    integer("SecondsLeft"),
    text("ServerName"),
    text("SiteCode"),
    integer("SourceVersion"),
    integer("State"),
    text("StateName"),
];

const HAULIER_ROUTE: &[Column] =
    &[text("Destination"), integer("DestinationType"), text("Hours"), text("Rate"), text("TimeZone")];

const HAULIER_DISTRIBUTION_POINT: &[Column] = &[
    text("AgentVersion"),
    text("ContentUrl"),
    time("Enrolled"),
    boolean("IsEnrolled"),
    boolean("IsInMaintenance"),
    boolean("IsPullDP"),
    time("LastHeard"),
    time("LastValidation"),
    time("MaintenanceSince"),
    text("NALPath"),
    time("NextValidation"),
    integer("Packages"),
    integer("PackagesCurrent"),
    boolean("PullFallback"),
    text("PullSources"),
    text("ServerName"),
    text("SiteCode"),
    boolean("ValidationEnabled"),
    text("ValidationSchedule"),
    time("ValidationSince"),
];

const HAULIER_SITE: &[Column] = &[
    time("Joined"),
    time("LastHeard"),
    text("ParentSiteCode"),
    text("ServerName"),
    text("SigningKey"),
    text("SiteCode"),
    text("SiteName"),
    integer("Type"),
];

const HAULIER_CONTENT_LIBRARY: &[Column] = &[integer("KeptVersions"), text("SiteCode")];

/// The insertion strings come as they are stored; `status_inserts` reads them.
const HAULIER_STATUS_MESSAGE: &[Column] = &[
    text("Call"),
    text("Component"),
    text("InsertStrings"),
    integer("MessageID"),
    text("PackageID"),
    integer("RecordID"),
    text("ServerName"),
    integer("Severity"),
    text("SeverityName"),
    time("Time"),
    text("UserName"),
];

const HAULIER_DRIVER_DETAIL: &[Column] = &[
    boolean("BootStart"),
    integer("CI_ID"),
    text("CI_UniqueID"),
    text("ClassGuid"),
    integer("ContentBytes"),
    integer("ContentFiles"),
    text("ContentHash"),
    integer("ContentID"),
    integer("Devices"),
    text_list("Diagnostics"),
    text("DriverINFFile"),
    text("ExtensionID"),
    boolean("IsComplete"),
    boolean("IsWHQL"),
    text("Kind"),
    text_list("MissingFiles"),
    text("Name"),
    integer("PayloadFiles"),
    integer("PayloadMissing"),
    text("SignerProgram"),
    text("SignatureState"),
];

const HAULIER_DRIVER_IMPORT: &[Column] = &[
    integer("AlreadyImported"),
    integer("BytesRead"),
    boolean("CancelRequested"),
    text_list("Categories"),
    text("Duplicates"),
    boolean("Enable"),
    integer("Failed"),
    text("FaultCode"),
    text("FaultText"),
    integer("Files"),
    time("Finished"),
    integer("Imported"),
    integer("ImportID"),
    integer("INFsDone"),
    integer("INFsFound"),
    time("Requested"),
    text("RequestedBy"),
    text_list("Sources"),
    integer("SourcesDone"),
    time("Started"),
    integer("State"),
    text("StateName"),
];

const HAULIER_DRIVER_IMPORT_ITEM: &[Column] = &[
    integer("CI_ID"),
    text_list("Diagnostics"),
    integer("ErrorCode"),
    integer("ImportID"),
    integer("Item"),
    text("Outcome"),
    text("Path"),
    text("Reason"),
    integer("SourceIndex"),
];
