//! The columns of the classes about drivers, their contents and categories; their SQL is in `views/drivers.sql`.

use super::{Column, View, boolean, integer, text, text_list, time};

pub(super) const VIEWS: &[View] = &[
    View { name: "SMS_Driver", columns: DRIVER, key: &["CI_ID"] },
    View { name: "SMS_CIToContent", columns: CI_TO_CONTENT, key: &["CI_ID", "ContentID", "SDMMethodType"] },
    View { name: "SMS_DriverModel", columns: DRIVER_MODEL, key: &["CI_ID", "ModelManufacture", "ModelName"] },
    View {
        name: "SMS_SupportedPlatforms",
        columns: SUPPORTED_PLATFORMS,
        key: &["OSMaxVersion", "OSMinVersion", "OSName", "OSPlatform"],
    },
    View { name: "SMS_CategoryInstance", columns: CATEGORY_INSTANCE, key: &["CategoryInstanceID"] },
    View { name: "SMS_DriverContainer", columns: DRIVER_CONTAINER, key: &["CI_ID", "PackageID"] },
    View { name: "SMS_CIContentPackage", columns: CI_CONTENT_PACKAGE, key: &["CI_ID", "PackageID"] },
];

const DRIVER: &[Column] = &[
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
    text_list("SecuredScopeNames"),
    text("SedoObjectVersion"),
    text("SourceSite"),
];

const CI_TO_CONTENT: &[Column] = &[
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

const DRIVER_MODEL: &[Column] =
    &[integer("CI_ID"), text("CI_UniqueID"), text("ModelManufacture"), text("ModelName")];

const SUPPORTED_PLATFORMS: &[Column] = &[
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

const CATEGORY_INSTANCE: &[Column] = &[
    text("CategoryInstance_UniqueID"),
    integer("CategoryInstanceID"),
    text("CategoryTypeName"),
    text("LocalizedCategoryInstanceName"),
    integer("LocalizedPropertyLocaleID"),
    integer("ParentCategoryInstanceID"),
    text("SourceSite"),
];

const DRIVER_CONTAINER: &[Column] =
    &[integer("CI_ID"), text("Name"), text("PackageID"), integer("PackageType")];

const CI_CONTENT_PACKAGE: &[Column] = &[
    integer("CI_ID"),
    integer("CI_SecuredTypeID"),
    text("CI_UniqueID"),
    text("ModelName"),
    text("PackageID"),
];
