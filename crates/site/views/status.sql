-- How far packages are, and status messages.

-- The type of secured object that a package of a type is.
CREATE VIEW package_object AS
SELECT
    p.package_id,
    CAST(CASE p.package_type
        WHEN 0 THEN 2
        WHEN 3 THEN 23
        WHEN 4 THEN 20
        WHEN 5 THEN 24
        WHEN 6 THEN 21
        WHEN 8 THEN 31
        WHEN 257 THEN 18
        WHEN 258 THEN 19
        WHEN 259 THEN 14
        ELSE 2
    END AS BIGINT) AS object_type
FROM package p;

-- What follows from a row of distribution, once for all classes: which message of the original fits the state and the
-- fault, and how it is counted.
--   message_state  1 success, 2 in progress, 3 error; after the last allowed attempt what the site is set to (3 or 4)
--   holds_current  the current source version is there, and nothing failed since
--   unknown        something is wanted of which the distribution point has not said anything yet
CREATE VIEW content_status AS
SELECT
    d.package_id,
    d.dp_id,
    d.absent,
    d.state,
    d.desired_version,
    d.installed_version,
    d.attempts,
    d.bytes_done,
    d.bytes_total,
    d.bytes_received,
    d.files_verified,
    d.fault_code,
    d.fault_file,
    d.fault_message,
    d.changed_at,
    CAST(CASE
        WHEN d.state = 0 AND d.last_verified_at > d.last_copied_at THEN 2384
        WHEN d.state = 0 THEN 2330
        WHEN d.state = 8 AND d.reported_at >= d.demanded_at THEN 2380
        WHEN d.state = 8 THEN 2381
        WHEN d.state = 4 THEN 39056
        WHEN d.state IN (5, 6) THEN 39057
        WHEN d.state IN (1, 7) AND d.desired_version = 0 THEN 2372
        WHEN d.state IN (1, 7) AND (d.bytes_received > 0 OR d.bytes_done > 0) THEN 8204
        WHEN d.state IN (1, 7) THEN 2342
        WHEN d.fault_code IN ('site_unreachable', 'unauthorized') THEN 2391
        WHEN d.fault_code = 'no_source' THEN 8212
        WHEN d.fault_code = 'refused' THEN 2382
        WHEN d.fault_code = 'incomplete' THEN 2385
        WHEN d.verify = 1 THEN 2383
        WHEN d.installed_version > 0 THEN 8203
        ELSE 2328
    END AS BIGINT) AS message_id,
    CAST(CASE
        WHEN d.state IN (2, 5) THEN 2147483648
        WHEN d.state IN (3, 6) THEN 3221225472
        ELSE 1073741824
    END AS BIGINT) AS severity,
    CAST(CASE
        WHEN d.state = 0 THEN 1
        WHEN d.state IN (2, 5) THEN 3
        WHEN d.state IN (3, 6) THEN s.failed_message_state
        ELSE 2
    END AS BIGINT) AS message_state,
    CAST(CASE
        WHEN d.state IN (0, 7, 8) AND d.installed_version > 0 AND d.installed_version = p.source_version THEN 1
        ELSE 0
    END AS BIGINT) AS holds_current,
    CAST(CASE
        WHEN d.state NOT IN (1, 7) THEN 0
        WHEN d.reported_at IS NULL OR d.reported_at < d.demanded_at THEN 1
        ELSE 0
    END AS BIGINT) AS unknown
FROM distribution d
JOIN package p ON p.package_id = d.package_id
CROSS JOIN site s;

CREATE VIEW "SMS_PackageStatusDistPointsSummarizer" AS
SELECT
    d.last_copied_at AS "LastCopied",
    d.package_id AS "PackageID",
    p.package_type AS "PackageType",
    o.object_type AS "SecuredTypeID",
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
JOIN package_object o ON o.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
JOIN site_node s ON s.site_code = dp.site_code;

-- Type 1 is the site's own copy, type 2 that of a distribution point.
CREATE VIEW "SMS_PackageStatus" AS
SELECT
    p.stored_pkg_path AS "Location",
    p.package_id AS "PackageID",
    CAST(0 AS BIGINT) AS "Personality",
    s.server_name AS "PkgServer",
    p.share_name AS "ShareName",
    s.site_code AS "SiteCode",
    CAST(CASE
        WHEN p.source_fault_code = 'gave_up' THEN 5
        WHEN p.source_fault_code IS NOT NULL THEN 4
        WHEN p.stored_version > 0 THEN 3
        ELSE 0
    END AS BIGINT) AS "Status",
    CAST(1 AS BIGINT) AS "Type",
    COALESCE(p.source_fault_at, p.source_date, p.created_at) AS "UpdateTime"
