-- How far packages are, and status messages.

CREATE VIEW "SMS_PackageStatusDistPointsSummarizer" AS
SELECT
    d.last_copied_at AS "LastCopied",
    d.package_id AS "PackageID",
    p.package_type AS "PackageType",
    CAST(CASE p.package_type WHEN 3 THEN 23 ELSE 2 END AS BIGINT) AS "SecuredTypeID",
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
