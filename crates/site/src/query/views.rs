//! The classes that can be queried: the columns of each view, their kinds, and the key.
//!
//! A test compares this table with the views themselves on both back ends.

use super::driver_views::{
    CATEGORY_INSTANCE, CI_CONTENT_PACKAGE, CI_TO_CONTENT, DRIVER, DRIVER_CONTAINER, DRIVER_MODEL,
    HAULIER_DRIVER_DETAIL, HAULIER_DRIVER_IMPORT, HAULIER_DRIVER_IMPORT_ITEM, PACKAGE_TO_CONTENT,
    SUPPORTED_PLATFORMS,
};
use super::haulier_views::{
    HAULIER_CONTENT_LIBRARY, HAULIER_DISTRIBUTION_POINT, HAULIER_DISTRIBUTION_STATE, HAULIER_PACKAGE_STATE,
    HAULIER_PACKAGE_VERSION, HAULIER_STATUS_MESSAGE, HAULIER_TOKEN, HAULIER_USER,
};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A time.
    DateTime,
    /// Texts, each once; stored with a newline between them.
    TextList,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The property's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A class that can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The class's name.
    pub name: &'static str,
    /// The columns, in alphabetical order.
    pub columns: &'static [Column],
    /// The names of the key columns, in alphabetical order.
    pub key: &'static [&'static str],
}

/// Array properties that can be queried, and the elements that they have in every instance of their class.
pub(super) const CONSTANT_LISTS: &[(&str, &str, &[&str])] = &[
    ("SMS_Driver", "SecuredScopeNames", &["Default"]),
    ("SMS_DriverPackage", "LocalizedCategoryInstanceNames", &[]),
    ("SMS_DriverPackage", "SecuredScopeNames", &["Default"]),
];

impl View {
    /// The column of that name, whatever its case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The view of that name, whatever its case.
#[must_use]
pub fn find(name: &str) -> Option<&'static View> {
    ALL.iter().find(|view| view.name.eq_ignore_ascii_case(name))
}

/// Every class that can be queried.
pub const ALL: &[View] = &[
    View { name: "SMS_DriverPackage", columns: DRIVER_PACKAGE, key: &["PackageID"] },
    View {
        name: "SMS_DistributionPoint",
        columns: DISTRIBUTION_POINT,
        key: &["PackageID", "ServerNALPath", "SiteCode"],
    },
    View {
        name: "SMS_DistributionPointInfo",
        columns: DISTRIBUTION_POINT_INFO,
        key: &["NALPath", "ResourceType", "SiteCode"],
    },
    View {
        name: "SMS_SystemResourceList",
        columns: SYSTEM_RESOURCE_LIST,
        key: &["NALPath", "ResourceType", "RoleName", "SiteCode"],
    },
    View {
        name: "SMS_PackageStatusDistPointsSummarizer",
        columns: PACKAGE_STATUS_DIST_POINTS_SUMMARIZER,
        key: &["PackageID", "ServerNALPath", "SiteCode"],
    },
    View { name: "SMS_ProviderLocation", columns: PROVIDER_LOCATION, key: &["SiteCode"] },
    View { name: "SMS_Identification", columns: IDENTIFICATION, key: &["ThisSiteCode"] },
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
    View { name: "Haulier_DistributionPoint", columns: HAULIER_DISTRIBUTION_POINT, key: &["NALPath"] },
    View { name: "Haulier_User", columns: HAULIER_USER, key: &["Name"] },
    View { name: "Haulier_ContentLibrary", columns: HAULIER_CONTENT_LIBRARY, key: &["SiteCode"] },
    View { name: "Haulier_StatusMessage", columns: HAULIER_STATUS_MESSAGE, key: &["RecordID"] },
    View { name: "Haulier_Token", columns: HAULIER_TOKEN, key: &["TokenID"] },
    View { name: "SMS_Driver", columns: DRIVER, key: &["CI_ID"] },
    View { name: "SMS_CIToContent", columns: CI_TO_CONTENT, key: &["CI_ID", "ContentID", "SDMMethodType"] },
    View { name: "SMS_DriverModel", columns: DRIVER_MODEL, key: &["CI_ID", "ModelManufacture", "ModelName"] },
    View {
        name: "SMS_SupportedPlatforms",
        columns: SUPPORTED_PLATFORMS,
        key: &["OSMaxVersion", "OSMinVersion", "OSName", "OSPlatform"],
    },
    View { name: "SMS_CategoryInstance", columns: CATEGORY_INSTANCE, key: &["CategoryInstanceID"] },
    View { name: "Haulier_DriverDetail", columns: HAULIER_DRIVER_DETAIL, key: &["CI_ID"] },
    View { name: "Haulier_DriverImport", columns: HAULIER_DRIVER_IMPORT, key: &["ImportID"] },
    View {
        name: "Haulier_DriverImportItem",
        columns: HAULIER_DRIVER_IMPORT_ITEM,
        key: &["ImportID", "Item"],
    },
    View { name: "SMS_PackageToContent", columns: PACKAGE_TO_CONTENT, key: &["ContentID", "PackageID"] },
    View { name: "SMS_DriverContainer", columns: DRIVER_CONTAINER, key: &["CI_ID", "PackageID"] },
    View { name: "SMS_CIContentPackage", columns: CI_CONTENT_PACKAGE, key: &["CI_ID", "PackageID"] },
];

pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

pub(super) const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer }
}

pub(super) const fn boolean(name: &'static str) -> Column {
    Column { name, kind: Kind::Boolean }
}

pub(super) const fn text_list(name: &'static str) -> Column {
    Column { name, kind: Kind::TextList }
}

pub(super) const fn time(name: &'static str) -> Column {
    Column { name, kind: Kind::DateTime }
}

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

const DISTRIBUTION_POINT: &[Column] = &[
    boolean("BitsEnabled"),
    boolean("IsPeerDP"),
    boolean("IsProtected"),
    integer("ISVDataSize"),
    text("ISVString"),
    time("LastRefreshTime"),
    integer("ObjectTypeID"),
    text("PackageID"),
    integer("PackageType"),
    boolean("RefreshNow"),
    text("ResourceType"),
    text("SecureObjectID"),
    text("ServerNALPath"),
    text("SiteCode"),
    text("SiteName"),
    text("SourceSite"),
    integer("Status"),
];

const DISTRIBUTION_POINT_INFO: &[Column] = &[
    boolean("AddressScheduleEnabled"),
    text("BindExcept"),
    boolean("BindPolicy"),
    boolean("BitsEnabled"),
    boolean("CertificateType"),
    integer("Communication"),
    text("Description"),
    integer("DPFlags"),
    text("Drive"),
    integer("GroupCount"),
    boolean("HasRelationship"),
    boolean("HealthCheckEnabled"),
    integer("HealthCheckPriority"),
    text("HealthCheckSchedule"),
    integer("ID"),
    text("IdentityGUID"),
    boolean("InternetFacing"),
    boolean("IsActive"),
    boolean("IsMulticast"),
    boolean("IsPeerDP"),
    boolean("IsProtected"),
    boolean("IsPullDP"),
    boolean("IsPXE"),
    text("NALPath"),
    text("Name"),
    text("OperatingSystem"),
    boolean("PreStagingAllowed"),
    integer("Priority"),
    text("PXEPassword"),
    boolean("RateLimitsEnabled"),
    text("Region"),
    text("ResourceType"),
    integer("ResponseDelay"),
    text("ServerName"),
    integer("ServiceType"),
    text("ShareName"),
    text("SiteCode"),
    text("SiteName"),
    boolean("SupportUnknownMachines"),
    integer("TransferRate"),
    integer("UdaSetting"),
];

const SYSTEM_RESOURCE_LIST: &[Column] = &[
    boolean("InternetEnabled"),
    boolean("InternetShared"),
    text("NALPath"),
    text("ResourceType"),
    text("RoleName"),
    text("ServerName"),
    text("ServerRemoteName"),
    text("SiteCode"),
    integer("SslState"),
];

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

const PROVIDER_LOCATION: &[Column] =
    &[text("Machine"), text("NamespacePath"), boolean("ProviderForLocalSite"), text("SiteCode")];

const IDENTIFICATION: &[Column] = &[
    integer("License"),
    integer("LocaleID"),
    integer("MonthlyReleaseVersion"),
    integer("Reserved"),
    text("ServiceAccountName"),
    text("SMSAvailableConsoleVersion"),
    integer("SMSBuildNumber"),
    integer("SMSMinBuildNumber"),
    text("SMSProviderServer"),
    text("SMSSiteServer"),
    text("SMSVersion"),
    text("ThisSiteCode"),
    text("ThisSiteName"),
];