FROM package p
CROSS JOIN site s
WHERE p.action_in_progress <> 3
UNION ALL
SELECT
    CASE WHEN dp.content_url = '' THEN ''
        ELSE dp.content_url || '/SMS_DP_SMSPKG$/' || d.package_id END,
    d.package_id,
    CAST(0 AS BIGINT),
    dp.nal_path,
    p.share_name,
    s.site_code,
    CAST(CASE d.state
        WHEN 0 THEN 3
        WHEN 1 THEN CASE WHEN d.desired_version = 0 THEN 0 ELSE 1 END
        WHEN 2 THEN 4
        WHEN 3 THEN 5
        WHEN 4 THEN 7
        WHEN 5 THEN 7
        WHEN 6 THEN 5
        WHEN 7 THEN 1
        ELSE 3
    END AS BIGINT),
    CAST(2 AS BIGINT),
    d.changed_at
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
JOIN site_node s ON s.site_code = dp.site_code;

-- Installed, Retrying and Failed do not overlap: who holds the current version but failed since is not installed.
-- There is no compressed copy of a source whose size could be told.
CREATE VIEW "SMS_PackageStatusRootSummarizer" AS
SELECT
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.state IN (3, 6)) AS BIGINT) AS "Failed",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.holds_current = 1) AS BIGINT) AS "Installed",
    p.name AS "Name",
    p.package_id AS "PackageID",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.state IN (2, 5)) AS BIGINT) AS "Retrying",
    CAST(0 AS BIGINT) AS "SourceCompressedSize",
    p.source_date AS "SourceDate",
    p.source_site AS "SourceSite",
    (p.source_bytes + 1023) / 1024 AS "SourceSize",
    p.source_version AS "SourceVersion",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0) AS BIGINT) AS "Targeted"
FROM package p
WHERE p.action_in_progress <> 3;

-- A row for the source site, for this site, and for each whose distribution points are known to be targeted.
CREATE VIEW "SMS_PackageStatusDetailSummarizer" AS
SELECT
    CAST((SELECT COUNT(*) FROM content_status d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code AND d.state IN (3, 6)) AS BIGINT) AS "Failed",
    CAST((SELECT COUNT(*) FROM content_status d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code AND d.absent = 0 AND d.holds_current = 1)
        AS BIGINT) AS "Installed",
    p.name AS "Name",
    p.package_id AS "PackageID",
    CAST((SELECT COUNT(*) FROM content_status d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code AND d.state IN (2, 5)) AS BIGINT) AS "Retrying",
    s.site_code AS "SiteCode",
    s.site_name AS "SiteName",
    p.source_version AS "SourceVersion",
    COALESCE((SELECT MAX(d.changed_at) FROM distribution d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code), p.created_at) AS "SummaryDate",
    CAST((SELECT COUNT(*) FROM content_status d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code AND d.absent = 0) AS BIGINT) AS "Targeted"
FROM package p
CROSS JOIN site_node s
WHERE p.action_in_progress <> 3 AND (
    s.site_code = p.source_site
    OR s.site_code = (SELECT own.site_code FROM site own)
    OR EXISTS (SELECT 1 FROM distribution d JOIN dp ON dp.id = d.dp_id
        WHERE d.package_id = p.package_id AND dp.site_code = s.site_code)
);

-- The ID is made of the distribution point's number and the package ID, three digits to base 36 and five to base 16: a
-- number that a double holds, as clients in JavaScript need it.
CREATE VIEW "SMS_DistributionDPStatus" AS
SELECT
    CAST((SELECT COUNT(*) FROM dp_group_member g
        JOIN dp_group_package gp ON gp.group_id = g.group_id
        WHERE g.dp_id = d.dp_id AND gp.package_id = d.package_id) AS BIGINT) AS "GroupCount",
    d.dp_id * 48922361856
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 1, 1)) * 1358954496
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 2, 1)) * 37748736
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 3, 1)) * 1048576
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 4, 1)) * 65536
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 5, 1)) * 4096
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 6, 1)) * 256
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 7, 1)) * 16
        + instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', SUBSTR(d.package_id, 8, 1)) * 1 AS "ID",
    d.package_id AS "InsString1",
    CAST(NULL AS TEXT) AS "InsString10",
    dp.name AS "InsString2",
    CASE
        WHEN d.message_state < 3 THEN CAST(d.desired_version AS TEXT)
        ELSE COALESCE(d.fault_message, '') END AS "InsString3",
    CASE
        WHEN d.message_id = 2330 THEN CAST(d.bytes_received AS TEXT)
        WHEN d.message_id = 2384 THEN CAST(d.files_verified AS TEXT)
        WHEN d.message_id = 8204 THEN CAST(d.bytes_done AS TEXT)
        WHEN d.message_state >= 3 THEN COALESCE(d.fault_code, '') END AS "InsString4",
    CASE
        WHEN d.message_id = 8204 THEN CAST(d.bytes_total AS TEXT)
        WHEN d.message_state >= 3 THEN COALESCE(d.fault_file, '') END AS "InsString5",
    CASE WHEN d.message_state >= 3 THEN CAST(d.attempts AS TEXT) END AS "InsString6",
    CAST(NULL AS TEXT) AS "InsString7",
    CAST(NULL AS TEXT) AS "InsString8",
    CAST(NULL AS TEXT) AS "InsString9",
    CAST(0 AS BIGINT) AS "IsPeerDP",
    COALESCE((SELECT MAX(m.id) FROM status_message m
        WHERE m.dp_name = dp.name AND m.package_id = d.package_id
            AND COALESCE(NULLIF(m.site_code, ''), (SELECT own.site_code FROM site own)) = dp.site_code), 0)
        AS "LastStatusID",
    d.changed_at AS "LastUpdateDate",
    d.message_id + CASE WHEN d.message_state > 3 THEN 100000 ELSE 0 END AS "MessageCategory",
    d.severity + d.message_id AS "MessageFullID",
    d.message_id AS "MessageID",
    d.severity AS "MessageSeverity",
    d.message_state AS "MessageState",
    dp.nal_path AS "NalPath",
    dp.name AS "Name",
    d.package_id AS "ObjectID",
    o.object_type AS "ObjectTypeID",
    d.package_id AS "PackageID",
    CAST('Windows NT Server' AS TEXT) AS "ResourceType",
    s.site_code AS "SiteCode"
