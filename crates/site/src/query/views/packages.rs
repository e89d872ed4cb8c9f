//! The columns of the classes about packages and their content; their SQL is in `views/packages.sql`.

use super::{Column, View, boolean, integer, text, text_list, time};

pub(super) const VIEWS: &[View] = &[
    View { name: "SMS_DriverPackage", columns: DRIVER_PACKAGE, key: &["PackageID"] },
    View { name: "SMS_PackageToContent", columns: PACKAGE_TO_CONTENT, key: &["ContentID", "PackageID"] },
];

const DRIVER_PACKAGE: &[Column] = &[
    integer("ActionInProgress"),
    text("AlternateContentProviders"),
    text("Description"),
    integer("ExtendedDataSize"),
    integer("ForcedDisconnectDelay"),
    boolean("ForcedDisconnectEnabled"),
    integer("ForcedDisconnectNumRetries"),
    integer("IconSize"),
    boolean("IgnoreAddressSchedule"),
    integer("ISVDataSize"),
    text("ISVString"),
    text("Language"),
    time("LastRefreshTime"),
    text("Manufacturer"),
    text("MIFFilename"),
    text("MIFName"),
    text("MIFPublisher"),
    text("MIFVersion"),
    text("Name"),
    integer("NumOfPrograms"),
    text("PackageID"),
    integer("PackageSize"),
    integer("PackageType"),
    integer("PkgFlags"),
    integer("PkgSourceFlag"),
    text("PkgSourcePath"),
    text("PreferredAddressType"),
    integer("Priority"),
    boolean("RefreshPkgSourceFlag"),
    text_list("SecuredScopeNames"),
    text("SedoObjectVersion"),
    text("ShareName"),
    integer("ShareType"),
    time("SourceDate"),
    text("SourceSite"),
    integer("SourceVersion"),
    text("StoredPkgPath"),
    integer("StoredPkgVersion"),
    text("Version"),
];

const PACKAGE_TO_CONTENT: &[Column] = &[
    integer("ContentID"),
    text("ContentSubFolder"),
    text("ContentUniqueID"),
    integer("ContentVersionInPkg"),
    integer("MinPackageVersion"),
    text("PackageID"),
    integer("PackageType"),
    integer("SecuredTypeID"),
    text("SecureObjectID"),
];
