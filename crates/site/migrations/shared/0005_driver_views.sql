-- The driver catalog's classes, as in 0002_views.sql. Lists are texts with a newline between elements.

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
    platform_id AS "CI_UniqueID",
    condition_xml AS "Condition",
    display_text AS "DisplayText",
    is_supported AS "IsSupported",
    os_max_version AS "OSMaxVersion",
    os_min_version AS "OSMinVersion",
    os_name AS "OSName",
    os_platform AS "OSPlatform",
    resource_dll AS "ResourceDll",
    string_id AS "StringId"
FROM supported_platform;

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

CREATE VIEW "Haulier_DriverDetail" AS
SELECT
    d.boot_start AS "BootStart",
    d.ci_id AS "CI_ID",
    d.unique_id AS "CI_UniqueID",
    d.class_guid AS "ClassGuid",
    c.bytes AS "ContentBytes",
    c.files AS "ContentFiles",
    c.content_hash AS "ContentHash",
    d.content_id AS "ContentID",
    d.devices AS "Devices",
    t.diagnostics AS "Diagnostics",
    d.inf_file AS "DriverINFFile",
    d.extension_id AS "ExtensionID",
    CAST(CASE WHEN d.payload_missing = 0 THEN 1 ELSE 0 END AS BIGINT) AS "IsComplete",
    d.whql AS "IsWHQL",
    CAST(CASE d.kind
        WHEN 1 THEN 'extension'
        WHEN 2 THEN 'software component'
        WHEN 3 THEN 'primitive'
        ELSE 'base'
    END AS TEXT) AS "Kind",
    t.missing_files AS "MissingFiles",
    d.display_name AS "Name",
    d.payload_files AS "PayloadFiles",
    d.payload_missing AS "PayloadMissing",
    d.signer_program AS "SignerProgram",
    CAST(CASE d.signature_state
        WHEN 0 THEN 'trusted'
        WHEN 1 THEN 'signer not trusted'
        WHEN 2 THEN 'INF not covered'
        WHEN 3 THEN 'payload not covered'
        WHEN 4 THEN 'broken'
        WHEN 5 THEN 'no signer'
        WHEN 6 THEN 'catalog missing'
        WHEN 7 THEN 'catalog unreadable'
        ELSE 'no catalog'
    END AS TEXT) AS "SignatureState"
FROM driver d
JOIN driver_content c ON c.content_id = d.content_id
JOIN driver_document t ON t.ci_id = d.ci_id;

CREATE VIEW "Haulier_DriverImport" AS
SELECT
    already_imported AS "AlreadyImported",
    bytes_read AS "BytesRead",
    cancel_requested AS "CancelRequested",
    categories AS "Categories",
    CAST(CASE duplicates
        WHEN 1 THEN 'keep'
        WHEN 2 THEN 'overwrite'
        WHEN 3 THEN 'skip'
        ELSE 'append'
    END AS TEXT) AS "Duplicates",
    enable AS "Enable",
    failed AS "Failed",
    fault_code AS "FaultCode",
    fault_text AS "FaultText",
    files AS "Files",
    finished_at AS "Finished",
    imported AS "Imported",
    import_id AS "ImportID",
    infs_done AS "INFsDone",
    infs_found AS "INFsFound",
    requested_at AS "Requested",
    requested_by AS "RequestedBy",
    source_names AS "Sources",
    sources_done AS "SourcesDone",
    started_at AS "Started",
    state AS "State",
    CAST(CASE state
        WHEN 0 THEN 'queued'
        WHEN 1 THEN 'running'
        WHEN 2 THEN 'done'
        WHEN 3 THEN 'failed'
        ELSE 'cancelled'
    END AS TEXT) AS "StateName"
FROM driver_import;

CREATE VIEW "Haulier_DriverImportItem" AS
SELECT
    ci_id AS "CI_ID",
    diagnostics AS "Diagnostics",
    error_code AS "ErrorCode",
    import_id AS "ImportID",
    item AS "Item",
    CAST(CASE outcome
        WHEN 0 THEN 'imported'
        WHEN 1 THEN 'already imported'
        WHEN 2 THEN 'invalid'
        WHEN 3 THEN 'no supported platform'
        WHEN 4 THEN 'unreadable'
        WHEN 5 THEN 'skipped'
        ELSE 'source failed'
    END AS TEXT) AS "Outcome",
    path AS "Path",
    reason AS "Reason",
    source_index AS "SourceIndex"
FROM driver_import_item;

-- What packages hold of the catalog. A content that is being added is not there yet.

CREATE VIEW "SMS_PackageToContent" AS
SELECT
    c.content_id AS "ContentID",
    c.sub_folder AS "ContentSubFolder",
    c.content_unique_id AS "ContentUniqueID",
    c.content_version AS "ContentVersionInPkg",
    c.min_package_version AS "MinPackageVersion",
    c.package_id AS "PackageID",
    p.package_type AS "PackageType",
    CAST(23 AS BIGINT) AS "SecuredTypeID",
    c.package_id AS "SecureObjectID"
FROM package_content c
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;

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
