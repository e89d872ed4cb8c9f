-- Distribution points and what is on them.

CREATE VIEW "SMS_DistributionPoint" AS
SELECT
    CAST(0 AS BIGINT) AS "BitsEnabled",
    CAST(0 AS BIGINT) AS "IsPeerDP",
    CAST(0 AS BIGINT) AS "IsProtected",
    d.isv_data_bytes AS "ISVDataSize",
    NULLIF(d.isv_string, '') AS "ISVString",
    COALESCE(d.last_copied_at, 631152000000000) AS "LastRefreshTime",
    CAST(CASE p.package_type WHEN 3 THEN 23 ELSE 2 END AS BIGINT) AS "ObjectTypeID",
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
JOIN site_node s ON s.site_code = dp.site_code;

CREATE VIEW "SMS_DistributionPointInfo" AS
SELECT
    CAST(CASE WHEN REPLACE(r.hours, '1', '') <> '' THEN 1 ELSE 0 END AS BIGINT) AS "AddressScheduleEnabled",
    CAST('' AS TEXT) AS "BindExcept",
    CAST(0 AS BIGINT) AS "BindPolicy",
    CAST(0 AS BIGINT) AS "BitsEnabled",
    CAST(0 AS BIGINT) AS "CertificateType",
    CAST(CASE WHEN dp.content_url LIKE 'https:%' THEN 1 ELSE 0 END AS BIGINT) AS "Communication",
    CAST('' AS TEXT) AS "Description",
    CAST(0 AS BIGINT) AS "DPFlags",
    CAST('' AS TEXT) AS "Drive",
    CAST((SELECT COUNT(*) FROM dp_group_member m WHERE m.dp_id = dp.id) AS BIGINT) AS "GroupCount",
    CAST(CASE WHEN EXISTS (SELECT 1 FROM dp_group_member m WHERE m.dp_id = dp.id) THEN 1 ELSE 0 END AS BIGINT)
        AS "HasRelationship",
    dp.validation_enabled AS "HealthCheckEnabled",
    CAST(4 AS BIGINT) AS "HealthCheckPriority",
    dp.validation_schedule AS "HealthCheckSchedule",
    CAST(dp.id AS BIGINT) AS "ID",
    dp.identity_guid AS "IdentityGUID",
    CAST(0 AS BIGINT) AS "InternetFacing",
    CAST(0 AS BIGINT) AS "IsActive",
    CAST(0 AS BIGINT) AS "IsMulticast",
    CAST(0 AS BIGINT) AS "IsPeerDP",
    CAST(0 AS BIGINT) AS "IsProtected",
    dp.is_pull AS "IsPullDP",
    CAST(0 AS BIGINT) AS "IsPXE",
    dp.nal_path AS "NALPath",
    '\\' || dp.name || '\' AS "Name",
    CAST('' AS TEXT) AS "OperatingSystem",
    CAST(0 AS BIGINT) AS "PreStagingAllowed",
    CAST(1 AS BIGINT) AS "Priority",
    CAST('' AS TEXT) AS "PXEPassword",
    CAST(CASE WHEN r.rate_kbit_per_s > 0 THEN 1 ELSE 0 END AS BIGINT) AS "RateLimitsEnabled",
    CAST('' AS TEXT) AS "Region",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    CAST(0 AS BIGINT) AS "ResponseDelay",
    dp.name AS "ServerName",
    CAST(0 AS BIGINT) AS "ServiceType",
    CAST('' AS TEXT) AS "ShareName",
    s.site_code AS "SiteCode",
    s.site_name AS "SiteName",
    CAST(0 AS BIGINT) AS "SupportUnknownMachines",
    CAST(COALESCE(r.rate_kbit_per_s, 0) AS BIGINT) AS "TransferRate",
    CAST(0 AS BIGINT) AS "UdaSetting"
FROM dp
LEFT JOIN route r ON r.dp_id = dp.id
JOIN site_node s ON s.site_code = dp.site_code;

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
FROM dp
JOIN site_node s ON s.site_code = dp.site_code;

-- A member is in sync with a package that it serves in the current version, whether or not it is verifying it.
CREATE VIEW "SMS_DistributionPointGroup" AS
SELECT
    CAST(0 AS BIGINT) AS "CollectionCount",
    CAST((SELECT COUNT(*) FROM dp_group_package gp WHERE gp.group_id = g.group_id) AS BIGINT) AS "ContentCount",
    CAST(CASE WHEN g.out_of_sync = 0 THEN 1 ELSE 0 END AS BIGINT) AS "ContentInSync",
    g.created_by AS "CreatedBy",
    g.created_at AS "CreatedOn",
    g.description AS "Description",
    g.group_id AS "GroupID",
    CAST(CASE WHEN EXISTS (SELECT 1 FROM dp_group_member m WHERE m.group_id = g.group_id) THEN 1 ELSE 0 END AS BIGINT)
        AS "HasMember",
    CAST(0 AS BIGINT) AS "HasRelationship",
    CAST((SELECT COUNT(*) FROM dp_group_member m WHERE m.group_id = g.group_id) AS BIGINT) AS "MemberCount",
    g.modified_by AS "ModifiedBy",
    g.modified_at AS "ModifiedOn",
    g.name AS "Name",
    CAST(g.out_of_sync AS BIGINT) AS "OutOfSyncContentCount",
    g.source_site AS "SourceSite"
