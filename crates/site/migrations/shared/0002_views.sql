-- One view for each provider class, named as the class, with its property names as columns. The same file
-- serves both back ends. Constants are the class's documented defaults for what this site does not have.

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

CREATE VIEW "SMS_DistributionPoint" AS
SELECT
    CAST(0 AS BIGINT) AS "BitsEnabled",
    CAST(0 AS BIGINT) AS "IsPeerDP",
    CAST(0 AS BIGINT) AS "IsProtected",
    CAST(0 AS BIGINT) AS "ISVDataSize",
    CAST(NULL AS TEXT) AS "ISVString",
    COALESCE(d.last_copied_at, 631152000000000) AS "LastRefreshTime",
    CAST(23 AS BIGINT) AS "ObjectTypeID",
    d.package_id AS "PackageID",
    p.package_type AS "PackageType",
    CAST(0 AS BIGINT) AS "RefreshNow",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    d.package_id AS "SecureObjectID",
    dp.nal_path AS "ServerNALPath",
    s.site_code AS "SiteCode",
    s.site_name AS "SiteName",
    p.source_site AS "SourceSite",
    CAST(CASE
        WHEN d.absent = 1 THEN 3
        WHEN d.state = 0 THEN 0
        WHEN d.installed_version = 0 THEN 2
        ELSE 1
    END AS BIGINT) AS "Status"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
CROSS JOIN site s;

CREATE VIEW "SMS_DistributionPointInfo" AS
SELECT
    CAST(0 AS BIGINT) AS "AddressScheduleEnabled",
    CAST('' AS TEXT) AS "BindExcept",
    CAST(0 AS BIGINT) AS "BindPolicy",
    CAST(0 AS BIGINT) AS "BitsEnabled",
    CAST(0 AS BIGINT) AS "CertificateType",
    CAST(CASE WHEN dp.content_url LIKE 'https:%' THEN 1 ELSE 0 END AS BIGINT) AS "Communication",
    CAST('' AS TEXT) AS "Description",
    CAST(0 AS BIGINT) AS "DPFlags",
    CAST('' AS TEXT) AS "Drive",
    CAST(0 AS BIGINT) AS "GroupCount",
    CAST(0 AS BIGINT) AS "HasRelationship",
    CAST(0 AS BIGINT) AS "HealthCheckEnabled",
    CAST(4 AS BIGINT) AS "HealthCheckPriority",
    CAST('' AS TEXT) AS "HealthCheckSchedule",
    CAST(dp.id AS BIGINT) AS "ID",
    dp.identity_guid AS "IdentityGUID",
    CAST(0 AS BIGINT) AS "InternetFacing",
    CAST(0 AS BIGINT) AS "IsActive",
    CAST(0 AS BIGINT) AS "IsMulticast",
    CAST(0 AS BIGINT) AS "IsPeerDP",
    CAST(0 AS BIGINT) AS "IsProtected",
    CAST(0 AS BIGINT) AS "IsPullDP",
    CAST(0 AS BIGINT) AS "IsPXE",
    dp.nal_path AS "NALPath",
    '\\' || dp.name || '\' AS "Name",
    CAST('' AS TEXT) AS "OperatingSystem",
    CAST(0 AS BIGINT) AS "PreStagingAllowed",
    CAST(1 AS BIGINT) AS "Priority",
    CAST('' AS TEXT) AS "PXEPassword",
    CAST(0 AS BIGINT) AS "RateLimitsEnabled",
    CAST('' AS TEXT) AS "Region",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    CAST(0 AS BIGINT) AS "ResponseDelay",
    dp.name AS "ServerName",
    CAST(0 AS BIGINT) AS "ServiceType",
    CAST('' AS TEXT) AS "ShareName",
    s.site_code AS "SiteCode",
    s.site_name AS "SiteName",
    CAST(0 AS BIGINT) AS "SupportUnknownMachines",
    CAST(0 AS BIGINT) AS "TransferRate",
    CAST(0 AS BIGINT) AS "UdaSetting"
FROM dp CROSS JOIN site s;

CREATE VIEW "SMS_SystemResourceList" AS
SELECT
    CAST(0 AS BIGINT) AS "InternetEnabled",
    CAST(0 AS BIGINT) AS "InternetShared",
    dp.nal_path AS "NALPath",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    CAST('SMS Distribution Point' AS TEXT) AS "RoleName",
    dp.name AS "ServerName",
    dp.name AS "ServerRemoteName",
    s.site_code AS "SiteCode",
    CAST(CASE WHEN dp.content_url LIKE 'https:%' THEN 1 ELSE 0 END AS BIGINT) AS "SslState"
FROM dp CROSS JOIN site s;

CREATE VIEW "SMS_PackageStatusDistPointsSummarizer" AS
SELECT
    d.last_copied_at AS "LastCopied",
    d.package_id AS "PackageID",
    p.package_type AS "PackageType",
    CAST(23 AS BIGINT) AS "SecuredTypeID",
    d.package_id AS "SecureObjectID",
    dp.nal_path AS "ServerNALPath",
    s.site_code AS "SiteCode",
    '["Display=\\' || s.server_name || '\"]MSWNET:["SMS_SITE=' || s.site_code || '"]\\' || s.server_name || '\'
        AS "SourceNALPath",
    d.installed_version AS "SourceVersion",
    d.state AS "State",
    d.changed_at AS "SummaryDate"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
CROSS JOIN site s;

CREATE VIEW "SMS_ProviderLocation" AS
SELECT
    server_name AS "Machine",
    '\\' || server_name || '\root\sms\site_' || site_code AS "NamespacePath",
    CAST(1 AS BIGINT) AS "ProviderForLocalSite",
    site_code AS "SiteCode"
FROM site;

CREATE VIEW "SMS_Identification" AS
SELECT
    CAST(1 AS BIGINT) AS "License",
    CAST(1033 AS BIGINT) AS "LocaleID",
    CAST(2403 AS BIGINT) AS "MonthlyReleaseVersion",
    CAST(0 AS BIGINT) AS "Reserved",
    CAST('' AS TEXT) AS "ServiceAccountName",
    CAST('' AS TEXT) AS "SMSAvailableConsoleVersion",
    CAST(9128 AS BIGINT) AS "SMSBuildNumber",
    CAST(0 AS BIGINT) AS "SMSMinBuildNumber",
    server_name AS "SMSProviderServer",
    server_name AS "SMSSiteServer",
    CAST('5.00' AS TEXT) AS "SMSVersion",
    site_code AS "ThisSiteCode",
    site_name AS "ThisSiteName"
FROM site;