FROM content_status d
JOIN package p ON p.package_id = d.package_id
JOIN package_object o ON o.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
JOIN site_node s ON s.site_code = dp.site_code;

-- Each row of "SMS_DistributionDPStatus" counts in the one row here that has its package and category. What is left of an
-- attempt and what failed for good may have one message, but not one type.
CREATE VIEW "SMS_DistributionStatus" AS
SELECT
    CAST(COUNT(*) AS BIGINT) AS "Assets",
    MAX(c.changed_at) AS "LastUpdateDate",
    c.category AS "MessageCategory",
    c.package_id AS "ObjectID",
    o.object_type AS "ObjectTypeID",
    c.package_id AS "PackageID",
    MAX(c.message_state) AS "Type"
FROM (
    SELECT
        d.package_id,
        d.message_state,
        d.changed_at,
        d.message_id + CASE WHEN d.message_state > 3 THEN 100000 ELSE 0 END AS category
    FROM content_status d
    JOIN dp ON dp.id = d.dp_id
    JOIN site_node s ON s.site_code = dp.site_code
) c
JOIN package_object o ON o.package_id = c.package_id
GROUP BY c.package_id, o.object_type, c.category;

-- Success, in progress, errors and unknown add up to targeted.
CREATE VIEW "SMS_ObjectContentExtraInfo" AS
SELECT
    p.created_at AS "DateCreated",
    p.description AS "Description",
    CAST(8 AS BIGINT) AS "FeatureType",
    COALESCE((SELECT MAX(d.changed_at) FROM distribution d WHERE d.package_id = p.package_id), p.created_at) AS "LastUpdateDate",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.state IN (2, 3)) AS BIGINT) AS "NumberErrors",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.state IN (1, 7, 8) AND d.unknown = 0) AS BIGINT) AS "NumberInProgress",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.state = 0) AS BIGINT) AS "NumberSuccess",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.unknown = 1) AS BIGINT) AS "NumberUnknown",
    p.package_id AS "ObjectID",
    p.package_type AS "ObjectType",
    o.object_type AS "ObjectTypeID",
    p.package_id AS "PackageID",
    p.name AS "SoftwareName",
    p.source_site AS "SourceSite",
    (p.source_bytes + 1023) / 1024 AS "SourceSize",
    p.source_version AS "SourceVersion",
    CAST((SELECT COUNT(*) FROM content_status d
        WHERE d.package_id = p.package_id AND d.absent = 0) AS BIGINT) AS "Targeted"
FROM package p
JOIN package_object o ON o.package_id = p.package_id
WHERE p.action_in_progress <> 3;

CREATE VIEW "SMS_ObjectContentInfo" AS
SELECT * FROM "SMS_ObjectContentExtraInfo";

CREATE VIEW "SMS_StatusMessage" AS
SELECT
    m.component AS "Component",
    COALESCE(NULLIF(m.machine_name, ''), s.server_name) AS "MachineName",
    m.message_id AS "MessageID",
    m.message_type AS "MessageType",
    m.module_name AS "ModuleName",
    CAST(0 AS BIGINT) AS "PerClient",
    m.process_id AS "ProcessID",
    m.id AS "RecordID",
    CAST(0 AS BIGINT) AS "ReportFunction",
    m.severity AS "Severity",
    COALESCE(NULLIF(m.site_code, ''), s.site_code) AS "SiteCode",
    CAST(0 AS BIGINT) AS "SuccessfulTransaction",
    m.thread_id AS "ThreadID",
    m.at AS "Time",
    s.site_code AS "TopLevelSiteCode",
    CAST(0 AS BIGINT) AS "Transaction",
    m.win32_error AS "Win32Error"
