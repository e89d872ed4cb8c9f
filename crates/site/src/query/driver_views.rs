//! The columns of the driver catalog's classes; see `migrations/shared/0005_driver_views.sql`.

use super::views::{Column, boolean, integer, text, text_list, time};

pub(super) const DRIVER: &[Column] = &[
    text("ApplicabilityCondition"),
    text_list("CategoryInstance_UniqueIDs"),
    integer("CI_ID"),
    text("CI_UniqueID"),
    integer("CIType_ID"),
    integer("CIVersion"),
    integer("ConfigurationFlags"),
    text("ContentSourcePath"),
    text("CreatedBy"),
    time("DateCreated"),
    time("DateLastModified"),
    boolean("DriverBootCritical"),
    text("DriverClass"),
    time("DriverDate"),
    text("DriverINFFile"),
    text("DriverProvider"),
    boolean("DriverSigned"),
    text("DriverSigner"),
    text("DriverType"),
    text("DriverVersion"),
    time("EffectiveDate"),
    integer("EULAAccepted"),
    boolean("EULAExists"),
    time("EULASignoffDate"),
    text("EULASignoffUser"),
    integer("ExecutionContext"),
    boolean("IsBundle"),
    boolean("IsDigest"),
    boolean("IsEnabled"),
    boolean("IsExpired"),
    boolean("IsHidden"),
    boolean("IsLatest"),
    boolean("IsQuarantined"),
    boolean("IsSuperseded"),
    boolean("IsUserDefined"),
    text("LastModifiedBy"),
    text_list("LocalizedCategoryInstanceNames"),
    text("LocalizedDescription"),
    text("LocalizedDisplayName"),
    text("LocalizedInformativeURL"),
    integer("LocalizedPropertyLocaleID"),
    integer("ModelID"),
    text("ModelName"),
    integer("PermittedUses"),
    text_list("PlatformCategoryInstance_UniqueIDs"),
    integer("PlatformType"),
    integer("SDMPackageVersion"),
    text("SedoObjectVersion"),
    text("SourceSite"),
];

pub(super) const CI_TO_CONTENT: &[Column] = &[
    integer("CI_ID"),
    text("CI_UniqueID"),
    text("ContentDescription"),
    boolean("ContentDownloaded"),
    text("ContentHash"),
    integer("ContentHashVersion"),
    integer("ContentID"),
    text_list("ContentLocales"),
    text("ContentUniqueID"),
    integer("ContentVersion"),
    text("ModelName"),
    integer("ObjectTypeID"),
    text("SDMMethodType"),
    text("SecuredModelName"),
];

pub(super) const DRIVER_MODEL: &[Column] =
    &[integer("CI_ID"), text("CI_UniqueID"), text("ModelManufacture"), text("ModelName")];

pub(super) const SUPPORTED_PLATFORMS: &[Column] = &[
    text("CI_UniqueID"),
    text("Condition"),
    text("DisplayText"),
    boolean("IsSupported"),
    text("OSMaxVersion"),
    text("OSMinVersion"),
    text("OSName"),
    text("OSPlatform"),
    text("ResourceDll"),
    integer("StringId"),
];

pub(super) const CATEGORY_INSTANCE: &[Column] = &[
    text("CategoryInstance_UniqueID"),
    integer("CategoryInstanceID"),
    text("CategoryTypeName"),
    text("LocalizedCategoryInstanceName"),
    integer("LocalizedPropertyLocaleID"),
    integer("ParentCategoryInstanceID"),
    text("SourceSite"),
];

pub(super) const HAULIER_DRIVER_DETAIL: &[Column] = &[
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

pub(super) const HAULIER_DRIVER_IMPORT: &[Column] = &[
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

pub(super) const HAULIER_DRIVER_IMPORT_ITEM: &[Column] = &[
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

pub(super) const PACKAGE_TO_CONTENT: &[Column] = &[
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

pub(super) const DRIVER_CONTAINER: &[Column] =
    &[integer("CI_ID"), text("Name"), text("PackageID"), integer("PackageType")];

pub(super) const CI_CONTENT_PACKAGE: &[Column] = &[
    integer("CI_ID"),
    integer("CI_SecuredTypeID"),
    text("CI_UniqueID"),
    text("ModelName"),
    text("PackageID"),
];
