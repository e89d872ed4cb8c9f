//! The columns of the classes about how far packages are, and status messages; their SQL is in `views/status.sql`.

use super::{Column, View, integer, text, time};

pub(super) const VIEWS: &[View] = &[View {
    name: "SMS_PackageStatusDistPointsSummarizer",
    columns: PACKAGE_STATUS_DIST_POINTS_SUMMARIZER,
    key: &["PackageID", "ServerNALPath", "SiteCode"],
}];

const PACKAGE_STATUS_DIST_POINTS_SUMMARIZER: &[Column] = &[
    time("LastCopied"),
    text("PackageID"),
    integer("PackageType"),
    integer("SecuredTypeID"),
    text("SecureObjectID"),
    text("ServerNALPath"),
    text("SiteCode"),
    text("SourceNALPath"),
    integer("SourceVersion"),
    integer("State"),
    time("SummaryDate"),
];