FROM status_message m
CROSS JOIN site s;

CREATE VIEW "SMS_StatMsg" AS
SELECT * FROM "SMS_StatusMessage";

CREATE VIEW "SMS_StatMsgWithInsStrings" AS
SELECT
    m.component AS "Component",
    COALESCE(NULLIF(m.machine_name, ''), s.server_name) AS "MachineName",
    m.message_id AS "MessageID",
    m.message_type AS "MessageType",
    m.module_name AS "ModuleName",
    CAST(0 AS BIGINT) AS "PerClient",
    m.process_id AS "ProcessID",
    m.id AS "RecordID",
    CAST(0 AS BIGINT) AS "ReportFunction",
    m.severity AS "Severity",
    COALESCE(NULLIF(m.site_code, ''), s.site_code) AS "SiteCode",
    CAST(0 AS BIGINT) AS "SuccessfulTransaction",
    m.thread_id AS "ThreadID",
    m.at AS "Time",
    s.site_code AS "TopLevelSiteCode",
    CAST(0 AS BIGINT) AS "Transaction",
    m.win32_error AS "Win32Error",
    json_extract(m.inserts, '$[0]') AS "InsString1",
    json_extract(m.inserts, '$[1]') AS "InsString2",
    json_extract(m.inserts, '$[2]') AS "InsString3",
    json_extract(m.inserts, '$[3]') AS "InsString4",
    json_extract(m.inserts, '$[4]') AS "InsString5",
    json_extract(m.inserts, '$[5]') AS "InsString6",
    json_extract(m.inserts, '$[6]') AS "InsString7",
    json_extract(m.inserts, '$[7]') AS "InsString8",
    json_extract(m.inserts, '$[8]') AS "InsString9",
    json_extract(m.inserts, '$[9]') AS "InsString10",
    CAST(0 AS BIGINT) AS "ResourceID"
FROM status_message m
CROSS JOIN site s;

CREATE VIEW "SMS_StatMsgInsStrings" AS
SELECT
    CAST(n.place AS BIGINT) AS "InsStrIndex",
    json_extract(m.inserts, n.path) AS "InsStrValue",
    m.id AS "RecordID"
FROM status_message m
CROSS JOIN (
    SELECT 0 AS place, '$[0]' AS path
    UNION ALL SELECT 1, '$[1]'
    UNION ALL SELECT 2, '$[2]'
    UNION ALL SELECT 3, '$[3]'
    UNION ALL SELECT 4, '$[4]'
    UNION ALL SELECT 5, '$[5]'
    UNION ALL SELECT 6, '$[6]'
    UNION ALL SELECT 7, '$[7]'
    UNION ALL SELECT 8, '$[8]'
    UNION ALL SELECT 9, '$[9]'
) n
WHERE json_extract(m.inserts, n.path) IS NOT NULL;

CREATE VIEW "SMS_StatInsStr" AS
SELECT * FROM "SMS_StatMsgInsStrings";

-- 400 package, 403 user, 404 distribution point by its NAL path; others as callers of the Raise methods give them.
-- SQLite joins the parts one by one, each through its index, only where a column is of the same type in all of them;
-- hence the CAST. Otherwise it makes all attributes of all messages first.
CREATE VIEW "SMS_StatMsgAttributes" AS
SELECT
    CAST(400 AS BIGINT) AS "AttributeID",
    m.at AS "AttributeTime",
    m.package_id AS "AttributeValue",
    m.id AS "RecordID"
FROM status_message m
WHERE m.package_id IS NOT NULL
UNION ALL
SELECT CAST(403 AS BIGINT), m.at, m.user_name, m.id
FROM status_message m
WHERE m.user_name IS NOT NULL
UNION ALL
SELECT CAST(404 AS BIGINT), m.at,
    CAST('["Display=\\' || m.dp_name || '\"]MSWNET:["SMS_SITE=' || COALESCE(NULLIF(m.site_code, ''), s.site_code) || '"]\\' || m.dp_name || '\' AS TEXT),
    m.id
FROM status_message m
CROSS JOIN site s
WHERE m.dp_name IS NOT NULL
UNION ALL
SELECT a.attribute_id, m.at, a.value, m.id
FROM status_attribute a
JOIN status_message m ON m.id = a.record_id;

CREATE VIEW "SMS_StatAttr" AS
SELECT * FROM "SMS_StatMsgAttributes";