FROM (
    SELECT dp_group.*, (
        SELECT COUNT(*) FROM dp_group_package gp
        JOIN package p ON p.package_id = gp.package_id
        WHERE gp.group_id = dp_group.group_id AND EXISTS (
            SELECT 1 FROM dp_group_member m
            LEFT JOIN distribution d ON d.package_id = gp.package_id AND d.dp_id = m.dp_id
            WHERE m.group_id = dp_group.group_id AND (
                d.state IS NULL OR d.state NOT IN (0, 7, 8)
                OR d.installed_version = 0 OR d.installed_version <> p.source_version
            )
        )
    ) AS out_of_sync
    FROM dp_group
) g;

CREATE VIEW "SMS_DPGroupPackages" AS
SELECT group_id AS "GroupID", package_id AS "PkgID"
FROM dp_group_package;

CREATE VIEW "SMS_DPGroupMembers" AS
SELECT dp.nal_path AS "DPNALPath", m.group_id AS "GroupID"
FROM dp_group_member m
JOIN dp ON dp.id = m.dp_id;

CREATE VIEW "SMS_PackageContentServerInfo" AS
SELECT
    dp.nal_path AS "ContentServerID",
    CAST(NULL AS TEXT) AS "ContentServerSecurityID",
    CAST(1 AS BIGINT) AS "ContentServerType",
    CAST('' AS TEXT) AS "Description",
    '\\' || dp.name || '\' AS "Name",
    d.package_id AS "ObjectID",
    CAST(42 AS BIGINT) AS "ObjectTypeID",
    d.package_id AS "PackageID",
    p.package_type AS "PackageType"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
WHERE d.absent = 0
UNION ALL
SELECT
    g.group_id,
    g.group_id,
    CAST(2 AS BIGINT),
    g.description,
    g.name,
    p.package_id,
    CAST(43 AS BIGINT),
    p.package_id,
    p.package_type
FROM dp_group_package gp
JOIN dp_group g ON g.group_id = gp.group_id
JOIN package p ON p.package_id = gp.package_id;

CREATE VIEW "SMS_DPContentInfo" AS
SELECT
    p.description AS "Description",
    p.name AS "Name",
    dp.nal_path AS "NALPath",
    p.package_id AS "ObjectID",
    p.package_type AS "ObjectType",
    CAST(CASE p.package_type WHEN 3 THEN 23 ELSE 2 END AS BIGINT) AS "ObjectTypeID",
    p.package_id AS "PackageID",
    (p.source_bytes + 1023) / 1024 AS "SourceSize"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
WHERE d.absent = 0;

-- Of each row one thing is counted: failed; installed; demanded, but nothing said of it since; under way.
CREATE VIEW "SMS_DPStatusInfo" AS
SELECT
    s.validation_enabled AS "IsDPMonEnabled",
    s.is_pull AS "IsPullDP",
    s.last_report AS "LastStatusTime",
    CAST(s.rows_all AS BIGINT) AS "MessageCount",
    CAST(CASE WHEN s.errors > 0 THEN 3 WHEN s.rows_all > s.installed THEN 2 ELSE 1 END AS BIGINT) AS "MessageState",
    '\\' || s.name || '\' AS "Name",
    s.nal_path AS "NALPath",
    CAST(s.errors AS BIGINT) AS "NumberErrors",
    CAST(s.rows_all - s.errors - s.installed - s.unknown AS BIGINT) AS "NumberInProgress",
    CAST(s.installed AS BIGINT) AS "NumberInstalled",
    CAST(s.unknown AS BIGINT) AS "NumberUnknown",
    s.agent_version AS "Version"
FROM (
    SELECT
        dp.name, dp.nal_path, dp.agent_version, dp.validation_enabled, dp.is_pull,
        MAX(d.reported_at) AS last_report,
        COUNT(d.state) AS rows_all,
        COUNT(CASE WHEN d.state IN (2, 3, 5, 6) THEN 1 END) AS errors,
        COUNT(CASE WHEN d.state = 0 THEN 1 END) AS installed,
        COUNT(CASE
            WHEN d.state IN (1, 4, 7) AND (d.reported_at IS NULL OR d.reported_at < d.demanded_at) THEN 1
        END) AS unknown
    FROM dp
    LEFT JOIN distribution d ON d.dp_id = dp.id
    GROUP BY dp.id, dp.name, dp.nal_path, dp.agent_version, dp.validation_enabled, dp.is_pull
) s;

