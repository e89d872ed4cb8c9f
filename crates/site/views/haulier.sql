-- What Haulier knows beyond the provider's published classes, as classes of its own.

-- IsAwaited: another site has published a newer version than is here, and a distribution point of this site or of one
-- below it shall hold it. The hierarchy has three levels. One behind the owner itself gets it without this site.
CREATE VIEW "Haulier_PackageState" AS
SELECT
    snapshot_attempts AS "Attempts",
    COALESCE(source_fault_code, '') AS "FaultCode",
    COALESCE(source_fault_message, '') AS "FaultText",
    source_fault_at AS "FaultTime",
    CAST(CASE WHEN o.version > p.stored_version AND EXISTS (
        SELECT 1 FROM distribution d
        JOIN dp x ON x.id = d.dp_id
        JOIN site_node n ON n.site_code = x.site_code
        JOIN site own ON own.site_code IN (n.site_code, n.parent_code)
            OR EXISTS (SELECT 1 FROM site_node c WHERE c.site_code = n.parent_code AND c.parent_code = own.site_code)
        WHERE d.package_id = p.package_id AND d.absent = 0 AND d.cancelled = 0
            AND (p.source_site = own.site_code OR NOT EXISTS (
                SELECT 1 FROM site_node owner
                WHERE owner.site_code = p.source_site AND owner.parent_code = own.site_code
                    AND owner.site_code IN (n.site_code, n.parent_code)))
    ) THEN 1 ELSE 0 END AS BIGINT) AS "IsAwaited",
    CAST(CASE WHEN lease_owner IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "IsReadingSource",
    s.last_at AS "LastScheduledRefresh",
    name AS "Name",
    snapshot_next_at AS "NextAttempt",
    s.next_at AS "NextScheduledRefresh",
    COALESCE(o.version, 0) AS "OfferedVersion",
    p.package_id AS "PackageID",
    CAST(CASE WHEN refresh_requested > refresh_done THEN 1 ELSE 0 END AS BIGINT) AS "RefreshPending",
    source_version AS "SourceVersion",
    stored_version AS "StoredPkgVersion"
FROM package p
LEFT JOIN package_schedule s ON s.package_id = p.package_id
LEFT JOIN offered_version o ON o.package_id = p.package_id
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
    d.rate_done AS "BytesPerSecond",
    d.bytes_received AS "BytesReceived",
    d.rate_received AS "BytesReceivedPerSecond",
    d.bytes_total AS "BytesTotal",
    COALESCE(d.call_id, '') AS "Call",
    dp.content_url AS "ContentUrl",
    d.demanded_at AS "Demanded",
    COALESCE(d.fault_code, '') AS "FaultCode",
    COALESCE(d.fault_file, '') AS "FaultFile",
    COALESCE(d.fault_message, '') AS "FaultText",
    d.fault_at AS "FaultTime",
    d.files_done AS "FilesDone",
    d.files_total AS "FilesTotal",
    d.files_verified AS "FilesVerified",
    d.installed_version AS "InstalledVersion",
    CAST(CASE WHEN dp.maintenance_since IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "IsInMaintenance",
    d.last_copied_at AS "LastCopied",
    dp.last_seen_at AS "LastHeard",
    d.reported_at AS "LastReport",
    d.last_verified_at AS "LastVerified",
    dp.nal_path AS "NALPath",
    d.next_attempt_at AS "NextAttempt",
    d.package_id AS "PackageID",
    p.name AS "PackageName",
    COALESCE(d.paused_reason, '') AS "PausedReason",
    d.paused_until AS "PausedUntil",
    d.requested_at AS "Requested",
    d.report_revision AS "Revision",
    CASE WHEN d.rate_done > 0 AND d.bytes_total > d.bytes_done
        THEN (d.bytes_total - d.bytes_done + d.rate_done - 1) / d.rate_done END AS "SecondsLeft",
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
JOIN site_node s ON s.site_code = dp.site_code;

-- Hours and Rate in the forms of docs/routes.md.
CREATE VIEW "Haulier_Route" AS
SELECT
    COALESCE(dp.name, r.site_code) AS "Destination",
    CAST(CASE WHEN r.dp_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "DestinationType",
    r.hours AS "Hours",
    r.rate AS "Rate",
    r.time_zone AS "TimeZone"
FROM route r
LEFT JOIN dp ON dp.id = r.dp_id;

CREATE VIEW "Haulier_DistributionPoint" AS
SELECT
    dp.agent_version AS "AgentVersion",
    dp.content_url AS "ContentUrl",
    dp.enrolled_at AS "Enrolled",
    CAST(CASE WHEN dp.site_code <> (SELECT own.site_code FROM site own) THEN NULL
        WHEN dp.secret_hash IS NULL AND dp.certificate_fingerprint IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "IsEnrolled",
    CAST(CASE WHEN dp.maintenance_since IS NULL THEN 0 ELSE 1 END AS BIGINT) AS "IsInMaintenance",
    dp.is_pull AS "IsPullDP",
    dp.last_seen_at AS "LastHeard",
    dp.validation_last_at AS "LastValidation",
    dp.maintenance_since AS "MaintenanceSince",
    dp.nal_path AS "NALPath",
    dp.validation_next_at AS "NextValidation",
    CAST((SELECT COUNT(*) FROM distribution d WHERE d.dp_id = dp.id) AS BIGINT) AS "Packages",
    CAST((SELECT COUNT(*) FROM distribution d WHERE d.dp_id = dp.id AND d.state = 0) AS BIGINT) AS "PackagesCurrent",
    dp.pull_fallback AS "PullFallback",
    (SELECT string_agg(x.name || '=' || CAST(p.rank AS TEXT), ' ' ORDER BY p.rank, x.name_key)
        FROM dp_source p JOIN dp x ON x.id = p.source_id WHERE p.dp_id = dp.id) AS "PullSources",
    dp.name AS "ServerName",
    s.site_code AS "SiteCode",
    dp.validation_enabled AS "ValidationEnabled",
    dp.validation_schedule AS "ValidationSchedule",
    dp.validation_since AS "ValidationSince"
FROM dp
JOIN site_node s ON s.site_code = dp.site_code;

CREATE VIEW "Haulier_Site" AS
SELECT
    n.joined_at AS "Joined",
    n.last_seen_at AS "LastHeard",
    COALESCE(n.parent_code, '') AS "ParentSiteCode",
    n.server_name AS "ServerName",
    n.signing_key AS "SigningKey",
    n.site_code AS "SiteCode",
    n.site_name AS "SiteName",
    n.site_type AS "Type"
FROM site_node n;

CREATE VIEW "Haulier_ContentLibrary" AS
SELECT
    CAST((SELECT COUNT(*) FROM package_version v WHERE v.retained = 1) AS BIGINT) AS "KeptVersions",
    s.site_code AS "SiteCode"
FROM site s;

CREATE VIEW "Haulier_StatusMessage" AS
SELECT
    COALESCE(call_id, '') AS "Call",
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

CREATE VIEW "Haulier_DriverDetail" AS
SELECT
    d.boot_start AS "BootStart",
    d.ci_id AS "CI_ID",
    d.unique_id AS "CI_UniqueID",
    d.class_guid AS "ClassGuid",
    c.bytes AS "ContentBytes",
    c.files AS "ContentFiles",
    c.content_hash AS "ContentHash",
    d.content_id AS "ContentID",
    d.devices AS "Devices",
    t.diagnostics AS "Diagnostics",
    d.inf_file AS "DriverINFFile",
    d.extension_id AS "ExtensionID",
    CAST(CASE WHEN d.payload_missing = 0 THEN 1 ELSE 0 END AS BIGINT) AS "IsComplete",
    d.whql AS "IsWHQL",
    CAST(CASE d.kind
        WHEN 1 THEN 'extension'
        WHEN 2 THEN 'software component'
        WHEN 3 THEN 'primitive'
        ELSE 'base'
    END AS TEXT) AS "Kind",
    t.missing_files AS "MissingFiles",
    d.display_name AS "Name",
    d.payload_files AS "PayloadFiles",
    d.payload_missing AS "PayloadMissing",
    d.signer_program AS "SignerProgram",
    CAST(CASE d.signature_state
        WHEN 0 THEN 'trusted'
        WHEN 1 THEN 'signer not trusted'
        WHEN 2 THEN 'INF not covered'
        WHEN 3 THEN 'payload not covered'
        WHEN 4 THEN 'broken'
        WHEN 5 THEN 'no signer'
        WHEN 6 THEN 'catalog missing'
        WHEN 7 THEN 'catalog unreadable'
        ELSE 'no catalog'
    END AS TEXT) AS "SignatureState"
FROM driver d
JOIN driver_content c ON c.content_id = d.content_id
JOIN driver_document t ON t.ci_id = d.ci_id;

CREATE VIEW "Haulier_DriverImport" AS
SELECT
    already_imported AS "AlreadyImported",
    bytes_read AS "BytesRead",
    cancel_requested AS "CancelRequested",
    categories AS "Categories",
    CAST(CASE duplicates
        WHEN 1 THEN 'keep'
        WHEN 2 THEN 'overwrite'
        WHEN 3 THEN 'skip'
        ELSE 'append'
    END AS TEXT) AS "Duplicates",
    enable AS "Enable",
    failed AS "Failed",
    fault_code AS "FaultCode",
    fault_text AS "FaultText",
    files AS "Files",
    finished_at AS "Finished",
    imported AS "Imported",
    import_id AS "ImportID",
    infs_done AS "INFsDone",
    infs_found AS "INFsFound",
    requested_at AS "Requested",
    requested_by AS "RequestedBy",
    source_names AS "Sources",
    sources_done AS "SourcesDone",
    started_at AS "Started",
    state AS "State",
    CAST(CASE state
        WHEN 0 THEN 'queued'
        WHEN 1 THEN 'running'
        WHEN 2 THEN 'done'
        WHEN 3 THEN 'failed'
        ELSE 'cancelled'
    END AS TEXT) AS "StateName"
FROM driver_import;

CREATE VIEW "Haulier_DriverImportItem" AS
SELECT
    ci_id AS "CI_ID",
    diagnostics AS "Diagnostics",
    error_code AS "ErrorCode",
    import_id AS "ImportID",
    item AS "Item",
    CAST(CASE outcome
        WHEN 0 THEN 'imported'
        WHEN 1 THEN 'already imported'
        WHEN 2 THEN 'invalid'
        WHEN 3 THEN 'no supported platform'
        WHEN 4 THEN 'unreadable'
        WHEN 5 THEN 'skipped'
        ELSE 'source failed'
    END AS TEXT) AS "Outcome",
    path AS "Path",
    reason AS "Reason",
    source_index AS "SourceIndex"
FROM driver_import_item;
