-- What Haulier knows beyond the provider's published classes, as classes of its own.

CREATE VIEW "Haulier_PackageState" AS
SELECT
    snapshot_attempts AS "Attempts",
    COALESCE(source_fault_code, '') AS "FaultCode",
    COALESCE(source_fault_message, '') AS "FaultText",
    source_fault_at AS "FaultTime",
    CAST(CASE WHEN lease_owner IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "IsReadingSource",
    name AS "Name",
    snapshot_next_at AS "NextAttempt",
    package_id AS "PackageID",
    CAST(CASE WHEN refresh_requested > refresh_done THEN 1 ELSE 0 END AS BIGINT) AS "RefreshPending",
    source_version AS "SourceVersion",
    stored_version AS "StoredPkgVersion"
FROM package
WHERE action_in_progress <> 3;

CREATE VIEW "Haulier_PackageVersion" AS
SELECT
    v.bytes AS "Bytes",
    v.content_hash AS "ContentHash",
    v.files AS "Files",
    v.folders AS "Folders",
    v.retained AS "IsKept",
    v.manifest_id AS "Manifest",
    v.package_id AS "PackageID",
    v.published_at AS "Published",
    v.version AS "SourceVersion",
    v.stored_new_bytes AS "StoredNewBytes"
FROM package_version v
JOIN package p ON p.package_id = v.package_id
WHERE p.action_in_progress <> 3;

CREATE VIEW "Haulier_DistributionState" AS
SELECT
    d.attempts AS "Attempts",
    d.bytes_done AS "BytesDone",
    d.bytes_received AS "BytesReceived",
    d.bytes_total AS "BytesTotal",
    dp.content_url AS "ContentUrl",
    d.demanded_at AS "Demanded",
    COALESCE(d.fault_code, '') AS "FaultCode",
    COALESCE(d.fault_file, '') AS "FaultFile",
    COALESCE(d.fault_message, '') AS "FaultText",
    d.fault_at AS "FaultTime",
    d.files_verified AS "FilesVerified",
    d.installed_version AS "InstalledVersion",
    d.last_copied_at AS "LastCopied",
    dp.last_seen_at AS "LastHeard",
    d.reported_at AS "LastReport",
    d.last_verified_at AS "LastVerified",
    dp.nal_path AS "NALPath",
    d.next_attempt_at AS "NextAttempt",
    d.package_id AS "PackageID",
    p.name AS "PackageName",
    dp.name AS "ServerName",
    s.site_code AS "SiteCode",
    CAST(CASE WHEN d.absent = 1 THEN 0 ELSE d.desired_version END AS BIGINT) AS "SourceVersion",
    d.state AS "State",
    CAST(CASE d.state
        WHEN 0 THEN 'installed'
        WHEN 1 THEN 'install pending'
        WHEN 2 THEN 'install retrying'
        WHEN 3 THEN 'install failed'
        WHEN 4 THEN 'removal pending'
        WHEN 5 THEN 'removal retrying'
        WHEN 6 THEN 'removal failed'
        WHEN 7 THEN 'updating'
        WHEN 8 THEN 'verifying'
        ELSE 'unknown'
    END AS TEXT) AS "StateName"
FROM distribution d
JOIN package p ON p.package_id = d.package_id
JOIN dp ON dp.id = d.dp_id
CROSS JOIN site s;

CREATE VIEW "Haulier_DistributionPoint" AS
SELECT
    dp.agent_version AS "AgentVersion",
    dp.content_url AS "ContentUrl",
    dp.enrolled_at AS "Enrolled",
    dp.last_seen_at AS "LastHeard",
    dp.nal_path AS "NALPath",
    CAST((SELECT COUNT(*) FROM distribution d WHERE d.dp_id = dp.id) AS BIGINT) AS "Packages",
    CAST((SELECT COUNT(*) FROM distribution d WHERE d.dp_id = dp.id AND d.state = 0) AS BIGINT) AS "PackagesCurrent",
    dp.name AS "ServerName",
    s.site_code AS "SiteCode"
FROM dp CROSS JOIN site s;

CREATE VIEW "Haulier_User" AS
SELECT
    created_at AS "Created",
    name AS "Name",
    CAST(CASE role
        WHEN 1 THEN 'administrator'
        WHEN 2 THEN 'operator'
        WHEN 3 THEN 'author'
        ELSE 'reader'
    END AS TEXT) AS "Role"
FROM admin_user;

CREATE VIEW "Haulier_ContentLibrary" AS
SELECT
    CAST((SELECT COUNT(*) FROM package_version v WHERE v.retained = 1) AS BIGINT) AS "KeptVersions",
    s.site_code AS "SiteCode"
FROM site s;

CREATE VIEW "Haulier_StatusMessage" AS
SELECT
    component AS "Component",
    inserts AS "InsertStrings",
    message_id AS "MessageID",
    COALESCE(package_id, '') AS "PackageID",
    id AS "RecordID",
    COALESCE(dp_name, '') AS "ServerName",
    severity AS "Severity",
    CAST(CASE severity
        WHEN 1073741824 THEN 'information'
        WHEN 2147483648 THEN 'warning'
        WHEN 3221225472 THEN 'error'
        ELSE 'unknown'
    END AS TEXT) AS "SeverityName",
    at AS "Time",
    COALESCE(user_name, '') AS "UserName"
FROM status_message;

CREATE VIEW "Haulier_Token" AS
SELECT
    t.created_at AS "Created",
    t.expires_at AS "Expires",
    t.label AS "Label",
    t.id AS "TokenID",
    u.name AS "UserName"
FROM api_token t
JOIN admin_user u ON u.id = t.user_id;
