-- Packages and their content.
--
-- One view for each provider class, named as the class, with its property names as columns. The same files serve both
-- back ends. Constants are the class's documented defaults for what this site does not have. Views hold no data: the
-- site makes them anew at its start when this text is not the one that made them.

CREATE VIEW "SMS_DriverPackage" AS
SELECT
    action_in_progress AS "ActionInProgress",
    NULLIF(alternate_content_providers, '') AS "AlternateContentProviders",
    description AS "Description",
    CAST(0 AS BIGINT) AS "ExtendedDataSize",
    forced_disconnect_delay AS "ForcedDisconnectDelay",
    forced_disconnect_enabled AS "ForcedDisconnectEnabled",
    forced_disconnect_num_retries AS "ForcedDisconnectNumRetries",
    CAST(0 AS BIGINT) AS "IconSize",
    ignore_address_schedule AS "IgnoreAddressSchedule",
    CAST(0 AS BIGINT) AS "ISVDataSize",
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
    package_id AS "PackageID",
    (source_bytes + 1023) / 1024 AS "PackageSize",
    package_type AS "PackageType",
    pkg_flags AS "PkgFlags",
    pkg_source_flag AS "PkgSourceFlag",
    pkg_source_path AS "PkgSourcePath",
    preferred_address_type AS "PreferredAddressType",
    priority AS "Priority",
    CAST(0 AS BIGINT) AS "RefreshPkgSourceFlag",
    scope_names AS "SecuredScopeNames",
    package_id || ';' || CAST(edition AS TEXT) AS "SedoObjectVersion",
    share_name AS "ShareName",
    share_type AS "ShareType",
    source_date AS "SourceDate",
    source_site AS "SourceSite",
    source_version AS "SourceVersion",
    stored_pkg_path AS "StoredPkgPath",
    stored_version AS "StoredPkgVersion",
    version AS "Version"
FROM package
WHERE package_type = 3 AND action_in_progress <> 3;

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
