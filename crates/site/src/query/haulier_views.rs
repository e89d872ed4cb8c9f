//! The columns of the classes that are Haulier's own; see `migrations/shared/0003_haulier_views.sql`.

use super::views::{Column, boolean, integer, text, time};

pub(super) const HAULIER_PACKAGE_STATE: &[Column] = &[
    integer("Attempts"),
    text("FaultCode"),
    text("FaultText"),
    time("FaultTime"),
    boolean("IsReadingSource"),
    text("Name"),
    time("NextAttempt"),
    text("PackageID"),
    boolean("RefreshPending"),
    integer("SourceVersion"),
    integer("StoredPkgVersion"),
];

pub(super) const HAULIER_PACKAGE_VERSION: &[Column] = &[
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

pub(super) const HAULIER_DISTRIBUTION_STATE: &[Column] = &[
    integer("Attempts"),
    integer("BytesDone"),
    integer("BytesReceived"),
    integer("BytesTotal"),
    text("ContentUrl"),
    time("Demanded"),
    text("FaultCode"),
    text("FaultFile"),
    text("FaultText"),
    time("FaultTime"),
    integer("FilesVerified"),
    integer("InstalledVersion"),
    time("LastCopied"),
    time("LastHeard"),
    time("LastReport"),
    time("LastVerified"),
    text("NALPath"),
    time("NextAttempt"),
    text("PackageID"),
    text("PackageName"),
    text("ServerName"),
    text("SiteCode"),
    integer("SourceVersion"),
    integer("State"),
    text("StateName"),
];

pub(super) const HAULIER_DISTRIBUTION_POINT: &[Column] = &[
    text("AgentVersion"),
    text("ContentUrl"),
    time("Enrolled"),
    time("LastHeard"),
    text("NALPath"),
    integer("Packages"),
    integer("PackagesCurrent"),
    text("ServerName"),
    text("SiteCode"),
];

pub(super) const HAULIER_USER: &[Column] = &[time("Created"), text("Name"), text("Role")];

pub(super) const HAULIER_CONTENT_LIBRARY: &[Column] = &[integer("KeptVersions"), text("SiteCode")];

/// The insertion strings come as they are stored; `status_inserts` reads them.
pub(super) const HAULIER_STATUS_MESSAGE: &[Column] = &[
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

pub(super) const HAULIER_TOKEN: &[Column] =
    &[time("Created"), time("Expires"), text("Label"), integer("TokenID"), text("UserName")];
