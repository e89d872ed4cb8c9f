-- Drivers, their contents and categories.

CREATE VIEW "SMS_Driver" AS
SELECT
    applicability_condition AS "ApplicabilityCondition",
    category_unique_ids AS "CategoryInstance_UniqueIDs",
    ci_id AS "CI_ID",
    unique_id AS "CI_UniqueID",
    CAST(6 AS BIGINT) AS "CIType_ID",
    ci_version AS "CIVersion",
    CAST(0 AS BIGINT) AS "ConfigurationFlags",
    content_source_path AS "ContentSourcePath",
    created_by AS "CreatedBy",
    created_at AS "DateCreated",
    modified_at AS "DateLastModified",
    boot_critical AS "DriverBootCritical",
    class AS "DriverClass",
    driver_date AS "DriverDate",
    inf_file AS "DriverINFFile",
    provider AS "DriverProvider",
    signed AS "DriverSigned",
    signer AS "DriverSigner",
    CAST('INF' AS TEXT) AS "DriverType",
    driver_version AS "DriverVersion",
    created_at AS "EffectiveDate",
    CAST(2 AS BIGINT) AS "EULAAccepted",
    CAST(0 AS BIGINT) AS "EULAExists",
    CAST(NULL AS BIGINT) AS "EULASignoffDate",
    CAST(NULL AS TEXT) AS "EULASignoffUser",
    CAST(0 AS BIGINT) AS "ExecutionContext",
    CAST(0 AS BIGINT) AS "IsBundle",
    CAST(0 AS BIGINT) AS "IsDigest",
    is_enabled AS "IsEnabled",
    is_expired AS "IsExpired",
    is_hidden AS "IsHidden",
    CAST(1 AS BIGINT) AS "IsLatest",
    CAST(0 AS BIGINT) AS "IsQuarantined",
    CAST(0 AS BIGINT) AS "IsSuperseded",
    is_user_defined AS "IsUserDefined",
    modified_by AS "LastModifiedBy",
    category_names AS "LocalizedCategoryInstanceNames",
    description AS "LocalizedDescription",
    display_name AS "LocalizedDisplayName",
    informative_url AS "LocalizedInformativeURL",
    locale_id AS "LocalizedPropertyLocaleID",
    ci_id AS "ModelID",
    unique_id AS "ModelName",
    permitted_uses AS "PermittedUses",
    platform_ids AS "PlatformCategoryInstance_UniqueIDs",
    CAST(0 AS BIGINT) AS "PlatformType",
    ci_version AS "SDMPackageVersion",
    scope_names AS "SecuredScopeNames",
    CAST(ci_id AS TEXT) || ';' || CAST(edition AS TEXT) AS "SedoObjectVersion",
    source_site AS "SourceSite"
FROM driver;

CREATE VIEW "SMS_CIToContent" AS
SELECT
    d.ci_id AS "CI_ID",
    d.unique_id AS "CI_UniqueID",
    d.display_name AS "ContentDescription",
    CAST(1 AS BIGINT) AS "ContentDownloaded",
    c.content_hash AS "ContentHash",
    CAST(1 AS BIGINT) AS "ContentHashVersion",
    c.content_id AS "ContentID",
    CAST('Locale:0' AS TEXT) AS "ContentLocales",
    c.content_unique_id AS "ContentUniqueID",
    CAST(1 AS BIGINT) AS "ContentVersion",
    d.unique_id AS "ModelName",
    CAST(25 AS BIGINT) AS "ObjectTypeID",
    CAST('Install' AS TEXT) AS "SDMMethodType",
    d.unique_id AS "SecuredModelName"
FROM driver d
JOIN driver_content c ON c.content_id = d.content_id;

CREATE VIEW "SMS_DriverModel" AS
SELECT DISTINCT
    d.ci_id AS "CI_ID",
    d.unique_id AS "CI_UniqueID",
    m.manufacturer AS "ModelManufacture",
    v.description AS "ModelName"
FROM driver d
JOIN driver_device v ON v.ci_id = d.ci_id
JOIN driver_models m ON m.ci_id = v.ci_id AND m.models_index = v.models_index;

CREATE VIEW "SMS_SupportedPlatforms" AS
SELECT
    p.platform_id AS "CI_UniqueID",
    condition_xml AS "Condition",
    display_text AS "DisplayText",
    COALESCE(c.is_supported, p.is_supported) AS "IsSupported",
    os_max_version AS "OSMaxVersion",
    os_min_version AS "OSMinVersion",
    os_name AS "OSName",
    os_platform AS "OSPlatform",
    resource_dll AS "ResourceDll",
    string_id AS "StringId"
FROM supported_platform p
LEFT JOIN platform_choice c ON c.platform_id = p.platform_id;

CREATE VIEW "SMS_CategoryInstance" AS
SELECT
    unique_id AS "CategoryInstance_UniqueID",
    category_id AS "CategoryInstanceID",
    type_name AS "CategoryTypeName",
    name AS "LocalizedCategoryInstanceName",
    locale_id AS "LocalizedPropertyLocaleID",
    CAST(0 AS BIGINT) AS "ParentCategoryInstanceID",
    source_site AS "SourceSite"
FROM category;

CREATE VIEW "SMS_DriverContainer" AS
SELECT
    d.ci_id AS "CI_ID",
    p.name AS "Name",
    p.package_id AS "PackageID",
    p.package_type AS "PackageType"
FROM driver d
JOIN package_content c ON c.content_id = d.content_id
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;

CREATE VIEW "SMS_CIContentPackage" AS
SELECT
    d.ci_id AS "CI_ID",
    CAST(25 AS BIGINT) AS "CI_SecuredTypeID",
    d.unique_id AS "CI_UniqueID",
    d.unique_id AS "ModelName",
    c.package_id AS "PackageID"
FROM driver d
JOIN package_content c ON c.content_id = d.content_id
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;
