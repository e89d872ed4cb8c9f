-- The site itself.

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

-- Every site of the hierarchy. What it has no facts about shows the documented default.
CREATE VIEW "SMS_Site" AS
SELECT
    CAST(9128 AS BIGINT) AS "BuildNumber",
    CAST('' AS TEXT) AS "Features",
    CAST('' AS TEXT) AS "InstallDir",
    CAST(0 AS BIGINT) AS "Mode",
    COALESCE(parent_code, '') AS "ReportingSiteCode",
    CAST(1001 AS BIGINT) AS "RequestedStatus",
    CAST(0 AS BIGINT) AS "SecondarySiteCMUpdateStatus",
    server_name AS "ServerName",
    site_code AS "SiteCode",
    site_name AS "SiteName",
    CAST(1 AS BIGINT) AS "Status",
    CAST('' AS TEXT) AS "TimeZoneInfo",
    site_type AS "Type",
    CAST('5.00.9128.1000' AS TEXT) AS "Version"
FROM site_node;