-- The roles of the site's servers, under the item names of the original. Props is a list of name|number|text, from which
-- the provider makes the embedded properties; what a distribution point of this site never is or does is 0. PropLists is a
-- list of name|value|value and so on.
CREATE VIEW "SMS_SCI_SysResUse" AS
SELECT
    CAST(2 AS BIGINT) AS "FileType",
    r.nal_path || ',' || r.role_name AS "ItemName",
    CAST('System Resource Usage' AS TEXT) AS "ItemType",
    r.nal_path AS "NALPath",
    CAST('Windows NT Server' AS TEXT) AS "NALType",
    '\\' || r.server_name AS "NetworkOSPath",
    r.prop_lists AS "PropLists",
    r.props AS "Props",
    r.role_name AS "RoleName",
    r.site_code AS "SiteCode",
    CAST(r.ssl_state AS BIGINT) AS "SslState"
FROM (
    SELECT
        nal_path,
        'SMS Distribution Point' AS role_name,
        name AS server_name,
        dp.site_code,
        CASE WHEN content_url LIKE 'https:%' THEN 1 ELSE 0 END AS ssl_state,
        'Server Remote Name|0|' || name || '
IdentityGUID|0|' || identity_guid || '
Version|0|' || REPLACE(agent_version, '
', ' ') || '
AllowFallback|' || CAST(pull_fallback AS TEXT) || '|
DPMonEnabled|' || CAST(validation_enabled AS TEXT) || '|
DPMonPriority|4|
DPMonSchedule|0|' || validation_schedule || '
IsActive|0|
IsMulticast|0|
IsPullDP|' || CAST(is_pull AS TEXT) || '|
IsPXE|0|
TransferRate|' || CAST(COALESCE(r.rate_kbit_per_s, 0) AS TEXT) || '|
UdaSetting|0|' AS props,
        (SELECT 'SourceDistributionPoints|' || string_agg(x.nal_path, '|' ORDER BY p.rank, x.name_key) || '
SourceDPRanks|' || string_agg(CAST(p.rank AS TEXT), '|' ORDER BY p.rank, x.name_key)
            FROM dp_source p JOIN dp x ON x.id = p.source_id WHERE p.dp_id = dp.id) AS prop_lists
    FROM dp
    LEFT JOIN route r ON r.dp_id = dp.id
    UNION ALL
    SELECT
        '["Display=\\' || site.server_name || '\"]MSWNET:["SMS_SITE=' || site.site_code || '"]\\'
            || site.server_name || '\',
        roles.role_name,
        site.server_name,
        site.site_code,
        2,
        'Server Remote Name|0|' || site.server_name,
        NULL
    FROM site_node site
    CROSS JOIN (SELECT 'SMS Site Server' AS role_name UNION ALL SELECT 'SMS Provider') roles
) r;

-- Routes, to child sites and to distribution points. UsageSchedule and RateLimitingSchedule are as they are stored; the
-- provider makes the original's arrays of them.
CREATE VIEW "SMS_SCI_Address" AS
SELECT
    CAST(0 AS BIGINT) AS "AddressPriorityOrder",
    CAST('MS_LAN' AS TEXT) AS "AddressType",
    COALESCE(dp.name, r.site_code) AS "DesSiteCode",
    COALESCE(n.site_name, '') AS "DesSiteName",
    CAST(CASE WHEN r.dp_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "DestinationType",
    CAST(2 AS BIGINT) AS "FileType",
    COALESCE(dp.name, r.site_code) || '|MS_LAN' AS "ItemName",
    CAST('Address' AS TEXT) AS "ItemType",
    CASE WHEN r.line_kbit_per_s > 0 THEN 'Line Rate|' || CAST(r.line_kbit_per_s AS TEXT) || '|' ELSE '' END AS "Props",
    r.percents AS "RateLimitingSchedule",
    s.site_code AS "SiteCode",
    s.site_name AS "SiteName",
    CAST(CASE WHEN r.rate_kbit_per_s > 0 THEN 0 ELSE 1 END AS BIGINT) AS "UnlimitedRateForAll",
    r.hours AS "UsageSchedule"
FROM route r
LEFT JOIN dp ON dp.id = r.dp_id
LEFT JOIN site_node n ON n.site_code = r.site_code
CROSS JOIN site s;

-- Every item of site control, whatever its class.
CREATE VIEW "SMS_SiteControlItem" AS
SELECT
    CAST('SMS_SCI_SysResUse' AS TEXT) AS "__CLASS",
    "FileType",
    "ItemName",
    "ItemType",
    "SiteCode"
FROM "SMS_SCI_SysResUse"
UNION ALL
SELECT CAST('SMS_SCI_Address' AS TEXT), "FileType", "ItemName", "ItemType", "SiteCode"
FROM "SMS_SCI_Address";
