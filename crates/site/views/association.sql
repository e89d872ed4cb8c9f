-- What belongs together, by the keys of both ends; the provider makes the references of them.

CREATE VIEW "Haulier_PackageDistributionPoint" AS
SELECT
    dp.nal_path AS "NALPath",
    CAST(CASE p.package_type WHEN 3 THEN 'SMS_DriverPackage' ELSE 'SMS_Package' END AS TEXT) AS "PackageClass",
    d.package_id AS "PackageID",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    s.site_code AS "SiteCode"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
JOIN site_node s ON s.site_code = dp.site_code
WHERE d.absent = 0 AND p.action_in_progress <> 3;

CREATE VIEW "Haulier_PackageDriver" AS
SELECT
    d.ci_id AS "CI_ID",
    CAST(CASE p.package_type WHEN 3 THEN 'SMS_DriverPackage' ELSE 'SMS_Package' END AS TEXT) AS "PackageClass",
    c.package_id AS "PackageID"
FROM driver d
JOIN package_content c ON c.content_id = d.content_id
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;

CREATE VIEW "Haulier_PackageContent" AS
SELECT
    c.content_id AS "ContentID",
    CAST(CASE p.package_type WHEN 3 THEN 'SMS_DriverPackage' ELSE 'SMS_Package' END AS TEXT) AS "PackageClass",
    c.package_id AS "PackageID"
FROM package_content c
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;

CREATE VIEW "Haulier_DriverContent" AS
SELECT
    d.ci_id AS "CI_ID",
    d.content_id AS "ContentID",
    CAST('Install' AS TEXT) AS "SDMMethodType"
FROM driver d;

CREATE VIEW "Haulier_ContentInPackage" AS
SELECT
    d.ci_id AS "CI_ID",
    d.content_id AS "ContentID",
    c.package_id AS "PackageID",
    CAST('Install' AS TEXT) AS "SDMMethodType"
FROM driver d
JOIN package_content c ON c.content_id = d.content_id
JOIN package p ON p.package_id = c.package_id
WHERE c.state <> 1 AND p.action_in_progress <> 3;
