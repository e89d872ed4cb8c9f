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
