-- Distribution points and what is on them.

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
