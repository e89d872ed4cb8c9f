-- Packages and their content.
--
-- One view for each provider class, named as the class, with its property names as columns. The same files serve both
-- back ends. Constants are the class's documented defaults for what this site does not have. Views hold no data: the
-- site makes them anew at its start when this text is not the one that made them.

-- Every package; `__CLASS` names the class of each row, whose own properties are here too.
CREATE VIEW "SMS_PackageBaseclass" AS
SELECT
    CAST(CASE p.package_type WHEN 3 THEN 'SMS_DriverPackage' ELSE 'SMS_Package' END AS TEXT) AS "__CLASS",
    action_in_progress AS "ActionInProgress",
    NULLIF(alternate_content_providers, '') AS "AlternateContentProviders",
    default_image_flags AS "DefaultImageFlags",
    description AS "Description",
    COALESCE(x.extended_data_bytes, 0) AS "ExtendedDataSize",
    forced_disconnect_delay AS "ForcedDisconnectDelay",
    forced_disconnect_enabled AS "ForcedDisconnectEnabled",
    forced_disconnect_num_retries AS "ForcedDisconnectNumRetries",
    COALESCE(x.icon_bytes, 0) AS "IconSize",
    ignore_address_schedule AS "IgnoreAddressSchedule",
    CAST(0 AS BIGINT) AS "IsPredefinedPackage",
    COALESCE(x.isv_data_bytes, 0) AS "ISVDataSize",
    NULLIF(isv_string, '') AS "ISVString",
    language AS "Language",
    last_refresh_at AS "LastRefreshTime",
    manufacturer AS "Manufacturer",
    mif_filename AS "MIFFilename",
    mif_name AS "MIFName",
    mif_publisher AS "MIFPublisher",
    mif_version AS "MIFVersion",
    name AS "Name",
    num_of_programs AS "NumOfPrograms",
    p.package_id AS "PackageID",
    (source_bytes + 1023) / 1024 AS "PackageSize",
    package_type AS "PackageType",
    pkg_flags AS "PkgFlags",
    pkg_source_flag AS "PkgSourceFlag",
    pkg_source_path AS "PkgSourcePath",
    preferred_address_type AS "PreferredAddressType",
    priority AS "Priority",
    CAST(0 AS BIGINT) AS "RefreshPkgSourceFlag",
    p.scope_names AS "SecuredScopeNames",
    p.package_id || ';' || CAST(edition AS TEXT) AS "SedoObjectVersion",
    share_name AS "ShareName",
    share_type AS "ShareType",
    source_date AS "SourceDate",
    source_site AS "SourceSite",
    source_version AS "SourceVersion",
    stored_pkg_path AS "StoredPkgPath",
    stored_version AS "StoredPkgVersion",
    transform_analysis_date AS "TransformAnalysisDate",
    transform_readiness AS "TransformReadiness",
    version AS "Version"
FROM package p
LEFT JOIN package_data x ON x.package_id = p.package_id
WHERE p.action_in_progress <> 3;

CREATE VIEW "SMS_DriverPackage" AS
SELECT
    "ActionInProgress", "AlternateContentProviders", "Description", "ExtendedDataSize", "ForcedDisconnectDelay",
    "ForcedDisconnectEnabled", "ForcedDisconnectNumRetries", "IconSize", "IgnoreAddressSchedule", "ISVDataSize",
    "ISVString", "Language", "LastRefreshTime", "Manufacturer", "MIFFilename", "MIFName", "MIFPublisher",
    "MIFVersion", "Name", "NumOfPrograms", "PackageID", "PackageSize", "PackageType", "PkgFlags", "PkgSourceFlag",
    "PkgSourcePath", "PreferredAddressType", "Priority", "RefreshPkgSourceFlag", "SecuredScopeNames", "SedoObjectVersion", "ShareName",
    "ShareType", "SourceDate", "SourceSite", "SourceVersion", "StoredPkgPath", "StoredPkgVersion", "Version"
FROM "SMS_PackageBaseclass"
WHERE "PackageType" = 3;

CREATE VIEW "SMS_Package" AS
SELECT
    "ActionInProgress", "AlternateContentProviders", "DefaultImageFlags", "Description", "ExtendedDataSize",
    "ForcedDisconnectDelay", "ForcedDisconnectEnabled", "ForcedDisconnectNumRetries", "IconSize",
    "IgnoreAddressSchedule", "IsPredefinedPackage", "ISVDataSize", "ISVString", "Language", "LastRefreshTime",
    "Manufacturer", "MIFFilename", "MIFName", "MIFPublisher", "MIFVersion", "Name", "NumOfPrograms", "PackageID",
    "PackageSize", "PackageType", "PkgFlags", "PkgSourceFlag", "PkgSourcePath", "PreferredAddressType", "Priority",
    "RefreshPkgSourceFlag", "SecuredScopeNames", "SedoObjectVersion", "ShareName", "ShareType", "SourceDate", "SourceSite",
    "SourceVersion", "StoredPkgPath", "StoredPkgVersion", "TransformAnalysisDate", "TransformReadiness", "Version"
FROM "SMS_PackageBaseclass"
WHERE "PackageType" = 0;

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

-- Console folders and what is in them. What is in the root of its type has no row.

CREATE VIEW "SMS_ObjectContainerNode" AS
SELECT
    f.folder_id AS "ContainerNodeID",
    f.folder_flags AS "FolderFlags",
    f.folder_guid AS "FolderGuid",
    CAST(CASE
        WHEN EXISTS (SELECT 1 FROM folder below WHERE below.parent_id = f.folder_id) THEN 0
        WHEN EXISTS (SELECT 1 FROM folder_item i WHERE i.folder_id = f.folder_id) THEN 0
        ELSE 1
    END AS BIGINT) AS "IsEmpty",
    f.name AS "Name",
    f.object_type AS "ObjectType",
    f.parent_id AS "ParentContainerNodeID",
    f.search_folder AS "SearchFolder",
    f.search_string AS "SearchString",
    f.source_site AS "SourceSite"
FROM folder f;

CREATE VIEW "SMS_ObjectContainerItem" AS
SELECT
    folder_id AS "ContainerNodeID",
    instance_key AS "InstanceKey",
    member_guid AS "MemberGuid",
    member_id AS "MemberID",
    object_type AS "ObjectType",
    CAST(CASE object_type
        WHEN 2 THEN 'SMS_Package'
        WHEN 23 THEN 'SMS_DriverPackage'
        ELSE 'SMS_Driver'
    END AS TEXT) AS "ObjectTypeName",
    source_site AS "SourceSite"
FROM folder_item;
